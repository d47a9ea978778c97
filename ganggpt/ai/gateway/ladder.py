"""The ladder of one request: the large models in their order, then the small ones; soften once, repair once, fall back.

A fallback to the next model is counted with its reason. The climb ends at once where the switch is off, the ledger
cannot be reached, the time is over, or a content filter refused twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from ganggpt.ai.gateway.budget import OverBudget, SwitchedOff
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.gateway_config import GatewayConfig
from ganggpt.ai.gateway.provider import Completion, ContentFiltered, ModelFailure, ModelSkipped, ProviderCall
from ganggpt.ai.gateway.spending import Spending
from ganggpt.ai.gateway.structured import (
    AnswerMisshapen,
    asked_shape,
    read_shape,
    spoken_max,
    spoken_so_far,
    without_fragment,
)
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.port import (
    Answered,
    Deflected,
    GatewayOutcome,
    GatewayRequest,
    NotAnswered,
    PromptMessage,
    Rung,
    Unanswered,
)
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.observability.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

CHARS_PER_TOKEN_MAX: Final = 12
"""A plain answer longer than its tokens allow is cut: some servers do not keep to the limit."""
_SHOWN_MAX: Final = 4000
"""Characters of a wrong answer that its model is shown again."""
_WEIGHT: Final[Mapping[Unanswered, int]] = {"off": 5, "away": 4, "budget": 3, "late": 2, "invalid": 1, "failing": 0}
"""Which reason is reported where several models failed for different ones."""


@dataclass(slots=True)
class PendingRequest:
    """One request on its way: why models failed, and whether its one softening and its one repair are used up."""

    request: GatewayRequest
    key: str
    spending: Spending
    until_s: float
    messages: tuple[PromptMessage, ...] = ()
    softened: bool = False
    repaired: bool = False
    reasons: list[tuple[Unanswered, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages = self.messages or self.request.messages

    def call(self) -> ProviderCall:
        """The call to a provider as it would be made now."""
        shape = asked_shape(self.request)
        player = self.request.payers.player
        return ProviderCall("", self.messages, self.request.tokens_max, shape, player=player, request_key=self.key)

    def deflected(self, refused: ContentFiltered, spoken: int = 0) -> Deflected:
        """The outcome where a filter refused the softened prompt too."""
        return Deflected(
            categories=refused.categories, where=refused.where, usage=self.spending.usage, key=self.key, spoken=spoken
        )

    def not_answered(self) -> NotAnswered:
        """The outcome where no model answered."""
        reasons = self.reasons or [("no_model", "no model is configured")]
        reason, detail = max(reasons, key=lambda failure: _WEIGHT.get(failure[0], -1))
        return NotAnswered(reason=reason, detail=detail, usage=self.spending.usage, key=self.key)


class Ladder:
    """Asks the models of a ladder in turn. Owns nothing but counters; stateless between requests."""

    def __init__(
        self, config: GatewayConfig, deployments: Mapping[str, Deployment], prompts: Prompts, metrics: Metrics
    ) -> None:
        self._config = config
        self._deployments = deployments
        self._prompts = prompts
        self._fallbacks = metrics.counter("ganggpt_ai_fallbacks_total")
        self._filtered = metrics.counter("ganggpt_ai_filtered_total")
        self._repairs = metrics.counter("ganggpt_ai_repairs_total")
        self._over = metrics.counter("ganggpt_ai_over_budget_total")

    def steps(self, request: GatewayRequest) -> Iterator[tuple[Rung, Deployment, Deployment | None]]:
        """Rung, model and the model that may be asked at the same time as a hedge, from the top."""
        entry = self._config.slots[request.slot]
        rungs: tuple[tuple[Rung, tuple[str, ...]], ...] = (("large", entry.large), ("small", entry.small))
        for rung, names in rungs:
            for n, name in enumerate(names):
                hedge = self._deployments[names[n + 1]] if n + 1 < len(names) else None
                yield rung, self._deployments[name], hedge

    async def climb(self, pending: PendingRequest) -> GatewayOutcome:
        """The outcome of the models alone, without the cache. Raises nothing but CancelledError."""
        for rung, deployment, hedge in self.steps(pending.request):
            try:
                return await self._step(pending, rung, deployment, hedge)
            except ContentFiltered as refused:
                return pending.deflected(refused)
            except GangGPTError as failed:
                if self.note_failure(pending, failed):
                    break
        return pending.not_answered()

    def note_failure(self, pending: PendingRequest, failed: GangGPTError) -> bool:
        """Note why a model failed; returns whether to stop because no further model can help."""
        reason = self.count_fallback(pending.request.slot, failed)
        if _now_s() >= pending.until_s:
            reason = "late"
        pending.reasons.append((reason, str(failed)))
        return reason in {"off", "away", "late"}

    def count_fallback(self, slot: str, failed: GangGPTError) -> Unanswered:
        """Count a fallback and return its reason. Raises the error again where it is a bug of ours."""
        reason: Unanswered
        if isinstance(failed, SwitchedOff):
            reason = "off"
        elif isinstance(failed, OverBudget):
            reason = "budget"
            self._over.labels(failed.kind).inc()
        elif isinstance(failed, AnswerMisshapen):
            reason = "invalid"
        elif isinstance(failed, Unavailable):
            reason = "away"
        elif isinstance(failed, ModelFailure):
            reason = "failing"
        else:
            raise failed
        self._fallbacks.labels(slot, failed.code).inc()
        level = logging.DEBUG if isinstance(failed, ModelSkipped | SwitchedOff) else logging.WARNING
        log.log(level, "%s falls back to the next model: %s", slot, failed)
        return reason

    def soften(self, pending: PendingRequest, refused: ContentFiltered) -> bool:
        """Replace the messages by milder ones; False where that was done already."""
        for category in refused.categories:
            self._filtered.labels(refused.where, category).inc()
        if pending.softened:
            return False
        pending.softened = True
        pending.messages = pending.request.softened or self._milder(pending.request, refused)
        return True

    async def repair(
        self, pending: PendingRequest, deployment: Deployment, text: str, wrong: AnswerMisshapen
    ) -> Completion:
        """Ask the model once more, for an answer in the right shape. Raises AnswerMisshapen where that was done
        already."""
        if pending.repaired:
            raise wrong
        pending.repaired = True
        correction = PromptMessage("user", self._prompts.text("repair", problem=wrong.problem))
        shown = (PromptMessage("assistant", text[:_SHOWN_MAX] or "(nothing)"), correction)
        call = replace(pending.call(), messages=(*pending.messages, *shown))
        try:
            completion, _ = await deployment.complete(call, pending.spending, pending.until_s)
        except GangGPTError:
            self._repairs.labels("failed").inc()
            raise
        return completion

    def as_answer(self, pending: PendingRequest, completion: Completion, *, rung: Rung, model: str) -> Answered:
        """A completion as an answer. Raises AnswerMisshapen."""
        request, text = pending.request, completion.text.strip()
        if not text:
            raise AnswerMisshapen("text", "the answer is empty")
        value = None
        cut = completion.finish == "length"
        if request.shape is not None:
            value = read_shape(request.shape, text)
            if len(spoken_so_far(text)[0]) == spoken_max(request):
                value, cut = without_fragment(value), True
        elif len(text) > request.tokens_max * CHARS_PER_TOKEN_MAX:
            text, cut = text[: request.tokens_max * CHARS_PER_TOKEN_MAX], True
        return Answered(
            text=text, value=value, model=model, rung=rung, usage=pending.spending.usage, key=pending.key,
            softened=pending.softened, repaired=pending.repaired, cut=cut,
        )  # fmt: skip

    async def answer_or_repair(
        self, pending: PendingRequest, deployment: Deployment, completion: Completion, rung: Rung
    ) -> Answered:
        """A completion as an answer, repaired once if its shape is wrong; one that was cut would be cut again. Raises
        AnswerMisshapen and what a call raises."""
        try:
            return self.as_answer(pending, completion, rung=rung, model=deployment.name)
        except AnswerMisshapen as wrong:
            if pending.request.shape is None or completion.finish == "length":
                raise
            again = await self.repair(pending, deployment, completion.text, wrong)
        try:
            answered = self.as_answer(pending, again, rung=rung, model=deployment.name)
        except AnswerMisshapen:
            self._repairs.labels("in_vain").inc()
            raise
        self._repairs.labels("helped").inc()
        return answered

    async def _step(
        self, pending: PendingRequest, rung: Rung, deployment: Deployment, hedge: Deployment | None
    ) -> Answered:
        try:
            completion, by = await self._complete(pending, deployment, hedge)
            return await self.answer_or_repair(pending, by, completion, rung)
        except ContentFiltered as refused:
            if not self.soften(pending, refused):
                raise
        try:
            completion, by = await self._complete(pending, deployment, None)
            return await self.answer_or_repair(pending, by, completion, rung)
        except ContentFiltered as refused:
            self.soften(pending, refused)
            raise

    async def _complete(
        self, pending: PendingRequest, deployment: Deployment, hedge: Deployment | None
    ) -> tuple[Completion, Deployment]:
        """The answer of a model, or of its hedge where hedging is on and that one answers first."""
        hedge_s = deployment.spec.entry.hedge_after_s
        call = pending.call()
        if hedge_s is None or hedge is None:
            completion, _ = await deployment.complete(call, pending.spending, pending.until_s)
            return completion, deployment

        async def ask(one: Deployment) -> tuple[Completion, Deployment]:
            completion, _ = await one.complete(call, pending.spending, pending.until_s)
            return completion, one

        return await _hedged(ask(deployment), partial(ask, hedge), hedge_s)

    def _milder(self, request: GatewayRequest, refused: ContentFiltered) -> tuple[PromptMessage, ...]:
        """The system messages and a request for moderation. Where the filter refused the prompt, the other messages are
        left out."""
        rules = tuple(said for said in request.messages if said.role == "system")
        instruction = PromptMessage("system", self._prompts.text("soften"))
        if refused.where == "answer":
            return (*request.messages, instruction)
        return (*rules, instruction, PromptMessage("user", self._prompts.text("unsaid")))


async def _hedged(first: Coroutine[Any, Any, T], second: Callable[[], Coroutine[Any, Any, T]], after_s: float) -> T:
    """The first result of two, the second of which starts only when the first takes long; the other is cancelled.

    Raises what the first raised where neither has a result.
    """
    tasks = [asyncio.create_task(first)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=after_s)
        if not done:
            tasks.append(asyncio.create_task(second()))
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done and task.exception() is None:
                    return task.result()
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
