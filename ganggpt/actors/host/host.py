"""One incarnation of a host: it carries the activations of its shards and runs their turns.

A turn is a plain function call, so turns of one actor cannot interleave; only a cold actor has a mailbox, while it
wakes. Replies leave when the commit of everything they depend on held. When a commit fails, nothing in memory can be
trusted any more: the incarnation ends, and its successor takes a fresh epoch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.activator import MailboxLimits, Waker
from ganggpt.actors.host.archive_letters import TailLetters
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.embeddings import Meanings
from ganggpt.actors.host.flusher import Flusher
from ganggpt.actors.host.handover import HandOver
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock, Identity
from ganggpt.actors.host.load import Load
from ganggpt.actors.host.model_requests import Asks
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.host.passivation import Passivation
from ganggpt.actors.host.reminders import Reminders
from ganggpt.actors.host.reply_cache import Repeats
from ganggpt.actors.host.turn_runner import TurnInputs, TurnRunner
from ganggpt.actors.ports import CommandPort, ModelPort, NoModel
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.turn import Mind
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.persistence.ports.hosts import HostTable, Registration
from ganggpt.persistence.ports.journal import (
    Batch,
    Journal,
    PushRow,
)
from ganggpt.persistence.ports.projections import FlushStore, TailStore

log = logging.getLogger(__name__)

NEWS_MAX: Final = 1024
"""Commits whose pushes wait to be announced; over it the sessions find them by their own look at the table."""


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
    mind: Mind
    ring: Callable[[Sequence[PushRow]], Awaitable[None]]
    forget_cached: Callable[[Sequence[str]], Awaitable[None]]
    tail: TailStore | None = None
    model: ModelPort = field(default_factory=NoModel)


@dataclass(slots=True)
class HostCounts:
    """What a host counts; read by ``stats`` and shown on /metrics."""

    commits: int = 0
    flushed_rows: int = 0
    loss_window_s: float = 0.0


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
        self.identity = Identity(name, registration.epoch, DatabaseClock(registration.now_s))
        self.ports = ports
        self.options = options
        self.counts = HostCounts()
        self.shards = Shards(self.identity, ports.hosts, residences, self._gained)
        self.activations = Activations()
        self._retired = False
        self._shards_at_s = 0.0
        self.ready = asyncio.Event()
        self._news: asyncio.Queue[Sequence[PushRow]] = asyncio.Queue(NEWS_MAX)
        self.committer = Committer(
            ports.journal,
            self.identity.epoch,
            relaxed_s=options.relaxed_s,
            on_pushes=self._news_out,
            on_committed=self._count_commit,
        )
        self.archive = None
        if ports.tail is not None:
            self.archive = TailLetters(self.identity, ports.tail, ports.model, ports.peers)
        self.outbox = Outbox(self.identity, ports.journal, self.shards, ports.peers, self.archive)
        self.reminders = Reminders(self.identity, ports.journal, self.shards, self.deliver)
        self.flusher = Flusher(self)
        self.passivation = Passivation(
            self.identity, ports.journal, self.activations, self.committer, self.flusher.owes
        )
        self.handover = HandOver(self)
        self.load = Load(lambda: self.runner.turns, options.look_s)
        self.asks = Asks(ports.model, ports.peers, self.identity.clock, self.committer.durable)
        inputs = TurnInputs(ports.world, ports.cast, ports.mind, ports.model)
        clock = self.identity.clock
        self.runner = TurnRunner(clock, self.shards, self.activations, self.committer, inputs, options.snapshot_every)
        limits = MailboxLimits(options.waking_max, options.mailbox_max)
        self.waker = Waker(clock, ports.journal, self.shards, self.activations, self.runner, limits)
        self.repeats = Repeats(clock, ports.journal, self.activations, self.committer, self.runner)
        self.meanings = Meanings(ports.model, ports.peers, self.identity.clock)
        self.runner.connect(self.waker, self.handover, self.repeats, self.asks, self.meanings)

    async def run(self) -> None:
        """Carry the shards until cancelled, or until the incarnation ends with Fenced or CommitUnknown."""
        options = self.options
        try:
            async with asyncio.TaskGroup() as tasks:
                await self.shards.refresh()
                self.ready.set()
                tasks.create_task(self.committer.run())
                tasks.create_task(self.waker.run())
                tasks.create_task(self.outbox.run(options.beat_s))
                tasks.create_task(self.reminders.run(options.reminder_s))
                tasks.create_task(self.flusher.run())
                tasks.create_task(self.passivation.run(options.sweep_s, options.idle_s, options.hot_max))
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

    async def deliver(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """Run a batch of commands; the finished reply maps come back in its order once they are durable.

        Raises Fenced, CommitUnknown or Unavailable when it ended or stalled meanwhile: then the outcome is unknown.
        """
        arrived_s = loop_s()
        delivery = Delivery(len(envelopes))
        for slot, envelope in enumerate(envelopes):
            self.runner.accept(envelope, delivery, slot)
        try:
            async with asyncio.timeout(self.options.delivery_s):
                await delivery.all_in()
                await self.committer.durable(delivery.ticket)
        except TimeoutError:
            raise Unavailable(f"an answer of host {self.identity.name}") from None
        if self.committer.failed is not None:
            raise self.committer.failed
        self.load.answered(arrived_s)
        return delivery.replies

    def _gained(self, owed: Collection[str]) -> None:
        self.outbox.rescan()
        self.flusher.catch_up(owed)

    def _count_commit(self, batch: Batch, open_s: float) -> None:
        self.counts.commits += 1
        self.counts.loss_window_s = max(self.counts.loss_window_s * 0.99, open_s)
        if batch.letters:
            self.outbox.post(batch.letters)

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
                pulse = await self.ports.hosts.beat(self.identity.epoch)
                self.identity.clock.correct(pulse.now_s)
                if pulse.shards_at_s > self._shards_at_s:
                    await self.shards.refresh()
                    self._shards_at_s = pulse.shards_at_s
            except Unavailable:
                log.warning("%s: no heartbeat, the database is away", self.identity.name)
            await asyncio.sleep(max(0.0, self.options.beat_s - (loop_s() - began)))

    def stats(self) -> dict[str, Any]:
        """Counts and depths, JSON-able."""
        return {
            "host": self.identity.name,
            "epoch": self.identity.epoch,
            "shards": len(self.shards),
            "hot": len(self.activations),
            "waking": self.waker.waking,
            "letters_waiting": len(self.outbox),
            **self.load.told(),
            **asdict(self.counts),
            "turns": self.runner.turns,
            "refused": self.runner.refused,
            "repeated": self.repeats.repeated,
            "mistakes": self.runner.mistakes,
            "wakes": self.waker.wakes,
            "wake_s": self.waker.wake_s,
            "passivated": self.passivation.passivated,
            "letters": self.outbox.delivered,
            "tail_kept": 0 if self.archive is None else self.archive.kept,
            "tail_asked": 0 if self.archive is None else self.archive.searches,
            "reminders": self.reminders.fired,
            "unanswered": self.asks.unanswered,
            "stale_answers": self.asks.stale,
            "meant": self.meanings.embedded,
            "unmeant": self.meanings.missed,
            "guards": self.ports.model.exposition().decode(),
        }

    async def drain(self) -> None:
        """Stop taking, make everything durable, flush it, snapshot every activation and give the shards back."""
        self.shards.drain()
        await self.committer.drain()
        await self.flusher.flush()
        await self.passivation.passivate(list(self.activations.values()))
        self._retired = True
        await self.ports.hosts.retire(self.identity.epoch)
