"""The cache of model responses: RedisCache, with a list for each player of the responses that are about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from cachetools import TTLCache

from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.cache import RedisCache
from ganggpt.persistence.models.write_behind import WriteBehind
from ganggpt.persistence.ports.cache import TTL_S
from ganggpt.persistence.redis_client import REDIS_OUTAGES, RedisClient, connect_redis, redis_outages

_ANSWER_S: Final = 0.25
_WITHIN_S: Final = 1.0
"""The longest wait for one call, with a new connection and a cluster that has to be asked anew which node is what."""
_GATHER_S: Final = 0.02
_WAITING_MAX: Final = 2000
_AT_ONCE: Final = 64
"""The most requests to Redis at one time. Others wait, because a client without a free connection fails at once."""


class RedisResponses:
    """Implements ``ai.gateway.response_cache.ResponseStore``. Owns its client. Keeps a response for ``ttl_s`` seconds.

    Responses are gathered for some milliseconds and written together. ``lost`` is told how many Redis did not take;
    ``outage`` is called for each request it did not answer.
    """

    def __init__(
        self,
        url: str,
        ttl_s: int = TTL_S,
        lost: Callable[[int], None] = lambda _: None,
        outage: Callable[[], None] = lambda: None,
        metrics: Metrics | None = None,
    ) -> None:
        self._client: RedisClient = connect_redis(url, _ANSWER_S, _AT_ONCE * 2, metrics)
        self._cache = RedisCache(self._client, lambda outcome: outage() if outcome == "failed" else None)
        self._ttl_s, self._lost = ttl_s, lost
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._puts: WriteBehind[tuple[str, bytes, str | None]] = WriteBehind(
            self._put, lost, most=_WAITING_MAX, batch=64, every_s=_GATHER_S
        )

    async def get(self, key: str) -> bytes | None:
        """See ResponseStore."""
        async with self._places:
            return await self._cache.get(key)

    def put(self, key: str, value: bytes, player: str | None) -> None:
        """See ResponseStore."""
        self._cache.note(key, value)
        self._puts.add((key, value, player))

    async def forget(self, player: str) -> None:
        """See ResponseStore."""
        await self._puts.flush()
        async with redis_outages(_WITHIN_S):
            listed = await cast(Any, self._client.smembers(_list_of(player)))
        keys = [key.decode() for key in listed]
        for key in (*keys, _list_of(player)):
            async with redis_outages(_WITHIN_S):
                await self._client.delete(key)
        await self._cache.forget(keys)

    async def close(self) -> None:
        """See ResponseStore."""
        await self._puts.close()
        await self._cache.close()

    async def _put(self, some: Sequence[tuple[str, bytes, str | None]]) -> None:
        """What Redis does not take is dropped; the next caller pays for the answer again."""
        try:
            async with (
                self._places,
                asyncio.timeout(_WITHIN_S),
                self._client.pipeline(transaction=False) as pipe,
            ):
                for key, value, player in some:
                    if player is not None:
                        # The list is written first, so that nothing of a player is ever kept without being in it.
                        pipe.sadd(_list_of(player), key)
                        pipe.expire(_list_of(player), self._ttl_s + 60)
                    pipe.set(key, value, ex=self._ttl_s)
                await cast(Any, pipe.execute())
        except REDIS_OUTAGES:
            self._lost(len(some))


class MemoryResponses:
    """Implements ``ai.gateway.response_cache.ResponseStore`` where there is no Redis: in this process alone, at most
    ``most``."""

    def __init__(self, ttl_s: int = TTL_S, most: int = 4096) -> None:
        self._kept: TTLCache[str, tuple[bytes, str | None]] = TTLCache(most, ttl_s)

    async def get(self, key: str) -> bytes | None:
        """See ResponseStore."""
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: str, value: bytes, player: str | None) -> None:
        """See ResponseStore."""
        self._kept[key] = (value, player)

    async def forget(self, player: str) -> None:
        """See ResponseStore."""
        for key in [key for key, (_, whose) in self._kept.items() if whose == player]:
            self._kept.pop(key, None)

    async def close(self) -> None:
        """There is nothing to close."""


def _list_of(player: str) -> str:
    return f"ganggpt:ai:of:{player}"
