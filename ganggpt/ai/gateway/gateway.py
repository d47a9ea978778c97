"""The model gateway: the only way to a language model, as a plain asyncio class. ``serve.gateway`` puts it into Ray.

Cache → single flight → the ladder (large → small → cached); each call through limits, switch, budget, breaker and
retries of its deployment. Whatever happens, the asker gets an outcome within the time it gave.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from ganggpt.ai.gateway.cache_keys import embedding_key, exact_key
from ganggpt.ai.gateway.config import Plan
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.ladder import Asking, Ladder
from ganggpt.ai.gateway.response_cache import Answers, SingleFlight
from ganggpt.ai.gateway.sentences import sentences_of
from ganggpt.ai.gateway.spending import Purse, Till
from ganggpt.ai.gateway.streaming import Speaking
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.port import (
    FREE,
    TEXT_CHARS_MAX,
    TEXTS_MAX,
    Answered,
    Embedded,
    GatewayRequest,
    NotAnswered,
    Outcome,
    Payers,
    Sentence,
    Unanswered,
)
from ganggpt.errors import GangGPTError, InvalidInput, Unavailable
from ganggpt.observability.metrics import Metrics

log = logging.getLogger(__name__)

AT_ONCE_MAX: Final = 2048
"""Requests under way; more are answered with the scripted mind at once."""
EMBED_WITHIN_S: Final = 10.0


class ModelGateway:
    """Implements ``ai.port.Gateway`` on one event loop. Owns its deployments and what is under way."""

    def __init__(
        self,
        plan: Plan,
        deployments: Mapping[str, Deployment],
        till: Till,
        answers: Answers,
        prompts: Prompts,
        metrics: Metrics,
    ) -> None:
        self._plan = plan
        self._deployments = deployments
        self._till = till
        self._answers = answers
        self._ladder = Ladder(plan, deployments, prompts, metrics)
        self._speaking = Speaking(self._ladder)
        self._flights: SingleFlight[Outcome] = SingleFlight()
        self._under_way = 0
        self._models = {slot: "|".join((*entry.large, "/", *entry.small)) for slot, entry in plan.slots.items()}
        self._requests = metrics.counter("ganggpt_ai_requests_total")
        self._seconds = metrics.histogram("ganggpt_ai_request_seconds")
        self._first = metrics.histogram("ganggpt_ai_first_sentence_seconds")
        self._shared = metrics.counter("ganggpt_ai_cache_total").labels("shared")
        self._on = metrics.gauge("ganggpt_ai_on")

    async def answer(self, request: GatewayRequest) -> Outcome:
        """See Gateway."""
        request.check()
        began_s = _now_s()
        key = exact_key(request, self._models.get(request.slot, ""))
        outcome = self._refused(request, key) or await self._within(request, key, began_s, self._asked(request, key))
        return self._told(request, began_s, outcome)

    async def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | Outcome, None]:
        """See Gateway. A stream is not shared with others who ask the same; its answer is cached for them."""
        request.check()
        began_s = _now_s()
        key = exact_key(request, self._models.get(request.slot, ""))
        refused = self._refused(request, key) or await self._answers.exact(request, key)
        if refused is not None:
            for sentence in _spoken(refused):
                yield sentence
            yield self._told(request, began_s, refused)
            return
        asking = self._asking(request, key, began_s)
        self._under_way += 1
        try:
            async with aclosing(self._speaking.speak(asking)) as items:
                async for item in items:
                    if not isinstance(item, Sentence):
                        yield self._told(request, began_s, await self._finished(asking, item))
                        return
                    if item.no == 0:
                        self._first.labels(request.slot).observe(_now_s() - began_s)
                    yield item
        finally:
            self._under_way -= 1

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> Embedded | NotAnswered:
        """See Gateway."""
        if len(texts) > TEXTS_MAX or any(not 0 < len(text) <= TEXT_CHARS_MAX for text in texts):
            raise InvalidInput("texts", f"at most {TEXTS_MAX} texts of 1 to {TEXT_CHARS_MAX} characters")
        if not self._plan.embedding:
            return NotAnswered(reason="no_model", detail="no model of embeddings is configured")
        purse = Purse(self._till, payers, "embedding", purpose)
        reason: Unanswered = "failing"
        for name in self._plan.embedding:
            try:
                return await self._embedded(
                    self._deployments[name], texts, owners or [payers.player] * len(texts), purse
                )
            except GangGPTError as failed:
                reason = self._ladder.fell("embedding", failed)
                if reason in {"off", "away"}:
                    break
        return NotAnswered(reason=reason, usage=purse.usage)

    async def state(self) -> dict[str, Any]:
        """For health and the command line: whether calls may leave, and how each model is."""
        try:
            on: bool | None = await self._till.ledger.is_on()
        except Unavailable:
            on = None
        self._on.set(1 if on else 0)
        return {
            "on": on,
            "models": {name: deployment.state() for name, deployment in self._deployments.items()},
            "slots": {slot: [*entry.large, *entry.small] for slot, entry in self._plan.slots.items()},
            "under_way": self._under_way,
        }

    async def forget(self, player: str) -> None:
        """Drop every cached answer that was a player's. Raises Unavailable."""
        await self._answers.forget(player)

    async def close(self) -> None:
        """Close connections. Nothing may be asked any more; ledger, books and caches are closed by whoever opened them,
        after this."""
        for deployment in self._deployments.values():
            await deployment.close()

    def _refused(self, request: GatewayRequest, key: str) -> NotAnswered | None:
        if request.slot not in self._plan.slots:
            return NotAnswered(reason="no_model", detail=f"no model is configured for {request.slot}", key=key)
        if self._under_way >= AT_ONCE_MAX:
            return NotAnswered(reason="failing", detail=f"{AT_ONCE_MAX} requests are under way", key=key)
        return None

    async def _within(self, request: GatewayRequest, key: str, began_s: float, work: Awaitable[Outcome]) -> Outcome:
        self._under_way += 1
        try:
            async with asyncio.timeout_at(began_s + request.within_s):
                return await work
        except TimeoutError:
            return NotAnswered(reason="late", detail=f"no answer within {request.within_s:g} s", key=key)
        finally:
            self._under_way -= 1

    async def _asked(self, request: GatewayRequest, key: str) -> Outcome:
        cached = await self._answers.exact(request, key)
        if cached is not None:
            return cached
        if not request.use_cache:
            return await self._climbed(request, key)
        outcome, shared = await self._flights.run(key, lambda: self._climbed(request, key))
        if shared:
            self._shared.inc()
            return replace(outcome, usage=FREE)
        return outcome

    async def _climbed(self, request: GatewayRequest, key: str) -> Outcome:
        asking = self._asking(request, key, _now_s())
        return await self._finished(asking, await self._ladder.climb(asking))

    async def _finished(self, asking: Asking, outcome: Outcome) -> Outcome:
        """The cached rung where no model answered, and the cache filled where one did."""
        if isinstance(outcome, NotAnswered) and outcome.reason != "late":
            meant = await self._answers.meant(asking.request, asking.key)
            return outcome if meant is None else replace(meant, usage=outcome.usage)
        if isinstance(outcome, Answered):
            self._answers.keep(asking.request, asking.key, outcome)
        return outcome

    async def _embedded(
        self, deployment: Deployment, texts: Sequence[str], owners: Sequence[str | None], purse: Purse
    ) -> Embedded:
        model = deployment.spec.entry.model
        keys = [embedding_key(model, text) for text in texts]
        found = [await self._answers.vector(key) for key in keys]
        missing = [n for n, vector in enumerate(found) if vector is None]
        usage = FREE
        if missing:
            until_s = _now_s() + EMBED_WITHIN_S
            fresh, usage = await deployment.embed([texts[n] for n in missing], purse, until_s)
            for n, vector in zip(missing, fresh.vectors, strict=True):
                found[n] = vector
                self._answers.keep_vector(keys[n], vector, owners[n])
        return Embedded(model, tuple(vector for vector in found if vector is not None), usage)

    def _asking(self, request: GatewayRequest, key: str, began_s: float) -> Asking:
        return Asking(request, key, self._till.purse(request), began_s + request.within_s)

    def _told(self, request: GatewayRequest, began_s: float, outcome: Outcome) -> Outcome:
        self._requests.labels(request.slot, outcome_name(outcome)).inc()
        self._seconds.labels(request.slot).observe(_now_s() - began_s)
        return outcome


def outcome_name(outcome: Outcome) -> str:
    """The label of an outcome: the rung that answered, ``deflected``, or why no model did."""
    if isinstance(outcome, Answered):
        return outcome.rung
    return outcome.reason if isinstance(outcome, NotAnswered) else "deflected"


def _spoken(outcome: Outcome) -> list[Sentence]:
    if not isinstance(outcome, Answered):
        return []
    said = getattr(outcome.value, "say", None) if outcome.value is not None else outcome.text
    return [Sentence(no, text) for no, text in enumerate(sentences_of(said or ""))]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
