"""Unpacks the files of snapshots in small parts, and never more of them than there may be.

A few kilobytes of zstd can unpack to gigabytes. So each step yields a bounded part, and the sum is compared with what
the manifest says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from backports import zstd

from ganggpt.errors import SnapshotInvalid
from ganggpt.persistence.world_snapshot.manifest import Member

PART_BYTES: Final = 8 << 20
"""The size of the parts in which files are read and unpacked, and written to a bucket."""
_FIX: Final = "Use another snapshot."


class Unpacker:
    """Unpacks one file. ``where`` names it in errors."""

    def __init__(self, where: str, member: Member) -> None:
        self._where, self._member = where, member
        self._opened = zstd.ZstdDecompressor()
        self._bytes = 0

    async def unpack(self, block: bytes) -> AsyncIterator[bytes]:
        """The content of the next block of the file, in parts of ``PART_BYTES`` at most. Raises SnapshotInvalid."""
        opened, given = self._opened, block
        while True:
            try:
                part = await asyncio.to_thread(opened.decompress, given, PART_BYTES)
            except (zstd.ZstdError, EOFError) as broken:
                raise SnapshotInvalid(self._where, f"it does not decompress ({broken})", _FIX) from None
            self._bytes += len(part)
            if self._bytes > self._member.unpacked_bytes_max:
                problem = f"it unpacks to more than {self._member.unpacked_bytes_max} bytes, which is all it may have"
                raise SnapshotInvalid(self._where, problem, f"It is not what GangGPT wrote. {_FIX}")
            if opened.unused_data:
                raise SnapshotInvalid(self._where, "something follows its end", _FIX)
            if part:
                yield part
            if opened.needs_input or opened.eof:
                return
            given = b""

    def check_end(self) -> None:
        """The whole file was unpacked. Raises SnapshotInvalid where its content is incomplete."""
        expected = self._member.unpacked_bytes
        if not self._opened.eof or expected not in {None, self._bytes}:
            size = "its content" if expected is None else f"{expected} bytes"
            raise SnapshotInvalid(self._where, f"it ends after {self._bytes} bytes, before the end of {size}", _FIX)
