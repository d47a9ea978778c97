"""Vectors from a provider: bounded, cached, paid for, and never in the way of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ganggpt.ai.minds import embeddings
from ganggpt.ai.minds.embeddings import SHORT_SIDES, Embedder
from ganggpt.ai.port import EmbeddingResult, NotAnswered, Payers
from ganggpt.domain.mind.embedding import similarity
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics

AVA = Payers("player:ava", "npc:mara", "faction:ballas")


class Vectors:
    """A gateway that only embeds. ``outcome``: a vector for every text, or what else it says."""

    def __init__(self, outcome: Any = (1.0, 0.5), model: str = "m") -> None:
        self.outcome, self.model = outcome, model
        self.asked: list[tuple[Sequence[str], Payers, str, Sequence[str | None]]] = []

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> EmbeddingResult | NotAnswered:
        self.asked.append((texts, payers, purpose, owners))
        if self.outcome == "never":
            await asyncio.Event().wait()
        if isinstance(self.outcome, NotAnswered):
            return self.outcome
        return EmbeddingResult(self.model, (tuple(self.outcome),) * len(texts))


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def made(gateway: Vectors, *, present: bool = True) -> tuple[Embedder, Metrics, Clock]:
    metrics, clock = Metrics(), Clock()
    return Embedder(gateway, metrics, clock, present=present), metrics, clock  # type: ignore[arg-type]


def counted(metrics: Metrics, of: str, outcome: str) -> float:
    count: float = metrics.counter("ganggpt_ai_embeddings_total").labels(of, outcome)._value.get()
    return count


async def test_a_question_is_paid_by_who_asks_and_whom() -> None:
    gateway = Vectors()
    found, metrics, _ = made(gateway)
    assert await found.of_line("Where is the watch?", AVA) is not None
    assert gateway.asked == [(("Where is the watch?",), AVA, "question", ("player:ava",))]
    assert counted(metrics, "question", "ok") == 1


async def test_memories_are_paid_by_the_server_and_stay_the_players() -> None:
    gateway = Vectors()
    found, _, _ = made(gateway)
    await found.of_memories(["one", "two"], ["player:ava", None])
    assert gateway.asked == [(["one", "two"], Payers(), "memories", ["player:ava", None])]


async def test_nobody_waits_long_for_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "QUESTION_S", 0.01)
    found, metrics, _ = made(Vectors("never"))
    assert await found.of_line("Where is the watch?", AVA) is None
    assert counted(metrics, "question", "late") == 1
    assert found.is_on


@pytest.mark.parametrize("reason", ["off", "budget", "no_model", "away"])
async def test_after_a_reason_that_stays_nobody_is_asked_for_a_while(reason: Any) -> None:
    gateway = Vectors(NotAnswered(reason=reason))
    found, metrics, clock = made(gateway)
    assert await found.of_line("one", AVA) is None
    assert not found.is_on
    assert await found.of_line("two", AVA) is None
    assert len(gateway.asked) == 1
    assert counted(metrics, "question", reason) == 1
    clock.now_s += embeddings.REST_S
    assert found.is_on


async def test_a_failure_that_passes_is_no_reason_to_rest() -> None:
    found, _, _ = made(Vectors(NotAnswered(reason="failing")))
    with pytest.raises(Unavailable):
        await found.of_memories(["one"], [None])
    assert found.is_on


@pytest.mark.parametrize("vector", [(0.0, 0.0), (float("nan"),), ()])
async def test_what_is_no_vector_is_not_kept(vector: tuple[float, ...]) -> None:
    found, metrics, _ = made(Vectors(vector))
    assert await found.of_line("one", AVA) is None
    with pytest.raises(Unavailable):
        await found.of_memories(["one"], [None])
    assert counted(metrics, "memory", "unfit") == counted(metrics, "question", "unfit") == 1


async def test_without_a_model_of_embeddings_nothing_is_asked() -> None:
    gateway = Vectors()
    found, _, _ = made(gateway, present=False)
    assert not found.is_on
    assert await found.of_line("one", AVA) is None
    assert not gateway.asked


async def test_vectors_made_to_be_shortened_are_and_never_compare_with_others() -> None:
    long = [1.0, *([0.5] * 1535)]
    short, _, _ = made(Vectors(long, "text-embedding-3-small"))
    other, _, _ = made(Vectors(long, "text-embedding-ada-002"))
    first, second = await short.of_line("one", AVA), await other.of_line("one", AVA)
    assert first is not None
    assert second is not None
    assert (len(first.vector), len(second.vector)) == (SHORT_SIDES, 1536)
    assert similarity(first, second) is None
    assert similarity(first, first) == pytest.approx(1.0)
