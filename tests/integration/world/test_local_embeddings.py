"""A world without any language model whose gateway runs MiniLM: memories get vectors, and what is meant is found."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.minilm import minilm_folder
from ganggpt.actors.host.embeddings import TEXTS_AT_ONCE
from ganggpt.client.game_server import GameServer
from ganggpt.errors import ConfigInvalid, StartFailed
from ganggpt.runtime.embedding_trial import try_embeddings
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of
from tests.support.eventually import eventually
from tests.support.onnx_models import tiny_model

pytestmark = pytest.mark.integration

ARREST = "The doctor of the clinic was arrested for selling morphine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return minilm_folder(tmp_path_factory.mktemp("models") / "minilm")


@pytest.fixture(scope="module")
async def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    home = tmp_path_factory.mktemp("embeddings")
    environment = {"GANGGPT_OWN_ACTORS_MAX": "0", "GANGGPT_HOSTS": "1", "GANGGPT_EMBEDDINGS": str(folder)}
    process = WorldProcess(home, "--port", "0", "--dashboard-port", "0", environment=environment)
    yield await process.start()
    await process.stop()


@pytest.fixture
async def rest(run: Run) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token_of(run)}"}
    async with httpx.AsyncClient(base_url=run.health.removesuffix("/health"), headers=headers, timeout=30) as client:
        yield client


async def test_what_is_meant_is_said_a_moment_later_without_any_model_that_talks(
    run: Run, rest: httpx.AsyncClient
) -> None:
    async with GameServer(run.bridge, token_of(run), "meant") as game:
        assert (await game.send("player:ava", "Join", {"username": "ava", "server": "meant"})).ok
        # As many as make a full request, which then leaves at once.
        others = [f"thing{n} place{n} deed{n}" for n in range(TEXTS_AT_ONCE)]
        for what in (ARREST, *others):
            weight = 90 if what == ARREST else 25
            assert (await game.send("npc:mara", "Observe", {"what": what, "weight": weight})).ok

        async def models_of() -> dict[str, Any]:
            found = (await rest.get("/v1/npcs/mara/memories")).json()["memories"]
            return {memory["text"]: memory["model"] for memory in found}

        async def has_vector() -> bool:
            return ((await models_of()).get(ARREST) or "").startswith("onnx:")

        await eventually(has_vector, within_s=60)
        reply = await game.send("npc:mara", "Talk", {"text": "Which healer was charged over opiates?"}, by="player:ava")
        assert reply.ok
        async with asyncio.timeout(30):
            while (push := await game.next_push(30)).type != "npc.said":
                pass
        assert "arrested for selling morphine" in push.body["say"]


async def test_health_metrics_and_the_command_show_the_model(run: Run, rest: httpx.AsyncClient, folder: Path) -> None:
    async def check() -> dict[str, Any]:
        checks = (await rest.get("/health")).json()["checks"]
        return next(check for check in checks if check["name"] == "ai")

    found = await check()
    assert found["status"] == "fulfilled"
    assert found["details"]["mind"] == "scripted"
    (model,) = found["details"]["embedding"]

    async def is_counted() -> bool:
        return f'ganggpt_ai_calls_total{{model="{model}",outcome="ok"}}' in (await rest.get("/metrics")).text

    await eventually(is_counted, within_s=20)
    status = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ganggpt.cli", "ai", "status", "--json", "--data-dir", run.data_dir),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GANGGPT_EMBEDDINGS": str(folder)},
    )
    shown = json.loads((await status.communicate())[0])
    assert (shown["mind"], shown["models"], shown["embedding"]) == ("scripted", {}, [str(folder)])


async def test_a_folder_whose_model_cannot_embed_is_told_before_anything_starts(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model", "numbers")
    with pytest.raises(ConfigInvalid, match="no output is a matrix"):
        await try_embeddings(folder)
    process = WorldProcess(tmp_path / "world", environment={"GANGGPT_EMBEDDINGS": str(folder)})
    with pytest.raises(StartFailed, match=r"GANGGPT_EMBEDDINGS.*no output is a matrix"):
        await process.start()
    assert not (tmp_path / "world" / "postgres").exists()
