"""Shards go from one live host to another: in a short freeze, and never run by two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ganggpt.actors.envelope import wrap
from ganggpt.actors.routing.shards import shared_shard, shared_shards
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_state
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.errors import CommitUnknown, Moved, Unavailable
from ganggpt.persistence.ports.hosts import LOCAL
from tests.support.eventually import eventually
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


async def test_letters_of_a_given_shard_are_delivered_by_the_heir_once(two: Runtime) -> None:
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
    two.hosts.looks.append("away")
    await two.hosts.assign({HERS: "host:1"})
    await eventually(lambda: HERS in two.host("host:1").shards)
