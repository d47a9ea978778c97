"""Stores that fail on command: a journal whose commits get lost, or hold although nobody hears of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from ganggpt.errors import CommitUnknown, Unavailable
from ganggpt.persistence.journal import Batch, Journal, PushRow

Fault = Literal["lost", "held", "away"]


class FaultyJournal:
    """A Journal in front of another one.

    ``appends`` says what happens to the next appends: ``lost`` (outcome unknown, nothing committed), ``held`` (outcome
    unknown, committed) or None. ``loads`` the same for loads: ``away``. Everything else passes through.
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
        if self.loads and self.loads.popleft() == "away":
            raise Unavailable("the database")
        return await self._inner.load(actors)
