"""Counts the decisions of the guards by verdict and by reason, never by player."""

from __future__ import annotations

from collections.abc import Iterable

from ganggpt.ai.guards.answer import Guarded
from ganggpt.ai.guards.output import Verdict
from ganggpt.ai.minds.prompt import Prompt
from ganggpt.observability.metrics import Metrics


class GuardCounts:
    """The counters of the guards in one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._verdicts = metrics.counter("ganggpt_guard_verdicts_total")
        self._reasons = metrics.counter("ganggpt_guard_reasons_total")
        self._actions = metrics.counter("ganggpt_guard_actions_total")

    def asked(self, prompt: Prompt) -> None:
        """Count who may answer a prompt, and what was suspicious about it."""
        self._verdicts.labels("input", prompt.trust).inc()
        for reason in sorted({found.reason for part in prompt.parts for found in part.inspected.reasons}):
            self._reasons.labels("input", reason).inc()

    def said(self, verdict: Verdict) -> None:
        """Count the verdict on something to be said."""
        self._verdicts.labels("output", verdict.outcome).inc()
        for category in sorted({reason.category for reason in verdict.reasons}):
            self._reasons.labels("output", category).inc()

    def dropped(self, guarded: Guarded) -> None:
        """Count the actions of a model's answer that the guards do not pass on to the rules."""
        for action, _ in guarded.dropped:
            self._actions.labels(action, "dropped").inc()

    def judged(self, verdicts: Iterable[tuple[str, str]]) -> None:
        """Count the decisions of the rules on a model's actions: ``allowed``, or the reason of the refusal."""
        for action, outcome in verdicts:
            self._actions.labels(action, outcome).inc()
