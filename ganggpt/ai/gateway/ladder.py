"""The ladder of one request: large, then small, each with its chain of models; soften once, repair once, fall on.

A step down is counted with its reason. What ends the climb at once: the switch is off, the books cannot be reached,
the time is over, or a content filter said no twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from ganggpt.ai.gateway.budget import OverBudget, SwitchedOff
from ganggpt.ai.gateway.config import Plan
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.provider import Call, Completion, ContentFiltered, LeftAlone, ModelFailure
from ganggpt.ai.gateway.spending import Purse
from ganggpt.ai.gateway.structured import AnswerMisshapen, read_shape, shape_of
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.port import Answered, Deflected, GatewayRequest, NotAnswered, Outcome, Rung, Said, Unanswered
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.observability.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

CHARS_PER_TOKEN_MAX: Final = 12
"""A plain answer longer than its tokens allow is cut: some servers do not keep to the limit."""
_SHOWN_MAX: Final = 4000
"""Characters of a wrong answer that its model is shown again."""
_WEIGHT: Final[Mapping[Unanswered, int]] = {"off": 5, "away": 4, "budget": 3, "late": 2, "invalid": 1, "failing": 0}
"""Which reason is told where steps fell for different ones."""


@dataclass(slots=True)
class Asking:
    """One request on its way: what was tried and whether its one softening and its one repair are used up."""

    request: GatewayRequest
    key: str
    purse: Purse
    until_s: float
    messages: tuple[Said, ...] = ()
    softened: bool = False
    repaired: bool = False
    reasons: list[tuple[Unanswered, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages = self.messages or self.request.messages

    def call(self) -> Call:
        """The call as it is asked now."""
        shape = None if self.request.shape is None else shape_of(self.request.shape)
        player = self.request.payers.player
        return Call("", self.messages, self.request.tokens_max, shape, player=player, request_key=self.key)

    def deflected(self, refused: ContentFiltered, spoken: int = 0) -> Deflected:
        """The outcome where a filter said no for good."""
        return Deflected(
            categories=refused.categories, where=refused.where, usage=self.purse.usage, key=self.key, spoken=spoken
        )

    def not_answered(self) -> NotAnswered:
        """The outcome where no step answered."""
        reasons = self.reasons or [("no_model", "no model is configured")]
        reason, detail = max(reasons, key=lambda fell: _WEIGHT.get(fell[0], -1))
        return NotAnswered(reason=reason, detail=detail, usage=self.purse.usage, key=self.key)


class Ladder:
    """Climbs. Owns nothing but counters; stateless between requests."""

    def __init__(self, plan: Plan, deployments: Mapping[str, Deployment], prompts: Prompts, metrics: Metrics) -> None:
        self._plan = plan
        self._deployments = deployments
        self._prompts = prompts
        self._falls = metrics.counter("ganggpt_ai_fallbacks_total")
        self._filtered = metrics.counter("ganggpt_ai_filtered_total")
        self._repairs = metrics.counter("ganggpt_ai_repairs_total")
        self._over = metrics.counter("ganggpt_ai_over_budget_total")

    def steps(self, request: GatewayRequest) -> Iterator[tuple[Rung, Deployment, Deployment | None]]:
        """Rung, model and the one that may be asked beside it, from the top."""
        entry = self._plan.slots[request.slot]
        rungs: tuple[tuple[Rung, tuple[str, ...]], ...] = (("large", entry.large), ("small", entry.small))
        for rung, names in rungs:
            for n, name in enumerate(names):
                beside = self._deployments[names[n + 1]] if n + 1 < len(names) else None
                yield rung, self._deployments[name], beside

    async def climb(self, asking: Asking) -> Outcome:
        """The outcome of the models alone. Raises nothing but CancelledError."""
        for rung, deployment, beside in self.steps(asking.request):
            try:
                return await self._step(asking, rung, deployment, beside)
            except ContentFiltered as refused:
                return asking.deflected(refused)
            except GangGPTError as failed:
                if self.ends(asking, failed):
                    break
        return asking.not_answered()

    def ends(self, asking: Asking, failed: GangGPTError) -> bool:
        """Note a step down; whether no further one makes sense."""
        reason = self.fell(asking.request.slot, failed)
        if _now_s() >= asking.until_s:
            reason = "late"
        asking.reasons.append((reason, str(failed)))
        return reason in {"off", "away", "late"}

    def fell(self, slot: str, failed: GangGPTError) -> Unanswered:
        """Count a step down and say what it means. Raises what is our own mistake."""
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
        self._falls.labels(slot, failed.code).inc()
        level = logging.DEBUG if isinstance(failed, LeftAlone | SwitchedOff) else logging.WARNING
        log.log(level, "%s falls a step: %s", slot, failed)
        return reason

    def soften(self, asking: Asking, refused: ContentFiltered) -> bool:
        """Make the messages milder; False where that was done already."""
        for category in refused.categories:
            self._filtered.labels(refused.where, category).inc()
        if asking.softened:
            return False
        asking.softened = True
        asking.messages = asking.request.softened or self._milder(asking.request, refused)
        return True

    async def repair(self, asking: Asking, deployment: Deployment, text: str, wrong: AnswerMisshapen) -> Completion:
        """Ask once more for the same in the right shape. Raises AnswerMisshapen where that was done already."""
        if asking.repaired:
            raise wrong
        asking.repaired = True
        told = Said("user", self._prompts.text("repair", problem=wrong.problem))
        shown = (Said("assistant", text[:_SHOWN_MAX] or "(nothing)"), told)
        call = replace(asking.call(), messages=(*asking.messages, *shown))
        try:
            completion, _ = await deployment.complete(call, asking.purse, asking.until_s)
        except GangGPTError:
            self._repairs.labels("failed").inc()
            raise
        return completion

    def shaped(self, asking: Asking, completion: Completion, *, rung: Rung, model: str) -> Answered:
        """A completion as an answer. Raises AnswerMisshapen."""
        request, text = asking.request, completion.text.strip()
        if not text:
            raise AnswerMisshapen("text", "the answer is empty")
        value = None
        cut = completion.finish == "length"
        if request.shape is not None:
            value = read_shape(request.shape, text)
        elif len(text) > request.tokens_max * CHARS_PER_TOKEN_MAX:
            text, cut = text[: request.tokens_max * CHARS_PER_TOKEN_MAX], True
        return Answered(
            text=text, value=value, model=model, rung=rung, usage=asking.purse.usage, key=asking.key,
            softened=asking.softened, repaired=asking.repaired, cut=cut,
        )  # fmt: skip

    async def mend(self, asking: Asking, deployment: Deployment, completion: Completion, rung: Rung) -> Answered:
        """A completion as an answer, repaired if need be. Raises AnswerMisshapen and what a call raises."""
        try:
            return self.shaped(asking, completion, rung=rung, model=deployment.name)
        except AnswerMisshapen as wrong:
            if asking.request.shape is None:
                raise
            again = await self.repair(asking, deployment, completion.text, wrong)
        try:
            answered = self.shaped(asking, again, rung=rung, model=deployment.name)
        except AnswerMisshapen:
            self._repairs.labels("in_vain").inc()
            raise
        self._repairs.labels("helped").inc()
        return answered

    async def _step(self, asking: Asking, rung: Rung, deployment: Deployment, beside: Deployment | None) -> Answered:
        try:
            completion, by = await self._asked(asking, deployment, beside)
            return await self.mend(asking, by, completion, rung)
        except ContentFiltered as refused:
            if not self.soften(asking, refused):
                raise
        try:
            completion, by = await self._asked(asking, deployment, None)
            return await self.mend(asking, by, completion, rung)
        except ContentFiltered as refused:
            self.soften(asking, refused)
            raise

    async def _asked(
        self, asking: Asking, deployment: Deployment, beside: Deployment | None
    ) -> tuple[Completion, Deployment]:
        """The answer of a model, or of the one beside it where hedging is on and it answers first."""
        hedge_s = deployment.spec.entry.hedge_after_s
        call = asking.call()
        if hedge_s is None or beside is None:
            completion, _ = await deployment.complete(call, asking.purse, asking.until_s)
            return completion, deployment

        async def ask(one: Deployment) -> tuple[Completion, Deployment]:
            completion, _ = await one.complete(call, asking.purse, asking.until_s)
            return completion, one

        return await _hedged(ask(deployment), partial(ask, beside), hedge_s)

    def _milder(self, request: GatewayRequest, refused: ContentFiltered) -> tuple[Said, ...]:
        """The rules and a wish for moderation; where the prompt was refused, without what others said in it."""
        rules = tuple(said for said in request.messages if said.role == "system")
        wish = Said("system", self._prompts.text("soften"))
        if refused.where == "answer":
            return (*request.messages, wish)
        return (*rules, wish, Said("user", self._prompts.text("unsaid")))


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
