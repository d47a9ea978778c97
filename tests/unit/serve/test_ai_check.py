"""The gateway in /health."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ganggpt.ai.port import NotAnswered
from ganggpt.serve import ai_check
from ganggpt.serve.ai_check import ai_probe
from ganggpt.serve.health import Degraded


class State:
    """A gateway that says this of itself."""

    def __init__(self, told: dict[str, Any] | NotAnswered) -> None:
        self._told = told

    async def state(self) -> dict[str, Any] | NotAnswered:
        return self._told


@pytest.mark.parametrize(
    ("told", "mind"),
    [
        ({"on": True, "models": {"large": "ready", "small": "ready"}}, "model"),
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
    with pytest.raises(Degraded) as found:
        await ai_probe(State(told))()
    assert word in found.value.reason
    assert "The scripted mind speaks meanwhile." in found.value.reason
    assert found.value.details["mind"] == "scripted"


async def test_a_gateway_that_only_embeds_is_well_whatever_the_ledger_says() -> None:
    for on in (True, False, None):
        told = {"on": on, "models": {}, "embedding": ["onnx:0a1b"]}
        found = await ai_probe(State(told), "GANGGPT_AI is off")()
        assert found == {"mind": "scripted", "because": "GANGGPT_AI is off", "embedding": ["onnx:0a1b"]}


async def test_one_model_that_fails_beside_one_that_answers_is_told() -> None:
    models = {"large": "fails: nothing listens there", "small": "ready"}
    told = {"on": True, "models": models, "errors": {"large": _error(2)}, "checked": True}
    with pytest.raises(Degraded, match=r"large: http://rack:8000/v1: nothing listens .* Other models answer") as found:
        await ai_probe(State(told))()
    assert found.value.details["mind"] == "model"
    assert found.value.details["errors"]["large"]["since"] == "2026-01-01T00:00:00Z"


async def test_one_call_that_failed_is_shown_and_degrades_nothing() -> None:
    told = {"on": True, "models": {"large": "ready"}, "errors": {"large": _error(1)}, "checked": True}
    details = await ai_probe(State(told))()
    assert details["mind"] == "model"
    assert details["errors"]["large"]["count"] == 1


async def test_a_gateway_that_is_silent_degrades_the_world_and_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def state(self) -> dict[str, Any] | NotAnswered:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(ai_check, "ASK_S", 0.01)
    with pytest.raises(Degraded, match=r"it said nothing within 0\.01 s"):
        await ai_probe(Silent())()


def _error(count: int) -> dict[str, Any]:
    return {
        "code": "model_away",
        "cause": "refused",
        "message": "http://rack:8000/v1: nothing listens there (connection refused)",
        "address": "http://rack:8000/v1",
        "since": "2026-01-01T00:00:00Z",
        "last": "2026-01-01T00:01:00Z",
        "count": count,
    }


async def test_without_a_model_the_scripted_mind_is_well() -> None:
    assert await ai_probe(None, "GANGGPT_AI is off")() == {"mind": "scripted", "because": "GANGGPT_AI is off"}
