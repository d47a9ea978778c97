"""Where the bridges of a world keep what all its processes have counted, and what only the database can count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from ganggpt.errors import Unavailable
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("metric_totals.sql"))


class WorldCounts(NamedTuple):
    """What the tables of the world hold. ``missions``: by state."""

    players_online: int
    pushes_unacked: int
    missions: dict[str, int]


class StoredTotals(NamedTuple):
    """What was read: the database's Unix time, the version to write with, the totals as they were written."""

    now_s: float
    version: int | None
    body: bytes | None
    counts: WorldCounts | None


class PostgresMetricTotals:
    """The one row of totals. ``timeout_s``: of each statement."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 2.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def read(self, *, count: bool) -> StoredTotals:
        """The totals; with ``count`` also what the tables hold. Raises Unavailable."""
        with _failures():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                row = await connection.fetchrow(SQL["read"], count, timeout=self._timeout_s)
        assert row is not None, "a row of its own is joined with that of the table"
        counts = None
        if row["missions"] is not None:
            counts = WorldCounts(row["players"], row["pushes"], msgspec.json.decode(row["missions"]))
        return StoredTotals(row["now_s"], row["version"], row["body"], counts)

    async def write(self, version: int | None, body: bytes) -> bool:
        """Write totals that were made from those of ``version``; False where somebody was faster. Raises
        Unavailable."""
        with _failures():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                done = await connection.execute(SQL["write"], version, body, timeout=self._timeout_s)
        return bool(done == "INSERT 0 1")


@contextmanager
def _failures() -> Iterator[None]:
    """Raise Unavailable whatever the database says: a full disk or a read-only replica must not end the metrics."""
    try:
        with database_outages():
            yield
    except asyncpg.PostgresError as failed:
        raise Unavailable("the database", str(failed)) from failed
