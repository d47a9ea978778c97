"""``migrate`` and ``world``: a database and its world, whether or not a runtime uses it at the moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from ganggpt.cli.screen import screen
from ganggpt.config import Settings
from ganggpt.domain.world import World
from ganggpt.errors import StartFailed
from ganggpt.operations.world_load import Loaded, compare, load
from ganggpt.persistence import world_store
from ganggpt.persistence.migrate import needs_migration
from ganggpt.persistence.pool import open_pool
from ganggpt.runtime.connections import command_pool
from ganggpt.runtime.run_file import read_run
from ganggpt.runtime.stores import Stores, check_stores, prepare_database
from ganggpt.worldfiles.changes import Change
from ganggpt.worldfiles.files import PACKS, dump_world, load_world, world_folder

_SHOWN_MAX: Final = 60


async def migrate_database(settings: Settings) -> str:
    """The schema version after migrating. Raises StartFailed and Unavailable."""
    async with database_of(settings) as dsn:
        return await prepare_database(settings, dsn)


async def load_files(settings: Settings, *, dry_run: bool = False, overwrite: bool = False) -> Loaded:
    """Load the world files of the settings, or only compare them. Raises WorldRejected, StartFailed, Unavailable."""
    world = await asyncio.to_thread(read_world, settings)
    with Console(stderr=True, quiet=screen.as_json).status("reading the database") as status:
        async with database_of(settings) as dsn:
            if dry_run and await needs_migration(dsn):
                return Loaded(world, None)
            await prepare_database(settings, dsn)
            pool = await open_pool(dsn, command_pool(settings))
            try:
                if dry_run:
                    return await compare(pool, world, overwrite=overwrite, progress=status.update)
                return await load(pool, world, settings.shards, overwrite=overwrite, progress=status.update)
            finally:
                await pool.close()


def show_loaded(found: Loaded, *, dry_run: bool) -> None:
    """Show what a load did or would do: a table and a sentence, or one JSON object."""
    if screen.as_json:
        screen.json_line(_as_json(found, dry_run=dry_run))
        return
    if found.plan is None:
        screen.result(_counts(found.world), "would be loaded for the first time" if dry_run else "loaded")
        return
    if found.plan.changes:
        rows = [row for change in found.plan.changes for row in _rows(change)]
        screen.rows(("what", "who", "field", "in the world", "in the files"), rows, found.world.title)
    for line in _said(found, dry_run=dry_run):
        screen.say(line)


def _rows(change: Change) -> Iterator[Sequence[str]]:
    """The lines of a table for one change: one a field."""
    who = f"{change.section.removesuffix('s')} {change.id}" if change.section != "world" else "world"
    if not change.fields:
        yield change.what, who, "", "", ""
    for n, field in enumerate(change.fields):
        after = _short(field.after) + (f" ({field.note})" if field.note else "")
        yield change.what if n == 0 else "", who if n == 0 else "", field.field, _short(field.before), after


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


def _said(found: Loaded, *, dry_run: bool) -> Iterator[str]:
    plan = found.plan
    assert plan is not None
    told = len(plan.told)
    if not plan.changes:
        yield f"{found.world.title}: files, database and living actors agree; nothing to do"
    elif dry_run:
        yield f"{_living(told)} would be told; nothing has been changed"
    elif plan.is_empty and not found.running:
        yield "the files have not changed since they were loaded; nothing has been changed"
    elif told and not found.running:
        yield f"loaded; {_living(told)} will be told when the world runs (`ganggpt up`)"
    elif found.waiting:
        yield f"loaded; {found.waiting} of {told} actors have not answered yet and will be told as soon as they can be"
    else:
        yield f"loaded; {_living(told)} has been told" if told == 1 else f"loaded; {_living(told)} have been told"
    if plan.left:
        differ = "differs" if plan.left == 1 else "differ"
        yield f"{_living(plan.left)} {differ} by what game servers changed; --overwrite lets the files win"


def _living(count: int) -> str:
    return "1 actor" if count == 1 else f"{count or 'no'} actors"


def _as_json(found: Loaded, *, dry_run: bool) -> dict[str, Any]:
    plan = found.plan
    return {
        **_counts(found.world),
        "dry_run": dry_run,
        "first_time": plan is None,
        "changes": [] if plan is None else msgspec.to_builtins(plan.changes),
        "told": 0 if plan is None else len(plan.told),
        "differing": 0 if plan is None else plan.left,
        "running": found.running,
        "waiting": found.waiting,
    }


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
    if (folder / PACKS).is_dir():
        what = f"{folder} has world packs, and what they add is in the world that is exported"
        raise StartFailed(what, "Name a folder without packs.")
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
        "lives": len(world.lives),
        "places": len(world.places),
        "creeds": len(world.creeds),
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
    await check_stores(settings, with_redis=False)
    stores = Stores(settings)
    try:
        dsn, _ = await stores.start_database()
        yield dsn
    finally:
        await stores.stop()
