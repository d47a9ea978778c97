"""Turns of single actors as the journal has them, for whoever explains one or listens to what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.persistence.audit import turns_upto
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.journal import Place
from ganggpt.persistence.sql import load_sql

AFTER_MAX: Final = 64
"""Turns of one place that come at once."""
SQL: Final = load_sql(Path(__file__).with_name("reader.sql"))


class PostgresTurns:
    """Reads turns. Owns nothing: the pool belongs to whoever gave it. Every method raises Unavailable."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 10.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def after(self, places: Sequence[Place]) -> list[list[tuple[int, bytes]]]:
        """For each place number and body of the next turns, at most AFTER_MAX, all in one statement."""
        actors, seqs = [place.actor for place in places], [place.seq for place in places]
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["after"], actors, seqs, AFTER_MAX, timeout=self._timeout_s)
        found: list[list[tuple[int, bytes]]] = [[] for _ in places]
        for row in rows:
            found[row["place"] - 1].append((row["seq"], row["body"]))
        return found

    async def since(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Number and body of turn ``seq`` and those after it, of all days that are kept."""
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["since"], actor, seq, limit, timeout=self._timeout_s)
        return [(row["seq"], row["body"]) for row in rows]

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Number and body of the last ``limit`` turns up to ``seq``, of all days that are kept."""
        return await turns_upto(self._pool, actor, seq, limit)

    async def causes(self, actor: str, seqs: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Who sent the commands of some turns, and their names."""
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["causes"], actor, seqs, timeout=self._timeout_s)
        return {row["seq"]: (row["by"], row["name"]) for row in rows}

    async def is_rewritten(self, actor: str, since: int) -> bool:
        """Whether turns before some turn after ``since`` were rewritten without a player."""
        with database_may_be_away():
            return bool(await self._pool.fetchval(SQL["is_rewritten"], actor, since, timeout=self._timeout_s))

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        """The number of the turn after which an actor was last packed up, and what was packed."""
        with database_may_be_away():
            row = await self._pool.fetchrow(SQL["snapshot"], actor, timeout=self._timeout_s)
        return None if row is None else (row["seq"], row["body"])
