"""Who may write: host incarnations with their epochs, and which shard belongs to which. The database clock decides.

Taking over is one transaction: the predecessor's row is marked dead (which waits for its commit in flight, because a
commit holds that row ``FOR SHARE``), a fresh epoch is drawn, and the shards change hands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import asyncpg
from msgspec import Struct

from ganggpt.errors import Fenced
from ganggpt.persistence.away import database_may_be_away

_BURY: Final = "UPDATE hosts SET state = 'dead' WHERE name = $1 AND state <> 'dead' RETURNING epoch"
_BORN: Final = """
INSERT INTO hosts (name, kind, state, address, flushed_at)
SELECT $1, $2, 'live', $4, coalesce(min(flushed_at), clock_timestamp()) FROM hosts WHERE epoch = ANY($3::bigint[])
RETURNING epoch, extract(epoch FROM clock_timestamp())::float8 AS now_s
"""
_INHERIT: Final = "UPDATE shards SET epoch = $1, since = clock_timestamp() WHERE epoch = ANY($2::bigint[])"
_OWN_SHARD: Final = """
UPDATE shards SET epoch = $1, since = clock_timestamp()
WHERE shard = $2 AND (epoch IS NULL OR epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))
"""
_CLAIM: Final = """
UPDATE shards SET epoch = h.epoch, since = clock_timestamp()
FROM hosts h, unnest($1::text[], $2::text[]) AS w (shard, host)
WHERE shards.shard = w.shard AND h.name = w.host AND h.state = 'live'
  AND (shards.epoch IS NULL OR shards.epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))
"""
_HELD: Final = "SELECT shard FROM shards WHERE epoch = $1"
_BEAT: Final = """
UPDATE hosts SET seen_at = clock_timestamp() WHERE epoch = $1 AND state <> 'dead'
RETURNING extract(epoch FROM clock_timestamp())::float8
"""
_RETIRE: Final = "UPDATE hosts SET state = 'dead' WHERE epoch = $1"
_FENCE_STALE: Final = """
UPDATE hosts SET state = 'dead'
WHERE state <> 'dead' AND seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING name
"""
_ALIVE: Final = """
SELECT name, kind, epoch, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s
FROM hosts WHERE state <> 'dead' ORDER BY name
"""
_ORPHANS: Final = """
SELECT s.shard, s.residence FROM shards s LEFT JOIN hosts h ON h.epoch = s.epoch
WHERE h.epoch IS NULL OR h.state = 'dead' ORDER BY s.shard
"""
_ROUTES: Final = """
SELECT s.shard, s.residence, CASE WHEN h.state <> 'dead' THEN h.name END AS host
FROM shards s LEFT JOIN hosts h ON h.epoch = s.epoch
"""
_DROP_OWN: Final = "DELETE FROM shards WHERE residence = 'own' AND NOT shard = ANY($1::text[])"
_ADD_OWN: Final = """
INSERT INTO shards (shard, residence) SELECT o, 'own' FROM unnest($1::text[]) o ON CONFLICT (shard) DO NOTHING
"""
_INHERIT_FLUSH: Final = """
UPDATE hosts h SET flushed_at = least(h.flushed_at, o.flushed_at)
FROM (
  SELECT w.host, min(d.flushed_at) AS flushed_at
  FROM unnest($1::text[], $2::text[]) AS w (shard, host)
    JOIN shards s ON s.shard = w.shard JOIN hosts d ON d.epoch = s.epoch AND d.state = 'dead'
  GROUP BY w.host
) o
WHERE h.name = o.host AND h.state = 'live'
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
_CARVE: Final = "INSERT INTO shards (shard, residence) VALUES ($1, 'own') ON CONFLICT (shard) DO NOTHING"
_UNCARVE: Final = "DELETE FROM shards WHERE shard = $1 AND residence = 'own'"
_MOVE_LETTERS: Final = "UPDATE outbox SET shard = $2 WHERE sender = $1"
_MOVE_REMINDERS: Final = "UPDATE reminders SET shard = $2 WHERE actor = $1"
_COMPANIONS_AT_PLAY: Final = """
SELECT c.actor FROM companions c JOIN players p ON p.id = c.player_id
WHERE p.online AND c.actor IS NOT NULL ORDER BY c.created_at, c.actor LIMIT $1
"""


class Registration(Struct, frozen=True):
    """A fresh incarnation: its epoch, the database's clock at birth, and the predecessors' epochs it fenced."""

    epoch: int
    now_s: float
    fenced: tuple[int, ...]


class LiveHost(Struct, frozen=True):
    """A host row that is not dead. ``silent_s``: seconds since its last heartbeat, by the database clock."""

    name: str
    kind: str
    epoch: int
    silent_s: float


class RouteRow(Struct, frozen=True):
    """A shard with its residence (``own`` or ``shared``) and the live host that holds it, or None."""

    shard: str
    residence: str
    host: str | None


class HostTable(Protocol):
    """The port of ownership; ``PostgresHosts`` is the real adapter."""

    async def register(self, name: str, kind: str, address: str = "") -> Registration:
        """Fence every predecessor of that name, draw a fresh epoch and inherit the shards.

        ``address`` tells an operator where the process is (machine/pid)."""
        ...

    async def held(self, epoch: int) -> frozenset[str]:
        """Shards of an epoch."""
        ...

    async def beat(self, epoch: int) -> float:
        """Say "I am here"; returns the database's Unix time. Raises Fenced."""
        ...

    async def retire(self, epoch: int) -> None:
        """Mark this incarnation dead after a clean stop; its shards wait for the next owner."""
        ...

    async def routes(self) -> Sequence[RouteRow]:
        """Every shard with its holder."""
        ...

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """Actors with turns newer than what the predecessors of this epoch had flushed to the user's tables."""
        ...

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """Make an actor a shard of its own, or put it back into its hash ``shard``, with its letters and reminders.
        The host that holds it says so, after it stopped taking commands for it. Raises Fenced."""
        ...


class PostgresHosts:
    """Ownership in Postgres. Owns nothing but the pool it was given."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 10.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def register(self, name: str, kind: str, address: str = "") -> Registration:
        """See HostTable."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                dead = tuple(r["epoch"] for r in await connection.fetch(_BURY, name, timeout=self._timeout_s))
                born = await connection.fetchrow(_BORN, name, kind, dead, address, timeout=self._timeout_s)
                assert born is not None
                await connection.execute(_INHERIT, born["epoch"], dead, timeout=self._timeout_s)
                if kind == "own":
                    await connection.execute(_OWN_SHARD, born["epoch"], name, timeout=self._timeout_s)
            return Registration(born["epoch"], born["now_s"], dead)

    async def held(self, epoch: int) -> frozenset[str]:
        """See HostTable."""
        with database_may_be_away():
            return frozenset(r["shard"] for r in await self._pool.fetch(_HELD, epoch, timeout=self._timeout_s))

    async def beat(self, epoch: int) -> float:
        """See HostTable."""
        with database_may_be_away():
            now_s: float | None = await self._pool.fetchval(_BEAT, epoch, timeout=self._timeout_s)
            if now_s is None:
                raise Fenced(str(epoch), epoch)
            return now_s

    async def retire(self, epoch: int) -> None:
        """See HostTable."""
        with database_may_be_away():
            await self._pool.execute(_RETIRE, epoch, timeout=self._timeout_s)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        with database_may_be_away():
            return [RouteRow(*r.values()) for r in await self._pool.fetch(_ROUTES, timeout=self._timeout_s)]

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """See HostTable."""
        with database_may_be_away():
            return [r["actor"] for r in await self._pool.fetch(_UNFLUSHED, epoch, timeout=self._timeout_s)]

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """See HostTable."""
        home = actor if own else shard
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                if await connection.fetchval(_LIVE, epoch, timeout=self._timeout_s) is None:
                    raise Fenced(actor, epoch)
                await connection.execute(_CARVE if own else _UNCARVE, actor, timeout=self._timeout_s)
                await connection.execute(_MOVE_LETTERS, actor, home, timeout=self._timeout_s)
                await connection.execute(_MOVE_REMINDERS, actor, home, timeout=self._timeout_s)

    async def companions_at_play(self, limit: int) -> Sequence[str]:
        """Companions whose owners are online, the oldest first, as the flushed tables tell."""
        with database_may_be_away():
            rows = await self._pool.fetch(_COMPANIONS_AT_PLAY, limit, timeout=self._timeout_s)
            return [r["actor"] for r in rows]

    async def alive(self) -> Sequence[LiveHost]:
        """Hosts that are not dead."""
        with database_may_be_away():
            return [LiveHost(*r.values()) for r in await self._pool.fetch(_ALIVE, timeout=self._timeout_s)]

    async def fence_stale(self, silent_s: float) -> Sequence[str]:
        """Fence hosts without a heartbeat for that long; returns their names."""
        with database_may_be_away():
            return [r["name"] for r in await self._pool.fetch(_FENCE_STALE, silent_s, timeout=self._timeout_s)]

    async def orphans(self) -> Sequence[RouteRow]:
        """Shards nobody alive holds."""
        with database_may_be_away():
            rows = await self._pool.fetch(_ORPHANS, timeout=self._timeout_s)
            return [RouteRow(r["shard"], r["residence"], None) for r in rows]

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """Give orphaned shards to live hosts by name; a shard somebody alive holds stays where it is."""
        with database_may_be_away():
            shards, hosts = list(wanted), list(wanted.values())
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute(_INHERIT_FLUSH, shards, hosts, timeout=self._timeout_s)
                await connection.execute(_CLAIM, shards, hosts, timeout=self._timeout_s)

    async def plan_own(self, actors: Sequence[str]) -> bool:
        """Make exactly these actors shards of their own. Only while no host lives, since a residence must not change
        under an activation; returns whether it was done."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute("LOCK TABLE hosts IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
                if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM hosts WHERE state <> 'dead')"):
                    return False
                await connection.execute(_DROP_OWN, actors, timeout=self._timeout_s)
                await connection.execute(_ADD_OWN, actors, timeout=self._timeout_s)
                await connection.execute(_FORGET_DEAD, timeout=self._timeout_s)
            return True
