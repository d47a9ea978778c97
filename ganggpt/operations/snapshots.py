"""Snapshots of whole worlds: take one, restore or fork one."""

from __future__ import annotations

import os
import re
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.kinds import VERSION
from ganggpt.errors import InvalidInput, RestoreRefused, SnapshotInvalid, StorageFailed
from ganggpt.operations.player_data import orders_again
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.world_snapshot.cut import Cut, Piece, Reader, copy_all, plan_cut, readers
from ganggpt.persistence.world_snapshot.manifest import FORMAT, Manifest, Member, snapshot_name
from ganggpt.persistence.world_snapshot.replay import Replay
from ganggpt.persistence.world_snapshot.restore import check_target, load, prepare_schema
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotDirectory, SnapshotPlace

_WORLD_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
PARALLEL_MAX: Final = 4

Progress = Callable[[str, int, int], None]
"""Called at every step with its name, how much is done, and how much there is."""


def no_progress(step: str, done: int, of: int) -> None:
    """Ignore progress."""


class Taken(Struct, frozen=True):
    """A snapshot that was taken."""

    url: str
    world: str
    cut_at: str
    actors: int
    turns: int
    rows: int
    bytes: int
    files: int
    seconds: float


class Restored(Struct, frozen=True):
    """A world that was restored into a database. ``players_to_forget``: how many players asked for their erasure after
    the snapshot was taken; the world carries it out as soon as it runs."""

    source: str
    world: str
    at: str
    actors: int
    rows: int
    turns_replayed: int
    players_to_forget: int
    seconds: float


def group_of(actor: str, shards: int, groups: int) -> int:
    """The group of an actor's hash shard, also if the actor is a shard of its own at the moment."""
    return zlib.crc32(actor.encode()) % shards % groups


def readers_of(asked: int | None, connections: int) -> int:
    """How many readers a snapshot has: as asked for, else one for two cores, so that the world has the rest.
    ``connections``: how many it may open. Raises InvalidInput if more are asked for."""
    if asked is None:
        return max(1, min(PARALLEL_MAX, (os.cpu_count() or 1) // 2, connections))
    if asked > connections:
        problem = f"{asked} readers are more than the {connections} connections that DATABASE_POOL_SIZE leaves for them"
        raise InvalidInput("parallel", problem)
    return asked


async def take_snapshot(
    dsn: str,
    place: str,
    *,
    name: str | None = None,
    parallel: int = 1,
    pgbouncer: bool = False,
    progress: Progress = no_progress,
) -> Taken:
    """Write a snapshot of the world of a database, live or not, into a place.

    ``parallel``: readers of the database, each a connection with one COPY at a time.

    Raises StorageFailed, StartFailed if the database holds no world, SnapshotInvalid if the name is taken, and
    Unavailable. A failed snapshot is removed.
    """
    began_s = time.monotonic()
    await SnapshotPlace(
        place
    ).names()  # a place that cannot be reached is noticed before the database is asked for anything
    options = PoolOptions(min_size=0, max_size=parallel, pgbouncer=pgbouncer, application_name="ganggpt snapshot")
    pool = await open_pool(dsn, options)
    try:
        async with readers(pool, parallel) as opened:
            progress("cut", 0, 1)
            if not pgbouncer:
                for reader in opened:
                    await reader.lower_priority()
            cut = await plan_cut(opened[0], group_of)
            directory = SnapshotPlace(place).directory(snapshot_name(name or _name_of(cut)))
            async with _new_directory(directory):
                members = await _write(opened, cut, directory, progress)
                manifest = _manifest(cut, directory.name, members)
                await directory.put_manifest(manifest)
    finally:
        pool.terminate()
    return Taken(
        url=directory.url,
        world=cut.world,
        cut_at=time_text(cut.cut_s),
        actors=cut.actors,
        turns=manifest.rows("journal"),
        rows=sum(member.rows for member in members),
        bytes=manifest.bytes,
        files=len(members),
        seconds=round(time.monotonic() - began_s, 2),
    )


@asynccontextmanager
async def _new_directory(directory: SnapshotDirectory) -> AsyncIterator[None]:
    """A directory that is there afterwards only if all went well."""
    if await directory.is_taken():
        raise SnapshotInvalid(directory.url, "there is something already", "Choose another --name.")
    await directory.make()
    try:
        yield
    except BaseException:
        with suppress(StorageFailed):
            await directory.remove()
        raise


async def _write(
    opened: Sequence[Reader], cut: Cut, directory: SnapshotDirectory, progress: Progress
) -> Sequence[Member]:
    members: dict[str, Member] = {}
    done = 0

    async def take(reader: Reader, piece: Piece) -> None:
        nonlocal done
        file = f"{piece.name.replace('.', '_')}.copy.zst"
        writer = directory.writer(file)
        try:
            rows = await reader.copy(piece, writer.add)
            digest = await writer.seal() if rows else ""
        except BaseException:
            await writer.abandon()
            raise
        if rows:
            members[file] = Member(file, piece.table, piece.columns, rows, writer.bytes, digest, writer.unpacked_bytes)
        done += 1
        progress("write", done, len(cut.pieces))

    await copy_all(opened, cut.pieces, take)
    return tuple(members[name] for name in sorted(members))


def _manifest(cut: Cut, name: str, members: Sequence[Member]) -> Manifest:
    return Manifest(
        format=FORMAT,
        program=version("ganggpt"),
        name=name,
        world=cut.world,
        title=cut.title,
        cut_s=cut.cut_s,
        schema=cut.schema,
        layout=VERSION,
        shards=cut.shards,
        groups=cut.groups,
        actors=cut.actors,
        epoch=cut.epoch,
        push_no=cut.push_no,
        flushed_s=cut.flushed_s,
        days=cut.days,
        members=tuple(members),
    )


class PointInTime(Struct, frozen=True):
    """Where a restore should end: at a Unix time, by the journal of the database ``journal`` (a dsn)."""

    until_s: float
    journal: str


class RestoreTarget(Struct, frozen=True):
    """The world a restore should make. ``world``: the name the snapshot's world must have; ``fork``: its new name;
    ``at``: carry it on to a time after its cut."""

    world: str | None = None
    fork: str | None = None
    at: PointInTime | None = None


async def restore_snapshot(
    dsn: str,
    source: str,
    wanted: RestoreTarget | None = None,
    *,
    lease_s: float = 10.0,
    pgbouncer: bool = False,
    progress: Progress = no_progress,
) -> Restored:
    """Put a snapshot into an empty database: everything is checked before anything is changed.

    Raises SnapshotInvalid, SnapshotNewer, StorageFailed, RestoreRefused, Unavailable.
    """
    wanted = wanted or RestoreTarget()
    world, fork, at = wanted.world, wanted.fork, wanted.at
    began_s = time.monotonic()
    directory = SnapshotDirectory(source)
    manifest = await directory.manifest(VERSION)
    if world is not None and manifest.world != world:
        problem = f"{source} is a snapshot of the world {manifest.world!r}, not of {world!r}"
        raise RestoreRefused("wrong_world", problem, "Choose another snapshot, or use `ganggpt fork`.")
    if fork is not None:
        world_name(fork)
    await check_target(dsn, lease_s)
    replay = None if at is None else Replay(at.journal, manifest, at.until_s)
    if replay is not None:
        await replay.check()

    async def carry_on(connection: Any) -> None:
        if replay is not None:
            progress("replay", 0, 1)
            await replay.apply(connection, lambda actor, own: Residences(manifest.shards, own).shard_of(actor))

    with tempfile.TemporaryDirectory(prefix="ganggpt-restore-", ignore_cleanup_errors=True) as here:
        checked = await _bring_here(directory, manifest, Path(here), progress)
        await prepare_schema(dsn, manifest, source)
        pool = await open_pool(
            dsn, PoolOptions(min_size=0, max_size=2, pgbouncer=pgbouncer, application_name="ganggpt restore")
        )
        try:
            await ensure_partitions(pool)
            rows = _counted(checked, manifest, progress)
            await load(pool, manifest, rows, lease_s=lease_s, rename=fork, after=carry_on)
            await migrate(dsn)
            forget_again = await orders_again(pool, source.rstrip("/").rpartition("/")[0] or ".")
        finally:
            pool.terminate()
    return Restored(
        source=source,
        world=fork or manifest.world,
        at=time_text(manifest.cut_s if at is None else at.until_s),
        actors=manifest.actors,
        rows=sum(member.rows for member in manifest.members),
        turns_replayed=0 if replay is None else replay.turns,
        players_to_forget=forget_again,
        seconds=round(time.monotonic() - began_s, 2),
    )


async def _bring_here(
    directory: SnapshotDirectory, manifest: Manifest, here: Path, progress: Progress
) -> SnapshotDirectory:
    """Check all files. Those of a bucket are copied here on the way, so that they are downloaded only once."""
    local = None if directory.is_local else SnapshotDirectory(str(here))
    for done, member in enumerate(manifest.members):
        progress("check", done, len(manifest.members))
        if local is None:
            await directory.check(member)
        else:
            await directory.fetch(member, local)
    return local or directory


def _counted(
    directory: SnapshotDirectory, manifest: Manifest, progress: Progress
) -> Callable[[Member], AsyncIterator[bytes]]:
    done, total = 0, manifest.bytes

    async def rows(member: Member) -> AsyncIterator[bytes]:
        nonlocal done
        progress("load", done, total)
        async for block in directory.read(member):
            yield block
        done += member.bytes

    return rows


def world_name(text: str) -> str:
    """Check the name of a world. Raises InvalidInput."""
    if not _WORLD_NAME.fullmatch(text):
        raise InvalidInput("name", f"{text[:80]!r} is no world name; use lower case letters, digits, '-' and '_'")
    return text


def _name_of(cut: Cut) -> str:
    return f"{cut.world}-{datetime.fromtimestamp(cut.cut_s, UTC):%Y%m%dT%H%M%SZ}"


def time_text(at_s: float) -> str:
    """A Unix time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
