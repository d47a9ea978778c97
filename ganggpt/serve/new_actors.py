"""How many new actors a replica of the bridge lets in: a rate for each kind, with room for a burst.

Everything else an actor costs is bounded while it lives; how many there are is bounded by how fast they may come. Each
kind has a rate of its own, so that a game server that spawns a crowd keeps no player from joining.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from ganggpt.errors import Overloaded

BURST_S: Final = 10.0
"""The burst is what comes in so many seconds."""


class _Left:
    """How many of one kind may still come at ``at_s``, and when the last one that was turned away should come again."""

    __slots__ = ("again_s", "at_s", "count")

    def __init__(self, count: float, at_s: float) -> None:
        self.count, self.at_s, self.again_s = count, at_s, at_s


class NewActors:
    """Owns what each kind has left. ``rate_per_s``: of each kind on this replica."""

    def __init__(self, rate_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._most = max(1.0, rate_per_s * BURST_S)
        self._clock = clock
        self._left: dict[str, _Left] = {}

    def admit(self, kind: str) -> None:
        """Let one more in. Raises Overloaded with the time until it should come again: each that is turned away is told
        a later one, so that they do not all come back together."""
        now_s, rate = self._clock(), self._rate_per_s
        left = self._left.setdefault(kind, _Left(self._most, now_s))
        left.count = min(self._most, left.count + (now_s - left.at_s) * rate)
        left.at_s = now_s
        if left.count >= 1.0:
            left.count -= 1.0
            return
        left.again_s = min(max(left.again_s, now_s) + 1.0 / rate, now_s + max(BURST_S, 1.0 / rate))
        what = f"the number of new actors of the kind {kind} in {BURST_S:g} s"
        raise Overloaded(what, int(self._most), ceil((left.again_s - now_s) * 1000))
