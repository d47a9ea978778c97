"""A command becomes a turn, waits, or is answered as before; a turn changes nothing or is in the open commit."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ganggpt.actors.envelope import Envelope, wrap, wrap_view
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery, ParkedCommand
from ganggpt.actors.host.turn_runner import TurnInputs, TurnRunner
from ganggpt.actors.ports import NoModel
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.kinds import KINDS, encode_command
from ganggpt.domain.npc.commands import Give
from ganggpt.domain.player.rules import Join, Report
from ganggpt.domain.turn import Decision, ModelRequest
from ganggpt.errors import Overloaded
from tests.support.builders import NOW_S, PlainMind, a_world
from tests.support.host_parts import SHARDS, Rig, a_rig, running, told
from tests.support.runtime import MARA as SPAWN

MARA, AVA = "npc:mara", "player:ava"


class Aside:
    """Everything a command is passed on to, writing down what came."""

    def __init__(self) -> None:
        self.parked: list[ParkedCommand] = []
        self.waiting: list[ParkedCommand] = []
        self.repeated: list[int] = []
        self.late: list[Envelope] = []
        self.remembered: dict[bytes, bytes] = {}
        self.posted: list[tuple[str, int, int]] = []
        self.full = False

    def park(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        if self.full:
            raise Overloaded("the mailbox", 1)
        self.parked.append((envelope, delivery, slot))

    def wait(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.waiting.append((envelope, delivery, slot))

    def remember(self, command_id: bytes, reply: bytes) -> None:
        self.remembered[command_id] = reply

    def answer(self, activation: Activation, seq: int, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.repeated.append(seq)

    def take_late_message(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        self.late.append(envelope)

    def post(self, actor: str, seq: int, requests: object, ticket: int) -> None:
        self.posted.append((actor, seq, ticket))

    def note(self, activation: Activation, seq: int, events: object) -> None:
        raise AssertionError("no model of embeddings, no news for it")


@dataclasses.dataclass
class Scene:
    """A runner, the owners it works on, and a committer that runs."""

    rig: Rig
    aside: Aside
    committer: Committer
    runner: TurnRunner

    def accept(self, *envelopes: Envelope) -> Delivery:
        delivery = Delivery(len(envelopes))
        for slot, envelope in enumerate(envelopes):
            self.runner.accept(envelope, delivery, slot)
        return delivery

    def one(self, envelope: Envelope) -> dict[str, Any]:
        return told(self.accept(envelope).replies[0])

    def mara(self) -> Activation:
        """Mara, awake and alive after one turn."""
        activation = self.rig.awake(MARA)
        assert self.one(command(SPAWN, by="server:one"))["ok"]
        return activation


def command(what: Any, to: str = MARA, by: str = AVA, at_s: float = NOW_S, inner: bool = False) -> Envelope:
    envelope = wrap(new_command_id(at_s), to, by, what)
    return Envelope(envelope.id, to, by, envelope.name, envelope.body, inner=inner)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    rig, aside = await a_rig(), Aside()
    committer = Committer(
        rig.journal, rig.identity.epoch, relaxed_s=3600, on_pushes=lambda _: None, on_messages=lambda _: None
    )
    inputs = TurnInputs(a_world(), {MARA: ("Spawn", encode_command(SPAWN))}, PlainMind(), NoModel())
    runner = TurnRunner(rig.clock, rig.shards, rig.activations, committer, inputs, 3)
    runner.connect(aside, aside, aside, aside, aside)  # type: ignore[arg-type]
    async with running(committer.run()):
        yield Scene(rig, aside, committer, runner)


async def test_a_turn_is_committed_remembered_and_owed_to_the_tables(scene: Scene) -> None:
    activation = scene.mara()
    gift = command(Give("watch", 100))
    delivery = scene.accept(gift)
    assert told(delivery.replies[0])["seq"] == activation.seq == 2
    await scene.committer.durable(delivery.ticket)
    assert scene.rig.database.journaled(MARA)[1] == gift.id
    assert scene.aside.remembered[gift.id] == delivery.replies[0]
    assert list(scene.rig.activations.dirty) == [MARA]
    assert scene.runner.turns == 2


async def test_the_same_id_is_no_second_turn(scene: Scene) -> None:
    activation = scene.mara()
    gift = command(Give("watch", 100))
    scene.accept(gift, gift)
    assert scene.aside.repeated == [2]
    assert activation.seq == 2


async def test_a_message_from_a_host_whose_clock_is_far_ahead_waits(scene: Scene) -> None:
    """A refusal for good would settle it, and what it told would be lost."""
    scene.mara()
    message = command(Give("watch", 100), by="npc:otis", at_s=NOW_S + 3600, inner=True)
    refused = scene.one(message)["error"]
    assert (refused["code"], refused["retryable"]) == ("overloaded", True)
    assert scene.one(command(Give("watch", 100), at_s=NOW_S + 3600))["error"]["code"] == "invalid_input"


async def test_a_read_makes_no_turn_but_waits_for_what_it_shows(scene: Scene) -> None:
    activation = scene.mara()
    delivery = scene.accept(wrap_view(new_command_id(NOW_S), MARA, AVA))
    assert told(delivery.replies[0])["ok"]
    assert delivery.ticket == activation.ticket > 0
    assert activation.seq == 1


async def test_what_the_rules_refuse_changes_nothing_and_is_counted(scene: Scene) -> None:
    activation = scene.mara()
    again = scene.one(command(SPAWN, by="server:one"))
    assert not again["ok"]
    assert (activation.seq, scene.runner.refused, scene.runner.mistakes) == (1, 1, 0)


async def test_a_mistake_in_a_rule_is_an_error_of_that_command(scene: Scene) -> None:
    activation = scene.mara()

    def broken(state: object, command: object, turn: object) -> Decision:
        raise ZeroDivisionError

    activation.kind = dataclasses.replace(KINDS["npc"], decide=broken)
    assert scene.one(command(Give("watch", 1)))["error"]["code"] == "internal"
    assert (activation.seq, scene.runner.mistakes) == (1, 1)


async def test_a_body_that_does_not_fit_is_an_error_of_the_caller(scene: Scene) -> None:
    scene.mara()
    envelope = command(Give("watch", 1))
    for body in (b"\x81\xa4item\x07", b"\x81\xa4item\xa2\xff\xfe", b"\xc1"):
        bad = Envelope(envelope.id, MARA, AVA, "Give", type(envelope.body)(body))
        assert scene.one(bad)["error"]["code"] == "invalid_input"


async def test_a_relaxed_turn_is_answered_before_its_commit(scene: Scene) -> None:
    activation = scene.rig.awake(AVA)
    scene.accept(command(Join("ava", "ls"), AVA))
    before = activation.ticket
    await scene.committer.durable(before)
    delivery = scene.accept(command(Report((1.0, 2.0, 3.0)), AVA))
    assert told(delivery.replies[0])["ok"]
    assert activation.ticket == before
    assert activation.written > before


async def test_a_sleeping_actor_is_woken_and_a_full_mailbox_is_told(scene: Scene) -> None:
    envelope = command(Give("watch", 1))
    scene.accept(envelope)
    assert [parked[0] for parked in scene.aside.parked] == [envelope]
    scene.aside.full = True
    assert scene.one(command(Give("watch", 1)))["error"]["code"] == "overloaded"


async def test_a_command_for_a_shard_that_stands_still_or_is_not_held_waits(scene: Scene) -> None:
    hers = shared_shard(MARA, SHARDS)
    scene.rig.shards.freeze([hers])
    scene.accept(command(Give("watch", 1)))
    scene.rig.shards.release()
    scene.accept(command(Give("ring", 1)))
    assert len(scene.aside.waiting) == 2
    assert not scene.aside.parked


async def test_a_draining_host_sends_back_also_what_is_for_an_actor_that_is_awake(scene: Scene) -> None:
    scene.mara()
    scene.rig.shards.drain()
    assert scene.one(command(Give("watch", 1)))["error"]["code"] == "moved"


async def test_an_old_id_is_expired_but_a_message_is_looked_up(scene: Scene) -> None:
    scene.mara()
    old_s = NOW_S - 86_400
    assert scene.one(command(Give("watch", 1), at_s=old_s))["error"]["code"] == "expired"
    message = command(Give("watch", 1), at_s=old_s, inner=True)
    scene.accept(message)
    assert scene.aside.late == [message]


async def test_an_actor_is_ripe_for_a_snapshot_after_so_many_turns(scene: Scene) -> None:
    activation = scene.mara()
    scene.accept(command(Give("watch", 1)))
    assert scene.rig.activations.ripe() == []
    scene.accept(command(Give("ring", 1)))
    assert scene.rig.activations.ripe() == [activation]


async def test_a_request_to_the_model_is_tied_to_the_commit_of_its_turn(scene: Scene) -> None:
    activation, decide = scene.mara(), KINDS["npc"].decide

    def asking(state: Any, command: Any, turn: Any) -> Decision:
        decision = decide(state, command, turn)
        return Decision(decision.events, model_requests=(ModelRequest("talk", None, None, 1.0),))

    activation.kind = dataclasses.replace(KINDS["npc"], decide=asking)
    scene.accept(command(Give("watch", 1)))
    assert scene.aside.posted == [(MARA, 2, activation.written)]


async def test_only_members_of_the_cast_come_to_life_by_themselves(scene: Scene) -> None:
    mara, nobody = scene.rig.awake(MARA), scene.rig.awake("npc:nobody")
    scene.runner.bring_to_life(mara)
    scene.runner.bring_to_life(nobody)
    assert mara.state is not None
    assert (mara.seq, nobody.seq) == (1, 0)
    assert nobody.state is None


async def test_an_actor_that_does_not_exist_cannot_be_read(scene: Scene) -> None:
    scene.rig.awake(ActorId("npc:nobody"))
    assert scene.one(wrap_view(new_command_id(NOW_S), "npc:nobody", AVA))["error"]["code"] == "unknown_actor"
