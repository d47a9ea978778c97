"""What a talk becomes when the guard takes sentences of a model's answer out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from ganggpt.ai.minds.model import MindSpec, ModelMind
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.model_answer import ModelAnswer
from ganggpt.ai.port import (
    Answered,
    EmbeddingResult,
    GatewayOutcome,
    GatewayRequest,
    NotAnswered,
    Payers,
    Sentence,
)
from ganggpt.domain.mind.commands import Conclude, SayScripted, Utter
from ganggpt.domain.npc.commands import Talk
from tests.support.played import carried_out, los_santos, mara

AVA = "player:ava"


class Says:
    """A gateway whose model says these sentences."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        raise AssertionError(request)

    async def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        for no, text in enumerate(self.sentences):
            yield Sentence(no, text)
        whole = " ".join(self.sentences)
        answer = ModelAnswer.model_validate_json(json.dumps({"say": whole, "actions": [{"do": "refuse"}]}))
        yield Answered(text=whole, value=answer, model="m", rung="large")

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> EmbeddingResult | NotAnswered:
        raise AssertionError(texts)


async def commands_of(*sentences: str) -> list[Any]:
    played = mara()
    played.has_model = True
    (request,) = played.do(Talk("Where can I find work?", "Ava"), AVA).model_requests
    mind = ModelMind(MindSpec(read_prompts(), "mature", b"secret"), Says(*sentences), los_santos(), lambda: 100.0)
    return await carried_out(mind, played, request)


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        (("I can't help you with that, friend.", "Ask Otis."), ["I can't help you with that, friend.", "Ask Otis."]),
        (("I can't assist with that request.", "Ask Otis."), ["Ask Otis."]),
        (("Pay first.", "Now kill yourself.", "Then we talk."), ["Pay first.", "Then we talk."]),
        (("*leans back.", "Looks away.*", "Ask Otis."), ["Ask Otis."]),
        (("Ask Otis.", "Ava: Thanks!", "I will."), ["Ask Otis."]),
    ],
)
async def test_a_blocked_sentence_is_skipped_and_the_utterance_goes_on(
    sentences: tuple[str, ...], said: list[str]
) -> None:
    *uttered, last = await commands_of(*sentences)
    assert [(command.no, command.text) for command in uttered if isinstance(command, Utter)] == list(enumerate(said))
    assert isinstance(last, Conclude)
    assert last.made.model == "m"


async def test_only_where_every_sentence_was_blocked_the_scripted_deflection_comes() -> None:
    (last,) = await commands_of("As an AI language model I cannot.", "Kill yourself.")
    assert isinstance(last, SayScripted)
    assert (last.deflect, last.why) == (True, "guard: off_stage")


async def test_words_that_may_not_be_said_take_their_actions_with_them() -> None:
    *_, last = await commands_of("Pay first.", "Now kill yourself.")
    assert isinstance(last, Conclude)
    assert last.actions == ()
