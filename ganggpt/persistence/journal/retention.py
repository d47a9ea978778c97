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
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.journal.partitions import TODAY, Connection, briefly, journal_part_named
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.retention import Day, Waiting
from ganggpt.persistence.sql import load_sql

SWEEP_MAX: Final = 5000

SQL: Final = load_sql(Path(__file__).with_name("retention.sql"))
OLDEST_LETTER: Final = SQL["oldest_waiting"].format(table="outbox", time="at")
OLDEST_REMINDER: Final = SQL["oldest_waiting"].format(table="reminders", time="due")


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
        parts = [(journal_part_named(r["name"]), r) for r in await self._ask(SQL["days"])]
        return [Day(p.name, p.start, p.end, r["bytes"], r["turns"], r["sealed"]) for p, r in parts]

    async def waiting(self) -> Waiting:
        """What may still ask for turns."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return await self._waiting(connection)

    async def uncovered(self, day: Day, after: str, limit: int) -> Sequence[str]:
        """The first actors after ``after`` whose turns in a day are newer than their snapshot."""
        return [r["actor"] for r in await self._ask(SQL["uncovered"].format(part=day.name), after, limit)]

    async def uncovered_other(self, before: date, after: str, limit: int) -> Sequence[str]:
        """The same for the turns of days before ``before`` that lie in the default part."""
        return [r["actor"] for r in await self._ask(SQL["uncovered_other"], after, limit, before)]

    async def save_replayed(self, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Store ``(actor, seq, body)`` made by replaying committed turns through seq; only a newer one replaces one.

        Not fenced, and it need not be: committed turns never change, so whoever replays an actor's turns through a seq
        gets that state, host or not, fenced or not. A host that owns the actor can be ahead of it, never beside it;
        and an actor wakes the same from any of its snapshots.
        """
        if not rows:
            return
        actors, seqs, bodies = zip(*rows, strict=True)
        await tell(self._pool, self._timeout_s, SQL["save_replayed"], actors, seqs, bodies, schema)

    async def seal(self, day: Day) -> bool:
        """Seal a day, unless an actor's turns in it are not covered; whether it is sealed now."""

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
        """Tell wakes to skip every day before ``before``, or before the first one that is not sealed; what they skip
        now is returned. Nothing changes while turns of such days in the default part are not covered."""

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
        """Drop a day; returns what holds it back, or None where it is gone."""

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
        """Remove the files of what was detached, now that nobody is in the way; also what a crash left behind."""
        for name in [r["relname"] for r in await self._ask(SQL["leftovers"])]:

            async def remove(connection: Connection, name: str = name) -> None:
                await connection.execute(f"DROP TABLE IF EXISTS {name}", timeout=self._timeout_s)

            await briefly(self._pool, remove, self._timeout_s)

    async def other_before(self, before: date) -> int:
        """Turns of days before ``before`` in the default part."""
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

    async def _waiting(self, connection: Connection) -> Waiting:
        return Waiting(
            await connection.fetchval(OLDEST_LETTER, timeout=self._timeout_s),
            await connection.fetchval(OLDEST_REMINDER, timeout=self._timeout_s),
            await connection.fetchval(SQL["flushed"], timeout=self._timeout_s),
        )
