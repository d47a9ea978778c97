"""One incarnation of a host: it carries the activations of its shards and runs their turns.

A turn is a plain function call, so turns of one actor cannot interleave; only a cold actor has a mailbox, while it
wakes. Replies leave when the commit of everything they depend on held. When a commit fails, nothing in memory can be
trusted any more: the incarnation ends, and its successor takes a fresh epoch.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import VIEW, Envelope, reply_error, reply_ok
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activator import Waker
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.embeddings import Meanings
from ganggpt.actors.host.flusher import Flusher
from ganggpt.actors.host.handover import HandOver
from ganggpt.actors.host.load import Load
from ganggpt.actors.host.model_requests import Asks
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.host.passivation import Passivation
from ganggpt.actors.host.reminders import Reminders
from ganggpt.actors.host.reply_cache import Repeats
from ganggpt.actors.ports import CommandPort, ModelPort, NoModel
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import residences_of
from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.kinds import VERSION, Effects, TurnRecord, decode_command, effects_of, encode_turn
from ganggpt.domain.turn import Command, Decision, Dice, Turn, Wording
from ganggpt.domain.world import World
from ganggpt.errors import Expired, GangGPTError, InvalidInput, Moved, Overloaded, Unavailable, UnknownActor
from ganggpt.persistence.hosts import HostTable, Registration
from ganggpt.persistence.journal.journal import Batch, Journal, Letter, PushRow
from ganggpt.persistence.projections.memory_archive import TailStore
from ganggpt.persistence.projections.writer import FlushStore

log = logging.getLogger(__name__)

NEWS_MAX: Final = 1024
"""Commits whose pushes wait to be announced; over it the sessions find them by their own look at the table."""


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
        return f"{self.command} on {self.actor} failed by a mistake of the server; it was logged and changed nothing"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Limits and times of a host, in the units their names say."""

    idle_s: float = 300.0
    hot_max: int = 50_000
    mailbox_max: int = 256
    waking_max: int = 20_000
    flush_s: float = 1.0
    relaxed_s: float = 0.25
    snapshot_every: int = 256
    beat_s: float = 1.0
    sweep_s: float = 5.0
    reminder_s: float = 0.5
    delivery_s: float = 15.0
    look_s: float = 0.25


@dataclass(frozen=True, slots=True)
class HostPorts:
    """Everything a host needs from outside; the wrappers fill it once. ``tail`` None: minds forget for good."""

    journal: Journal
    hosts: HostTable
    flush: FlushStore
    peers: CommandPort
    world: World
    cast: Mapping[str, tuple[str, bytes]]
    mind: Wording
    ring: Callable[[Sequence[PushRow]], Awaitable[None]]
    forget_cached: Callable[[Sequence[str]], Awaitable[None]]
    tail: TailStore | None = None
    model: ModelPort = field(default_factory=NoModel)


@dataclass(slots=True)
class HostCounts:
    """What a host counts; read by ``stats`` and shown on /metrics."""

    turns: int = 0
    refused: int = 0
    repeated: int = 0
    commits: int = 0
    wakes: int = 0
    passivated: int = 0
    flushed_rows: int = 0
    letters: int = 0
    reminders: int = 0
    tail_kept: int = 0
    tail_asked: int = 0
    mistakes: int = 0
    unanswered: int = 0
    stale_answers: int = 0
    meant: int = 0
    unmeant: int = 0
    loss_window_s: float = 0.0
    wake_s: float = field(default=0.0)


class Host:
    """A live incarnation. ``run`` owns every background task; ``deliver`` is the only way in."""

    def __init__(
        self,
        name: str,
        registration: Registration,
        residences: Residences,
        ports: HostPorts,
        options: HostOptions,
    ) -> None:
        self.name = name
        self.epoch = registration.epoch
        self.residences = residences
        self.ports = ports
        self.options = options
        self.counts = HostCounts()
        self.shards: dict[str, int] = {}
        self.ownership = asyncio.Lock()
        self.hot: dict[str, Activation] = {}
        self.dirty: dict[str, Activation] = {}
        self.ripe: set[str] = set()
        self._ahead_s = registration.now_s - loop_s()
        self._draining = False
        self._retired = False
        self._terms = 0
        self._holders: Mapping[str, str] = {}
        self._shards_at_s = 0.0
        self.ready = asyncio.Event()
        self._news: asyncio.Queue[Sequence[PushRow]] = asyncio.Queue(NEWS_MAX)
        self.committer = Committer(
            ports.journal,
            self.epoch,
            relaxed_s=options.relaxed_s,
            on_pushes=self._news_out,
            on_committed=self._count_commit,
        )
        self.waker = Waker(self)
        self.outbox = Outbox(self)
        self.reminders = Reminders(self)
        self.flusher = Flusher(self)
        self.passivation = Passivation(self)
        self.handover = HandOver(self)
        self.load = Load(self)
        self.repeats = Repeats(self)
        self.asks = Asks(self)
        self.meanings = Meanings(self)

    def now_s(self) -> float:
        """Unix time by the database's clock, carried on by this machine's monotonic one; never runs backwards."""
        return self._ahead_s + loop_s()

    async def run(self) -> None:
        """Carry the shards until cancelled, or until the incarnation ends with Fenced or CommitUnknown."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self.refresh_shards()
                self.ready.set()
                tasks.create_task(self.committer.run())
                tasks.create_task(self.waker.run())
                tasks.create_task(self.outbox.run())
                tasks.create_task(self.reminders.run())
                tasks.create_task(self.flusher.run())
                tasks.create_task(self.passivation.run())
                tasks.create_task(self.handover.run())
                tasks.create_task(self.load.run())
                tasks.create_task(self.meanings.run())
                tasks.create_task(self._announce())
                tasks.create_task(self._beat())
        except BaseExceptionGroup as group:
            for error in group.exceptions:
                if isinstance(error, GangGPTError):
                    raise error from None
            raise
        finally:
            self.repeats.give_up()
            self.asks.give_up()
            self.waker.give_up()
            self.outbox.give_up()
            self.handover.give_up()

    async def refresh_shards(self) -> None:
        """Read anew which shards this incarnation holds, and pick up what their last owner left undone."""
        async with self.ownership:
            rows = await self.ports.hosts.routes()
            if self._draining:
                return
            self.residences = residences_of(rows)
            cluster = self.ports.hosts.cluster
            self._holders = {r.shard: r.host for r in rows if r.host is not None and r.cluster == cluster}
            held = [r.shard for r in rows if r.epoch == self.epoch and r.shard not in self.handover.frozen_shards]
            fresh = [shard for shard in held if shard not in self.shards]
            owed = [row.shard for row in rows if row.shard in fresh and not row.flushed]
            self.shards = {shard: self.shards.get(shard, 0) for shard in held}
            self.hold(fresh)
        if fresh:
            self.outbox.rescan()
            self.flusher.catch_up(owed)

    def hold(self, shards: Collection[str]) -> None:
        """Begin a term of these shards. What was read of an actor in another term may be stale."""
        for shard in shards:
            self._terms += 1
            self.shards[shard] = self._terms

    def holder_of(self, shard: str) -> str | None:
        """The host of this cluster that held a shard at the last look."""
        return self._holders.get(shard)

    def change_residence(self, actor: str, *, own: bool) -> None:
        """An actor of this host became a shard of its own, or went back into its hash shard."""
        others = self.residences.own - {actor}
        self.residences = Residences(self.residences.shards, others | {actor} if own else others)
        if own:
            self.hold((actor,))
        else:
            del self.shards[actor]

    async def deliver(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """Run a batch of commands; the finished reply maps come back in its order once they are durable.

        Raises Fenced, CommitUnknown or Unavailable when it ended or stalled meanwhile: then the outcome is unknown.
        """
        arrived_s = loop_s()
        delivery = Delivery(len(envelopes))
        for slot, envelope in enumerate(envelopes):
            self.accept(envelope, delivery, slot)
        try:
            async with asyncio.timeout(self.options.delivery_s):
                await delivery.all_in()
                await self.committer.durable(delivery.ticket)
        except TimeoutError:
            raise Unavailable(f"an answer of host {self.name}") from None
        if self.committer.failed is not None:
            raise self.committer.failed
        self.load.answered(arrived_s)
        return delivery.replies

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Take one command: run its turn at once, or park it while its actor wakes."""
        activation = None if self._draining else self.hot.get(envelope.to)
        if activation is not None:
            self.take(activation, envelope, delivery, slot)
            return
        if self._draining:
            delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to)))
            return
        shard = self.residences.shard_of(envelope.to)
        if shard not in self.shards or self.handover.stops(envelope.to, shard):
            self.handover.wait(shard, envelope, delivery, slot)
            return
        try:
            self.waker.park(shard, envelope, delivery, slot)
        except Overloaded as full:
            delivery.settle(slot, reply_error(envelope.id, full))

    def take(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """One command for an actor that is awake."""
        now_s = self.now_s()
        activation.touched_s = now_s
        window = activation.window
        seq = window.seq_of(envelope.id)
        if seq is not None:
            self.repeats.answer(activation, seq, envelope, delivery, slot)
            return
        try:
            if envelope.name == VIEW:
                reply = self._view(activation, envelope, now_s)
            else:
                window.check_age(envelope.id, now_s)
                reply = self.turn(activation, envelope, now_s)
        except Expired as expired:
            if envelope.inner:
                self.repeats.take_late_letter(activation, envelope, delivery, slot)
                return
            reply = reply_error(envelope.id, expired)
        except GangGPTError as error:
            self.counts.refused += 1
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
        effects = effects_of(decision)
        body = encode_turn(TurnRecord(VERSION, now_s, decision.events, reply, effects, first=activation.state is None))
        durable = command.is_durable()
        batch = self.committer.batch(durable)
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
        activation.written = self.committer.ticket
        if durable:
            activation.ticket = activation.written
        activation.window.add(envelope.id, seq, now_s)
        self.dirty[activation.actor] = activation
        if seq - activation.snapshot_seq >= self.options.snapshot_every:
            self.ripe.add(activation.actor)
        if self.ports.model.embeds:
            self.meanings.note(activation, seq, decision.events)
        if decision.model_requests:
            self.asks.post(activation.actor, seq, decision.model_requests, activation.written)
        self.repeats.remember(envelope.id, reply)
        self.counts.turns += 1
        return reply

    def _decide(self, activation: Activation, envelope: Envelope, seq: int, now_s: float) -> tuple[Command, Decision]:
        kind, ports = activation.kind, self.ports
        try:
            command = decode_command(kind.name, envelope.name, envelope.body)
            turn = Turn(
                activation.actor,
                seq,
                now_s,
                envelope.by,
                dice_of(activation.actor, seq, ports.world.seed),
                ports.world,
                ports.mind,
                ports.model.is_on,
            )
            return command, kind.decide(activation.state, command, turn)
        except GangGPTError:
            raise
        except msgspec.ValidationError as misfit:
            raise InvalidInput(envelope.name, str(misfit)) from misfit
        except Exception as mistake:
            # A mistake in one rule must not take thousands of other actors down.
            self.counts.mistakes += 1
            log.exception("%s on %s failed", envelope.name, activation.actor)
            raise InternalError(activation.actor, envelope.name) from mistake

    def _add_effects(self, batch: Batch, activation: Activation, seq: int, now_s: float, effects: Effects) -> None:
        actor, shard = activation.actor, activation.shard
        for n, (to, command, body) in enumerate(effects.messages):
            letter_id = derived_command_id(now_s, actor, seq, n)
            batch.add_letter(Letter(actor, seq, n, to, letter_id, command, body), shard, now_s)
        for name, due_s, command, body in effects.reminders:
            if due_s is None:
                batch.forget(actor, name)
            else:
                batch.arm(actor, name, shard, due_s, command, body)

    def _view(self, activation: Activation, envelope: Envelope, now_s: float) -> bytes:
        if activation.state is None:
            raise UnknownActor(activation.actor)
        return reply_ok(envelope.id, activation.seq, activation.kind.view(activation.state, now_s))

    def _count_commit(self, batch: Batch, open_s: float) -> None:
        self.counts.commits += 1
        self.counts.loss_window_s = max(self.counts.loss_window_s * 0.99, open_s)
        if batch.posted:
            self.outbox.post(batch.posted)

    def _news_out(self, pushes: Sequence[PushRow]) -> None:
        if not self._news.full():
            self._news.put_nowait(pushes)

    async def _announce(self) -> None:
        while True:
            await self.ports.ring(await self._news.get())

    async def _beat(self) -> None:
        while not self._retired:
            began = loop_s()
            try:
                pulse = await self.ports.hosts.beat(self.epoch)
                self._ahead_s = max(self._ahead_s, pulse.now_s - loop_s())
                if pulse.shards_at_s > self._shards_at_s:
                    await self.refresh_shards()
                    self._shards_at_s = pulse.shards_at_s
            except Unavailable:
                log.warning("%s: no heartbeat, the database is away", self.name)
            await asyncio.sleep(max(0.0, self.options.beat_s - (loop_s() - began)))

    async def drain(self) -> None:
        """Stop taking, make everything durable, flush it, snapshot every activation and give the shards back."""
        self._draining = True
        self.shards = {}
        await self.committer.drain()
        await self.flusher.flush()
        await self.passivation.passivate(list(self.hot.values()))
        self._retired = True
        await self.ports.hosts.retire(self.epoch)
