"""Reads a snapshot directory group by group, to verify it and to replay actors from its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ganggpt.errors import SnapshotInvalid
from ganggpt.operations.journal_replay import Base, Finding, replay_actor
from ganggpt.operations.snapshots import Progress
from ganggpt.persistence.ports.journal import StoredTurn
from ganggpt.persistence.projections.verify import Kept
from ganggpt.persistence.world_snapshot.copy_rows import integer, rows_of, text
from ganggpt.persistence.world_snapshot.manifest import Manifest, Member
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotDirectory
from ganggpt.runtime.container_memory import usable_memory

_MEMORY_TIMES: Final = 4
"""How much memory the rows of a file need, in sizes of its content: the parts, the whole, the rows made of it."""


async def check_directory(directory: SnapshotDirectory, manifest: Manifest, progress: Progress) -> Sequence[Finding]:
    """Every file against its checksum and its number of rows, and every actor's turns against its snapshot.

    Raises SnapshotInvalid where a file is missing, truncated or corrupted, and StorageFailed.
    """
    findings: list[Finding] = []
    for member in manifest.members:
        if member.table not in {"snapshots", "journal"}:
            await directory.check(member)
    for group in range(manifest.groups):
        progress("check files", group, manifest.groups)
        for actor, base in (await bases_of(directory, manifest, group, findings)).items():
            findings += replay_actor(actor, Kept(base.seq, base.snapshot, _after(base), 0.0)).findings
    progress("check files", manifest.groups, manifest.groups)
    return findings


def _after(base: Base) -> tuple[StoredTurn, ...]:
    """The turns after the snapshot; older ones are there only to answer repeated commands, and may have gaps."""
    return tuple(turn for turn in base.turns if turn.seq > base.seq)


async def bases_of(
    directory: SnapshotDirectory, manifest: Manifest, group: int, findings: list[Finding] | None = None
) -> Mapping[str, Base]:
    """The rows of a snapshot for the actors of one group of shards. Wrong numbers of rows go into ``findings``.
    Raises SnapshotInvalid, StorageFailed."""
    states: dict[str, tuple[int, bytes | None]] = {}
    turns: dict[str, list[StoredTurn]] = {}
    for member in _of_group(manifest, group):
        data = await _whole(directory, member)
        place = {column: n for n, column in enumerate(member.columns)}
        count = 0
        for row in rows_of(data, f"{directory.url}/{member.name}"):
            count += 1
            actor, seq, body = text(row[place["actor"]]), integer(row[place["seq"]]), row[place["body"]]
            if member.table == "snapshots":
                states[actor] = seq, body
            else:
                turns.setdefault(actor, []).append(StoredTurn(seq, row[place["command_id"]] or b"", body or b""))
        if count != member.rows and findings is not None:
            findings.append(Finding("snapshot file", member.name, f"has {count} rows, its manifest says {member.rows}"))
    return {
        actor: Base(*states.get(actor, (0, None)), tuple(sorted(turns.get(actor, ()), key=lambda turn: turn.seq)))
        for actor in sorted({*states, *turns})
    }


async def _whole(directory: SnapshotDirectory, member: Member) -> bytes:
    """The rows of one file, which must fit into the memory that is free. Raises SnapshotInvalid, StorageFailed."""
    free_bytes = usable_memory().available_bytes
    parts, size = [], 0
    async for part in directory.read(member):
        size += len(part)
        if size * _MEMORY_TIMES > free_bytes:
            problem = f"it unpacks to more than {size} bytes, which is too much for {free_bytes} bytes of free memory"
            raise SnapshotInvalid(f"{directory.url}/{member.name}", problem, "Verify it on a larger machine.")
        parts.append(part)
    return b"".join(parts)


def _of_group(manifest: Manifest, group: int) -> Sequence[Member]:
    ending = f"-{group:03}.copy.zst"
    return [m for m in manifest.members if m.table in {"snapshots", "journal"} and m.name.endswith(ending)]
