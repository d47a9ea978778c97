"""Streams of a request: sentences as a model writes them, with the same ladder below.

Until the first sentence is out, everything may still be tried again; after it, nothing is said twice: a stream that
breaks off ends as a cut answer with the sentences that were complete, and one that a filter ends is withdrawn.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.ladder import CHARS_PER_TOKEN_MAX, Asking, Ladder
from ganggpt.ai.gateway.provider import Completion, ContentFiltered
from ganggpt.ai.gateway.sentences import Sentences, sentences_of
from ganggpt.ai.gateway.structured import SPOKEN, spoken_so_far
from ganggpt.ai.port import Answered, GatewayRequest, Outcome, Rung, Sentence
from ganggpt.errors import GangGPTError


class Telling:
    """What one stream said so far: the raw text, and the sentences of it that were given out."""

    def __init__(self, request: GatewayRequest) -> None:
        self._shaped = request.shape is not None
        self._chars_max = request.tokens_max * CHARS_PER_TOKEN_MAX
        self._cutter = Sentences()
        self._heard = 0
        self.raw = ""
        self.given: list[str] = []

    @property
    def too_long(self) -> bool:
        """Whether it talks on far beyond its limit."""
        return len(self.raw) > self._chars_max

    def add(self, piece: str) -> Iterator[Sentence]:
        """Sentences that are complete with this piece."""
        self.raw += piece
        if self._shaped:
            said = spoken_so_far(self.raw)
            piece, self._heard = said[self._heard :], max(self._heard, len(said))
        return self._numbered(self._cutter.add(piece))

    def rest(self) -> Iterator[Sentence]:
        """The last sentence, at the end of a whole stream."""
        return self._numbered(self._cutter.rest())

    def _numbered(self, sentences: Iterator[str]) -> Iterator[Sentence]:
        for text in sentences:
            self.given.append(text)
            yield Sentence(len(self.given) - 1, text)


class Speaking:
    """Climbs the ladder with streams."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    async def speak(self, asking: Asking) -> AsyncGenerator[Sentence | Outcome, None]:
        """Sentences, then the outcome of the models alone. Raises nothing but CancelledError."""
        for rung, deployment, _ in self._ladder.steps(asking.request):
            softened = None
            while softened is None or (asking.softened and not softened):
                softened = asking.softened
                telling = Telling(asking.request)
                try:
                    async with aclosing(self._told(asking, rung, deployment, telling)) as items:
                        async for item in items:
                            yield item
                except GangGPTError as failed:
                    outcome = self._broken(asking, rung, deployment, telling, failed)
                    if outcome is not None:
                        yield outcome
                        return
                else:
                    return
        yield asking.not_answered()

    async def _told(
        self, asking: Asking, rung: Rung, deployment: Deployment, telling: Telling
    ) -> AsyncGenerator[Sentence | Outcome, None]:
        """One stream to its end. Raises what a call raises, and AnswerMisshapen."""
        finish = "stop"
        async with aclosing(deployment.stream(asking.call(), asking.purse, asking.until_s)) as pieces:
            async for delta, _ in pieces:
                finish = delta.finish or finish
                for sentence in telling.add(delta.text):
                    yield sentence
                if telling.too_long:
                    finish = "length"
                    break
        for sentence in telling.rest():
            yield sentence
        completion = Completion(telling.raw, "length" if finish == "length" else "stop", None)
        if telling.given:
            # What was said stays said, so a wrong shape can not be repaired any more.
            yield self._ladder.shaped(asking, completion, rung=rung, model=deployment.name)
            return
        answered = await self._ladder.mend(asking, deployment, completion, rung)
        for no, text in enumerate(sentences_of(getattr(answered.value, SPOKEN, "") if answered.value else "")):
            yield Sentence(no, text)
        yield answered

    def _broken(
        self, asking: Asking, rung: Rung, deployment: Deployment, telling: Telling, failed: GangGPTError
    ) -> Outcome | None:
        """The outcome of a stream that failed, or None where the next one may be tried."""
        if isinstance(failed, ContentFiltered):
            softened = self._ladder.soften(asking, failed)
            return None if softened and not telling.given else asking.deflected(failed, len(telling.given))
        ends = self._ladder.ends(asking, failed)
        if telling.given:
            return Answered(
                text=" ".join(telling.given), model=deployment.name, rung=rung, usage=asking.purse.usage,
                key=asking.key, softened=asking.softened, repaired=asking.repaired, cut=True,
            )  # fmt: skip
        return asking.not_answered() if ends else None
