"""The Ray clusters that share one world: who is there, and which of them should hold the shards.

One row of ``clusters`` a cluster, one word in ``world.owner``. The database clock decides what is stale.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.errors import UnknownCluster
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.clusters import ClusterRow, Standing
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("clusters.sql"))


class PostgresClusters:
    """The clusters of a world in Postgres, seen from one of them. Owns nothing but the pool it was given."""

    def __init__(self, pool: asyncpg.Pool[Any], cluster: str, timeout_s: float = 10.0) -> None:
        self.cluster = cluster
        self._pool = pool
        self._timeout_s = timeout_s

    async def enter(self, bridge: str | None) -> bool:
        """Say that this cluster is there and where its bridge is; whether it was never seen before."""
        with database_may_be_away():
            key = secrets.token_hex(32)
            fresh: bool = await self._pool.fetchval(SQL["enter"], self.cluster, bridge, key, timeout=self._timeout_s)
            return fresh

    async def beat(self) -> None:
        """Say that this cluster's supervisor lives."""
        with database_may_be_away():
            await self._pool.execute(SQL["beat"], self.cluster, timeout=self._timeout_s)

    async def standing(self) -> Standing:
        """Which cluster should hold the world."""
        with database_may_be_away():
            row = await self._pool.fetchrow(SQL["standing"], timeout=self._timeout_s)
            return Standing(None, 0.0, None, False) if row is None else Standing(*row.values())

    async def claim(self, cluster: str | None = None) -> bool:
        """Let a cluster (this one, unless named) be the owner; whether that changed anything. Raises UnknownCluster."""
        name = cluster or self.cluster
        with database_may_be_away():
            if await self._pool.fetchval(SQL["claim"], name, timeout=self._timeout_s) is not None:
                return True
            known = [row.name for row in await self.known()]
        if name not in known:
            raise UnknownCluster(name, tuple(known))
        return False

    async def leave(self) -> None:
        """This cluster is stopped in order: whoever is there may take its shards."""
        with database_may_be_away():
            await self._pool.execute(SQL["leave"], self.cluster, timeout=self._timeout_s)

    async def known(self) -> list[ClusterRow]:
        """All clusters that ever shared this world."""
        with database_may_be_away():
            return [ClusterRow(*r.values()) for r in await self._pool.fetch(SQL["known"], timeout=self._timeout_s)]

    async def key_of(self, cluster: str) -> str | None:
        """The key with which other clusters' bridges prove that they read this world's database."""
        with database_may_be_away():
            key: str | None = await self._pool.fetchval(SQL["key"], cluster, timeout=self._timeout_s)
            return key
