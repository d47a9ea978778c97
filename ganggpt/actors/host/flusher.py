"""Write-behind of the user's tables: coalesced, at most one flush interval late, and rebuildable from the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.activator import Activator
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.projections import FlushStore

log = logging.getLogger(__name__)

IDLE_S: Final = 60.0
"""How often a host with nothing to flush records that its tables are complete."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The user's tables. ``forget_cached`` drops cached copies of these actors' rows. ``unflushed`` returns the actors
    with turns that the predecessors of an epoch did not flush."""

    store: FlushStore
    forget_cached: Callable[[Sequence[str]], Awaitable[None]]
    unflushed: Callable[[int], Awaitable[Sequence[str]]]


class Flusher:
    """Owns the writing of changed states to ``players``, ``npc_memories``, ``faction_relationships``, ``missions`` and
    ``companions``. Only committed states are written, so the tables never show a turn that a crash undoes."""

    def __init__(
        self,
        identity: Identity,
        shards: Shards,
        activations: Activations,
        committer: Committer,
        activator: Activator,
        tables: Tables,
    ) -> None:
        self._identity = identity
        self._shards = shards
        self._activations = activations
        self._committer = committer
        self._activator = activator
        self._tables = tables
        self._owed: dict[str, None] = {}
        self._unshown: dict[str, None] = {}
        self._shown_s = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._in_flight: dict[str, Activation] = {}
        self.flushed_rows = 0

    def owes(self, actor: str) -> bool:
        """Whether the tables do not show the actor's last turn yet. Such an actor must stay awake."""
        return actor in self._activations.dirty or actor in self._in_flight or actor in self._unshown

    def catch_up(self, shards: Iterable[str]) -> None:
        """Flush what the last owner of these shards committed but did not flush before it ended."""
        self._owed.update(dict.fromkeys(shards))

    async def run(self, every_s: float) -> None:
        """Flush every ``every_s`` seconds until cancelled."""
        while True:
            try:
                await self._adopt()
                await self.flush()
            except Unavailable:
                log.warning("%s: the database cannot be reached; the flush is tried again", self._identity.name)
            await asyncio.sleep(every_s)

    async def show_all_of(self, shards: Collection[str]) -> None:
        """Flush what the last owners of these shards did not. Raises Unavailable while part of it cannot be flushed."""
        await self._adopt()
        if any(shard in self._owed for shard in shards) or any(self._shard_of(a) in shards for a in self._unshown):
            raise Unavailable("the work of a dead host", "not all of it is flushed to the tables")

    async def flush(self, only: Sequence[Activation] | None = None) -> None:
        """Flush all dirty activations, or those among ``only``. Raises Unavailable; they stay dirty then."""
        async with self._one_at_a_time:
            await self.flush_now(only)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold off all flushes except those that the caller makes with ``flush_now``."""
        async with self._one_at_a_time:
            yield

    async def flush_now(self, only: Sequence[Activation] | None = None) -> None:
        """Like ``flush``, for the caller that holds the pause."""
        # While turns of a last owner are missing, the tables must not be recorded as complete.
        through_s = self._identity.clock.now_s() if only is None and not (self._owed or self._unshown) else None
        held = self._shards.with_frozen
        dirty = self._activations.take_dirty(only)
        if not dirty:
            await self._show_idle(through_s, held)
            return
        self._in_flight = dirty
        changes = [(a, a.flushed, a.state) for a in dirty.values()]
        try:
            await self._committer.durable(max(a.written for a in dirty.values()))
            await self._write(changes, through_s, held)
        except BaseException:
            self._activations.put_back_dirty(dirty)
            raise
        finally:
            self._in_flight = {}

    async def _show_idle(self, through_s: float | None, held: Sequence[str]) -> None:
        """Record now and then that the tables are complete. Otherwise the last turns of an idle host would look
        unflushed for weeks: their journal day could not be dropped, and a successor would read everything since."""
        if through_s is not None and through_s - self._shown_s >= IDLE_S:
            await self._tables.store.flush(self._identity.epoch, (), through_s, held)
            self._shown_s = through_s

    async def _write(
        self, changes: list[tuple[Activation, Any, Any]], through_s: float | None, held: Sequence[str]
    ) -> None:
        rows = [(a.actor, old, new) for a, old, new in changes]
        written = await self._tables.store.flush(self._identity.epoch, rows, through_s, held)
        self.flushed_rows += written
        self._shown_s = through_s or self._shown_s
        await self._tables.forget_cached([a.actor for a, _, _ in changes])
        for activation, _, new in changes:
            activation.flushed = new

    async def _adopt(self) -> None:
        """Wake the actors whose turns the last owner did not flush, and mark their whole state as dirty.

        An actor that is just being woken by a command, or is frozen, is tried again next time.
        """
        owed = dict(self._owed)
        if owed:
            recent = await self._tables.unflushed(self._identity.epoch)
            self._unshown.update(dict.fromkeys(actor for actor in recent if self._shard_of(actor) in owed))
            self._owed = {shard: None for shard in self._owed if shard not in owed}
        if not self._unshown:
            return
        await self._activator.activate(list(self._unshown))
        async with self._one_at_a_time:
            for actor in list(self._unshown):
                activation = self._activations.get(actor)
                if activation is not None:
                    activation.flushed = None
                    self._activations.mark_dirty(activation)
                elif self._activator.may_wake(actor):
                    continue
                del self._unshown[actor]

    def _shard_of(self, actor: str) -> str:
        return self._shards.shard_of(actor)
