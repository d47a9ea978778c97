"""Write-behind: entries that may become durable a moment later are gathered and written in one statement."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from ganggpt.errors import Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

FLUSH_S: Final = 0.5
AGAIN_S: Final = 1.0


class WriteBehind(Generic[T]):
    """Owns the entries that are not written yet and the task that writes them.

    Where more than ``most`` entries wait, the oldest are dropped and ``lost`` is told how many. ``write`` takes a batch
    and raises Unavailable where nothing of it was written.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[None]],
        lost: Callable[[int], None],
        *,
        most: int = 20_000,
        batch: int = 500,
        every_s: float = FLUSH_S,
    ) -> None:
        self._write, self._lost = write, lost
        self._most, self._batch, self._every_s = most, batch, every_s
        self._waiting: list[T] = []
        self._wanted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, entry: T) -> None:
        """Add an entry; never waits."""
        self._waiting.append(entry)
        over = len(self._waiting) - self._most
        if over > 0:
            del self._waiting[:over]
            self._lost(over)
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> None:
        """Write every entry now. Raises Unavailable; entries that were not written stay."""
        async with self._writing:
            while self._waiting:
                some = self._waiting[: self._batch]
                del self._waiting[: len(some)]
                try:
                    await self._write(some)
                except (Unavailable, asyncio.CancelledError):
                    self._waiting[:0] = some
                    raise

    async def close(self) -> None:
        """Stop, and write the rest unless there is an outage."""
        self._closed = True  # a client of a store may swallow the cancellation, as asyncio.wait_for of Python 3.11 does
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            await self.flush()
        except Unavailable as outage:
            self._lost(len(self._waiting))
            log.warning("%d entries are lost because they could not be written: %s", len(self._waiting), outage)

    async def _run(self) -> None:
        while not self._closed:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(self._every_s)
            try:
                await self.flush()
            except Unavailable as outage:
                log.warning("entries wait to be written: %s", outage)
                self._wanted.set()
                await asyncio.sleep(AGAIN_S)
