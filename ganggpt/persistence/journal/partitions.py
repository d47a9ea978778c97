"""The parts of the journal (a day each) and of the memories (a month each).

Every part is made before its time comes. Rows that arrive earlier lie in the table's default part and are moved when
their part is made. All days are UTC.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from ganggpt.errors import Unavailable
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.retention import month_after

T = TypeVar("T")
Connection: TypeAlias = "PoolConnectionProxy[Any]"

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(7022006)"
"""The lock under which parts are created, sealed or dropped. It ends with the transaction."""
TODAY: Final = "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date"
_PART: Final = "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)"
_MOVE: Final = """
WITH late AS (DELETE FROM {table}_other WHERE {column} >= '{start}' AND {column} < '{end}' RETURNING *)
INSERT INTO {part} SELECT * FROM late
"""
_ATTACH: Final = "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ('{start}') TO ('{end}')"

JOURNAL_DAYS_AHEAD: Final = 3
MEMORY_MONTHS_AHEAD: Final = 2
LOCK_MS: Final = 50
"""How long a change of parts waits for the table at one time, and so how long others may have to wait for it."""
LOCK_TRIES: Final = 20


class Part(Struct, frozen=True):
    """One part of a table: it holds ``column`` in [start, end)."""

    table: str
    column: str
    name: str
    start: date
    end: date


async def ensure_partitions(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> Sequence[str]:
    """Make the parts for today and the days ahead; returns the names of the parts it made.

    Safe to call again, at the same time from several processes, and while the tables are in use. Raises Unavailable.
    """

    async def make(connection: Connection) -> Sequence[str]:
        today = await connection.fetchval(TODAY, timeout=timeout_s)
        wanted = [journal_part(today + timedelta(days=n)) for n in range(JOURNAL_DAYS_AHEAD + 1)]
        wanted += [memory_part(month_after(today, n)) for n in range(MEMORY_MONTHS_AHEAD + 1)]
        return [part.name for part in wanted if await make_missing(connection, part, timeout_s)]

    return await briefly(pool, make, timeout_s)


async def ensure_days(connection: Connection, times_s: Iterable[float], timeout_s: float = 30.0) -> None:
    """Make the parts of the journal and of the memories for the days of these Unix times, before rows are loaded from
    elsewhere. The parts belong to the caller's transaction, if there is one."""
    days = sorted({datetime.fromtimestamp(at_s, UTC).date() for at_s in times_s})
    await connection.execute(ONE_AT_A_TIME, timeout=timeout_s)
    for part in (*map(journal_part, days), *map(memory_part, sorted({day.replace(day=1) for day in days}))):
        await make_missing(connection, part, timeout_s)


async def make_missing(connection: Connection, part: Part, timeout_s: float = 30.0) -> bool:
    """Make a part if it is missing; returns whether it was. The caller's transaction holds ONE_AT_A_TIME."""
    if await connection.fetchval("SELECT to_regclass($1)", part.name, timeout=timeout_s) is not None:
        return False
    await make_part(connection, part, timeout_s)
    return True


async def make_part(connection: Connection, part: Part, timeout_s: float = 30.0) -> None:
    """Make one part; the caller's transaction holds ONE_AT_A_TIME."""
    words = {"table": part.table, "part": part.name, "column": part.column}
    bounds = {"start": _bound(part, part.start), "end": _bound(part, part.end)}
    for statement in (_PART, _MOVE, _ATTACH):
        await connection.execute(statement.format(**words, **bounds), timeout=timeout_s)


async def briefly(pool: asyncpg.Pool[Any], work: Callable[[Connection], Awaitable[T]], timeout_s: float = 30.0) -> T:
    """Change parts in one transaction, alone, and without making others wait for long.

    A change of parts needs the whole table for itself for some milliseconds. Others queue behind it while it waits for
    that, so it gives up after LOCK_MS and tries again later. Raises Unavailable where long queries block it every time,
    and during an outage of the database.
    """
    with database_outages():
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type((asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)),
                stop=stop_after_attempt(LOCK_TRIES),
                wait=wait_random(0.05, 0.5),
                reraise=True,
            ):
                with attempt:
                    async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
                        await connection.execute(ONE_AT_A_TIME, timeout=timeout_s)
                        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'", timeout=timeout_s)
                        return await work(connection)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as busy:
            raise Unavailable("a moment without long queries on the journal or the memories") from busy
    raise AssertionError("retries end by themselves")


def journal_part(day: date) -> Part:
    """The part of the journal for a day."""
    return Part("journal", "day", f"journal_{day:%Y%m%d}", day, day + timedelta(days=1))


def memory_part(day: date) -> Part:
    """The part of the memories for the month of a day."""
    start = day.replace(day=1)
    return Part("npc_memories", "created_at", f"npc_memories_{start:%Y%m}", start, month_after(start, 1))


def journal_part_named(name: str) -> Part:
    """The part of the journal with that name."""
    digits = name.removeprefix("journal_")
    return journal_part(date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])))


def memory_part_named(name: str) -> Part:
    """The part of the memories with that name."""
    digits = name.removeprefix("npc_memories_")
    return memory_part(date(int(digits[:4]), int(digits[4:6]), 1))


def _bound(part: Part, day: date) -> str:
    return f"{day}" if part.column == "day" else f"{day} 00:00:00+00"
