"""Runs turns: a command becomes events, which are added to the open commit and folded into the actor's state.

A turn is a plain function call, so turns of one actor cannot interleave. It runs at once where the actor is awake;
otherwise the command is passed to the part that keeps it until it can run.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import msgspec
from msgspec import Raw

from ganggpt.actors.envelope import VIEW, Envelope, reply_error, reply_ok
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.conversations import Conversations
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.embeddings import Embeddings
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.host.model_requests import ModelRequests
from ganggpt.actors.host.tail_first import Searched, TailFirst
from ganggpt.actors.ports import ModelPort
from ganggpt.domain.ids import WORLD, derived_command_id
from ganggpt.domain.kinds import VERSION, Effects, TurnRecord, decode_command, effects_of, encode_turn
from ganggpt.domain.mind.commands import SearchArchive
from ganggpt.domain.turn import Command, Decision, Dice, Turn, Wording
from ganggpt.domain.world import World
from ganggpt.errors import Expired, GangGPTError, InvalidInput, Moved, Overloaded, UnknownActor
from ganggpt.persistence.ports.journal import Batch, OutboxMessage

log = logging.getLogger(__name__)

TALK: Final = "Talk"
"""The command by which a player talks to somebody, of whatever kind."""


def dice_of(actor: str, seq: int, world_seed: int) -> Dice:
    """The dice of one turn: the same whenever the turn is replayed."""
    return Dice(zlib.crc32(actor.encode()) << 32 ^ seq * 0x9E3779B97F4A7C15 ^ world_seed)


class InternalError(GangGPTError):
    """A turn failed because of a bug. Nothing was changed."""

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
    """What a turn may use besides state and command. ``cast``: by actor, name and body of the command that creates it
    when it is first addressed."""

    world: World
    cast: Mapping[str, tuple[str, bytes]]
    mind: Wording
    model: ModelPort


class ColdActors(Protocol):
    """Keeps the commands of cold actors."""

    def park(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command until its actor is awake. Raises Overloaded."""
        ...


class MovingShards(Protocol):
    """Keeps commands of shards that are frozen, or not known to be held here."""

    def wait(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command until it is known which host runs it."""
        ...


class KnownReplies(Protocol):
    """Answers repeated commands."""

    def remember(self, command_id: bytes, reply: bytes) -> None:
        """Keep a finished reply."""
        ...

    def answer(self, activation: Activation, seq: int, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Answer a command again that was applied as turn ``seq``."""
        ...

    def take_late_message(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Take a message that is older than the dedupe window, if it was not applied yet."""
        ...


class TurnRunner:
    """Owns the step from a command to a turn in the open commit. Call ``connect`` before the first command."""

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
        self._replies: KnownReplies
        self._requests: ModelRequests
        self._embeddings: Embeddings
        self._tail_first: TailFirst | None = None
        self.conversations = Conversations()
        self.turns = 0
        self.refused = 0
        self.mistakes = 0

    def connect(
        self,
        cold: ColdActors,
        moving: MovingShards,
        replies: KnownReplies,
        requests: ModelRequests,
        embeddings: Embeddings,
        tail_first: TailFirst | None = None,
    ) -> None:
        """Set the parts that commands and decisions are passed on to. Some of them run turns themselves, so they are
        created after the runner. ``tail_first``: where minds have an archive."""
        self._cold = cold
        self._moving = moving
        self._replies = replies
        self._requests = requests
        self._embeddings = embeddings
        self._tail_first = tail_first

    def use_world(self, world: World, cast: Mapping[str, tuple[str, bytes]]) -> None:
        """Decide by another state of the world files from the next turn on."""
        self._inputs = replace(self._inputs, world=world, cast=cast)

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int, searched: Searched | None = None) -> None:
        """Run a command at once, or pass it to the part that keeps it until it can run. ``searched``: what the archive
        found for it, where it was asked."""
        activation = None if self._shards.draining else self._activations.get(envelope.to)
        if activation is not None:
            self.take(activation, envelope, delivery, slot, searched)
            return
        if self._shards.draining:
            delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to)))
            return
        shard = self._shards.shard_of(envelope.to)
        if shard not in self._shards or self._shards.is_frozen(envelope.to, shard):
            self._moving.wait(shard, envelope, delivery, slot)
            return
        try:
            self._cold.park(shard, envelope, delivery, slot)
        except Overloaded as full:
            delivery.settle(slot, reply_error(envelope.id, full))

    def take(
        self,
        activation: Activation,
        envelope: Envelope,
        delivery: Delivery,
        slot: int,
        searched: Searched | None = None,
    ) -> None:
        """Run a command for an actor that is awake, or answer it again."""
        if self._tail_first is not None and self._tail_first.keeps(envelope, delivery, slot):
            return
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
                window.check(envelope.id, now_s, derived=envelope.inner)
                if (
                    envelope.name == TALK
                    and searched is None
                    and self._asks_first(activation, envelope, delivery, slot)
                ):
                    return
                reply = self.turn(activation, envelope, now_s, searched)
        except Expired as expired:
            if envelope.inner:
                self._replies.take_late_message(activation, envelope, delivery, slot)
                return
            reply = reply_error(envelope.id, expired)
        except GangGPTError as error:
            self.refused += 1
            reply = reply_error(envelope.id, error)
        delivery.settle(slot, reply, activation.ticket)

    def _asks_first(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> bool:
        """Whether a talk waits for the archive first; then it is run later."""
        ahead = activation.kind.ahead
        if self._tail_first is None or ahead is None or activation.state is None:
            return False
        turn = self._turn_of(activation, envelope, activation.seq + 1, self._clock.now_s(), None)
        command = _command_in(activation.kind.name, envelope)
        try:
            question: SearchArchive | None = ahead(activation.state, command, turn)
        except GangGPTError:
            raise
        except Exception:
            # The turn itself tells of the mistake, and one rule must not end thousands of other actors.
            log.exception("%s on %s could not be looked at before its turn", envelope.name, activation.actor)
            return False
        return question is not None and self._tail_first.ask(question, envelope, delivery, slot)

    def turn(self, activation: Activation, envelope: Envelope, now_s: float, searched: Searched | None = None) -> bytes:
        """Decide, add to the commit, evolve; returns the finished reply. Raises GangGPTError without any change."""
        kind = activation.kind
        seq = activation.seq + 1
        command, decision = self._decide(activation, envelope, seq, now_s, searched)
        if not (decision.events or decision.messages or decision.pushes or decision.reminders):
            return reply_ok(envelope.id, activation.seq, decision.reply)
        reply = reply_ok(envelope.id, seq, decision.reply)
        effects = effects_of(decision)
        body = encode_turn(TurnRecord(VERSION, now_s, decision.events, reply, effects, first=activation.state is None))
        durable = command.is_durable()
        batch = self._committer.batch(durable)
        batch.add_turn(activation.actor, seq, now_s, envelope.id, envelope.by, envelope.name, body)
        if effects is not None:
            self._add_effects(batch, activation, seq, now_s, effects)
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
        if decision.model_requests:
            self._requests.post(activation.actor, seq, decision.model_requests, activation.written)
        if envelope.name == TALK:
            self.conversations.note(activation.actor, envelope.by, now_s)
        self._replies.remember(envelope.id, reply)
        self.turns += 1
        return reply

    def bring_to_life(self, activation: Activation) -> None:
        """Run the creating command of an actor, if it is one of the world's cast."""
        first = self._inputs.cast.get(activation.actor)
        if first is None:
            return
        name, body = first
        now_s = self._clock.now_s()
        command_id = derived_command_id(now_s, activation.actor, 0, name)
        self.turn(activation, Envelope(command_id, activation.actor, WORLD, name, Raw(body)), now_s)

    def _turn_of(
        self, activation: Activation, envelope: Envelope, seq: int, now_s: float, searched: Searched | None
    ) -> Turn:
        inputs = self._inputs
        return Turn(
            activation.actor,
            seq,
            now_s,
            envelope.by,
            dice_of(activation.actor, seq, inputs.world.seed),
            inputs.world,
            inputs.mind,
            inputs.model.is_on,
            inputs.model.wait_s,
            None if searched is None else searched.found,
        )

    def _decide(
        self, activation: Activation, envelope: Envelope, seq: int, now_s: float, searched: Searched | None
    ) -> tuple[Command, Decision]:
        kind = activation.kind
        try:
            command = _command_in(kind.name, envelope)
            turn = self._turn_of(activation, envelope, seq, now_s, searched)
            return command, kind.decide(activation.state, command, turn)
        except GangGPTError:
            raise
        except Exception as mistake:
            # A bug in one rule must not end thousands of other actors.
            self.mistakes += 1
            log.exception("%s on %s failed", envelope.name, activation.actor)
            raise InternalError(activation.actor, envelope.name) from mistake

    def _add_effects(self, batch: Batch, activation: Activation, seq: int, now_s: float, effects: Effects) -> None:
        actor, shard = activation.actor, activation.shard
        for n, (to, command, body) in enumerate(effects.messages):
            message_id = derived_command_id(now_s, actor, seq, n)
            batch.add_message(OutboxMessage(actor, seq, n, to, message_id, command, body), shard, now_s)
        for name, due_s, command, body in effects.reminders:
            if due_s is None:
                batch.forget(actor, name)
            else:
                batch.arm(actor, name, shard, due_s, command, body)

    def _view(self, activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        if activation.state is None:
            raise UnknownActor(activation.actor)
        return reply_ok(envelope.id, activation.seq, activation.kind.view(activation.state, now_s))


def _command_in(kind: str, envelope: Envelope) -> Command:
    """The command of an envelope. Raises UnknownCommand, and InvalidInput where its body is none of that command."""
    try:
        return decode_command(kind, envelope.name, envelope.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as misfit:
        raise InvalidInput(envelope.name, str(misfit)) from misfit
