"""One way from a router: to a host, to another cluster, or nowhere yet. What waits, what is out, who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope
from ganggpt.actors.ports import ReplySink
from ganggpt.actors.routing.admission import Admission, Refusal, Shed
from ganggpt.actors.routing.fair_queue import FairQueue
from ganggpt.actors.routing.shards import RemoteCluster

ENVELOPE_OVERHEAD: Final = 64
SWEEP_S: Final = 0.1
"""How often a lane whose calls do not come back looks for commands that waited too long."""


class Pending(msgspec.Struct):
    """A command that waits for its answer. ``sent``: it was on its way once, so nobody knows whether it was applied."""

    envelope: Envelope
    sink: ReplySink
    source: str
    since_s: float
    deadline: float
    lane: Lane
    hops: int = 0
    sent: bool = False


class LaneUser(Protocol):
    """The router, as its lanes see it."""

    def call(self, lane: Lane, batch: list[Pending]) -> None:
        """Send a batch on, and call ``lane.returned`` when its call is over."""
        ...

    def turn_away(self, pending: Pending, refusal: Refusal) -> None:
        """Answer a command that was never sent ``overloaded``."""
        ...

    def expire(self, pending: Pending) -> None:
        """Answer a command that was sent before and is past its deadline ``unavailable``."""
        ...


class Lane:
    """Owns what waits for one way. At most ``calls_max`` calls are out; what gathers meanwhile goes with the next.

    What came in one turn of the loop and fits one call goes as it is; only what has to wait is queued by turns.
    """

    def __init__(
        self,
        way: str | RemoteCluster | None,
        router: LaneUser,
        admission: Admission,
        calls_max: int,
        batch_bytes_max: int,
    ) -> None:
        self.way = way
        self.admission = admission
        self.calls = 0
        self._router = router
        self._calls_max, self._batch_bytes_max = calls_max, batch_bytes_max
        self._fresh: list[Pending] = []
        self._queue: FairQueue[Pending] = FairQueue()
        self._scheduled = False
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Commands that were not sent yet."""
        return len(self._fresh) + len(self._queue)

    def put(self, pending: Pending, *, admitted: bool = False) -> None:
        """Take a command; it leaves at the end of this loop turn, with everything else that came in it. ``admitted``:
        it has its place in the lane already."""
        if not admitted:
            self.admission.enter(pending.source, pending.envelope.to)
        self._fresh.append(pending)
        if self.calls >= self._calls_max:
            self._watch()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def left(self, pending: Pending) -> None:
        """A command of this lane was answered, or goes another way."""
        self.admission.leave(pending.envelope.to)

    def served(self, count: int, began_s: float) -> None:
        """A call that began then came back with so many answers."""
        now_s = loop_s()
        self.admission.served(count, now_s - began_s, now_s, len(self))

    def returned(self) -> None:
        """A call is over, however it ended."""
        self.calls -= 1
        if not self.calls:
            self.admission.idle()
        self._pump()

    def drain(self) -> list[Pending]:
        """Everything that was not sent yet, taken out; the lane's time is over."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        rest = [*self._queue, *self._fresh]
        self._queue, self._fresh = FairQueue(), []
        return rest

    def _pump(self) -> None:
        self._scheduled = False
        now_s = loop_s()
        while self.calls < self._calls_max:
            batch = self._next(now_s)
            if not batch:
                break
            if not self.calls:
                self.admission.started(now_s)
            self.calls += 1
            self.admission.sent(now_s - batch[0].since_s)
            self._router.call(self, batch)
        if self._fresh or self._queue:
            self._watch()

    def _watch(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._turn_away_late)

    def _next(self, now_s: float) -> list[Pending]:
        """The next batch: what just came where it fits, else by turns."""
        fresh, queue, size_max = self._fresh, self._queue, self.admission.batch
        if fresh:
            self._fresh = []
            just_came = now_s - fresh[0].since_s < SWEEP_S and now_s < fresh[0].deadline
            if not queue and just_came and len(fresh) <= size_max and self._fits(fresh):
                return fresh
            self._enqueue(fresh)
        batch: list[Pending] = []
        size = 0
        while queue and len(batch) < size_max:
            size += len(queue.head().envelope.body) + ENVELOPE_OVERHEAD
            if batch and size > self._batch_bytes_max:
                break
            pending = queue.take()
            if self._is_late(pending, now_s):
                self._let_down(pending)
            else:
                batch.append(pending)
        return batch

    def _fits(self, pending: Iterable[Pending]) -> bool:
        return sum([len(p.envelope.body) + ENVELOPE_OVERHEAD for p in pending]) <= self._batch_bytes_max

    def _enqueue(self, fresh: Iterable[Pending]) -> None:
        put = self._queue.put
        for pending in fresh:
            put(pending.source, pending.envelope.to, pending)

    def _is_late(self, pending: Pending, now_s: float) -> bool:
        if pending.deadline <= now_s:
            return True
        late_s = self.admission.late_s
        return now_s - pending.since_s > late_s and not (pending.sent or pending.envelope.inner)

    def _let_down(self, pending: Pending) -> None:
        if pending.sent:
            self._router.expire(pending)
        else:
            self._router.turn_away(pending, self.admission.turn_away(Shed.LATE))

    def _turn_away_late(self) -> None:
        """Nobody waits in silence for a host that does not answer."""
        self._sweep = None
        fresh, self._fresh = self._fresh, []
        self._enqueue(fresh)
        now_s = loop_s()
        for pending in self._queue.remove(lambda p: self._is_late(p, now_s)):
            self._let_down(pending)
        if self._queue:
            self._watch()
