"""The catalog of snapshots in a place: list them, and remove those that retention does not keep."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from ganggpt.domain.kinds import VERSION
from ganggpt.errors import SnapshotInvalid, SnapshotUnfinished
from ganggpt.operations.snapshots import time_text
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotPlace

_OURS: Final = re.compile(r"(.+)-(\d{8}T\d{6}Z)")
"""A name as a snapshot gets it that was not given one."""


class Listed(Struct, frozen=True):
    """A snapshot in a place; ``problem`` says why it cannot be used, empty if it can."""

    name: str
    world: str = ""
    cut_at: str = ""
    cut_s: float = 0.0
    actors: int = 0
    bytes: int = 0
    problem: str = ""
    unfinished: bool = False


async def list_snapshots(place: str) -> Sequence[Listed]:
    """The snapshots in a place, the oldest cut first, unusable ones included. Raises StorageFailed."""
    where = SnapshotPlace(place)
    found = []
    for name in await where.names():
        try:
            manifest = await where.directory(name).manifest(VERSION)
        except SnapshotInvalid as invalid:
            found.append(Listed(name, problem=invalid.problem, unfinished=isinstance(invalid, SnapshotUnfinished)))
            continue
        cut_s = manifest.cut_s
        found.append(Listed(name, manifest.world, time_text(cut_s), cut_s, manifest.actors, manifest.bytes))
    return sorted(found, key=lambda listed: (listed.cut_s, listed.name))


class Keep(Struct, frozen=True):
    """Which snapshots of a world are kept: the newest ``count``, and all that are younger than ``days``."""

    count: int = 1
    days: float = 0.0


async def prune_snapshots(place: str, world: str, keep: Keep, now_s: float | None = None) -> Sequence[str]:
    """Remove snapshots of a world that ``keep`` does not keep, and unfinished ones that are older than a day; returns
    their names. The newest always stays. Raises StorageFailed."""
    now_s = time.time() if now_s is None else now_s
    where = SnapshotPlace(place)
    listed = await list_snapshots(place)
    whole = [each for each in listed if each.world == world and not each.problem]
    kept = {each.name for each in whole[-max(1, keep.count) :]}
    kept |= {each.name for each in whole if each.cut_s > now_s - keep.days * 86_400}
    gone = [each.name for each in whole if each.name not in kept]
    for each in listed:
        named = _OURS.fullmatch(each.name)
        if each.unfinished and named is not None and named[1] == world:
            began = datetime.strptime(named[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            gone += [each.name] if began.timestamp() < now_s - 86_400 else []
    for name in gone:
        await where.directory(name).remove()
    return gone
