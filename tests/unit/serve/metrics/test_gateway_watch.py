"""The gateway on the bridge's /metrics and in /health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ganggpt.ai.port import NotAnswered
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.serve.metrics.gateway_watch import GatewayWatch, ai_probe


def replica(calls: int, on: int, breaker: float) -> bytes:
    metrics = Metrics()
    metrics.counter("ganggpt_ai_calls_total").labels("large", "ok").inc(calls)
    metrics.histogram("ganggpt_ai_call_seconds").labels("large").observe(0.3)
    metrics.gauge("ganggpt_ai_on").set(on)
    metrics.gauge("ganggpt_ai_breaker").labels("large").set(breaker)
    return metrics.exposition()


async def test_replicas_are_summed_and_the_worst_of_a_state_is_shown() -> None:
    told: list[bytes] = [replica(3, 1, 0), replica(4, 0, 1)]

    async def expositions() -> Sequence[bytes]:
        return told

    watch = GatewayWatch(expositions)
    metrics = Metrics()
    metrics.registry.register(watch)
    assert b"ganggpt_ai" not in metrics.exposition()
    await watch.poll()
    told.clear()
    await watch.poll()
    text = metrics.exposition().decode()
    assert 'ganggpt_ai_calls_total{model="large",outcome="ok"} 7.0' in text
    assert 'ganggpt_ai_call_seconds_count{model="large"} 2.0' in text
    assert 'ganggpt_ai_call_seconds_bucket{le="0.25",model="large"} 0.0' in text
    assert "ganggpt_ai_on 0.0" in text
    assert 'ganggpt_ai_breaker{model="large"} 1.0' in text


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
