"""The output guard over the sentences of one utterance, in the order in which a model writes them."""

from __future__ import annotations

from ganggpt.ai.guards.output import Blocked, OutputGuard, Verdict
from ganggpt.ai.guards.stage import Open

_BEFORE_CHARS_MAX = 320
"""Characters of what was said last that the next sentence is judged with."""


class UtteranceGuard:
    """Judges the sentences of one utterance in turn. Owns what one sentence leaves open for the next: a stage direction or
    thinking that goes on, somebody else's line, and a leak in pieces.

    A blocked sentence is not said, and the utterance goes on. ``blocked``: the first verdict that blocked one.
    """

    def __init__(self, guard: OutputGuard, speaker: str = "", listener: str = "", mark: str = "") -> None:
        self._guard, self._voices, self._mark = guard, guard.voices(speaker, listener), mark
        self._open, self._before = Open(), ""
        self.blocked: Blocked | None = None

    def check(self, sentence: str) -> Verdict:
        """The verdict on the next sentence."""
        verdict, self._open = self._guard.check_next(
            sentence, self._voices, self._open, mark=self._mark, before=self._before
        )
        self._before = f"{self._before} {sentence}"[-_BEFORE_CHARS_MAX:]
        if isinstance(verdict, Blocked) and self.blocked is None:
            self.blocked = verdict
        return verdict
