"""What the runtime relies on, asked of every adapter of the Journal and HostTable ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from ganggpt.domain.ids import new_command_id
from ganggpt.errors import CommitUnknown, Fenced, Unavailable
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.journal import Batch, Journal, OutboxMessage
from ganggpt.testing.memory_stores import MemoryDatabase, MemoryHosts, MemoryJournal

pytestmark = pytest.mark.integration

SHARDS = ("s:0", "s:1", "faction:ballas")


@dataclass
class Stores:
    """The ports over one database."""

    journal: Journal
    hosts: PostgresHosts | MemoryHosts
    pool: asyncpg.Pool | None

    async def assign(self, name: str, *shards: str) -> None:
        await self.hosts.assign(dict.fromkeys(shards, name))

    async def flushed_an_hour_ago(self, epoch: int) -> None:
        if isinstance(self.hosts, MemoryHosts):
            self.hosts._db.hosts[epoch].flushed_s -= 3600
        else:
            assert self.pool is not None
            await self.pool.execute(
                "UPDATE hosts SET flushed_at = flushed_at - interval '1 hour' WHERE epoch = $1", epoch
            )

    async def held(self, epoch: int) -> set[str]:
        return {row.shard for row in await self.hosts.routes() if row.epoch == epoch}


@pytest.fixture(params=["memory", "postgres", "pgbouncer"])
async def stores(request: pytest.FixtureRequest, pool: asyncpg.Pool, pgbouncer: str | None) -> AsyncIterator[Stores]:
    kinds = {shard: "own" if ":" in shard and not shard.startswith("s:") else "shared" for shard in SHARDS}
    if request.param == "memory":
        database = MemoryDatabase(time.time, kinds)
        database.servers = {"ls-1", "ls-2"}
        yield Stores(MemoryJournal(database), MemoryHosts(database), None)
        return
    await pool.execute("INSERT INTO game_servers (name) VALUES ('ls-1'), ('ls-2')")
    await pool.executemany("INSERT INTO shards (shard, residence) VALUES ($1, $2)", list(kinds.items()))
    if request.param == "postgres":
        yield over(pool)
    elif pgbouncer is None:
        pytest.skip("no pgbouncer on PATH (Debian package pgbouncer)")
    else:
        async with await open_pool(pgbouncer, PoolOptions(max_size=6, pgbouncer=True)) as pooled:
            yield over(pooled)


def over(pool: asyncpg.Pool) -> Stores:
    hosts = PostgresHosts(pool)
    return Stores(PostgresJournal(pool, "host:0"), hosts, pool)


def batch(actor: str = "npc:a", first: int = 1, count: int = 1, at_s: float | None = None) -> Batch:
    made = Batch()
    for seq in range(first, first + count):
        made.add_turn(actor, seq, at_s or time.time(), new_command_id(), "player:p", "Talk", b"body-%d" % seq)
    return made


async def test_what_was_appended_is_what_a_wake_reads_in_order(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.journal.append(epoch, batch(count=3))
    await stores.journal.append(epoch, batch(first=4, count=2))
    stored = await stores.journal.load(["npc:a", "npc:nobody"])
    assert set(stored) == {"npc:a"}
    assert [t.seq for t in stored["npc:a"].turns] == [1, 2, 3, 4, 5]
    assert stored["npc:a"].turns[1].body == b"body-2"
    assert await stores.journal.turn("npc:a", 4) == b"body-4"
    command = stored["npc:a"].turns[2].command_id
    assert await stores.journal.turn_by_command("npc:a", command) == b"body-3"
    assert await stores.journal.turn_by_command("npc:a", new_command_id()) is None


async def test_a_fenced_host_commits_nothing(stores: Stores) -> None:
    old = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.journal.append(old, batch())
    fresh = await stores.hosts.register("host:0", "shared")
    assert fresh.fenced == (old,)
    with pytest.raises(Fenced):
        await stores.journal.append(old, batch(first=2))
    with pytest.raises(Fenced):
        await stores.hosts.beat(old)
    await stores.journal.append(fresh.epoch, batch(first=2))
    assert len((await stores.journal.load(["npc:a"]))["npc:a"].turns) == 2


async def test_a_successor_inherits_the_shards_and_an_own_host_finds_its_own(stores: Stores) -> None:
    first = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.assign("host:0", "s:0", "s:1")
    assert await stores.held(first) == {"s:0", "s:1"}
    second = (await stores.hosts.register("host:0", "shared")).epoch
    assert await stores.held(second) == {"s:0", "s:1"}
    own = (await stores.hosts.register("faction:ballas", "own")).epoch
    assert await stores.held(own) == {"faction:ballas"}
    routes = {row.shard: row.host for row in await stores.hosts.routes()}
    assert routes == {"s:0": "host:0", "s:1": "host:0", "faction:ballas": "faction:ballas"}


async def test_an_own_host_answers_for_what_the_dead_holder_of_its_shard_did_not_flush(stores: Stores) -> None:
    old = (await stores.hosts.register("faction:ballas", "own")).epoch
    await stores.flushed_an_hour_ago(old)
    await stores.journal.append(old, batch("faction:ballas", at_s=time.time() - 1800))
    assert await stores.hosts.fence(old)
    new = (await stores.hosts.register("faction:ballas", "own")).epoch
    assert await stores.held(new) == {"faction:ballas"}
    assert list(await stores.hosts.unflushed(new)) == ["faction:ballas"]


async def test_a_second_turn_of_the_same_number_is_refused(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.journal.append(epoch, batch(count=2))
    with pytest.raises(Fenced):
        await stores.journal.append(epoch, batch(first=2))
    assert [t.seq for t in (await stores.journal.load(["npc:a"]))["npc:a"].turns] == [1, 2]


async def test_a_shard_somebody_alive_holds_is_not_given_away(stores: Stores) -> None:
    first = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.assign("host:0", "s:0")
    second = (await stores.hosts.register("host:1", "shared")).epoch
    await stores.assign("host:1", "s:0", "s:1")
    assert await stores.held(first) == {"s:0"}
    assert await stores.held(second) == {"s:1"}


async def test_a_retired_host_leaves_its_shards_to_the_next(stores: Stores) -> None:
    first = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.assign("host:0", "s:0")
    await stores.hosts.retire(first)
    assert {row.host for row in await stores.hosts.routes()} == {None}
    second = (await stores.hosts.register("host:1", "shared")).epoch
    await stores.assign("host:1", "s:0")
    assert await stores.held(second) == {"s:0"}


async def test_messages_reminders_and_pushes_leave_with_their_turn(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    made = batch()
    message = OutboxMessage("npc:a", 1, 0, "mission:m", new_command_id(), "Offer", b"offer")
    made.add_message(message, "s:0", time.time() - 60)
    made.arm("npc:a", "turn", "s:0", time.time() - 1, "Wake", b"wake")
    made.add_push(("*", "npc:a", 1, 0, "news", b"everybody", time.time()))
    made.add_push(("ls-2", "npc:a", 1, 1, "news", b"one", time.time()))
    made.add_push(("unknown", "npc:a", 1, 2, "news", b"nobody", time.time()))
    pushes = await stores.journal.append(epoch, made)
    assert sorted((p.server, p.body) for p in pushes) == [
        ("ls-1", b"everybody"),
        ("ls-2", b"everybody"),
        ("ls-2", b"one"),
    ]
    assert len({p.no for p in pushes}) == 3
    assert list(await stores.journal.messages(["s:0"], 0, 10)) == [message]
    assert list(await stores.journal.messages(["s:1"], 0, 10)) == []
    await stores.journal.settle([message])
    assert list(await stores.journal.messages(["s:0"], 0, 10)) == []
    due = await stores.journal.due(["s:0"], time.time(), 10)
    assert [(r.actor, r.name, r.command, r.body) for r in due] == [("npc:a", "turn", "Wake", b"wake")]


async def test_a_fenced_batch_leaves_no_message_reminder_or_push_behind(stores: Stores) -> None:
    old = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.hosts.register("host:0", "shared")
    made = batch()
    made.add_message(OutboxMessage("npc:a", 1, 0, "mission:m", new_command_id(), "Offer", b""), "s:0", time.time() - 60)
    made.arm("npc:a", "turn", "s:0", time.time() - 1, "Wake", b"")
    made.add_push(("*", "npc:a", 1, 0, "news", b"", time.time()))
    with pytest.raises(Fenced):
        await stores.journal.append(old, made)
    assert list(await stores.journal.messages(["s:0"], 0, 10)) == []
    assert list(await stores.journal.due(["s:0"], time.time(), 10)) == []
    if stores.pool is not None:
        assert await stores.pool.fetchval("SELECT count(*) FROM pushes") == 0


async def test_dropping_a_reminder_keeps_one_that_was_armed_anew(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    made = batch()
    made.arm("npc:a", "turn", "s:0", time.time() - 1, "Wake", b"first")
    await stores.journal.append(epoch, made)
    (fired,) = await stores.journal.due(["s:0"], time.time(), 10)
    again = batch(first=2)
    again.arm("npc:a", "turn", "s:0", time.time() - 0.5, "Wake", b"second")
    await stores.journal.append(epoch, again)
    await stores.journal.drop_reminder(fired)
    (left,) = await stores.journal.due(["s:0"], time.time(), 10)
    assert left.body == b"second"
    await stores.journal.drop_reminder(left)
    assert list(await stores.journal.due(["s:0"], time.time(), 10)) == []


async def test_a_snapshot_shortens_the_suffix_and_an_older_one_changes_nothing(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.journal.append(epoch, batch(count=5))
    await stores.journal.save_snapshots(epoch, 1, [("npc:a", 4, b"at-4")])
    await stores.journal.save_snapshots(epoch, 1, [("npc:a", 2, b"at-2")])
    stored = (await stores.journal.load(["npc:a"]))["npc:a"]
    assert (stored.snapshot_seq, stored.snapshot) == (4, b"at-4")
    assert [t.seq for t in stored.turns] == [5]


async def test_a_take_over_waits_for_the_commit_in_flight(pool: asyncpg.Pool) -> None:
    """The predecessor's open transaction holds its row; the successor registers only after it ended."""
    hosts = PostgresHosts(pool)
    old = (await hosts.register("host:0", "shared")).epoch
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchval("SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE", old)
        successor = asyncio.create_task(hosts.register("host:0", "shared"))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await pool.fetchval(waiting):
            assert not successor.done()
        await transaction.commit()
    assert (await asyncio.wait_for(successor, 10)).fenced == (old,)


async def test_losing_the_connection_during_a_commit_is_an_unknown_outcome(pool: asyncpg.Pool) -> None:
    hosts = PostgresHosts(pool)
    epoch = (await hosts.register("host:0", "shared")).epoch
    async with pool.acquire() as blocker:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
        commit = asyncio.create_task(PostgresJournal(pool, "host:0").append(epoch, batch()))
        pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not (pid := await pool.fetchval(pids)):
            assert not commit.done()
        await blocker.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(CommitUnknown):
            await asyncio.wait_for(commit, 10)
        await transaction.rollback()


async def test_a_database_that_is_unreachable_is_a_retryable_error(database: str) -> None:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=1)
    journal = PostgresJournal(pool, "host:0", timeout_s=0.2)
    async with pool.acquire():
        with pytest.raises(Unavailable):
            await journal.load(["npc:a"])
    await pool.close()


async def test_shards_are_given_by_their_holder_to_a_live_heir_alone(stores: Stores) -> None:
    giver = (await stores.hosts.register("host:0", "shared")).epoch
    heir = (await stores.hosts.register("host:1", "shared")).epoch
    await stores.assign("host:0", "s:0", "s:1")
    with pytest.raises(Unavailable):
        await stores.hosts.hand_over(giver, ["s:0"], LOCAL, "host:9")
    assert await stores.held(giver) == {"s:0", "s:1"}
    await stores.hosts.hand_over(giver, ["s:0"], LOCAL, "host:1")
    assert (await stores.held(giver), await stores.held(heir)) == ({"s:1"}, {"s:0"})
    told = {row.shard: row.flushed for row in await stores.hosts.routes()}
    assert told == {"s:0": True, "s:1": False, "faction:ballas": False}
    assert (await stores.hosts.beat(heir)).shards_at_s > 0
    await stores.hosts.fence(heir)
    with pytest.raises(Unavailable):
        await stores.hosts.hand_over(giver, ["s:1"], LOCAL, "host:1")
    await stores.hosts.fence(giver)
    with pytest.raises(Fenced):
        await stores.hosts.hand_over(giver, ["s:1"], LOCAL, "host:1")


async def test_an_actor_becomes_a_shard_of_its_own_and_back_with_its_messages_and_reminders(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    await stores.assign("host:0", "s:0", "s:1")
    made = batch()
    made.add_message(OutboxMessage("npc:a", 1, 0, "mission:m", new_command_id(), "Offer", b""), "s:0", time.time() - 60)
    made.arm("npc:a", "turn", "s:0", time.time() - 1, "Wake", b"wake")
    await stores.journal.append(epoch, made)

    async def home() -> tuple[int, int]:
        return len(await stores.journal.messages(["npc:a"], 0, 10)), len(
            await stores.journal.due(["npc:a"], time.time(), 10)
        )

    await stores.hosts.change_residence(epoch, "npc:a", "s:0", own=True)
    assert await stores.held(epoch) == {"s:0", "s:1", "npc:a"}
    assert await home() == (1, 1)
    await stores.hosts.change_residence(epoch, "npc:a", "s:0", own=False)
    assert await stores.held(epoch) == {"s:0", "s:1"}
    assert await home() == (0, 0)
    assert len(await stores.journal.messages(["s:0"], 0, 10)) == 1
    await stores.hosts.fence(epoch)
    with pytest.raises(Fenced):
        await stores.hosts.change_residence(epoch, "npc:a", "s:0", own=True)


async def test_residences_are_planned_while_no_host_lives_and_take_messages_and_reminders_along(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared")).epoch
    made = batch()
    made.add_message(OutboxMessage("npc:a", 1, 0, "mission:m", new_command_id(), "Offer", b""), "s:0", time.time() - 60)
    made.arm("npc:a", "turn", "s:0", time.time() - 1, "Wake", b"wake")
    await stores.journal.append(epoch, made)
    assert not await stores.hosts.plan_own(["npc:a"], {"faction:ballas": "s:1"})
    await stores.hosts.fence(epoch)
    assert await stores.hosts.plan_own(["npc:a"], {"faction:ballas": "s:1"})
    assert {row.shard for row in await stores.hosts.routes()} == {"s:0", "s:1", "npc:a"}
    assert len(await stores.journal.messages(["npc:a"], 0, 10)) == 1
    assert len(await stores.journal.due(["npc:a"], time.time(), 10)) == 1
    assert await stores.hosts.plan_own([], {"npc:a": "s:0"})
    assert len(await stores.journal.messages(["s:0"], 0, 10)) == 1
    assert len(await stores.journal.due(["s:0"], time.time(), 10)) == 1


async def test_a_silent_host_is_fenced_and_a_beating_one_is_not(stores: Stores) -> None:
    epoch = (await stores.hosts.register("host:0", "shared", node="n1")).epoch
    assert await stores.hosts.fence_stale(30.0) == []
    (alive,) = await stores.hosts.alive()
    assert (alive.name, alive.kind, alive.epoch, alive.cluster, alive.node) == ("host:0", "shared", epoch, LOCAL, "n1")
    async with asyncio.timeout(10):
        while not (gone := await stores.hosts.fence_stale(0.0)):
            pass
    assert [(host.cluster, host.name, host.kind) for host in gone] == [(LOCAL, "host:0", "shared")]
    assert list(await stores.hosts.alive()) == []


async def test_a_hand_over_waits_for_the_givers_commit_in_flight_and_the_heir_may_die_after(pool: asyncpg.Pool) -> None:
    """The heir's row is held while shards come to it, so that it cannot be marked dead in between."""
    hosts = PostgresHosts(pool)
    await pool.execute("INSERT INTO shards (shard, residence) VALUES ('s:0', 'shared')")
    giver = (await hosts.register("host:0", "shared")).epoch
    heir = (await hosts.register("host:1", "shared")).epoch
    await hosts.assign({"s:0": "host:0"})
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE hosts SET state = 'dead' WHERE epoch = $1", heir)
        giving = asyncio.create_task(hosts.hand_over(giver, ["s:0"], LOCAL, "host:1"))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await pool.fetchval(waiting):
            assert not giving.done()
        await transaction.commit()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(giving, 10)
    assert [row.host for row in await hosts.routes()] == ["host:0"]
