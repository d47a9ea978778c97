"""Where snapshots lie: a directory or a bucket (``file://``, ``gs://``), through fsspec.

All of fsspec's calls block, so they run in threads; what it raises becomes StorageFailed with the place and a fix.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any, Final, TypeVar

import fsspec
from backports import zstd

from ganggpt.errors import SnapshotInvalid, SnapshotUnfinished, StorageFailed
from ganggpt.persistence.world_snapshot.manifest import (
    MANIFEST,
    Manifest,
    Member,
    decode_manifest,
    encode_manifest,
)

T = TypeVar("T")

LEVEL: Final = 1
"""Of zstd: three times as fast as zlib's fastest on these rows, and smaller."""
BLOCK_BYTES: Final = 1 << 20
PART_BYTES: Final = 8 << 20
"""Files are read and a bucket gets them in parts of this size."""
CALL_TIMEOUT_S: Final = 120.0
"""Longest wait for one call; a bucket's client tries for about half a minute by itself."""
_UNREACHABLE: Final = "Check the network, the bucket's name and the credentials of this process, then try again."


class SnapshotDirectory:
    """One snapshot's directory, there or still to be written. ``url`` names it for people and for errors."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, self._path = _filesystem(self.url)

    @property
    def name(self) -> str:
        """Its last part."""
        return self._path.rsplit("/", 1)[-1]

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return "file" in self._fs.protocol

    async def is_taken(self) -> bool:
        """Whether anything lies there. Also the first touch of the place: raises StorageFailed during an outage."""
        return bool(await _call(self.url, self._fs.exists, self._path) and await _call(self.url, self._list))

    def _list(self) -> list[str]:
        self._fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return list(self._fs.ls(self._path, detail=False))
        return []

    async def make(self) -> None:
        """Make the directory (a bucket needs none). Raises StorageFailed."""
        await _put(self.url, self._fs.makedirs, self._path, exist_ok=True)

    def writer(self, name: str) -> MemberWriter:
        """A new file, which is opened when there is something to write."""
        path = f"{self._path}/{name}"
        return MemberWriter(f"{self.url}/{name}", lambda: self._fs.open(path, "wb", block_size=PART_BYTES))

    async def read(self, member: Member) -> AsyncIterator[bytes]:
        """The rows of a file in blocks, decompressed. Raises SnapshotInvalid where it is not what was written, at the
        latest with its last block; and StorageFailed."""
        async for block in self._blocks(member, zstd.ZstdDecompressor()):
            yield block

    async def check(self, member: Member) -> None:
        """Read a file and hold it against its checksum. Raises SnapshotInvalid, StorageFailed."""
        async for _ in self._blocks(member, None):
            pass

    async def _blocks(self, member: Member, opened: zstd.ZstdDecompressor | None) -> AsyncIterator[bytes]:
        where, hasher, size = f"{self.url}/{member.name}", sha256(), 0
        try:
            path = f"{self._path}/{member.name}"
            file = await _call(where, self._fs.open, path, "rb", block_size=PART_BYTES, cache_type="none")
        except FileNotFoundError:
            raise SnapshotInvalid(where, "the file is missing", "Use another snapshot.") from None
        try:
            while block := await _call(where, file.read, PART_BYTES):
                size += len(block)
                await asyncio.to_thread(hasher.update, block)
                yield block if opened is None else await _decompressed(where, opened, block)
        finally:
            await _call(where, file.close)
        if size != member.bytes:
            problem = f"it has {size} bytes instead of {member.bytes}: it is truncated or was changed"
            raise SnapshotInvalid(where, problem, "Use another snapshot.")
        if hasher.hexdigest() != member.digest:
            raise SnapshotInvalid(where, "its checksum is wrong: it is corrupted", "Use another snapshot.")

    async def put_manifest(self, manifest: Manifest) -> None:
        """Write the manifest: from here on the snapshot exists. Raises StorageFailed."""
        writer = self.writer(MANIFEST)
        await writer.finish(encode_manifest(manifest))

    async def manifest(self, layout_known: int) -> Manifest:
        """Read and check the manifest. Raises SnapshotInvalid, SnapshotNewer, StorageFailed."""
        try:
            stored = await _call(self.url, self._fs.cat_file, f"{self._path}/{MANIFEST}")
        except FileNotFoundError:
            problem = f"there is no {MANIFEST}: no snapshot, or one that was never finished"
            raise SnapshotUnfinished(self.url, problem, "Choose one that `ganggpt snapshots` lists.") from None
        return decode_manifest(stored, self.url, layout_known)

    async def fetch(self, member: Member, into: SnapshotDirectory) -> None:
        """Copy a file to another place as it is, checked on the way. Raises SnapshotInvalid, StorageFailed."""
        writer = into.writer(member.name)
        async for block in self._blocks(member, None):
            await writer.add_raw(block)
        await writer.close()

    async def remove(self) -> None:
        """Remove the snapshot, its manifest first so that nobody starts to read half of it. Raises StorageFailed."""
        with suppress(FileNotFoundError):
            await _call(self.url, self._fs.rm_file, f"{self._path}/{MANIFEST}")
        with suppress(FileNotFoundError):
            await _call(self.url, self._fs.rm, self._path, recursive=True)


class MemberWriter:
    """A file being written: compresses and counts what it is given."""

    def __init__(self, where: str, opened: Callable[[], Any]) -> None:
        self._where, self._opened = where, opened
        self._file: Any = None
        self._compressor = zstd.ZstdCompressor(LEVEL)
        self._hasher = sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.bytes = 0

    async def add(self, data: bytes) -> None:
        """Rows as they come. Raises StorageFailed."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= BLOCK_BYTES:
            block, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
            await _put(self._where, self._compress, block)

    async def add_raw(self, data: bytes) -> None:
        """Bytes that are compressed already. Raises StorageFailed."""
        await _put(self._where, self._write, data)

    async def seal(self) -> str:
        """Write the rest; the file is durable then. Returns its digest. Raises StorageFailed."""
        await _put(self._where, self._compress, b"".join(self._waiting))
        await _put(self._where, lambda: self._write(self._compressor.flush()))
        await self.close()
        return self._hasher.hexdigest()

    async def finish(self, data: bytes) -> None:
        """Write this, uncompressed, and nothing else. Raises StorageFailed."""
        await self.add_raw(data)
        await self.close()

    async def close(self) -> None:
        """Make it durable. Raises StorageFailed."""
        await _put(self._where, self._close)

    async def abandon(self) -> None:
        """Close it without caring; what was written, if anything, is removed with the directory."""
        if self._file is not None:
            with suppress(StorageFailed):
                await _put(self._where, self._file.close)

    def _compress(self, block: bytes) -> None:
        self._write(self._compressor.compress(block))

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._opened()
        self._hasher.update(data)
        self.bytes += len(data)
        self._file.write(data)
        self._start_writeback(self.bytes - len(data), len(data))

    def _start_writeback(self, offset: int, size: int) -> None:
        """Let a local disk begin with what was written: an fsync of megabytes at once holds up commits beside it."""
        with suppress(OSError, AttributeError, NotImplementedError):  # only a local file on Linux has this
            number = self._file.fileno()
            self._file.flush()
            os.posix_fadvise(number, offset, size, os.POSIX_FADV_DONTNEED)

    def _close(self) -> None:
        with suppress(OSError, AttributeError, NotImplementedError):  # only a local file has a descriptor
            number = self._file.fileno()
            self._file.flush()
            os.fsync(number)
        self._file.close()


class SnapshotPlace:
    """A directory or bucket prefix with snapshots in it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, self._path = _filesystem(self.url)

    def directory(self, name: str) -> SnapshotDirectory:
        """A snapshot in it, there or not."""
        return SnapshotDirectory(f"{self.url}/{name}")

    async def names(self) -> Sequence[str]:
        """Names of everything that looks like a directory, finished or not. Raises StorageFailed."""
        return await _call(self.url, self._names)

    async def read(self, name: str) -> bytes | None:
        """A small file that lies beside the snapshots, or None where it is not there. Raises StorageFailed."""
        with suppress(FileNotFoundError):
            return await _call(self.url, self._fs.cat_file, f"{self._path}/{name}")
        return None

    async def write(self, name: str, data: bytes) -> None:
        """Put a small file beside the snapshots, in place of the one that was there. Raises StorageFailed."""
        await _put(self.url, self._fs.makedirs, self._path, exist_ok=True)
        await _put(self.url, self._fs.pipe_file, f"{self._path}/{name}", data)

    def _names(self) -> list[str]:
        self._fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return sorted(
                entry["name"].rstrip("/").rsplit("/", 1)[-1]
                for entry in self._fs.ls(self._path, detail=True)
                if entry["type"] == "directory"
            )
        return []


async def _decompressed(where: str, opened: zstd.ZstdDecompressor, block: bytes) -> bytes:
    try:
        return await asyncio.to_thread(opened.decompress, block)
    except (zstd.ZstdError, EOFError) as broken:
        raise SnapshotInvalid(where, f"it does not decompress ({broken})", "Use another snapshot.") from None


def _filesystem(url: str) -> tuple[Any, str]:
    """The filesystem of a url and the path in it. A plain path is a local one. Raises StorageFailed."""
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # what it says as warnings, our errors say once
    try:
        fs, path = fsspec.url_to_fs(url)
    except ImportError as missing:
        fix = "Install it: pip install 'ganggpt[gcs]'." if url.startswith("gs:") else "Install the package it names."
        raise StorageFailed(url, _said(missing), fix) from None
    except ValueError as unknown:
        raise StorageFailed(url, _said(unknown), "Use file:///directory or gs://bucket/prefix.") from None
    except Exception as refused:  # credentials are looked for here, and every client has errors of its own
        raise StorageFailed(url, _said(refused), _UNREACHABLE) from refused
    return fs, str(path).rstrip("/")


async def _call(where: str, work: Callable[..., T], *args: Any, **options: Any) -> T:
    """One blocking call in a thread. FileNotFoundError passes; everything else becomes StorageFailed."""

    def checked() -> T:
        with _storage_errors(where):
            return work(*args, **options)

    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await asyncio.to_thread(checked)
    except TimeoutError:
        raise StorageFailed(where, f"no answer within {CALL_TIMEOUT_S:.0f} s", _UNREACHABLE) from None


async def _put(where: str, work: Callable[..., T], *args: Any, **options: Any) -> T:
    """A call that writes: there, something missing is a failure of the place too."""
    try:
        return await _call(where, work, *args, **options)
    except FileNotFoundError as missing:
        raise StorageFailed(where, f"there is no such bucket or directory ({missing})", _UNREACHABLE) from missing


@contextmanager
def _storage_errors(where: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, StorageFailed):
        raise
    except OSError as failed:
        raise StorageFailed(where, _said(failed), _FIXES.get(failed.errno or 0, _UNREACHABLE)) from failed
    except Exception as failed:  # the clients of buckets (HTTP, credentials) have no common root
        raise StorageFailed(where, _said(failed), _UNREACHABLE) from failed


_FIXES: Final = {
    errno.ENOSPC: "Free some space or choose another place; what was written was removed.",
    errno.EDQUOT: "Free some space or choose another place; what was written was removed.",
    errno.EACCES: "Give this user the right to write there, or choose another place.",
    errno.EPERM: "Give this user the right to write there, or choose another place.",
    errno.EROFS: "It is read-only: choose another place.",
    errno.ENOTDIR: "A part of the path is a file: choose another place.",
}


def _said(failed: BaseException) -> str:
    text = failed.strerror if isinstance(failed, OSError) and failed.strerror else str(failed)
    return (text or type(failed).__name__).strip().splitlines()[0][:300]
