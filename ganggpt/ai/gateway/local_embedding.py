"""Embeds texts with a model of this process: bounded, in a thread of its own, text by text.

Nothing leaves the machine and nothing is spent, so neither budget nor switch is asked, and vectors are kept where they
belong to: with their memories.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from ganggpt.ai.gateway.sentence_model import SentenceModel, find_model
from ganggpt.errors import Overloaded, Unavailable
from ganggpt.observability.metrics import Metrics

REQUESTS_MAX: Final = 64
"""Requests that may wait at one time; further ones are refused."""


class TextModel(Protocol):
    """The part of a ``SentenceModel`` that is needed here."""

    name: str

    def vector(self, text: str) -> tuple[float, ...]:
        """The vector of a text."""
        ...


class LocalEmbedding:
    """Owns the model's thread. ``name``: of the model, as its vectors carry it.

    Requests take turns after each text, so that the line of a player waits for one text of each request before it and
    never for a whole batch of memories. A cancelled request ends after the text it is at.
    """

    def __init__(self, model: TextModel, metrics: Metrics) -> None:
        self.name = model.name
        self._model = model
        self._thread = ThreadPoolExecutor(1, "embedding")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._done = metrics.counter("ganggpt_ai_calls_total").labels(self.name, "ok")
        self._seconds = metrics.histogram("ganggpt_ai_call_seconds").labels(self.name)

    async def embed(self, texts: Sequence[str]) -> tuple[tuple[float, ...], ...]:
        """Vectors of texts, in their order. Raises Overloaded, and Unavailable where the model fails."""
        if self._waiting >= REQUESTS_MAX:
            raise Overloaded("The local embedding model", REQUESTS_MAX)
        self._waiting += 1
        try:
            return tuple([await self._vector(text) for text in texts])
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the thread after the text it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _vector(self, text: str) -> tuple[float, ...]:
        # The lock is fair: who asked first has the next turn.
        async with self._turn:
            vector = await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, text)
        self._done.inc()
        return vector

    def _timed(self, text: str) -> tuple[float, ...]:
        began_s = time.perf_counter()
        try:
            vector = self._model.vector(text)
        except Exception as failed:  # noqa: BLE001 - the model's libraries raise nothing narrower
            raise Unavailable("a vector of the local embedding model", str(failed)[:200]) from None
        self._seconds.observe(time.perf_counter() - began_s)
        return vector


async def open_local_embedding(folder: Path, metrics: Metrics) -> LocalEmbedding:
    """The model of a folder, loaded in a thread. Raises ConfigInvalid."""
    model = await asyncio.to_thread(lambda: SentenceModel(find_model(folder)))
    return LocalEmbedding(model, metrics)
