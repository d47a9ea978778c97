"""Streaming of an answer: sentences as a model writes them, from the same ladder.

Until the first sentence was given out, the next model may still be asked. After it, nothing is said twice: a stream
that breaks off becomes a cut answer of the sentences that were complete, and one that a filter ends is withdrawn.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.ladder import CHARS_PER_TOKEN_MAX, Ladder, PendingRequest
from ganggpt.ai.gateway.provider import Completion, ContentFiltered
from ganggpt.ai.gateway.sentences import Sentences, sentences_of
from ganggpt.ai.gateway.structured import SPOKEN, spoken_max, spoken_so_far
from ganggpt.ai.port import Answered, GatewayOutcome, GatewayRequest, Rung, Sentence
from ganggpt.errors import GangGPTError


class StreamedText:
    """The text of one stream so far, and the sentences of it that were given out."""

    def __init__(self, request: GatewayRequest) -> None:
        self._shaped = request.shape is not None
        self._spoken_max = spoken_max(request)
        self._chars_max = request.tokens_max * CHARS_PER_TOKEN_MAX
        self._cutter = Sentences()
        self._spoken_chars = 0
        self._is_spoken = False
        self.raw = ""
        self.given: list[str] = []

    @property
    def too_long(self) -> bool:
        """Whether the text is far beyond its limit."""
        return len(self.raw) > self._chars_max

    def add(self, piece: str) -> Iterator[Sentence]:
        """Sentences that are complete with this piece."""
        self.raw += piece
        if self._is_spoken:
            return
        if self._shaped:
            said, self._is_spoken = spoken_so_far(self.raw)
            piece, self._spoken_chars = said[self._spoken_chars :], max(self._spoken_chars, len(said))
        yield from self._numbered(self._cutter.add(piece))
        if self._is_spoken:
            # The words are complete, whatever else is still being written.
            yield from self.rest()

    def rest(self) -> Iterator[Sentence]:
        """The last sentence, at the end of a whole text; of words that their bound ended only if it is complete."""
        if self._spoken_chars == self._spoken_max:
            return self._numbered(self._cutter.add(" "))
        return self._numbered(self._cutter.rest())

    def _numbered(self, sentences: Iterator[str]) -> Iterator[Sentence]:
        for text in sentences:
            self.given.append(text)
            yield Sentence(len(self.given) - 1, text)


class Streaming:
    """Asks the models of a ladder in turn for a stream."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    async def stream(self, pending: PendingRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """Sentences, then the outcome of the models alone. Raises nothing but CancelledError."""
        for rung, deployment, _ in self._ladder.steps(pending.request):
            softened = None
            while softened is None or (pending.softened and not softened):
                softened = pending.softened
                streamed = StreamedText(pending.request)
                try:
                    async with aclosing(self._stream_one(pending, rung, deployment, streamed)) as items:
                        async for item in items:
                            yield item
                except GangGPTError as failed:
                    outcome = self._after_failure(pending, rung, deployment, streamed, failed)
                    if outcome is not None:
                        yield outcome
                        return
                else:
                    return
        yield pending.not_answered()

    async def _stream_one(
        self, pending: PendingRequest, rung: Rung, deployment: Deployment, streamed: StreamedText
    ) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """One stream to its end. Raises what a call raises, and AnswerMisshapen."""
        finish = "stop"
        async with aclosing(deployment.stream(pending.call(), pending.spending, pending.until_s)) as pieces:
            async for delta, _ in pieces:
                finish = delta.finish or finish
                for sentence in streamed.add(delta.text):
                    yield sentence
                if streamed.too_long:
                    finish = "length"
                    break
        if finish != "length":
            for sentence in streamed.rest():
                yield sentence
        completion = Completion(streamed.raw, "length" if finish == "length" else "stop", None)
        if streamed.given:
            # What was given out cannot be taken back, so a wrong shape cannot be repaired any more.
            yield self._ladder.as_answer(pending, completion, rung=rung, model=deployment.name)
            return
        answered = await self._ladder.answer_or_repair(pending, deployment, completion, rung)
        for no, text in enumerate(sentences_of(getattr(answered.value, SPOKEN, "") if answered.value else "")):
            yield Sentence(no, text)
        yield answered

    def _after_failure(
        self, pending: PendingRequest, rung: Rung, deployment: Deployment, streamed: StreamedText, failed: GangGPTError
    ) -> GatewayOutcome | None:
        """The outcome of a stream that failed, or None where the next model may be asked."""
        if isinstance(failed, ContentFiltered):
            softened = self._ladder.soften(pending, failed)
            return None if softened and not streamed.given else pending.deflected(failed, len(streamed.given))
        stops = self._ladder.note_failure(pending, failed)
        if streamed.given:
            return Answered(
                text=" ".join(streamed.given), model=deployment.name, rung=rung, usage=pending.spending.usage,
                key=pending.key, softened=pending.softened, repaired=pending.repaired, cut=True,
            )  # fmt: skip
        return pending.not_answered() if stops else None
