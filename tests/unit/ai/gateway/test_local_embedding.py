"""Embedding in the gateway's own process: in turns, bounded, off the event loop, without a switch and without money."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from ganggpt.ai.gateway import local_embedding
from ganggpt.ai.gateway.budget import Limit
from ganggpt.ai.gateway.local_embedding import LocalEmbedding
from ganggpt.ai.port import EmbeddingResult, NotAnswered, Payers
from ganggpt.errors import Overloaded, Unavailable
from ganggpt.observability.metrics import Metrics
from tests.support.eventually import eventually
from tests.support.gateway_rig import rigged


class Slow:
    """A model that waits to be let on before each text. ``begun``: the texts so far."""

    name = "onnx:slow"

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.threads: set[str] = set()
        self.steps = threading.Semaphore(0)

    def vector(self, text: str) -> tuple[float, ...]:
        self.begun.append(text)
        self.threads.add(threading.current_thread().name)
        assert self.steps.acquire(timeout=30)
        if text == "broken":
            raise RuntimeError("no memory left")
        return (float(len(text)), 1.0)


@pytest.fixture
def slow() -> Iterator[Slow]:
    model = Slow()
    yield model
    model.steps.release(1000)


@pytest.fixture
async def local(slow: Slow) -> AsyncIterator[LocalEmbedding]:
    embedding = LocalEmbedding(slow, Metrics())
    yield embedding
    embedding.close()


async def test_vectors_come_in_the_order_of_the_texts(slow: Slow, local: LocalEmbedding) -> None:
    slow.steps.release(3)
    assert await local.embed(["a", "bbb", "cc"]) == ((1.0, 1.0), (3.0, 1.0), (2.0, 1.0))
    assert slow.threads == {"embedding_0"}


async def test_the_line_of_a_player_waits_for_one_text_and_not_for_a_batch(slow: Slow, local: LocalEmbedding) -> None:
    batch = asyncio.create_task(local.embed([f"memory {n}" for n in range(50)]))
    await eventually(lambda: slow.begun == ["memory 0"])
    line = asyncio.create_task(local.embed(["where is my boat?"]))
    await eventually(lambda: local._waiting == 2)
    slow.steps.release(2)
    assert await line == ((17.0, 1.0),)
    assert slow.begun[:2] == ["memory 0", "where is my boat?"]
    assert not batch.done()
    slow.steps.release(49)
    assert len(await batch) == 50


async def test_a_request_that_nobody_waits_for_any_more_ends_after_its_text(slow: Slow, local: LocalEmbedding) -> None:
    batch = asyncio.create_task(local.embed(["one", "two", "three"]))
    await eventually(lambda: slow.begun == ["one"])
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    slow.steps.release(2)
    assert await local.embed(["next"]) == ((4.0, 1.0),)
    assert slow.begun == ["one", "next"]


async def test_too_many_requests_are_refused_at_once(
    slow: Slow, local: LocalEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_embedding, "REQUESTS_MAX", 2)
    waiting = [asyncio.create_task(local.embed([text])) for text in ("one", "two")]
    await eventually(lambda: slow.begun == ["one"])
    with pytest.raises(Overloaded):
        await local.embed(["three"])
    slow.steps.release(3)
    assert len(await asyncio.gather(*waiting)) == 2
    assert await local.embed(["three"]) == ((5.0, 1.0),)


async def test_a_model_that_fails_costs_one_request(slow: Slow, local: LocalEmbedding) -> None:
    slow.steps.release(3)
    with pytest.raises(Unavailable, match="no memory left"):
        await local.embed(["broken", "never begun"])
    assert await local.embed(["well"]) == ((4.0, 1.0),)
    assert slow.begun == ["broken", "well"]


async def test_the_gateway_embeds_here_although_calls_are_off_and_no_budget_is_left(slow: Slow) -> None:
    nothing = [Limit("server", "hour", "calls", 0)]
    async with rigged(local=LocalEmbedding(slow, Metrics()), limits=nothing) as rig:
        rig.on = False
        slow.steps.release(2)
        found = await rig.gateway.embed(["one", "three"], Payers("player:ana"), "question")
        assert found == EmbeddingResult("onnx:slow", ((3.0, 1.0), (5.0, 1.0)))
        assert rig.records.spends == []
        assert rig.server.count == 0
        assert (await rig.gateway.state())["embedding"] == ["onnx:slow"]


async def test_the_gateway_says_that_a_model_of_its_own_fails(slow: Slow) -> None:
    async with rigged(local=LocalEmbedding(slow, Metrics())) as rig:
        slow.steps.release(1)
        found = await rig.gateway.embed(["broken"], Payers())
        assert isinstance(found, NotAnswered)
        assert (found.reason, "no memory left" in found.detail) == ("failing", True)


async def test_what_was_embedded_is_counted_and_timed(slow: Slow) -> None:
    metrics = Metrics()
    local = LocalEmbedding(slow, metrics)
    slow.steps.release(2)
    await local.embed(["one", "two"])
    local.close()
    shown = metrics.exposition().decode()
    assert 'ganggpt_ai_calls_total{model="onnx:slow",outcome="ok"} 2.0' in shown
    assert 'ganggpt_ai_call_seconds_count{model="onnx:slow"} 2.0' in shown
