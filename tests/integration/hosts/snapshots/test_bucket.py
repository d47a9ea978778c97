"""Snapshots in a bucket: the same round trip through gs:// against an emulator of Google's storage."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import fsspec
import pytest
from gcp_storage_emulator.server import create_server

from bench.big_world import make_big_world
from ganggpt.errors import SnapshotInvalid, StorageFailed
from ganggpt.operations.snapshot_catalog import Keep, list_snapshots, prune_snapshots
from ganggpt.operations.snapshots import restore_snapshot, take_snapshot
from ganggpt.operations.verify import verify_world
from tests.support.live_town import LOS_SANTOS, states_of

pytestmark = pytest.mark.integration


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The url of an empty bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    clear = fsspec.get_filesystem_class("gs").clear_instance_cache
    clear()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="snapshots")
    server.start()
    yield "gs://snapshots"
    server.stop()
    clear()


async def test_a_world_goes_through_a_bucket_and_back(
    database: str, bucket: str, new_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await make_big_world(pool, LOS_SANTOS, 300, shards=16)
    for name in ("one", "two"):
        await take_snapshot(database, f"{bucket}/nightly", name=name)
    assert [each.name for each in await list_snapshots(f"{bucket}/nightly")] == ["one", "two"]
    assert await prune_snapshots(f"{bucket}/nightly", "los-santos", Keep(1)) == ["one"]
    assert [each.name for each in await list_snapshots(f"{bucket}/nightly")] == ["two"]
    target = await new_database()
    await restore_snapshot(target, f"{bucket}/nightly/two")
    assert await states_of(target) == await states_of(database)
    verified = await verify_world(target, source=f"{bucket}/nightly/two")
    assert verified.findings == ()
    assert verified.files > 0
    with pytest.raises(SnapshotInvalid):
        await restore_snapshot(await new_database(), f"{bucket}/nightly/one")


async def test_a_bucket_that_does_not_exist_is_named(database: str, bucket: str) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await make_big_world(pool, LOS_SANTOS, 20, shards=4)
    with pytest.raises(StorageFailed, match="there is no bucket 'nowhere'"):
        await list_snapshots("gs://nowhere/nightly")
    with pytest.raises(StorageFailed, match="gs://nowhere"):
        await take_snapshot(database, "gs://nowhere/nightly")
