"""Keeps a world from growing for ever: covers actors with snapshots, seals and drops old days, deletes old rows.

To cover an actor is to wake it without a host and to store its snapshot. It is the replay of a host, whose result
depends on committed turns alone, so it needs no fence (see ``PostgresJournalRetention.save_replayed``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.host.activation import Unreadable, wake
from ganggpt.actors.supervision.background_task import BackgroundTask
from ganggpt.domain.ids import ActorId
from ganggpt.domain.kinds import VERSION
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import Journal
from ganggpt.persistence.ports.retention import (
    BATCH,
    FOLD_MAX,
    SEAL_AFTER,
    JournalRetention,
    MemoryKey,
    RetentionPolicy,
    RowRetention,
    month_after,
)
from ganggpt.persistence.projections.rows import mind_id, mind_of, row_id

log = logging.getLogger(__name__)

COVER_MAX: Final = 128
"""Actors that are read and replayed for one statement."""
EXPIRED_MAX: Final = 5000
"""Expired memories examined in one round of the supervisor. The next round continues after them."""
EVERYTHING: Final = 2**31
UNREAD: Final = object()
"""Stands for the state of a mind that could not be read: nothing is known about it."""

Report = Callable[[str], None]
T = TypeVar("T")


class Retained(msgspec.Struct):
    """What one round did, or with ``dry_run`` would have done. ``held``: what was kept although it is old, and why."""

    dry_run: bool
    wakes_read_from: str = ""
    covered: int = 0
    sealed: list[str] = msgspec.field(default_factory=list)
    dropped: list[str] = msgspec.field(default_factory=list)
    folded: list[str] = msgspec.field(default_factory=list)
    held: dict[str, str] = msgspec.field(default_factory=dict)
    freed_bytes: int = 0
    turns_swept: int = 0
    memories: int = 0
    missions: int = 0
    servers: int = 0
    pushes: int = 0
    hosts: int = 0
    clusters: int = 0
    took_s: float = 0.0


class Housekeeping:
    """Applies the retention of one world. Its only state is how far the search for expired memories has come."""

    def __init__(
        self,
        journal: Journal,
        days: JournalRetention,
        rows: RowRetention,
        policy: RetentionPolicy,
        report: Report = log.debug,
    ) -> None:
        self._journal = journal
        self._days = days
        self._rows = rows
        self._policy = policy
        self._report = report
        self._expired_after: MemoryKey | None = None

    async def round(self, *, dry_run: bool = False, expired_max: int = EXPIRED_MAX) -> Retained:
        """Apply everything once. May be cancelled at any point and may run twice at the same time. Raises
        Unavailable."""
        began_s = loop_s()
        done = Retained(dry_run)
        today = await self._days.today()
        await self._seal(today, done)
        await self._drop(today, done)
        await self._forget_expired(done, expired_max)
        await self._fold_months(today, done)
        self._report("ended missions, absent game servers and dead hosts")
        done.missions = await self._rows.forget_missions(self._policy.mission_days, dry_run=dry_run)
        done.servers, done.pushes = await self._rows.forget_servers(self._policy.away_days, dry_run=dry_run)
        if not dry_run:
            done.hosts = await self._rows.forget_hosts()
            done.clusters = await self._rows.forget_clusters(self._policy.away_days)
        done.took_s = round(loop_s() - began_s, 3)
        return done

    async def _seal(self, today: date, done: Retained) -> None:
        """Cover and seal every day that ended at least SEAL_AFTER ago, and let wakes skip these days."""
        until = today - SEAL_AFTER
        for day in await self._days.days():
            if day.end > until or day.sealed:
                continue
            self._report(f"covering {day.start}")
            broken = await self._cover(partial(self._days.uncovered, day), done)
            if broken:
                done.held[day.name] = f"{', '.join(broken[:3])} cannot be read, so its turns must stay"
            elif done.dry_run or await _unless_busy(day.name, self._days.seal(day), done):
                done.sealed.append(day.name)
        if not done.dry_run:
            broken = await self._cover(partial(self._days.uncovered_other, until), done)
            if broken:
                done.held["journal_other"] = f"{', '.join(broken[:3])} cannot be read, so its turns must stay"
            done.wakes_read_from = str(await _unless_busy("journal_seal", self._days.raise_seal(until), done))

    async def _cover(self, uncovered: Callable[[str, int], Awaitable[Sequence[str]]], done: Retained) -> list[str]:
        """Store snapshots of actors by replay until none is uncovered; returns the actors that cannot be read."""
        broken: list[str] = []
        after = ""
        while actors := await uncovered(after, COVER_MAX):
            after = actors[-1]
            if done.dry_run:
                done.covered += len(actors)
                continue
            now_s = await self._days.now_s()
            stored = await self._journal.load(actors)
            rows = []
            for actor in actors:
                await asyncio.sleep(0)  # a replay may take milliseconds, and the supervisor must not miss a death
                try:
                    woken = wake(ActorId(actor), "", stored[actor], now_s)
                    if woken.state is None:
                        raise Unreadable(actor, "its turns make no state")
                    rows.append((actor, woken.seq, woken.snapshot()))
                except GangGPTError as error:
                    log.warning("%s cannot be covered by a snapshot: %s", actor, error)
                    broken.append(actor)
            await self._days.save_replayed(VERSION, rows)
            done.covered += len(rows)
        return broken

    async def _drop(self, today: date, done: Retained) -> None:
        """Drop sealed days that are older than the retention, oldest first, unless they are still needed."""
        cutoff = today - timedelta(days=self._policy.journal_days)
        waiting = await self._days.waiting()
        for day in await self._days.days():
            if day.end > cutoff or not (day.sealed or day.name in done.sealed):
                continue
            self._report(f"dropping {day.start}")
            held = waiting.held_by(day.end)
            if held is None and not done.dry_run:
                held = await _unless_busy(day.name, self._days.drop(day), done) or done.held.get(day.name)
            if held is None:
                done.dropped.append(day.name)
                done.freed_bytes += day.bytes
            else:
                done.held[day.name] = held
        if done.dry_run:
            done.turns_swept = await self._days.other_before(cutoff)
        else:
            await self._days.drop_leftovers()
            done.turns_swept = await self._days.sweep_other(cutoff)

    async def _forget_expired(self, done: Retained, limit: int) -> None:
        """Delete expired memories that no mind holds. The others are deleted when their mind forgets them."""
        self._report("expired memories")
        looked = 0
        while looked < limit:
            keys = await self._rows.expired(self._expired_after, min(BATCH, limit - looked))
            await self._forget_stale(keys, done)
            looked += len(keys)
            self._expired_after = keys[-1] if len(keys) == BATCH else None
            if self._expired_after is None:
                return

    async def _fold_months(self, today: date, done: Retained) -> None:
        """Fold months that have a part of their own and are older than the retention."""
        cutoff = month_after(today, -self._policy.memory_months)
        for month in await self._rows.months():
            if month.end > cutoff:
                continue
            self._report(f"folding {month.name}")
            if await self._rows.count(month) > FOLD_MAX:
                done.held[month.name] = f"more than {FOLD_MAX} of its memories are still held"
                continue
            after: MemoryKey | None = None
            while keys := await self._rows.of_month(month, after, BATCH):
                await self._forget_stale(keys, done)
                after = keys[-1]
            if done.dry_run or await _unless_busy(month.name, self._rows.fold(month), done):
                done.folded.append(month.name)
                done.freed_bytes += month.bytes
        if not done.dry_run:
            await self._days.drop_leftovers()

    async def _forget_stale(self, keys: Sequence[MemoryKey], done: Retained) -> None:
        for start in range(0, len(keys), COVER_MAX):
            some = keys[start : start + COVER_MAX]
            actors = sorted({mind_of(key.npc) for key in some if not key.archived})
            # Read after the rows, so that a state knows at least what the rows show.
            stored = await self._journal.load(actors)
            now_s = await self._days.now_s()
            minds: dict[str, Any] = {}
            for actor in actors:
                await asyncio.sleep(0)
                try:
                    woken = wake(ActorId(actor), "", stored.get(actor), now_s)
                    minds[mind_id(actor)] = woken.state
                except GangGPTError as error:
                    log.warning("memories of %s are kept because it cannot be read: %s", actor, error)
                    minds[mind_id(actor)] = UNREAD
            stale = [key for key in some if _is_stale(key, minds, now_s)]
            if not done.dry_run:
                await self._rows.delete(stale)
            done.memories += len(stale)


async def _unless_busy(part: str, change: Awaitable[T], done: Retained) -> T | None:
    """What a change of parts returns; None where others use the table. ``done`` says why, and a later round tries
    again."""
    try:
        return await change
    except Unavailable as busy:
        done.held[part] = str(busy)
        return None


def _is_stale(key: MemoryKey, minds: Mapping[str, Any], now_s: float) -> bool:
    """Whether no mind will ever hold this memory (again). A row that no flush wrote just has its date."""
    state = None if key.archived else minds.get(key.npc)
    if state is UNREAD:
        return False
    if key.archived or state is None or key.no is None or key.id != row_id(mind_of(key.npc), key.no):
        return key.expires_at is not None and key.expires_at.timestamp() < now_s
    return key.no < state.mind.next_no and all(memory.no != key.no for memory in state.mind.memories)


class Upkeep:
    """What the supervisor does every hour: makes the parts of the days ahead, and starts retention in the
    background."""

    def __init__(self, make_parts: Callable[[], Awaitable[object]], housekeeping: Housekeeping) -> None:
        self._make_parts = make_parts
        self._housekeeping = housekeeping
        self.retention = BackgroundTask("retention", self._keep)

    async def keep(self) -> None:
        """Make the parts of the days ahead, and start a round of retention unless one runs. Raises Unavailable."""
        await self._make_parts()
        self.retention.start()

    async def _keep(self) -> None:
        done = await self._housekeeping.round()
        if done.dropped or done.folded:
            log.info("dropped %s, folded %s, freed %d bytes", done.dropped, done.folded, done.freed_bytes)
        for part, why in done.held.items():
            log.warning("%s is old but is kept: %s", part, why)
