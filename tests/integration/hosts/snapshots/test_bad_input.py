"""What a restore, a snapshot or a repair must refuse: with an error that names the fix, and nothing changed."""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import fsspec
import msgspec
import pytest
from backports import zstd
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem

from bench.big_world import make_big_world
from ganggpt.errors import (
    GangGPTError,
    InvalidInput,
    RestoreRefused,
    SnapshotInvalid,
    SnapshotNewer,
    SnapshotUnfinished,
    StartFailed,
    StorageFailed,
)
from ganggpt.operations.snapshots import RestoreTarget, restore_snapshot, take_snapshot
from ganggpt.operations.verify import verify_world
from ganggpt.persistence.world_snapshot.manifest import MANIFEST, Manifest, Member, encode_manifest
from tests.support.live_town import LOS_SANTOS, fetch, living

pytestmark = pytest.mark.integration

NewDatabase = Callable[[], Awaitable[str]]


@pytest.fixture
async def snapshot(database: str, tmp_path: Path) -> Path:
    """A good snapshot of a small world."""
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await make_big_world(pool, LOS_SANTOS, 200, shards=8)
    await take_snapshot(database, str(tmp_path), name="good")
    return tmp_path / "good"


def truncate(home: Path) -> None:
    file = next(home.glob("snapshots-*"))
    file.write_bytes(file.read_bytes()[:-100])


def corrupt(home: Path) -> None:
    file = next(home.glob("npc_memories_*-000*"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def swap(home: Path) -> None:
    # Late in the day (UTC) the journal is a single file, because no turn of yesterday has to be read.
    shutil.copy(next(home.glob("snapshots-*")), next(home.glob("journal_*")))


def lose(home: Path) -> None:
    next(home.glob("journal_*")).unlink()


def unfinish(home: Path) -> None:
    (home / MANIFEST).unlink()


def foreign(home: Path) -> None:
    (home / MANIFEST).write_text('{"name": "package", "version": "1.0"}')


def garbage(home: Path) -> None:
    (home / MANIFEST).write_bytes(b"\x00\xff\x00not json at all")


def forge(home: Path) -> None:
    text = (home / MANIFEST).read_text()
    (home / MANIFEST).write_text(text.replace('"rows": 1,', '"rows": 2,', 1))


def climb(home: Path) -> None:
    rewrite(home, lambda m: msgspec.structs.replace(m, members=(_renamed(m, "../../etc/passwd"), *m.members[1:])))


def bomb(home: Path) -> None:
    """A forger's file: some kilobytes that unpack to a gigabyte, with a checksum that fits."""
    compressor, zeros = zstd.ZstdCompressor(1), bytes(1 << 24)
    data = b"".join([*(compressor.compress(zeros) for _ in range(64)), compressor.flush()])
    file = next(home.glob("snapshots-*"))
    file.write_bytes(data)
    fitting = {"bytes": len(data), "digest": sha256(data).hexdigest()}
    rewrite(
        home, lambda m: msgspec.structs.replace(m, members=tuple(_fitted(x, file.name, fitting) for x in m.members))
    )


def _fitted(member: Member, name: str, fields: dict[str, Any]) -> Member:
    return msgspec.structs.replace(member, **fields) if member.name == name else member


def newer_format(home: Path) -> None:
    rewrite(home, lambda m: msgspec.structs.replace(m, format=99, program="9.9"))


def newer_layout(home: Path) -> None:
    rewrite(home, lambda m: msgspec.structs.replace(m, layout=99))


def newer_schema(home: Path) -> None:
    rewrite(home, lambda m: msgspec.structs.replace(m, schema="9999"))


def _renamed(manifest: Manifest, name: str) -> Any:
    return msgspec.structs.replace(manifest.members[0], name=name)


def rewrite(home: Path, change: Callable[[Manifest], Manifest]) -> None:
    manifest = msgspec.json.decode((home / MANIFEST).read_bytes(), type=Manifest)
    (home / MANIFEST).write_bytes(encode_manifest(change(manifest)))


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (truncate, SnapshotInvalid, "truncated"),
        (corrupt, SnapshotInvalid, "corrupted"),
        (swap, SnapshotInvalid, "(?i)checksum|bytes instead of"),
        (lose, SnapshotInvalid, "missing"),
        (unfinish, SnapshotUnfinished, "never finished"),
        (foreign, SnapshotInvalid, "was not written by GangGPT"),
        (garbage, SnapshotInvalid, "was not written by GangGPT"),
        (forge, SnapshotInvalid, "changed after it was written"),
        (climb, SnapshotInvalid, "names"),
        (bomb, SnapshotInvalid, "unpacks to more than"),
        (newer_format, SnapshotNewer, "Update this program"),
        (newer_layout, SnapshotNewer, "Update this program"),
        (newer_schema, SnapshotNewer, "Update this program"),
    ],
)
async def test_a_bad_snapshot_is_refused_before_anything_is_changed(
    snapshot: Path, new_database: NewDatabase, damage: Callable[[Path], None], error: type[GangGPTError], words: str
) -> None:
    damage(snapshot)
    target = await new_database()
    with pytest.raises(error, match=words):
        await restore_snapshot(target, str(snapshot))
    assert await fetch(target, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
    with pytest.raises(error, match=words) if damage is not newer_schema else pytest.raises(RestoreRefused):
        await verify_world(None if damage is not newer_schema else target, source=str(snapshot))


async def test_what_a_damage_after_the_check_leaves_is_an_empty_database(
    snapshot: Path, new_database: NewDatabase
) -> None:
    """The file changes between its check and its load: the transaction takes everything back."""
    target = await new_database()
    told: list[str] = []

    def damage_late(step: str, done: int, of: int) -> None:
        if step == "load" and not told:
            told.append(step)
            truncate(snapshot)

    with pytest.raises(SnapshotInvalid):
        await restore_snapshot(target, str(snapshot), progress=damage_late)
    for table in ("world", "journal", "snapshots", "players", "hosts", "shards"):
        assert await fetch(target, f"SELECT count(*) FROM {table}") == [(0,)]
    rest = await fetch(target, "SELECT count(*) FROM pg_constraint WHERE contype = 'f'")
    assert rest[0][0] > 0, "foreign keys are back"


async def test_a_restore_into_a_world_is_refused_and_leaves_it_alone(
    snapshot: Path, town: str, new_database: NewDatabase
) -> None:
    async with living(town) as live:
        with pytest.raises(RestoreRefused, match="is running") as running:
            await restore_snapshot(town, str(snapshot))
        assert running.value.reason == "running"
        assert running.value.as_wire()["reason"] == "running"
        with pytest.raises(RestoreRefused, match="is running"):
            await verify_world(town, repair=True)
        await live.pool.fetchval("SELECT 1")
    with pytest.raises(RestoreRefused, match="already holds the world 'los-santos'") as full:
        await restore_snapshot(town, str(snapshot), RestoreTarget(fork="other"))
    assert full.value.reason == "not_empty"
    assert await fetch(town, "SELECT name FROM world") == [("los-santos",)]


async def test_other_databases_and_other_worlds_are_refused(
    snapshot: Path, new_database: NewDatabase, database: str
) -> None:
    with pytest.raises(RestoreRefused, match="not of 'liberty-city'") as wrong:
        await restore_snapshot(await new_database(), str(snapshot), RestoreTarget(world="liberty-city"))
    assert wrong.value.reason == "wrong_world"
    strange = await new_database()
    await fetch(strange, "CREATE TABLE invoices (id int)")
    with pytest.raises(RestoreRefused, match="invoices"):
        await restore_snapshot(strange, str(snapshot))
    for name in ("", "Night City", "x" * 64, "../up", "näght"):
        with pytest.raises(InvalidInput):
            await restore_snapshot(await new_database(), str(snapshot), RestoreTarget(fork=name))
    with pytest.raises(RestoreRefused, match="no world"):
        await verify_world(await new_database())
    with pytest.raises(StartFailed, match="no world"):
        await take_snapshot(await new_database(), str(snapshot.parent))
    await fetch(database, "UPDATE world SET name = 'another'")
    with pytest.raises(RestoreRefused, match="'another'"):
        await verify_world(database, source=str(snapshot))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 101, "good\n"])
async def test_a_bad_name_and_a_taken_one_are_refused(snapshot: Path, database: str, name: str) -> None:
    with pytest.raises(InvalidInput):
        await take_snapshot(database, str(snapshot.parent), name=name or " ")
    with pytest.raises(SnapshotInvalid, match="already"):
        await take_snapshot(database, str(snapshot.parent), name="good")
    assert (snapshot / MANIFEST).exists()


class _FullFile(LocalFileOpener):
    def write(self, data: bytes) -> int:
        if self.fs.left < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        self.fs.left -= len(data)
        return int(super().write(data))


class _FullDisk(LocalFileSystem):
    """A disk with room for 20,000 bytes more."""

    protocol = ("full",)
    cachable = False
    left = 20_000

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix("full://")))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        return (_FullFile if "w" in mode else LocalFileOpener)(path, mode, fs=self)


@pytest.fixture
def full_disk() -> Iterator[None]:
    fsspec.register_implementation("full", _FullDisk, clobber=True)
    yield
    fsspec.registry.target.pop("full", None) if hasattr(fsspec.registry, "target") else None


async def test_a_full_disk_is_named_and_leaves_nothing_behind(snapshot: Path, database: str, full_disk: None) -> None:
    with pytest.raises(StorageFailed, match=r"No space left on device\. Free some space"):
        await take_snapshot(database, f"full://{snapshot.parent}", name="toolarge")
    assert not (snapshot.parent / "toolarge").exists()


async def test_places_that_cannot_be_reached_are_named(
    snapshot: Path, database: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageFailed, match="gopher"):
        await take_snapshot(database, "gopher://old/place")
    file = snapshot.parent / "file"
    file.write_text("not a directory")
    with pytest.raises(StorageFailed):
        await take_snapshot(database, f"{file}/below")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{probe.getsockname()[1]}")
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    with pytest.raises(StorageFailed, match=r"gs://bucket/a: .*Check the network"):
        await take_snapshot(database, "gs://bucket/a")
    with pytest.raises(StorageFailed, match="Check the network"):
        await restore_snapshot(await new_database(), "gs://bucket/a/b")
