"""Compares the user's tables with the rows they should show, using the statements of ``writer``.

Each comparison is the select of a flush's own INSERT, joined with the table, so it tells for every value what the flush
would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ganggpt.persistence.projections.rows import Rows, mind_of
from ganggpt.persistence.projections.writer import SQL as FLUSH
from ganggpt.persistence.projections.writer import columns_of
from ganggpt.persistence.sql import load_sql

_TIMEOUT_S: Final = 120.0
_INSERT: Final = re.compile(r"\s*INSERT INTO (\w+) \((.*?)\)\s*(SELECT .*?)\s*ON CONFLICT", re.DOTALL)


def _differences(insert: str, *key: str) -> str:
    found = _INSERT.match(insert)
    assert found is not None
    table, columns, select = found.groups()
    same = " AND ".join(f"t.{column} = g.{column}" for column in key)
    other = " OR ".join(f"t.{column} IS DISTINCT FROM g.{column}" for column in columns.replace(",", " ").split())
    return f"SELECT g.* FROM ({select}) g ({columns}) LEFT JOIN {table} t ON {same} WHERE {other}"  # noqa: S608


_NPCS: Final = _differences(FLUSH["npcs"], "id")
_MEMORIES: Final = _differences(FLUSH["memories"], "id", "created_at")
_RELATIONS: Final = _differences(FLUSH["relations"], "faction_a", "faction_b")
_FACTIONS: Final = _differences(FLUSH["factions"], "id")
_MISSIONS: Final = _differences(FLUSH["missions"], "id")
_COMPANIONS: Final = _differences(FLUSH["companions"], "id")
SQL: Final = load_sql(Path(__file__).with_name("check.sql"))


async def differing_actors(connection: Any, rows: Rows) -> Mapping[str, str]:
    """Actors whose rows are missing or differ, with the table in which they differ. Every actor was added to ``rows``
    with its old state None."""
    found: dict[str, str] = {}

    async def compare(table: str, statement: str, args: Sequence[Any], actor_of: Callable[[Any], str]) -> None:
        for record in await connection.fetch(statement, *args, timeout=_TIMEOUT_S):
            found[actor_of(record)] = table

    by_id = {row.id: row.actor for row in rows.players.values()}
    await compare("players", SQL["players"], columns_of(rows.players) or [()] * 14, lambda r: by_id[r["id"]])
    await compare(
        "npc_memories",
        SQL["surplus_memories"],
        (sorted(rows.renewed), list(rows.memories)),
        lambda r: mind_of(r["npc_id"]),
    )
    for table, statement, expected, actor_of in (
        ("npcs", _NPCS, rows.npcs, lambda r: str(r["actor"])),
        ("npc_memories", _MEMORIES, rows.memories, lambda r: mind_of(r["npc_id"])),
        ("faction_relationships", _RELATIONS, rows.relations, lambda r: f"faction:{r['faction_a']}"),
        ("factions", _FACTIONS, rows.factions, lambda r: f"faction:{r['id']}"),
        ("missions", _MISSIONS, rows.missions, lambda r: str(r["actor"])),
        ("companions", _COMPANIONS, rows.companions, lambda r: str(r["actor"])),
    ):
        if expected:
            await compare(table, statement, columns_of(expected), actor_of)
    return found
