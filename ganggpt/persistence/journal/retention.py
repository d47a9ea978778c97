"""When turns are deleted from the journal: a day is sealed once it is covered, and a sealed day is dropped when it is
old.

*Covered*: every actor with turns in the day has a snapshot at or after its last turn there, so no wake needs the day.
*Sealed*: covered, and a check on the part refuses any further turn, whatever date a host with a wrong clock assumes.
Snapshots never move back, so a sealed day stays covered for ever. Wakes skip every day before ``journal_seal.before``;
all of these are sealed.

*Held back*: an old sealed day is kept while it may still be needed. An unanswered message or reminder may have been
applied on any day since it was written, and only the journal can tell. The journal is also the only source of turns
that the user's tables do not show yet.

Why not ``DETACH … CONCURRENTLY``: Postgres refuses it for a table with a default part, and because of the default part
no command is ever refused when housekeeping is late. A plain detach that gives up after LOCK_MS (see ``briefly``) costs
writers some milliseconds once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.journal.partitions import TODAY, Connection, briefly, journal_part_named
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.retention import Day, OldestWaiting
from ganggpt.persistence.sql import load_sql

SWEEP_MAX: Final = 5000

SQL: Final = load_sql(Path(__file__).with_name("retention.sql"))
OLDEST_MESSAGE: Final = SQL["oldest_waiting"].format(table="outbox", time="at")
OLDEST_REMINDER: Final = SQL["oldest_waiting"].format(table="reminders", time="due")


class PostgresJournalRetention:
    """Uses the pool it is given and never closes it. Every method raises Unavailable during an outage of the database,
    or where a long query blocks a change of parts."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def today(self) -> date:
        """The current day, UTC, by the database's clock."""
        today: date = (await self._ask(TODAY))[0][0]
        return today

    async def now_s(self) -> float:
        """Unix time by the database's clock."""
        now_s: float = (await self._ask("SELECT extract(epoch FROM clock_timestamp())::float8"))[0][0]
        return now_s

    async def days(self) -> Sequence[Day]:
        """The parts of the journal, oldest first."""
        parts = [(journal_part_named(r["name"]), r) for r in await self._ask(SQL["days"])]
        return [Day(p.name, p.start, p.end, r["bytes"], r["turns"], r["sealed"]) for p, r in parts]

    async def waiting(self) -> OldestWaiting:
        """What may still need turns."""
        with database_outages():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return await self._waiting(connection)

    async def uncovered(self, day: Day, after: str, limit: int) -> Sequence[str]:
        """The first actors after ``after`` whose turns in a day are newer than their snapshot."""
        return [r["actor"] for r in await self._ask(SQL["uncovered"].format(part=day.name), after, limit)]

    async def uncovered_other(self, before: date, after: str, limit: int) -> Sequence[str]:
        """The same for the turns of days before ``before`` that lie in the default part."""
        return [r["actor"] for r in await self._ask(SQL["uncovered_other"], after, limit, before)]

    async def save_replayed(self, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Store ``(actor, seq, body)`` made by replaying committed turns through seq. Only a newer row replaces an
        older one.

        This needs no fence: committed turns never change, so every replay of an actor's turns through a seq makes the
        same state, whether a host does it or not. A host that owns the actor can only be ahead of it, and an actor
        wakes to the same state from any of its snapshots.
        """
        if not rows:
            return
        actors, seqs, bodies = zip(*rows, strict=True)
        await tell(self._pool, self._timeout_s, SQL["save_replayed"], actors, seqs, bodies, schema)

    async def seal(self, day: Day) -> bool:
        """Seal a day unless it is not covered; returns whether it is sealed now."""

        async def close(connection: Connection) -> bool:
            known = {r["name"]: r["sealed"] for r in await connection.fetch(SQL["days"], timeout=self._timeout_s)}
            if known.get(day.name, True):
                return True
            # From here on nobody adds a turn, so that what is covered now is covered for good.
            await connection.execute(f"LOCK TABLE {day.name} IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
            if await connection.fetch(SQL["uncovered"].format(part=day.name), "", 1, timeout=self._timeout_s):
                return False
            await connection.execute(SQL["seal_part"].format(part=day.name), timeout=self._timeout_s)
            return True

        return await briefly(self._pool, close, self._timeout_s)

    async def raise_seal(self, before: date) -> date:
        """Let wakes skip every day before ``before``, or before the first one that is not sealed; returns the day
        before which they skip now. Nothing changes while turns of such days in the default part are not covered."""

        async def close(connection: Connection) -> date:
            days = await connection.fetch(SQL["days"], timeout=self._timeout_s)
            until = min([before, *(journal_part_named(r["name"]).start for r in days if not r["sealed"])])
            sealed: date = await connection.fetchval(SQL["sealed_before"], timeout=self._timeout_s)
            if until <= sealed:
                return sealed
            await connection.execute("LOCK TABLE journal_other IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
            if await connection.fetch(SQL["uncovered_other"], "", 1, until, timeout=self._timeout_s):
                return sealed
            await connection.execute(SQL["seal_other"].format(before=until), timeout=self._timeout_s)
            await connection.execute(SQL["raise_seal"], until, timeout=self._timeout_s)
            return until

        return await briefly(self._pool, close, self._timeout_s)

    async def drop(self, day: Day) -> str | None:
        """Drop a day; returns why it cannot be dropped, or None where it is gone."""

        async def detach(connection: Connection) -> str | None:
            known = {r["name"]: r["sealed"] for r in await connection.fetch(SQL["days"], timeout=self._timeout_s)}
            if day.name not in known:
                return None
            if not known[day.name]:
                return "it is not sealed"
            if uncovered := await connection.fetch(
                SQL["uncovered"].format(part=day.name), "", 1, timeout=self._timeout_s
            ):
                return f"the snapshot of {uncovered[0]['actor']} is older than its turns"
            if held := (await self._waiting(connection)).held_by(day.end):
                return held
            await connection.execute(f"ALTER TABLE journal DETACH PARTITION {day.name}", timeout=self._timeout_s)
            await connection.execute(f"ALTER TABLE {day.name} RENAME TO {day.name}_dropped", timeout=self._timeout_s)
            return None

        return await briefly(self._pool, detach, self._timeout_s)

    async def drop_leftovers(self) -> None:
        """Delete the files of detached parts, also of those that a crash left behind."""
        for name in [r["relname"] for r in await self._ask(SQL["leftovers"])]:

            async def remove(connection: Connection, name: str = name) -> None:
                await connection.execute(f"DROP TABLE IF EXISTS {name}", timeout=self._timeout_s)

            await briefly(self._pool, remove, self._timeout_s)

    async def other_before(self, before: date) -> int:
        """The number of turns of days before ``before`` in the default part."""
        count: int = (await self._ask(SQL["other_before"], before))[0][0]
        return count

    async def sweep_other(self, before: date) -> int:
        """Delete sealed turns of days before ``before`` from the default part; returns how many."""
        if (await self.waiting()).held_by(before) or (await self._ask(SQL["sealed_before"]))[0][0] < before:
            return 0
        swept = 0
        while (count := await tell(self._pool, self._timeout_s, SQL["sweep_other"], before, SWEEP_MAX)) == SWEEP_MAX:
            swept += count
        return swept + count

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, self._timeout_s, query, *arguments)

    async def _waiting(self, connection: Connection) -> OldestWaiting:
        return OldestWaiting(
            await connection.fetchval(OLDEST_MESSAGE, timeout=self._timeout_s),
            await connection.fetchval(OLDEST_REMINDER, timeout=self._timeout_s),
            await connection.fetchval(SQL["flushed"], timeout=self._timeout_s),
        )
