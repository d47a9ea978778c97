"""The files of a snapshot: what is written is read back, and whatever was changed in between is noticed."""

from __future__ import annotations

import struct
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.errors import GangGPTError, InvalidInput, SnapshotInvalid, SnapshotNewer, SnapshotUnfinished
from ganggpt.operations.snapshot_reader import bases_of
from ganggpt.persistence.world_snapshot.copy_rows import integer, rows_of, text
from ganggpt.persistence.world_snapshot.manifest import (
    FORMAT,
    MANIFEST,
    MANIFEST_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    Manifest,
    Member,
    decode_manifest,
    encode_manifest,
    snapshot_name,
)
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotDirectory, SnapshotPlace
from ganggpt.persistence.world_snapshot.unpacker import PART_BYTES
from ganggpt.runtime.container_memory import UsableMemory

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
members = st.builds(
    Member,
    name=names.map(lambda name: f"{name}-000.copy.zst"),
    table=names,
    columns=st.lists(names, min_size=1, max_size=4).map(tuple),
    rows=st.integers(0, 2**40),
    bytes=st.integers(0, 2**50),
    digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    unpacked_bytes=st.none() | st.integers(0, UNPACKED_BYTES_MAX),
)
EMPTY: dict[str, Any] = {
    **dict.fromkeys(("layout", "shards", "groups"), 1),
    **dict.fromkeys(("actors", "epoch", "push_no", "cut_s"), 0),
    **dict.fromkeys(("program", "name", "world", "title", "schema"), "x"),
    "format": FORMAT,
    "flushed_s": None,
    "days": [],
}
"""A manifest without files."""
manifests = st.builds(
    Manifest,
    format=st.just(FORMAT),
    program=st.text(max_size=10),
    name=names,
    world=names,
    title=st.text(max_size=40),
    cut_s=st.floats(0, 4e9),
    schema=names,
    layout=st.just(1),
    shards=st.integers(1, 4096),
    groups=st.integers(1, 64),
    actors=st.integers(0, 10**9),
    epoch=st.integers(0, 2**60),
    push_no=st.integers(0, 2**60),
    flushed_s=st.none() | st.floats(0, 4e9),
    days=st.lists(st.dates().map("{:%Y%m%d}".format), max_size=4).map(tuple),
    members=st.lists(members, max_size=5).map(tuple),
)


@given(manifests)
def test_a_manifest_is_read_back_as_it_was_written(manifest: Manifest) -> None:
    read = decode_manifest(encode_manifest(manifest), "here", 1)
    assert msgspec.structs.replace(read, digest="") == manifest
    assert read.bytes == sum(member.bytes for member in manifest.members)


@given(manifests, st.data())
@settings(max_examples=200)
def test_no_byte_of_a_manifest_can_be_changed_unnoticed(manifest: Manifest, data: st.DataObject) -> None:
    stored = bytearray(encode_manifest(manifest))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != stored[place]))
    try:
        read = decode_manifest(bytes(stored), "here", 1)
    except SnapshotInvalid:
        return
    assert msgspec.structs.replace(read, digest="") == manifest  # only white space between values was changed


@given(st.binary(max_size=200))
def test_what_is_no_manifest_is_refused(stored: bytes) -> None:
    with pytest.raises(SnapshotInvalid):
        decode_manifest(stored, "here", 1)


def test_a_newer_format_is_told_apart_from_a_damage() -> None:
    stored = msgspec.json.encode({"format": FORMAT + 1, "program": "9.9", "members": [], "unheard": "of"})
    with pytest.raises(SnapshotNewer, match=r"Update this program: GangGPT 9\.9 wrote it"):
        decode_manifest(stored, "here", 1)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".a", "a\n", "ä", "a" * 101])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        snapshot_name(name)


@given(blocks=st.lists(st.binary(max_size=3000), max_size=20))
@settings(max_examples=30, deadline=None)
async def test_a_file_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes]
) -> None:
    directory = SnapshotDirectory(str(tmp_path_factory.mktemp("snapshot")))
    member = await write(directory, blocks)
    assert b"".join([block async for block in directory.read(member)]) == b"".join(blocks)
    await directory.check(member)


async def write(directory: SnapshotDirectory, blocks: list[bytes]) -> Member:
    writer = directory.writer("rows.copy.zst")
    for block in blocks:
        await writer.add(block)
    digest = await writer.seal()
    return Member("rows.copy.zst", "rows", ("a",), len(blocks), writer.bytes, digest, writer.unpacked_bytes)


def bomb(directory: SnapshotDirectory, unpacked_bytes: int | None) -> Member:
    """A file of some kilobytes that unpacks to a gigabyte, with a manifest entry that fits it."""
    compressor = zstd.ZstdCompressor(1)
    zeros = bytes(1 << 24)
    data = b"".join([*(compressor.compress(zeros) for _ in range(64)), compressor.flush()])
    (Path(directory.url) / "rows.copy.zst").write_bytes(data)
    assert len(data) < 1 << 20
    return Member("rows.copy.zst", "rows", ("a",), 1, len(data), sha256(data).hexdigest(), unpacked_bytes)


@pytest.mark.parametrize("said", [1000, None])
async def test_a_file_that_unpacks_to_more_than_it_may_ends_the_reading_in_small_memory(
    tmp_path: Path, said: int | None
) -> None:
    directory = SnapshotDirectory(str(tmp_path))
    member = bomb(directory, said)
    sizes: list[int] = []

    async def read() -> None:
        async for part in directory.read(member):
            sizes.append(len(part))  # noqa: PERF401 - those before the error count

    with pytest.raises(SnapshotInvalid, match="unpacks to more than"):
        await read()
    assert max(sizes, default=0) <= PART_BYTES
    assert sum(sizes) <= member.unpacked_bytes_max < 1 << 30
    with pytest.raises(SnapshotInvalid, match="unpacks to more than"):
        await directory.check(member)
    copy = SnapshotDirectory(str(tmp_path / "copy"))
    await copy.make()
    with pytest.raises(SnapshotInvalid, match="unpacks to more than"):
        await directory.fetch(member, copy)


async def test_a_file_that_unpacks_to_less_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    directory = SnapshotDirectory(str(tmp_path))
    member = await write(directory, [b"row"])
    with pytest.raises(SnapshotInvalid, match="before the end of 4 bytes"):
        await directory.check(msgspec.structs.replace(member, unpacked_bytes=4))


async def test_a_file_that_is_read_whole_must_fit_into_the_memory_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = SnapshotDirectory(str(tmp_path))
    member = bomb(directory, 1 << 30)
    (tmp_path / "rows.copy.zst").rename(tmp_path / "snapshots_all-000.copy.zst")
    member = msgspec.structs.replace(member, name="snapshots_all-000.copy.zst", table="snapshots")
    free = UsableMemory(total_bytes=1 << 30, available_bytes=64 << 20)
    monkeypatch.setattr("ganggpt.operations.snapshot_reader.usable_memory", lambda: free)
    manifest = msgspec.convert({**EMPTY, "members": [msgspec.to_builtins(member)]}, Manifest)
    with pytest.raises(SnapshotInvalid, match="free memory"):
        await bases_of(directory, manifest, 0)


def test_a_manifest_that_announces_more_than_any_world_has_is_refused_before_a_file_is_opened() -> None:
    member = {"name": "a.copy.zst", "table": "a", "columns": ["a"], "rows": 1, "bytes": 9, "digest": ""}
    for size in (UNPACKED_BYTES_MAX + 1, -1):
        manifest = msgspec.convert({**EMPTY, "members": [{**member, "unpacked_bytes": size}]}, Manifest)
        with pytest.raises(SnapshotInvalid, match="unpacks to"):
            decode_manifest(encode_manifest(manifest), "here", 1)


async def test_a_manifest_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / MANIFEST).open("wb") as file:
        file.truncate(MANIFEST_BYTES_MAX * 4)
    with pytest.raises(SnapshotInvalid, match="more than 32 MiB"):
        await SnapshotDirectory(str(tmp_path)).manifest(1)


def test_a_manifest_of_format_1_is_still_read() -> None:
    member = Member("a-000.copy.zst", "a", ("b",), 3, 100, "00" * 32)
    manifest = msgspec.convert({**EMPTY, "format": 1, "members": []}, Manifest)
    stored = encode_manifest(msgspec.structs.replace(manifest, members=(member,)))
    assert b"unpacked_bytes" not in stored
    read = decode_manifest(stored, "here", 1)
    assert read.members == (member,)
    assert 100 < read.members[0].unpacked_bytes_max < UNPACKED_BYTES_MAX


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "remove", "empty"])
async def test_a_damaged_file_is_noticed(tmp_path: Path, damage: str) -> None:
    directory = SnapshotDirectory(str(tmp_path))
    member = await write(directory, [uuid.uuid4().bytes * 1000 for _ in range(200)])
    file = tmp_path / member.name
    data = file.read_bytes()
    assert sha256(data).hexdigest() == member.digest
    changed = {
        "flip": data[:50] + bytes([data[50] ^ 4]) + data[51:],
        "cut": data[:-1],
        "grow": data + b"x",
        "empty": b"",
    }
    file.unlink() if damage == "remove" else file.write_bytes(changed[damage])
    with pytest.raises(SnapshotInvalid) as noticed:
        await directory.check(member)
    assert member.name in str(noticed.value)
    with pytest.raises(SnapshotInvalid):
        _ = [block async for block in directory.read(member)]


async def test_a_directory_without_a_manifest_is_no_snapshot(tmp_path: Path) -> None:
    directory = SnapshotPlace(str(tmp_path)).directory("one")
    assert not await directory.is_taken()
    await directory.make()
    assert not await directory.is_taken()
    await write(directory, [b"rows"])
    assert await directory.is_taken()
    with pytest.raises(SnapshotUnfinished):
        await directory.manifest(1)
    assert await SnapshotPlace(str(tmp_path)).names() == ["one"]
    await directory.remove()
    assert not (tmp_path / "one").exists()
    assert not (tmp_path / MANIFEST).exists()


fields = st.none() | st.binary(max_size=40)


@given(st.lists(st.lists(fields, min_size=1, max_size=5), max_size=10), st.binary(max_size=9))
def test_rows_of_a_copy_are_read_as_they_are(rows: list[list[bytes | None]], extension: bytes) -> None:
    data = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, len(extension)) + extension
    for row in rows:
        data += struct.pack(">h", len(row))
        for field in row:
            data += struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
    data += struct.pack(">h", -1)
    assert [list(row) for row in rows_of(data, "here")] == rows
    with pytest.raises(SnapshotInvalid):
        list(rows_of(data[:-2], "here"))
    with pytest.raises(SnapshotInvalid):
        list(rows_of(data[1:], "here"))


def test_fields_of_a_copy_become_values() -> None:
    assert integer(struct.pack(">q", -5)) == -5
    assert text("näht".encode()) == "näht"


def test_errors_of_snapshots_say_what_to_do() -> None:
    for error in (SnapshotInvalid("a", "b", "c"), SnapshotNewer("a", "b", "c"), SnapshotUnfinished("a", "b", "c")):
        assert isinstance(error, GangGPTError)
        assert str(error) == "a: b. C."
