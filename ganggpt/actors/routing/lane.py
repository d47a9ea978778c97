"""A lane of the router: the commands to one host, to another cluster, or to no known host yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope
from ganggpt.actors.overload import OverloadReply, Shed
from ganggpt.actors.ports import ReplySink
from ganggpt.actors.routing.admission import Admission
from ganggpt.actors.routing.fair_queue import FairQueue
from ganggpt.actors.routing.shards import RemoteCluster

ENVELOPE_OVERHEAD: Final = 64
SWEEP_S: Final = 0.1
"""How often a lane whose calls do not return checks for commands that waited too long."""


class Pending(msgspec.Struct):
    """A command that waits for its reply. ``sent``: it was sent before, so it may have been applied."""

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
        """Send a batch, and call ``lane.returned`` when its call is over."""
        ...

    def turn_away(self, pending: Pending, refusal: OverloadReply) -> None:
        """Answer ``overloaded`` to a command that was never sent."""
        ...

    def expire(self, pending: Pending) -> None:
        """Answer ``unavailable`` to a command that was sent before and is past its deadline."""
        ...


class Lane:
    """Owns the commands that wait for one destination. At most ``calls_max`` calls are under way; commands that arrive
    meanwhile go with the next call.

    Commands that arrive in one turn of the loop and fit one call are sent at once; the others are queued by turns.
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
        """The number of commands that were not sent yet."""
        return len(self._fresh) + len(self._queue)

    def put(self, pending: Pending, *, admitted: bool = False) -> None:
        """Add a command; it is sent at the end of this loop turn, with all others that arrive in it. ``admitted``: it
        has its place in the lane already."""
        if not admitted:
            self.admission.enter(pending.source, pending.envelope.to)
        self._fresh.append(pending)
        if self.calls >= self._calls_max:
            self._watch()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def left(self, pending: Pending) -> None:
        """Note that a command of this lane was answered, or goes to another lane."""
        self.admission.leave(pending.envelope.to)

    def served(self, count: int, began_s: float) -> None:
        """Note that a call that began at ``began_s`` returned with ``count`` replies."""
        now_s = loop_s()
        self.admission.served(count, now_s - began_s, now_s, len(self))

    def returned(self) -> None:
        """Note that a call is over, however it ended."""
        self.calls -= 1
        if not self.calls:
            self.admission.idle()
        self._pump()

    def drain(self) -> list[Pending]:
        """Remove and return all commands that were not sent yet, at the end of the lane."""
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
        """The next batch: the commands that just arrived where they fit, else by turns."""
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
        """Answer the commands that waited too long for a host that does not answer."""
        self._sweep = None
        fresh, self._fresh = self._fresh, []
        self._enqueue(fresh)
        now_s = loop_s()
        for pending in self._queue.remove(lambda p: self._is_late(p, now_s)):
            self._let_down(pending)
        if self._queue:
            self._watch()
