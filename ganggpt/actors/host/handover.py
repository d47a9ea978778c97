"""The hand-over: a live host gives shards to another one, or makes an actor a shard of its own, in a short freeze.

No turn of a frozen shard runs, and its commands wait here. When its turns are committed and shown in the tables, one
fenced statement gives the shard away, and the waiting commands go back to their router with the name of the heir, the
host that holds the shard now. A live host never loses a shard in any other way: between its first and its last turn of
a shard, no other host runs a turn of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.activator import Activator
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery, ParkedCommand
from ganggpt.actors.host.flusher import Flusher
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.host.passivation import Passivation
from ganggpt.actors.host.turn_runner import TurnRunner
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.errors import CommitUnknown, GangGPTError, Moved, Overloaded, Unavailable
from ganggpt.persistence.ports.hosts import HostTable

log = logging.getLogger(__name__)

WAITING_MAX: Final = 4096
"""Commands that may wait for the end of a freeze, or for the next read of the routing table."""
POLL_GAP_S: Final = 0.01
"""Shortest time between two reads of the routing table because of misdirected commands."""

GIVEN_S: Final = 2.0
"""How long a host remembers the heir of a shard, and redirects its commands without reading the routing table."""


class Freeze:
    """The activations that are frozen, and the commands that arrived for them meanwhile."""

    __slots__ = ("activations", "waiting")

    def __init__(self, activations: dict[str, Activation], waiting: list[ParkedCommand]) -> None:
        self.activations = activations
        self.waiting = waiting


class Given:
    """A shard that was handed over: its heir, how long that is remembered, and the commands that were redirected."""

    __slots__ = ("heir", "sent_on", "until_s")

    def __init__(self, heir: str, until_s: float) -> None:
        self.heir, self.until_s = heir, until_s
        self.sent_on: set[bytes] = set()


@dataclass(frozen=True, slots=True)
class Siblings:
    """The other parts of the incarnation that a hand-over has to coordinate."""

    committer: Committer
    flusher: Flusher
    passivation: Passivation
    activator: Activator
    outbox: Outbox
    runner: TurnRunner


class HandOver:
    """Owns the current freeze and the commands that wait for it; there is one freeze at a time."""

    def __init__(
        self, identity: Identity, hosts: HostTable, shards: Shards, activations: Activations, siblings: Siblings
    ) -> None:
        self._identity = identity
        self._hosts = hosts
        self._shards = shards
        self._activations = activations
        self._siblings = siblings
        self._one_at_a_time = asyncio.Lock()
        self._freeze: Freeze | None = None
        self._strays: list[ParkedCommand] = []
        self._given: dict[str, Given] = {}
        self._poll = asyncio.Event()

    def wait(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command that cannot run now: until the freeze ends, or until the routing table was read again."""
        freeze = self._freeze if self._shards.is_frozen(envelope.to, shard) else None
        heir = None if freeze is not None else self._heir_of(shard, envelope.id)
        if heir is not None:
            delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to, heir)))
            return
        queue = freeze.waiting if freeze is not None else self._strays
        if len(queue) >= WAITING_MAX:
            full = Overloaded("the queue of commands for shards that move", WAITING_MAX)
            delivery.settle(slot, reply_error(envelope.id, full))
            return
        queue.append((envelope, delivery, slot))
        if freeze is None:
            self._poll.set()

    async def run(self) -> None:
        """Read the routing table whenever a command arrives for a shard that this host does not know it holds."""
        while True:
            await self._poll.wait()
            self._poll.clear()
            try:
                await self._shards.refresh()
            except Unavailable:
                log.warning("%s: the database cannot be reached; misdirected commands go back", self._identity.name)
            strays, self._strays = self._strays, []
            for envelope, delivery, slot in strays:
                shard = self._shards.shard_of(envelope.to)
                if shard in self._shards or self._shards.is_frozen(envelope.to, shard):
                    self._siblings.runner.accept(envelope, delivery, slot)
                else:
                    moved = Moved(envelope.to, self._shards.holder_of(shard))
                    delivery.settle(slot, reply_error(envelope.id, moved))
            await asyncio.sleep(POLL_GAP_S)

    def cancel(self) -> None:
        """The incarnation ended: send every waiting command back to its router."""
        waiting, self._strays = self._strays, []
        if self._freeze is not None:
            waiting += self._freeze.waiting
            self._freeze.waiting = []
        _send_back(waiting, None)

    async def give(self, shards: Collection[str], cluster: str, heir: str) -> float:
        """Hand shards over to a live host; returns how long they were frozen, in seconds.

        Raises Moved where this host does not hold them all, and Unavailable where nothing was changed. Any other error
        leaves the outcome unknown and ends the incarnation; its successor reads from the table who holds them.
        """
        leaving = frozenset(shards)
        async with self._one_at_a_time:
            await self._must_hold(leaving)
            await self._siblings.flusher.show_all_of(leaving)
            await self._prepare(leaving)
            async with self._siblings.flusher.paused():
                freeze = self._begin(leaving)
                began_s = loop_s()
                known = None
                try:
                    await self._settle(freeze)
                    async with self._shards.lock:
                        await self._hosts.hand_over(self._identity.epoch, sorted(leaving), cluster, heir)
                        self._freeze = None
                        self._shards.release()
                    known = heir if cluster == self._hosts.cluster else None
                    self._siblings.outbox.forget(leaving)
                    self._remember(leaving, known)
                except Unavailable:
                    self._thaw(freeze)
                    raise
                except BaseException as unknown:
                    self._end(unknown)
                    raise
                finally:
                    _send_back(freeze.waiting, known)
                return loop_s() - began_s

    async def promote(self, actor: str) -> None:
        """Make an actor of this host a shard of its own, which this host holds too. Raises the errors of ``give``."""
        await self._change(actor, own=True)

    async def demote(self, actor: str) -> None:
        """Put an actor that is a shard of its own back into its hash shard; this host must hold both. Raises the errors
        of ``give``."""
        await self._change(actor, own=False)

    async def _change(self, actor: str, *, own: bool) -> None:
        async with self._one_at_a_time:
            hashed = shared_shard(actor, self._shards.residences.shards)
            old, new = (hashed, actor) if own else (actor, hashed)
            await self._must_hold({old, hashed})
            if self._shards.shard_of(actor) != old:
                raise Moved(actor)
            await self._siblings.flusher.show_all_of({old})
            freeze = self._begin(actor=actor)
            try:
                await self._commit(freeze)
                async with self._shards.lock:
                    await self._hosts.change_residence(self._identity.epoch, actor, hashed, own=own)
                    self._shards.change_residence(actor, own=own)
                for activation in freeze.activations.values():
                    activation.shard = new
                self._thaw(freeze)
            except Unavailable:
                self._thaw(freeze)
                raise
            except BaseException as unknown:
                self._end(unknown)
                raise

    async def _must_hold(self, shards: Collection[str]) -> None:
        """Read the table before refusing: this host may not know yet that it was given a shard. Raises Moved."""
        if any(shard not in self._shards for shard in shards):
            await self._shards.refresh()
        missing = sorted(shard for shard in shards if shard not in self._shards)
        if missing:
            raise Moved(missing[0], self._shards.holder_of(missing[0]))

    async def _prepare(self, leaving: frozenset[str]) -> None:
        """Flush and snapshot before the freeze, so that it is short and the heir has little to read."""
        hot = [a for a in self._activations.values() if a.shard in leaving]
        await self._siblings.flusher.flush([a for a in hot if a.actor in self._activations.dirty])
        await self._siblings.passivation.snapshot([a for a in hot if a.seq > a.snapshot_seq])

    def _begin(self, shards: Collection[str] = (), actor: str | None = None) -> Freeze:
        is_frozen = self._shards.is_frozen
        self._shards.freeze(shards, actor)
        freeze = self._freeze = Freeze(
            self._activations.set_aside(is_frozen), self._siblings.activator.hand_out(is_frozen)
        )
        return freeze

    async def _settle(self, freeze: Freeze) -> None:
        """Commit everything that is frozen, and flush it to the tables."""
        await self._commit(freeze)
        await self._siblings.flusher.flush_now(list(freeze.activations.values()))

    async def _commit(self, freeze: Freeze) -> None:
        await self._siblings.committer.durable(max((a.written for a in freeze.activations.values()), default=0))

    def _remember(self, given: Collection[str], heir: str | None) -> None:
        """Remember the heir for a while: routers that do not know it yet still send commands here. A host of another
        cluster is reached only through its bridge, so its name is not remembered and routers read the table."""
        now_s = loop_s()
        self._given = {shard: known for shard, known in self._given.items() if known.until_s > now_s}
        if heir is not None:
            self._given.update({shard: Given(heir, now_s + GIVEN_S) for shard in given})

    def _heir_of(self, shard: str, command_id: bytes) -> str | None:
        """The host that was given the shard a moment ago. A command that comes back a second time was refused there:
        the shard has moved on (or back), and the table has to be read."""
        known = self._given.get(shard)
        if known is None or known.until_s <= loop_s():
            return None
        if command_id in known.sent_on:
            del self._given[shard]
            return None
        known.sent_on.add(command_id)
        return known.heir

    def _thaw(self, freeze: Freeze) -> None:
        """End the freeze without a hand-over: the host keeps the shards and runs their commands."""
        self._freeze = None
        self._activations.bring_back(freeze.activations)
        self._shards.thaw()
        waiting, freeze.waiting = freeze.waiting, []
        for envelope, delivery, slot in waiting:
            self._siblings.runner.accept(envelope, delivery, slot)

    def _end(self, unknown: BaseException) -> None:
        """End the incarnation: the holder of the frozen shards is unknown until its successor has read the table."""
        lost = CommitUnknown(self._identity.name, self._identity.epoch, repr(unknown))
        self._siblings.committer.fail(unknown if isinstance(unknown, GangGPTError) else lost)


def _send_back(waiting: Iterable[ParkedCommand], heir: str | None) -> None:
    for envelope, delivery, slot in waiting:
        delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to, heir)))
