"""``snapshot``, ``snapshots``, ``restore``, ``fork`` and ``verify``: the backups of a world from the command line."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec import Struct

from ganggpt.cli.options import (
    AsJson,
    DataDir,
    Debug,
    EnvFile,
    settings_from,
)
from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import database_of
from ganggpt.config import Settings, read_settings
from ganggpt.errors import InvalidInput
from ganggpt.operations.snapshot_catalog import Keep, list_snapshots, prune_snapshots
from ganggpt.operations.snapshot_job import SnapshotJob, run_as_job, snapshot_and_prune
from ganggpt.operations.snapshots import (
    PointInTime,
    RestoreTarget,
    restore_snapshot,
)
from ganggpt.operations.verify import verify_world
from ganggpt.persistence.world_snapshot.cut import NICE
from ganggpt.persistence.world_snapshot.manifest import PROVES

_PLACE: Final = "Directory or bucket (gs://bucket/prefix); by default a folder of the data directory."
_SOURCE: Final = "Directory of a snapshot, gs://…, or its name in the data directory."
_SOURCE_OF_OLD: Final = "Directory of a snapshot, gs://…, or its name in the data directory of this or the old world."
_COLUMNS: Final = ("name", "world", "cut_at", "actors", "bytes", "problem")
"""The columns of a list of snapshots."""
FOLDER: Final = "snapshots"
"""The folder of a data directory for snapshots, where no other place is given."""
KeepCount = Annotated[
    int | None, typer.Option("--keep", min=1, help="Keep the newest N of the world, and remove the others.")
]
KeepDays = Annotated[float | None, typer.Option("--keep-days", min=0, help="Keep what is younger than D days.")]
Journal = Annotated[
    str | None, typer.Option("--journal", help="For --at: database URL or data directory of the source world.")
]
TargetUrl = Annotated[
    str | None, typer.Option("--database-url", help="The empty database; by default that of the settings.")
]

app = typer.Typer()
"""Merged into the commands of ``ganggpt``."""


@app.command()
def snapshot(
    target: Annotated[str | None, typer.Argument(help=_PLACE)] = None,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the snapshot; by default the world's and the time.")
    ] = None,
    keep: KeepCount = None,
    keep_days: KeepDays = None,
    parallel: Annotated[
        int | None,
        typer.Option("--parallel", min=1, max=16, help="Readers of the database; by default one for two cores."),
    ] = None,
    as_job: Annotated[bool, typer.Option("--as-job", help="Run it as a Ray job of the running world.")] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a snapshot of the whole world at one moment, while it runs or not."""
    settings = settings_from(env_file, data_dir=data_dir)
    job = SnapshotJob(place_of(settings, target), name, _keep_of(keep, keep_days), parallel)
    screen.result(_run_snapshot(settings, job, as_job=as_job), "snapshot")


@app.command("snapshots")
def snapshots_(
    target: Annotated[str | None, typer.Argument(help=_PLACE)] = None,
    *,
    of_world: Annotated[str | None, typer.Option("--of", help="Only those of this world.")] = None,
    keep: KeepCount = None,
    keep_days: KeepDays = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List snapshots; with --keep or --keep-days first remove the others."""
    settings = settings_from(env_file, data_dir=data_dir)
    found = _listed(place_of(settings, target), of_world, _keep_of(keep, keep_days))
    if not found:
        screen.say("there are no snapshots")
        return
    screen.rows(_COLUMNS, found)


@app.command()
def restore(
    source: Annotated[str, typer.Argument(help=_SOURCE_OF_OLD)],
    *,
    at: Annotated[
        str | None, typer.Option("--at", help="Restore the world of this time, with zone: 2026-11-25T08:30Z.")
    ] = None,
    journal: Journal = None,
    into_world: Annotated[str | None, typer.Option("--into-world", help="Refuse a snapshot of another world.")] = None,
    database_url: TargetUrl = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Restore a snapshot into an empty database. Nothing is changed unless all of it can be restored."""
    settings = settings_from(env_file, data_dir=data_dir)
    options = RestoreOptions(source, into_world, None, at, journal, database_url)
    screen.result(asyncio.run(_restore(settings, _old_world(settings, env_file), options)), "restored")
    screen.say(PROVES)


@app.command()
def fork(
    source: Annotated[str, typer.Argument(help=_SOURCE_OF_OLD)],
    new_name: Annotated[str, typer.Argument(help="Name of the new world.")],
    *,
    at: Annotated[str | None, typer.Option("--at", help="Restore the world of this time.")] = None,
    journal: Journal = None,
    database_url: TargetUrl = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Restore under another name: a world of its own, without the game servers and pushes of the old one."""
    settings = settings_from(env_file, data_dir=data_dir)
    options = RestoreOptions(source, None, new_name, at, journal, database_url)
    screen.result(asyncio.run(_restore(settings, _old_world(settings, env_file), options)), "forked")
    screen.say(PROVES)


@app.command()
def verify(
    source: Annotated[str | None, typer.Argument(help=f"A snapshot to verify too. {_SOURCE}")] = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the user's tables; the world must be stopped.")
    ] = False,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Verify only the snapshot, without a database.")
    ] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Prove that journal, snapshots and tables agree. Exit status 1 where they do not."""
    if files_only and (source is None or repair):
        raise InvalidInput("--files-only", "it needs a snapshot to verify, and repairs nothing")
    settings = settings_from(env_file, data_dir=data_dir)
    if not _verify(settings, source, repair=repair, files_only=files_only):
        raise typer.Exit(1)


def _keep_of(count: int | None, days: float | None) -> Keep | None:
    """What is kept, or None where nothing is to be removed."""
    return None if count is None and days is None else Keep(count or 1, days or 0.0)


class RestoreOptions(Struct, frozen=True):
    """The options of ``restore`` and ``fork``, as they were given."""

    source: str
    into_world: str | None = None
    fork: str | None = None
    at: str | None = None
    journal: str | None = None
    database_url: str | None = None


def place_of(settings: Settings, target: str | None) -> str:
    """Where snapshots are: as given, else a folder of the data directory."""
    return str(settings.data_dir.expanduser().resolve() / FOLDER) if target is None else target


def source_of(settings: Settings, source: str, old: Settings | None = None) -> str:
    """A snapshot, given as a URL or path, or by its bare name in a data directory: the one of the settings, else the
    one of the ``old`` settings, from which a world moves into another directory."""
    if "/" in source or Path(source).exists():
        return source
    here, *others = [place_of(each, None) for each in (settings, old) if each is not None]
    return next((f"{place}/{source}" for place in (here, *others) if Path(place, source).exists()), f"{here}/{source}")


def _old_world(settings: Settings, env_file: Path | None) -> Settings:
    """The settings without --data-dir: where the world is that a snapshot was taken of."""
    return settings.model_copy(update={"data_dir": read_settings(env_file).data_dir})


def _run_snapshot(settings: Settings, job: SnapshotJob, *, as_job: bool) -> dict[str, Any]:
    """Take a snapshot, here or as a Ray job of the running world, then remove those that need not be kept.

    Raises GangGPTError."""
    if as_job:
        return run_as_job(settings, job, screen.say)
    os.nice(NICE)  # before there are threads: they inherit it
    return asyncio.run(_take(settings, job))


async def _take(settings: Settings, job: SnapshotJob) -> dict[str, Any]:
    async with database_of(settings) as dsn:
        with screen.bars() as bars:
            return await snapshot_and_prune(settings, dsn, job, bars)


def _listed(place: str, world: str | None, keep: Keep | None) -> list[tuple[Any, ...]]:
    """The snapshots of a place by _COLUMNS, after removing those that ``keep`` does not keep. Raises StorageFailed."""

    async def run() -> list[tuple[Any, ...]]:
        if keep is not None:
            worlds = [world] if world else sorted({each.world for each in await list_snapshots(place)} - {""})
            for each in worlds:
                await prune_snapshots(place, each, keep)
        found = [each for each in await list_snapshots(place) if world in {None, each.world}]
        return [(x.name, x.world, x.cut_at, x.actors, x.bytes, x.problem) for x in found]

    return asyncio.run(run())


async def _restore(settings: Settings, old: Settings, options: RestoreOptions) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        at = None
        if options.at is not None:
            journal = await stack.enter_async_context(_journal(settings, old, options))
            at = PointInTime(time_of(options.at), journal)
        dsn = options.database_url
        if dsn is None:
            dsn = await stack.enter_async_context(database_of(settings))
        with screen.bars() as bars:
            restored = await restore_snapshot(
                dsn,
                source_of(settings, options.source, old),
                RestoreTarget(options.into_world, options.fork, at),
                lease_s=settings.lease_s,
                pgbouncer=settings.pgbouncer,
                progress=bars,
            )
    fields: dict[str, Any] = msgspec.to_builtins(restored)
    return fields


@asynccontextmanager
async def _journal(settings: Settings, old: Settings, options: RestoreOptions) -> AsyncIterator[str]:
    """The database whose journal goes on: a URL, a data directory, or that of the old world where it is another than
    the one to restore into. Raises InvalidInput."""
    if options.journal is not None and "://" in options.journal:
        yield options.journal
        return
    elsewhere = settings.database_url is None and settings.data_dir.resolve() != old.data_dir.resolve()
    if options.journal is None and options.database_url is None and not elsewhere:
        raise InvalidInput("journal", "name the database the snapshot came from: --journal URL or data directory")
    changed = {} if options.journal is None else {"data_dir": Path(options.journal), "database_url": None}
    async with database_of(old.model_copy(update=changed)) as dsn:
        yield dsn


def _verify(settings: Settings, source: str | None, *, repair: bool, files_only: bool) -> bool:
    """Verify, show what was found, and say whether all is well. Raises GangGPTError."""

    async def run() -> bool:
        async with AsyncExitStack() as stack:
            dsn = None if files_only else await stack.enter_async_context(database_of(settings))
            with screen.bars() as bars:
                verified = await verify_world(
                    dsn,
                    source=None if source is None else source_of(settings, source),
                    repair=repair,
                    lease_s=settings.lease_s,
                    pgbouncer=settings.pgbouncer,
                    progress=bars,
                )
        if verified.findings:
            found = [(finding.check, finding.actor, finding.problem) for finding in verified.findings]
            screen.rows(("check", "actor", "problem"), found, "what disagrees")
        fields = {name: getattr(verified, name) for name in verified.__struct_fields__ if name != "findings"}
        screen.result({**fields, "holds": verified.holds}, "verified")
        if source is not None:
            screen.say(PROVES)
        return verified.holds

    return asyncio.run(run())


def time_of(text: str) -> float:
    """A time as ISO 8601 with its zone, in Unix seconds. Raises InvalidInput."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("at", f"{text[:40]!r} is not a time such as 2026-11-25T08:30:00Z") from None
    if at.tzinfo is None:
        raise InvalidInput("at", f"{text[:40]!r} has no zone; write 2026-11-25T08:30:00Z for UTC")
    return at.timestamp()
