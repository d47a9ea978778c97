"""Stores that fail on command: a journal whose commits get lost, or succeed without an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from ganggpt.errors import CommitUnknown, Unavailable
from ganggpt.persistence.ports.hosts import RouteRow
from ganggpt.persistence.ports.journal import Batch, Journal, PushRow
from ganggpt.testing.memory_stores import MemoryHosts

Fault = Literal["lost", "held", "unreachable"]


class FaultyHosts:
    """A HostTable in front of another one; ``hand_overs`` says what happens to the next ones, as for appends, ``reads``
    what happens to the next readings of the routing table."""

    def __init__(self, inner: MemoryHosts) -> None:
        self._inner = inner
        self.hand_overs: deque[Fault | None] = deque()
        self.reads: deque[Fault | None] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        if self.reads and self.reads.popleft() == "unreachable":
            raise Unavailable("the database")
        return await self._inner.routes()

    async def hand_over(self, epoch: int, shards: Sequence[str], cluster: str, heir: str) -> None:
        """See HostTable."""
        fault = self.hand_overs.popleft() if self.hand_overs else None
        if fault == "lost":
            raise CommitUnknown("faulty", epoch, "lost on purpose")
        await self._inner.hand_over(epoch, shards, cluster, heir)
        if fault == "held":
            raise CommitUnknown("faulty", epoch, "held on purpose")


class FaultyJournal:
    """A Journal in front of another one.

    ``appends`` says what happens to the next appends: ``lost`` (outcome unknown, nothing committed), ``held`` (outcome
    unknown, committed) or None. ``loads`` the same for loads: ``unreachable``. Everything else passes through.
    """

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.appends: deque[Fault | None] = deque()
        self.loads: deque[Fault | None] = deque()
        self.load_calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        fault = self.appends.popleft() if self.appends else None
        if fault == "lost":
            raise CommitUnknown("faulty", epoch, "lost on purpose")
        pushes = await self._inner.append(epoch, batch)
        if fault == "held":
            raise CommitUnknown("faulty", epoch, "held on purpose")
        return pushes

    async def load(self, actors: Sequence[str]) -> Any:
        """See Journal."""
        self.load_calls += 1
        if self.loads and self.loads.popleft() == "unreachable":
            raise Unavailable("the database")
        return await self._inner.load(actors)
