"""Brings a database to the schema this program knows: all pending revisions in one transaction, or none.

Alembic keeps the order and the version table; the work of a revision is plain SQL beside it. Two programs may migrate
at once: the second waits for the first and then finds nothing to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ganggpt.errors import StartFailed
from ganggpt.persistence.connect import CONNECT_TIMEOUT_S
from ganggpt.persistence.connect import connect as open_connection

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(7022005)"
"""A lock that ends with the transaction, so it works through PgBouncer. The number is arbitrary."""
_MIGRATE_TIMEOUT_S: Final = 600.0


async def migrate(dsn: str, *, to: str = "head", migrations: Path = _MIGRATIONS) -> str:
    """Apply every pending revision up to ``to`` and return the version the database has now.

    ``dsn`` is a libpq URL (a Unix socket directory as ``host`` too). ``migrations`` is alembic's script directory; the
    tests put others there. Raises Unavailable where the database does not answer and StartFailed where its schema is
    newer than this program; an error of a revision passes through and leaves the database as it was.
    """
    config = _config(migrations)

    async def connect() -> asyncpg.Connection[Any]:
        return await open_connection(dsn)

    def upgrade(connection: Connection) -> None:
        # This statement also opens the transaction that the revisions' SQL, sent straight to asyncpg, has to join.
        connection.execute(text(_ONE_AT_A_TIME))
        config.attributes["connection"] = connection
        command.upgrade(config, to)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with asyncio.timeout(_MIGRATE_TIMEOUT_S), engine.begin() as connection:
            await connection.run_sync(upgrade)
    except CommandError as refused:
        raise StartFailed(f"The schema of the database is unknown ({refused}).", "Update this program.") from None
    finally:
        await engine.dispose()
    version = await schema_version(dsn)
    assert version is not None
    return version


async def schema_version(dsn: str) -> str | None:
    """The revision a database is at, or None where it was never migrated. Raises Unavailable."""
    async with _connection(dsn) as connection:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return version


async def needs_migration(dsn: str) -> bool:
    """Whether ``migrate`` would change anything. Raises Unavailable."""
    return await schema_version(dsn) != newest_version()


def newest_version(migrations: Path = _MIGRATIONS) -> str | None:
    """The last revision this program knows."""
    return ScriptDirectory.from_config(_config(migrations)).get_current_head()


def knows(version: str, migrations: Path = _MIGRATIONS) -> bool:
    """Whether this program knows a revision."""
    return version in {script.revision for script in ScriptDirectory.from_config(_config(migrations)).walk_revisions()}


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await open_connection(dsn)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
