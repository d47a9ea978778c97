"""The model gateway: the only way to a language model, as a plain asyncio class. ``serve.gateway`` runs it in Ray.

A request goes through the cache, the single flight and the ladder (large → small → cached); each call through limits,
switch, budget, breaker and retries of its deployment. The caller always gets an outcome within the time it gave.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from ganggpt.ai.gateway.cache_keys import embedding_key, exact_key
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.gateway_config import GatewayConfig
from ganggpt.ai.gateway.ladder import Ladder, PendingRequest
from ganggpt.ai.gateway.local_embedding import LocalEmbedding
from ganggpt.ai.gateway.model_checks import ModelChecks
from ganggpt.ai.gateway.response_cache import ResponseCache, SingleFlight
from ganggpt.ai.gateway.sentences import sentences_of
from ganggpt.ai.gateway.spending import Accounting, Spending
from ganggpt.ai.gateway.streaming import Streaming
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.port import (
    FREE,
    TEXT_CHARS_MAX,
    TEXTS_MAX,
    Answered,
    EmbeddingResult,
    GatewayOutcome,
    GatewayRequest,
    NotAnswered,
    Payers,
    Sentence,
    Unanswered,
)
from ganggpt.errors import GangGPTError, InvalidInput, Overloaded, Unavailable
from ganggpt.observability.metrics import Metrics

AT_ONCE_MAX: Final = 2048
"""Requests in flight at once; further ones are refused, so that the scripted mind answers them."""
EMBED_WITHIN_S: Final = 10.0


class ModelGateway:
    """Implements ``ai.port.Gateway`` on one event loop. Owns its deployments and the requests in flight. ``local``: the
    embedding model of this process, where there is one; then no other one embeds. ``checks``: run by whoever owns the
    gateway."""

    def __init__(
        self,
        config: GatewayConfig,
        deployments: Mapping[str, Deployment],
        accounting: Accounting,
        cache: ResponseCache,
        prompts: Prompts,
        metrics: Metrics,
        local: LocalEmbedding | None = None,
    ) -> None:
        self._config = config
        self._deployments = deployments
        self._accounting = accounting
        self._cache = cache
        self._local = local
        self._ladder = Ladder(config, deployments, prompts, metrics)
        self._streaming = Streaming(self._ladder)
        self._flights: SingleFlight[GatewayOutcome] = SingleFlight()
        self._under_way = 0
        self.checks = ModelChecks(config, deployments, accounting)
        self._models = {slot: "|".join((*entry.large, "/", *entry.small)) for slot, entry in config.slots.items()}
        self._requests = metrics.counter("ganggpt_ai_requests_total")
        self._seconds = metrics.histogram("ganggpt_ai_request_seconds")
        self._first = metrics.histogram("ganggpt_ai_first_sentence_seconds")
        self._shared = metrics.counter("ganggpt_ai_cache_total").labels("shared")
        self._on = metrics.gauge("ganggpt_ai_on")

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        """See Gateway."""
        request.check()
        began_s = _now_s()
        key = exact_key(request, self._models.get(request.slot, ""))
        outcome = self._refused(request, key) or await self._within(request, key, began_s, self._asked(request, key))
        return self._told(request, began_s, outcome)

    async def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """See Gateway. A stream is not shared with other callers of an equal request, but its answer is cached for
        them."""
        request.check()
        began_s = _now_s()
        key = exact_key(request, self._models.get(request.slot, ""))
        refused = self._refused(request, key) or await self._cache.exact(request, key)
        if refused is not None:
            for sentence in _spoken(refused):
                yield sentence
            yield self._told(request, began_s, refused)
            return
        pending = self._pending(request, key, began_s)
        self._under_way += 1
        try:
            async with aclosing(self._streaming.stream(pending)) as items:
                async for item in items:
                    if not isinstance(item, Sentence):
                        yield self._told(request, began_s, await self._finished(pending, item))
                        return
                    if item.no == 0:
                        self._first.labels(request.slot).observe(_now_s() - began_s)
                    yield item
        finally:
            self._under_way -= 1

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> EmbeddingResult | NotAnswered:
        """See Gateway."""
        if len(texts) > TEXTS_MAX or any(not 0 < len(text) <= TEXT_CHARS_MAX for text in texts):
            raise InvalidInput("texts", f"at most {TEXTS_MAX} texts of 1 to {TEXT_CHARS_MAX} characters")
        if self._local is not None:
            return await _embedded_by(self._local, texts)
        if not self._config.embedding:
            return NotAnswered(reason="no_model", detail="no embedding model is configured")
        spending = Spending(self._accounting, payers, "embedding", purpose)
        reason: Unanswered = "failing"
        for name in self._config.embedding:
            try:
                return await self._embedded(
                    self._deployments[name], texts, owners or [payers.player] * len(texts), spending
                )
            except GangGPTError as failed:
                reason = self._ladder.count_fallback("embedding", failed)
                if reason in {"off", "away"}:
                    break
        return NotAnswered(reason=reason, usage=spending.usage)

    async def state(self) -> dict[str, Any]:
        """For health and the command line: whether models may be called, the state of each one, the last error of those
        whose last call failed, and whether all were asked once."""
        try:
            on: bool | None = await self._accounting.ledger.is_on()
        except Unavailable:
            on = None
        self._on.set(1 if on else 0)
        return {
            "on": on,
            "models": {name: deployment.state() for name, deployment in self._deployments.items()},
            "errors": {name: one.troubles.now.shown() for name, one in self._deployments.items() if one.troubles.now},
            "checked": self.checks.done,
            "slots": {slot: [*entry.large, *entry.small] for slot, entry in self._config.slots.items()},
            "embedding": [*self._config.embedding] if self._local is None else [self._local.name],
            "under_way": self._under_way,
        }

    async def forget(self, player: str) -> None:
        """Drop every cached answer to a player. Raises Unavailable."""
        await self._cache.forget(player)

    async def close(self) -> None:
        """Close connections; no request may follow. The caller closes the ledger, the spend log and the caches
        afterwards."""
        for deployment in self._deployments.values():
            await deployment.close()
        if self._local is not None:
            self._local.close()

    def _refused(self, request: GatewayRequest, key: str) -> NotAnswered | None:
        if request.slot not in self._config.slots:
            return NotAnswered(reason="no_model", detail=f"no model is configured for {request.slot}", key=key)
        if self._under_way >= AT_ONCE_MAX:
            return NotAnswered(reason="failing", detail=f"{AT_ONCE_MAX} requests are in flight", key=key)
        return None

    async def _within(
        self, request: GatewayRequest, key: str, began_s: float, work: Awaitable[GatewayOutcome]
    ) -> GatewayOutcome:
        self._under_way += 1
        try:
            async with asyncio.timeout_at(began_s + request.within_s):
                return await work
        except TimeoutError:
            return NotAnswered(reason="late", detail=f"no answer within {request.within_s:g} s", key=key)
        finally:
            self._under_way -= 1

    async def _asked(self, request: GatewayRequest, key: str) -> GatewayOutcome:
        cached = await self._cache.exact(request, key)
        if cached is not None:
            return cached
        if not request.use_cache:
            return await self._climbed(request, key)
        outcome, shared = await self._flights.run(key, lambda: self._climbed(request, key))
        if shared:
            self._shared.inc()
            return replace(outcome, usage=FREE)
        return outcome

    async def _climbed(self, request: GatewayRequest, key: str) -> GatewayOutcome:
        pending = self._pending(request, key, _now_s())
        return await self._finished(pending, await self._ladder.climb(pending))

    async def _finished(self, pending: PendingRequest, outcome: GatewayOutcome) -> GatewayOutcome:
        """The outcome with the cached rung tried where no model answered; an answer of a model is put into the
        cache."""
        if isinstance(outcome, NotAnswered) and outcome.reason != "late":
            stored = await self._cache.fallback(pending.request, pending.key)
            return outcome if stored is None else replace(stored, usage=outcome.usage)
        if isinstance(outcome, Answered):
            self._cache.keep(pending.request, pending.key, outcome)
        return outcome

    async def _embedded(
        self, deployment: Deployment, texts: Sequence[str], owners: Sequence[str | None], spending: Spending
    ) -> EmbeddingResult:
        model = deployment.spec.entry.model
        keys = [embedding_key(model, text) for text in texts]
        found = [await self._cache.vector(key) for key in keys]
        missing = [n for n, vector in enumerate(found) if vector is None]
        usage = FREE
        if missing:
            until_s = _now_s() + EMBED_WITHIN_S
            fresh, usage = await deployment.embed([texts[n] for n in missing], spending, until_s)
            for n, vector in zip(missing, fresh.vectors, strict=True):
                found[n] = vector
                self._cache.keep_vector(keys[n], vector, owners[n])
        return EmbeddingResult(model, tuple(vector for vector in found if vector is not None), usage)

    def _pending(self, request: GatewayRequest, key: str, began_s: float) -> PendingRequest:
        return PendingRequest(request, key, self._accounting.spending_of(request), began_s + request.within_s)

    def _told(self, request: GatewayRequest, began_s: float, outcome: GatewayOutcome) -> GatewayOutcome:
        self._requests.labels(request.slot, outcome_name(outcome)).inc()
        self._seconds.labels(request.slot).observe(_now_s() - began_s)
        return outcome


async def _embedded_by(local: LocalEmbedding, texts: Sequence[str]) -> EmbeddingResult | NotAnswered:
    try:
        return EmbeddingResult(local.name, await local.embed(texts))
    except (Overloaded, Unavailable) as failed:
        return NotAnswered(reason="failing", detail=str(failed))


def outcome_name(outcome: GatewayOutcome) -> str:
    """The label of an outcome: the rung that answered, ``deflected``, or why no model did."""
    if isinstance(outcome, Answered):
        return outcome.rung
    return outcome.reason if isinstance(outcome, NotAnswered) else "deflected"


def _spoken(outcome: GatewayOutcome) -> list[Sentence]:
    if not isinstance(outcome, Answered):
        return []
    said = getattr(outcome.value, "say", None) if outcome.value is not None else outcome.text
    return [Sentence(no, text) for no, text in enumerate(sentences_of(said or ""))]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
