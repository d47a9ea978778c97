"""A small L1 in the process before an L2 in Redis.

An outage of Redis is a miss, never an error. Failures are counted, and for a second after one Redis is not asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from cachetools import TTLCache

from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.cache import TTL_S, Cache, actor_key
from ganggpt.persistence.redis_client import REDIS_OUTAGES, RedisClient, connect_redis

_L1_ENTRIES_MAX: Final = 4096
_L1_TTL_S: Final = 1.0
_ANSWER_TIMEOUT_S: Final = 0.25
_WITHIN_S: Final = 1.0
"""The longest wait for one call, with a new connection and a cluster that has to be asked anew which node is what."""
_SKIP_S: Final = 1.0
"""How long Redis is not asked again after a failure."""

Count = Callable[[str], None]
"""Counts the outcome of a call: ``l1``, ``l2``, ``miss``, ``failed``."""


class NoCache:
    """The cache where there is no Redis: every read goes to its source."""

    async def get(self, key: str) -> bytes | None:  # noqa: ARG002
        """Always a miss."""
        return None

    async def put(self, key: str, value: bytes, ttl_s: int = TTL_S) -> None:
        """Keeps nothing."""

    async def forget(self, keys: Sequence[str]) -> None:
        """There is nothing to forget."""

    async def forget_actors(self, actors: Sequence[str]) -> None:
        """There is nothing to forget."""

    async def close(self) -> None:
        """There is nothing to close."""


class RedisCache:
    """An L1 before Redis. Owns its client; ``count`` is called with the outcome of every get and of every failure."""

    def __init__(self, client: RedisClient, count: Count, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._count = count
        self._clock = clock
        self._l1: TTLCache[str, bytes] = TTLCache(_L1_ENTRIES_MAX, _L1_TTL_S, clock)
        self._skip_until_s = 0.0

    async def get(self, key: str) -> bytes | None:
        """See Cache."""
        near = self._l1.get(key)
        if near is not None:
            self._count("l1")
            return near
        if self._clock() < self._skip_until_s:
            self._count("miss")
            return None
        try:
            async with asyncio.timeout(_WITHIN_S):
                value = cast("bytes | None", await self._client.get(key))
        except REDIS_OUTAGES:
            self._failed()
            return None
        self._count("miss" if value is None else "l2")
        if value is not None:
            self._l1[key] = value
        return value

    def note(self, key: str, value: bytes) -> None:
        """Keep a value in this process only, for a second, because another caller is about to store it."""
        self._l1[key] = value

    async def put(self, key: str, value: bytes, ttl_s: int = TTL_S) -> None:
        """See Cache."""
        self._l1[key] = value
        if self._clock() < self._skip_until_s:
            return
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._client.set(key, value, ex=ttl_s)
        except REDIS_OUTAGES:
            self._failed()

    async def forget(self, keys: Sequence[str]) -> None:
        """See Cache."""
        for key in keys:
            self._l1.pop(key, None)
        if not keys or self._clock() < self._skip_until_s:
            return
        try:
            async with asyncio.timeout(_WITHIN_S), self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    # In a cluster ``pipe.unlink`` is a coroutine and queues nothing.
                    pipe.execute_command("UNLINK", key)
                await cast(Any, pipe.execute())
        except REDIS_OUTAGES:
            self._failed()

    async def forget_actors(self, actors: Sequence[str]) -> None:
        """See Cache."""
        await self.forget([actor_key(actor) for actor in actors])

    async def close(self) -> None:
        """See Cache."""
        await self._client.aclose()

    def _failed(self) -> None:
        self._skip_until_s = self._clock() + _SKIP_S
        self._count("failed")


def open_cache(url: str | None, count: Count | None = None, metrics: Metrics | None = None) -> Cache:
    """The cache at a Redis url, or NoCache for None. Connects when it is first used. Raises ConfigInvalid."""
    if url is None:
        return NoCache()
    return RedisCache(connect_redis(url, _ANSWER_TIMEOUT_S, metrics=metrics), _unheard if count is None else count)


def _unheard(_: str) -> None:
    """Counts nothing."""
