"""Runs one statement on a pool, with a timeout for a free connection as well as for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from ganggpt.persistence.outages import database_outages


async def ask(pool: asyncpg.Pool[Any], timeout_s: float, query: str, *arguments: Any) -> Sequence[Any]:
    """The rows of a query. Raises Unavailable."""
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection:
            return await connection.fetch(query, *arguments, timeout=timeout_s)


async def tell(pool: asyncpg.Pool[Any], timeout_s: float, statement: str, *arguments: Any) -> int:
    """Run a statement that may be run twice; how many rows it touched. Raises Unavailable."""
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection:
            return touched(await connection.execute(statement, *arguments, timeout=timeout_s))


def touched(done: str) -> int:
    """The number of rows in the status with which Postgres ends a statement (``DELETE 3``)."""
    return int(done.rsplit(" ", 1)[1])
