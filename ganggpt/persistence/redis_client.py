"""Clients of Redis with short timeouts, for a single server or for a cluster."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from ganggpt.errors import ConfigInvalid
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.store_calls import RedisCalls

_CLUSTER: Final = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}

RedisClient = Redis | RedisCluster
REDIS_OUTAGES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""Errors that mean that Redis did not answer, or answered with an error."""


def connect_redis(
    url: str, answer_timeout_s: float | None, connections_max: int = 32, metrics: Metrics | None = None
) -> RedisClient:
    """A client that connects when it is first used. ``answer_timeout_s`` None waits as long as the caller does.
    ``metrics`` count its commands and failures.

    Urls: ``redis://``, ``rediss://`` (TLS), ``unix://``; and ``redis+cluster://`` or ``rediss+cluster://`` with any one
    node of a cluster. Raises ConfigInvalid.
    """
    client = _client(url, answer_timeout_s, connections_max)
    if metrics is not None:
        RedisCalls(metrics).watch(client)
    return client


def _client(url: str, answer_timeout_s: float | None, connections_max: int) -> RedisClient:
    try:
        for prefix, plain in _CLUSTER.items():
            if url.startswith(prefix):
                return RedisCluster.from_url(
                    plain + url.removeprefix(prefix),
                    socket_timeout=answer_timeout_s,
                    socket_connect_timeout=1.0,
                    max_connections=connections_max,
                    protocol=2,
                )
        return Redis.from_url(
            url,
            socket_timeout=answer_timeout_s,
            socket_connect_timeout=1.0,
            max_connections=connections_max,
            # One more try covers a connection that died in the pool; the caller decides about waiting longer.
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
    except ValueError as error:
        raise ConfigInvalid("REDIS_URL", str(error), "Use redis://host:6379/0 (see the settings table).") from None
