"""Write-behind of the user's tables: coalesced, at most one flush interval late, rebuildable from the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from ganggpt.actors.host.activation import Activation
from ganggpt.errors import Unavailable

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

log = logging.getLogger(__name__)

IDLE_S: Final = 60.0
"""How often a host without anything to flush says so."""


class Flusher:
    """Owns the way of changed states into ``players``, ``npc_memories``, ``faction_relationships``, ``missions`` and
    ``companions``. Only committed states are flushed, so the tables never show what a crash takes back."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._owed: dict[str, None] = {}
        self._unshown: dict[str, None] = {}
        self._shown_s = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._in_flight: dict[str, Activation] = {}

    def owes(self, actor: str) -> bool:
        """Whether the tables do not show the actor's last turn yet; such an actor must stay awake."""
        return actor in self._host.activations.dirty or actor in self._in_flight or actor in self._unshown

    def catch_up(self, shards: Iterable[str]) -> None:
        """New shards whose last owner ended: flush whatever it committed but did not flush."""
        self._owed.update(dict.fromkeys(shards))

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            try:
                await self._adopt()
                await self.flush()
            except Unavailable:
                log.warning("%s: the flush waits, the database is away", self._host.identity.name)
            await asyncio.sleep(self._host.options.flush_s)

    async def show_all_of(self, shards: Collection[str]) -> None:
        """Nothing is left of what the last owners of these shards did not flush. Raises Unavailable where some is."""
        await self._adopt()
        if any(shard in self._owed for shard in shards) or any(self._shard_of(a) in shards for a in self._unshown):
            raise Unavailable("the work of a dead host", "not all of it is flushed to the tables")

    async def flush(self, only: Sequence[Activation] | None = None) -> None:
        """Flush what is dirty now, or only these dirty activations. Raises Unavailable, and keeps it dirty then."""
        async with self._one_at_a_time:
            await self.flush_now(only)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No flush runs meanwhile but what the caller asks of ``flush_now``."""
        async with self._one_at_a_time:
            yield

    async def flush_now(self, only: Sequence[Activation] | None = None) -> None:
        """``flush`` for one who holds the pause."""
        host = self._host
        # While something of a last owner is missing in the tables, nobody may say that they show everything.
        through_s = host.identity.clock.now_s() if only is None and not (self._owed or self._unshown) else None
        held = host.shards.with_frozen
        dirty = host.activations.take_dirty(only)
        if not dirty:
            await self._show_idle(through_s, held)
            return
        self._in_flight = dirty
        changes = [(a, a.flushed, a.state) for a in dirty.values()]
        try:
            await host.committer.durable(max(a.written for a in dirty.values()))
            await self._write(changes, through_s, held)
        except BaseException:
            host.activations.put_back_dirty(dirty)
            raise
        finally:
            self._in_flight = {}

    async def _show_idle(self, through_s: float | None, held: Sequence[str]) -> None:
        """Say now and then that the tables lack nothing. Otherwise the day of the last turn of a host nobody talks to
        would look unflushed for weeks: it could not be dropped, and a successor would read everything since."""
        if through_s is not None and through_s - self._shown_s >= IDLE_S:
            await self._host.ports.flush.flush(self._host.identity.epoch, (), through_s, held)
            self._shown_s = through_s

    async def _write(
        self, changes: list[tuple[Activation, Any, Any]], through_s: float | None, held: Sequence[str]
    ) -> None:
        host = self._host
        rows = [(a.actor, old, new) for a, old, new in changes]
        written = await host.ports.flush.flush(host.identity.epoch, rows, through_s, held)
        host.counts.flushed_rows += written
        self._shown_s = through_s or self._shown_s
        await host.ports.forget_cached([a.actor for a, _, _ in changes])
        for activation, _, new in changes:
            activation.flushed = new

    async def _adopt(self) -> None:
        """Wake the actors whose turns the last owner did not flush, and let their whole state go out again.

        One that cannot be woken just now, because a command wakes it or it stands still, is tried again next time.
        """
        host, owed = self._host, dict(self._owed)
        if owed:
            recent = await host.ports.hosts.unflushed(host.identity.epoch)
            self._unshown.update(dict.fromkeys(actor for actor in recent if self._shard_of(actor) in owed))
            self._owed = {shard: None for shard in self._owed if shard not in owed}
        if not self._unshown:
            return
        await host.waker.activate(list(self._unshown))
        async with self._one_at_a_time:
            for actor in list(self._unshown):
                activation = host.activations.get(actor)
                if activation is not None:
                    activation.flushed = None
                    host.activations.mark_dirty(activation)
                elif host.waker.may_wake(actor):
                    continue
                del self._unshown[actor]

    def _shard_of(self, actor: str) -> str:
        return self._host.shards.shard_of(actor)
