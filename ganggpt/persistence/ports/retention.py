"""What is deleted from a world and when: days of the journal, and rows of the other tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from msgspec import Struct

SEAL_AFTER: Final = timedelta(days=1)
"""How long after its end a day is sealed. A later turn of that day ends the incarnation that commits it."""

SLACK: Final = timedelta(hours=1)
"""More than the clocks of hosts ever differ: a message's turn is at most this much older than the message."""

FOLD_MAX: Final = 5000
"""The most memories that are moved out of a month's part at one time. A fuller month keeps its part."""

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are kept, as the settings say. Days end at midnight UTC by the database's clock.

    ``journal_days``: whole days of turns before today. ``memory_months``: months with a part of their own before this
    one. ``mission_days``: ended missions. ``away_days``: pushes that are not acked, and game servers that are not seen.
    """

    journal_days: int = 14
    memory_months: int = 3
    mission_days: int = 90
    away_days: int = 30


class Day(Struct, frozen=True):
    """One day's part of the journal. ``turns`` is Postgres' estimate, -1 where it has none yet."""

    name: str
    start: date
    end: date
    bytes: int
    turns: int
    sealed: bool


class OldestWaiting(Struct, frozen=True):
    """The oldest of each thing that may still need turns; None where there is none."""

    message: datetime | None
    reminder: datetime | None
    flushed: datetime | None

    def held_by(self, end: date) -> str | None:
        """Why a day that ends there must not be dropped, or None."""
        reasons = {
            "a message that is not answered yet, of {:%Y-%m-%d %H:%M}": self.message,
            "a reminder that is not answered yet, due {:%Y-%m-%d %H:%M}": self.reminder,
            "turns the tables may not show yet, since {:%Y-%m-%d %H:%M}": self.flushed,
        }
        for words, at in reasons.items():
            if at is not None and (at - SLACK).date() < end:
                return words.format(at)
        return None


class Month(Struct, frozen=True):
    """One month's part of the memories."""

    name: str
    start: date
    end: date
    bytes: int


class MemoryKey(Struct, frozen=True):
    """Which memory of which NPC a row shows. ``no`` is None where no flush wrote the row. ``archived``: its mind had no
    room for it, so the date in the row alone says when it is deleted."""

    id: UUID
    npc: str
    no: int | None
    created_at: Any
    expires_at: Any
    archived: bool = False


def month_after(day: date, months: int) -> date:
    """The first day of the month that many months after (negative: before) the month of a day."""
    month = day.year * 12 + day.month - 1 + months
    return date(month // 12, month % 12 + 1, 1)


class JournalRetention(Protocol):
    """The days of the journal; ``PostgresJournalRetention`` is the real adapter. Every method raises Unavailable."""

    async def today(self) -> date:
        """The current day, UTC, by the database's clock."""
        ...

    async def now_s(self) -> float:
        """Unix time by the database's clock."""
        ...

    async def days(self) -> Sequence[Day]:
        """The parts of the journal, oldest first."""
        ...

    async def waiting(self) -> OldestWaiting:
        """What may still ask for turns."""
        ...

    async def uncovered(self, day: Day, after: str, limit: int) -> Sequence[str]:
        """The first actors after ``after`` whose turns in a day are newer than their snapshot."""
        ...

    async def uncovered_other(self, before: date, after: str, limit: int) -> Sequence[str]:
        """The same for the turns of days before ``before`` that lie in the default part."""
        ...

    async def save_replayed(self, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Store ``(actor, seq, body)`` made by replaying committed turns through seq; only a newer one replaces one."""
        ...

    async def seal(self, day: Day) -> bool:
        """Seal a day, unless an actor's turns in it are not covered; whether it is sealed now."""
        ...

    async def raise_seal(self, before: date) -> date:
        """Tell wakes to skip every day before ``before``, or before the first one that is not sealed; the day before
        which they skip now is returned."""
        ...

    async def drop(self, day: Day) -> str | None:
        """Drop a day; returns what holds it back, or None where it is gone."""
        ...

    async def drop_leftovers(self) -> None:
        """Remove the files of parts that were detached, also those that a crash left behind."""
        ...

    async def other_before(self, before: date) -> int:
        """The number of turns of days before ``before`` in the default part."""
        ...

    async def sweep_other(self, before: date) -> int:
        """Delete sealed turns of days before ``before`` from the default part; returns how many."""
        ...


class RowRetention(Protocol):
    """Rows of the other tables; ``PostgresRowRetention`` is the real adapter. Every method raises Unavailable."""

    async def months(self) -> Sequence[Month]:
        """The parts of the memories, oldest first."""
        ...

    async def count(self, month: Month) -> int:
        """Rows of a month, counted up to one more than FOLD_MAX."""
        ...

    async def expired(self, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories past their date, the longest expired first, after the one given."""
        ...

    async def of_month(self, month: Month, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories of a month by id, after the one given."""
        ...

    async def delete(self, keys: Sequence[MemoryKey]) -> None:
        """Delete rows of memories no mind holds."""
        ...

    async def fold(self, month: Month) -> bool:
        """Move what is left of a month into the default part and drop its own part. False where it holds too many."""
        ...

    async def forget_missions(self, days: int, *, dry_run: bool = False) -> int:
        """Delete missions that ended so many days ago: their rows and their snapshots. Returns how many."""
        ...

    async def forget_servers(self, days: int, *, dry_run: bool = False) -> tuple[int, int]:
        """Delete game servers not seen, and pushes not acked, for so many days; how many of each."""
        ...

    async def forget_hosts(self) -> int:
        """Delete incarnations that are dead for a day and left no shard behind; returns how many."""
        ...

    async def forget_clusters(self, days: int) -> int:
        """Delete clusters not seen for so many days, but never the owner of the world; returns how many."""
        ...
