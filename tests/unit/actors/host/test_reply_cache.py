"""Who asks twice is told the same twice, as long as anybody can know it."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.actors.envelope import Envelope, error_of, reply_ok, wrap
from ganggpt.actors.host import reply_cache
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.reply_cache import ReplyCache
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import VERSION, TurnRecord, encode_turn
from ganggpt.domain.npc.commands import Give
from ganggpt.persistence.ports.journal import OutboxMessage
from tests.support.builders import NOW_S
from tests.support.host_parts import SHARDS, Rig, a_rig

MARA, OTIS = "npc:mara", "npc:otis"


class Runner:
    """Writes down what it is given again."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.turned: list[bytes] = []

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.accepted.append(envelope.id)
        delivery.settle(slot, b"")

    def turn(self, activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        self.turned.append(envelope.id)
        return reply_ok(envelope.id, activation.seq + 1, {})


class Scene:
    def __init__(self, rig: Rig) -> None:
        self.rig, self.runner = rig, Runner()
        self.part = ReplyCache(rig.clock, rig.journal, rig.activations, rig.commits, self.runner)  # type: ignore[arg-type]
        self.mara = rig.awake(MARA)

    def journaled(self, envelope: Envelope, seq: int) -> bytes:
        reply = reply_ok(envelope.id, seq, {"text": "thanks"})
        body = encode_turn(TurnRecord(VERSION, NOW_S, (), reply))
        self.rig.database.turns.setdefault(MARA, []).append((seq, envelope.id, body, 1))
        return reply

    async def late(self, message: Envelope) -> bytes:
        delivery = Delivery(1)
        self.part.take_late_message(self.mara, message, delivery, 0)
        await asyncio.wait_for(delivery.all_in(), 5)
        return delivery.replies[0]

    async def again(self, envelope: Envelope, seq: int) -> bytes:
        delivery = Delivery(1)
        self.part.answer(self.mara, seq, envelope, delivery, 0)
        await asyncio.wait_for(delivery.all_in(), 5)
        return delivery.replies[0]


def a_gift(at_s: float = NOW_S) -> Envelope:
    return wrap(new_command_id(at_s), MARA, OTIS, Give("watch", 1))


def code(reply: bytes) -> str | None:
    error = error_of(reply)
    return None if error is None else error["code"]


async def test_a_quick_retry_is_answered_from_memory_once_the_turn_is_durable() -> None:
    scene, gift = Scene(await a_rig()), a_gift()
    scene.mara.written = 9
    scene.part.remember(gift.id, b"the answer")
    delivery = Delivery(1)
    scene.part.answer(scene.mara, 1, gift, delivery, 0)
    assert (delivery.replies, delivery.ticket) == ([b"the answer"], 9)
    assert scene.part.repeated == 1


async def test_a_later_retry_is_answered_from_the_journal() -> None:
    scene, gift = Scene(await a_rig()), a_gift()
    reply = scene.journaled(gift, 3)
    assert await scene.again(gift, 3) == reply


async def test_a_retry_whose_turn_was_dropped_is_expired() -> None:
    scene = Scene(await a_rig())
    assert code(await scene.again(a_gift(), 3)) == "expired"


async def test_only_the_newest_replies_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_cache, "RECENT_MAX", 2)
    scene, gifts = Scene(await a_rig()), [a_gift() for _ in range(3)]
    for gift in gifts:
        scene.part.remember(gift.id, b"kept")
    assert await scene.again(gifts[2], 1) == b"kept"
    assert code(await scene.again(gifts[0], 1)) == "expired"


async def test_a_late_message_that_was_applied_is_answered_as_then() -> None:
    scene, message = Scene(await a_rig()), a_gift(NOW_S - 86_400)
    reply = scene.journaled(message, 3)
    assert await scene.late(message) == reply
    assert not scene.runner.turned


async def test_a_late_message_that_its_sender_still_has_is_applied() -> None:
    scene, message = Scene(await a_rig()), a_gift(NOW_S - 86_400)
    waiting = OutboxMessage(OTIS, 1, 0, MARA, message.id, message.name, b"")
    scene.rig.database.outbox[OTIS, 1, 0] = (shared_shard(OTIS, SHARDS), waiting)
    assert code(await scene.late(message)) is None
    assert scene.runner.turned == [message.id]


async def test_of_two_copies_of_a_late_message_one_is_applied() -> None:
    """The window keeps no id that is so old, so the second look into the journal has to come after the first turn."""
    scene, message = Scene(await a_rig()), a_gift(NOW_S - 86_400)
    waiting = OutboxMessage(OTIS, 1, 0, MARA, message.id, message.name, b"")
    scene.rig.database.outbox[OTIS, 1, 0] = (shared_shard(OTIS, SHARDS), waiting)
    turn, turn_by_command = scene.runner.turn, scene.rig.journal.turn_by_command

    async def slowly(actor: str, command_id: bytes) -> bytes | None:
        found = await turn_by_command(actor, command_id)
        await asyncio.sleep(0)
        return found

    def journaled(activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        turn(activation, envelope, now_s)
        return scene.journaled(envelope, 1)

    scene.runner.turn = journaled  # type: ignore[method-assign]
    scene.rig.journal.turn_by_command = slowly  # type: ignore[method-assign]
    first, second = await asyncio.gather(scene.late(message), scene.late(message))
    assert first == second
    assert scene.runner.turned == [message.id]


async def test_a_late_message_of_an_actor_that_fell_asleep_meanwhile_wakes_it() -> None:
    scene, message = Scene(await a_rig()), a_gift(NOW_S - 86_400)
    scene.rig.database.outbox[OTIS, 1, 0] = ("s:0", OutboxMessage(OTIS, 1, 0, MARA, message.id, message.name, b""))
    scene.rig.activations.drop(MARA)
    await scene.late(message)
    assert scene.runner.accepted == [message.id]


async def test_a_late_message_nobody_waits_for_is_not_applied() -> None:
    scene = Scene(await a_rig())
    assert code(await scene.late(a_gift(NOW_S - 86_400))) == "expired"
    assert not scene.runner.turned


async def test_over_the_bound_late_retries_are_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_cache, "LATE_MAX", 2)
    scene = Scene(await a_rig())
    scene.rig.commits.held.clear()
    delivery = Delivery(3)
    for slot in range(3):
        scene.part.answer(scene.mara, 1, a_gift(), delivery, slot)
    assert len(scene.part) == 2
    assert code(delivery.replies[2]) == "overloaded"
    await asyncio.sleep(0)
    scene.part.cancel()
    await asyncio.wait_for(delivery.all_in(), 5)
    assert [code(reply) for reply in delivery.replies[:2]] == ["moved", "moved"]
