"""Meanings of texts by a model: vectors as minds keep them, asked within bounds and never waited for long.

What minds learned is asked for in batches by their host (nobody waits); what is said to somebody is asked for with a
short bound, because a prompt waits for it. Without an embedding model nothing is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from ganggpt.ai.port import TEXTS_MAX, Embedded, Gateway, NotAnswered, Payers
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.errors import InvalidInput, Unavailable
from ganggpt.observability.metrics import Metrics

QUESTION_S: Final = 0.4
"""Longest wait for the meaning of a line; after it the prompt goes with what words find."""
REST_S: Final = 60.0
"""After a reason that will not pass with the next request, how long nobody is asked."""
SHORT_SIDES: Final = 256
"""Sides that are kept of vectors made to be shortened: a sixth of the memory, for hardly less recall."""
_SHORTENED: Final = "text-embedding-3"
"""Models whose vectors may be cut (Matryoshka representations); by the prefix of their names."""
_RESTING: Final = frozenset({"off", "no_model", "budget", "away"})


class Meanings:
    """Owns when nobody is asked. ``present`` False: no embedding model is configured. ``now_s``: a clock of seconds."""

    def __init__(self, gateway: Gateway, metrics: Metrics, now_s: Callable[[], float], *, present: bool) -> None:
        self._gateway, self._now_s, self._present = gateway, now_s, present
        self._counts = metrics.counter("ganggpt_ai_embeddings_total")
        self._rests_until_s = 0.0

    @property
    def is_on(self) -> bool:
        """Whether anything asked now would go to a model."""
        return self._present and self._now_s() >= self._rests_until_s

    async def of_memories(self, texts: Sequence[str], owners: Sequence[str | None]) -> tuple[Embedding, ...]:
        """Vectors for what minds learned, in the order of the texts; the server pays. ``owners``: whose texts they are,
        for whoever wants them forgotten. Raises Unavailable."""
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
        """The vector of something said, or None where there is none within QUESTION_S."""
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

    def _made(self, kind: str, outcome: Embedded | NotAnswered, count: int) -> tuple[Embedding, ...] | None:
        """The vectors as they are kept; None where there are none. Raises InvalidInput for ones that are no vectors."""
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
