"""The output guard over the sentences of one utterance, in the order in which a model writes them."""

from __future__ import annotations

from ganggpt.ai.guards.output import Blocked, OutputGuard, Reason, Verdict
from ganggpt.ai.guards.stage import Open

_REPEATED_FROM = 16
"""Characters of a sentence that is not said twice. Shorter ones may be: "No. No. No."."""
_BEFORE_CHARS_MAX = 320
"""Characters of what was said last that the next sentence is judged with."""


class UtteranceGuard:
    """Judges the sentences of one utterance in turn. Owns what one sentence leaves open for the next: a stage direction or
    thinking that goes on, somebody else's line, and a leak in pieces; and what was said, so that a model that goes round
    in circles says it once.

    A blocked sentence is not said, and the utterance goes on. ``blocked``: the first verdict that blocked one.
    """

    def __init__(self, guard: OutputGuard, speaker: str = "", listener: str = "", mark: str = "") -> None:
        self._guard, self._voices, self._mark = guard, guard.voices(speaker, listener), mark
        self._open, self._before = Open(), ""
        self._said: set[str] = set()
        self.blocked: Blocked | None = None

    def check(self, sentence: str) -> Verdict:
        """The verdict on the next sentence."""
        verdict, self._open = self._guard.check_next(
            sentence, self._voices, self._open, mark=self._mark, before=self._before
        )
        self._before = f"{self._before} {sentence}"[-_BEFORE_CHARS_MAX:]
        if len(verdict.text) >= _REPEATED_FROM and verdict.text in self._said:
            verdict = Blocked((Reason("format", "repeated", "it says again what it said a moment ago"),))
        self._said.add(verdict.text)
        if isinstance(verdict, Blocked) and self.blocked is None:
            self.blocked = verdict
        return verdict
