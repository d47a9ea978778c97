"""Whether given stores can be used, asked before anything is started: one answer for each, in words."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any, Final

import asyncpg

from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.connect import CONNECT_TIMEOUT_S, VARIABLE, driver_arguments, parsed
from ganggpt.persistence.database_refusals import database_refusal
from ganggpt.persistence.pool import PoolOptions, session_settings
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.persistence.redis_refusals import redis_refusal
from ganggpt.persistence.refusals import StoreProblem
from ganggpt.store_urls import redis_place

_ANSWER_S: Final = 10.0
_REDIS_ANSWER_S: Final = 5.0
_LOOKS: Final = 3
"""How often two connections are compared: a pooler hands the second one the server of the first, but need not."""
_ABOUT: Final = """
SELECT current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_copy,
       current_schema() AS schema, has_schema_privilege(current_schema(), 'CREATE') AS may_create
"""
_REDIS_KEY: Final = "ganggpt:start-check"


async def check_database(dsn: str, options: PoolOptions) -> ConfigInvalid | None:
    """Why a world cannot use this database, or None where it can. ``options``: how a process opens it."""
    url = parsed(dsn)
    for name, path in url.files.items():
        if not os.access(path, os.R_OK):
            problem = f"the file of its parameter {name} does not exist or cannot be read"
            return ConfigInvalid(VARIABLE, problem, "Correct the path; in a container the file has to be mounted.")
    try:
        async with asyncio.timeout(2 * (url.connect_timeout_s or CONNECT_TIMEOUT_S) + _ANSWER_S):
            found = await _use(dsn, options)
    except ConfigInvalid as refused:
        return refused
    except Exception as failed:
        found = database_refusal(failed, url)
        if found is None:
            raise
    if found is None:
        return None
    words = {"place": url.place, "user": url.user, "database": url.database}
    return ConfigInvalid(VARIABLE, found.problem.format(**words), found.fix.format(**words))


async def check_redis(url: str) -> ConfigInvalid | None:
    """Why a world cannot use this Redis, or None where it can: it has to answer and to take writes."""
    place = redis_place(url)
    try:
        client = connect_redis(url, _REDIS_ANSWER_S, connections_max=4)
        try:
            async with asyncio.timeout(2 * _REDIS_ANSWER_S):
                await client.set(_REDIS_KEY, b"1", ex=1)
        finally:
            await client.aclose()
    except ConfigInvalid as refused:
        return refused
    except Exception as failed:
        found = redis_refusal(failed, place)
        if found is None:
            raise
        return ConfigInvalid("REDIS_URL", found.problem, found.fix)
    return None


async def _use(dsn: str, options: PoolOptions) -> StoreProblem | None:
    """Do what the processes of a world will do. Raises what the driver raises."""
    # Hosts ask for this, and PgBouncer refuses it.
    settings = session_settings(replace(options, idle_in_transaction_s=_ANSWER_S))
    first: asyncpg.Connection[Any] = await _open(dsn, settings)
    try:
        about = await first.fetchrow(_ABOUT, timeout=_ANSWER_S)
        assert about is not None
        if about["encoding"] != "UTF8":
            return StoreProblem(
                f"the database {{database}} at {{place}} has the encoding {about['encoding']}",
                "Make one for Unicode: createdb --encoding=UTF8 --template=template0 {database}.",
            )
        if about["is_copy"]:
            return StoreProblem("the Postgres at {place} is a copy that cannot be written", "Name the primary server.")
        if about["schema"] is None:
            return StoreProblem("the search_path of {user} leads to no schema of {database}", "Create the schema.")
        if not about["may_create"]:
            return StoreProblem(
                f"the user {{user}} may make no tables in the schema {about['schema']} of {{database}}",
                "Make it the owner: ALTER DATABASE {database} OWNER TO {user}.",
            )
        second: asyncpg.Connection[Any] = await _open(dsn, settings)
        try:
            return await _compare(first, second, options)
        finally:
            second.terminate()
    finally:
        first.terminate()


async def _compare(
    first: asyncpg.Connection[Any], second: asyncpg.Connection[Any], options: PoolOptions
) -> StoreProblem | None:
    """Find a pooler that nobody told us about: two connections that are one at the server."""
    for _ in range(_LOOKS):
        one = await first.fetchval("SELECT pg_backend_pid()", timeout=_ANSWER_S)
        async with second.transaction():
            other = await second.fetchval("SELECT pg_backend_pid()", timeout=_ANSWER_S)
        if one == other and not options.pgbouncer:
            return StoreProblem(
                "what listens at {place} is a PgBouncer in transaction mode, and GANGGPT_PGBOUNCER is not set",
                "Set GANGGPT_PGBOUNCER=true, or name the Postgres behind it in DATABASE_URL.",
            )
    return None


async def _open(dsn: str, settings: dict[str, str]) -> asyncpg.Connection[Any]:
    opened: asyncpg.Connection[Any] = await asyncpg.connect(
        **driver_arguments(dsn), statement_cache_size=0, server_settings=settings
    )
    return opened
