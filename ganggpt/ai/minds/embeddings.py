"""Embeddings of texts: vectors from a model as minds keep them, requested within bounds.

What minds learned is embedded in batches for their host, and nobody waits for it. The embedding of a line that was just
said has a short time limit, because a prompt waits for it. Without an embedding model no request is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from ganggpt.ai.port import TEXTS_MAX, EmbeddingResult, Gateway, NotAnswered, Payers
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.errors import InvalidInput, Unavailable
from ganggpt.observability.metrics import Metrics

QUESTION_S: Final = 0.4
"""Longest wait for the embedding of a line; after it the prompt gets the memories that its words find."""
REST_S: Final = 60.0
"""How long no request is made after a failure that the next request would meet again."""
SHORT_SIDES: Final = 256
"""Dimensions kept of vectors that may be shortened: a sixth of the memory, for hardly less recall."""
_SHORTENED: Final = "text-embedding-3"
"""Prefix of the names of models whose vectors may be cut (Matryoshka representations)."""
_RESTING: Final = frozenset({"off", "no_model", "budget", "away"})


class Embedder:
    """Asks the gateway for embeddings, and backs off while no embedding model is available.

    ``present`` False: no embedding model is configured. ``now_s``: a clock of seconds.
    """

    def __init__(self, gateway: Gateway, metrics: Metrics, now_s: Callable[[], float], *, present: bool) -> None:
        self._gateway, self._now_s, self._present = gateway, now_s, present
        self._counts = metrics.counter("ganggpt_ai_embeddings_total")
        self._rests_until_s = 0.0

    @property
    def is_on(self) -> bool:
        """Whether a request made now would go to a model."""
        return self._present and self._now_s() >= self._rests_until_s

    async def of_memories(self, texts: Sequence[str], owners: Sequence[str | None]) -> tuple[Embedding, ...]:
        """Vectors for what minds learned, in the order of the texts; the server pays. ``owners``: the player whose text
        each one is, so that it can be erased with them. Raises Unavailable."""
        outcome = await self._gateway.embed(texts[:TEXTS_MAX], Payers(), "memories", owners[:TEXTS_MAX])
        try:
            made = self._made("memory", outcome, len(texts))
        except InvalidInput as unfit:
            self._counts.labels("memory", "unfit").inc()
            raise Unavailable("a usable embedding", str(unfit)) from None
        if made is None:
            reason = outcome.reason if isinstance(outcome, NotAnswered) else "unfit"
            raise Unavailable("an embedding model", reason)
        return made

    async def of_line(self, text: str, payers: Payers) -> Embedding | None:
        """The vector of a line that was said, or None where there is none within QUESTION_S."""
        if not self.is_on or not text.strip():
            return None
        try:
            async with asyncio.timeout(QUESTION_S):
                outcome = await self._gateway.embed((text,), payers, "question", (payers.player,))
            made = self._made("question", outcome, 1)
        except TimeoutError:
            self._counts.labels("question", "late").inc()
            return None
        except InvalidInput:
            self._counts.labels("question", "unfit").inc()
            return None
        return None if made is None else made[0]

    def _made(self, kind: str, outcome: EmbeddingResult | NotAnswered, count: int) -> tuple[Embedding, ...] | None:
        """The vectors as minds keep them; None where there are none. Raises InvalidInput where they cannot be used."""
        if isinstance(outcome, NotAnswered):
            self._counts.labels(kind, outcome.reason).inc()
            if outcome.reason in _RESTING:
                self._rests_until_s = self._now_s() + REST_S
            return None
        if len(outcome.vectors) != count:
            raise InvalidInput("vectors", f"{len(outcome.vectors)} for {count} texts")
        model = outcome.model
        kept = SHORT_SIDES if model.startswith(_SHORTENED) else None
        name = model if kept is None else f"{model}/{kept}"
        made = tuple(embedding_of(name, vector[:kept]) for vector in outcome.vectors)
        self._counts.labels(kind, "ok").inc(count)
        return made
