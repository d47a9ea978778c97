"""Who may write: host incarnations with their epochs, and which shard belongs to which. The database clock decides.

Taking over is one transaction: the predecessor's row is marked dead (which waits for its commit in flight, because a
commit holds that row ``FOR SHARE``), a fresh epoch is drawn, and the shards change hands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.outages import commit_may_be_lost, database_may_be_away
from ganggpt.persistence.ports.hosts import LOCAL, FencedHost, LiveHost, Pulse, Registration, RouteRow

_BURY: Final = "UPDATE hosts SET state = 'dead' WHERE cluster = $1 AND name = $2 AND state <> 'dead' RETURNING epoch"
_BORN: Final = """
INSERT INTO hosts (cluster, name, kind, state, address, node, flushed_at)
SELECT $1, $2, $3, 'live', $5, $6, coalesce(min(flushed_at), clock_timestamp())
FROM hosts WHERE epoch = ANY($4::bigint[])
  OR ($3 = 'own' AND state = 'dead' AND epoch = (SELECT shards.epoch FROM shards WHERE shard = $2))
RETURNING epoch, extract(epoch FROM clock_timestamp())::float8 AS now_s
"""
# The new host answers for what the tables lack of those it buries, and of whoever died with the shard of its own.
_INHERIT: Final = """
UPDATE shards SET epoch = $1, since = clock_timestamp(), flushed = false WHERE epoch = ANY($2::bigint[])
"""
_OWN_SHARD: Final = """
UPDATE shards SET epoch = $1, since = clock_timestamp(), flushed = false
WHERE shard = $2 AND (epoch IS NULL OR epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))
"""
_CLAIM: Final = """
UPDATE shards SET epoch = h.epoch, since = clock_timestamp(), flushed = false
FROM hosts h, unnest($2::text[], $3::text[]) AS w (shard, host)
WHERE shards.shard = w.shard AND h.cluster = $1 AND h.name = w.host AND h.state = 'live'
  AND (shards.epoch IS NULL OR shards.epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))
"""
_RELEASE: Final = """
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), heir AS MATERIALIZED (
  SELECT epoch FROM hosts WHERE cluster = $3 AND name = $4 AND state = 'live' FOR SHARE
)
UPDATE shards SET epoch = heir.epoch, since = clock_timestamp(), flushed = true
FROM live, heir WHERE shards.shard = ANY($2::text[]) AND shards.epoch = $1
RETURNING shards.shard
"""
_BEAT: Final = """
UPDATE hosts SET seen_at = clock_timestamp() WHERE epoch = $1 AND state <> 'dead'
RETURNING extract(epoch FROM clock_timestamp())::float8 AS now_s,
  coalesce((SELECT extract(epoch FROM max(since))::float8 FROM shards WHERE shards.epoch = $1), 0) AS shards_at_s
"""
_FENCE: Final = "UPDATE hosts SET state = 'dead' WHERE epoch = $1 AND state <> 'dead'"
_FENCE_STALE: Final = """
UPDATE hosts SET state = 'dead'
WHERE state <> 'dead' AND seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING cluster, name, kind
"""
_ALIVE: Final = """
SELECT name, kind, epoch, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s, cluster, node
FROM hosts WHERE state <> 'dead' ORDER BY cluster, name
"""
_ROUTES: Final = """
SELECT s.shard, s.residence, h.name AS host, h.epoch, h.cluster, c.bridge, s.flushed
FROM shards s LEFT JOIN hosts h ON h.epoch = s.epoch AND h.state <> 'dead' LEFT JOIN clusters c ON c.name = h.cluster
"""
_DROP_OWN: Final = "DELETE FROM shards WHERE residence = 'own' AND NOT shard = ANY($1::text[])"
_ADD_OWN: Final = """
INSERT INTO shards (shard, residence) SELECT o, 'own' FROM unnest($1::text[]) o ON CONFLICT (shard) DO NOTHING
"""
_INHERIT_FLUSH: Final = """
UPDATE hosts h SET flushed_at = least(h.flushed_at, o.flushed_at)
FROM (
  SELECT w.host, min(d.flushed_at) AS flushed_at
  FROM unnest($2::text[], $3::text[]) AS w (shard, host)
    JOIN shards s ON s.shard = w.shard JOIN hosts d ON d.epoch = s.epoch AND d.state = 'dead'
  GROUP BY w.host
) o
WHERE h.cluster = $1 AND h.name = o.host AND h.state = 'live'
"""
_UNFLUSHED: Final = """
SELECT DISTINCT j.actor FROM hosts h
  JOIN journal j ON j.at >= h.flushed_at - interval '1 second' AND j.day >= (h.flushed_at - interval '1 day')::date
WHERE h.epoch = $1
"""
_FORGET_DEAD: Final = """
DELETE FROM hosts WHERE state = 'dead' AND started_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = hosts.epoch)
"""


_LIVE: Final = "SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE"
_CARVE: Final = "INSERT INTO shards (shard, residence, epoch, flushed) VALUES ($1, 'own', $2, true)"
_UNCARVE: Final = "DELETE FROM shards WHERE shard = $1 AND residence = 'own' AND epoch = $2"
_MOVE_LETTERS: Final = "UPDATE outbox SET shard = $2 WHERE sender = $1"
_MOVE_REMINDERS: Final = "UPDATE reminders SET shard = $2 WHERE actor = $1"
_MOVE_ALL_LETTERS: Final = """
UPDATE outbox SET shard = m.home FROM unnest($1::text[], $2::text[]) AS m (actor, home)
WHERE outbox.sender = m.actor AND outbox.shard <> m.home
"""
_MOVE_ALL_REMINDERS: Final = """
UPDATE reminders SET shard = m.home FROM unnest($1::text[], $2::text[]) AS m (actor, home)
WHERE reminders.actor = m.actor AND reminders.shard <> m.home
"""
_COMPANIONS_AT_PLAY: Final = """
SELECT c.actor FROM companions c JOIN players p ON p.id = c.player_id
WHERE p.online AND c.actor IS NOT NULL AND c.memory_data -> 'gone' IS NULL ORDER BY c.created_at, c.actor LIMIT $1
"""


class PostgresHosts:
    """Ownership in Postgres, both sides. Owns nothing but the pool it was given."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 10.0, cluster: str = LOCAL) -> None:
        self.cluster = cluster
        self._pool = pool
        self._timeout_s = timeout_s

    async def register(self, name: str, kind: str, address: str = "", node: str | None = None) -> Registration:
        """See HostTable."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                buried = await connection.fetch(_BURY, self.cluster, name, timeout=self._timeout_s)
                dead = tuple(r["epoch"] for r in buried)
                born = await connection.fetchrow(
                    _BORN, self.cluster, name, kind, dead, address, node, timeout=self._timeout_s
                )
                assert born is not None
                await connection.execute(_INHERIT, born["epoch"], dead, timeout=self._timeout_s)
                if kind == "own":
                    await connection.execute(_OWN_SHARD, born["epoch"], name, timeout=self._timeout_s)
            return Registration(born["epoch"], born["now_s"], dead)

    async def beat(self, epoch: int) -> Pulse:
        """See HostTable."""
        with database_may_be_away():
            row = await self._pool.fetchrow(_BEAT, epoch, timeout=self._timeout_s)
            if row is None:
                raise Fenced(str(epoch), epoch)
            return Pulse(row["now_s"], row["shards_at_s"])

    async def retire(self, epoch: int) -> None:
        """See HostTable."""
        await self.fence(epoch)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        with database_may_be_away():
            return [RouteRow(*r.values()) for r in await self._pool.fetch(_ROUTES, timeout=self._timeout_s)]

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """See HostTable."""
        with database_may_be_away():
            return [r["actor"] for r in await self._pool.fetch(_UNFLUSHED, epoch, timeout=self._timeout_s)]

    async def hand_over(self, epoch: int, shards: Sequence[str], cluster: str, heir: str) -> None:
        """See HostTable."""
        with commit_may_be_lost(str(epoch), epoch):
            given = await self._pool.fetch(_RELEASE, epoch, shards, cluster, heir, timeout=self._timeout_s)
        if len(given) != len(shards):
            # All or none: the shards are this epoch's own, so only one of the two hosts can have been missing.
            await self.beat(epoch)
            raise Unavailable(f"host {heir}")

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """See HostTable."""
        home = actor if own else shard
        with commit_may_be_lost(actor, epoch):
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                if await connection.fetchval(_LIVE, epoch, timeout=self._timeout_s) is None:
                    raise Fenced(actor, epoch)
                await connection.execute(_CARVE if own else _UNCARVE, actor, epoch, timeout=self._timeout_s)
                await connection.execute(_MOVE_LETTERS, actor, home, timeout=self._timeout_s)
                await connection.execute(_MOVE_REMINDERS, actor, home, timeout=self._timeout_s)

    async def companions_at_play(self, limit: int) -> Sequence[str]:
        """See Ownership."""
        with database_may_be_away():
            rows = await self._pool.fetch(_COMPANIONS_AT_PLAY, limit, timeout=self._timeout_s)
            return [r["actor"] for r in rows]

    async def alive(self) -> Sequence[LiveHost]:
        """See Ownership."""
        with database_may_be_away():
            return [LiveHost(*r.values()) for r in await self._pool.fetch(_ALIVE, timeout=self._timeout_s)]

    async def fence(self, epoch: int) -> bool:
        """See Ownership."""
        with database_may_be_away():
            return await self._pool.execute(_FENCE, epoch, timeout=self._timeout_s) == "UPDATE 1"

    async def fence_stale(self, silent_s: float) -> Sequence[FencedHost]:
        """See Ownership."""
        with database_may_be_away():
            rows = await self._pool.fetch(_FENCE_STALE, silent_s, timeout=self._timeout_s)
            return [FencedHost(*r.values()) for r in rows]

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """See Ownership."""
        with database_may_be_away():
            given = (self.cluster, list(wanted), list(wanted.values()))
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute(_INHERIT_FLUSH, *given, timeout=self._timeout_s)
                await connection.execute(_CLAIM, *given, timeout=self._timeout_s)

    async def plan_own(self, actors: Sequence[str], back: Mapping[str, str]) -> bool:
        """See Ownership."""
        homes = ({actor: actor for actor in actors} | dict(back)).items()
        moved = [list(column) for column in zip(*homes, strict=True)] if homes else [[], []]
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute("LOCK TABLE hosts IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
                if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM hosts WHERE state <> 'dead')"):
                    return False
                await connection.execute(_DROP_OWN, actors, timeout=self._timeout_s)
                await connection.execute(_ADD_OWN, actors, timeout=self._timeout_s)
                await connection.execute(_MOVE_ALL_LETTERS, *moved, timeout=self._timeout_s)
                await connection.execute(_MOVE_ALL_REMINDERS, *moved, timeout=self._timeout_s)
                await connection.execute(_FORGET_DEAD, timeout=self._timeout_s)
            return True
