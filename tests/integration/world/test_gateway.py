"""The model gateway in a whole world: asked over its handle, seen in /health and /metrics, switched off by hand."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess
from ganggpt.testing.fake_model import API_VERSION, KEY, FakeModel, Hang
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@dataclass
class ModelWorld:
    """A world whose Azure endpoint is a fake one."""

    server: FakeModel
    run: Run

    async def driver(self, *words: str) -> dict[str, Any]:
        module = "tests.support.gateway_driver"
        token = str(Path(self.run.data_dir) / "ray-token")
        environment = {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token, "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }  # fmt: skip
        return (await lines_of(environment, "-m", module, self.run.ray_address, *words))[-1]

    async def ganggpt(self, *words: str) -> list[dict[str, Any]]:
        told = ("-m", "ganggpt.cli", *words, "--json", "--data-dir", self.run.data_dir)
        return await lines_of(variables_of(self.server), *told)

    async def health(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=10) as http:
            checks = (await http.get(self.run.health)).json()["checks"]
        return next(check for check in checks if check["name"] == "ai")

    async def metrics_with(self, line: str) -> str:
        """The metrics once they have a line: replicas are asked every other second."""
        async with httpx.AsyncClient(timeout=10) as http, asyncio.timeout(15):
            while line not in (text := (await http.get(self.run.metrics)).text):
                await asyncio.sleep(0.2)
        return text


def variables_of(server: FakeModel) -> dict[str, str]:
    return {
        "AZURE_OPENAI_ENDPOINT": server.url, "AZURE_OPENAI_KEY": KEY, "AZURE_OPENAI_API_VERSION": API_VERSION,
        "AZURE_OPENAI_DEPLOYMENT": "gpt-4o", "AZURE_OPENAI_SMALL_DEPLOYMENT": "gpt-4o-mini",
        "AZURE_OPENAI_EMBEDDING_DEPLOYMENT": "text-embedding-3-small",
    }  # fmt: skip


@pytest.fixture(scope="module")
async def models(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModelWorld]:
    server = FakeModel()
    server.on_text |= {"STREAM HANG": Hang(after=8), "HANG": Hang()}
    await server.start()
    environment = {"GANGGPT_OWN_ACTORS_MAX": "0", **variables_of(server)}
    home = tmp_path_factory.mktemp("models")
    process = WorldProcess(home, "--port", "0", "--dashboard-port", "0", environment=environment)
    yield ModelWorld(server, await process.start())
    await process.stop()
    await server.stop()


async def test_everybody_in_the_cluster_may_ask(models: ModelWorld) -> None:
    found = await models.driver()
    assert found["rung"] == "large"
    assert found["sentences"][0] == "I hear you, friend."
    assert found["outcome"] == "Answered"
    assert found["many"] == 50
    assert found["late"] == "late"
    assert found["first"] == "I hear you, friend."
    assert found["vectors"] == 2
    assert found["nobody"] == "no_model"
    await models.server.until(lambda: models.server.open_streams == 0, 10)


async def test_health_metrics_and_the_books_know_of_it(models: ModelWorld) -> None:
    await models.driver("for the books")
    check = await models.health()
    assert check["status"] == "fulfilled"
    assert check["details"]["mind"] == "model"
    assert check["details"]["models"]["azure-large"] == "ready"
    text = await models.metrics_with('ganggpt_ai_calls_total{model="azure-large",outcome="ok"}')
    assert "ganggpt_ai_usd_total" in text
    rows = await eventually(lambda: models.ganggpt("ai", "spend", "--by", "player"), every_s=0.2)
    assert rows[0]["name"] == "player:ana"
    assert rows[0]["US$"] > 0
    (status,) = await models.ganggpt("ai", "status")
    assert status["ai"] == "on"
    assert status["slots"]["dialogue"] == ["azure-large", "azure-small"]
    assert status["health"]["details"]["mind"] == "model"


async def test_after_ai_off_not_one_request_leaves(models: ModelWorld) -> None:
    (done,) = await models.ganggpt("ai", "off", "--why", "a test")
    assert done == {"ai": "off", "under_way": 0, "certain": True}
    count = models.server.count
    assert await models.driver("after the switch") == {"outcome": "off"}
    check = await models.health()
    assert check["details"]["mind"] == "scripted"
    (status,) = await models.ganggpt("ai", "status")
    assert (status["ai"], status["because"]) == ("off", "a test")
    assert models.server.count == count
    (done,) = await models.ganggpt("ai", "on")
    assert done["ai"] == "on"
    assert await models.driver("after it is on again") == {"outcome": "large"}


async def test_a_mistake_in_the_models_is_told_before_anything_starts(tmp_path: Path) -> None:
    environment = {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT": "nobody-knows-it"}
    (told,) = await lines_of(environment, "-m", "ganggpt.cli", "up", "--json", "--data-dir", str(tmp_path / "w"))
    assert told["error"]["code"] == "config_invalid"
    assert "AZURE_OPENAI_KEY" in told["error"]["message"]
    assert "nobody-knows-it" in told["error"]["message"]
    assert not (tmp_path / "w").exists()


async def lines_of(environment: Mapping[str, str], *words: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
