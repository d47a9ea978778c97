"""A cut of a world at work, and the way on from it to any later time: what was sent is somewhere, and only once."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.messages import SufferRaid
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc.commands import AskForWork, Talk
from ganggpt.domain.player.rules import Join
from ganggpt.errors import RestoreRefused
from ganggpt.operations.snapshots import PointInTime, RestoreTarget, restore_snapshot, take_snapshot
from ganggpt.operations.verify import verify_world
from tests.support.eventually import eventually
from tests.support.live_town import (
    LOS_SANTOS,
    LiveTown,
    fetch,
    living,
    states_of,
    until_delivered,
    without_politics,
)

pytestmark = pytest.mark.integration

NewDatabase = Callable[[], Awaitable[str]]
FACTIONS = sorted(LOS_SANTOS.factions)
MONEY = sum(sheet.treasury for sheet in LOS_SANTOS.factions.values())


@asynccontextmanager
async def raids(live: LiveTown) -> AsyncIterator[None]:
    """Factions that rob each other all the time, from several sides at once."""

    async def rob(seed: int) -> None:
        dice = random.Random(seed)
        while not over.is_set():
            raider, victim = dice.sample(FACTIONS, 2)
            await live.ask(f"faction:{victim}", SufferRaid(raider, 50 + dice.randrange(500)), f"faction:{raider}")

    over = asyncio.Event()
    for faction in FACTIONS:  # everybody is there before the first cut
        await live.ask(f"faction:{faction}", SufferRaid(FACTIONS[0], 1), "faction:ballas")
    async with asyncio.TaskGroup() as tasks:
        for seed in range(6):
            tasks.create_task(rob(seed))
        yield
        over.set()


async def raided(dsn: str) -> int:
    (count,) = (await fetch(dsn, "SELECT count(*) FROM journal WHERE name = 'SufferRaid'"))[0]
    return int(count)


async def until_raided(dsn: str, more: int) -> None:
    """Wait until so many more raids are committed."""
    wanted = await raided(dsn) + more

    async def so() -> bool:
        return await raided(dsn) >= wanted

    await eventually(so, f"{wanted} raids", 60)


async def money(dsn: str) -> tuple[int, int]:
    """All dollars of the factions, with those on their way; and how many messages are on their way."""
    states = await states_of(dsn)
    held = sum(state.treasury for actor, (_, state) in states.items() if actor.startswith("faction:"))
    messages = await fetch(dsn, "SELECT body FROM outbox WHERE name = 'TakePayment'")
    return held + sum(_arguments(body)["dollars"] for (body,) in messages), len(messages)


def _arguments(body: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.msgpack.decode(body)
    return found


async def test_a_cut_of_a_busy_world_loses_and_doubles_no_message(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    on_their_way = 0
    async with living(town) as live, raids(live):
        for name in ("a", "b", "c", "d"):
            await until_raided(town, 20)
            await take_snapshot(town, str(tmp_path), name=name, parallel=3)
    for name in ("a", "b", "c", "d"):
        target = await new_database()
        await restore_snapshot(target, f"{tmp_path}/{name}")
        dollars, messages = await money(target)
        assert dollars == MONEY
        on_their_way += messages
        assert (await verify_world(target)).findings == ()
    assert on_their_way > 0, "no cut met a message on its way: this test has seen nothing"
    async with living(await without_politics(target)):
        await until_delivered(target)
    assert await money(target) == (MONEY, 0)
    assert (await verify_world(target)).findings == ()


async def test_the_journal_carries_a_snapshot_on_to_a_quiet_time_exactly(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    async with living(town) as live:
        await live.ask("player:ava", Join("Ava", "ls-1"))
        await live.ask("npc:mara", Talk("hello Mara"), "player:ava")
        async with raids(live):
            await take_snapshot(town, str(tmp_path), name="early")
            await until_raided(town, 40)
        offered = await _a_mission(live)
        await live.ask(offered, Accept(), "player:ava")
        await live.ask("npc:mara", Talk("I took the job, thank you"), "player:ava")
        await until_delivered(town)
        await take_snapshot(town, str(tmp_path), name="quiet")
        # A turn's time is by its host's clock, which runs a little behind the database's.
        (at_s,) = (await fetch(town, "SELECT extract(epoch FROM max(at))::float8 FROM journal"))[0]
        async with raids(live):
            await until_raided(town, 40)
    quiet, carried = await new_database(), await new_database()
    await restore_snapshot(quiet, f"{tmp_path}/quiet")
    made = await restore_snapshot(carried, f"{tmp_path}/early", RestoreTarget(at=PointInTime(at_s, town)))
    assert made.turns_replayed > 40
    assert await states_of(carried) == await states_of(quiet)
    for table in ("outbox", "reminders"):
        rows = [await fetch(dsn, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for dsn in (quiet, carried)]
        assert rows[0] == rows[1], table
    assert await fetch(carried, "SELECT 1 FROM reminders WHERE actor = $1", offered)
    async with living(carried) as live:
        await live.ask("npc:mara", Talk("do you remember the job?"), "player:ava")
    verified = await verify_world(carried)
    assert verified.findings == ()
    assert verified.behind == 0 or verified.holds


async def _a_mission(live: LiveTown) -> str:
    """Ask around for work until somebody offers a mission; its actor."""
    for npc, sheet in LOS_SANTOS.npcs.items():
        if sheet.missions:
            reply = await live.ask(f"npc:{npc}", AskForWork(), "player:ava")
            if reply["reply"].get("mission"):
                await until_delivered(live.dsn)
                return str(reply["reply"]["mission"])
    raise AssertionError("nobody has work")


async def test_a_reminder_that_has_fired_is_not_in_the_cut(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Its turn is committed, its row not yet dropped: in the restored world it must not fire again."""
    politics = "SELECT due FROM reminders WHERE actor = 'faction:ballas' AND name = 'politics'"
    async with living(town, reminder_s=0.05) as live:
        await live.ask("faction:ballas", SufferRaid(FACTIONS[0], 1), "faction:corvino")
        armed = await fetch(town, politics)
        turn = "SELECT 1 FROM journal WHERE actor = 'faction:ballas' AND name = 'TakePoliticalTurn'"
        await eventually(lambda: fetch(town, turn), "the political turn", 60)
        again = await eventually(lambda: fetch(town, f"{politics} AND due > now()"), "the next one", 60)
    assert armed
    await fetch(town, "UPDATE reminders SET due = $1 WHERE actor = 'faction:ballas'", armed[0][0])
    await take_snapshot(town, str(tmp_path), name="fired")
    await fetch(town, "UPDATE reminders SET due = $1 WHERE actor = 'faction:ballas'", again[0][0])
    await take_snapshot(town, str(tmp_path), name="armed")
    kept = []
    for name in ("fired", "armed"):
        target = await new_database()
        await restore_snapshot(target, f"{tmp_path}/{name}")
        kept.append(await fetch(target, politics))
    assert kept == [[], again]


async def test_any_time_of_a_busy_world_can_be_restored_and_goes_on(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    times = []
    async with living(town) as live, raids(live):
        await take_snapshot(town, str(tmp_path), name="early")
        for _ in range(5):
            await until_raided(town, 15)
            times.append((await fetch(town, "SELECT extract(epoch FROM clock_timestamp())::float8"))[0][0])
        await until_raided(town, 15)
    on_their_way = []
    for at_s in times:
        target = await new_database()
        await restore_snapshot(target, f"{tmp_path}/early", RestoreTarget(at=PointInTime(at_s, town), fork="rehearsal"))
        dollars, messages = await money(target)
        assert dollars == MONEY
        on_their_way.append(messages)
        late = await fetch(target, "SELECT max(extract(epoch FROM at))::float8 FROM journal")
        assert late[0][0] <= at_s + 0.001
    async with living(await without_politics(target)):
        await until_delivered(target)
    assert await money(target) == (MONEY, 0)


_LAST_PAYMENT = """
SELECT s.actor, s.seq, s.body, r.actor, r.seq, extract(epoch FROM r.at)::float8
FROM journal r JOIN journal s ON s.actor = r.by AND s.name = 'SufferRaid' AND s.at <= r.at
WHERE r.name = 'TakePayment' ORDER BY r.at DESC, s.at DESC LIMIT 1
"""


async def test_a_receivers_turn_without_its_senders_is_taken_back(
    town: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Two hosts whose clocks differ: the sender's turn is a little later than the receiver's."""
    async with living(town) as live, raids(live):
        await take_snapshot(town, str(tmp_path), name="early")
        await until_raided(town, 30)
    (found,) = await fetch(town, _LAST_PAYMENT)
    sender, sent, body, receiver, received, received_s = found
    ahead_s, record = received_s + 0.5, msgspec.msgpack.decode(body)
    # What the sender's clock would have written, had it been half a second ahead of the receiver's.
    record[1] = ahead_s
    message_id = uuid.UUID(bytes=derived_command_id(ahead_s, sender, sent, 0))
    moved = "UPDATE journal SET body = $3, at = to_timestamp($4) WHERE actor = $1 AND seq = $2"
    await fetch(town, moved, sender, sent, msgspec.msgpack.encode(record), ahead_s)
    await fetch(
        town, "UPDATE journal SET command_id = $3 WHERE actor = $1 AND seq = $2", receiver, received, message_id
    )
    target = await new_database()
    await restore_snapshot(target, f"{tmp_path}/early", RestoreTarget(at=PointInTime(received_s + 0.01, town)))
    assert (await money(target))[0] == MONEY
    for actor, seq in ((sender, sent), (receiver, received)):
        assert not await fetch(target, "SELECT 1 FROM journal WHERE actor = $1 AND seq = $2", actor, seq)


async def test_a_time_the_journal_cannot_reach_is_refused(town: str, new_database: NewDatabase, tmp_path: Path) -> None:
    async with living(town) as live:
        async with raids(live):
            await until_raided(town, 5)
        taken = await take_snapshot(town, str(tmp_path), name="cut")
        async with raids(live):
            await until_raided(town, 5)
    target = await new_database()
    (now_s,) = (await fetch(town, "SELECT extract(epoch FROM clock_timestamp())::float8"))[0]
    for at_s, journal, reason in (
        (now_s - 3600, town, "time"),
        (now_s + 3600, town, "time"),
        (now_s, await new_database(), "wrong_world"),
    ):
        with pytest.raises(RestoreRefused) as refused:
            await restore_snapshot(target, taken.url, RestoreTarget(at=PointInTime(at_s, journal)))
        assert refused.value.reason == reason
    # Half of the turns since the cut are gone, as after a retention that was too eager.
    last = "(SELECT max(seq) FROM journal WHERE actor = 'faction:ballas')"
    await fetch(town, f"DELETE FROM journal WHERE actor = 'faction:ballas' AND seq < {last}")
    with pytest.raises(RestoreRefused, match="no longer has all turns"):
        await restore_snapshot(target, taken.url, RestoreTarget(at=PointInTime(now_s, town)))
    assert await fetch(target, "SELECT count(*) FROM journal") == [(0,)]
    assert await fetch(target, "SELECT count(*) FROM world") == [(0,)]
    await restore_snapshot(target, taken.url)
