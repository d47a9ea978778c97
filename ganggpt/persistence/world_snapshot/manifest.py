"""The format of a world's snapshot: a directory of compressed tables and a manifest, which is written last.

Every file is the output of ``COPY … (FORMAT binary)`` of Postgres, compressed by zstd, so that standard tools can read
it. A directory without a manifest is no snapshot. The manifest holds a checksum of every file and of itself. These
have no key: they find damage, not somebody who writes another manifest. Who may write there may forge a snapshot.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.errors import InvalidInput, SnapshotInvalid, SnapshotNewer

FORMAT: Final = 2
"""The version of the layout of a snapshot directory. Since 2 the manifest says how large every file unpacks."""
PROVES: Final = (
    "Checksums prove that no file was damaged or lost. They have no key: whoever may write to that place can forge a "
    "snapshot that passes, so let nobody else write there."
)
MANIFEST_BYTES_MAX: Final = 32 << 20
"""Some 100,000 files."""
UNPACKED_BYTES_MAX: Final = 256 << 30
"""How large one file may unpack, whatever a manifest says."""
UNPACKED_TIMES_MAX: Final = 1000
"""How many times its size a file of format 1 may unpack to; rows of real worlds do 3 to 30 times."""
_SMALL_BYTES: Final = 64 << 20
MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MEMBER: Final = re.compile(r"[a-z0-9_-]+\.copy\.zst")
_TABLE: Final = re.compile(r"[a-z_]+")


class Member(Struct, frozen=True, omit_defaults=True):
    """One file: rows of one table, in these columns. ``bytes`` and ``digest`` (SHA-256) are of the compressed file,
    ``unpacked_bytes`` is the size of its content (format 1 does not have it)."""

    name: str
    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    digest: str
    unpacked_bytes: int | None = None

    @property
    def unpacked_bytes_max(self) -> int:
        """How much of its content is read at most."""
        if self.unpacked_bytes is not None:
            return min(self.unpacked_bytes, UNPACKED_BYTES_MAX)
        return min(self.bytes * UNPACKED_TIMES_MAX + _SMALL_BYTES, UNPACKED_BYTES_MAX)


class Manifest(Struct, frozen=True, kw_only=True):
    """What a snapshot contains and where it comes from.

    ``cut_s``: Unix time of the cut by the database's clock. ``schema``: revision of the tables; ``layout``: version of
    the records in them. ``groups``: into how many groups the shards are divided. ``epoch``, ``push_no``: the last
    numbers given out. ``flushed_s``: Unix time up to which the user's tables show every turn, or None where nothing was
    ever flushed.
    """

    format: int
    program: str
    name: str
    world: str
    title: str
    cut_s: float
    schema: str
    layout: int
    shards: int
    groups: int
    actors: int
    epoch: int
    push_no: int
    flushed_s: float | None
    days: tuple[str, ...]
    members: tuple[Member, ...]
    digest: str = ""

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(member.bytes for member in self.members)

    def rows(self, table: str) -> int:
        """Rows of one table."""
        return sum(member.rows for member in self.members if member.table == table)


class _Head(Struct, frozen=True):
    format: int
    program: str
    members: list[Any]


def snapshot_name(text: str) -> str:
    """Check the name of a snapshot. Raises InvalidInput."""
    if not _NAME.fullmatch(text):
        raise InvalidInput("name", f"{text[:80]!r} is not 1 to 100 letters, digits, '.', '_' and '-'")
    return text


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as a file, with its own digest filled in."""
    sealed = msgspec.structs.replace(manifest, digest=_digest_of(manifest))
    return msgspec.json.format(msgspec.json.encode(sealed), indent=1)


def decode_manifest(stored: bytes, source: str, layout_known: int) -> Manifest:
    """The reverse of ``encode_manifest``. ``layout_known``: the newest record layout this program reads.

    Raises SnapshotInvalid where it is foreign or damaged, SnapshotNewer where this program is too old for it.
    """
    try:
        head = msgspec.json.decode(stored, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as foreign:
        problem = f"its {MANIFEST} was not written by GangGPT or is damaged ({foreign})"
        raise SnapshotInvalid(source, problem, "Choose a directory that `ganggpt snapshots` lists.") from None
    if head.format > FORMAT:
        raise _newer(source, f"it has format {head.format}, this program reads up to {FORMAT}", head.program)
    try:
        manifest = msgspec.json.decode(stored, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        raise SnapshotInvalid(source, f"its {MANIFEST} is damaged ({broken})", "Use another snapshot.") from None
    if manifest.digest != _digest_of(manifest):
        raise SnapshotInvalid(source, f"its {MANIFEST} was changed after it was written", "Use another snapshot.")
    if manifest.layout > layout_known:
        problem = f"its records have layout {manifest.layout}, this program reads up to {layout_known}"
        raise _newer(source, problem, manifest.program)
    for member in manifest.members:
        words = (member.table, *member.columns)
        if not _MEMBER.fullmatch(member.name) or not all(map(_TABLE.fullmatch, words)):
            raise SnapshotInvalid(source, f"its {MANIFEST} names {member.name[:80]!r}", "Use another snapshot.")
        if not 0 <= (member.unpacked_bytes or 0) <= UNPACKED_BYTES_MAX:
            problem = f"its {MANIFEST} says that {member.name} unpacks to {member.unpacked_bytes} bytes"
            raise SnapshotInvalid(source, problem, _NOT_OURS)
    return manifest


_NOT_OURS: Final = "GangGPT writes no such file: do not trust where it comes from, use another snapshot."


def _newer(source: str, problem: str, program: str) -> SnapshotNewer:
    return SnapshotNewer(source, problem, f"Update this program: GangGPT {program} wrote it.")


def _digest_of(manifest: Manifest) -> str:
    return sha256(msgspec.json.encode(msgspec.structs.replace(manifest, digest=""))).hexdigest()
