"""Cold actors wake in a few reads, in order, and only where they may live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from ganggpt.actors.envelope import Envelope, error_of, reply_ok, wrap
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activator import Activator, MailboxLimits
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Give
from ganggpt.errors import Overloaded, Unavailable
from ganggpt.persistence.ports.journal import StoredActor
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import SHARDS, Rig, a_rig, running

MARA = "npc:mara"


class Runner:
    """Runs no turns: it answers what it is given. ``alive``: who comes to life when woken."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.alive: set[str] = set()

    def take(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.taken.append((activation.actor, envelope.id))
        delivery.settle(slot, reply_ok(envelope.id, activation.seq, {}))

    def bring_to_life(self, activation: Activation) -> None:
        if activation.actor in self.alive:
            activation.state, activation.seq = "alive", 1


class Store:
    """A journal of which only ``load`` is asked; ``go`` lets reads end."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None

    async def load(self, actors: Sequence[str]) -> Mapping[str, StoredActor]:
        self.reads.append(list(actors))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {}


class Scene:
    def __init__(self, rig: Rig, limits: MailboxLimits = MailboxLimits(100, 4)) -> None:  # noqa: B008
        self.rig, self.runner, self.store = rig, Runner(), Store()
        self.part = Activator(rig.clock, self.store, rig.shards, rig.activations, self.runner, limits)  # type: ignore[arg-type]

    def park(self, actor: str, count: int = 1) -> tuple[Delivery, list[bytes]]:
        delivery, ids = Delivery(count), []
        for slot in range(count):
            envelope = wrap(new_command_id(NOW_S), actor, "player:ava", Give("watch", 1))
            self.part.park(shared_shard(actor, SHARDS), envelope, delivery, slot)
            ids.append(envelope.id)
        return delivery, ids


def codes(delivery: Delivery) -> list[str | None]:
    errors = [error_of(reply) for reply in delivery.replies]
    return [None if error is None else error["code"] for error in errors]


async def test_what_waited_runs_in_its_order_once_the_actor_is_awake() -> None:
    scene = Scene(await a_rig())
    scene.runner.alive.add(MARA)
    delivery, ids = scene.park(MARA, 3)
    async with running(scene.part.run()):
        await asyncio.wait_for(delivery.all_in(), 5)
    assert scene.runner.taken == [(MARA, command_id) for command_id in ids]
    assert MARA in scene.rig.activations
    assert (scene.part.waking, scene.part.wakes) == (0, 1)


async def test_those_who_come_during_a_read_wake_together_with_the_next() -> None:
    scene = Scene(await a_rig())
    scene.store.go.clear()
    scene.park(MARA)
    async with running(scene.part.run()):
        await eventually(lambda: scene.store.reads)
        deliveries = [scene.park(f"npc:{n}")[0] for n in range(50)]
        scene.store.go.set()
        await asyncio.wait_for(deliveries[-1].all_in(), 5)
    assert [len(read) for read in scene.store.reads] == [1, 50]


async def test_who_does_not_exist_after_its_commands_is_not_kept() -> None:
    scene = Scene(await a_rig())
    delivery, _ = scene.park("npc:nobody")
    async with running(scene.part.run()):
        await asyncio.wait_for(delivery.all_in(), 5)
    assert "npc:nobody" not in scene.rig.activations


async def test_both_bounds_shed() -> None:
    scene = Scene(await a_rig(), MailboxLimits(actors=2, commands=2))
    scene.park(MARA, 2)
    with pytest.raises(Overloaded, match=MARA):
        scene.park(MARA)
    scene.park("npc:otis")
    with pytest.raises(Overloaded, match="waking"):
        scene.park("npc:rosa")


async def test_an_outage_refuses_who_waited_and_the_next_one_wakes() -> None:
    scene = Scene(await a_rig())
    scene.store.error = Unavailable("the database")
    delivery, _ = scene.park(MARA, 2)
    async with running(scene.part.run()):
        await asyncio.wait_for(delivery.all_in(), 5)
        assert codes(delivery) == ["unavailable", "unavailable"]
        scene.store.error = None
        again, _ = scene.park(MARA)
        await asyncio.wait_for(again.all_in(), 5)
    assert codes(again) == [None]


async def test_what_was_read_in_another_term_of_the_shard_is_not_used() -> None:
    scene = Scene(await a_rig())
    scene.store.go.clear()
    delivery, _ = scene.park(MARA)
    async with running(scene.part.run()):
        await eventually(lambda: scene.store.reads)
        scene.rig.shards.freeze([shared_shard(MARA, SHARDS)])
        scene.rig.shards.thaw()
        scene.store.go.set()
        await asyncio.wait_for(delivery.all_in(), 5)
    assert codes(delivery) == ["moved"]
    assert MARA not in scene.rig.activations


async def test_mailboxes_of_a_shard_that_leaves_are_handed_out_and_their_actors_not_woken() -> None:
    scene = Scene(await a_rig())
    _, ids = scene.park(MARA, 2)
    other, _ = scene.park("npc:otis")
    parked = scene.part.hand_out(lambda actor, _: actor == MARA)
    assert [envelope.id for envelope, _, _ in parked] == ids
    async with running(scene.part.run()):
        await asyncio.wait_for(other.all_in(), 5)
    assert scene.store.reads == [["npc:otis"]]


async def test_actors_wake_without_a_command_but_not_where_they_stand_still() -> None:
    rig = await a_rig()
    scene = Scene(rig)

    async def load(actors: Sequence[str]) -> Mapping[str, StoredActor]:
        scene.store.reads.append(list(actors))
        return {actor: StoredActor(0, None, ()) for actor in actors}

    scene.store.load = load  # type: ignore[method-assign]
    rig.shards.freeze(actor="npc:still")
    await scene.part.activate([MARA, "npc:still"])
    assert scene.store.reads == [[MARA]]
    assert MARA in rig.activations
    assert scene.part.may_wake("npc:still")
    assert not scene.part.may_wake(MARA)


async def test_at_the_end_of_an_incarnation_who_waits_is_sent_back() -> None:
    scene = Scene(await a_rig())
    delivery, _ = scene.park(MARA, 2)
    scene.part.cancel()
    await asyncio.wait_for(delivery.all_in(), 5)
    assert codes(delivery) == ["moved", "moved"]
