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
from typing import Any, Final
from uuid import UUID

import asyncpg

from ganggpt.persistence.ask import ask, tell, touched
from ganggpt.persistence.journal.partitions import Connection, briefly, memory_part_named
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.retention import BATCH, FOLD_MAX, MemoryKey, Month

_MONTHS: Final = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'npc_memories'::regclass AND c.relname ~ '^npc_memories_[0-9]{6}$' ORDER BY c.relname
"""
_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM {part} LIMIT $1) few"
EXPIRED: Final = """
SELECT id, npc_id, content ->> 'no' AS no, created_at, expires_at, terms IS NOT NULL AS tail FROM npc_memories
WHERE expires_at < clock_timestamp() AND (expires_at, id) > ($1::timestamptz, $2::uuid)
ORDER BY expires_at, id LIMIT $3
"""
OF_MONTH: Final = """
SELECT id, npc_id, content ->> 'no' AS no, created_at, expires_at, terms IS NOT NULL AS tail FROM {part}
WHERE id > $1::uuid ORDER BY id LIMIT $2
"""
DELETE_MEMORIES: Final = """
DELETE FROM npc_memories m USING unnest($1::uuid[], $2::timestamptz[]) AS d (id, created_at)
WHERE m.id = d.id AND m.created_at = d.created_at
"""
# An ended mission takes no further turn (its rules refuse everything), so nobody can be about to write it. It goes once
# the journal has nothing of it any more and nothing of it is under way; one look by index for each table and mission.
ENDED_MISSIONS: Final = """
SELECT m.id, m.actor FROM missions m
WHERE m.status IN ('completed', 'failed', 'expired') AND m.actor IS NOT NULL
  AND m.created_at < clock_timestamp() - make_interval(days => $1)
  AND m.updated_at < clock_timestamp() - make_interval(days => $1)
  AND (SELECT j.seq FROM journal j WHERE j.actor = m.actor LIMIT 1) IS NULL
  AND (SELECT o.seq FROM outbox o WHERE o.sender = m.actor LIMIT 1) IS NULL
  AND (SELECT r.name FROM reminders r WHERE r.actor = m.actor LIMIT 1) IS NULL
LIMIT $2
"""
_FORGET_SNAPSHOTS: Final = "DELETE FROM snapshots WHERE actor = ANY($1::text[])"
_FORGET_MISSIONS: Final = "DELETE FROM missions WHERE id = ANY($1::uuid[])"
# Numbers follow time closely enough: the oldest by number are looked at, and go where they are old by the clock.
OLD_PUSHES: Final = """
DELETE FROM pushes WHERE no = ANY(ARRAY(
  SELECT no FROM (SELECT no, at FROM pushes ORDER BY no LIMIT $2) oldest
  WHERE at < clock_timestamp() - make_interval(days => $1)))
"""
_COUNT_OLD_PUSHES: Final = "SELECT count(*) FROM pushes WHERE at < clock_timestamp() - make_interval(days => $1)"
_SERVERS_GONE: Final = """
DELETE FROM game_servers WHERE seen_at < clock_timestamp() - make_interval(days => $1) RETURNING name
"""
PUSHES_OF: Final = "DELETE FROM pushes WHERE server = ANY($1::text[])"
_COUNT_SERVERS: Final = (
    "SELECT count(*) FROM game_servers WHERE seen_at < clock_timestamp() - make_interval(days => $1)"
)
_HOSTS_GONE: Final = """
DELETE FROM hosts WHERE state = 'dead' AND seen_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = hosts.epoch)
"""
_CLUSTERS_GONE: Final = """
DELETE FROM clusters WHERE seen_at < clock_timestamp() - make_interval(days => $1)
  AND name IS DISTINCT FROM (SELECT owner FROM world)
  AND NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.cluster = clusters.name AND hosts.state <> 'dead')
"""
_FIRST: Final = UUID(int=0)
_LONG_AGO: Final = datetime(1, 1, 2, tzinfo=UTC)


class PostgresRowRetention:
    """Owns nothing but the pool it was given. Every method raises Unavailable."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def months(self) -> Sequence[Month]:
        """The parts of the memories, oldest first."""
        parts = [(memory_part_named(r["name"]), r["bytes"]) for r in await self._ask(_MONTHS)]
        return [Month(p.name, p.start, p.end, size) for p, size in parts]

    async def count(self, month: Month) -> int:
        """Rows of a month, counted up to one more than FOLD_MAX."""
        count: int = (await self._ask(_COUNT.format(part=month.name), FOLD_MAX + 1))[0][0]
        return count

    async def expired(self, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories past their date, the longest expired first, after the one given."""
        start = (_LONG_AGO, _FIRST) if after is None else (after.expires_at, after.id)
        return await self._keys(EXPIRED, *start, limit)

    async def of_month(self, month: Month, after: MemoryKey | None, limit: int) -> Sequence[MemoryKey]:
        """Memories of a month by id, after the one given."""
        return await self._keys(OF_MONTH.format(part=month.name), _FIRST if after is None else after.id, limit)

    async def delete(self, keys: Sequence[MemoryKey]) -> None:
        """Delete rows of memories no mind holds."""
        if keys:
            await self._tell(DELETE_MEMORIES, [key.id for key in keys], [key.created_at for key in keys])

    async def fold(self, month: Month) -> bool:
        """Move what is left of a month into the default part and let its own part go, so that the number of parts does
        not grow with the years. The rows stay, and are found as before. False where it holds too many."""

        async def move(connection: Connection) -> bool:
            parts = [r["name"] for r in await connection.fetch(_MONTHS, timeout=self._timeout_s)]
            if month.name not in parts:
                return True
            counted = await connection.fetchval(_COUNT.format(part=month.name), FOLD_MAX + 1, timeout=self._timeout_s)
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
            return len(await self._ask(ENDED_MISSIONS, days, None))
        gone = 0
        while rows := await self._forget_some_missions(days):
            gone += rows
        return gone

    async def _forget_some_missions(self, days: int) -> int:
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                rows = await connection.fetch(ENDED_MISSIONS, days, BATCH, timeout=self._timeout_s)
                await connection.execute(_FORGET_SNAPSHOTS, [r["actor"] for r in rows], timeout=self._timeout_s)
                await connection.execute(_FORGET_MISSIONS, [r["id"] for r in rows], timeout=self._timeout_s)
                return len(rows)

    async def forget_servers(self, days: int, *, dry_run: bool = False) -> tuple[int, int]:
        """Forget game servers nobody saw for so long, and pushes nobody acked for so long; how many of each."""
        if dry_run:
            servers, pushes = await self._ask(_COUNT_SERVERS, days), await self._ask(_COUNT_OLD_PUSHES, days)
            return servers[0][0], pushes[0][0]
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                names = [r["name"] for r in await connection.fetch(_SERVERS_GONE, days, timeout=self._timeout_s)]
                gone = touched(await connection.execute(PUSHES_OF, names, timeout=self._timeout_s))
        while (old := await self._tell(OLD_PUSHES, days, BATCH)) == BATCH:
            gone += old
        return len(names), gone + old

    async def forget_hosts(self) -> int:
        """Forget incarnations that are dead for a day and left no shard behind; returns how many."""
        return await self._tell(_HOSTS_GONE)

    async def forget_clusters(self, days: int) -> int:
        """Forget clusters nobody saw for so long, but never the one that should hold the world; returns how many."""
        return await self._tell(_CLUSTERS_GONE, days)

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
