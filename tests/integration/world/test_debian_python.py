"""A world is started by Debian's Python, too: mistakes are sentences, and a good start is one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.debian_python import PYTHON, environment_of, needs_debian_python

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    needs_debian_python()
    return environment_of(tmp_path)


async def up(environment: Mapping[str, str], home: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(PYTHON), "-m", "ganggpt.cli", "up", "--json", "--data-dir", str(home), "--dashboard-port", "0",
        *options, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_a_database_that_is_not_there_is_a_sentence(environment: Mapping[str, str], data_dir: Path) -> None:
    """It fails among tasks that start side by side."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nowhere = {"DATABASE_URL": f"postgresql://ganggpt@127.0.0.1:{port}/ganggpt"}
    process = await up({**environment, **nowhere}, data_dir, "--port", "0")
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 2, err.decode()
    assert json.loads(out)["error"]["code"] in ("config_invalid", "unavailable")
    assert b"Traceback" not in err


async def test_a_port_that_is_taken_is_a_sentence(environment: Mapping[str, str], data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = await up(environment, data_dir, "--port", str(port))
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2, err.decode()
    assert f"Port {port} is in use." in json.loads(out)["error"]["message"]
    assert b"Traceback" not in err


async def test_a_good_start_is_one_and_ends_at_a_signal(environment: Mapping[str, str], data_dir: Path) -> None:
    process = await up(environment, data_dir, "--port", "0")
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 150)
        async with httpx.AsyncClient(timeout=10) as client:
            assert (await client.get(json.loads(line)["health"])).status_code == 200, line
    finally:
        process.terminate()
        _, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err
