"""Snapshots in a directory or a bucket (``file://``, ``gs://``), through fsspec.

All calls of fsspec block, so they run in threads. Their errors become StorageFailed with the place and a fix.
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
from ganggpt.persistence.world_snapshot.buckets import SCHEMES, check_bucket, options_of
from ganggpt.persistence.world_snapshot.manifest import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    Manifest,
    Member,
    decode_manifest,
    encode_manifest,
)
from ganggpt.persistence.world_snapshot.unpacker import PART_BYTES, Unpacker

T = TypeVar("T")

LEVEL: Final = 1
"""The level of zstd: three times as fast as the fastest of zlib on these rows, and smaller."""
BLOCK_BYTES: Final = 1 << 20
CALL_TIMEOUT_S: Final = 120.0
"""The timeout of one call. A bucket's client retries for about half a minute by itself."""
_UNREACHABLE: Final = "Check the network, the bucket's name and the credentials of this process, then try again."


class SnapshotDirectory:
    """The directory of one snapshot, existing or still to be written. ``url`` names it for people and in errors."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, self._path = _filesystem(self.url)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._path.rsplit("/", 1)[-1]

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return "file" in self._fs.protocol

    async def is_taken(self) -> bool:
        """Whether anything is there. It is the first access to the place: raises StorageFailed where that fails."""
        await _reach(self.url, self._fs)
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
        """A new file, which is opened with the first write."""
        path = f"{self._path}/{name}"
        return MemberWriter(f"{self.url}/{name}", lambda: self._fs.open(path, "wb", block_size=PART_BYTES))

    async def read(self, member: Member, copy: MemberWriter | None = None) -> AsyncIterator[bytes]:
        """The rows of a file, unpacked, in parts of ``PART_BYTES`` at most. Raises SnapshotInvalid where the content is
        not what was written or larger than it may be, at the latest with its last part; and StorageFailed.

        ``copy``: gets the file as it is."""
        unpacker, blocks = Unpacker(f"{self.url}/{member.name}", member), self._blocks(member)
        async for block in blocks:
            if copy is not None:
                await copy.add_raw(block)
            try:
                async for rows in unpacker.unpack(block):
                    yield rows
            except SnapshotInvalid:
                async for _ in blocks:
                    pass  # where the checksum is wrong as well, that says more
                raise
        unpacker.check_end()

    async def check(self, member: Member) -> None:
        """Read and unpack a file; compare it with its checksum and size. Raises SnapshotInvalid, StorageFailed."""
        async for _ in self.read(member):
            pass

    async def _blocks(self, member: Member) -> AsyncIterator[bytes]:
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
                yield block
        finally:
            await _call(where, file.close)
        if size != member.bytes:
            problem = f"it has {size} bytes instead of {member.bytes}: it is truncated or was changed"
            raise SnapshotInvalid(where, problem, "Use another snapshot.")
        if hasher.hexdigest() != member.digest:
            raise SnapshotInvalid(where, "its checksum is wrong: it is corrupted", "Use another snapshot.")

    async def put_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the snapshot exist. Raises StorageFailed."""
        writer = self.writer(MANIFEST)
        await writer.finish(encode_manifest(manifest))

    async def manifest(self, layout_known: int) -> Manifest:
        """Read and check the manifest. Raises SnapshotInvalid, SnapshotNewer, StorageFailed."""
        await _reach(self.url, self._fs)
        try:
            stored = await _call(
                self.url, self._fs.cat_file, f"{self._path}/{MANIFEST}", start=0, end=MANIFEST_BYTES_MAX + 1
            )
        except FileNotFoundError:
            problem = f"there is no {MANIFEST}: no snapshot, or one that was never finished"
            raise SnapshotUnfinished(self.url, problem, "Choose one that `ganggpt snapshots` lists.") from None
        if len(stored) > MANIFEST_BYTES_MAX:
            problem = f"its {MANIFEST} has more than {MANIFEST_BYTES_MAX >> 20} MiB"
            raise SnapshotInvalid(self.url, problem, "Use another snapshot.")
        return decode_manifest(stored, self.url, layout_known)

    async def fetch(self, member: Member, into: SnapshotDirectory) -> None:
        """Copy a file unchanged to another place and check it on the way. Raises SnapshotInvalid, StorageFailed."""
        writer = into.writer(member.name)
        try:
            async for _ in self.read(member, writer):
                pass
        except BaseException:
            await writer.abandon()
            raise
        await writer.close()

    async def remove(self) -> None:
        """Delete the snapshot, the manifest first, so that nobody starts to read an incomplete one. Raises
        StorageFailed."""
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
        self.unpacked_bytes = 0

    async def add(self, data: bytes) -> None:
        """Write rows. Raises StorageFailed."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self.unpacked_bytes += len(data)
        if self._waiting_bytes >= BLOCK_BYTES:
            block, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
            await _put(self._where, self._compress, block)

    async def add_raw(self, data: bytes) -> None:
        """Write bytes that are already compressed. Raises StorageFailed."""
        await _put(self._where, self._write, data)

    async def seal(self) -> str:
        """Write the rest and make the file durable. Returns its digest. Raises StorageFailed."""
        await _put(self._where, self._compress, b"".join(self._waiting))
        await _put(self._where, lambda: self._write(self._compressor.flush()))
        await self.close()
        return self._hasher.hexdigest()

    async def finish(self, data: bytes) -> None:
        """Write only this, uncompressed. Raises StorageFailed."""
        await self.add_raw(data)
        await self.close()

    async def close(self) -> None:
        """Make it durable. Raises StorageFailed."""
        await _put(self._where, self._close)

    async def abandon(self) -> None:
        """Close it and ignore errors. What was written is deleted with the directory."""
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
        """Let a local disk start writing: an fsync of many megabytes at once would delay commits on the same disk."""
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
        """A snapshot in it, existing or not."""
        return SnapshotDirectory(f"{self.url}/{name}")

    async def names(self) -> Sequence[str]:
        """The names of all directories in it, of finished snapshots or not. Raises StorageFailed."""
        await _reach(self.url, self._fs)
        return await _call(self.url, self._names)

    async def read(self, name: str) -> bytes | None:
        """A small file beside the snapshots, or None where there is none. Raises StorageFailed."""
        await _reach(self.url, self._fs)
        with suppress(FileNotFoundError):
            return await _call(self.url, self._fs.cat_file, f"{self._path}/{name}")
        return None

    async def write(self, name: str, data: bytes) -> None:
        """Write a small file beside the snapshots, replacing an existing one. Raises StorageFailed."""
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


def _filesystem(url: str) -> tuple[Any, str]:
    """The filesystem of a url and the path in it. A plain path is a local one. Raises StorageFailed."""
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # what it says as warnings, our errors say once
    try:
        fs, path = fsspec.url_to_fs(url, **options_of(url))
    except ImportError as missing:
        fix = "Install it: pip install 'ganggpt[gcs]'." if url.startswith("gs:") else "Install the package it names."
        raise StorageFailed(url, _said(missing), fix) from None
    except ValueError as unknown:
        raise StorageFailed(url, _said(unknown), "Use file:///directory or gs://bucket/prefix.") from None
    except Exception as refused:  # credentials are looked for here, and every client has errors of its own
        raise StorageFailed(url, _said(refused), _UNREACHABLE) from refused
    return fs, str(path).rstrip("/")


async def _reach(url: str, fs: Any) -> None:
    """Raises StorageFailed where a bucket cannot be used, within seconds: its client alone would retry for a minute."""
    if url.startswith(SCHEMES):
        await check_bucket(url, fs)


async def _call(where: str, work: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run one blocking call in a thread. FileNotFoundError passes; every other error becomes StorageFailed."""

    def checked() -> T:
        with _storage_errors(where):
            return work(*args, **options)

    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await asyncio.to_thread(checked)
    except TimeoutError:
        raise StorageFailed(where, f"no answer within {CALL_TIMEOUT_S:.0f} s", _UNREACHABLE) from None


async def _put(where: str, work: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run a call that writes. A missing file becomes StorageFailed too."""
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
