"""The gateway in /health."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.ai.port import NotAnswered
from ganggpt.errors import Unavailable
from ganggpt.serve.ai_check import ai_probe


class State:
    """A gateway that says this of itself."""

    def __init__(self, told: dict[str, Any] | NotAnswered) -> None:
        self._told = told

    async def state(self) -> dict[str, Any] | NotAnswered:
        return self._told


@pytest.mark.parametrize(
    ("told", "mind"),
    [
        ({"on": True, "models": {"large": "its breaker is open", "small": "ready"}}, "model"),
        ({"on": False, "models": {"large": "ready"}}, "scripted"),
    ],
)
async def test_a_mind_that_can_speak_is_well(told: dict[str, Any], mind: str) -> None:
    assert (await ai_probe(State(told))())["mind"] == mind


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"on": True, "models": {"large": "rests: the key is refused"}}, "the key is refused"),
        ({"on": None, "models": {"large": "ready"}}, "spending record"),
        (NotAnswered(reason="away", detail="no replica"), "no replica"),
    ],
)
async def test_models_that_all_fail_are_told_with_their_reason(told: Any, word: str) -> None:
    with pytest.raises(Unavailable, match=word):
        await ai_probe(State(told))()


async def test_without_a_model_the_scripted_mind_is_well() -> None:
    assert await ai_probe(None, "GANGGPT_AI is off")() == {"mind": "scripted", "because": "GANGGPT_AI is off"}
