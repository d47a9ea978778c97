"""``ganggpt up`` and ``down`` as processes: worlds side by side, one a directory, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ganggpt.runtime.run_file import read_run
from ganggpt.runtime.world_process import WorldProcess, token_of
from tests.support.live_world import LiveWorld

pytestmark = pytest.mark.integration

ALONE: Mapping[str, str] = {"GANGGPT_OWN_ACTORS_MAX": "0"}
SLOW_TO_NOTICE = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's node agents hold nothing and look for their parent only now and then."""


async def ganggpt(*words: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", *words, "--json", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode is not None
    return process.returncode, json.loads(out)


def processes_of(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


async def ended(processes: list[psutil.Process], within_s: int) -> list[str]:
    """Those that still run after a while; a zombie has ended, whoever is to collect it."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, within_s)
    return [str(process) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[WorldProcess]:
    process = WorldProcess(tmp_path, "--port", "0", "--dashboard-port", "0", environment=ALONE)
    yield process
    await process.stop()


async def test_a_directory_holds_one_running_world(world: LiveWorld) -> None:
    status, told = await ganggpt("up", "--port", "0", "--data-dir", world.run.data_dir)
    assert status == 2
    assert told["error"]["code"] == "start_failed"
    assert str(world.run.pid) in told["error"]["message"]
    assert read_run(Path(world.run.data_dir)) == world.run


async def test_status_shows_the_running_world_with_its_token(world: LiveWorld) -> None:
    status, told = await ganggpt("status", "--data-dir", world.run.data_dir)
    assert status == 0
    assert told["healthy"]
    assert told["token"] == token_of(world.run)


async def test_two_worlds_run_side_by_side_and_a_killed_one_leaves_nothing_and_starts_again(
    world: LiveWorld, other: WorldProcess, tmp_path: Path
) -> None:
    run = await other.start()
    assert run.bridge != world.run.bridge
    async with httpx.AsyncClient(timeout=10) as client:
        assert [(await client.get(health)).status_code for health in (run.health, world.run.health)] == [200, 200]
    processes = [p for p in processes_of(run.pid) if " ".join(p.cmdline()).strip() not in SLOW_TO_NOTICE]
    await other.kill()
    assert await ended(processes, 30) == []
    assert read_run(tmp_path) is None

    again = await other.start()
    assert again.bridge == run.bridge, "a world keeps its addresses"
    processes = processes_of(again.pid)
    status, told = await ganggpt("down", "--data-dir", str(tmp_path))
    assert (status, told["stopped"]) == (0, True)
    await other.stop()
    assert await ended(processes, 10) == []
    async with httpx.AsyncClient(timeout=10) as client:
        assert (await client.get(world.run.health)).status_code == 200
