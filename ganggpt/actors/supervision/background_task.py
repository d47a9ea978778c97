"""Work that goes on beside a loop which must not wait for it, and must not fall with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ganggpt.errors import Unavailable

log = logging.getLogger(__name__)


class Beside:
    """Owns the one task of some work under way; what takes long is not started twice.

    What is away is waited for, and a mistake is logged; the next start tries again.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """See that the work is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=self._name)
            self._task.add_done_callback(self._log_mistake)

    async def settled(self) -> None:
        """Wait for the work under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """End the work under way; what it did not get to, the next one does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._work()
        except Unavailable as outage:
            log.warning("%s waits: %s", self._name, outage)

    def _log_mistake(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (mistake := task.exception()) is not None:
            log.error("%s failed", self._name, exc_info=mistake)
