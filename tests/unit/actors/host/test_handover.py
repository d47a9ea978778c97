"""Shards go from one live host to another: in a short freeze, and never run by two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from ganggpt.actors.envelope import (
    Envelope,
    error_of,
    reply_ok,
    wrap,
)
from ganggpt.actors.host import handover
from ganggpt.actors.host.delivery import Delivery, ParkedCommand
from ganggpt.actors.host.handover import HandOver, Siblings
from ganggpt.actors.routing.shards import shared_shard, shared_shards
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_state
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.errors import CommitUnknown, Moved, Unavailable
from ganggpt.persistence.ports.hosts import LOCAL
from tests.support.eventually import eventually
from tests.support.host_parts import HOST, Rig, a_rig, running
from tests.support.runtime import FAST, SHARDS, Runtime

MARA = "npc:mara"
HERS = shared_shard(MARA, SHARDS)
ALL = sorted(shared_shards(SHARDS))


@pytest.fixture
async def two(runtime: Runtime) -> Runtime:
    """The runtime with a second host that holds nothing yet."""
    await runtime.fleet.start("host:1", "shared")
    return runtime


async def give(runtime: Runtime, giver: str, heir: str, shards: Sequence[str] = (HERS,)) -> float:
    return await runtime.fleet.hand_over(giver, shards, LOCAL, heir)


async def test_an_actor_is_the_same_at_its_new_host_without_a_look_at_the_routing_table(two: Runtime) -> None:
    await two.ask(MARA, Give("watch", 100))
    before = (await two.view(MARA))["reply"]["memories"]
    await give(two, "host:0", "host:1")
    assert (await two.view(MARA))["reply"]["memories"] == before
    assert MARA in two.host("host:1").activations
    assert MARA not in two.host("host:0").activations
    assert (two.router.redirects, two.router.retries) == (1, 0)
    await two.ask(MARA, Give("ring", 100))
    assert two.router.redirects == 1, "the router has learnt it"


async def test_commands_sent_during_hand_overs_are_all_answered_and_applied_once(two: Runtime) -> None:
    await two.ask(MARA, Talk("Hello"))
    replies: list[dict[str, object]] = []
    for giver, heir in [("host:0", "host:1"), ("host:1", "host:0")] * 3:
        asked = [asyncio.create_task(two.ask(MARA, Give(f"coin {n}", n))) for n in range(FAST.mailbox_max // 2)]
        await asyncio.sleep(0)
        moving = asyncio.create_task(give(two, giver, heir))
        await asyncio.sleep(0)
        asked += [asyncio.create_task(two.ask(MARA, Give(f"ring {n}", n))) for n in range(FAST.mailbox_max // 2)]
        replies += await asyncio.wait_for(asyncio.gather(*asked), 10)
        await moving
    assert all(reply["ok"] for reply in replies), replies
    journaled = two.database.journaled(MARA)
    assert len(journaled) == len(set(journaled)) == 2 + len(replies)
    assert {reply["id"] for reply in replies} <= set(journaled)


async def test_a_repeated_id_is_known_to_the_heir(two: Runtime) -> None:
    command = new_command_id()
    first = await two.ask(MARA, Give("watch", 100), id=command)
    await give(two, "host:0", "host:1")
    assert await two.ask(MARA, Give("watch", 100), id=command) == first
    assert two.database.journaled(MARA).count(command) == 1


async def test_without_an_heir_everything_stays_as_it_was(runtime: Runtime) -> None:
    await runtime.ask(MARA, Give("watch", 100))
    epoch = runtime.host("host:0").identity.epoch
    with pytest.raises(Unavailable):
        await give(runtime, "host:0", "host:9")
    assert (await runtime.ask(MARA, Give("ring", 100)))["ok"]
    assert runtime.host("host:0").identity.epoch == epoch
    assert set(runtime.host("host:0").shards) == set(ALL)


async def test_a_shard_it_does_not_hold_cannot_be_given(two: Runtime) -> None:
    with pytest.raises(Moved):
        await give(two, "host:1", "host:0")


@pytest.mark.parametrize("fault", ["lost", "held"])
async def test_a_hand_over_of_unknown_outcome_ends_the_incarnation_and_its_successor_knows(
    two: Runtime, fault: str
) -> None:
    await two.ask(MARA, Give("watch", 100))
    epoch = two.host("host:0").identity.epoch
    two.hosts.hand_overs.append(fault)  # type: ignore[arg-type]
    with pytest.raises(CommitUnknown):
        await give(two, "host:0", "host:1")
    assert (await two.ask(MARA, Give("ring", 100)))["ok"]
    assert len(two.database.journaled(MARA)) == 3
    holder = "host:0" if fault == "lost" else "host:1"
    assert MARA in two.host(holder).activations
    assert two.host("host:0").identity.epoch > epoch


async def test_the_tables_show_everything_of_a_shard_when_it_is_given(two: Runtime) -> None:
    for n in range(5):
        await two.ask(MARA, Give(f"coin {n}", n))
    state = encode_state(two.host("host:0").activations[MARA].state)
    await give(two, "host:0", "host:1")
    assert two.flush.states[MARA] == state
    assert MARA not in two.host("host:0").activations.dirty
    assert two.host("host:1").flusher._owed == {}


async def test_a_host_looks_at_the_table_when_it_is_asked_for_a_shard_it_does_not_know_of(two: Runtime) -> None:
    await two.ask(MARA, Talk("Hello"))
    await two.hosts.hand_over(two.host("host:0").identity.epoch, ALL, LOCAL, "host:1")
    reply = await two.host("host:1").deliver([wrap(new_command_id(), MARA, "player:ava", Give("watch", 1))])
    assert msgspec.msgpack.decode(reply[0])["ok"]


async def test_messages_of_a_given_shard_are_delivered_by_the_heir_once(two: Runtime) -> None:
    asked = [asyncio.create_task(two.ask(MARA, Talk(f"Hello {n}"))) for n in range(10)]
    await give(two, "host:0", "host:1", ALL)
    await asyncio.gather(*asked)
    assert two.host("host:0").outbox._lanes == {}
    await eventually(lambda: not two.database.outbox)
    for rows in two.database.turns.values():
        ids = [command_id for _, command_id, _, _ in rows]
        assert len(ids) == len(set(ids))


async def test_what_a_dead_owner_did_not_flush_is_shown_before_the_shard_moves_on(two: Runtime) -> None:
    await two.ask(MARA, Give("watch", 100))
    await two.host("host:0").flusher.flush()
    two.flush.states.clear()
    two.host("host:0").flusher.catch_up([HERS])
    await give(two, "host:0", "host:1")
    assert MARA in two.flush.states


async def test_an_actor_that_a_command_wakes_while_its_shard_is_taken_over_is_shown_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.ask(MARA, Give("watch", 100))
    await runtime.fleet.host("host:0").passivate()
    runtime.flush.states.clear()
    entered, go, load = asyncio.Event(), asyncio.Event(), runtime.journal.load

    async def first_load_waits(actors: Sequence[str]) -> Any:
        if not entered.is_set():
            entered.set()
            await go.wait()
        return await load(actors)

    monkeypatch.setattr(runtime.journal, "load", first_load_waits)
    asked = asyncio.create_task(runtime.view(MARA))
    await asyncio.wait_for(entered.wait(), 5)
    runtime.host("host:0").flusher.catch_up([HERS])
    await runtime.host("host:0").flusher._adopt()
    go.set()
    await asked
    await eventually(lambda: MARA in runtime.flush.states)


async def test_a_host_that_could_not_read_what_it_was_given_reads_it_later(two: Runtime) -> None:
    old = two.host("host:0").identity.epoch
    await two.fleet.kill("host:0")
    assert await two.hosts.fence(old)
    two.hosts.reads.append("unreachable")
    await two.hosts.assign({HERS: "host:1"})
    await eventually(lambda: HERS in two.host("host:1").shards)


class Others:
    """All siblings of a hand-over in one: ``done`` is what was asked of them, in its order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.mailboxes: list[ParkedCommand] = []
        self.accepted: list[bytes] = []
        self.failure: BaseException | None = None
        self.committing, self.commit = asyncio.Event(), asyncio.Event()
        self.commit.set()

    async def durable(self, ticket: int) -> None:
        self.done.append("commit")
        self.committing.set()
        await self.commit.wait()

    def fail(self, error: BaseException) -> None:
        self.failure = error

    async def show_all_of(self, shards: object) -> None:
        self.done.append("show what others left")

    async def flush(self, only: object) -> None:
        self.done.append("flush")

    async def flush_now(self, only: object) -> None:
        self.done.append("flush the rest")

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        self.done.append("pause")
        yield

    async def snapshot(self, activations: object) -> None:
        self.done.append("snapshot")

    def hand_out(self, leaves: Callable[[str, str], bool]) -> list[ParkedCommand]:
        return [waiting for waiting in self.mailboxes if leaves(waiting[0].to, shared_shard(waiting[0].to, SHARDS))]

    def forget(self, shards: object) -> None:
        self.done.append("forget the messages")

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.accepted.append(envelope.id)
        delivery.settle(slot, reply_ok(envelope.id, 1, {}))


class Alone:
    """A hand-over of one incarnation; ``host:1`` lives and holds nothing."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.others = rig, Others()
        siblings = Siblings(*[self.others] * 6)  # type: ignore[list-item]
        self.part = HandOver(rig.identity, rig.hosts, rig.shards, rig.activations, siblings)
        self.mara = rig.awake(MARA)

    def wait(self) -> tuple[Delivery, Envelope]:
        """A command for Mara that cannot run now."""
        delivery, envelope = Delivery(1), wrap(new_command_id(), MARA, "player:ava", Talk("Hello"))
        self.part.wait(HERS, envelope, delivery, 0)
        return delivery, envelope

    async def frozen(self) -> asyncio.Task[float]:
        """A hand-over that has got as far as the last commit."""
        self.others.commit.clear()
        giving = asyncio.create_task(self.part.give([HERS], LOCAL, "host:1"))
        await asyncio.wait_for(self.others.committing.wait(), 5)
        return giving


async def alone() -> Alone:
    rig = await a_rig()
    await rig.hosts.register("host:1", "shared")
    return Alone(rig)


def moved_to(delivery: Delivery) -> str | None:
    error = error_of(delivery.replies[0])
    assert error is not None
    assert error["code"] == "moved"
    return error.get("to")


async def test_alone_a_shard_is_given_when_all_of_it_is_committed_and_shown() -> None:
    one = await alone()
    assert await one.part.give([HERS], LOCAL, "host:1") >= 0
    assert one.others.done == [
        "show what others left",
        "flush",
        "snapshot",
        "pause",
        "commit",
        "flush the rest",
        "forget the messages",
    ]
    rows = {row.shard: row.host for row in await one.rig.hosts.routes()}
    assert rows[HERS] == "host:1"
    assert HERS not in one.rig.shards
    assert MARA not in one.rig.activations


async def test_alone_what_comes_during_the_freeze_goes_to_the_heir_and_so_does_what_comes_soon_after() -> None:
    one = await alone()
    giving = await one.frozen()
    during, _ = one.wait()
    assert during.replies == [b""]
    one.others.commit.set()
    await asyncio.wait_for(giving, 5)
    assert moved_to(during) == "host:1"
    after, _ = one.wait()
    assert moved_to(after) == "host:1"


async def test_alone_a_command_that_comes_back_from_the_heir_waits_for_the_table() -> None:
    one = await alone()
    await one.part.give([HERS], LOCAL, "host:1")
    _, envelope = one.wait()
    again = Delivery(1)
    one.part.wait(HERS, envelope, again, 0)
    assert again.replies == [b""]
    async with running(one.part.run()):
        await asyncio.wait_for(again.all_in(), 5)
    assert moved_to(again) == "host:1"


async def test_alone_without_an_heir_everything_goes_on_here() -> None:
    one = await alone()
    one.others.commit.clear()
    giving = asyncio.create_task(one.part.give([HERS], LOCAL, "host:9"))
    await asyncio.wait_for(one.others.committing.wait(), 5)
    assert MARA not in one.rig.activations
    _, envelope = one.wait()
    one.others.commit.set()
    with pytest.raises(Unavailable):
        await giving
    assert one.rig.activations.get(MARA) is one.mara
    assert HERS in one.rig.shards
    assert one.others.accepted == [envelope.id]
    assert one.others.failure is None


async def test_alone_an_unknown_outcome_ends_the_incarnation() -> None:
    one = await alone()

    async def lost(*_: object) -> None:
        raise CommitUnknown(HOST, 1, "the connection broke")

    one.rig.hosts.hand_over = lost  # type: ignore[method-assign]
    with pytest.raises(CommitUnknown):
        await one.part.give([HERS], LOCAL, "host:1")
    assert isinstance(one.others.failure, CommitUnknown)
    assert MARA not in one.rig.activations


async def test_alone_what_it_does_not_hold_it_does_not_give() -> None:
    one = await alone()
    with pytest.raises(Moved):
        await one.part.give([HERS, "s:99"], LOCAL, "host:1")
    assert one.others.done == []
    assert HERS in one.rig.shards


async def test_alone_over_the_bound_commands_are_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "WAITING_MAX", 1)
    one = await alone()
    giving = await one.frozen()
    first, _ = one.wait()
    second, _ = one.wait()
    error = error_of(second.replies[0])
    assert error is not None
    assert error["code"] == "overloaded"
    one.others.commit.set()
    await asyncio.wait_for(giving, 5)
    assert moved_to(first) == "host:1"


async def test_alone_a_command_of_a_shard_the_host_has_just_got_runs_after_a_look_at_the_table() -> None:
    one = await alone()
    stray, envelope = one.wait()
    async with running(one.part.run()):
        await asyncio.wait_for(stray.all_in(), 5)
    assert one.others.accepted == [envelope.id]


async def test_alone_at_the_end_of_an_incarnation_all_who_wait_are_sent_back() -> None:
    one = await alone()
    stray, _ = one.wait()
    giving = await one.frozen()
    frozen, _ = one.wait()
    one.part.cancel()
    assert moved_to(stray) is None
    assert moved_to(frozen) is None
    giving.cancel()
    await asyncio.wait([giving])


async def test_alone_an_actor_is_promoted_and_demoted_and_stays_awake() -> None:
    one = await alone()
    await one.part.promote(MARA)
    assert one.mara.shard == MARA
    assert one.rig.shards.shard_of(MARA) == MARA
    assert one.rig.database.shards[MARA].residence == "own"
    with pytest.raises(Moved):
        await one.part.promote(MARA)
    await one.part.demote(MARA)
    assert one.mara.shard == HERS
    assert MARA not in one.rig.database.shards
    assert one.rig.activations.get(MARA) is one.mara
