"""A real model behind llama.cpp's own server: bridge, host, gateway, the real SDK, a grammar, guards.

Its words are poor and differ from run to run, so what is tested is what becomes of them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ganggpt.ai.minds import model as minds
from ganggpt.ai.model_answer import schema_for
from ganggpt.domain.mind.brief import SAID_MAX
from tests.support.eventually import eventually
from tests.support.small_model import WAIT_S, TalkingTown, small_model, start, talking_town
from tools.small_model import SmallModel

pytestmark = pytest.mark.integration

MARA, AVA = "npc:mara", "player:ava"
NOT_SPOKEN = re.compile(r"\"(?:say|actions|do)\"|[{}\[\]]{2}|\b[0-9a-f]{8} (?:end|now)\b|</?\w+>|<\|")
"""Of the form of an answer, of marks of a prompt, of a chat template."""


@pytest.fixture(scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallModel]:
    server = small_model(tmp_path_factory.mktemp("small-model"))
    await start(server)
    yield server
    await asyncio.to_thread(server.kill)


@pytest.fixture
async def town(model: SmallModel, database: str, redis_url: str, tmp_path: Path) -> AsyncIterator[TalkingTown]:
    async with talking_town(model, tmp_path, database, redis_url) as town:
        yield town


@pytest.fixture
def long_winded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model says at least 200 characters, so that it is surely still at it when something happens."""

    def schema(open_actions: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        made = schema_for(open_actions)
        made["properties"]["say"]["minLength"] = 200
        return made

    monkeypatch.setattr(minds, "schema_for", schema)


async def said(town: TalkingTown, line: str) -> tuple[str, list[dict[str, Any]]]:
    """The utterance that answers a line of Ava's to Mara, and all that is pushed of it to its end."""
    answer = await town.game.send(MARA, "Talk", {"text": line}, by=AVA)
    assert answer.ok, answer
    assert answer.reply["more"], answer
    return answer.reply["utterance"], await pushed(town, answer.reply["utterance"])


async def pushed(town: TalkingTown, utterance: str) -> list[dict[str, Any]]:
    """What is pushed of an utterance, to its end."""
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(2 * WAIT_S):
        while not told or not (told[-1].get("final") or told[-1]["push"] == "npc.hush"):
            push = await town.game.next_push(2 * WAIT_S)
            if push.body.get("utterance") == utterance:
                told.append({"push": push.type, **push.body})
    return told


def words(told: list[dict[str, Any]]) -> str:
    return " ".join(one["say"] for one in told if one.get("say"))


async def exchanges(town: TalkingTown) -> list[dict[str, Any]]:
    """Every talk with the model as it was recorded."""
    rows = await town.pool.fetch("SELECT request, answer, finish FROM ai_exchanges WHERE failure = '' ORDER BY no")
    return [dict(row) for row in rows if json.loads(row["request"])["shape"]]


async def test_what_a_real_model_writes_is_heard_in_its_sentences_and_nothing_else_of_it(town: TalkingTown) -> None:
    lines = ("Who holds the hills these days?", "Where can I sell an old watch?", "What do you think of the Vipers?")
    for line in lines:
        utterance, told = await said(town, line)
        assert [one["no"] for one in told] == [*range(len(told))]
        assert [one["final"] for one in told] == [False] * (len(told) - 1) + [True]
        assert 0 < len(words(told)) <= SAID_MAX
        assert not NOT_SPOKEN.search(words(told))
        made = await town.made(utterance)
        assert line in made["prompt"]
    recorded = await eventually(lambda: exchanges(town), "the exchanges are recorded")
    whole = [one for one in recorded if one["finish"] == "stop"]
    assert whole, recorded
    for one in whole:
        jsonschema.validate(json.loads(one["answer"]), json.loads(one["request"])["shape"]["schema"])
    health = (await town.rest.get("/health")).json()
    (check,) = (check for check in health["checks"] if check["name"] == "ai")
    assert (check["status"], check["details"]["mind"]) == ("fulfilled", "model")


async def test_of_an_answer_that_its_tokens_cut_no_fragment_is_heard(
    town: TalkingTown, long_winded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minds, "TOKENS_MAX", 24)
    utterance, told = await said(town, "Tell me all you know of the docks, the market and the hills.")
    assert re.search(r"""[.!?…]['")\]}’”»*]*$""", words(told)), told
    (cut,) = await eventually(lambda: exchanges(town), "the exchange is recorded")
    assert cut["finish"] == "length", "and it is asked once"
    assert told[-1]["final"]
    assert (await town.made(utterance))["tokens_out"] <= 24


async def test_who_hushes_stops_the_model_in_the_middle_of_its_answer(town: TalkingTown, long_winded: None) -> None:
    answer = await town.game.send(MARA, "Talk", {"text": "Tell me everything about the harbour."}, by=AVA)
    await eventually(town.writing, "the model writes", WAIT_S)
    hushed = await town.game.send(MARA, "Hush", {}, by=AVA)
    assert hushed.ok, hushed
    await eventually(town.is_idle, "the model stops", WAIT_S)
    told = await pushed(town, answer.reply["utterance"])
    assert told[-1]["push"] == "npc.hush"
    assert not any(one.get("final") for one in told)


async def test_while_the_server_is_gone_the_script_speaks_and_afterwards_the_model_is_heard_again(
    town: TalkingTown, model: SmallModel, long_winded: None
) -> None:
    answer = await town.game.send(MARA, "Talk", {"text": "What happened at the pier last night?"}, by=AVA)
    await eventually(town.writing, "the model writes", WAIT_S)
    await asyncio.to_thread(model.kill)
    try:
        told = await pushed(town, answer.reply["utterance"])
        assert told[-1]["final"], "the one who was speaking ends"
        assert words(told)
        utterance, told = await said(town, "And who saw it?")
        assert words(told)
        assert (await town.made(utterance))["model"] == "scripted"
        state = await town.gateway.state()
        assert state["errors"]["small"]["cause"] == "refused"
    finally:
        await start(model)

    async def is_heard() -> bool:
        utterance, _ = await said(town, "Is the market open tomorrow?")
        return bool((await town.made(utterance))["model"] == "small")

    await eventually(is_heard, "the model is heard again", 4 * WAIT_S)
    assert (await town.gateway.state())["errors"] == {}
