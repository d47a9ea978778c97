"""Probes of the stores for ``/health``: each returns details, or raises Unavailable."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.redis_client import connect_redis, ping_masters, redis_outages

Probe = Callable[[], Awaitable[Mapping[str, Any]]]


def database_probe(pool: asyncpg.Pool[Any], timeout_s: float = 2.0) -> Probe:
    """One round trip to Postgres, and how full the pool is."""

    async def probe() -> Mapping[str, Any]:
        began = time.perf_counter()
        with database_outages():
            async with pool.acquire(timeout=timeout_s) as connection:
                await connection.fetchval("SELECT 1", timeout=timeout_s)
        return {
            "latency_ms": round((time.perf_counter() - began) * 1000, 2),
            "connections": pool.get_size(),
            "idle": pool.get_idle_size(),
        }

    return probe


def redis_probe(url: str | None, timeout_s: float = 1.0) -> Probe:
    """One PING, in a cluster one to every master. Running without Redis is healthy too, and the answer says so."""
    client = None if url is None else connect_redis(url, timeout_s, connections_max=2)

    async def probe() -> Mapping[str, Any]:
        if client is None:
            return {"mode": "none", "note": "no L2 cache; pushes arrive by polling"}
        began = time.perf_counter()
        async with redis_outages(timeout_s * 2):
            masters = await ping_masters(client)
        mode = {"mode": "redis"} if masters is None else {"mode": "cluster", "masters": masters}
        return {**mode, "latency_ms": round((time.perf_counter() - began) * 1000, 2)}

    return probe
