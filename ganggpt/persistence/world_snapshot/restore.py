"""Loads a snapshot into an empty database, in one transaction, so that either all of it is there or nothing.

A forbidden restore is refused before anything is changed: into a database that holds a world or other tables, while
hosts still run on it, or with a schema this program does not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from ganggpt.domain.world import decode_world, encode_world
from ganggpt.errors import RestoreRefused, SnapshotNewer
from ganggpt.persistence.connect import connect
from ganggpt.persistence.journal.partitions import ensure_days
from ganggpt.persistence.migrate import knows, migrate, newest_version, schema_version
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.sql import load_sql
from ganggpt.persistence.world_snapshot.manifest import Manifest, Member

LOAD_TIMEOUT_S: Final = 1800.0
SESSIONS: Final = ("game_servers", "pushes")
"""Tables that belong to the game servers of one world and not to its fork."""
_FIRST: Final = ("world", "cast_members", "shards", "game_servers", "players")

SQL: Final = load_sql(Path(__file__).with_name("load.sql"))
Rows = Callable[[Member], AsyncIterator[bytes]]
After = Callable[[Any], Awaitable[None]]


async def check_target(dsn: str, lease_s: float) -> None:
    """Check whether a database may be restored into: it exists, is empty, and no host runs on it.

    Raises RestoreRefused with the reason ``running`` or ``not_empty``, and Unavailable. Changes nothing.
    """
    migrated = await schema_version(dsn) is not None
    with database_outages():
        connection = await connect(dsn)
        try:
            if migrated:
                await _check_empty(connection, lease_s)
            elif strangers := await connection.fetchval(SQL["foreign_tables"], timeout=30):
                raise RestoreRefused("not_empty", f"the database holds foreign tables ({strangers})", _EMPTY)
        finally:
            await connection.close(timeout=10)


_EMPTY: Final = (
    "Restore into a data directory of its own (--data-dir ./another; it is made), or into an empty database that "
    "--database-url names."
)


async def _check_empty(connection: Any, lease_s: float) -> None:
    found = await connection.fetchrow(SQL["contents"], lease_s, timeout=60)
    if found["alive"]:
        problem = f"the world {found['world']!r} is running on this database ({found['alive']} answer)"
        raise RestoreRefused("running", problem, "Stop it (ganggpt down), or restore into another database.")
    if found["world"] is not None:
        raise RestoreRefused("not_empty", f"the database already holds the world {found['world']!r}", _EMPTY)
    if found["has_rows"]:
        raise RestoreRefused("not_empty", "the database already holds rows of actors or players", _EMPTY)


async def prepare_schema(dsn: str, manifest: Manifest, source: str) -> None:
    """Bring an empty database to the schema of the snapshot. Raises SnapshotNewer, RestoreRefused, Unavailable."""
    if not knows(manifest.schema):
        problem = f"its tables have schema {manifest.schema}, this program knows up to {newest_version()}"
        raise SnapshotNewer(source, problem, f"Update this program: GangGPT {manifest.program} wrote it.")
    there = await schema_version(dsn)
    if there is not None and there != manifest.schema and manifest.schema != newest_version():
        problem = f"the database has schema {there} already, the snapshot has {manifest.schema}"
        fix = (
            "Restore into a database that was never migrated, or into a new data directory (--data-dir ./another); "
            "it is brought up to date afterwards."
        )
        raise RestoreRefused("schema", problem, fix)
    await migrate(dsn, to=manifest.schema)


async def load(
    pool: asyncpg.Pool[Any], manifest: Manifest, rows: Rows, *, lease_s: float, rename: str | None, after: After
) -> None:
    """Load everything in one transaction. ``rename``: the fork's name; the sessions of game servers are then left out.
    ``after`` runs last, in the transaction. Raises RestoreRefused, SnapshotInvalid and Unavailable, and then changes
    nothing."""
    members = [m for m in manifest.members if rename is None or m.table not in SESSIONS]
    members.sort(key=lambda m: (_FIRST.index(m.table) if m.table in _FIRST else len(_FIRST), m.name))
    with database_outages():
        async with pool.acquire(timeout=30) as connection, connection.transaction():
            await connection.execute(SQL["lock"], timeout=60)
            # No host registers while the world is incomplete.
            await connection.execute("LOCK TABLE hosts IN SHARE ROW EXCLUSIVE MODE", timeout=60)
            await _check_empty(connection, lease_s)
            await ensure_days(connection, [_day_s(day) for day in manifest.days])
            tables = sorted({member.table for member in members})
            later = await _set_aside(connection, tables)
            for member in members:
                await connection.copy_to_table(
                    member.table,
                    source=rows(member),
                    columns=member.columns,
                    format="binary",
                    timeout=LOAD_TIMEOUT_S,
                )
            if rename is not None:
                sheet = decode_world(await connection.fetchval("SELECT sheet FROM world", timeout=60))
                renamed = msgspec.structs.replace(sheet, name=rename)
                await connection.execute(SQL["rename"], rename, encode_world(renamed), timeout=60)
            for statement in later:
                await connection.execute(statement, timeout=LOAD_TIMEOUT_S)
            await after(connection)
            came_from = f"snapshot {manifest.name}"
            await connection.execute(SQL["insert_predecessor"], came_from, manifest.flushed_s, timeout=60)
            await connection.execute(SQL["set_sequences"], manifest.epoch, manifest.push_no, timeout=60)
        await pool.execute("ANALYZE", timeout=LOAD_TIMEOUT_S)


async def _set_aside(connection: Any, tables: Sequence[str]) -> Sequence[str]:
    """Drop foreign keys and plain indexes of empty tables, which cost most of a load; returns the statements that make
    them again."""
    later = []
    await connection.execute("SET LOCAL maintenance_work_mem = '256MB'", timeout=30)
    for key in await connection.fetch(SQL["foreign_keys"], tables, timeout=60):
        await connection.execute(f"ALTER TABLE {key['table']} DROP CONSTRAINT {key['name']}", timeout=60)
        later.append(f"ALTER TABLE {key['table']} ADD CONSTRAINT {key['name']} {key['definition']}")
    for index in await connection.fetch(SQL["indexes"], tables, timeout=60):
        await connection.execute(f"DROP INDEX {index['name']}", timeout=60)
        later.insert(0, index["definition"].replace(" ON ONLY ", " ON "))
    return later


def _day_s(day: str) -> float:
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()
