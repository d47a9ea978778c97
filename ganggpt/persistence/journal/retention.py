"""When turns leave the journal: a day is sealed once it is covered, and a sealed day is dropped when it is old.

*Covered*: every actor with turns in the day has a snapshot at or after its last turn there, so no wake needs the day.
*Sealed*: covered, and a check on the part refuses any further turn, whatever a host with a wrong clock believes the
date to be. Snapshots never move back, so what is sealed stays covered for ever. Wakes skip every day before
``journal_seal.before``; all of them are sealed.

*Held back*: a sealed day that is old still stays while somebody may ask for it. A letter or reminder that is not
answered yet may have been applied in any day since it was written, and the journal alone can tell; turns the user's
tables do not show yet are found in the journal too.

Why not ``DETACH … CONCURRENTLY``: Postgres refuses it for a table with a default part, and the default part is what
keeps a late housekeeping from ever refusing a command. A plain detach that gives up after LOCK_MS (see ``briefly``)
costs writers some milliseconds once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import asyncpg

from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.journal.partitions import TODAY, Connection, briefly, journal_part_named
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.retention import Day, Waiting

SWEEP_MAX: Final = 5000

DAYS: Final = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes, c.reltuples::bigint AS turns,
  EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = c.relname || '_sealed') AS sealed
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'journal'::regclass AND c.relname ~ '^journal_[0-9]{8}$' ORDER BY c.relname
"""
# Jumps from actor to actor by the primary key: it costs by the actors of the day, not by its turns.
UNCOVERED: Final = """
WITH RECURSIVE seen AS (
  (SELECT actor FROM {part} WHERE actor > $1 ORDER BY actor LIMIT 1)
  UNION ALL
  SELECT n.actor FROM seen
    CROSS JOIN LATERAL (SELECT p.actor FROM {part} p WHERE p.actor > seen.actor ORDER BY p.actor LIMIT 1) n
)
SELECT seen.actor FROM seen
WHERE coalesce((SELECT s.seq FROM snapshots s WHERE s.actor = seen.actor), 0)
  < (SELECT p.seq FROM {part} p WHERE p.actor = seen.actor ORDER BY p.seq DESC LIMIT 1)
LIMIT $2
"""
_UNCOVERED_OTHER: Final = """
SELECT o.actor
FROM (SELECT actor, max(seq) AS seq FROM journal_other WHERE day < $3 AND actor > $1 GROUP BY actor) o
WHERE NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.actor = o.actor AND s.seq >= o.seq)
ORDER BY o.actor LIMIT $2
"""
REPLAYED: Final = """
INSERT INTO snapshots (actor, seq, at, schema, body)
SELECT s.actor, s.seq, clock_timestamp(), $4, s.body
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS s (actor, seq, body) ORDER BY s.actor
ON CONFLICT (actor) DO UPDATE SET seq = excluded.seq, at = excluded.at, schema = excluded.schema, body = excluded.body
  WHERE excluded.seq > snapshots.seq
"""
_OLDEST_WAITING: Final = """
WITH RECURSIVE oldest AS (
  (SELECT shard, {time} AS at FROM {table} ORDER BY shard, {time} LIMIT 1)
  UNION ALL
  SELECT n.shard, n.at FROM oldest
    CROSS JOIN LATERAL (
      SELECT t.shard, t.{time} AS at FROM {table} t WHERE t.shard > oldest.shard ORDER BY t.shard, t.{time} LIMIT 1) n
)
SELECT min(at) FROM oldest
"""
OLDEST_LETTER: Final = _OLDEST_WAITING.format(table="outbox", time="at")
OLDEST_REMINDER: Final = _OLDEST_WAITING.format(table="reminders", time="due")
FLUSHED: Final = """
SELECT min(flushed_at) FROM hosts h
WHERE h.state <> 'dead' OR EXISTS (SELECT 1 FROM shards WHERE shards.epoch = h.epoch)
"""
_SEALED_BEFORE: Final = "SELECT before FROM journal_seal"
_SEAL_PART: Final = "ALTER TABLE {part} ADD CONSTRAINT {part}_sealed CHECK (false) NOT VALID"
_SEAL_OTHER: Final = """
ALTER TABLE journal_other DROP CONSTRAINT IF EXISTS journal_other_sealed,
  ADD CONSTRAINT journal_other_sealed CHECK (day >= '{before}') NOT VALID
"""
_RAISE_SEAL: Final = "UPDATE journal_seal SET before = $1 WHERE before < $1"
_SWEEP_OTHER: Final = """
DELETE FROM journal_other WHERE ctid = ANY(ARRAY(SELECT ctid FROM journal_other WHERE day < $1 LIMIT $2))
"""
_OTHER_BEFORE: Final = "SELECT count(*) FROM journal_other WHERE day < $1"
_LEFTOVERS: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relname ~ '^(journal_[0-9]{8}|npc_memories_[0-9]{6})_dropped$' AND c.relkind = 'r' AND NOT c.relispartition
  AND pg_table_is_visible(c.oid) ORDER BY c.relname
"""


class PostgresJournalRetention:
    """Owns nothing but the pool it was given. Every method raises Unavailable where the database is away, or where a
    long query kept a change of parts from happening."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def today(self) -> date:
        """The day it is, UTC, by the database's clock."""
        today: date = (await self._ask(TODAY))[0][0]
        return today

    async def now_s(self) -> float:
        """Unix time by the database's clock."""
        now_s: float = (await self._ask("SELECT extract(epoch FROM clock_timestamp())::float8"))[0][0]
        return now_s

    async def days(self) -> Sequence[Day]:
        """The parts of the journal, oldest first."""
        parts = [(journal_part_named(r["name"]), r) for r in await self._ask(DAYS)]
        return [Day(p.name, p.start, p.end, r["bytes"], r["turns"], r["sealed"]) for p, r in parts]

    async def waiting(self) -> Waiting:
        """What may still ask for turns."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return await self._waiting(connection)

    async def uncovered(self, day: Day, after: str, limit: int) -> Sequence[str]:
        """The first actors after ``after`` whose turns in a day are newer than their snapshot."""
        return [r["actor"] for r in await self._ask(UNCOVERED.format(part=day.name), after, limit)]

    async def uncovered_other(self, before: date, after: str, limit: int) -> Sequence[str]:
        """The same for the turns of days before ``before`` that lie in the default part."""
        return [r["actor"] for r in await self._ask(_UNCOVERED_OTHER, after, limit, before)]

    async def save_replayed(self, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Store ``(actor, seq, body)`` made by replaying committed turns through seq; only a newer one replaces one.

        Not fenced, and it need not be: committed turns never change, so whoever replays an actor's turns through a seq
        gets that state, host or not, fenced or not. A host that owns the actor can be ahead of it, never beside it;
        and an actor wakes the same from any of its snapshots.
        """
        if not rows:
            return
        actors, seqs, bodies = zip(*rows, strict=True)
        await tell(self._pool, self._timeout_s, REPLAYED, actors, seqs, bodies, schema)

    async def seal(self, day: Day) -> bool:
        """Seal a day, unless an actor's turns in it are not covered; whether it is sealed now."""

        async def close(connection: Connection) -> bool:
            known = {r["name"]: r["sealed"] for r in await connection.fetch(DAYS, timeout=self._timeout_s)}
            if known.get(day.name, True):
                return True
            # From here on nobody adds a turn, so that what is covered now is covered for good.
            await connection.execute(f"LOCK TABLE {day.name} IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
            if await connection.fetch(UNCOVERED.format(part=day.name), "", 1, timeout=self._timeout_s):
                return False
            await connection.execute(_SEAL_PART.format(part=day.name), timeout=self._timeout_s)
            return True

        return await briefly(self._pool, close, self._timeout_s)

    async def raise_seal(self, before: date) -> date:
        """Tell wakes to skip every day before ``before``, or before the first one that is not sealed; what they skip
        now is returned. Nothing changes while turns of such days in the default part are not covered."""

        async def close(connection: Connection) -> date:
            days = await connection.fetch(DAYS, timeout=self._timeout_s)
            until = min([before, *(journal_part_named(r["name"]).start for r in days if not r["sealed"])])
            sealed: date = await connection.fetchval(_SEALED_BEFORE, timeout=self._timeout_s)
            if until <= sealed:
                return sealed
            await connection.execute("LOCK TABLE journal_other IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
            if await connection.fetch(_UNCOVERED_OTHER, "", 1, until, timeout=self._timeout_s):
                return sealed
            await connection.execute(_SEAL_OTHER.format(before=until), timeout=self._timeout_s)
            await connection.execute(_RAISE_SEAL, until, timeout=self._timeout_s)
            return until

        return await briefly(self._pool, close, self._timeout_s)

    async def drop(self, day: Day) -> str | None:
        """Drop a day; returns what holds it back, or None where it is gone."""

        async def detach(connection: Connection) -> str | None:
            known = {r["name"]: r["sealed"] for r in await connection.fetch(DAYS, timeout=self._timeout_s)}
            if day.name not in known:
                return None
            if not known[day.name]:
                return "it is not sealed"
            if uncovered := await connection.fetch(UNCOVERED.format(part=day.name), "", 1, timeout=self._timeout_s):
                return f"the snapshot of {uncovered[0]['actor']} is older than its turns"
            if held := (await self._waiting(connection)).held_by(day.end):
                return held
            await connection.execute(f"ALTER TABLE journal DETACH PARTITION {day.name}", timeout=self._timeout_s)
            await connection.execute(f"ALTER TABLE {day.name} RENAME TO {day.name}_dropped", timeout=self._timeout_s)
            return None

        return await briefly(self._pool, detach, self._timeout_s)

    async def drop_leftovers(self) -> None:
        """Remove the files of what was detached, now that nobody is in the way; also what a crash left behind."""
        for name in [r["relname"] for r in await self._ask(_LEFTOVERS)]:

            async def remove(connection: Connection, name: str = name) -> None:
                await connection.execute(f"DROP TABLE IF EXISTS {name}", timeout=self._timeout_s)

            await briefly(self._pool, remove, self._timeout_s)

    async def other_before(self, before: date) -> int:
        """Turns of days before ``before`` in the default part."""
        count: int = (await self._ask(_OTHER_BEFORE, before))[0][0]
        return count

    async def sweep_other(self, before: date) -> int:
        """Delete sealed turns of days before ``before`` from the default part; returns how many."""
        if (await self.waiting()).held_by(before) or (await self._ask(_SEALED_BEFORE))[0][0] < before:
            return 0
        swept = 0
        while (count := await tell(self._pool, self._timeout_s, _SWEEP_OTHER, before, SWEEP_MAX)) == SWEEP_MAX:
            swept += count
        return swept + count

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, self._timeout_s, query, *arguments)

    async def _waiting(self, connection: Connection) -> Waiting:
        return Waiting(
            await connection.fetchval(OLDEST_LETTER, timeout=self._timeout_s),
            await connection.fetchval(OLDEST_REMINDER, timeout=self._timeout_s),
            await connection.fetchval(FLUSHED, timeout=self._timeout_s),
        )
