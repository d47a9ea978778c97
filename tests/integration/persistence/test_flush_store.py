"""The user's tables show what actors became, whoever flushes twice, late or at the same time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.projections import writer
from ganggpt.persistence.projections.rows import player_id, row_id
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.states import NOW_S, companion, faction, memory, mission, npc, player

pytestmark = pytest.mark.integration

ANNA = player_id("player:anna")
_TABLES = ("players", "npcs", "npc_memories", "faction_relationships", "factions", "missions", "companions")


@pytest.fixture
def flush(pool: asyncpg.Pool) -> PostgresFlush:
    return PostgresFlush(pool)


@pytest.fixture
async def epoch(pool: asyncpg.Pool) -> int:
    return (await PostgresHosts(pool).register("host-1", "shared")).epoch


async def _all(pool: asyncpg.Pool) -> dict[str, list[dict[str, Any]]]:
    """Everything the tables show, without the times of writing."""
    shown = {}
    for table in _TABLES:
        rows = [dict(r) for r in await pool.fetch(f"SELECT * FROM {table} ORDER BY 1")]
        for row in rows:
            row.pop("updated_at", None)
        shown[table] = sorted(rows, key=str)
    return shown


def _everything() -> list[tuple[str, Any, Any]]:
    return [
        ("companion:rex", None, companion(memory(1, about="player:anna"))),
        ("mission:m1", None, mission()),
        (
            "npc:mara",
            None,
            npc(memory(1, about="player:anna", expires_s=NOW_S + 99), memory(2), memory(3, about="player:b")),
        ),
        ("faction:ballas", None, faction(vagos=-40.0)),
        (
            "player:anna",
            None,
            player(server="one", cash=70, playtime_s=90.0, last_login_s=NOW_S, active={"mission:m1": None}),
        ),
    ]


async def test_every_kind_reaches_its_table(pool: asyncpg.Pool, flush: PostgresFlush, epoch: int) -> None:
    assert await flush.flush(epoch, _everything(), NOW_S) == 9
    anna = await pool.fetchrow(
        "SELECT *, extract(epoch FROM total_playtime)::int AS s FROM players WHERE id = $1", ANNA
    )
    assert anna is not None
    assert (anna["username"], anna["actor"], anna["online"], anna["server"]) == ("Anna", "player:anna", True, "one")
    assert (anna["cash"], anna["s"], anna["active_missions"]) == (70, 90, ["mission:m1"])
    b = await pool.fetchrow("SELECT * FROM players WHERE actor = 'player:b'")
    assert b is not None
    assert b["email"] == f"{player_id('player:b')}@players.invalid"
    memories = await pool.fetch("SELECT * FROM npc_memories WHERE npc_id = 'mara' ORDER BY created_at")
    assert [m["player_id"] for m in memories] == [ANNA, None, player_id("player:b")]
    assert json.loads(memories[0]["content"])["text"] == "somebody came by"
    relation = await pool.fetchrow("SELECT * FROM faction_relationships")
    assert relation is not None
    assert (relation["faction_a"], relation["faction_b"], relation["strength"]) == ("ballas", "vagos", -40)
    taken = await pool.fetchrow("SELECT *, extract(epoch FROM estimated_duration)::int AS s FROM missions")
    assert taken is not None
    assert (taken["player_id"], taken["s"], json.loads(taken["faction_impact"])) == (ANNA, 1200, {"ballas": 5})
    assert await pool.fetchval("SELECT loyalty_level FROM companions WHERE player_id = $1", ANNA) == 56
    assert await pool.fetchval("SELECT territories FROM factions WHERE id = 'ballas'") == ["docks"]


async def test_a_flush_done_twice_changes_nothing(pool: asyncpg.Pool, flush: PostgresFlush, epoch: int) -> None:
    await flush.flush(epoch, _everything(), NOW_S)
    once = await _all(pool)
    await flush.flush(epoch, _everything(), NOW_S)
    assert await _all(pool) == once


async def test_steps_and_one_rebuild_show_the_same(pool: asyncpg.Pool, flush: PostgresFlush, epoch: int) -> None:
    one, two, three = memory(1), memory(2, about="player:anna"), memory(3)
    states = [npc(one, two), npc(replace(one, weight=80), two, three), npc(replace(one, weight=80), three)]
    for old, new in zip([None, *states], states, strict=False):
        await flush.flush(epoch, [("npc:mara", old, new)], NOW_S)
    stepped = await _all(pool)
    await pool.execute("DELETE FROM npc_memories WHERE id = $1", row_id("npc:mara", 3))
    await pool.execute("UPDATE npc_memories SET emotional_weight = 1")
    await pool.execute("INSERT INTO npc_memories (npc_id, memory_type, content) VALUES ('mara', 'stray', '{}')")
    await flush.flush(epoch, [("npc:mara", None, states[-1])], NOW_S)
    assert await _all(pool) == stepped


async def test_an_npc_that_remembers_nothing_has_no_rows_left(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int
) -> None:
    await pool.execute("INSERT INTO npc_memories (npc_id, memory_type, content) VALUES ('mara', 'stray', '{}')")
    await flush.flush(epoch, [("npc:mara", None, npc())], NOW_S)
    assert await pool.fetchval("SELECT count(*) FROM npc_memories") == 0


async def test_a_fenced_host_flushes_nothing(pool: asyncpg.Pool, flush: PostgresFlush, epoch: int) -> None:
    before = await _all(pool)
    await PostgresHosts(pool).register("host-1", "shared")
    with pytest.raises(Fenced):
        await flush.flush(epoch, _everything(), NOW_S)
    with pytest.raises(Fenced):
        await flush.flush(epoch, [], NOW_S)
    assert await _all(pool) == before


async def test_a_take_over_waits_for_a_flush_in_flight(pool: asyncpg.Pool, flush: PostgresFlush, epoch: int) -> None:
    async with pool.acquire() as blocker:
        blocking = blocker.transaction()
        await blocking.start()
        await blocker.execute("LOCK TABLE companions IN EXCLUSIVE MODE")
        flushing = asyncio.create_task(flush.flush(epoch, _everything(), NOW_S))
        await _waiting(pool, 1)
        taking_over = asyncio.create_task(PostgresHosts(pool).register("host-1", "shared"))
        await _waiting(pool, 2)
        assert not taking_over.done()
        await blocking.rollback()
    done = await asyncio.gather(flushing, taking_over, return_exceptions=True)
    # What was in flight is written; the mark of how far the dead host had flushed may have come too late.
    assert done[0] == 9 or isinstance(done[0], Fenced)
    assert await pool.fetchval("SELECT count(*) FROM companions") == 1


async def _waiting(pool: asyncpg.Pool, sessions: int) -> None:
    async with asyncio.timeout(20):
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while await pool.fetchval(query) < sessions:
            await asyncio.sleep(0)


async def test_the_mark_of_what_is_flushed_only_goes_forward(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int
) -> None:
    for through_s, seen_s in ((NOW_S + 1e8, NOW_S + 1e8), (NOW_S, NOW_S + 1e8)):
        await flush.flush(epoch, [], through_s)
        assert await pool.fetchval("SELECT extract(epoch FROM flushed_at)::float8 FROM hosts") == seen_s


async def test_the_mark_stays_while_the_host_has_not_heard_of_a_shard_it_was_given(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int
) -> None:
    """What the dead owner of that shard did not flush counts from the mark that came along with it."""
    for shard in ("s:0", "s:1"):
        await pool.execute("INSERT INTO shards (shard, residence, epoch) VALUES ($1, 'shared', $2)", shard, epoch)
    mark = "SELECT extract(epoch FROM flushed_at)::float8 FROM hosts"
    before = await pool.fetchval(mark)
    await flush.flush(epoch, [], NOW_S + 1e8, ["s:0"])
    assert await pool.fetchval(mark) == before
    await flush.flush(epoch, [], NOW_S + 1e8, ["s:0", "s:1"])
    assert await pool.fetchval(mark) == NOW_S + 1e8


async def test_a_name_or_address_already_taken_gets_a_form_of_its_own(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int
) -> None:
    await flush.flush(epoch, [("player:first", None, player("Anna", email="a@x"))], NOW_S)
    same = [(f"player:n{n}", None, player("Anna", email="a@x")) for n in range(3)]
    await flush.flush(epoch, same, NOW_S)
    once = await _all(pool)
    names = {p["actor"]: (p["username"], p["email"]) for p in once["players"]}
    assert names["player:first"] == ("Anna", "a@x")
    for n in range(3):
        known = player_id(f"player:n{n}")
        assert names[f"player:n{n}"] == (f"Anna~{str(known)[:8]}", f"{known}@players.invalid")
    await flush.flush(epoch, [*same, ("player:first", None, player("Anna", email="a@x"))], NOW_S)
    assert await _all(pool) == once
    assert flush.skipped == 0


async def test_an_account_made_elsewhere_keeps_its_address(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int
) -> None:
    await pool.execute("INSERT INTO players (id, username, email) VALUES ($1, 'anna_old', 'anna@mail')", ANNA)
    await flush.flush(epoch, [("player:anna", None, player("Anna"))], NOW_S)
    row = await pool.fetchrow("SELECT username, email, actor FROM players")
    assert row is not None
    assert tuple(row) == ("Anna", "anna@mail", "player:anna")


async def test_a_row_the_tables_refuse_holds_up_no_other(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int, caplog: pytest.LogCaptureFixture
) -> None:
    broken = mission()
    broken = replace(broken, template=replace(broken.template, reward=2**40))
    changes = [*_everything()[:3], ("mission:broken", None, broken), *_everything()[3:]]
    assert await flush.flush(epoch, changes, NOW_S) >= 8
    assert flush.skipped == 1
    assert "mission:broken" in caplog.text
    assert await pool.fetchval("SELECT count(*) FROM missions") == 1
    assert await pool.fetchval("SELECT count(*) FROM companions") == 1


async def test_two_hosts_that_flush_the_same_people_at_once_both_succeed(pool: asyncpg.Pool) -> None:
    hosts = PostgresHosts(pool)
    epochs = [(await hosts.register(f"host-{n}", "shared")).epoch for n in range(4)]
    people = [f"player:p{n}" for n in range(30)]

    def minds(host: int) -> list[tuple[str, Any, Any]]:
        order = people if host % 2 else people[::-1]
        changes: list[tuple[str, Any, Any]] = [
            (f"npc:h{host}-{n}", None, npc(memory(1, about=who))) for n, who in enumerate(order)
        ]
        return changes + [(who, None, player("Same")) for who in people[host::4]]

    flushes = [PostgresFlush(pool) for _ in epochs]
    for _ in range(3):
        await asyncio.gather(
            *(f.flush(e, minds(n), NOW_S) for n, (f, e) in enumerate(zip(flushes, epochs, strict=True)))
        )
    assert await pool.fetchval("SELECT count(*) FROM npc_memories") == 120
    assert await pool.fetchval("SELECT count(*) FROM players WHERE username LIKE 'Same%'") == 30
    assert [f.skipped for f in flushes] == [0] * 4


async def test_a_great_many_rows_go_in_several_transactions(
    pool: asyncpg.Pool, flush: PostgresFlush, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ROWS_MAX", 50)
    changes = [(f"npc:n{n}", None, npc(*(memory(m) for m in range(1, 9)))) for n in range(40)]
    assert await flush.flush(epoch, changes, NOW_S) == 360
    assert await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM npc_memories") > 1
    assert await pool.fetchval("SELECT count(*) FROM npc_memories") == 320


async def test_a_database_that_goes_away_is_unavailable(database: str, postgres_server: Any) -> None:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=2)
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    await pool.close()
    with pytest.raises(Unavailable):
        await PostgresFlush(pool).flush(epoch, _everything(), NOW_S)
