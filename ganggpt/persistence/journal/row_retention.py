"""When rows of the other tables go: memories no mind holds, months of memories, ended missions, and what waits for
game servers that never come back.

``npc_memories`` shows what minds hold, so the mind decides: a row goes only when its NPC's state does not hold the
memory. The numbers of an NPC's memories are never used twice, so what a state has forgotten stays forgotten, and a row
found stale once is stale for ever, whatever is flushed meanwhile. What a mind let go for want of room is in the tail
(it has ``terms``): no mind holds it, and it goes at its date.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from ganggpt.persistence.ask import ask, tell, touched
from ganggpt.persistence.journal.partitions import Connection, briefly, memory_part_named
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.retention import BATCH, FOLD_MAX, MemoryKey, Month
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("row_retention.sql"))
_FIRST: Final = UUID(int=0)
_LONG_AGO: Final = datetime(1, 1, 2, tzinfo=UTC)


class PostgresRowRetention:
    """Owns nothing but the pool it was given. Every method raises Unavailable."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def months(self) -> Sequence[Month]:
        """The parts of the memories, oldest first."""
        parts = [(memory_part_named(r["name"]), r["bytes"]) for r in await self._ask(SQL["months"])]
        return [Month(p.name, p.start, p.end, size) for p, size in parts]

    async def count(self, month: Month) -> int:
        """Rows of a month, counted up to one more than FOLD_MAX."""
        count: int = (await self._ask(SQL["count"].format(part=month.name), FOLD_MAX + 1))[0][0]
        return count

    async def expired(self, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories past their date, the longest expired first, after the one given."""
        start = (_LONG_AGO, _FIRST) if after is None else (after.expires_at, after.id)
        return await self._keys(SQL["expired"], *start, limit)

    async def of_month(self, month: Month, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories of a month by id, after the one given."""
        return await self._keys(SQL["of_month"].format(part=month.name), _FIRST if after is None else after.id, limit)

    async def delete(self, keys: Sequence[MemoryKey]) -> None:
        """Delete rows of memories no mind holds."""
        if keys:
            await self._tell(SQL["delete_memories"], [key.id for key in keys], [key.created_at for key in keys])

    async def fold(self, month: Month) -> bool:
        """Move what is left of a month into the default part and let its own part go, so that the number of parts does
        not grow with the years. The rows stay, and are found as before. False where it holds too many."""

        async def move(connection: Connection) -> bool:
            parts = [r["name"] for r in await connection.fetch(SQL["months"], timeout=self._timeout_s)]
            if month.name not in parts:
                return True
            counted = await connection.fetchval(
                SQL["count"].format(part=month.name), FOLD_MAX + 1, timeout=self._timeout_s
            )
            if counted > FOLD_MAX:
                return False
            detach = f"ALTER TABLE npc_memories DETACH PARTITION {month.name}"
            await connection.execute(detach, timeout=self._timeout_s)
            moved = f"INSERT INTO npc_memories_other SELECT * FROM {month.name}"  # noqa: S608 - a name of ours
            await connection.execute(moved, timeout=self._timeout_s)
            rename = f"ALTER TABLE {month.name} RENAME TO {month.name}_dropped"
            await connection.execute(rename, timeout=self._timeout_s)
            return True

        return await briefly(self._pool, move, self._timeout_s)

    async def forget_missions(self, days: int, *, dry_run: bool = False) -> int:
        """Forget missions that ended so long ago: their rows and their snapshots. Returns how many."""
        if dry_run:
            return len(await self._ask(SQL["ended_missions"], days, None))
        gone = 0
        while rows := await self._forget_some_missions(days):
            gone += rows
        return gone

    async def _forget_some_missions(self, days: int) -> int:
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                rows = await connection.fetch(SQL["ended_missions"], days, BATCH, timeout=self._timeout_s)
                await connection.execute(SQL["delete_snapshots"], [r["actor"] for r in rows], timeout=self._timeout_s)
                await connection.execute(SQL["delete_missions"], [r["id"] for r in rows], timeout=self._timeout_s)
                return len(rows)

    async def forget_servers(self, days: int, *, dry_run: bool = False) -> tuple[int, int]:
        """Forget game servers nobody saw for so long, and pushes nobody acked for so long; how many of each."""
        if dry_run:
            servers, pushes = (
                await self._ask(SQL["count_servers"], days),
                await self._ask(SQL["count_old_pushes"], days),
            )
            return servers[0][0], pushes[0][0]
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                names = [
                    r["name"] for r in await connection.fetch(SQL["delete_servers"], days, timeout=self._timeout_s)
                ]
                gone = touched(await connection.execute(SQL["delete_pushes_of"], names, timeout=self._timeout_s))
        while (old := await self._tell(SQL["delete_old_pushes"], days, BATCH)) == BATCH:
            gone += old
        return len(names), gone + old

    async def forget_hosts(self) -> int:
        """Forget incarnations that are dead for a day and left no shard behind; returns how many."""
        return await self._tell(SQL["delete_hosts"])

    async def forget_clusters(self, days: int) -> int:
        """Forget clusters nobody saw for so long, but never the one that should hold the world; returns how many."""
        return await self._tell(SQL["delete_clusters"], days)

    async def _keys(self, query: str, *arguments: Any) -> Sequence[MemoryKey]:
        return [
            MemoryKey(r["id"], r["npc_id"], _number(r["no"]), r["created_at"], r["expires_at"], r["tail"])
            for r in await self._ask(query, *arguments)
        ]

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, self._timeout_s, query, *arguments)

    async def _tell(self, statement: str, *arguments: Any) -> int:
        return await tell(self._pool, self._timeout_s, statement, *arguments)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
