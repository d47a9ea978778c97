"""The Ray clusters that share one world, in Postgres.

One row of ``clusters`` a cluster, and one value in ``world.owner``. The database's clock decides what is stale.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.errors import UnknownCluster
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.clusters import ClusterRow, ClusterStanding
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("clusters.sql"))


class PostgresClusters:
    """The clusters of a world, seen from one of them. Uses the pool it is given and never closes it."""

    def __init__(self, pool: asyncpg.Pool[Any], cluster: str, timeout_s: float = 10.0) -> None:
        self.cluster = cluster
        self._pool = pool
        self._timeout_s = timeout_s

    async def enter(self, bridge: str | None) -> bool:
        """Register this cluster and the address of its bridge; returns whether it is new."""
        with database_outages():
            key = secrets.token_hex(32)
            fresh: bool = await self._pool.fetchval(SQL["enter"], self.cluster, bridge, key, timeout=self._timeout_s)
            return fresh

    async def beat(self) -> None:
        """Record a heartbeat of this cluster's supervisor."""
        with database_outages():
            await self._pool.execute(SQL["beat"], self.cluster, timeout=self._timeout_s)

    async def standing(self) -> ClusterStanding:
        """Which cluster should hold the world."""
        with database_outages():
            row = await self._pool.fetchrow(SQL["standing"], timeout=self._timeout_s)
            return ClusterStanding(None, 0.0, None, False) if row is None else ClusterStanding(*row.values())

    async def claim(self, cluster: str | None = None) -> bool:
        """Make a cluster (this one, unless named) the owner; returns whether that changed anything. Raises
        UnknownCluster."""
        name = cluster or self.cluster
        with database_outages():
            if await self._pool.fetchval(SQL["claim"], name, timeout=self._timeout_s) is not None:
                return True
            known = [row.name for row in await self.known()]
        if name not in known:
            raise UnknownCluster(name, tuple(known))
        return False

    async def leave(self) -> None:
        """Give up ownership, because this cluster is stopped in order: any other one may take its shards."""
        with database_outages():
            await self._pool.execute(SQL["leave"], self.cluster, timeout=self._timeout_s)

    async def known(self) -> list[ClusterRow]:
        """All clusters that ever shared this world."""
        with database_outages():
            return [ClusterRow(*r.values()) for r in await self._pool.fetch(SQL["known"], timeout=self._timeout_s)]

    async def key_of(self, cluster: str) -> str | None:
        """The key with which other clusters' bridges prove that they can read this world's database."""
        with database_outages():
            key: str | None = await self._pool.fetchval(SQL["key"], cluster, timeout=self._timeout_s)
            return key
