"""Waiting for the model is not a turn: its answer comes back as commands, and something always comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ganggpt.actors.host import model_requests
from ganggpt.domain.kinds import decode_turn
from ganggpt.domain.mind.commands import Conclude, Utter
from ganggpt.domain.mind.utterance import Provenance, Uttered
from ganggpt.domain.npc.rules import KIND, Talk
from ganggpt.domain.npc.state import Spoke
from ganggpt.domain.turn import ModelRequest
from ganggpt.errors import Unavailable
from tests.unit.actors.conftest import Runtime

AVA, MARA = "player:ava", "npc:mara"


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await fact():
            await asyncio.sleep(0.005)


async def saying(runtime: Runtime) -> dict[str, Any] | None:
    view = await runtime.view(MARA)
    found: dict[str, Any] | None = view["reply"]["saying"]
    return found


async def asked(runtime: Runtime) -> ModelRequest:
    async with asyncio.timeout(5):
        return await runtime.model.asked.get()


@pytest.fixture
async def talking(runtime: Runtime) -> Runtime:
    """Mara was spoken to, and a model was asked what she says."""
    runtime.model.is_on = True
    answer = await runtime.ask(MARA, Talk("What goes on at the docks, Mara?"), by=AVA)
    assert answer["reply"]["more"] is True
    return runtime


async def test_a_talk_is_answered_at_once_and_other_turns_go_on_while_the_model_thinks(talking: Runtime) -> None:
    ask = await asked(talking)
    assert ask.brief.player == AVA
    assert (await talking.view(MARA))["ok"]
    assert talking.host("host:0").counts.unanswered == 0


async def test_what_the_model_says_becomes_turns_of_the_actor(talking: Runtime) -> None:
    utterance = (await asked(talking)).brief.utterance
    talking.model.lines.put_nowait(Utter(utterance, 0, "Evening."))

    async def said() -> bool:
        now = await saying(talking)
        return now is not None and now["said"] == ["Evening."]

    await until(said)
    talking.model.lines.put_nowait(Conclude(utterance, (), Provenance("gpt-x")))
    talking.model.lines.put_nowait(None)

    async def over() -> bool:
        return await saying(talking) is None and talking.model.closed == 1

    await until(over)
    count = len(talking.database.journaled(MARA))
    turns = [decode_turn(KIND, await talking.journal.turn(MARA, seq) or b"") for seq in range(1, count + 1)]
    assert [event.text for turn in turns for event in turn.events if isinstance(event, Uttered)] == ["Evening."]
    (spoke,) = [event for event in turns[-1].events if isinstance(event, Spoke)]
    assert (spoke.said, spoke.utterance) == ("Evening.", utterance)


async def test_a_model_that_fails_leaves_it_to_the_scripted_mind(talking: Runtime) -> None:
    await asked(talking)
    talking.model.lines.put_nowait(Unavailable("the model"))

    async def over() -> bool:
        return await saying(talking) is None

    await until(over)
    assert talking.host("host:0").counts.unanswered == 1


async def test_an_interrupted_answer_is_taken_back(talking: Runtime) -> None:
    first = (await asked(talking)).brief.utterance
    await talking.ask(MARA, Talk("No, listen"), by=AVA)
    second = (await asked(talking)).brief.utterance
    assert first != second

    async def closed() -> bool:
        return talking.model.closed == 1

    await until(closed)
    assert len(talking.host("host:0").asks) == 1


async def test_a_stale_sentence_ends_the_answer(talking: Runtime) -> None:
    await asked(talking)
    talking.model.lines.put_nowait(Utter("npc:mara#999", 0, "Who said that?"))

    async def closed() -> bool:
        return talking.model.closed == 1 and talking.host("host:0").counts.stale_answers == 1

    await until(closed)


async def test_over_the_bound_nobody_is_asked(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_requests, "OPEN_MAX", 0)
    runtime.model.is_on = True
    await runtime.ask(MARA, Talk("What goes on at the docks, Mara?"), by=AVA)

    async def over() -> bool:
        return await saying(runtime) is None

    await until(over)
    assert runtime.model.asked.empty()


async def test_after_a_crash_the_reminder_speaks(talking: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked(talking)
    await talking.restart()
    assert await saying(talking) is not None
    ahead = talking.database.clock
    monkeypatch.setattr(talking.database, "clock", lambda: ahead() + 60)
    await talking.restart()

    async def over() -> bool:
        return await saying(talking) is None

    await until(over)
