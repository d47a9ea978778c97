"""Turns: one command after the other, each a plain function call, so turns of one actor cannot interleave.

A command is run at once where its actor is awake. Any other goes to the part that keeps it meanwhile.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec import Raw

from ganggpt.actors.envelope import VIEW, Envelope, reply_error, reply_ok
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.embeddings import Meanings
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.host.model_requests import Asks
from ganggpt.actors.ports import ModelPort
from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.kinds import VERSION, TurnRecord, Wishes, decode_command, encode_turn, wishes_of
from ganggpt.domain.turn import Command, Decision, Dice, Mind, Turn
from ganggpt.domain.world import World
from ganggpt.errors import Expired, GangGPTError, InvalidInput, Moved, Overloaded, UnknownActor
from ganggpt.persistence.ports.journal import Batch, Letter

log = logging.getLogger(__name__)


def dice_of(actor: str, seq: int, world_seed: int) -> Dice:
    """The dice of one turn: the same whenever it is played."""
    return Dice(zlib.crc32(actor.encode()) << 32 ^ seq * 0x9E3779B97F4A7C15 ^ world_seed)


class InternalError(GangGPTError):
    """A turn failed by a mistake of ours. Nothing was changed."""

    code = "internal"

    def __init__(self, actor: str, command: str) -> None:
        super().__init__(actor, command)
        self.actor, self.command = actor, command

    def __str__(self) -> str:
        return (
            f"{self.command} on {self.actor} failed by an error of the server, which was logged. Nothing was changed."
        )


@dataclass(frozen=True, slots=True)
class TurnInputs:
    """What a turn may know besides state and command. ``cast``: by actor, the name and body of the command that brings
    it to life when it is first spoken to."""

    world: World
    cast: Mapping[str, tuple[str, bytes]]
    mind: Mind
    model: ModelPort


class ColdActors(Protocol):
    """Where commands of sleeping actors wait."""

    def park(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command until its actor is awake. Raises Overloaded."""
        ...


class MovingShards(Protocol):
    """Where commands wait whose shard is on the move, or is not known to be held here."""

    def wait(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command until it is known who runs it."""
        ...


class Replies(Protocol):
    """What was answered before."""

    def remember(self, command_id: bytes, reply: bytes) -> None:
        """Keep a finished reply."""
        ...

    def answer(self, activation: Activation, seq: int, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Answer a command that was applied as turn ``seq`` once more."""
        ...

    def take_late_letter(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Find out whether a letter older than the window was applied."""
        ...


class TurnRunner:
    """Owns the way of a command into a turn, and of its decision into the open commit. ``connect`` comes first."""

    def __init__(
        self,
        clock: DatabaseClock,
        shards: Shards,
        activations: Activations,
        committer: Committer,
        inputs: TurnInputs,
        snapshot_every: int,
    ) -> None:
        self._clock = clock
        self._shards = shards
        self._activations = activations
        self._committer = committer
        self._inputs = inputs
        self._snapshot_every = snapshot_every
        self._cold: ColdActors
        self._moving: MovingShards
        self._replies: Replies
        self._requests: Asks
        self._embeddings: Meanings
        self.turns = 0
        self.refused = 0
        self.mistakes = 0

    def connect(
        self, cold: ColdActors, moving: MovingShards, replies: Replies, requests: Asks, embeddings: Meanings
    ) -> None:
        """The parts that get what is no turn yet, what was one before, and what follows from one. (Some of them run
        turns themselves, so they can only be made after the runner.)"""
        self._cold = cold
        self._moving = moving
        self._replies = replies
        self._requests = requests
        self._embeddings = embeddings

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Take one command: run its turn at once, or park it while its actor wakes."""
        activation = None if self._shards.draining else self._activations.get(envelope.to)
        if activation is not None:
            self.take(activation, envelope, delivery, slot)
            return
        if self._shards.draining:
            delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to)))
            return
        shard = self._shards.shard_of(envelope.to)
        if shard not in self._shards or self._shards.stops(envelope.to, shard):
            self._moving.wait(shard, envelope, delivery, slot)
            return
        try:
            self._cold.park(shard, envelope, delivery, slot)
        except Overloaded as full:
            delivery.settle(slot, reply_error(envelope.id, full))

    def take(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """One command for an actor that is awake."""
        now_s = self._clock.now_s()
        activation.touched_s = now_s
        window = activation.window
        seq = window.seq_of(envelope.id)
        if seq is not None:
            self._replies.answer(activation, seq, envelope, delivery, slot)
            return
        try:
            if envelope.name == VIEW:
                reply = self._view(activation, envelope, now_s)
            else:
                window.check_age(envelope.id, now_s)
                reply = self.turn(activation, envelope, now_s)
        except Expired as expired:
            if envelope.inner:
                self._replies.take_late_letter(activation, envelope, delivery, slot)
                return
            reply = reply_error(envelope.id, expired)
        except GangGPTError as error:
            self.refused += 1
            reply = reply_error(envelope.id, error)
        delivery.settle(slot, reply, activation.ticket)

    def turn(self, activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        """Decide, journal, evolve. Returns the finished reply; raises GangGPTError where nothing was changed."""
        kind = activation.kind
        seq = activation.seq + 1
        command, decision = self._decide(activation, envelope, seq, now_s)
        if not (decision.events or decision.messages or decision.pushes or decision.reminders):
            return reply_ok(envelope.id, activation.seq, decision.reply)
        reply = reply_ok(envelope.id, seq, decision.reply)
        wishes = wishes_of(decision)
        body = encode_turn(TurnRecord(VERSION, now_s, decision.events, reply, wishes, first=activation.state is None))
        durable = command.is_durable()
        batch = self._committer.batch(durable)
        batch.add_turn(activation.actor, seq, now_s, envelope.id, envelope.by, envelope.name, body)
        if wishes is not None:
            self._add_wishes(batch, activation, seq, now_s, wishes)
        for n, push in enumerate(decision.pushes):
            batch.add_push((push.server, activation.actor, seq, n, push.type, msgspec.msgpack.encode(push.body), now_s))
        state = activation.state
        for event in decision.events:
            state = kind.evolve(state, event)
        activation.state = state
        activation.seq = seq
        activation.written = self._committer.ticket
        if durable:
            activation.ticket = activation.written
        activation.window.add(envelope.id, seq, now_s)
        self._activations.mark_dirty(activation)
        if seq - activation.snapshot_seq >= self._snapshot_every:
            self._activations.mark_ripe(activation.actor)
        if self._inputs.model.embeds:
            self._embeddings.note(activation, seq, decision.events)
        if decision.asks:
            self._requests.post(activation.actor, seq, decision.asks, activation.written)
        self._replies.remember(envelope.id, reply)
        self.turns += 1
        return reply

    def bring_to_life(self, activation: Activation) -> None:
        """The first turn of a member of the cast, if the actor is one: the creating command its world file made."""
        first = self._inputs.cast.get(activation.actor)
        if first is None:
            return
        name, body = first
        now_s = self._clock.now_s()
        command_id = derived_command_id(now_s, activation.actor, 0, name)
        self.turn(activation, Envelope(command_id, activation.actor, "world", name, Raw(body)), now_s)

    def _decide(self, activation: Activation, envelope: Envelope, seq: int, now_s: float) -> tuple[Command, Decision]:
        kind, inputs = activation.kind, self._inputs
        try:
            command = decode_command(kind.name, envelope.name, envelope.body)
            turn = Turn(
                activation.actor,
                seq,
                now_s,
                envelope.by,
                dice_of(activation.actor, seq, inputs.world.seed),
                inputs.world,
                inputs.mind,
                inputs.model.is_on,
            )
            return command, kind.decide(activation.state, command, turn)
        except GangGPTError:
            raise
        except msgspec.ValidationError as misfit:
            raise InvalidInput(envelope.name, str(misfit)) from misfit
        except Exception as mistake:
            # A mistake in one rule must not take thousands of other actors down.
            self.mistakes += 1
            log.exception("%s on %s failed", envelope.name, activation.actor)
            raise InternalError(activation.actor, envelope.name) from mistake

    def _add_wishes(self, batch: Batch, activation: Activation, seq: int, now_s: float, wishes: Wishes) -> None:
        actor, shard = activation.actor, activation.shard
        for n, (to, command, body) in enumerate(wishes.letters):
            letter_id = derived_command_id(now_s, actor, seq, n)
            batch.add_letter(Letter(actor, seq, n, to, letter_id, command, body), shard, now_s)
        for name, due_s, command, body in wishes.reminders:
            if due_s is None:
                batch.forget(actor, name)
            else:
                batch.arm(actor, name, shard, due_s, command, body)

    def _view(self, activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        if activation.state is None:
            raise UnknownActor(activation.actor)
        return reply_ok(envelope.id, activation.seq, activation.kind.view(activation.state, now_s))
