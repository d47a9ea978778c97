"""Waiting for the model is not a turn: its answer comes back as commands, and something always comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ganggpt.actors.host import model_requests
from ganggpt.actors.host.model_requests import ModelRequests
from ganggpt.domain.ids import ActorId
from ganggpt.domain.kinds import decode_turn
from ganggpt.domain.mind.commands import Conclude, SayScripted, Utter
from ganggpt.domain.mind.utterance import Provenance, Uttered
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.turn import CancelRequest, ModelRequest
from ganggpt.errors import Refused, Unavailable
from tests.support.eventually import eventually
from tests.support.host_parts import Rig, a_rig
from tests.support.runtime import Prompter, Runtime

AVA, MARA = "player:ava", "npc:mara"


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
    request = await asked(talking)
    assert request.brief.player == AVA
    assert (await talking.view(MARA))["ok"]
    assert talking.host("host:0").model_requests.unanswered == 0


async def test_a_model_is_waited_for_as_long_as_its_port_says(runtime: Runtime) -> None:
    runtime.model.is_on, runtime.model.wait_s = True, 45.0
    await runtime.ask(MARA, Talk("What goes on at the docks, Mara?"), by=AVA)
    assert (await asked(runtime)).within_s == 45.0


async def test_what_the_model_says_becomes_turns_of_the_actor(talking: Runtime) -> None:
    utterance = (await asked(talking)).brief.utterance
    talking.model.lines.put_nowait(Utter(utterance, 0, "Evening."))

    async def said() -> bool:
        now = await saying(talking)
        return now is not None and now["said"] == ["Evening."]

    await eventually(said)
    talking.model.lines.put_nowait(Conclude(utterance, (), Provenance("gpt-x")))
    talking.model.lines.put_nowait(None)

    async def over() -> bool:
        return await saying(talking) is None and talking.model.closed == 1

    await eventually(over)
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

    await eventually(over)
    assert talking.host("host:0").model_requests.unanswered == 1


async def test_an_interrupted_answer_is_taken_back(talking: Runtime) -> None:
    first = (await asked(talking)).brief.utterance
    await talking.ask(MARA, Talk("No, listen"), by=AVA)
    second = (await asked(talking)).brief.utterance
    assert first != second

    async def closed() -> bool:
        return talking.model.closed == 1

    await eventually(closed)
    assert len(talking.host("host:0").model_requests) == 1


async def test_a_stale_sentence_ends_the_answer(talking: Runtime) -> None:
    await asked(talking)
    talking.model.lines.put_nowait(Utter("npc:mara#999", 0, "Who said that?"))

    async def closed() -> bool:
        return talking.model.closed == 1 and talking.host("host:0").model_requests.stale == 1

    await eventually(closed)


async def test_over_the_bound_nobody_is_asked(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_requests, "OPEN_MAX", 0)
    runtime.model.is_on = True
    await runtime.ask(MARA, Talk("What goes on at the docks, Mara?"), by=AVA)

    async def over() -> bool:
        return await saying(runtime) is None

    await eventually(over)
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

    await eventually(over)


class Alone:
    """Requests with a model whose lines the test says, and peers that answer what the test wants."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.model = rig, Prompter()
        self.part = ModelRequests(self.model, rig.peers, rig.clock, rig.commits.durable)  # type: ignore[arg-type]

    def post(self, *requests: ModelRequest | CancelRequest, seq: int = 7, ticket: int = 3) -> None:
        self.part.post(ActorId(MARA), seq, requests, ticket)

    def sent(self) -> list[str]:
        return [envelope.name for envelope in self.rig.peers.sent]


def request(within_s: float = 60.0, *, waited_for: bool = True) -> ModelRequest:
    return ModelRequest("talk", None, SayScripted("u1"), within_s, waited_for)


async def test_alone_nothing_is_asked_before_the_turn_that_asks_is_durable() -> None:
    alone = Alone(await a_rig())
    alone.rig.commits.held.clear()
    alone.post(request())
    await eventually(lambda: alone.rig.commits.waited == [3])
    assert alone.model.asked.empty()
    alone.rig.commits.held.set()
    await asyncio.wait_for(alone.model.asked.get(), 5)
    alone.part.cancel()


async def test_alone_every_part_of_the_answer_has_an_id_of_its_own() -> None:
    alone = Alone(await a_rig())
    for line in (Utter("u1", 0, "Evening."), Utter("u1", 1, "Cold."), None):
        alone.model.lines.put_nowait(line)
    alone.post(request())
    await eventually(lambda: len(alone.part) == 0)
    assert alone.sent() == [Utter.tag, Utter.tag]
    assert len({envelope.id for envelope in alone.rig.peers.sent}) == 2
    assert alone.part.unanswered == 0


async def test_alone_a_late_answer_is_replaced_by_the_fallback() -> None:
    alone = Alone(await a_rig())
    alone.post(request(within_s=0.01))
    await eventually(lambda: alone.sent() == [SayScripted.tag])
    assert alone.part.unanswered == 1
    assert alone.model.closed == 1


async def test_alone_what_the_rules_refuse_ends_the_answer_without_a_fallback() -> None:
    alone = Alone(await a_rig())
    alone.rig.peers.replies.append(Refused("stale", "nobody listens"))
    alone.model.lines.put_nowait(Utter("u1", 0, "Evening."))
    alone.post(request())
    await eventually(lambda: alone.part.stale == 1)
    assert alone.sent() == [Utter.tag]
    assert alone.part.unanswered == 0


async def test_alone_a_request_of_the_same_name_and_a_withdrawal_end_the_one_before() -> None:
    alone = Alone(await a_rig())
    alone.post(request())
    await alone.model.asked.get()
    alone.post(request(), seq=8)
    await alone.model.asked.get()
    await eventually(lambda: alone.model.closed == 1)
    assert len(alone.part) == 1
    alone.post(CancelRequest("talk"), seq=9)
    await eventually(lambda: alone.model.closed == 2)
    assert alone.sent() == []


async def test_alone_requests_nobody_waits_for_leave_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_requests, "IDLE_MAX", 0)
    alone = Alone(await a_rig())
    alone.post(request(waited_for=False))
    await eventually(lambda: alone.sent() == [SayScripted.tag])
    alone.post(request())
    await asyncio.wait_for(alone.model.asked.get(), 5)
    alone.part.cancel()
