"""The time parts of the journal (a day each) and of memories (a month each): made ahead, dropped when old.

Every part is made before its time comes. What arrived before its part was made lies in the table's default part and is
moved when the part is made. All days are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
from msgspec import Struct

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(7022006)"
_TODAY: Final = "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date"
_PARTS: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass AND c.relname <> $1 || '_other' ORDER BY c.relname
"""
_PART: Final = "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)"
_MOVE: Final = """
WITH late AS (DELETE FROM {table}_other WHERE {column} >= '{start}' AND {column} < '{end}' RETURNING *)
INSERT INTO {part} SELECT * FROM late
"""
_ATTACH: Final = "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ('{start}') TO ('{end}')"

JOURNAL_DAYS_AHEAD: Final = 3
MEMORY_MONTHS_AHEAD: Final = 2


class Part(Struct, frozen=True):
    """One part of a table: it holds ``column`` in [start, end)."""

    table: str
    column: str
    name: str
    start: date
    end: date


async def ensure_partitions(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> Sequence[str]:
    """Make the parts for today and the time ahead; returns the names of those it made.

    Safe to call again, at the same time from several processes, and while the tables are in use.
    """
    async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
        await connection.execute(_ONE_AT_A_TIME, timeout=timeout_s)
        today = await connection.fetchval(_TODAY, timeout=timeout_s)
        wanted = [journal_part(today + timedelta(days=n)) for n in range(JOURNAL_DAYS_AHEAD + 1)]
        wanted += [memory_part(_month_after(today, n)) for n in range(MEMORY_MONTHS_AHEAD + 1)]
        return [part.name for part in wanted if await _make(connection, part, timeout_s)]


async def ensure_days(connection: Any, times_s: Iterable[float], timeout_s: float = 30.0) -> None:
    """Make the parts of the journal and of the memories for the days of these Unix times, for what is loaded from
    elsewhere. The caller's transaction, if any, decides whether they stay."""
    days = sorted({datetime.fromtimestamp(at_s, UTC).date() for at_s in times_s})
    await connection.execute(_ONE_AT_A_TIME, timeout=timeout_s)
    for part in (*map(journal_part, days), *map(memory_part, sorted({day.replace(day=1) for day in days}))):
        await _make(connection, part, timeout_s)


async def _make(connection: Any, part: Part, timeout_s: float) -> bool:
    """Make a part where it is missing; whether it was."""
    if await connection.fetchval("SELECT to_regclass($1)", part.name, timeout=timeout_s) is not None:
        return False
    words = {"table": part.table, "part": part.name, "column": part.column}
    for statement in (_PART, _MOVE, _ATTACH):
        text = statement.format(**words, start=_bound(part, part.start), end=_bound(part, part.end))
        await connection.execute(text, timeout=timeout_s)
    return True


async def drop_partitions_before(
    pool: asyncpg.Pool[Any], table: str, before: date, timeout_s: float = 30.0
) -> Sequence[str]:
    """Drop the parts of ``table`` (``journal`` or ``npc_memories``) that end at or before a day; returns their names.

    The caller answers for what goes: of the journal only days whose actors all have a later snapshot.
    """
    of_name = {"journal": _journal_part_named, "npc_memories": _memory_part_named}[table]
    dropped = []
    async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
        await connection.execute(_ONE_AT_A_TIME, timeout=timeout_s)
        for row in await connection.fetch(_PARTS, table, timeout=timeout_s):
            part = of_name(row["relname"])
            if part.end <= before:
                await connection.execute(f"DROP TABLE {part.name}", timeout=timeout_s)
                dropped.append(part.name)
    return dropped


def journal_part(day: date) -> Part:
    """The part of the journal for a day."""
    return Part("journal", "day", f"journal_{day:%Y%m%d}", day, day + timedelta(days=1))


def memory_part(day: date) -> Part:
    """The part of the memories for the month of a day."""
    start = day.replace(day=1)
    return Part("npc_memories", "created_at", f"npc_memories_{start:%Y%m}", start, _month_after(start, 1))


def _journal_part_named(name: str) -> Part:
    digits = name.removeprefix("journal_")
    return journal_part(date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])))


def _memory_part_named(name: str) -> Part:
    digits = name.removeprefix("npc_memories_")
    return memory_part(date(int(digits[:4]), int(digits[4:6]), 1))


def _month_after(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 + months
    return date(month // 12, month % 12 + 1, 1)


def _bound(part: Part, day: date) -> str:
    return f"{day}" if part.column == "day" else f"{day} 00:00:00+00"
