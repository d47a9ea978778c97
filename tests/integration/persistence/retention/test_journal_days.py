"""Old days leave the journal, and nobody who could still ask for a turn of theirs misses it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from ganggpt.actors.host.activation import wake
from ganggpt.actors.maintenance.housekeeping import Housekeeping, Upkeep
from ganggpt.domain.ids import derived_command_id, new_command_id
from ganggpt.errors import CommitUnknown, Unavailable
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal import partitions
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.journal.retention import PostgresJournalRetention
from ganggpt.persistence.ports.journal import Batch, OutboxMessage
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.eventually import eventually
from tests.support.past import Npc, Past, npc

pytestmark = pytest.mark.integration


async def _everything(pool: asyncpg.Pool) -> dict[str, Any]:
    """All tables with their rows counted, and every snapshot."""
    tables = [r["relname"] for r in await pool.fetch("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")]
    ours = [t for t in tables if not t.startswith(("pg_", "sql_"))]
    counts = {t: await pool.fetchval(f"SELECT count(*) FROM {t}") for t in sorted(ours)}
    return {"counts": counts, "snapshots": await pool.fetch("SELECT * FROM snapshots ORDER BY actor")}


async def test_an_actor_that_sleeps_since_is_covered_before_its_day_goes(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(20, 5)
    mara, kyle = npc("mara"), npc("kyle")
    await past.live(mara, 20)
    await past.live(kyle, 20)
    await past.live(kyle, 5)
    await past.live(kyle, 0)
    before = {n.actor: await past.woken(n) for n in (mara, kyle)}
    done = await keeping.round()
    assert (done.dropped, done.held) == ([past.name(20)], {})
    assert done.sealed == [past.name(20), past.name(5)]
    assert done.covered == 2
    assert await past.days() == [past.name(5), past.name(0)]
    assert {n.actor: await past.woken(n) for n in (mara, kyle)} == before
    assert before[mara.actor] == (3, mara.encoded)
    assert before[kyle.actor] == (9, kyle.encoded)


async def test_what_was_applied_just_before_it_fell_asleep_is_still_known(past: Past, keeping: Housekeeping) -> None:
    """A snapshot by replay holds the dedupe window, as one of a host does."""
    mara, now_s = npc("mara"), time.time()
    await past.make_days(3)
    await past.live(mara, 3)
    batch = Batch()
    past.add(batch, mara, now_s - 30)
    await past.journal.append(past.epoch, batch)
    await keeping.round()
    stored = (await past.journal.load([mara.actor]))[mara.actor]
    assert stored.snapshot_seq == 4
    await past.pool.execute("DELETE FROM journal")
    woken = wake(mara.actor, "s:0", (await past.journal.load([mara.actor]))[mara.actor], time.time())
    assert woken.window.seq_of(mara.ids[-1]) == 4


async def test_an_actor_that_cannot_be_read_keeps_its_own_day_and_no_other(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(21, 20, 19)
    mara, broken = npc("mara"), npc("broken")
    for days_ago in (21, 20, 19):
        await past.live(mara, days_ago)
    await past.live(broken, 20)
    await past.pool.execute("UPDATE journal SET body = 'x' WHERE actor = 'npc:broken' AND seq = 2")
    done = await keeping.round()
    assert done.dropped == [past.name(21), past.name(19)]
    assert list(done.held) == [past.name(20)]
    assert "npc:broken" in done.held[past.name(20)]
    assert await past.pool.fetchval("SELECT count(*) FROM journal WHERE actor = 'npc:broken'") == 3
    assert done.wakes_read_from == str(past.today - timedelta(days=20))
    assert await past.woken(mara) == (9, mara.encoded)


async def _message(past: Past, sender: Npc, days_ago: int) -> OutboxMessage:
    at_s = past.at(days_ago).timestamp()
    batch = Batch()
    past.add(batch, sender, at_s)
    message = OutboxMessage(
        sender.actor, sender.seq, 0, "npc:mara", derived_command_id(at_s, sender.actor, sender.seq, 0), "Observe", b""
    )
    batch.add_message(message, "s:0", at_s)
    await past.journal.append(past.epoch, batch)
    return message


async def test_a_message_nobody_answered_keeps_every_day_that_may_hold_its_turn(
    past: Past, keeping: Housekeeping
) -> None:
    await past.make_days(22, 20, 18)
    sender = npc("sender")
    await past.live(sender, 22)
    message = await _message(past, sender, 20)
    await past.live(sender, 18)
    done = await keeping.round()
    assert done.dropped == [past.name(22)]
    assert set(done.held) == {past.name(20), past.name(18)}
    assert "message" in done.held[past.name(18)]
    await past.journal.settle([message])
    assert (await keeping.round()).dropped == [past.name(20), past.name(18)]


async def test_a_message_just_after_midnight_keeps_the_day_before_too(past: Past, keeping: Housekeeping) -> None:
    """The receiver's clock may be a little behind the sender's."""
    await past.make_days(20, 19)
    sender = npc("sender")
    await past.live(sender, 20)
    await past.live(sender, 19)
    await past.pool.execute(
        "INSERT INTO outbox VALUES ('npc:sender', 1, 0, 's:0', 'npc:mara', gen_random_uuid(), 'Observe', '', $1)",
        past.at(19, 0.5),
    )
    assert (await keeping.round()).dropped == []


async def test_a_reminder_that_did_not_fire_yet_keeps_the_days_since(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(22, 20)
    mara = npc("mara")
    await past.live(mara, 22)
    await past.live(mara, 20)
    await past.pool.execute("INSERT INTO reminders VALUES ('npc:mara', 'due', 's:0', $1, 'Expire', '')", past.at(21))
    done = await keeping.round()
    assert done.dropped == [past.name(22)]
    assert "reminder" in done.held[past.name(20)]
    await past.pool.execute("UPDATE reminders SET due = now() + interval '1 day'")
    assert (await keeping.round()).dropped == [past.name(20)]


async def test_turns_the_tables_do_not_show_yet_stay(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    await past.pool.execute("UPDATE hosts SET flushed_at = $1, state = 'dead'", past.at(20, 6))
    await past.pool.execute("INSERT INTO shards (shard, residence, epoch) VALUES ('s:0', 'shared', $1)", past.epoch)
    done = await keeping.round()
    assert done.dropped == []
    assert "tables" in done.held[past.name(20)]
    await past.pool.execute("UPDATE hosts SET flushed_at = now()")
    assert (await keeping.round()).dropped == [past.name(20)]


async def test_a_sealed_day_takes_no_turn_whatever_a_host_believes_the_date_to_be(
    past: Past, keeping: Housekeeping
) -> None:
    await past.make_days(20, 5)
    mara = npc("mara")
    await past.live(mara, 20)
    await past.live(mara, 5)
    known = await past.woken(mara)
    await keeping.round()
    for days_ago in (20, 5, 9):  # dropped, sealed, never made
        with pytest.raises(CommitUnknown):
            await past.live(npc("late"), days_ago, turns=1)
    assert await past.pool.fetchval("SELECT count(*) FROM journal WHERE actor = 'npc:late'") == 0
    assert await past.woken(mara) == known
    await past.live(npc("in-time"), 1, turns=1)
    await past.live(npc("ahead"), -9, turns=1)


async def test_turns_without_a_part_of_their_own_are_covered_and_go_too(past: Past, keeping: Housekeeping) -> None:
    """Housekeeping was away for a while: those days were never made."""
    mara, kyle = npc("mara"), npc("kyle")
    await past.live(mara, 20)
    await past.live(mara, 5)
    await past.live(kyle, 1)
    known = await past.woken(mara)
    done = await keeping.round()
    assert done.turns_swept == 3
    assert await past.pool.fetchval("SELECT count(*) FROM journal_other") == 6
    assert await past.woken(mara) == known
    assert await past.woken(kyle) == (3, kyle.encoded)


async def test_turns_in_the_default_part_that_cannot_be_covered_stay_and_wakes_find_them(
    past: Past, keeping: Housekeeping
) -> None:
    broken = npc("broken")
    await past.live(broken, 20)
    await past.pool.execute("UPDATE journal SET body = 'x' WHERE seq = 2")
    done = await keeping.round()
    assert "npc:broken" in done.held["journal_other"]
    assert done.turns_swept == 0
    assert len((await past.journal.load([broken.actor]))[broken.actor].turns) == 3


async def test_a_second_round_finds_nothing_to_do(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(20, 3)
    await past.live(npc("mara"), 20)
    await past.live(npc("kyle"), 3)
    first = await keeping.round()
    settled = await _everything(past.pool)
    second = await keeping.round()
    assert first.dropped
    assert (second.covered, second.sealed, second.dropped, second.held) == (0, [], [], {})
    assert await _everything(past.pool) == settled


async def test_a_dry_run_says_what_would_go_and_changes_nothing(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(20, 3)
    await past.live(npc("mara"), 20)
    await past.live(npc("kyle"), 3)
    before = await _everything(past.pool)
    planned = await keeping.round(dry_run=True)
    assert await _everything(past.pool) == before
    done = await keeping.round()
    assert (planned.dropped, planned.sealed, planned.covered) == (done.dropped, done.sealed, done.covered)
    assert planned.freed_bytes > 0


async def test_two_rounds_at_once_do_it_once(past: Past, keeping: Housekeeping) -> None:
    days = range(15, 21)
    await past.make_days(*days)
    minds = [npc(f"n{n}") for n in range(30)]
    for days_ago in sorted(days, reverse=True):
        for mind in minds:
            await past.live(mind, days_ago, turns=2)
    both = await asyncio.gather(keeping.round(), keeping.round())
    assert all(set(done.held) == set() for done in both)
    assert await past.days() == [past.name(0)]
    assert [await past.woken(m) for m in minds] == [(12, m.encoded) for m in minds]


async def test_an_older_replay_never_replaces_a_newer_snapshot(past: Past) -> None:
    retention = PostgresJournalRetention(past.pool)
    await retention.save_replayed(1, [("npc:a", 5, b"five")])
    await retention.save_replayed(1, [("npc:a", 4, b"four"), ("npc:a5", 1, b"one")])
    await retention.save_replayed(1, [("npc:a", 5, b"again")])
    rows = {r["actor"]: (r["seq"], r["body"]) for r in await past.pool.fetch("SELECT * FROM snapshots")}
    assert rows == {"npc:a": (5, b"five"), "npc:a5": (1, b"one")}


async def test_live_commits_and_wakes_go_on_while_days_are_sealed_and_dropped(
    past: Past, keeping: Housekeeping
) -> None:
    days = range(2, 26)
    await past.make_days(*days)
    minds = [npc(f"n{n}") for n in range(8)]
    for days_ago in sorted(days, reverse=True):
        for mind in minds:
            await past.live(mind, days_ago, turns=1)
    over = asyncio.Event()
    longest = [0.0, 0.0]

    async def commit() -> None:
        while not over.is_set():
            batch = Batch()
            for mind in minds[:4]:
                past.add(batch, mind, time.time())
            began = time.perf_counter()
            await past.journal.append(past.epoch, batch)
            longest[0] = max(longest[0], time.perf_counter() - began)

    async def look() -> None:
        while not over.is_set():
            began = time.perf_counter()
            seen = [await past.woken(mind) for mind in minds[4:]]
            longest[1] = max(longest[1], time.perf_counter() - began)
            assert seen == [(m.seq, m.encoded) for m in minds[4:]]

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(commit())
        tasks.create_task(look())
        done = await keeping.round()
        over.set()
    assert len(done.dropped) == 11
    assert done.held == {}
    assert [await past.woken(m) for m in minds] == [(m.seq, m.encoded) for m in minds]
    # Far more than it takes, far less than a wait for the whole round would be.
    assert max(longest) < 1.0, longest


async def test_a_long_query_on_the_journal_makes_the_drop_wait_and_nobody_else(
    past: Past, keeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TRIES", 10**6)
    await past.make_days(20)
    mara = npc("mara")
    await past.live(mara, 20)
    await past.cover(mara)
    retention = PostgresJournalRetention(past.pool)
    (day, *_) = await retention.days()
    assert not day.sealed
    async with past.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT count(*) FROM journal")
        sealing = asyncio.create_task(retention.seal(day))
        await past.live(mara, 0)  # while the reader reads and the sealing tries
        assert not sealing.done()
        sealing.cancel()
        await asyncio.wait([sealing])
        monkeypatch.setattr(partitions, "LOCK_TRIES", 3)
        with pytest.raises(Unavailable):
            await retention.seal(day)
    done = await keeping.round()
    assert done.dropped == [past.name(20)]


async def test_a_day_a_long_query_holds_is_told_and_goes_the_next_time(
    past: Past, keeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TRIES", 2)
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    await past.pool.execute("UPDATE hosts SET flushed_at = $1", past.at(20))
    assert (await keeping.round()).held
    await past.pool.execute("UPDATE hosts SET flushed_at = now()")
    async with past.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT count(*) FROM journal")
        done = await keeping.round()
    assert "long queries" in done.held[past.name(20)]
    assert (await keeping.round()).dropped == [past.name(20)]


async def test_what_a_crash_left_between_detach_and_drop_goes_with_the_next_round(
    past: Past, keeping: Housekeeping
) -> None:
    await past.make_days(20)
    await past.pool.execute(f"ALTER TABLE journal DETACH PARTITION {past.name(20)}")
    await past.pool.execute(f"ALTER TABLE {past.name(20)} RENAME TO {past.name(20)}_dropped")
    await keeping.round()
    assert await past.pool.fetchval("SELECT to_regclass($1)", f"{past.name(20)}_dropped") is None


async def test_the_house_makes_parts_and_retains_beside_its_caller(past: Past, keeping: Housekeeping) -> None:
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    await past.pool.execute(f"DROP TABLE {past.name(-2)}")

    async def make_parts() -> object:
        return await ensure_partitions(past.pool)

    upkeep = Upkeep(make_parts, keeping)
    await upkeep.keep()
    assert await past.pool.fetchval("SELECT to_regclass($1)", past.name(-2)) is not None
    await upkeep.keep()  # one is under way

    async def only_today_is_left() -> bool:
        return await past.days() == [past.name(0)]

    await eventually(only_today_is_left)
    await upkeep.retention.close()


async def test_a_successor_reads_little_after_a_host_was_idle_for_weeks(past: Past) -> None:
    """The flusher of an idle host says that nothing is missing (see Flusher); without it this would read 20 days."""
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    await past.live(npc("kyle"), 0)
    hosts = PostgresHosts(past.pool)
    await past.pool.execute("UPDATE hosts SET flushed_at = $1", past.at(20, 0))
    assert set(await hosts.unflushed(past.epoch)) == {"npc:mara", "npc:kyle"}
    await PostgresFlush(past.pool).flush(past.epoch, (), time.time())
    assert set(await hosts.unflushed(past.epoch)) <= {"npc:kyle"}


async def test_only_a_message_or_reminder_that_waits_is_owed(past: Past) -> None:
    journal, sender = past.journal, npc("sender")
    message = await _message(past, sender, 0)
    assert await journal.is_owed("npc:sender", "npc:mara", message.id)
    assert not await journal.is_owed("npc:other", "npc:mara", message.id)
    assert not await journal.is_owed("npc:sender", "npc:mara", new_command_id())
    await journal.settle([message])
    assert not await journal.is_owed("npc:sender", "npc:mara", message.id)
    due_s = 1_790_000_000.123456
    batch = Batch()
    batch.arm("npc:mara", "due", "s:0", due_s, "Expire", b"")
    past.add(batch, npc("mara"), time.time())
    await journal.append(past.epoch, batch)
    fired = derived_command_id(due_s, "npc:mara", "due", due_s)
    assert await journal.is_owed("npc:mara", "npc:mara", fired)
    assert not await journal.is_owed("npc:sender", "npc:mara", fired)
    assert not await journal.is_owed("npc:mara", "npc:mara", derived_command_id(due_s - 1, "x"))
