"""Clients of Redis with short timeouts, for a single server or for a cluster, and what an outage of it looks like.

Every use stands in ``redis_outages``, which ends after a given time: the library alone may try for much longer while a
cluster replaces a dead master.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.asyncio.connection import RedisSSLContext, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoPermissionError, RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ganggpt.errors import ConfigInvalid, Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.store_calls import RedisCalls

_CLUSTER: Final = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}
_PORT: Final = 6379
_CONNECT_S: Final = 1.0
_TRIES_AGAIN: Final = 2
"""In a cluster: once for a connection that died in the pool, once for a slot that moved."""

RedisClient = Redis | RedisCluster
REDIS_OUTAGES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""Errors that mean that Redis did not answer, or answered with an error."""


class _TlsConnection(SSLConnection):
    """Shares its TLS context with all connections that want the same: making one reads the certificates of all
    authorities of the machine, which blocks the event loop for up to 80 ms."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        wanted = self.ssl_context
        names = (name for name in RedisSSLContext.__slots__ if name != "context")
        self.ssl_context = _tls_contexts.setdefault(tuple(str(getattr(wanted, name)) for name in names), wanted)


_tls_contexts: Final[dict[tuple[str, ...], RedisSSLContext]] = {}


class _Cluster(RedisCluster):
    """A client of a cluster that many tasks use at once.

    The library chooses a node before it knows the cluster, and on an error some of its ways close the connections that
    other tasks are using; those then fail with AttributeError.
    """

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """See RedisCluster. Raises RedisError and nothing else."""
        with _looks_again(self):
            await self.initialize()
            return await super().execute_command(*args, **kwargs)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> _ClusterPipeline:  # noqa: ARG002 - the base's shape
        """See RedisCluster. Commands without a transaction, by node."""
        return _ClusterPipeline(self, transaction)  # type: ignore[abstract]  # the library's own class is declared so


class _ClusterPipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        """See ClusterPipeline. Raises RedisError and nothing else."""
        with _looks_again(self.cluster_client):
            await self.cluster_client.initialize()
            return await super().execute(raise_on_error, allow_redirections)


def connect_redis(
    url: str, answer_timeout_s: float | None, connections_max: int = 32, metrics: Metrics | None = None
) -> RedisClient:
    """A client that connects when it is first used. ``answer_timeout_s`` None waits as long as the caller does.
    ``metrics`` count its commands and failures.

    Urls: ``redis://``, ``rediss://`` (TLS), ``unix://``; and ``redis+cluster://`` or ``rediss+cluster://`` with any
    nodes of a cluster (``host:port,host:port``), of which one has to be alive. Raises ConfigInvalid.
    """
    client = _client(url, answer_timeout_s, connections_max)
    if metrics is not None:
        RedisCalls(metrics).watch(client)
    return client


def _client(url: str, answer_timeout_s: float | None, connections_max: int) -> RedisClient:
    options: dict[str, Any] = {
        "socket_timeout": answer_timeout_s,
        "socket_connect_timeout": _CONNECT_S,
        "max_connections": connections_max,
        "protocol": 2,
    }
    try:
        for prefix, plain in _CLUSTER.items():
            if url.startswith(prefix):
                return _connect_cluster(plain + url.removeprefix(prefix), options)
        # One more try covers a connection that died in the pool; the caller decides about waiting longer.
        client = Redis.from_url(url, retry=Retry(NoBackoff(), 1), **options)
    except (ValueError, RedisClusterException) as error:
        raise ConfigInvalid("REDIS_URL", str(error), "Use redis://host:6379/0 (see the settings table).") from None
    if client.connection_pool.connection_class is SSLConnection:
        client.connection_pool.connection_class = _TlsConnection
    return client


def _connect_cluster(url: str, options: dict[str, Any]) -> RedisCluster:
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    addresses = [urlsplit(f"//{other}") for other in others]
    cluster = _Cluster.from_url(
        urlunsplit(parts._replace(netloc=f"{user}{at}{first}")),
        startup_nodes=[ClusterNode(str(address.hostname), address.port or _PORT) for address in addresses],
        retry=Retry(NoBackoff(), _TRIES_AGAIN),
        # Moved slots are noted one by one. To start over would close the connections of other tasks.
        reinitialize_steps=0,
        **options,
    )
    if cluster.connection_kwargs["connection_class"] is SSLConnection:
        for node in cluster.startup_nodes:
            node.connection_class = _TlsConnection
        cluster.connection_kwargs["connection_class"] = _TlsConnection
    return cluster


@asynccontextmanager
async def redis_outages(within_s: float) -> AsyncIterator[None]:
    """Raise Unavailable in an outage, and where Redis does not answer ``within_s``."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except REDIS_OUTAGES as outage:
        raise Unavailable("Redis", outage_text(outage)) from outage


async def ping_masters(client: RedisClient) -> int | None:
    """Ask every master for a sign of life; how many there are, None where there is no cluster. Raises RedisError."""
    if not isinstance(client, RedisCluster):
        await client.ping()
        return None
    return len(await _ask_masters(client, "PING"))


async def slot_owners(client: RedisClient) -> object:
    """Which node of a cluster holds what, to compare with a later answer; None where there is no cluster.

    Raises Unavailable while slots are on their way from one node to another, and RedisError.
    """
    if not isinstance(client, RedisCluster):
        return None
    views = await _ask_masters(client, "CLUSTER NODES")
    masters = [node for view in views for node in view.values() if "myself" in node["flags"]]
    if any(node["migrations"] for node in masters):
        raise Unavailable("Redis", "parts of its cluster are on their way to another node")
    return sorted((node["node_id"], node["epoch"], node["slots"]) for node in masters)


async def _ask_masters(cluster: RedisCluster, command: str) -> list[Any]:
    await cluster.initialize()
    return [await cluster.execute_command(command, target_nodes=node) for node in cluster.get_primaries()]


def outage_text(outage: BaseException) -> str:
    """What happened, for people. Texts of other errors may contain what was to be stored, so they are left out."""
    if isinstance(outage, RedisClusterException) and outage.__cause__ is not None:
        return outage_text(outage.__cause__)
    if isinstance(outage, NoPermissionError | RedisConnectionError):
        return str(outage).rstrip(".")
    late = isinstance(outage, TimeoutError | RedisTimeoutError)
    return "it did not answer in time" if late else f"it answered with {type(outage).__name__}"


@contextmanager
def _looks_again(cluster: RedisCluster) -> Iterator[None]:
    """After an error, make the client ask the cluster anew which node is what; the library forgets it on some ways."""
    try:
        yield
    except MaxConnectionsError:
        raise
    except (RedisConnectionError, RedisTimeoutError, asyncio.CancelledError):
        cluster._initialize = True  # noqa: SLF001 - what the library's own retries set
        raise
    except AttributeError as closed:
        cluster._initialize = True  # noqa: SLF001
        raise RedisConnectionError("another call closed the connection, because the cluster changed") from closed
