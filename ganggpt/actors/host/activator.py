"""Waking cold actors: commands wait in a mailbox while a few bulk reads bring their actors back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.host.delivery import Delivery
from ganggpt.domain.ids import ActorId
from ganggpt.errors import GangGPTError, Moved, Overloaded, Unavailable
from ganggpt.persistence.journal.journal import StoredActor

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

log = logging.getLogger(__name__)

LOAD_MAX: Final = 256
"""Actors per bulk read."""

Parked = tuple[Envelope, Delivery, int]


class Waker:
    """Owns the mailboxes of actors that are not awake yet, and the one loader that wakes them.

    A read takes what has gathered while the last one ran, so a thousand cold actors cost a few queries, never one each.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mailboxes: dict[str, deque[Parked]] = {}
        self._shards: dict[str, str] = {}
        self._queue: deque[str] = deque()
        self._wanted = asyncio.Event()

    @property
    def waking(self) -> int:
        """Actors with a mailbox."""
        return len(self._mailboxes)

    def is_waking(self, actor: str) -> bool:
        """Whether an actor has a mailbox: it is being woken by commands."""
        return actor in self._mailboxes

    def park(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Put a command into the mailbox of a cold actor. Raises Overloaded."""
        mailbox = self._mailboxes.get(envelope.to)
        if mailbox is None:
            if len(self._mailboxes) >= self._host.options.waking_max:
                raise Overloaded("the queue of waking actors", self._host.options.waking_max)
            mailbox = self._mailboxes[envelope.to] = deque()
            self._shards[envelope.to] = shard
            self._queue.append(envelope.to)
            self._wanted.set()
        if len(mailbox) >= self._host.options.mailbox_max:
            raise Overloaded(f"the mailbox of {envelope.to}", self._host.options.mailbox_max)
        mailbox.append((envelope, delivery, slot))

    async def activate(self, actors: Sequence[str]) -> None:
        """Wake actors without a command for them (after a crash, to flush what their last host could not)."""
        host = self._host
        for start in range(0, len(actors), LOAD_MAX):
            terms = {a: self._term(a) for a in actors[start : start + LOAD_MAX] if a not in host.activations}
            cold = [actor for actor, term in terms.items() if term is not None]
            stored = await host.ports.journal.load(cold)
            for actor in cold:
                elsewhere = actor in host.activations or actor in self._mailboxes or self._term(actor) != terms[actor]
                if elsewhere or actor not in stored:
                    continue
                try:
                    shard = host.shards.shard_of(actor)
                    host.activations.add(wake(ActorId(actor), shard, stored[actor], host.identity.clock.now_s()))
                except GangGPTError as error:
                    log.warning("%s stays asleep: %s", actor, error)

    def may_wake(self, actor: str) -> bool:
        """Whether this host carries a cold actor that a command wakes just now, or that stands still for a moment."""
        host = self._host
        shard = host.shards.shard_of(actor)
        return actor in self._mailboxes or host.shards.stops(actor, shard)

    def hand_out(self, leaves: Callable[[str, str], bool]) -> list[Parked]:
        """Give out the mailboxes of the actors for whom ``leaves(actor, shard)`` holds; they are not woken here."""
        parked: list[Parked] = []
        for actor in [a for a in self._mailboxes if leaves(a, self._shards[a])]:
            parked += self._mailboxes.pop(actor)
            del self._shards[actor]
        return parked

    async def run(self) -> None:
        """Load for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                actors = [self._queue.popleft() for _ in range(min(len(self._queue), LOAD_MAX))]
                began = loop_s()
                try:
                    await self._load(actors)
                except Unavailable as away:
                    for actor in actors:
                        self._refuse(actor, away)
                self._host.counts.wakes += len(actors)
                self._host.counts.wake_s += loop_s() - began

    def give_up(self) -> None:
        """The incarnation ended: send every parked command back to its router."""
        self._queue.clear()
        for actor in list(self._mailboxes):
            self._refuse(actor, Moved(actor))

    def _term(self, actor: str) -> int | None:
        """Which term of its shard this host is in; None where it may run no turn of the actor."""
        return self._host.shards.term_of(actor)

    async def _load(self, actors: list[str]) -> None:
        host = self._host
        terms = {actor: self._term(actor) for actor in actors if actor in self._mailboxes}
        stored = await host.ports.journal.load(list(terms))
        for actor, term in terms.items():
            if actor not in self._mailboxes:
                continue
            if term is None or self._term(actor) != term:
                # The actor or its shard was elsewhere during the read: what was read may be stale.
                self._refuse(actor, Moved(actor))
                continue
            try:
                activation = host.activations.get(actor) or self._wake(actor, stored.get(actor))
            except GangGPTError as error:
                log.warning("%s stays asleep: %s", actor, error)
                self._refuse(actor, error)
                continue
            host.activations.add(activation)
            woken_at = activation.seq
            self._shards.pop(actor)
            for envelope, delivery, slot in self._mailboxes.pop(actor):
                host.runner.take(activation, envelope, delivery, slot)
            if activation.state is None and activation.seq == woken_at:
                # (One that ceased to exist just now stays until that is committed: the store would not know it yet.)
                host.activations.drop(actor)

    def _wake(self, actor: str, stored: StoredActor | None) -> Activation:
        host = self._host
        activation = wake(ActorId(actor), self._shards[actor], stored, host.identity.clock.now_s())
        activation.flushed = activation.state
        if activation.state is None:
            host.runner.bring_to_life(activation)
        return activation

    def _refuse(self, actor: str, error: GangGPTError) -> None:
        self._shards.pop(actor, None)
        for envelope, delivery, slot in self._mailboxes.pop(actor, ()):
            delivery.settle(slot, reply_error(envelope.id, error))
