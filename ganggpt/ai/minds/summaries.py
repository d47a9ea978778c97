"""Summaries of talks by a model. They are requested after a talk, when nobody waits; a scripted summary exists already.

The lines of a talk are data between marks, as in every prompt. The answer passes the output guard, and may contain no
number and no name that was not in the talk. Whatever is wrong with it, the scripted summary stays, and it is counted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from ganggpt.ai.guards.input import TALK_ONLY_FROM
from ganggpt.ai.guards.output import Blocked, OutputGuard
from ganggpt.ai.minds.prompt import DataPart, Fence, blocks, data
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.port import (
    Answered,
    Gateway,
    GatewayRequest,
    NotAnswered,
    Payers,
    PromptMessage,
)
from ganggpt.domain.mind.commands import Condense
from ganggpt.domain.mind.memory_record import TEXT_MAX
from ganggpt.domain.mind.transcript import SummaryBrief, invented
from ganggpt.domain.turn import Command
from ganggpt.observability.metrics import Metrics

SUMMARY_TOKENS_MAX: Final = 260
PURPOSE: Final = "condense"


class Condensed(BaseModel):
    """A summary of a talk from the view of the NPC or companion."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True)
    summary: str = Field(
        description="one or two sentences in the first person, at most 200 characters",
        json_schema_extra={"maxLength": TEXT_MAX},
    )


class ModelSummaries:
    """Asks the gateway for summaries. ``secret``: the key of the marks in prompts; ``rest`` is told why there was no
    answer."""

    def __init__(
        self,
        prompts: Prompts,
        secret: bytes,
        gateway: Gateway,
        guard: OutputGuard,
        metrics: Metrics,
        rest: Callable[[NotAnswered], None],
    ) -> None:
        self._prompts, self._secret, self._gateway, self._guard, self._rest = prompts, secret, gateway, guard, rest
        self._counts = metrics.counter("ganggpt_ai_summaries_total")

    async def condense(
        self, name: str, brief: SummaryBrief, payers: Payers, within_s: float
    ) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """The command that replaces a summary, or nothing. ``name``: the id of the request, for its mark."""
        text, why = await self._asked(name, brief, payers, within_s)
        self._counts.labels(why).inc()
        if text is not None:
            yield Condense(brief.no, text)

    async def _asked(self, name: str, brief: SummaryBrief, payers: Payers, within_s: float) -> tuple[str | None, str]:
        """The summary and ``ok``, or None and the reason."""
        fence, parts = Fence.of(self._secret, name), _parts(brief)
        if any(part.inspected.score >= TALK_ONLY_FROM for part in parts):
            return None, "suspicious"
        head = self._prompts.text("talk", mark=fence.mark, speaker=brief.speaker)
        told = f"{head}\n{blocks(parts, fence)}"
        outcome = await self._gateway.answer(
            GatewayRequest(
                slot="summary",
                purpose=PURPOSE,
                messages=(PromptMessage("system", self._prompts.text("summary")), PromptMessage("user", told)),
                payers=payers,
                shape=Condensed,
                tokens_max=SUMMARY_TOKENS_MAX,
                within_s=within_s,
                use_cache=False,
            )
        )
        if isinstance(outcome, NotAnswered):
            self._rest(outcome)
            return None, outcome.reason
        if not isinstance(outcome, Answered) or not isinstance(outcome.value, Condensed):
            return None, "deflected"
        return self._passed(outcome.value, brief, fence)

    def _passed(self, found: Condensed, brief: SummaryBrief, fence: Fence) -> tuple[str | None, str]:
        text = " ".join(found.summary.split())
        if not text or len(found.summary) >= TEXT_MAX:
            # One of just that length was ended by the schema, mostly in the middle of a word.
            return None, "length"
        if invented(text, brief):
            return None, "invented"
        verdict = self._guard.check(text, speaker=brief.speaker, mark=fence.mark, before="")
        if isinstance(verdict, Blocked) or not 0 < len(verdict.text) <= TEXT_MAX:
            return None, "guard"
        return verdict.text, "ok"


def _parts(brief: SummaryBrief) -> list[DataPart]:
    parts = [data("name", brief.name), data("note", brief.text)]
    for exchange in brief.exchanges:
        parts += [data("they said", exchange.heard), data("you said", exchange.said)]
    return [part for part in parts if part.inspected.text]
