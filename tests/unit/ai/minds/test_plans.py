"""A model asked for plans, through a stand-in for the gateway: what it is told, and what becomes of what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from ganggpt.ai.gateway.structured import asked_shape, read_shape
from ganggpt.ai.guards.output import OutputGuard
from ganggpt.ai.minds.plans import ModelPlans
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.port import Answered, EmbeddingResult, GatewayOutcome, GatewayRequest, NotAnswered, Payers, Sentence
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.moves import MODEL_CHANCE, MakeMove, MoveBrief, TakePoliticalTurn
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mission_design.draft import WorkBrief
from ganggpt.domain.npc.commands import OutlineWork, ProposeMission
from ganggpt.domain.turn import Dice, Remind
from tests.support.builders import a_turn
from tests.support.played import A_GOOD_ONE, AVA, an_outlook, los_santos, mara

MARA, BALLAS = ActorId("npc:mara"), ActorId("faction:ballas")


class Gateway:
    """Answers every request with the same text, or not at all."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.requests: list[GatewayRequest] = []

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        request.check()
        self.requests.append(request)
        if self.text is None:
            return NotAnswered(reason="budget")
        assert request.shape is not None
        return Answered(text=self.text, value=read_shape(request.shape, self.text), model="m", rung="large")

    def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        raise AssertionError("plans are not streamed")

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed"
    ) -> EmbeddingResult | NotAnswered:
        raise AssertionError("plans have no embedding")


def planner(gateway: Gateway) -> tuple[ModelPlans, list[NotAnswered]]:
    rested: list[NotAnswered] = []
    return ModelPlans(read_prompts(), gateway, OutputGuard("mature", los_santos()), rested.append), rested


async def commands(parts: AsyncGenerator[Any, Any]) -> list[Any]:
    return [command async for command in parts]


def a_work_brief() -> WorkBrief:
    return WorkBrief(AVA, 2, dict(mara().do(OutlineWork(AVA, 2), "server:main").reply))


async def test_a_mission_is_asked_for_with_the_worlds_own_words_and_kept_by_the_giver() -> None:
    gateway = Gateway(json.dumps(A_GOOD_ONE))
    plans, _ = planner(gateway)
    (command,) = await commands(plans.work(MARA, a_work_brief(), 10))
    assert isinstance(command, ProposeMission)
    assert (command.player, command.origin, command.party) == (AVA, "model", 2)
    assert mara().do(command, "model:gateway").reply["prepared"] == "Sweet Talk"
    (request,) = gateway.requests
    assert (request.slot, request.payers) == ("mission", Payers(AVA, "npc:mara", "faction:ballas"))
    system, user = request.messages
    assert (system.role, user.role) == ("system", "user")
    assert json.loads(user.text)["giver"]["id"] == "npc:mara"
    shape = asked_shape(request)
    assert shape is not None
    assert shape.schema["additionalProperties"] is False
    step = shape.schema["$defs"]["ProposedStep"]["properties"]
    assert {"npc:kip", "tool-crate", "figtree", "faction:corvino"} <= {*step["target"]["enum"]}
    assert "npc:nobody" not in step["target"]["enum"]
    assert "figtree" in step["district"]["anyOf"][0]["enum"]
    assert "corvino" in shape.schema["$defs"]["ProposedChange"]["properties"]["faction"]["enum"]


async def test_words_that_the_guard_takes_are_told_from_the_objectives() -> None:
    said = {**A_GOOD_ONE, "description": "As an AI language model I cannot help with crime."}
    plans, _ = planner(Gateway(json.dumps(said)))
    (command,) = await commands(plans.work(MARA, a_work_brief(), 10))
    played = mara()
    played.do(command, "model:gateway")
    assert played.state.prepared[AVA].mission.description.startswith("Pick up a crate of tools")


@pytest.mark.parametrize("text", [None, json.dumps({**A_GOOD_ONE, "objectives": []})])
async def test_without_a_usable_mission_nothing_happens(text: str | None) -> None:
    plans, rested = planner(Gateway(text))
    assert await commands(plans.work(MARA, a_work_brief(), 10)) == []
    assert [one.reason for one in rested] == (["budget"] if text is None else [])


async def test_a_move_is_chosen_among_the_legal_ones_with_words_of_its_own() -> None:
    played, outlook = an_outlook()
    no = next(no for no, move in enumerate(outlook["moves"], 1) if move["move"] == "insult")
    gateway = Gateway(json.dumps({"move": no, "words": "Your corner smells of fish."}))
    plans, _ = planner(gateway)
    (command,) = await commands(plans.move(BALLAS, MoveBrief(outlook), 10))
    assert isinstance(command, MakeMove)
    assert played.do(command, "model:gateway").reply["move"] == "insult"
    assert played.view()["moves"][0]["words"] == "Your corner smells of fish."
    (request,) = gateway.requests
    assert request.payers == Payers(faction="faction:ballas")
    told = json.loads(request.messages[1].text)["moves"]
    assert told[no - 1] == {"no": no, **outlook["moves"][no - 1]}
    assert request.schema is not None
    assert request.schema["properties"]["move"]["enum"] == [move["no"] for move in told]


@pytest.mark.parametrize("text", [None, '{"move":0,"words":"Boom."}', '{"move":99,"words":"Boom."}'])
async def test_without_a_legal_choice_the_rules_choose(text: str | None) -> None:
    _, outlook = an_outlook()
    plans, _ = planner(Gateway(text))
    assert await commands(plans.move(BALLAS, MoveBrief(outlook), 10)) == [TakePoliticalTurn(plainly=True)]


def test_a_model_is_asked_now_and_then_and_a_reminder_chooses_where_it_is_silent() -> None:
    played, _ = an_outlook()
    asked = 0
    for seed in range(400):
        turn = a_turn("faction:ballas", "faction:ballas", world=los_santos(), seed=seed)
        turn.has_model = True
        decision = faction.decide(played.state, TakePoliticalTurn(), turn)
        if not decision.model_requests:
            assert decision.events
            continue
        asked += 1
        assert not decision.events
        (reminder,) = decision.reminders
        assert isinstance(reminder, Remind)
        assert reminder.command == TakePoliticalTurn(plainly=True)
        turn.dice = Dice(seed)
        assert faction.decide(played.state, reminder.command, turn).events
    assert MODEL_CHANCE * 400 * 0.7 < asked < MODEL_CHANCE * 400 * 1.3
