"""Notifies the sessions of game servers of committed pushes, so that they need not wait for their next poll."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ganggpt.persistence.ports.journal import PushRow

COMMITS_MAX: Final = 1024
"""Commits whose notification may wait. Beyond that, sessions find the pushes when they poll the table."""


class PushNotifier:
    """Owns the notifications that were not sent yet. Losing one delays a push until the next poll."""

    def __init__(self, notify: Callable[[Sequence[PushRow]], Awaitable[None]]) -> None:
        self._notify = notify
        self._commits: asyncio.Queue[Sequence[PushRow]] = asyncio.Queue(COMMITS_MAX)

    def post(self, pushes: Sequence[PushRow]) -> None:
        """Queue the notification of committed pushes."""
        if not self._commits.full():
            self._commits.put_nowait(pushes)

    async def run(self) -> None:
        """Notify in the order of the commits, until cancelled."""
        while True:
            await self._notify(await self._commits.get())
