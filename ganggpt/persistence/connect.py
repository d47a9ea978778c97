"""Opens a database by its URL: what the URL asks of us, and what a refusal means in words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from ganggpt.errors import ConfigInvalid, GangGPTError, Unavailable
from ganggpt.persistence.database_refusals import database_refusal
from ganggpt.store_urls import DatabaseUrl, read_database_url

VARIABLE: Final = "DATABASE_URL"
CONNECT_TIMEOUT_S: Final = 10.0
_SHAPE: Final = "Write it as postgresql://user:password@host:5432/database."


def driver_arguments(dsn: str, timeout_s: float = CONNECT_TIMEOUT_S) -> dict[str, Any]:
    """The address and the timeout for the driver. Raises ConfigInvalid where it is no URL of a database."""
    url = parsed(dsn)
    arguments: dict[str, Any] = {"dsn": url.dsn, "timeout": url.connect_timeout_s or timeout_s}
    if url.place.startswith("/"):
        # What PGSSLMODE and PGTARGETSESSIONATTRS of the environment ask for is for servers of the network.
        arguments |= {"ssl": False, "target_session_attrs": url.session_attrs}
    elif url.system_roots:
        arguments["ssl"] = ssl.create_default_context()
    return arguments


async def connect(dsn: str, **options: Any) -> asyncpg.Connection[Any]:
    """One connection that works through PgBouncer too; the caller closes it. ``options`` are those of the driver.

    Raises Unavailable where the database does not answer, ConfigInvalid where it refuses us.
    """
    with database_refusals(dsn):
        opened: asyncpg.Connection[Any] = await asyncpg.connect(
            **{**driver_arguments(dsn), "statement_cache_size": 0, **options}
        )
        return opened


@contextmanager
def database_refusals(dsn: str) -> Iterator[None]:
    """Raise ConfigInvalid where the database refuses what is done with it, and Unavailable where it does not answer."""
    try:
        yield
    except GangGPTError:
        raise
    except Exception as failed:
        found = database_refusal(failed, parsed(dsn))
        if found is None:
            raise
        if found.outage:
            raise Unavailable("the database", found.problem) from failed
        raise ConfigInvalid(VARIABLE, found.problem, found.fix) from failed


def parsed(dsn: str) -> DatabaseUrl:
    """What an address of a database says. Raises ConfigInvalid, which contains no part of it."""
    try:
        return read_database_url(dsn)
    except ValueError as wrong:
        raise ConfigInvalid(VARIABLE, str(wrong), _SHAPE) from None
