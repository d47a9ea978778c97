"""The Ray clusters that share one world: who is there, and which of them should hold the shards.

One row of ``clusters`` a cluster, one word in ``world.owner``. The database clock decides what is stale.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import asyncpg

from ganggpt.errors import UnknownCluster
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.clusters import ClusterRow, Standing

_ENTER: Final = """
INSERT INTO clusters AS c (name, bridge, key) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET bridge = excluded.bridge, started_at = clock_timestamp(), seen_at = clock_timestamp()
RETURNING (xmax = 0) AS fresh
"""
_BEAT: Final = "UPDATE clusters SET seen_at = clock_timestamp() WHERE name = $1"
_STANDING: Final = """
SELECT w.owner, coalesce(extract(epoch FROM clock_timestamp() - w.owner_since), 0)::float8 AS since_s,
  extract(epoch FROM clock_timestamp() - o.seen_at)::float8 AS silent_s,
  EXISTS (SELECT 1 FROM hosts h WHERE h.cluster = w.owner AND h.state = 'live') AS has_hosts
FROM world w LEFT JOIN clusters o ON o.name = w.owner
"""
_CLAIM: Final = """
UPDATE world SET owner = $1, owner_since = clock_timestamp()
WHERE owner IS DISTINCT FROM $1 AND EXISTS (SELECT 1 FROM clusters WHERE name = $1) RETURNING owner
"""
_LEAVE: Final = "UPDATE world SET owner = NULL, owner_since = clock_timestamp() WHERE owner = $1"
_KNOWN: Final = """
SELECT c.name, c.bridge, extract(epoch FROM clock_timestamp() - c.seen_at)::float8 AS silent_s,
  c.name IS NOT DISTINCT FROM (SELECT owner FROM world) AS owner,
  (SELECT count(*) FROM hosts h WHERE h.cluster = c.name AND h.state <> 'dead')::int AS hosts,
  (SELECT count(*) FROM shards s JOIN hosts h ON h.epoch = s.epoch
   WHERE h.cluster = c.name AND h.state <> 'dead')::int AS shards
FROM clusters c ORDER BY c.name
"""
_KEY: Final = "SELECT key FROM clusters WHERE name = $1"


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
            fresh: bool = await self._pool.fetchval(_ENTER, self.cluster, bridge, key, timeout=self._timeout_s)
            return fresh

    async def beat(self) -> None:
        """Say that this cluster's supervisor lives."""
        with database_may_be_away():
            await self._pool.execute(_BEAT, self.cluster, timeout=self._timeout_s)

    async def standing(self) -> Standing:
        """Which cluster should hold the world."""
        with database_may_be_away():
            row = await self._pool.fetchrow(_STANDING, timeout=self._timeout_s)
            return Standing(None, 0.0, None, False) if row is None else Standing(*row.values())

    async def claim(self, cluster: str | None = None) -> bool:
        """Let a cluster (this one, unless named) be the owner; whether that changed anything. Raises UnknownCluster."""
        name = cluster or self.cluster
        with database_may_be_away():
            if await self._pool.fetchval(_CLAIM, name, timeout=self._timeout_s) is not None:
                return True
            known = [row.name for row in await self.known()]
        if name not in known:
            raise UnknownCluster(name, tuple(known))
        return False

    async def leave(self) -> None:
        """This cluster is stopped in order: whoever is there may take its shards."""
        with database_may_be_away():
            await self._pool.execute(_LEAVE, self.cluster, timeout=self._timeout_s)

    async def known(self) -> list[ClusterRow]:
        """All clusters that ever shared this world."""
        with database_may_be_away():
            return [ClusterRow(*r.values()) for r in await self._pool.fetch(_KNOWN, timeout=self._timeout_s)]

    async def key_of(self, cluster: str) -> str | None:
        """The key with which other clusters' bridges prove that they read this world's database."""
        with database_may_be_away():
            key: str | None = await self._pool.fetchval(_KEY, cluster, timeout=self._timeout_s)
            return key
