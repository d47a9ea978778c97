"""Tells the sessions of game servers about committed pushes, so that they need not wait for their next poll."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ganggpt.persistence.journal.journal import PushRow

COMMITS_MAX: Final = 1024
"""Commits whose pushes wait for their notification; over it, sessions find the pushes when they poll the table."""


class PushNotifier:
    """Owns the pushes whose sessions were not notified yet. Nothing depends on it: the pushes are in the table."""

    def __init__(self, notify: Callable[[Sequence[PushRow]], Awaitable[None]]) -> None:
        self._notify = notify
        self._commits: asyncio.Queue[Sequence[PushRow]] = asyncio.Queue(COMMITS_MAX)

    def post(self, pushes: Sequence[PushRow]) -> None:
        """Pushes whose commit held."""
        if not self._commits.full():
            self._commits.put_nowait(pushes)

    async def run(self) -> None:
        """Notify for ever, in the order of the commits."""
        while True:
            await self._notify(await self._commits.get())
