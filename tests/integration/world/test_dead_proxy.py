"""A proxy that is not there changes nothing: everything on this machine is reached directly."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ganggpt.runtime.world_process import WorldProcess
from ganggpt.testing.fake_model import KEY, fake_model

pytestmark = pytest.mark.integration

DEAD = "http://127.0.0.1:1"
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), DEAD)
ENVIRONMENT = {**PROXIES, "NO_PROXY": "localhost,10.0.0.0/8", "no_proxy": "", "GANGGPT_OWN_ACTORS_MAX": "0"}


async def ganggpt(*words: str) -> tuple[int, dict[str, Any]]:
    """A command in an environment with the dead proxies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", *words, "--json",
        env={**os.environ, **ENVIRONMENT}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode is not None
    return process.returncode, json.loads(out.splitlines()[-1])


async def test_a_world_its_model_and_every_command_work_beside_a_dead_proxy(tmp_path: Path) -> None:
    async with fake_model() as model:
        own = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_MODEL": "m", "OPENAI_API_KEY": KEY}
        world = WorldProcess(tmp_path, "--port", "0", "--dashboard-port", "0", environment={**ENVIRONMENT, **own})
        await world.start()
        try:
            where = ("--data-dir", str(tmp_path))
            status, told = await ganggpt("status", *where)
            assert (status, told["healthy"]) == (0, True)
            status, told = await ganggpt("ai", "status", *where)
            assert (status, told["health"]["status"]) == (0, "fulfilled")
            assert model.seen, "the gateway asks its model whether it is there"
            status, told = await ganggpt("snapshot", str(tmp_path / "snapshots"), "--as-job", *where)
            assert (status, told["world"]) == (0, "los-santos")
            status, told = await ganggpt("down", *where)
            assert (status, told["stopped"]) == (0, True)
        finally:
            await world.stop()
