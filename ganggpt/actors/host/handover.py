"""How shards leave a live host for another one, and how an actor becomes a shard of its own: with a short freeze.

A shard that leaves is frozen: no turn of it runs, its commands wait here. What it did is committed and shown in the
tables, one fenced statement gives it away, and the waiting commands are sent on with the name of the heir. A live host
never loses a shard in any other way, so between its first and its last turn of a shard nobody else runs one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.delivery import Delivery, Waiting
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.errors import CommitUnknown, GangGPTError, Moved, Overloaded, Unavailable

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

log = logging.getLogger(__name__)

WAITING_MAX: Final = 4096
"""Commands that may wait for the end of a freeze, or for a look at the table."""
LOOK_GAP_S: Final = 0.01
"""Least time between two looks at the table because of commands that seemed misdirected."""

GIVEN_S: Final = 2.0
"""A host that gave a shard away sends its commands on for so long without a look at the table."""


class Freeze:
    """What stands still: the activations, and the commands that came meanwhile."""

    __slots__ = ("activations", "waiting")

    def __init__(self, activations: dict[str, Activation], waiting: list[Waiting]) -> None:
        self.activations = activations
        self.waiting = waiting


class Given:
    """A shard that was handed over: to whom, until when that is remembered, and the commands that were sent on."""

    __slots__ = ("heir", "sent_on", "until_s")

    def __init__(self, heir: str, until_s: float) -> None:
        self.heir, self.until_s = heir, until_s
        self.sent_on: set[bytes] = set()


class HandOver:
    """Owns what is frozen at the moment and the commands that wait for it; one freeze at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._one_at_a_time = asyncio.Lock()
        self._freeze: Freeze | None = None
        self._strays: list[Waiting] = []
        self._given: dict[str, Given] = {}
        self._look = asyncio.Event()

    def wait(self, shard: str, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Keep a command that cannot run now: until a freeze ends, or until a look at the table says whose it is."""
        freeze = self._freeze if self._host.shards.stops(envelope.to, shard) else None
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
            self._look.set()

    async def run(self) -> None:
        """Look at the table for commands of shards this host does not know it holds; for ever."""
        host = self._host
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await host.shards.refresh()
            except Unavailable:
                log.warning("%s: commands go back, the database is away", host.identity.name)
            strays, self._strays = self._strays, []
            for envelope, delivery, slot in strays:
                shard = host.shards.shard_of(envelope.to)
                if shard in host.shards or host.shards.stops(envelope.to, shard):
                    host.runner.accept(envelope, delivery, slot)
                else:
                    moved = Moved(envelope.to, host.shards.holder_of(shard))
                    delivery.settle(slot, reply_error(envelope.id, moved))
            await asyncio.sleep(LOOK_GAP_S)

    def give_up(self) -> None:
        """The incarnation ended: send everything that waits back to its router."""
        waiting, self._strays = self._strays, []
        if self._freeze is not None:
            waiting += self._freeze.waiting
            self._freeze.waiting = []
        _send_back(waiting, None)

    async def give(self, shards: Collection[str], cluster: str, heir: str) -> float:
        """Hand shards over to a live host; returns how long they stood still, in seconds.

        Raises Moved where this host does not hold them all, and Unavailable where nothing was changed. Any other error
        leaves the outcome open and ends the incarnation: its successor reads whose they are.
        """
        host = self._host
        leaving = frozenset(shards)
        async with self._one_at_a_time:
            await self._must_hold(leaving)
            await host.flusher.show_all_of(leaving)
            await self._prepare(leaving)
            async with host.flusher.paused():
                freeze = self._begin(leaving)
                began_s = loop_s()
                known = None
                try:
                    await self._settle(freeze)
                    async with host.shards.lock:
                        await host.ports.hosts.hand_over(host.identity.epoch, sorted(leaving), cluster, heir)
                        self._freeze = None
                        host.shards.let_go()
                    known = heir if cluster == host.ports.hosts.cluster else None
                    host.outbox.forget(leaving)
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

    async def carve_out(self, actor: str) -> None:
        """Make an actor of this host a shard of its own, which this host still holds. Raises as ``give`` does."""
        await self._change(actor, own=True)

    async def take_back(self, actor: str) -> None:
        """Put an actor that is a shard of its own back into its hash shard; this host holds both. Raises as ``give``
        does."""
        await self._change(actor, own=False)

    async def _change(self, actor: str, *, own: bool) -> None:
        host = self._host
        async with self._one_at_a_time:
            hashed = shared_shard(actor, host.shards.residences.shards)
            old, new = (hashed, actor) if own else (actor, hashed)
            await self._must_hold({old, hashed})
            if host.shards.shard_of(actor) != old:
                raise Moved(actor)
            await host.flusher.show_all_of({old})
            freeze = self._begin(actor=actor)
            try:
                await self._commit(freeze)
                async with host.shards.lock:
                    await host.ports.hosts.change_residence(host.identity.epoch, actor, hashed, own=own)
                    host.shards.change_residence(actor, own=own)
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
        """Look once more before refusing: this host may not have heard yet what it was given. Raises Moved."""
        host = self._host
        if any(shard not in host.shards for shard in shards):
            await host.shards.refresh()
        missing = sorted(shard for shard in shards if shard not in host.shards)
        if missing:
            raise Moved(missing[0], host.shards.holder_of(missing[0]))

    async def _prepare(self, leaving: frozenset[str]) -> None:
        """Whatever need not wait for the freeze: what the heir will read is short, and the tables are nearly right."""
        host = self._host
        hot = [a for a in host.activations.values() if a.shard in leaving]
        await host.flusher.flush([a for a in hot if a.actor in host.activations.dirty])
        await host.passivation.snapshot([a for a in hot if a.seq > a.snapshot_seq])

    def _begin(self, shards: Collection[str] = (), actor: str | None = None) -> Freeze:
        host, stops = self._host, self._host.shards.stops
        host.shards.freeze(shards, actor)
        freeze = self._freeze = Freeze(host.activations.set_aside(stops), host.waker.hand_out(stops))
        return freeze

    async def _settle(self, freeze: Freeze) -> None:
        """Everything frozen is committed, and shown in the tables."""
        host = self._host
        await self._commit(freeze)
        await host.flusher.flush_now(list(freeze.activations.values()))

    async def _commit(self, freeze: Freeze) -> None:
        await self._host.committer.durable(max((a.written for a in freeze.activations.values()), default=0))

    def _remember(self, given: Collection[str], heir: str | None) -> None:
        """Commands for these shards come for a while yet, from all who have not heard. A host of another cluster is
        reached by its bridge alone, so there the table is asked."""
        now_s = loop_s()
        self._given = {shard: known for shard, known in self._given.items() if known.until_s > now_s}
        if heir is not None:
            self._given.update({shard: Given(heir, now_s + GIVEN_S) for shard in given})

    def _heir_of(self, shard: str, command_id: bytes) -> str | None:
        """Whom this host gave a shard to just now. A command that comes back was not taken there: then the shard is
        elsewhere by now (or here again), and the table is asked."""
        known = self._given.get(shard)
        if known is None or known.until_s <= loop_s():
            return None
        if command_id in known.sent_on:
            del self._given[shard]
            return None
        known.sent_on.add(command_id)
        return known.heir

    def _thaw(self, freeze: Freeze) -> None:
        """Go on as before the freeze."""
        host = self._host
        self._freeze = None
        host.activations.bring_back(freeze.activations)
        host.shards.thaw()
        waiting, freeze.waiting = freeze.waiting, []
        for envelope, delivery, slot in waiting:
            host.runner.accept(envelope, delivery, slot)

    def _end(self, unknown: BaseException) -> None:
        """Nobody knows whose the frozen shards are: the successor of this incarnation will read it."""
        host = self._host
        lost = CommitUnknown(host.identity.name, host.identity.epoch, repr(unknown))
        host.committer.fail(unknown if isinstance(unknown, GangGPTError) else lost)


def _send_back(waiting: Iterable[Waiting], heir: str | None) -> None:
    for envelope, delivery, slot in waiting:
        delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to, heir)))
