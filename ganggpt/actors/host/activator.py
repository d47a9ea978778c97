"""Wakes cold actors: their commands wait in mailboxes while a few bulk reads load the actors."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.dedupe import LIMITS, WindowLimits
from ganggpt.actors.host.delivery import Delivery, ParkedCommand
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.host.turn_runner import TurnRunner
from ganggpt.domain.ids import ActorId
from ganggpt.errors import GangGPTError, Moved, Overloaded, Unavailable
from ganggpt.persistence.ports.journal import Journal, StoredActor

log = logging.getLogger(__name__)

LOAD_MAX: Final = 256
"""Actors per bulk read."""


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """``actors``: how many may have a mailbox at a time. ``commands``: how many may wait in one mailbox. ``window``: of
    the dedupe window of an actor that wakes."""

    actors: int
    commands: int
    window: WindowLimits = LIMITS


class Activator:
    """Owns the mailboxes of actors that are not awake yet, and the one loader that wakes them.

    Each read takes all actors that gathered during the one before, so a thousand cold actors cost a few queries.
    """

    def __init__(
        self,
        clock: DatabaseClock,
        journal: Journal,
        shards: Shards,
        activations: Activations,
        runner: TurnRunner,
        limits: MailboxLimits,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._shards = shards
        self._activations = activations
        self._runner = runner
        self._limits = limits
        self._mailboxes: dict[str, deque[ParkedCommand]] = {}
        self._shard_of: dict[str, str] = {}
        self._queue: deque[str] = deque()
        self._wanted = asyncio.Event()
        self.wakes = 0
        self.wake_s = 0.0

    @property
    def waking(self) -> int:
        """The number of actors that are waking."""
        return len(self._mailboxes)

    def park(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Put a command into the mailbox of a cold actor. Raises Overloaded."""
        mailbox = self._mailboxes.get(envelope.to)
        if mailbox is None:
            if len(self._mailboxes) >= self._limits.actors:
                raise Overloaded("the queue of waking actors", self._limits.actors)
            mailbox = self._mailboxes[envelope.to] = deque()
            self._shard_of[envelope.to] = shard
            self._queue.append(envelope.to)
            self._wanted.set()
        if len(mailbox) >= self._limits.commands:
            raise Overloaded(f"the mailbox of {envelope.to}", self._limits.commands)
        mailbox.append((envelope, delivery, slot))

    async def activate(self, actors: Sequence[str]) -> None:
        """Wake actors that have no command waiting: after a crash, to flush what their last host could not."""
        for start in range(0, len(actors), LOAD_MAX):
            some = actors[start : start + LOAD_MAX]
            terms = {actor: self._shards.term_of(actor) for actor in some if actor not in self._activations}
            cold = [actor for actor, term in terms.items() if term is not None]
            stored = await self._journal.load(cold)
            for actor in cold:
                awake = actor in self._activations or actor in self._mailboxes
                if awake or actor not in stored or self._shards.term_of(actor) != terms[actor]:
                    continue
                try:
                    shard = self._shards.shard_of(actor)
                    self._activations.add(
                        wake(ActorId(actor), shard, stored[actor], self._clock.now_s(), self._limits.window)
                    )
                except GangGPTError as error:
                    log.warning("%s stays asleep: %s", actor, error)

    def may_wake(self, actor: str) -> bool:
        """Whether a cold actor will be awake soon: a command is waking it, or it is frozen for a hand-over."""
        shard = self._shards.shard_of(actor)
        return actor in self._mailboxes or self._shards.is_frozen(actor, shard)

    def hand_out(self, where: Callable[[str, str], bool]) -> list[ParkedCommand]:
        """Remove and return the waiting commands of all actors for which ``where(actor, shard)`` is true."""
        parked: list[ParkedCommand] = []
        for actor in [a for a in self._mailboxes if where(a, self._shard_of[a])]:
            parked += self._mailboxes.pop(actor)
            del self._shard_of[actor]
        return parked

    async def run(self) -> None:
        """Load actors until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                actors = [self._queue.popleft() for _ in range(min(len(self._queue), LOAD_MAX))]
                began = loop_s()
                try:
                    await self._load(actors)
                except Unavailable as outage:
                    for actor in actors:
                        self._refuse(actor, outage)
                self.wakes += len(actors)
                self.wake_s += loop_s() - began

    def cancel(self) -> None:
        """The incarnation ended: send every waiting command back to its router."""
        self._queue.clear()
        for actor in list(self._mailboxes):
            self._refuse(actor, Moved(actor))

    async def _load(self, actors: list[str]) -> None:
        terms = {actor: self._shards.term_of(actor) for actor in actors if actor in self._mailboxes}
        stored = await self._journal.load(list(terms))
        for actor, term in terms.items():
            if actor not in self._mailboxes:
                continue
            if term is None or self._shards.term_of(actor) != term:
                # The actor or its shard was held elsewhere during the read, so the data may be stale.
                self._refuse(actor, Moved(actor))
                continue
            try:
                activation = self._activations.get(actor) or self._wake(actor, stored.get(actor))
            except GangGPTError as error:
                log.warning("%s stays asleep: %s", actor, error)
                self._refuse(actor, error)
                continue
            self._activations.add(activation)
            woken_at = activation.seq
            self._shard_of.pop(actor)
            for envelope, delivery, slot in self._mailboxes.pop(actor):
                self._runner.take(activation, envelope, delivery, slot)
            if activation.state is None and activation.seq == woken_at:
                # An actor that ceased to exist just now stays until that is committed: the store does not know it yet.
                self._activations.drop(actor)

    def _wake(self, actor: str, stored: StoredActor | None) -> Activation:
        activation = wake(ActorId(actor), self._shard_of[actor], stored, self._clock.now_s(), self._limits.window)
        activation.flushed = activation.state
        if activation.state is None:
            self._runner.bring_to_life(activation)
        return activation

    def _refuse(self, actor: str, error: GangGPTError) -> None:
        self._shard_of.pop(actor, None)
        for envelope, delivery, slot in self._mailboxes.pop(actor, ()):
            delivery.settle(slot, reply_error(envelope.id, error))
