"""The load of a host over the last seconds: shown to operators, and used to add and remove hosts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from ganggpt.actors.clock import loop_s

WINDOW_S: Final = 10.0
DELAYS_MAX: Final = 1024
"""Newest batches whose delay is kept."""


class Load:
    """Owns the measurements of one incarnation over the last ``WINDOW_S``. A batch costs one append.

    ``turns`` returns how many turns have run; it is called every ``poll_s``.
    """

    def __init__(self, turns: Callable[[], int], poll_s: float) -> None:
        self._turns = turns
        self._poll_s = poll_s
        self._marks: deque[tuple[float, int]] = deque()
        self._lags: deque[float] = deque(maxlen=max(1, int(WINDOW_S / poll_s)))
        self._delays: deque[tuple[float, float]] = deque(maxlen=DELAYS_MAX)

    def answered(self, arrived_s: float) -> None:
        """Record a batch that arrived at ``arrived_s`` and is durable and answered now."""
        now_s = loop_s()
        self._delays.append((now_s, now_s - arrived_s))

    async def run(self) -> None:
        """Poll the clock and the number of turns until cancelled. A poll runs as late as a command waits for the event
        loop."""
        poll_s = self._poll_s
        self._marks.append((loop_s(), self._turns()))
        while True:
            due_s = loop_s() + poll_s
            await asyncio.sleep(poll_s)
            now_s = loop_s()
            self._lags.append(max(0.0, now_s - due_s))
            self._marks.append((now_s, self._turns()))
            while now_s - self._marks[0][0] > WINDOW_S:
                self._marks.popleft()

    @property
    def turns_per_s(self) -> float:
        """Turns per second over the window."""
        if not self._marks:
            return 0.0
        since_s, turns = self._marks[0]
        passed_s = loop_s() - since_s
        return (self._turns() - turns) / passed_s if passed_s > 0 else 0.0

    @property
    def lag_s(self) -> float:
        """How late the event loop runs what is due: the mean of the window, so that one long step (such as a garbage
        collection) counts little."""
        return sum(self._lags) / len(self._lags) if self._lags else 0.0

    @property
    def delay_p99_s(self) -> float:
        """Time from the arrival of a batch to its durable answer; 99 of 100 batches of the window were faster."""
        horizon_s = loop_s() - WINDOW_S
        delays = sorted(delay for at_s, delay in self._delays if at_s >= horizon_s)
        return delays[min(len(delays) - 1, int(len(delays) * 0.99))] if delays else 0.0

    def as_stats(self) -> dict[str, float]:
        """All measurements by name."""
        return {"turns_per_s": self.turns_per_s, "lag_s": self.lag_s, "delay_p99_s": self.delay_p99_s}
