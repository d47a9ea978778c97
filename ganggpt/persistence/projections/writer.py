"""Writes the states of actors into the user's tables: coalesced, fenced and idempotent.

Every transaction first locks the host's own row ``FOR SHARE``, as a commit of the journal does: a fenced host writes
nothing any more, and its successor only starts when a write in flight is done.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from cachetools import LRUCache

from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.projections import Change
from ganggpt.persistence.projections.rows import Rows
from ganggpt.persistence.sql import load_sql

_log = logging.getLogger(__name__)


ROWS_MAX: Final = 2000
"""The most rows of one transaction. More are divided, so that none holds locks for long."""
_TRIES_MAX: Final = 5
_KNOWN_MAX: Final = 50_000

SQL: Final = load_sql(Path(__file__).with_name("writer.sql"))


class PostgresFlush:
    """Write-behind into Postgres. Uses the pool it is given and never closes it.

    ``skipped`` counts actors whose rows the tables refuse; each is logged, and the others are still written.
    """

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._known: LRUCache[UUID, None] = LRUCache(_KNOWN_MAX)
        self.skipped = 0

    async def flush(
        self, epoch: int, changes: Sequence[Change], through_s: float | None, held: Collection[str] = ()
    ) -> int:
        """See FlushStore."""
        written = 0
        with database_outages():
            for part, rows in _parts(changes):
                written += await self._write_part(epoch, part, rows)
            if through_s is not None:
                await self._mark(epoch, through_s, held)
        return written

    async def _mark(self, epoch: int, through_s: float, held: Collection[str]) -> None:
        async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
            if await connection.fetchval(SQL["lock_own_row"], epoch, timeout=self._timeout_s) is None:
                raise Fenced(str(epoch), epoch)
            await connection.execute(SQL["mark_flushed"], epoch, through_s, list(held), timeout=self._timeout_s)

    async def _write_part(self, epoch: int, part: Sequence[Change], rows: Rows) -> int:
        try:
            return await self._write(epoch, rows)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as refused:
            self._known.clear()
            if len(part) == 1:
                self.skipped += 1
                _log.error("the tables refuse the rows of %s: %s", part[0][0], refused)
                return 0
        # The tables refuse one of them: find it, so that the others are written.
        half = len(part) // 2
        halves = (part[:half], part[half:])
        return sum([await self._write_part(epoch, each, _rows_of(each)) for each in halves])

    async def _write(self, epoch: int, rows: Rows) -> int:
        """Write players, then everything else in one transaction. Tried again after a conflict with another host: a
        deadlock, or a name that both wanted."""
        tries = 0
        while True:
            tries += 1
            try:
                await self._write_players(epoch, rows)
                async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                    if await connection.fetchval(SQL["lock_live_host"], epoch, timeout=self._timeout_s) is None:
                        raise Fenced(str(epoch), epoch)
                    for statement, columns in _statements(rows):
                        await connection.execute(statement, *columns, timeout=self._timeout_s)
            except asyncpg.DeadlockDetectedError as met:
                if tries == _TRIES_MAX:
                    raise Unavailable("the database") from met
            except asyncpg.UniqueViolationError:
                if tries == _TRIES_MAX:
                    raise
            else:
                return len(rows)

    async def _write_players(self, epoch: int, rows: Rows) -> None:
        new = sorted((known, actor) for known, actor in rows.placeholders.items() if known not in self._known)
        if new:
            await self._pool.execute(SQL["placeholders"], epoch, *zip(*new, strict=True), timeout=self._timeout_s)
        if rows.players:
            # A transaction although it is one statement: if it arrives after its caller gave up and flushed again,
            # nobody commits it, and the newer rows remain.
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute(SQL["players"], epoch, *columns_of(rows.players), timeout=self._timeout_s)
        self._known.update(dict.fromkeys([*rows.placeholders, *rows.players]))


def _parts(changes: Sequence[Change]) -> Iterator[tuple[Sequence[Change], Rows]]:
    """Changes in parts of about ROWS_MAX rows, with these rows."""
    start, rows = 0, Rows()
    for end, (actor, old, new) in enumerate(changes, 1):
        rows.add(actor, old, new)
        if len(rows) >= ROWS_MAX:
            yield changes[start:end], rows
            start, rows = end, Rows()
    if len(rows) or rows.renewed:
        yield changes[start:], rows


def _rows_of(changes: Iterable[Change]) -> Rows:
    rows = Rows()
    for actor, old, new in changes:
        rows.add(actor, old, new)
    return rows


def _statements(rows: Rows) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """The statements for all rows but players, each in the order of its keys, so that all hosts lock in one order."""
    if rows.renewed:
        yield SQL["delete_surplus_memories"], (sorted(rows.renewed), list(rows.memories))
    if rows.forgotten:
        yield SQL["delete_memories"], list(zip(*sorted(rows.forgotten.items()), strict=True))
    tables: Sequence[tuple[str, dict[Any, Any]]] = (
        (SQL["npcs"], rows.npcs),
        (SQL["memories"], rows.memories),
        (SQL["relations"], rows.relations),
        (SQL["factions"], rows.factions),
        (SQL["missions"], rows.missions),
        (SQL["companions"], rows.companions),
    )
    for statement, table in tables:
        if table:
            yield statement, columns_of(table)


def columns_of(table: dict[Any, Any]) -> list[tuple[Any, ...]]:
    """The rows of a table as the columns of its statement, in the order of their keys."""
    return list(zip(*(table[key] for key in sorted(table)), strict=True))
