"""Counts the conversations of a host: who talks with whom, and which of them go on."""

from __future__ import annotations

from typing import Final

IDLE_S: Final = 120.0
"""Who says nothing for that long has ended the conversation."""
KEPT_MAX: Final = 50_000
"""The most conversations that are known to go on; of more, the ones that were silent longest are taken for ended."""


class Conversations:
    """Owns the conversations of one incarnation, in the order of their last words."""

    def __init__(self) -> None:
        self._last_s: dict[tuple[str, str], float] = {}
        self.started = 0

    def note(self, actor: str, speaker: str, now_s: float) -> None:
        """Somebody said something to an actor."""
        last_s = self._last_s.pop((actor, speaker), None)
        if last_s is None or now_s - last_s > IDLE_S:
            self.started += 1
        self._last_s[actor, speaker] = now_s
        if len(self._last_s) > KEPT_MAX:
            del self._last_s[next(iter(self._last_s))]

    def live(self, now_s: float) -> int:
        """How many go on."""
        while self._last_s:
            oldest = next(iter(self._last_s))
            if now_s - self._last_s[oldest] <= IDLE_S:
                break
            del self._last_s[oldest]
        return len(self._last_s)
