"""A player talks to an NPC through bridge, actor, gateway and the real SDK; only the model itself is a fake."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from ganggpt.client.game_server import GameServer
from ganggpt.client.wire import Push
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of
from ganggpt.testing.fake_model import FakeModel, Hang, Status, filtered_prompt, variables_for
from tests.support.spoken import LINES, spoken

pytestmark = pytest.mark.integration


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


async def told(game: GameServer, utterance: str, kind: str = "npc") -> list[dict[str, Any]]:
    """All sentences of an utterance, in order."""
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not heard or not heard[-1]["final"]:
            push: Push = await game.next_push(30)
            if push.type == f"{kind}.says" and push.body["utterance"] == utterance:
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


async def test_by_rest_the_same_comes_as_server_sent_events(run: Run) -> None:
    headers = {"Authorization": f"Bearer {token_of(run)}", "X-Acting-As": "player:sse"}
    base = run.health.removesuffix("/health")
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as rest:
        path, line = "/v1/actors/npc:mara/commands/Talk", {"text": "What is new around here?"}
        async with rest.stream("POST", path, json=line, headers={"Accept": "text/event-stream"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            where = answer.headers["content-location"]
            heard = await events_of(answer)
        assert [name for name, _ in heard] == ["reply", *["says"] * (len(heard) - 2), "done"]
        assert heard[0][1]["reply"]["more"] is True
        assert " ".join(one["say"] for name, one in heard if name == "says").strip() == LINES
        assert heard[-1][1]["ended"] == "said"
        async with rest.stream("GET", where) as again:
            assert await events_of(again) == heard, "the whole of it can be heard again"
        found = (await rest.get(where.removesuffix("/events"))).json()
        assert (found["said"], found["heard"]) == (LINES, line["text"])


async def test_a_rest_client_that_goes_away_is_a_player_who_went(run: Run, model: FakeModel) -> None:
    headers = {"Authorization": f"Bearer {token_of(run)}", "X-Acting-As": "player:gone"}
    base = run.health.removesuffix("/health")
    model.always = {"gpt-4o": Hang(after=4)}
    try:
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as rest:
            path, line = "/v1/actors/npc:tobias/commands/Talk", {"text": "Tell me a very long story"}
            async with rest.stream("POST", path, json=line, headers={"Accept": "text/event-stream"}) as answer:
                assert answer.status_code == 200
            where = answer.headers["content-location"]
            del rest.headers["X-Acting-As"]  # from now on somebody who only watches
            async with rest.stream("GET", where) as watched:
                heard = await events_of(watched)
    finally:
        model.always = {}
    assert heard[-1][1]["ended"] == "hushed"


async def test_an_utterance_is_replayed_from_its_records_and_a_changed_prompt_is_told(
    run: Run, game: GameServer, model: FakeModel, tmp_path: Path
) -> None:
    answer = await game.send("npc:mara", "Talk", {"text": "Shall we go dancing tonight?"}, by="player:ava")
    utterance = answer.reply["utterance"]
    await told(game, utterance)
    await recorded(run, "Shall we go dancing tonight?")
    asked = len(model.seen)
    status, found = await replayed(run, utterance)
    assert (status, found["verdict"], found["differences"]) == (0, "same", [])
    assert found["now"]["said"] == LINES
    (tmp_path / "mature.md").write_text("Everybody here speaks in rhymes.", encoding="utf-8")
    status, found = await replayed(run, utterance, GANGGPT_PROMPTS=str(tmp_path))
    assert (status, found["verdict"]) == (1, "different")
    assert [one["what"] for one in found["differences"]] == ["prompt"]
    assert "+Everybody here speaks in rhymes." in found["prompt_changes"]
    talks = [seen for seen in list(model.seen)[asked:] if "dancing" in json.dumps(seen.body["messages"])]
    assert talks == [], "nothing was asked again"


async def events_of(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of all events of a stream."""
    heard, name = [], ""
    async with asyncio.timeout(30):
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                heard.append((name, json.loads(line.removeprefix("data: "))))
    return heard


async def recorded(run: Run, text: str) -> None:
    """Wait until the exchange with a line is in the database."""
    async with asyncio.timeout(30), asyncpg.create_pool(run.database, min_size=1, max_size=1) as pool:
        while not await pool.fetchval("SELECT count(*) FROM ai_exchanges WHERE request LIKE '%' || $1 || '%'", text):
            pass


async def replayed(run: Run, utterance: str, **environment: str) -> tuple[int | None, dict[str, Any]]:
    """Exit status and output of ``ganggpt replay``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "replay", utterance, "--json", "--data-dir", run.data_dir,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, json.loads(out)


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


async def test_a_companion_talks_like_anybody_and_does_what_its_owner_says(run: Run, game: GameServer) -> None:
    rex = "companion:rex"
    recruit = {"owner": "player:ava", "name": "Rex", "companion_type": "bodyguard", "personality": {"loyalty": 100}}
    assert (await game.send(rex, "Recruit", recruit, by="player:ava")).ok
    answer = await game.send(rex, "Talk", {"text": "Good, then follow me"}, by="player:ava")
    assert answer.ok, answer
    assert answer.reply["more"] is True
    act: Push | None = None
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while act is None or not heard or not heard[-1]["final"]:
            push = await game.next_push(30)
            if push.type == "companion.act":
                act = push
            elif push.type == "companion.says" and push.body["utterance"] == answer.reply["utterance"]:
                heard.append(dict(push.body))
    assert (act.body["companion"], act.body["verb"], act.body["target"]) == (rex, "follow", "player:ava")
    assert " ".join(one["say"] for one in heard).strip() == LINES
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "why", answer.reply["utterance"], "--json", "--data-dir", run.data_dir,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    found = json.loads(out)
    assert found["said"] == LINES
    assert found["made"]["actions"] == [["follow", "allowed"]]
    assert found["made"]["nano_usd"] > 0
