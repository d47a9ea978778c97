"""Host incarnations with their epochs and the shards they hold, in Postgres. The database's clock decides.

Taking over is one transaction: the predecessor's row is marked dead (which waits for its commit in flight, because a
commit holds that row ``FOR SHARE``), a fresh epoch is drawn, and the shards change hands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.outages import commit_outages, database_outages
from ganggpt.persistence.ports.hosts import LOCAL, FencedHost, LiveHost, Pulse, Registration, RouteRow
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("hosts.sql"))


class PostgresHosts:
    """Both sides of ownership in Postgres. Uses the pool it is given and never closes it."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 10.0, cluster: str = LOCAL) -> None:
        self.cluster = cluster
        self._pool = pool
        self._timeout_s = timeout_s

    async def register(self, name: str, kind: str, address: str = "", node: str | None = None) -> Registration:
        """See HostTable."""
        with database_outages():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                buried = await connection.fetch(SQL["fence_predecessors"], self.cluster, name, timeout=self._timeout_s)
                dead = tuple(r["epoch"] for r in buried)
                born = await connection.fetchrow(
                    SQL["insert_host"], self.cluster, name, kind, dead, address, node, timeout=self._timeout_s
                )
                assert born is not None
                await connection.execute(SQL["inherit_shards"], born["epoch"], dead, timeout=self._timeout_s)
                if kind == "own":
                    await connection.execute(SQL["claim_own_shard"], born["epoch"], name, timeout=self._timeout_s)
            return Registration(born["epoch"], born["now_s"], dead)

    async def beat(self, epoch: int) -> Pulse:
        """See HostTable."""
        with database_outages():
            row = await self._pool.fetchrow(SQL["beat"], epoch, timeout=self._timeout_s)
            if row is None:
                raise Fenced(str(epoch), epoch)
            return Pulse(row["now_s"], row["shards_at_s"], row["world_at_s"])

    async def retire(self, epoch: int) -> None:
        """See HostTable."""
        await self.fence(epoch)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        with database_outages():
            return [RouteRow(*r.values()) for r in await self._pool.fetch(SQL["routes"], timeout=self._timeout_s)]

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """See HostTable."""
        with database_outages():
            return [r["actor"] for r in await self._pool.fetch(SQL["unflushed"], epoch, timeout=self._timeout_s)]

    async def hand_over(self, epoch: int, shards: Sequence[str], cluster: str, heir: str) -> None:
        """See HostTable."""
        with commit_outages(str(epoch), epoch):
            given = await self._pool.fetch(SQL["hand_over"], epoch, shards, cluster, heir, timeout=self._timeout_s)
        if len(given) != len(shards):
            # All or none: the shards belong to this epoch, so either this host is fenced or the heir does not live.
            await self.beat(epoch)
            raise Unavailable(f"host {heir}")

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """See HostTable."""
        home = actor if own else shard
        with commit_outages(actor, epoch):
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                if await connection.fetchval(SQL["lock_live_host"], epoch, timeout=self._timeout_s) is None:
                    raise Fenced(actor, epoch)
                await connection.execute(
                    SQL["promote"] if own else SQL["demote"], actor, epoch, timeout=self._timeout_s
                )
                await connection.execute(SQL["move_messages"], actor, home, timeout=self._timeout_s)
                await connection.execute(SQL["move_reminders"], actor, home, timeout=self._timeout_s)

    async def companions_at_play(self, limit: int) -> Sequence[str]:
        """See Ownership."""
        with database_outages():
            rows = await self._pool.fetch(SQL["companions_at_play"], limit, timeout=self._timeout_s)
            return [r["actor"] for r in rows]

    async def alive(self) -> Sequence[LiveHost]:
        """See Ownership."""
        with database_outages():
            return [LiveHost(*r.values()) for r in await self._pool.fetch(SQL["alive"], timeout=self._timeout_s)]

    async def fence(self, epoch: int) -> bool:
        """See Ownership."""
        with database_outages():
            return await self._pool.execute(SQL["fence"], epoch, timeout=self._timeout_s) == "UPDATE 1"

    async def fence_stale(self, silent_s: float) -> Sequence[FencedHost]:
        """See Ownership."""
        with database_outages():
            rows = await self._pool.fetch(SQL["fence_stale"], silent_s, timeout=self._timeout_s)
            return [FencedHost(*r.values()) for r in rows]

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """See Ownership."""
        with database_outages():
            given = (self.cluster, list(wanted), list(wanted.values()))
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute(SQL["inherit_flush_time"], *given, timeout=self._timeout_s)
                await connection.execute(SQL["assign"], *given, timeout=self._timeout_s)

    async def plan_own(self, actors: Sequence[str], back: Mapping[str, str]) -> bool:
        """See Ownership."""
        homes = ({actor: actor for actor in actors} | dict(back)).items()
        moved = [list(column) for column in zip(*homes, strict=True)] if homes else [[], []]
        with database_outages():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute("LOCK TABLE hosts IN SHARE ROW EXCLUSIVE MODE", timeout=self._timeout_s)
                if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM hosts WHERE state <> 'dead')"):
                    return False
                await connection.execute(SQL["delete_own_shards"], actors, timeout=self._timeout_s)
                await connection.execute(SQL["insert_own_shards"], actors, timeout=self._timeout_s)
                await connection.execute(SQL["move_all_messages"], *moved, timeout=self._timeout_s)
                await connection.execute(SQL["move_all_reminders"], *moved, timeout=self._timeout_s)
                await connection.execute(SQL["delete_dead_hosts"], timeout=self._timeout_s)
            return True
