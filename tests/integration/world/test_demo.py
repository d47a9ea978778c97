"""The demo's story with a real model: it is too small to say anything of worth, and nobody is lost or forgotten."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.small_model import small_model, start
from tools.small_model import NAME, SmallModel

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(900)]


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[SmallModel]:
    server = small_model(tmp_path)
    await start(server)
    yield server
    await asyncio.to_thread(server.kill)


async def test_the_story_is_played_with_a_real_model(model: SmallModel) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "demo", "--json", "--model-url", model.url, "--model", NAME,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, told = await asyncio.wait_for(process.communicate(), 840)
    assert process.returncode == 0, (out + told).decode()
    result = json.loads(out.splitlines()[-1])
    assert (result["lost"], result["doubled"]) == (0, 0)
    assert result["remembered_after_kill"]
    assert result["remembered_after_restart"]
    assert result["model_asked"] >= 5
    assert result["model_answered"] >= 1, "and on a machine that does nothing else all of them"
