"""Work in the background of a loop that must neither wait for it nor fail with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ganggpt.errors import Unavailable

log = logging.getLogger(__name__)


class BackgroundTask:
    """Owns the task of some work. While the work runs, it is not started a second time.

    Outages are retried on the next start; other errors are logged.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the work unless it is running."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=self._name)
            self._task.add_done_callback(self._log_error)

    async def close(self) -> None:
        """Cancel the work; the next start continues where it ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._work()
        except Unavailable as outage:
            log.warning("%s is interrupted and tried again later: %s", self._name, outage)

    def _log_error(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", self._name, exc_info=error)
