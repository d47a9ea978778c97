"""The commands round snapshots: options in, one call, result out."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

from typing import Annotated, Final

import typer

from ganggpt.cli import snapshots
from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.cli.snapshots import RestoreOptions
from ganggpt.errors import InvalidInput
from ganggpt.operations.snapshot_catalog import Keep as Retention
from ganggpt.operations.snapshot_job import SnapshotJob

_PLACE: Final = "Directory or bucket (gs://bucket/prefix); by default a folder of the data directory."
_SOURCE: Final = "Directory of a snapshot, gs://…, or its name in the data directory."
Keep = Annotated[int | None, typer.Option("--keep", min=1, help="Keep the newest N of the world, remove others.")]
KeepDays = Annotated[float | None, typer.Option("--keep-days", min=0, help="Keep what is younger than D days.")]
Journal = Annotated[str | None, typer.Option("--journal", help="For --at: url or data directory of the source.")]
TargetUrl = Annotated[str | None, typer.Option("--database-url", help="Empty database; else that of the settings.")]

app = typer.Typer()
"""Merged into the commands of ``ganggpt``."""


@app.command()
def snapshot(
    target: Annotated[str | None, typer.Argument(help=_PLACE)] = None,
    *,
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default the world's and the time.")] = None,
    keep: Keep = None,
    keep_days: KeepDays = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, max=16, help="Readers of the database; one for two cores.")
    ] = None,
    as_job: Annotated[bool, typer.Option("--as-job", help="As a Ray job of the running world.")] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a snapshot of the whole world at one moment, while it runs or not."""
    settings = settings_from(env_file, data_dir=data_dir)
    job = SnapshotJob(snapshots.place_of(settings, target), name, keep_of(keep, keep_days), parallel)
    screen.result(snapshots.snapshot(settings, job, as_job=as_job), "snapshot")


@app.command("snapshots")
def snapshots_(
    target: Annotated[str | None, typer.Argument(help=_PLACE)] = None,
    *,
    of_world: Annotated[str | None, typer.Option("--of", help="Only those of this world.")] = None,
    keep: Keep = None,
    keep_days: KeepDays = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List snapshots; with --keep or --keep-days first remove the others."""
    settings = settings_from(env_file, data_dir=data_dir)
    found = snapshots.listed(snapshots.place_of(settings, target), of_world, keep_of(keep, keep_days))
    screen.rows(snapshots.COLUMNS, found)
    if not found:
        screen.say("no snapshots there")


@app.command()
def restore(
    source: Annotated[str, typer.Argument(help=_SOURCE)],
    *,
    at: Annotated[
        str | None, typer.Option("--at", help="Carry it on to this time, with zone: 2026-11-25T08:30Z.")
    ] = None,
    journal: Journal = None,
    into_world: Annotated[str | None, typer.Option("--into-world", help="Refuse a snapshot of another world.")] = None,
    database_url: TargetUrl = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put a snapshot into an empty database. Nothing is changed unless all of it can be."""
    options = RestoreOptions(source, into_world, None, at, journal, database_url)
    screen.result(snapshots.restore(settings_from(env_file, data_dir=data_dir), options), "restored")


@app.command()
def fork(
    source: Annotated[str, typer.Argument(help=_SOURCE)],
    new_name: Annotated[str, typer.Argument(help="Name of the new world.")],
    *,
    at: Annotated[str | None, typer.Option("--at", help="Carry it on to this time first.")] = None,
    journal: Journal = None,
    database_url: TargetUrl = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Restore under another name: a world of its own, without the game servers and pushes of the old one."""
    options = RestoreOptions(source, None, new_name, at, journal, database_url)
    screen.result(snapshots.restore(settings_from(env_file, data_dir=data_dir), options), "forked")


@app.command()
def verify(
    source: Annotated[str | None, typer.Argument(help=f"Also a snapshot: {_SOURCE}")] = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the user's tables right; the world must be down.")
    ] = False,
    files_only: Annotated[bool, typer.Option("--files-only", help="Only the snapshot, no database.")] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Prove that journal, snapshots and tables agree. Exit status 1 where they do not."""
    if files_only and (source is None or repair):
        raise InvalidInput("--files-only", "it needs a snapshot to look at, and repairs nothing")
    settings = settings_from(env_file, data_dir=data_dir)
    if not snapshots.verify(settings, source, repair=repair, files_only=files_only):
        raise typer.Exit(1)


def keep_of(count: int | None, days: float | None) -> Retention | None:
    """What retention keeps, or None where it was not asked for."""
    return None if count is None and days is None else Retention(count or 1, days or 0.0)
