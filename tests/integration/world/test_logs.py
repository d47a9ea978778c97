"""A world whose path is no plain word, whose dashboard is in trouble: it runs on, and its log tells of it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ganggpt.runtime.port_claims import PortClaims
from ganggpt.runtime.run_file import read_run
from ganggpt.runtime.world_process import WorldProcess, token_of
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

ODD_NAME = "my world 'ü' \"100%\" $HOME"


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@pytest.fixture
async def home(data_dir: Path, port: int) -> AsyncIterator[WorldProcess]:
    options = ("--port", "0", "--dashboard-port", str(port))
    process = WorldProcess(data_dir.parent / ODD_NAME, *options, environment={"GANGGPT_OWN_ACTORS_MAX": "0"})
    yield process
    await process.stop()


def is_claimed(port: int) -> bool:
    claims = PortClaims()
    try:
        return not claims.take(port)
    finally:
        claims.release()


def dashboard_of(data_dir: Path) -> str:
    run = read_run(data_dir)
    return "" if run is None else run.dashboard


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            await client.get(url)
        except httpx.TransportError:
            return False
    return True


async def logs(data_dir: Path, *options: str) -> list[dict[str, Any]]:
    """What ``ganggpt logs`` shows."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "logs", "--json", "--data-dir", str(data_dir), *options,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="ports are claimed on Linux")
async def test_a_world_runs_on_without_its_dashboard_and_its_log_tells_why(
    home: WorldProcess, port: int, data_dir: Path
) -> None:
    data_dir = data_dir.parent / ODD_NAME
    starting = asyncio.create_task(home.start())
    await eventually(lambda: is_claimed(port) or starting.done(), within_s=60)
    with socket.create_server(("127.0.0.1", port)):  # somebody is faster than the dashboard, which starts last
        run = await starting
        moved = await eventually(lambda: (new := dashboard_of(data_dir)) != run.dashboard and new, within_s=60)
        assert await answers(moved)
    (dashboard,) = [
        child for child in psutil.Process(run.pid).children() if any("dashboard.py" in word for word in child.cmdline())
    ]
    dashboard.kill()
    assert await eventually(lambda: dashboard_of(data_dir) == run.dashboard, within_s=60)
    assert await answers(run.dashboard)
    assert await answers(run.health)

    while_it_runs = await logs(data_dir)
    assert {"up", "supervisor", "bridge", "host/host:0"} <= {line["component"] for line in while_it_runs}
    assert {line["world"] for line in while_it_runs} == {"los-santos"}
    token = token_of(run)
    await home.stop()

    warnings = [line["text"] for line in await logs(data_dir, "--level", "warning", "--component", "up")]
    warnings = [text for text in warnings if "dashboard" in text]
    here = f"http://127.0.0.1:{port}"
    assert warnings == [
        f"the Ray dashboard is at {moved} now, no longer at {here}",
        "the Ray dashboard ended",
        f"the Ray dashboard is at {here} now, no longer at {moved}",
    ]
    assert (await logs(data_dir))[-1]["text"].startswith("stores stopped")
    kept = [path for path in (data_dir / "logs").rglob("*") if path.is_file()]
    assert {"ganggpt.log", "gcs_server.out", "raylet.out", "dashboard.log"} <= {path.name for path in kept}
    assert {oct(path.stat().st_mode & 0o077) for path in kept} == {"0o0"}
    assert [path.name for path in kept if token.encode() in path.read_bytes()] == []
