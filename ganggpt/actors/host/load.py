"""What a host knows of its own load, over the last seconds: shown to operators, and the reason to add or end hosts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from ganggpt.actors.clock import loop_s

WINDOW_S: Final = 10.0
DELAYS_MAX: Final = 1024
"""Newest batches whose delay is remembered."""


class Load:
    """Owns the counts of one host incarnation over the last ``WINDOW_S``. On the way of a batch it costs one append.

    ``turns`` tells how many turns have run; it is asked every ``look_s``.
    """

    def __init__(self, turns: Callable[[], int], look_s: float) -> None:
        self._turns = turns
        self._look_s = look_s
        self._marks: deque[tuple[float, int]] = deque()
        self._lags: deque[float] = deque(maxlen=max(1, int(WINDOW_S / look_s)))
        self._delays: deque[tuple[float, float]] = deque(maxlen=DELAYS_MAX)

    def answered(self, arrived_s: float) -> None:
        """A batch that arrived then is durable and answered now."""
        now_s = loop_s()
        self._delays.append((now_s, now_s - arrived_s))

    async def run(self) -> None:
        """Look at the clock and at the number of turns now and then, for ever: a look that comes late says how long a
        command waits before anybody sees it."""
        look_s = self._look_s
        self._marks.append((loop_s(), self._turns()))
        while True:
            due_s = loop_s() + look_s
            await asyncio.sleep(look_s)
            now_s = loop_s()
            self._lags.append(max(0.0, now_s - due_s))
            self._marks.append((now_s, self._turns()))
            while now_s - self._marks[0][0] > WINDOW_S:
                self._marks.popleft()

    @property
    def turns_per_s(self) -> float:
        """Turns a second over the window."""
        if not self._marks:
            return 0.0
        since_s, turns = self._marks[0]
        passed_s = loop_s() - since_s
        return (self._turns() - turns) / passed_s if passed_s > 0 else 0.0

    @property
    def lag_s(self) -> float:
        """How much later than due the loop comes to a thing that is ready: the mean of the window, so that one long
        step (a collection of garbage) does not count for much."""
        return sum(self._lags) / len(self._lags) if self._lags else 0.0

    @property
    def delay_p99_s(self) -> float:
        """From the arrival of a batch to its durable answer; 99 of 100 batches of the window were faster."""
        horizon_s = loop_s() - WINDOW_S
        delays = sorted(delay for at_s, delay in self._delays if at_s >= horizon_s)
        return delays[min(len(delays) - 1, int(len(delays) * 0.99))] if delays else 0.0

    def told(self) -> dict[str, float]:
        """All of it by name."""
        return {"turns_per_s": self.turns_per_s, "lag_s": self.lag_s, "delay_p99_s": self.delay_p99_s}
