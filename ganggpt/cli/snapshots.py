"""``snapshot``, ``snapshots``, ``restore``, ``fork`` and ``verify``: a world's safety copies from the command line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.cli.screen import screen
from ganggpt.cli.worlds import database_of
from ganggpt.config import Settings
from ganggpt.errors import InvalidInput
from ganggpt.operations.snapshot_catalog import Keep, list_snapshots, prune_snapshots
from ganggpt.operations.snapshot_job import SnapshotJob, run_as_job, snapshot_and_prune
from ganggpt.operations.snapshots import PointInTime, RestoreTarget, restore_snapshot
from ganggpt.operations.verify import verify_world
from ganggpt.persistence.world_snapshot.cut import NICE

FOLDER: Final = "snapshots"
"""Where snapshots lie in a data directory that were told no other place."""


COLUMNS: Final = ("name", "world", "cut_at", "actors", "bytes", "problem")
"""Of a list of snapshots."""


class RestoreOptions(Struct, frozen=True):
    """What ``restore`` and ``fork`` were told; texts as they came."""

    source: str
    into_world: str | None = None
    fork: str | None = None
    at: str | None = None
    journal: str | None = None
    database_url: str | None = None


def place_of(settings: Settings, target: str | None) -> str:
    """Where snapshots go: as told, else a folder of the data directory."""
    return str(settings.data_dir.expanduser().resolve() / FOLDER) if target is None else target


def source_of(settings: Settings, source: str) -> str:
    """A snapshot: as a url or path, or by its bare name in the data directory."""
    return source if "/" in source or Path(source).exists() else f"{place_of(settings, None)}/{source}"


def snapshot(settings: Settings, job: SnapshotJob, *, as_job: bool) -> dict[str, Any]:
    """Take a snapshot, here or as a Ray job of the running world, then let retention do its work.

    Raises GangGPTError."""
    if as_job:
        return run_as_job(settings, job, screen.say)
    os.nice(NICE)  # before there are threads: they inherit it
    return asyncio.run(_snapshot(settings, job))


async def _snapshot(settings: Settings, job: SnapshotJob) -> dict[str, Any]:
    async with database_of(settings) as dsn:
        with screen.bars() as bars:
            return await snapshot_and_prune(settings, dsn, job, bars)


def listed(place: str, world: str | None, keep: Keep | None) -> list[tuple[Any, ...]]:
    """The snapshots of a place by COLUMNS, after retention where it was asked for. Raises StorageFailed."""

    async def look() -> list[tuple[Any, ...]]:
        if keep is not None:
            worlds = [world] if world else sorted({each.world for each in await list_snapshots(place)} - {""})
            for each in worlds:
                await prune_snapshots(place, each, keep)
        found = [each for each in await list_snapshots(place) if world in {None, each.world}]
        return [(x.name, x.world, x.cut_at, x.actors, x.bytes, x.problem) for x in found]

    return asyncio.run(look())


def restore(settings: Settings, options: RestoreOptions) -> dict[str, Any]:
    """Restore or fork. Raises GangGPTError."""
    return asyncio.run(_restore(settings, options))


async def _restore(settings: Settings, options: RestoreOptions) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        at = None
        if options.at is not None:
            journal = await stack.enter_async_context(_journal(settings, options))
            at = PointInTime(time_of(options.at), journal)
        dsn = options.database_url
        if dsn is None:
            dsn = await stack.enter_async_context(database_of(settings))
        with screen.bars() as bars:
            restored = await restore_snapshot(
                dsn,
                source_of(settings, options.source),
                RestoreTarget(options.into_world, options.fork, at),
                lease_s=settings.lease_s,
                pgbouncer=settings.pgbouncer,
                progress=bars,
            )
    fields: dict[str, Any] = msgspec.to_builtins(restored)
    return fields


@asynccontextmanager
async def _journal(settings: Settings, options: RestoreOptions) -> AsyncIterator[str]:
    """The database whose journal goes on: a url, a data directory, or the settings' own. Raises InvalidInput."""
    if options.journal is not None and "://" in options.journal:
        yield options.journal
        return
    if options.journal is None and options.database_url is None:
        raise InvalidInput("journal", "say which database the snapshot came from: --journal URL or data directory")
    changed = {} if options.journal is None else {"data_dir": Path(options.journal), "database_url": None}
    async with database_of(settings.model_copy(update=changed)) as dsn:
        yield dsn


def verify(settings: Settings, source: str | None, *, repair: bool, files_only: bool) -> bool:
    """Verify, show what was found, and say whether all is well. Raises GangGPTError."""

    async def look() -> bool:
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
        return verified.holds

    return asyncio.run(look())


def time_of(text: str) -> float:
    """A time as ISO 8601 with its zone, in Unix seconds. Raises InvalidInput."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("at", f"{text[:40]!r} is not a time such as 2026-11-25T08:30:00Z") from None
    if at.tzinfo is None:
        raise InvalidInput("at", f"{text[:40]!r} has no zone; write 2026-11-25T08:30:00Z for UTC")
    return at.timestamp()
