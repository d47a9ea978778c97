"""How many hosts each cluster should run: the operator's wishes, and what its supervisor makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.clusters import HostShown, LoadShown, Wishes
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("scale.sql"))


class PostgresScale:
    """The size of one cluster in Postgres, both sides. Its row is there once its supervisor has begun."""

    def __init__(self, pool: asyncpg.Pool[Any], cluster: str = LOCAL, timeout_s: float = 10.0) -> None:
        self.cluster = cluster
        self._pool = pool
        self._timeout_s = timeout_s

    async def wishes(self) -> Wishes:
        """See ScaleTable."""
        with database_may_be_away():
            row = await self._pool.fetchrow(SQL["wanted"], self.cluster, timeout=self._timeout_s)
            return Wishes() if row is None else Wishes(*row.values())

    async def tell(self, now: int, load: Mapping[str, Any]) -> None:
        """See ScaleTable."""
        with database_may_be_away():
            text = msgspec.json.encode(load).decode()
            await self._pool.execute(SQL["report"], self.cluster, now, text, timeout=self._timeout_s)

    async def wish(self, least: int | None, most: int | None, fixed: int | None) -> None:
        """Set an operator's bounds and fixed number; None leaves it to the settings. Raises Unavailable."""
        with database_may_be_away():
            await self._pool.execute(SQL["set_limits"], self.cluster, least, most, fixed, timeout=self._timeout_s)

    async def hosts(self) -> Sequence[HostShown]:
        """The live hosts of this cluster, shared ones first. Raises Unavailable."""
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["hosts"], self.cluster, timeout=self._timeout_s)
            return [HostShown(*row.values()) for row in rows]

    async def load(self) -> LoadShown | None:
        """What the supervisor last told, or None where it has not yet. Raises Unavailable."""
        with database_may_be_away():
            row = await self._pool.fetchrow(SQL["load"], self.cluster, timeout=self._timeout_s)
            if row is None or row["load"] is None:
                return None
            return LoadShown(msgspec.json.decode(row["load"]), row["age_s"])
