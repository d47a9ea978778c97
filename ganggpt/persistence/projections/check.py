"""Holds the user's tables against the rows they should show. The counterpart of ``flush_store``, and made of it.

Each comparison is the select of the flush's own INSERT, joined with what the table has: so it says of every value what
the flush would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ganggpt.persistence.projections.rows import Rows, mind_of
from ganggpt.persistence.projections.writer import (
    COMPANIONS,
    FACTIONS,
    MEMORIES,
    MISSIONS,
    RELATIONS,
    columns_of,
)

_TIMEOUT_S: Final = 120.0
_INSERT: Final = re.compile(r"\s*INSERT INTO (\w+) \((.*?)\)\s*(SELECT .*?)\s*ON CONFLICT", re.DOTALL)


def _differences(insert: str, *key: str) -> str:
    found = _INSERT.match(insert)
    assert found is not None
    table, columns, select = found.groups()
    same = " AND ".join(f"t.{column} = g.{column}" for column in key)
    other = " OR ".join(f"t.{column} IS DISTINCT FROM g.{column}" for column in columns.replace(",", " ").split())
    return f"SELECT g.* FROM ({select}) g ({columns}) LEFT JOIN {table} t ON {same} WHERE {other}"  # noqa: S608


_MEMORIES: Final = _differences(MEMORIES, "id", "created_at")
_RELATIONS: Final = _differences(RELATIONS, "faction_a", "faction_b")
_FACTIONS: Final = _differences(FACTIONS, "id")
_MISSIONS: Final = _differences(MISSIONS, "id")
_COMPANIONS: Final = _differences(COMPANIONS, "id")
# Anti-joined and not compared with an array, which a plan for any parameters compares one by one.
_TOO_MANY: Final = """
SELECT DISTINCT npc_id FROM npc_memories m WHERE npc_id IN (SELECT unnest($1::text[])) AND terms IS NULL
  AND NOT EXISTS (SELECT FROM unnest($2::uuid[]) k (id) WHERE k.id = m.id)
"""
# A name or an address that somebody else held got a form of its own; an address nobody gave was left as it was.
_PLAYERS: Final = """
SELECT g.id FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::float8[],
  $8::text[], $9::bool[], $10::text[], $11::bigint[], $12::text[], $13::text[])
  AS g (id, username, email, created_s, login_s, tier, played_s, actor, online, server, cash, standing, missions)
  LEFT JOIN players p ON p.id = g.id
WHERE p.id IS NULL
  OR p.username NOT IN (g.username, left(g.username, 41) || '~' || left(g.id::text, 8))
  OR p.email NOT IN (coalesce(g.email, p.email), g.id || '@players.invalid')
  OR (p.created_at, p.last_login, p.subscription_tier, p.total_playtime, p.actor, p.online, p.server, p.cash,
      p.standing, p.active_missions)
    IS DISTINCT FROM (to_timestamp(created_s), to_timestamp(login_s), tier, make_interval(secs => played_s), g.actor,
      g.online, g.server, g.cash, g.standing::jsonb, ARRAY(SELECT jsonb_array_elements_text(missions::jsonb)))
"""


async def differing_actors(connection: Any, rows: Rows) -> Mapping[str, str]:
    """Actors whose rows are missing or differ, with the table they differ in. ``rows`` are whole: each actor was added
    with its old state None."""
    found: dict[str, str] = {}

    async def look(table: str, statement: str, args: Sequence[Any], actor_of: Callable[[Any], str]) -> None:
        for record in await connection.fetch(statement, *args, timeout=_TIMEOUT_S):
            found[actor_of(record)] = table

    by_id = {row.id: row.actor for row in rows.players.values()}
    await look("players", _PLAYERS, columns_of(rows.players) or [()] * 13, lambda r: by_id[r["id"]])
    await look("npc_memories", _TOO_MANY, (sorted(rows.renewed), list(rows.memories)), lambda r: mind_of(r["npc_id"]))
    for table, statement, expected, actor_of in (
        ("npc_memories", _MEMORIES, rows.memories, lambda r: mind_of(r["npc_id"])),
        ("faction_relationships", _RELATIONS, rows.relations, lambda r: f"faction:{r['faction_a']}"),
        ("factions", _FACTIONS, rows.factions, lambda r: f"faction:{r['id']}"),
        ("missions", _MISSIONS, rows.missions, lambda r: str(r["actor"])),
        ("companions", _COMPANIONS, rows.companions, lambda r: str(r["actor"])),
    ):
        if expected:
            await look(table, statement, columns_of(expected), actor_of)
    return found
