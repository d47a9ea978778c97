"""A snapshot of a running world as a Ray job: submitted through Ray's job server, with its token."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ganggpt.config import Settings
from ganggpt.errors import StartFailed
from ganggpt.operations.snapshot_catalog import Keep, list_snapshots
from ganggpt.operations.snapshot_job import SnapshotJob, run_as_job
from ganggpt.operations.verify import verify_world
from tests.support.live_world import LiveWorld

pytestmark = pytest.mark.integration


async def test_a_running_world_is_snapshot_by_a_ray_job(world: LiveWorld, tmp_path: Path) -> None:
    settings = Settings(data_dir=Path(world.run.data_dir))
    said: list[str] = []
    job = SnapshotJob(str(tmp_path), "by-job", Keep(3))
    result = await asyncio.to_thread(run_as_job, settings, job, said.append)
    assert result["url"] == f"{tmp_path}/by-job"
    assert result["job"] in said[0]
    assert [each.name for each in await list_snapshots(str(tmp_path))] == ["by-job"]
    assert (await verify_world(None, source=result["url"])).findings == ()
    # The name is taken now: the job's own error comes back with the fix.
    with pytest.raises(StartFailed, match="Choose another --name"):
        await asyncio.to_thread(run_as_job, settings, job, said.append)
