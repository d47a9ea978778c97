"""Every query that runs often finds its rows by an index; none reads a whole table that grows."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from ganggpt.persistence import hosts, pushes
from ganggpt.persistence.journal import journal, reader, retention, row_retention
from ganggpt.persistence.journal.partitions import journal_part, memory_part
from ganggpt.persistence.projections import writer
from ganggpt.persistence.world_lists import page_query

pytestmark = pytest.mark.integration

_FILL = """
INSERT INTO hosts (name, kind, flushed_at) SELECT 'h' || n, 'shared', clock_timestamp() FROM generate_series(1, 20) n;
INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
SELECT 'npc:' || n % 500, n, (now() AT TIME ZONE 'UTC')::date, now() - interval '10 min' + n * interval '10 ms', 1,
  gen_random_uuid(), 'server:s', 'Talk', decode(repeat('00', 200), 'hex') FROM generate_series(1, 8000) n;
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT 'npc:' || n, n, 0, 's:' || n % 256, 'npc:x', gen_random_uuid(), 'Talk', '', now() - interval '1 h'
FROM generate_series(1, 8000) n;
INSERT INTO reminders (actor, name, shard, due, command, body)
SELECT 'npc:' || n, 'due', 's:' || n % 256, now() + n * interval '1 s', 'Expire', '' FROM generate_series(1, 8000) n;
INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at)
SELECT 's' || n % 20, 1, 'npc:x', n, 0, 'said', '', now() FROM generate_series(1, 8000) n;
INSERT INTO players (id, username, email, actor, server, online)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'p' || n, 'p' || n || '@x', 'player:p' || n,
  's' || n % 20, n % 100 = 0 FROM generate_series(1, 5000) n;
INSERT INTO npc_memories (npc_id, player_id, memory_type, content, created_at, expires_at)
SELECT 'n' || n % 500, ('00000000-0000-4000-8000-' || lpad((1 + n % 5000)::text, 12, '0'))::uuid, 'talk', '{}',
  now() - n * interval '1 s', CASE WHEN n % 10 = 0 THEN now() + n * interval '1 s' END FROM generate_series(1, 8000) n;
UPDATE players SET district = 'd' || right(username, 2);
INSERT INTO npcs (id, actor, name, role, district, faction, retired)
SELECT 'n' || n, 'npc:n' || n, 'N', 'guard', 'd' || n % 50, CASE WHEN n % 9 = 0 THEN 'f' || n % 20 END, n % 3 = 0
FROM generate_series(1, 8000) n;
INSERT INTO missions (title, status, actor, giver, payer, created_at, player_id)
SELECT 't', CASE WHEN n % 100 = 0 THEN 'offered' ELSE 'completed' END, 'mission:m' || n, 'npc:n' || n % 500,
  'f' || n % 20, now() - n * interval '1 min',
  ('00000000-0000-4000-8000-' || lpad((1 + n % 5000)::text, 12, '0'))::uuid FROM generate_series(1, 8000) n;
INSERT INTO companions (player_id, actor, name, companion_type, personality, memory_data)
SELECT ('00000000-0000-4000-8000-' || lpad((1 + n % 5000)::text, 12, '0'))::uuid, 'companion:c' || n, 'Rex', 'dog',
  '{}', CASE WHEN n % 50 = 0 THEN '{"gone": "left"}' ELSE '{}' END::jsonb FROM generate_series(1, 5000) n;
INSERT INTO snapshots (actor, seq, schema, body) SELECT 'npc:' || n, n, 1, '' FROM generate_series(1, 5000) n;
INSERT INTO faction_relationships (faction_a, faction_b, relationship_type, strength)
SELECT 'f' || a, 'f' || b, 'neutral', 0 FROM generate_series(1, 60) a, generate_series(1, 60) b WHERE a <> b;
ANALYZE;
"""
_TODAY = journal_part(datetime.now(UTC).date())
_MONTH = memory_part(_TODAY.start)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_ANNA = uuid.UUID("00000000-0000-4000-8000-000000000042")

_QUERIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "wake": (journal.SQL["load"], (["npc:1", "npc:2"],)),
    "one turn": (journal.SQL["turn"], ("npc:1", 1)),
    "what listeners hear next": (reader.SQL["after"], (["npc:1", "npc:2"], [7000, 7000], reader.AFTER_MAX)),
    "an utterance and what follows": (reader.SQL["since"], ("npc:1", 1, 256)),
    "what caused a turn": (reader.SQL["causes"], ("npc:1", [1, 501])),
    "turn of a command": (journal.SQL["turn_by_command"], ("npc:1", _ANNA)),
    "is a message owed": (journal.SQL["is_owed"], ("npc:1", "npc:x", _ANNA, time.time())),
    "uncovered actors of a day": (retention.SQL["uncovered"].format(part=_TODAY.name), ("npc:400", 100)),
    "the oldest message": (retention.OLDEST_MESSAGE, ()),
    "the oldest reminder": (retention.OLDEST_REMINDER, ()),
    "expired memories": (row_retention.SQL["expired"], (_LONG_AGO, _ANNA, 1000)),
    "memories of a month": (row_retention.SQL["of_month"].format(part=_MONTH.name), (_ANNA, 1000)),
    "forget stale memories": (row_retention.SQL["delete_memories"], ([_ANNA], [_LONG_AGO])),
    "missions that ended long ago": (row_retention.SQL["ended_missions"], (90, 500)),
    "old pushes": (row_retention.SQL["delete_old_pushes"], (30, 1000)),
    "pushes of servers that are gone": (row_retention.SQL["delete_pushes_of"], (["s1"],)),
    "unflushed": (hosts.SQL["unflushed"], (1,)),
    "messages": (journal.SQL["messages"], (["s:1", "s:2"], 1.0, 100)),
    "settle": (journal.SQL["settle"], (["npc:1"], [1], [0])),
    "due reminders": (journal.SQL["due"], (["s:1", "s:2"], time.time(), 100)),
    "unacked pushes": (pushes._UNACKED, ("s1", 0, 100)),
    "ack": (pushes._ACK, ("s1", [1, 21])),
    "trim pushes": (pushes._TRIM, ("s1", 500)),
    "renew memories": (writer.SQL["delete_surplus_memories"], (["n1"], [_ANNA])),
    "forget memories": (writer.SQL["delete_memories"], ([_ANNA], [time.time()])),
    "memories of an npc": (
        "SELECT * FROM npc_memories WHERE npc_id = $1 ORDER BY created_at",
        ("n1",),
    ),
    "memories about a player": ("SELECT * FROM npc_memories WHERE player_id = $1", (_ANNA,)),
    "memories that expired": ("DELETE FROM npc_memories WHERE expires_at < now()", ()),
    "missions of a player": ("SELECT * FROM missions WHERE player_id = $1", (_ANNA,)),
    "open missions": ("SELECT * FROM missions WHERE status = 'offered' ORDER BY created_at", ()),
    "companions of a player": ("SELECT * FROM companions WHERE player_id = $1", (_ANNA,)),
    "who is online": ("SELECT * FROM players WHERE server = 's0' AND online", ()),
    "a player by name": ("SELECT * FROM players WHERE username = $1", ("p1",)),
    "what others think": (
        "SELECT * FROM faction_relationships WHERE faction_b = $1",
        ("f1",),
    ),
}
_HOUR_AGO = time.time() - 3600
_LISTS: dict[str, tuple[str, dict[str, str | bool], tuple[float, str] | None]] = {
    "npcs": ("npcs", {"retired": False}, (0.0, "npc:n500")),
    "npcs that retired": ("npcs", {"retired": True}, (0.0, "npc:n500")),
    "npcs of a district": ("npcs", {"district": "d7", "retired": False}, (0.0, "npc:n500")),
    "npcs of a faction": ("npcs", {"faction": "f9", "retired": True}, None),
    "players": ("players", {}, (0.0, "player:p77")),
    "players online": ("players", {"online": True}, (0.0, "player:p77")),
    "players on a server": ("players", {"server": "s0"}, (0.0, "player:p77")),
    "players in a district": ("players", {"district": "d42"}, None),
    "missions": ("missions", {}, (_HOUR_AGO, "mission:m60")),
    "missions that are open": ("missions", {"status": "open"}, (_HOUR_AGO, "mission:m60")),
    "missions that are over": ("missions", {"status": "over"}, None),
    "missions of a status": ("missions", {"status": "offered"}, (_HOUR_AGO, "mission:m60")),
    "missions of one player": ("missions", {"player": "player:p1"}, None),
    "missions of a giver": ("missions", {"giver": "npc:n7"}, None),
    "missions a faction pays": ("missions", {"faction": "f7"}, (_HOUR_AGO, "mission:m60")),
    "companions": ("companions", {}, (0.0, "companion:c77")),
    "companions of one player": ("companions", {"owner": "player:p1"}, None),
    "companions that left": ("companions", {"state": "left"}, None),
}
_QUERIES |= {f"list: {name}": page_query(*asked, 50) for name, asked in _LISTS.items()}


@pytest.fixture(scope="module")
async def full(postgres_server: Any, template_database: str) -> Any:
    """A connection to a database with enough rows that a plan matters."""
    administer = await asyncpg.connect(postgres_server.dsn_of("postgres"))
    await administer.execute(f"CREATE DATABASE full_world TEMPLATE {template_database}")
    connection = await asyncpg.connect(postgres_server.dsn_of("full_world"), timeout=10)
    await connection.execute(_FILL, timeout=60)
    yield connection
    await connection.close()
    await administer.execute("DROP DATABASE full_world WITH (FORCE)")
    await administer.close()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize("name", _QUERIES)
async def test_a_query_reads_by_index(full: asyncpg.Connection, name: str) -> None:
    query, arguments = _QUERIES[name]
    plan = json.loads(await full.fetchval("EXPLAIN (FORMAT JSON) " + query, *arguments))[0]["Plan"]
    nodes = list(_nodes(plan))
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    # A part without rows is read faster than its index is opened.
    long = await full.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1::text[]) AND reltuples > 500", scanned)
    assert not long, f"{long} read whole: {json.dumps(plan, indent=1)}"
    assert any("Index Name" in node for node in nodes), json.dumps(plan, indent=1)


@pytest.mark.parametrize("name", _LISTS)
async def test_a_page_of_a_list_costs_its_own_rows(full: asyncpg.Connection, name: str) -> None:
    query, arguments = page_query(*_LISTS[name], 20)
    plan = json.loads(await full.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query, *arguments))[0]["Plan"]
    read = [
        node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
        for node in _nodes(plan)
        if "Relation Name" in node
    ]
    assert read, plan
    # Twenty rows, each with the player it belongs to, or (of a status, a faction) the few there are.
    assert sum(read) <= 400, json.dumps(plan, indent=1)


async def test_a_query_without_an_index_would_be_noticed(full: asyncpg.Connection) -> None:
    plan = json.loads(await full.fetchval("EXPLAIN (FORMAT JSON) SELECT * FROM journal WHERE name = 'Talk'"))[0]["Plan"]
    scanned = [node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"]
    sizes = await full.fetch("SELECT reltuples FROM pg_class WHERE relname = ANY($1::text[])", scanned)
    assert max(r["reltuples"] for r in sizes) > 500
