"""One deployment of a model: its rate limits, its circuit breaker, its retries and its back-off.

Libraries do the work: aiolimiter (requests and tokens a minute), tenacity (retries), purgatory (the breaker's states).
Retry-After is obeyed: where it is longer than the time that is left, the request falls back to the next model, and the
deployment is not called until it is over. Every attempt passes the rate limits, the switch and the budget again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final, TypeVar

from aiolimiter import AsyncLimiter
from purgatory.domain.model import Context, OpenedState
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from ganggpt.ai.gateway.budget import prompt_tokens_at_most, tokens_at_most
from ganggpt.ai.gateway.gateway_config import DeploymentSpec
from ganggpt.ai.gateway.provider import (
    Completion,
    ContentFiltered,
    Counted,
    Delta,
    ModelBusy,
    ModelFailure,
    ModelMisconfigured,
    ModelSkipped,
    ModelSlow,
    Provider,
    ProviderCall,
    QuotaExhausted,
    Vectors,
)
from ganggpt.ai.gateway.spending import CallCost, Spending
from ganggpt.ai.gateway.trouble import CAUSES, FAILURES_MIN, Troubles
from ganggpt.ai.port import FREE, Usage
from ganggpt.observability.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

QUOTA_REST_S: Final = 300.0
"""How long a deployment is not called after its account had no money or its key was refused."""
_BACKOFF_S: Final = 0.2
_BACKOFF: Final = wait_exponential_jitter(multiplier=2 * _BACKOFF_S, max=4.0, jitter=0.2)
_STATES: Final = {"closed": 0.0, "half-opened": 0.5, "opened": 1.0}


class Deployment:
    """Calls one model. Owns its limits, breaker and back-off; used on one event loop."""

    def __init__(self, spec: DeploymentSpec, provider: Provider, metrics: Metrics) -> None:
        entry = spec.entry
        self.name, self.spec = spec.name, spec
        self._provider = provider
        self._turns = asyncio.Semaphore(entry.at_once)
        self._requests = AsyncLimiter(entry.requests_per_min)
        self._tokens = AsyncLimiter(entry.tokens_per_min)
        self._breaker = Context(spec.name, entry.breaker_failures, entry.breaker_s)
        self._probing = False
        self.troubles = Troubles(spec.endpoint.address(entry.model))
        self._rests_until_s = 0.0
        self._rests_because = ""
        self._calls = metrics.counter("ganggpt_ai_calls_total")
        self._well = self._calls.labels(spec.name, "ok")
        self._seconds = metrics.histogram("ganggpt_ai_call_seconds").labels(spec.name)
        self._state = metrics.gauge("ganggpt_ai_breaker").labels(spec.name)
        self._under_way = metrics.gauge("ganggpt_ai_calls_under_way").labels(spec.name)

    def state(self) -> str:
        """``ready``, or why it is not called now, or what happened to the last calls."""
        if _now_s() < self._rests_until_s:
            return f"rests: {self._rests_because}"
        opened_s = self._breaker.opened_at if self._breaker.state == "opened" else None
        # The library uses the wall clock. After this time the next call may try again.
        if opened_s is not None and time.time() < opened_s + self.spec.entry.breaker_s:
            return "its breaker is open"
        trouble = self.troubles.now
        failing = trouble is not None and trouble.count >= FAILURES_MIN
        return f"fails: {CAUSES[trouble.cause]}" if failing and trouble is not None else "ready"

    async def complete(self, call: ProviderCall, spending: Spending, until_s: float) -> tuple[Completion, Usage]:
        """The whole answer and its cost. Raises ModelFailure, SwitchedOff, OverBudget, Unavailable."""

        call = self._named(call)

        async def attempt() -> tuple[Completion, Usage]:
            async with self._turn(call, spending, until_s) as cost:
                completion = await self._timed(self._provider.complete(call), until_s)
                cost.spent = self._cost(call, completion.counted, completion.text)
                if completion.finish == "filter":
                    raise ContentFiltered(self.name, "answer", completion.categories or ("unnamed",))
                return completion, cost.spent

        return await self._retried(attempt, until_s)

    async def stream(
        self, call: ProviderCall, spending: Spending, until_s: float
    ) -> AsyncGenerator[tuple[Delta, Usage], None]:
        """Pieces with text, then a last one with the cost of the whole. Retried only before the first text.

        Raises as ``complete`` does, also between pieces.
        """
        call = self._named(call)
        for attempt in range(1, self.spec.entry.tries + 1):
            spoke = False
            try:
                async for delta, usage in self._streamed(call, spending, until_s):
                    spoke = spoke or bool(delta.text)
                    yield delta, usage
            except ModelFailure as failed:
                if spoke or attempt == self.spec.entry.tries or not self._worth_another(failed, until_s):
                    raise
                await asyncio.sleep(_BACKOFF_S * attempt if failed.wait_s is None else failed.wait_s)
            else:
                return

    async def embed(self, texts: Sequence[str], spending: Spending, until_s: float) -> tuple[Vectors, Usage]:
        """Vectors and their cost. Raises as ``complete`` does."""
        most = sum(map(tokens_at_most, texts))

        async def attempt() -> tuple[Vectors, Usage]:
            async with self._turn(most, spending, until_s) as cost:
                vectors = await self._timed(self._provider.embed(self.spec.entry.model, texts), until_s)
                cost.spent = self.spec.price.of(Counted(vectors.tokens, 0))
                return vectors, cost.spent

        return await self._retried(attempt, until_s)

    async def _streamed(
        self, call: ProviderCall, spending: Spending, until_s: float
    ) -> AsyncGenerator[tuple[Delta, Usage], None]:
        async with self._turn(call, spending, until_s) as cost:
            said, counted = "", None
            pieces = self._provider.stream(call)
            try:
                while True:
                    try:
                        delta = await self._timed(anext(pieces), until_s)
                    except StopAsyncIteration:
                        break
                    said += delta.text
                    counted = delta.counted or counted
                    # The cost of a stream that ends early is computed from what was read of it.
                    cost.spent = self._cost(call, counted, said)
                    if delta.finish == "filter":
                        raise ContentFiltered(self.name, "answer", delta.categories or ("unnamed",))
                    if delta.text or delta.finish is not None:
                        yield delta, FREE
            finally:
                await pieces.aclose()
            cost.spent = cost.spent or self._cost(call, counted, said)
            yield Delta(), cost.spent

    @asynccontextmanager
    async def _turn(
        self, what: ProviderCall | int, spending: Spending, until_s: float
    ) -> AsyncGenerator[CallCost, None]:
        """One attempt: a place under the rate limits, then budget and switch, then the breaker's verdict."""
        entry = self.spec.entry
        tokens_in = what if isinstance(what, int) else prompt_tokens_at_most(what)
        tokens_out = 0 if isinstance(what, int) else what.tokens_max
        most = self.spec.price.of(Counted(tokens_in, tokens_out), known=False)
        with self._admitted():
            await self._place(min(most.tokens, entry.tokens_per_min), min(until_s, _now_s() + entry.wait_s))
            try:
                async with spending.reserve(self.name, most, max(0.0, until_s - _now_s())) as cost:
                    with self._judged(), self._under_way.track_inprogress():
                        yield cost
            finally:
                self._turns.release()

    async def _place(self, tokens: float, until_s: float) -> None:
        """Take a place under the limits; whoever took it releases ``_turns``. Raises ModelSkipped where there is none
        in time."""
        if not self._turns.locked() and self._requests.has_capacity() and self._tokens.has_capacity(tokens):
            # There is room, so no timeout is needed: none of the three awaits suspends here.
            await self._turns.acquire()
            await self._requests.acquire()
            await self._tokens.acquire(tokens)
            return
        began_s = _now_s()
        try:
            async with asyncio.timeout_at(until_s):
                await self._turns.acquire()
                try:
                    await self._requests.acquire()
                    await self._tokens.acquire(tokens)
                except asyncio.CancelledError:
                    self._turns.release()
                    raise
        except TimeoutError:
            problem = f"no turn within its limits after {_now_s() - began_s:.1f} s"
            raise ModelSkipped(self.name, problem) from None

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Raises ModelSkipped while the deployment is. While its breaker tries again, one call is let through."""
        left_s = self._rests_until_s - _now_s()
        if left_s > 0:
            raise ModelSkipped(self.name, self._rests_because, left_s)
        try:
            self._breaker.handle_new_request()
        except OpenedState as opened:
            # The library raises the same object each time, which would keep every frame it ever passed.
            opened.with_traceback(None)
            raise ModelSkipped(self.name, "its breaker is open", self.spec.entry.breaker_s) from None
        probe = self._breaker.state == "half-opened"
        if probe and self._probing:
            raise ModelSkipped(self.name, "its breaker tries one call first", self.spec.entry.breaker_s)
        self._probing = self._probing or probe
        try:
            yield
        finally:
            if probe:
                self._probing = False

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Reports the result of a call to breaker and metrics. A cancelled call says nothing about the model."""
        began_s = _now_s()
        try:
            yield
        except ModelFailure as failed:
            self._calls.labels(self.name, failed.code).inc()
            self._learn(failed)
            self.troubles.note(failed)
            if failed.counts:
                self._breaker.handle_exception(failed)
            else:
                self._breaker.handle_end_request()
            raise
        except (asyncio.CancelledError, GeneratorExit):
            self._calls.labels(self.name, "taken_back").inc()
            raise
        else:
            self._well.inc()
            self.troubles.end()
            self._breaker.handle_end_request()
        finally:
            self._seconds.observe(_now_s() - began_s)
            self._note_changes()

    def _learn(self, failed: ModelFailure) -> None:
        """Back off for as long as the provider said, or for QUOTA_REST_S."""
        if isinstance(failed, QuotaExhausted | ModelMisconfigured):
            rest_s = QUOTA_REST_S
            log.error("%s; it is not called again for %.0f s", failed, rest_s)
        elif isinstance(failed, ModelBusy) and failed.wait_s:
            rest_s = failed.wait_s
        else:
            return
        self._rests_until_s = max(self._rests_until_s, _now_s() + rest_s)
        self._rests_because = failed.problem

    def _note_changes(self) -> None:
        changes, self._breaker.messages = self._breaker.messages, []
        if changes:
            self._state.set(_STATES[self._breaker.state])
        if any(type(change).__name__ == "ContextChanged" for change in changes):
            log.warning("the breaker of model %s is %s", self.name, self._breaker.state)

    async def _timed(self, work: Awaitable[T], until_s: float) -> T:
        """Await within the timeouts of the deployment and of the request."""
        try:
            async with asyncio.timeout_at(min(until_s, _now_s() + self.spec.entry.timeout_s)):
                return await work
        except TimeoutError:
            late = f"no answer within {self.spec.entry.timeout_s:g} s, or too late"
            raise ModelSlow(self.name, late, cause="timeout") from None

    async def _retried(self, attempt: Callable[[], Awaitable[T]], until_s: float) -> T:
        def wait_s(state: RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome is not None else None
            asked = failed.wait_s if isinstance(failed, ModelFailure) else None
            return _BACKOFF(state) if asked is None else asked

        try:
            return await attempt()  # most calls need no retry, and the library costs more than all the rest here
        except ModelFailure as failed:
            if self.spec.entry.tries == 1 or not self._worth_another(failed, until_s):
                raise
            await asyncio.sleep(_BACKOFF_S if failed.wait_s is None else failed.wait_s)
        tries = AsyncRetrying(
            stop=stop_after_attempt(self.spec.entry.tries - 1),
            retry=retry_if_exception(lambda failed: self._worth_another(failed, until_s)),
            wait=wait_s,
            sleep=asyncio.sleep,
            reraise=True,
        )
        done: T = await tries(attempt)
        return done

    def _worth_another(self, failed: BaseException, until_s: float) -> bool:
        """Whether to retry here: not where the provider wants a longer pause than ``wait_s``."""
        if not isinstance(failed, ModelFailure) or not failed.retryable:
            return False
        wait_s = failed.wait_s or 0.0
        return wait_s <= self.spec.entry.wait_s and _now_s() + wait_s < until_s

    def _named(self, call: ProviderCall) -> ProviderCall:
        entry = self.spec.entry
        return replace(
            call,
            model=entry.model,
            temperature=entry.temperature,
            family=entry.family or "",
            effort=entry.reasoning_effort,
            reasoning_tokens=entry.reasoning_tokens,
        )

    def _cost(self, call: ProviderCall, counted: Counted | None, said: str) -> Usage:
        if counted is not None:
            return self.spec.price.of(counted)
        return self.spec.price.of(Counted(prompt_tokens_at_most(call), tokens_at_most(said)), known=False)

    async def close(self) -> None:
        """Close the provider's connections."""
        await self._provider.close()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
