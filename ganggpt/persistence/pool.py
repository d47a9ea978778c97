"""Connections to Postgres: one bounded pool a process, directly or through PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg

from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.connect import database_refusals, driver_arguments
from ganggpt.persistence.store_calls import DatabaseCalls


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a process uses the database. Times in seconds.

    ``min_size`` 0 opens no connection before the first query. ``pgbouncer``: a pooler between us and Postgres gives
    every transaction another session, so no prepared statement is kept. ``idle_in_transaction_s``: a transaction whose
    client is silent for that long is rolled back (None: never; behind PgBouncer its own ``idle_transaction_timeout``
    applies).
    """

    min_size: int = 1
    max_size: int = 8
    pgbouncer: bool = False
    connect_timeout_s: float = 10.0
    command_timeout_s: float = 30.0
    idle_s: float = 300.0
    idle_in_transaction_s: float | None = None
    application_name: str = "ganggpt"


async def open_pool(dsn: str, options: PoolOptions | None = None, metrics: Metrics | None = None) -> asyncpg.Pool[Any]:
    """Open a pool; ``metrics`` count its statements and failures.

    Raises Unavailable where the database does not answer, ConfigInvalid where it refuses us.
    """
    chosen = PoolOptions() if options is None else options
    calls = None if metrics is None else DatabaseCalls(metrics)
    arguments = driver_arguments(dsn, chosen.connect_timeout_s)
    pool = asyncpg.create_pool(
        min_size=chosen.min_size,
        max_size=chosen.max_size,
        max_inactive_connection_lifetime=chosen.idle_s,
        command_timeout=chosen.command_timeout_s,
        statement_cache_size=0 if chosen.pgbouncer else 128,
        server_settings=session_settings(chosen),
        # Nothing here makes session state (no SET, LISTEN or session lock), so there is nothing to undo, and a query
        # costs one round trip instead of two. An open transaction is still rolled back.
        reset=_keep,
        connect=None if calls is None else calls.connect,
        init=None if calls is None else calls.watch,
        **arguments,
    )
    with database_refusals(dsn):
        async with asyncio.timeout(arguments["timeout"]):
            return await pool


def session_settings(options: PoolOptions) -> dict[str, str]:
    """What a session asks of the server when it is opened."""
    named = {"application_name": options.application_name}
    if options.pgbouncer or options.idle_in_transaction_s is None:
        return named
    return {**named, "idle_in_transaction_session_timeout": f"{options.idle_in_transaction_s * 1000:.0f}"}


async def _keep(_: asyncpg.Connection[Any]) -> None:
    """Leave a returned connection as it is."""
