"""Counts what the stores are asked in one process: how long each call took, and why calls failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MaxConnectionsError,
    NoScriptError,
    OutOfMemoryError,
    RedisClusterException,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ganggpt.observability.metrics import Metrics

Kinds = tuple[tuple[str, tuple[type[BaseException], ...]], ...]
_DATABASE_KINDS: Final[Kinds] = (
    ("timeout", (TimeoutError,)),
    ("full", (asyncpg.InsufficientResourcesError,)),
    ("refused", (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)),
    ("conflict", (asyncpg.IntegrityConstraintViolationError, asyncpg.TransactionRollbackError)),
    ("canceled", (asyncpg.QueryCanceledError,)),
    (
        "connection",
        (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            asyncpg.OperatorInterventionError,
        ),
    ),
)
_REDIS_KINDS: Final[Kinds] = (
    ("timeout", (RedisTimeoutError, TimeoutError)),
    ("full", (MaxConnectionsError, OutOfMemoryError)),
    ("refused", (AuthenticationError, AuthorizationError)),
    ("connection", (RedisConnectionError, BusyLoadingError, RedisClusterException, OSError)),
)


class _Calls:
    """The two metrics of one store."""

    def __init__(self, metrics: Metrics, seconds: str, errors: str, kinds: Kinds) -> None:
        self._process, self._kinds = metrics.process, kinds
        self.took = metrics.histogram(seconds).labels(metrics.process).observe
        self._errors = metrics.counter(errors)

    def failed(self, error: BaseException) -> None:
        """Count a failure by its kind. None are a caller that stopped waiting, and a script that is sent again."""
        if isinstance(error, asyncio.CancelledError | NoScriptError):
            return
        kind = next((name for name, types in self._kinds if isinstance(error, types)), "other")
        self._errors.labels(self._process, kind).inc()


class DatabaseCalls:
    """Watches the connections of a pool, with the hooks of asyncpg."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = _Calls(
            metrics, "ganggpt_database_query_seconds", "ganggpt_database_errors_total", _DATABASE_KINDS
        )

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        """Open a connection. Raises what asyncpg does."""
        try:
            return await asyncpg.connect(*args, **kwargs)
        except Exception as error:
            self._calls.failed(error)
            raise

    async def watch(self, connection: Any) -> None:
        """Count the statements of a connection from now on."""
        connection.add_query_logger(self._asked)

    def _asked(self, query: asyncpg.connection.LoggedQuery) -> None:
        self._calls.took(query.elapsed)
        if query.exception is not None:
            self._calls.failed(query.exception)


class RedisCalls:
    """Watches a client of Redis, for a single server or a cluster: its commands and its pipelines."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = _Calls(metrics, "ganggpt_redis_command_seconds", "ganggpt_redis_errors_total", _REDIS_KINDS)

    def watch(self, client: Any) -> None:
        """Count what this client does from now on."""
        ask, begin = client.execute_command, client.pipeline

        async def execute_command(*args: Any, **options: Any) -> Any:
            return await self._timed(ask, args, options, waits=b"BLOCK" in args)

        def pipeline(*args: Any, **options: Any) -> Any:
            opened = begin(*args, **options)
            execute = opened.execute

            async def run(*given: Any, **named: Any) -> Any:
                return await self._timed(execute, given, named, waits=False)

            opened.execute = run
            return opened

        client.execute_command, client.pipeline = execute_command, pipeline

    async def _timed(
        self, call: Callable[..., Awaitable[Any]], args: tuple[Any, ...], options: dict[str, Any], *, waits: bool
    ) -> Any:
        """``waits``: Redis answers when something happens, which says nothing about how fast it is."""
        began_s = time.perf_counter()
        try:
            answer = await call(*args, **options)
        except Exception as error:
            self._calls.failed(error)
            raise
        finally:
            if not waits:
                self._calls.took(time.perf_counter() - began_s)
        return answer
