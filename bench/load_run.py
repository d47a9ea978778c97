"""What the load generator is told, and the tally of one stretch of load."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import msgspec


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. Events go to the actors ``to`` in turn, with ``arguments`` and on each round through the
    actors the next of ``variants`` over them; ``{n}`` in a text argument is the event's number.

    ``connections`` × ``window`` frames of ``per_frame`` events are in flight. Runs ``seconds`` after ``warm_s`` of
    warming up; with ``events`` set it ends once so many are answered, and ``seconds`` only bounds it. ``http`` sends
    one event a request and one request at a time per connection.
    """

    url: str
    transport: Literal["bridge", "http"] = "bridge"
    token: str = ""
    server: str = "load"
    to: tuple[str, ...]
    do: str
    arguments: dict[str, Any] = {}
    variants: tuple[dict[str, Any], ...] = ({},)
    by: str | None = None
    connections: int = 4
    window: int = 1
    per_frame: int = 100
    warm_s: float = 1.0
    seconds: float = 5.0
    events: int | None = None


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came back in the timed part. Latency: from the writing of a frame to its last answer, in milliseconds."""

    acked: int
    seconds: float
    per_s: float
    each_second: list[int]
    p50_ms: float | None
    p99_ms: float | None
    refused: dict[str, int]
    """Answers that were not ok, by error code."""


class PreparedFrame(msgspec.Struct, frozen=True):
    """One frame ready for the socket, with the ids it carries (empty for HTTP, where order tells)."""

    data: bytes
    ids: tuple[bytes, ...]


class SentFrame:
    """A frame on its way."""

    __slots__ = ("at_s", "open")

    def __init__(self, open_events: int, at_s: float) -> None:
        self.open, self.at_s = open_events, at_s


class LoadRun:
    """Owns one stretch of load: the frames not yet sent and the tally of what was answered."""

    def __init__(self, frames: Sequence[PreparedFrame], seconds: float) -> None:
        self._frames = iter(frames)
        self._seconds = seconds
        self._until_s = 0.0
        self._in_flight = 0
        self._each_second: Counter[int] = Counter()
        self._latencies_s = array("d")
        self._last_s = 0.0
        self.started_s = 0.0
        self.acked = 0
        self.refused: Counter[str] = Counter()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """The clock starts."""
        self.started_s = time.perf_counter()
        self._until_s = self.started_s + self._seconds

    def take(self) -> PreparedFrame | None:
        """The next frame to send, or None when time or frames are over."""
        prepared = next(self._frames, None) if time.perf_counter() < self._until_s else None
        if prepared is not None:
            self._in_flight += 1
        elif self._in_flight == 0 and not self.over.done():
            self.over.set_result(None)
        return prepared

    def answered(self, now_s: float, ok: int) -> None:
        """``ok`` events were acknowledged; what comes after the time is over does not count."""
        if now_s <= self._until_s:
            self.acked += ok
            self._last_s = now_s
            self._each_second[int(now_s - self.started_s)] += ok

    def finished(self, sent: SentFrame, now_s: float) -> None:
        """The last answer of a frame came."""
        self._in_flight -= 1
        if now_s <= self._until_s:
            self._latencies_s.append(now_s - sent.at_s)

    def fail(self, error: Exception) -> None:
        """The stretch cannot go on."""
        if not self.over.done():
            self.over.set_exception(error)

    def measured(self) -> LoadResult:
        """The tally. A stretch that ran out of frames is measured up to its last answer."""
        ran_out = next(self._frames, None) is None
        seconds = max(self._last_s - self.started_s, 1e-9) if ran_out else self._seconds
        whole = [self._each_second[second] for second in range(max(1, int(seconds)))]
        ordered = sorted(self._latencies_s)
        return LoadResult(
            acked=self.acked,
            seconds=seconds,
            per_s=self.acked / seconds,
            each_second=whole,
            p50_ms=_at(ordered, 0.50),
            p99_ms=_at(ordered, 0.99),
            refused=dict(self.refused),
        )


def _at(ordered_s: Sequence[float], fraction: float) -> float | None:
    """A quantile in milliseconds."""
    return ordered_s[min(len(ordered_s) - 1, int(len(ordered_s) * fraction))] * 1000 if ordered_s else None
