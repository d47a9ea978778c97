"""``migrate`` and ``world``: a database and its world, whether or not a runtime uses it at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ganggpt.config import Settings
from ganggpt.domain.world import World
from ganggpt.errors import StartFailed
from ganggpt.persistence import world_store
from ganggpt.persistence.migrate import needs_migration
from ganggpt.persistence.pool import open_pool
from ganggpt.runtime.connections import command_pool
from ganggpt.runtime.run_file import read_run
from ganggpt.runtime.stores import Stores, ensure_world, prepare_database
from ganggpt.worldfiles.files import dump_world, load_world, world_folder


async def migrate_database(settings: Settings) -> str:
    """The schema version after migrating. Raises StartFailed and Unavailable."""
    async with database_of(settings) as dsn:
        return await prepare_database(settings, dsn)


async def load_files(settings: Settings) -> dict[str, Any]:
    """Load the world files of the settings. Raises WorldRejected, StartFailed and Unavailable."""
    async with database_of(settings) as dsn:
        await prepare_database(settings, dsn)
        title, cast = await ensure_world(settings, dsn, reload=True)
        return {"world": title, "cast": len(cast)}


def exports_of(settings: Settings) -> Path:
    """The folder of the data directory for what is exported; it is made where missing. Raises StartFailed."""
    folder = settings.data_dir.expanduser().resolve() / "exports"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failed:
        raise StartFailed(f"{folder} cannot be made: {failed.strerror}", "Name another --data-dir.") from None
    return folder


async def export_files(settings: Settings, folder: Path | None) -> dict[str, Any]:
    """Write the world of the database, without a folder under its name into the data directory. Raises StartFailed
    where there is none, and Unavailable."""
    async with pool_of(settings) as pool:
        world, _ = await world_store.load_world(pool)
    folder = folder or exports_of(settings) / world.name
    await asyncio.to_thread(dump_world, world, folder)
    return {"folder": str(folder), **_counts(world)}


def check_files(settings: Settings) -> dict[str, Any]:
    """Check the world files of the settings. Raises WorldRejected."""
    folder = world_folder(settings.world)
    return {"folder": str(folder), **_counts(load_world(folder))}


def read_world(settings: Settings) -> World:
    """The world of the files of the settings. Raises WorldRejected."""
    return load_world(world_folder(settings.world))


def _counts(world: World) -> dict[str, Any]:
    return {
        "world": world.title,
        "districts": len(world.districts),
        "factions": len(world.factions),
        "npcs": len(world.npcs),
        "missions": len(world.missions),
        "things": len(world.things),
    }


@asynccontextmanager
async def pool_of(settings: Settings) -> AsyncIterator[Any]:
    """A pool on the database of a world that is there. Raises StartFailed where none is, and Unavailable."""
    async with database_of(settings) as dsn:
        if await needs_migration(dsn):
            problem = "The database holds no world, or its schema is not the one of this program."
            raise StartFailed(problem, "Name the world's data directory (--data-dir) or database (DATABASE_URL).")
        pool = await open_pool(dsn, command_pool(settings))
        try:
            yield pool
        finally:
            await pool.close()


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The dsn of the database: of the settings, of the world that runs here, or of an embedded one started for now."""
    run = read_run(settings.data_dir.expanduser().resolve())
    if run is not None and run.database and settings.database_url is None:
        yield run.database
        return
    stores = Stores(settings)
    try:
        dsn, _ = await stores.start_database()
        yield dsn
    finally:
        await stores.stop()
