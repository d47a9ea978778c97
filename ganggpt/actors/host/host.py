"""One incarnation of a host: composed of its parts, it runs the turns of the actors of its shards.

A turn is a plain function call, so turns of one actor cannot interleave. Only a cold actor has a mailbox, while it
wakes. A reply is sent when everything it depends on is committed. After a failed commit the state in memory can no
longer be trusted: the incarnation ends, and its successor takes a fresh epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.activator import Activator, MailboxLimits
from ganggpt.actors.host.archive_messages import ArchiveMessages
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.dedupe import LIMITS, WindowLimits
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.embeddings import Embeddings
from ganggpt.actors.host.flusher import Flusher, Tables
from ganggpt.actors.host.handover import HandOver, Siblings
from ganggpt.actors.host.heartbeat import Heartbeat
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock, Identity
from ganggpt.actors.host.load import Load
from ganggpt.actors.host.model_requests import ModelRequests
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.host.passivation import Passivation
from ganggpt.actors.host.push_notifier import PushNotifier
from ganggpt.actors.host.reminders import Reminders
from ganggpt.actors.host.reply_cache import ReplyCache
from ganggpt.actors.host.tail_first import TailFirst
from ganggpt.actors.host.turn_runner import TurnInputs, TurnRunner
from ganggpt.actors.ports import CommandPort, ModelPort, NoModel
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.turn import Wording
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.hosts import HostTable, Registration
from ganggpt.persistence.ports.journal import Journal, PushRow
from ganggpt.persistence.ports.projections import FlushStore, MemoryArchive


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Limits and times of a host, in the units of their names."""

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
    poll_s: float = 0.25
    window: WindowLimits = LIMITS


@dataclass(frozen=True, slots=True)
class HostPorts:
    """Everything a host needs from outside. Without an ``archive``, what a mind forgets is lost. ``metrics``: of the
    process, whatever incarnation of a host runs in it. ``read_world`` reads world and cast again after world files were
    loaded; these are as of ``world_at_s``."""

    journal: Journal
    hosts: HostTable
    flush: FlushStore
    peers: CommandPort
    world: World
    cast: Mapping[str, tuple[str, bytes]]
    mind: Wording
    notify_pushes: Callable[[Sequence[PushRow]], Awaitable[None]]
    forget_cached: Callable[[Sequence[str]], Awaitable[None]]
    archive: MemoryArchive | None = None
    model: ModelPort = field(default_factory=NoModel)
    metrics: Metrics = field(default_factory=partial(Metrics, "host"))
    read_world: Callable[[], Awaitable[tuple[World, Mapping[str, tuple[str, bytes]]]]] | None = None
    world_at_s: float = 0.0


class Host:
    """A live incarnation. ``run`` owns all background tasks; ``deliver`` takes all commands."""

    def __init__(
        self,
        name: str,
        registration: Registration,
        residences: Residences,
        ports: HostPorts,
        options: HostOptions,
    ) -> None:
        self._ports = ports
        self.options = options
        self.ready = asyncio.Event()
        journal, model, peers = ports.journal, ports.model, ports.peers
        identity = self.identity = Identity(name, registration.epoch, DatabaseClock(registration.now_s))
        clock = identity.clock
        shards = self.shards = Shards(identity, ports.hosts, residences, self._gained)
        activations = self.activations = Activations()
        self.archive = None if ports.archive is None else ArchiveMessages(identity, ports.archive, model, peers)
        self.outbox = Outbox(identity, journal, shards, peers, self.archive)
        self.notifier = PushNotifier(ports.notify_pushes)
        committer = self.committer = Committer(
            journal,
            identity.epoch,
            relaxed_s=options.relaxed_s,
            on_pushes=self.notifier.post,
            on_messages=self.outbox.post,
        )
        inputs = TurnInputs(ports.world, ports.cast, ports.mind, model)
        runner = self.runner = TurnRunner(clock, shards, activations, committer, inputs, options.snapshot_every)
        limits = MailboxLimits(options.waking_max, options.mailbox_max, options.window)
        self.activator = Activator(clock, journal, shards, activations, runner, limits)
        self.reply_cache = ReplyCache(clock, journal, activations, committer, runner)
        self.model_requests = ModelRequests(model, peers, clock, committer.durable)
        self.embeddings = Embeddings(model, peers, clock)
        self.reminders = Reminders(identity, journal, shards, self.deliver)
        tables = Tables(ports.flush, ports.forget_cached, ports.hosts.unflushed)
        self.flusher = Flusher(identity, shards, activations, committer, self.activator, tables)
        self.passivation = Passivation(identity, journal, activations, committer, self.flusher.owes)
        siblings = Siblings(committer, self.flusher, self.passivation, self.activator, self.outbox, runner)
        self.handover = HandOver(identity, ports.hosts, shards, activations, siblings)
        renew = None if ports.read_world is None else self._renew_world
        self.heartbeat = Heartbeat(identity, ports.hosts, shards, renew, ports.world_at_s)
        self.load = Load(lambda: runner.turns, options.poll_s)
        self.tail_first = None if ports.archive is None else TailFirst(ports.archive, runner)
        parts = (self.activator, self.handover, self.reply_cache, self.model_requests, self.embeddings)
        runner.connect(*parts, self.tail_first)

    async def run(self) -> None:
        """Run all parts until cancelled. Raises Fenced or CommitUnknown when the incarnation ends."""
        options = self.options
        try:
            async with asyncio.TaskGroup() as tasks:
                await self.shards.refresh()
                self.ready.set()
                tasks.create_task(self.committer.run())
                tasks.create_task(self.activator.run())
                tasks.create_task(self.outbox.run(options.beat_s))
                tasks.create_task(self.reminders.run(options.reminder_s))
                tasks.create_task(self.flusher.run(options.flush_s))
                tasks.create_task(self.passivation.run(options.sweep_s, options.idle_s, options.hot_max))
                tasks.create_task(self.handover.run())
                tasks.create_task(self.load.run())
                tasks.create_task(self.embeddings.run())
                tasks.create_task(self.notifier.run())
                tasks.create_task(self.heartbeat.run(options.beat_s))
        except BaseExceptionGroup as group:
            for error in group.exceptions:
                if isinstance(error, GangGPTError):
                    raise error from None
            raise
        finally:
            if self.tail_first is not None:
                self.tail_first.cancel()
            self.reply_cache.cancel()
            self.model_requests.cancel()
            self.activator.cancel()
            self.outbox.cancel()
            self.handover.cancel()

    async def deliver(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """Run a batch of commands; returns the finished reply maps in the same order, once they are durable.

        Raises Fenced, CommitUnknown or Unavailable when the host ended or stalled; then the outcome is unknown.
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

    def stats(self) -> dict[str, Any]:
        """All counters and queue depths, as JSON values."""
        return {
            "host": self.identity.name,
            "epoch": self.identity.epoch,
            "shards": len(self.shards),
            "hot": len(self.activations),
            "waking": self.activator.waking,
            "messages_waiting": len(self.outbox),
            **self.load.as_stats(),
            "commits": self.committer.committed,
            "loss_window_s": self.committer.loss_window_s,
            "turns": self.runner.turns,
            "refused": self.runner.refused,
            "repeated": self.reply_cache.repeated,
            "mistakes": self.runner.mistakes,
            "wakes": self.activator.wakes,
            "wake_s": self.activator.wake_s,
            "flushed_rows": self.flusher.flushed_rows,
            "passivated": self.passivation.passivated,
            "messages": self.outbox.delivered,
            "archive_kept": 0 if self.archive is None else self.archive.kept,
            "archive_searches": sum(part.searches for part in (self.archive, self.tail_first) if part is not None),
            "reminders": self.reminders.fired,
            "unanswered": self.model_requests.unanswered,
            "stale_answers": self.model_requests.stale,
            "embedded": self.embeddings.embedded,
            "not_embedded": self.embeddings.missed,
            "conversations": self.runner.conversations.live(self.identity.clock.now_s()),
            "conversations_started": self.runner.conversations.started,
            "activations": dict(self.activations.of_kind),
            "process": self._ports.metrics.report()._asdict(),
        }

    async def drain(self) -> None:
        """Take no more commands, make everything durable, flush it, snapshot all actors and give the shards back."""
        self.shards.drain()
        await self.committer.drain()
        await self.flusher.flush()
        await self.passivation.passivate(list(self.activations.values()))
        self.heartbeat.stop()
        await self._ports.hosts.retire(self.identity.epoch)

    async def _renew_world(self) -> None:
        """Use the world as it was loaded anew from now on. Raises Unavailable."""
        assert self._ports.read_world is not None
        world, cast = await self._ports.read_world()
        self.runner.use_world(world, cast)
        self._ports.model.use_world(world)

    def _gained(self, owed: Collection[str]) -> None:
        self.outbox.rescan()
        self.flusher.catch_up(owed)
