"""Pushes on their way to game servers: a table is the truth, and one Redis stream a server notifies the bridges.

A push is in the table from its commit until its server acks it. The stream carries the same row, so that a waiting
bridge replica gets it at once; what the stream loses is still in the table. Both are bounded per server.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.persistence.redis_client import REDIS_OUTAGES, RedisClient, connect_redis

_log = logging.getLogger(__name__)

FROM_NOW: Final = "$"
"""The position in the stream of a reader that is new."""
KEPT_PER_SERVER: Final = 10_000
"""The most unacked pushes of one server. Of more, the oldest are deleted."""
_TRIM_EVERY: Final = 256
_STREAM_MAX: Final = 1000
_READ_MAX: Final = 256
_REDIS_TIMEOUT_S: Final = 1.0

_REGISTER: Final = """
INSERT INTO game_servers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()
"""
_UNACKED: Final = """
SELECT no, server, epoch, actor, seq, type, body FROM pushes WHERE server = $1 AND no > $2 ORDER BY no LIMIT $3
"""
_ACK: Final = "DELETE FROM pushes WHERE server = $1 AND no = ANY($2::bigint[])"
_TRIM: Final = """
DELETE FROM pushes WHERE server = $1
  AND no <= (SELECT no FROM pushes WHERE server = $1 ORDER BY no DESC OFFSET $2 LIMIT 1)
"""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, str, int, str, int, str, bytes]).decode


class PostgresPushes:
    """Brings pushes from the commit to the bridges. Without a Redis url bridges only poll."""

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        redis_url: str | None,
        timeout_s: float = 10.0,
        metrics: Metrics | None = None,
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._redis: RedisClient | None = None if redis_url is None else connect_redis(redis_url, None, metrics=metrics)
        self._since_trim: Counter[str] = Counter()
        self.dropped = 0

    async def register_server(self, name: str) -> None:
        """Keep pushes to ``*`` for this server too from now on. Raises Unavailable."""
        with database_outages():
            await self._pool.execute(_REGISTER, name, timeout=self._timeout_s)

    async def unacked(self, server: str, after: int, limit: int) -> Sequence[PushRow]:
        """The oldest pushes with a number over ``after`` that the server did not ack. Raises Unavailable."""
        with database_outages():
            rows = await self._pool.fetch(_UNACKED, server, after, limit, timeout=self._timeout_s)
        return [PushRow(*row.values()) for row in rows]

    async def ack(self, server: str, nos: Sequence[int]) -> None:
        """Delete pushes that were shown. Raises Unavailable."""
        with database_outages():
            await self._pool.execute(_ACK, server, nos, timeout=self._timeout_s)

    async def notify_pushes(self, rows: Sequence[PushRow]) -> None:
        """Notify the waiting bridges of committed pushes. Never raises: a poll finds what a notification missed."""
        if not rows:
            return
        if self._redis is not None:
            try:
                async with asyncio.timeout(_REDIS_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
                    for r in rows:
                        told = _encode((r.no, r.server, r.epoch, r.actor, r.seq, r.type, r.body))
                        pipe.xadd(_stream(r.server), {"p": told}, maxlen=_STREAM_MAX, approximate=True)
                    await pipe.execute()
            except REDIS_OUTAGES as outage:
                _log.debug("%d pushes were not announced, polls will find them: %s", len(rows), outage)
        self._since_trim.update(row.server for row in rows)
        for server, count in list(self._since_trim.items()):
            if count >= _TRIM_EVERY:
                await self._trim(server)

    async def wait(self, server: str, last_seen_id: str, timeout_s: float) -> tuple[str, Sequence[PushRow]]:
        """Wait for pushes after a position in the stream, at most ``timeout_s``; returns the new position and the
        pushes.

        Without Redis, or during its outage, this only waits; the caller finds the pushes by polling ``unacked``.
        """
        if self._redis is None or timeout_s <= 0.001:
            await asyncio.sleep(max(0.0, timeout_s))
            return last_seen_id, ()
        stream = _stream(server)
        end_s = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s + _REDIS_TIMEOUT_S):
                if last_seen_id == FROM_NOW:
                    # A real position, so that no push is missed between this wait and the next.
                    newest: Any = await self._redis.xrevrange(stream, count=1)
                    last_seen_id = newest[0][0].decode() if newest else "0-0"
                found: Any = await self._redis.xread(
                    {stream: last_seen_id}, count=_READ_MAX, block=max(1, int(timeout_s * 1000))
                )
        except REDIS_OUTAGES:
            await asyncio.sleep(max(0.0, end_s - asyncio.get_running_loop().time()))
            return last_seen_id, ()
        if not found:
            return last_seen_id, ()
        entries = found[0][1]
        return entries[-1][0].decode(), [PushRow(*_decode(fields[b"p"])) for _, fields in entries]

    async def close(self) -> None:
        """Close the connection to Redis. The pool belongs to the caller."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _trim(self, server: str) -> None:
        try:
            with database_outages():
                done = await self._pool.execute(_TRIM, server, KEPT_PER_SERVER, timeout=self._timeout_s)
        except Unavailable:
            return
        self._since_trim[server] = 0
        gone = int(done.rsplit(" ", 1)[1])
        if gone:
            self.dropped += gone
            _log.warning("game server %s does not ack its pushes: the %d oldest were deleted", server, gone)


def _stream(server: str) -> str:
    return f"ganggpt:pushes:{server}"
