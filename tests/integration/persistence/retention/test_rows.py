"""Rows of the other tables go when nobody holds them any more, and never before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from ganggpt.actors.host.activation import Activation
from ganggpt.actors.maintenance import housekeeping
from ganggpt.actors.maintenance.housekeeping import Housekeeping
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.persistence.journal import row_retention
from ganggpt.persistence.journal.partitions import briefly, make_part, memory_part
from ganggpt.persistence.journal.row_retention import PostgresRowRetention
from ganggpt.persistence.ports.projections import ArchiveQuestion
from ganggpt.persistence.ports.retention import month_after
from ganggpt.persistence.projections.memory_archive import PostgresMemoryArchive
from ganggpt.persistence.projections.rows import row_id
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.past import Past
from tests.support.states import npc

pytestmark = pytest.mark.integration


def _ago(days: float) -> float:
    return (datetime.now(UTC) - timedelta(days=days)).timestamp()


def _memory(no: int, days_ago: float, expires_s: float | None = None) -> Memory:
    return Memory(no, "talk", f"thing {no}", 40, None, "witnessed", _ago(days_ago), expires_s)


async def _lives(past: Past, name: str, *memories: Memory, next_no: int = 100) -> Any:
    """An NPC with these memories: its snapshot, and its rows as a flush writes them."""
    held = npc(*memories)
    state = replace(held, mind=replace(held.mind, next_no=next_no))
    activation = Activation(ActorId(f"npc:{name}"), "s:0")
    activation.state, activation.seq = state, 5
    await past.journal.save_snapshots(past.epoch, 1, [(activation.actor, 5, activation.snapshot())])
    await PostgresFlush(past.pool).flush(past.epoch, [(activation.actor, None, state)], _ago(0))
    return state


async def _row(past: Past, npc_id: str, *, no: int | None, expires_s: float | None, id: UUID | None = None) -> UUID:  # noqa: A002
    key = id or uuid4()
    await past.pool.execute(
        "INSERT INTO npc_memories (id, npc_id, memory_type, content, created_at, expires_at) "
        "VALUES ($1, $2, 'talk', $3, now(), to_timestamp($4))",
        key,
        npc_id,
        json.dumps({"no": no}),
        expires_s,
    )
    return key


async def _shown(pool: asyncpg.Pool) -> set[UUID]:
    return {r["id"] for r in await pool.fetch("SELECT id FROM npc_memories")}


async def test_an_expired_memory_goes_unless_a_mind_still_holds_it(past: Past, keeping: Housekeeping) -> None:
    await _lives(past, "mara", _memory(1, 30, _ago(9)), _memory(2, 1))
    forgotten = await _row(past, "mara", no=7, expires_s=_ago(2), id=row_id("npc:mara", 7))
    newer_than_we_know = await _row(past, "mara", no=150, expires_s=_ago(2), id=row_id("npc:mara", 150))
    not_expired = await _row(past, "mara", no=8, expires_s=None, id=row_id("npc:mara", 8))
    foreign = await _row(past, "mara", no=None, expires_s=_ago(2))
    unknown = await _row(past, "nobody", no=1, expires_s=_ago(2), id=row_id("npc:nobody", 1))
    held = {row_id("npc:mara", 1), row_id("npc:mara", 2)}
    planned = await keeping.round(dry_run=True)
    assert await _shown(past.pool) == held | {forgotten, newer_than_we_know, not_expired, foreign, unknown}
    done = await keeping.round()
    assert planned.memories == done.memories == 3
    assert await _shown(past.pool) == held | {newer_than_we_know, not_expired}


async def test_a_memory_in_the_archive_goes_at_its_date_and_no_mind_is_asked(past: Past, keeping: Housekeeping) -> None:
    await past.pool.execute("INSERT INTO snapshots (actor, seq, schema, body) VALUES ('npc:broken', 3, 1, 'x')")
    archive = PostgresMemoryArchive(past.pool)
    lost = Memory(1, "seen", "long ago", 20, None, "witnessed", _ago(40))
    kept = Memory(2, "seen", "long ago and grave", 90, None, "witnessed", _ago(40))
    await archive.keep(past.epoch, "npc:broken", [lost, kept], 2)
    assert (await keeping.round()).memories == 1
    assert await _shown(past.pool) == {row_id("npc:broken", 2)}


async def test_the_archive_of_an_old_month_stays_when_the_month_folds(past: Past, keeping: Housekeeping) -> None:
    part = await _past_month(past, 5)
    at_s = datetime(part.start.year, part.start.month, 3, tzinfo=UTC).timestamp()
    await PostgresMemoryArchive(past.pool).keep(
        past.epoch, "npc:mara", [Memory(2, "seen", "the great fire", 100, None, "witnessed", at_s, rehearsed=9)], 2
    )
    assert (await keeping.round()).folded == [part.name]
    question = ArchiveQuestion(npc="npc:mara", query="fire", listener="player:a", now_s=_ago(0), held=2)
    assert [memory.no for memory, _ in await PostgresMemoryArchive(past.pool).search(question)] == [2]


async def test_memories_of_a_mind_that_cannot_be_read_stay(past: Past, keeping: Housekeeping) -> None:
    await past.pool.execute("INSERT INTO snapshots (actor, seq, schema, body) VALUES ('npc:broken', 3, 1, 'x')")
    kept = await _row(past, "broken", no=1, expires_s=_ago(2), id=row_id("npc:broken", 1))
    assert (await keeping.round()).memories == 0
    assert await _shown(past.pool) == {kept}


async def test_every_expired_memory_is_looked_at_although_a_round_looks_at_few(
    past: Past, keeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 4)
    await _lives(past, "mara", *(_memory(n, 30, _ago(20 - n)) for n in range(1, 11)))
    for n in range(10):
        await _row(past, "nobody", no=n, expires_s=_ago(3 - n / 10))
    gone = [(await keeping.round(expired_max=4)).memories for _ in range(7)]
    assert sum(gone) == 10
    assert len(await _shown(past.pool)) == 10


async def _past_month(past: Past, months: int) -> Any:
    part = memory_part(month_after(past.today, -months))

    async def make(connection: Any) -> None:
        await make_part(connection, part)

    await briefly(past.pool, make)
    return part


async def test_an_old_month_folds_and_what_is_still_held_stays_in_the_table(past: Past, keeping: Housekeeping) -> None:
    part = await _past_month(past, 5)
    at_s = datetime(part.start.year, part.start.month, 3, tzinfo=UTC).timestamp()
    old = replace(_memory(1, 0), created_s=at_s)
    older = replace(_memory(2, 0), created_s=at_s + 5)
    state = await _lives(past, "mara", old, older, _memory(3, 0))
    orphan = await _row(past, "mara", no=9, expires_s=None, id=row_id("npc:mara", 9))
    await past.pool.execute("UPDATE npc_memories SET created_at = to_timestamp($1) WHERE id = $2", at_s, orphan)
    assert await past.pool.fetchval(f"SELECT count(*) FROM {part.name}") == 3
    done = await keeping.round()
    assert done.folded == [part.name]
    assert await past.pool.fetchval("SELECT to_regclass($1)", part.name) is None
    assert await past.pool.fetchval("SELECT to_regclass($1)", f"{part.name}_dropped") is None
    assert await _shown(past.pool) == {row_id("npc:mara", n) for n in (1, 2, 3)}
    # The host goes on as if nothing had happened: one is reinforced, one forgotten.
    firmer = replace(state, mind=replace(state.mind, memories=(replace(old, weight=77), state.mind.memories[2])))
    await PostgresFlush(past.pool).flush(past.epoch, [("npc:mara", state, firmer)], _ago(0))
    rows = {r["id"]: r["emotional_weight"] for r in await past.pool.fetch("SELECT * FROM npc_memories")}
    assert rows == {row_id("npc:mara", 1): 77, row_id("npc:mara", 3): 40}
    # And so does one that knows nothing about the tables and shows everything again.
    await PostgresFlush(past.pool).flush(past.epoch, [("npc:mara", None, firmer)], _ago(0))
    assert await _shown(past.pool) == set(rows)


async def test_a_month_minds_still_hold_much_of_keeps_its_part(
    past: Past, keeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "FOLD_MAX", 2)
    monkeypatch.setattr(row_retention, "FOLD_MAX", 2)
    part = await _past_month(past, 5)
    at_s = datetime(part.start.year, part.start.month, 3, tzinfo=UTC).timestamp()
    await _lives(past, "mara", *(replace(_memory(n, 0), created_s=at_s + n) for n in range(1, 4)))
    done = await keeping.round()
    assert part.name in done.held
    (month, *_) = await PostgresRowRetention(past.pool).months()
    assert not await PostgresRowRetention(past.pool).fold(month)
    assert len(await _shown(past.pool)) == 3


async def _mission(past: Past, name: str, status: str, days_ago: float) -> str:
    actor = f"mission:{name}"
    await past.pool.execute(
        "INSERT INTO missions (title, actor, status, created_at, updated_at) "
        "VALUES ('t', $1, $2, to_timestamp($3), to_timestamp($3))",
        actor,
        status,
        _ago(days_ago),
    )
    await past.pool.execute("INSERT INTO snapshots (actor, seq, schema, body) VALUES ($1, 3, 1, '')", actor)
    return actor


async def test_missions_that_ended_long_ago_go_with_their_snapshots(past: Past, keeping: Housekeeping) -> None:
    gone = {await _mission(past, f"gone-{s}", s, 91) for s in ("completed", "failed", "expired")}
    kept = {
        await _mission(past, "recent", "completed", 89),
        await _mission(past, "open", "offered", 91),
        await _mission(past, "rewards", "completed", 91),
        await _mission(past, "due", "completed", 91),
        await _mission(past, "turns", "completed", 91),
    }
    await past.pool.execute(
        "INSERT INTO outbox VALUES ('mission:rewards', 3, 0, 's', 'x', gen_random_uuid(), 'E', '', now())"
    )
    await past.pool.execute("INSERT INTO reminders VALUES ('mission:due', 'due', 's', now() + interval '1 h', 'E', '')")
    await past.pool.execute(
        "INSERT INTO journal VALUES ('mission:turns', 3, current_date, now(), 1, gen_random_uuid(), 'x', 'E', '')"
    )
    await past.pool.execute(
        "INSERT INTO missions (title, status, created_at) VALUES ('imported', 'completed', '2020-01-01')"
    )
    assert (await keeping.round(dry_run=True)).missions == len(gone)
    assert (await keeping.round()).missions == len(gone)
    assert {r["actor"] for r in await past.pool.fetch("SELECT actor FROM missions")} == {*kept, None}
    assert {r["actor"] for r in await past.pool.fetch("SELECT actor FROM snapshots")} == kept


async def test_what_waits_for_a_server_that_is_gone_goes_with_it(past: Past, keeping: Housekeeping) -> None:
    await past.pool.execute(
        "INSERT INTO game_servers (name, seen_at) VALUES ('gone', to_timestamp($1)), ('here', now())", _ago(31)
    )
    await past.pool.executemany(
        "INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at) "
        "VALUES ($1, 1, 'npc:a', $2, 0, 'said', '', to_timestamp($3))",
        [("here", 1, _ago(31)), ("gone", 2, _ago(1)), ("here", 3, _ago(29)), ("never-seen", 4, _ago(40))],
    )
    planned = await keeping.round(dry_run=True)
    done = await keeping.round()
    assert (planned.servers, done.servers, done.pushes) == (1, 1, 3)
    assert [r["name"] for r in await past.pool.fetch("SELECT name FROM game_servers")] == ["here"]
    assert [r["seq"] for r in await past.pool.fetch("SELECT seq FROM pushes")] == [3]


async def test_hosts_and_clusters_nobody_misses_are_forgotten(past: Past, keeping: Housekeeping) -> None:
    await past.pool.executemany(
        "INSERT INTO hosts (name, kind, state, seen_at, cluster) VALUES ($1, 'shared', $2, to_timestamp($3), $4)",
        [("old", "dead", _ago(2), "a"), ("fresh", "dead", _ago(0.5), "a"), ("holds", "dead", _ago(2), "a"),
         ("lives", "live", _ago(40), "busy")],
    )  # fmt: skip
    await past.pool.execute(
        "INSERT INTO shards (shard, residence, epoch) SELECT 's:1', 'shared', epoch FROM hosts WHERE name = 'holds'"
    )
    await past.pool.executemany(
        "INSERT INTO clusters (name, key, seen_at) VALUES ($1, 'k', to_timestamp($2))",
        [("a", _ago(31)), ("b", _ago(29)), ("owner", _ago(31)), ("busy", _ago(31))],
    )
    await past.pool.execute(
        "INSERT INTO world (name, title, seed, shards, sheet, owner) VALUES ('w', 'w', 1, 4, '', 'owner')"
    )
    done = await keeping.round()
    assert (done.hosts, done.clusters) == (1, 1)
    assert "old" not in {r["name"] for r in await past.pool.fetch("SELECT name FROM hosts")}
    assert {r["name"] for r in await past.pool.fetch("SELECT name FROM clusters")} == {"b", "owner", "busy"}
