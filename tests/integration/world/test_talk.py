"""A player talks to an NPC through bridge, actor, gateway and the real SDK; only the model itself is a fake."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from ganggpt.jobs.run_file import Run
from ganggpt.testing.fake_model import FakeModel, Status, filtered_prompt, variables_for
from ganggpt.testing.game_server import GameServer
from ganggpt.testing.wire import Push
from ganggpt.testing.world_process import WorldProcess, token_of

pytestmark = pytest.mark.integration

LINES = "The docks were quiet tonight. A grey van came twice. I would not go there alone."


def spoken(body: Mapping[str, Any]) -> str:
    """What the fake model says: JSON where it was asked for it."""
    wants = "follow me" in json.dumps(body["messages"])
    return json.dumps({"say": LINES, "actions": [{"do": "follow"}] if wants else []})


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[FakeModel]:
    server = FakeModel(spoken, piece_s=0.002)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def run(model: FakeModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    environment = {**variables_for(model), "GANGGPT_OWN_ACTORS_MAX": "0"}
    home = tmp_path_factory.mktemp("talk")
    process = WorldProcess(home, "--port", "0", "--dashboard-port", "0", environment=environment)
    yield await process.start()
    await process.stop()


@pytest.fixture
async def game(run: Run) -> AsyncIterator[GameServer]:
    async with GameServer(run.bridge, token_of(run), "talk") as server:
        for name in ("ava", "ben"):
            joined = await server.send(f"player:{name}", "Join", {"username": name, "server": "talk"})
            assert joined.ok or joined.error["code"] == "refused", joined
        yield server


async def told(game: GameServer, utterance: str) -> list[dict[str, Any]]:
    """All sentences of an utterance, in order."""
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not heard or not heard[-1]["final"]:
            push: Push = await game.next_push(30)
            if push.type == "npc.says" and push.body["utterance"] == utterance:
                heard.append(dict(push.body))
    return heard


async def test_a_line_is_answered_at_once_and_then_sentence_by_sentence(game: GameServer, model: FakeModel) -> None:
    answer = await game.send("npc:mara", "Talk", {"text": "What is going on at the docks?"}, by="player:ava")
    assert answer.ok, answer
    assert answer.reply["more"] is True
    assert answer.reply["say"]
    sentences = await told(game, answer.reply["utterance"])
    assert [one["no"] for one in sentences] == list(range(len(sentences)))
    assert " ".join(one["say"] for one in sentences).strip() == LINES
    asks = [seen.body["messages"] for seen in model.seen if "What is going on" in json.dumps(seen.body["messages"])]
    assert len(asks) == 1, "one request for one line; factions may ask for themselves beside it"
    system, *others = asks[0]
    assert "What is going on at the docks?" not in system["content"]
    assert any("What is going on at the docks?" in message["content"] for message in others)


async def test_why_she_said_that_is_told_with_prompt_and_cost(run: Run, game: GameServer) -> None:
    answer = await game.send("npc:mara", "Talk", {"text": "Who owes you money these days?"}, by="player:ava")
    utterance = answer.reply["utterance"]
    await told(game, utterance)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "why", utterance, "--json", "--data-dir", run.data_dir,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    found = json.loads(out)
    assert found["said"] == LINES
    assert found["made"]["model"]
    assert found["made"]["nano_usd"] > 0
    assert "Who owes you money these days?" in found["made"]["prompt"]


async def test_an_interruption_stops_the_first_answer(game: GameServer, model: FakeModel) -> None:
    model.piece_s = 0.05
    try:
        first = await game.send("npc:mara", "Talk", {"text": "Tell me a long story"}, by="player:ava")
        second = await game.send("npc:mara", "Talk", {"text": "Stop, who is the boss here?"}, by="player:ava")
    finally:
        model.piece_s = 0.002
    assert first.reply["utterance"] != second.reply["utterance"]
    sentences = await told(game, second.reply["utterance"])
    assert len(sentences) > 1


async def test_a_model_that_is_down_leaves_the_answer_to_the_scripted_mind(game: GameServer, model: FakeModel) -> None:
    model.always = {"gpt-4o": Status(500)}
    try:
        answer = await game.send("npc:mara", "Talk", {"text": "Do you remember me at all?"}, by="player:ben")
        sentences = await told(game, answer.reply["utterance"])
    finally:
        model.always = {}
    assert sentences[-1]["say"]
    assert sentences[-1]["say"] not in LINES


async def test_what_a_filter_refuses_is_deflected_in_character(game: GameServer, model: FakeModel) -> None:
    model.always = {"gpt-4o": filtered_prompt()}
    try:
        answer = await game.send("npc:tobias", "Talk", {"text": "Let us speak of something new today"}, by="player:ben")
        sentences = await told(game, answer.reply["utterance"])
    finally:
        model.always = {}
    assert sentences[-1]["say"]
