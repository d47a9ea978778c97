"""Group commit: turns gather while a commit is under way, and all that gathered goes with the next one.

No delay is ever waited for on the durable path: one turn alone commits at once, a thousand go together. Relaxed turns
ride along, or go within the flush interval when nothing durable comes by.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from ganggpt.actors.clock import loop_s
from ganggpt.errors import GangGPTError, Overloaded
from ganggpt.persistence.ports.journal import Batch, Journal, PushRow

ROWS_MAX: Final = 2000
"""Turns per commit."""
WAITING_MAX: Final = 20_000
"""Turns that may wait for a commit before the host sheds load."""


class Committer:
    """Owns the open batch and the order of commits of one host incarnation.

    A *ticket* is the number of a commit: ``durable(ticket)`` returns once it held. After the first failure (fenced, or
    outcome unknown) every waiter gets the error and nothing more is accepted: what is in memory can no longer be
    trusted and the incarnation has to end.
    """

    def __init__(
        self,
        journal: Journal,
        epoch: int,
        *,
        relaxed_s: float,
        on_pushes: Callable[[Sequence[PushRow]], None],
        on_committed: Callable[[Batch, float], None],
    ) -> None:
        self._journal = journal
        self._epoch = epoch
        self._relaxed_s = relaxed_s
        self._on_pushes = on_pushes
        self._on_committed = on_committed
        self._open: deque[Batch] = deque([Batch()])
        self._opened_s = 0.0
        self._waiting = 0
        self._in_flight = 0
        self._wanted = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.committed = 0
        self.failed: GangGPTError | None = None

    @property
    def ticket(self) -> int:
        """The commit that whatever is added now will belong to."""
        return self.committed + self._in_flight + len(self._open)

    @property
    def written(self) -> int:
        """The newest commit that has anything in it."""
        return self.ticket - (0 if len(self._open[-1]) else 1)

    def batch(self, durable: bool) -> Batch:
        """The open batch, for one turn to be added to. Raises Overloaded, or the error this incarnation ended with."""
        if self.failed is not None:
            raise self.failed
        if self._waiting >= WAITING_MAX:
            raise Overloaded("the host's commit queue", WAITING_MAX)
        if len(self._open[-1]) >= ROWS_MAX:
            self._open.append(Batch())
        if not self._waiting:
            self._opened_s = loop_s()
        self._waiting += 1
        if durable:
            self._wanted.set()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._relaxed_s, self._wanted.set)
        return self._open[-1]

    async def durable(self, ticket: int) -> None:
        """Wait until that commit held. Raises what ended the incarnation."""
        if ticket <= self.committed:
            return
        if self.failed is not None:
            raise self.failed
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((ticket, future))
        self._wanted.set()
        await future

    async def run(self) -> None:
        """Commit for ever. Ends by cancellation, or with the error that ended the incarnation."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                if self.failed is not None:
                    raise self.failed
                await self._commit_open()
        except GangGPTError as error:
            self.fail(error)
            raise

    def fail(self, error: GangGPTError) -> None:
        """End the incarnation: every waiter gets the error, nothing more is accepted, and ``run`` raises it."""
        self.failed = error
        self._release(self.ticket, error)
        self._wanted.set()

    async def drain(self) -> None:
        """Commit everything that is open now."""
        await self.durable(self.written)

    async def _commit_open(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        while self.failed is None and (len(self._open[0]) or len(self._open) > 1):
            batch = self._open.popleft()
            if not self._open:
                self._open.append(Batch())
            self._in_flight = 1
            began_s, opened_s = loop_s(), self._opened_s
            self._waiting -= len(batch)
            self._opened_s = began_s
            pushes = await self._journal.append(self._epoch, batch)
            self._in_flight = 0
            self.committed += 1
            self._on_committed(batch, loop_s() - opened_s)
            if pushes:
                self._on_pushes(pushes)
            self._release(self.committed, None)

    def _release(self, upto: int, error: GangGPTError | None) -> None:
        waiters = self._waiters
        kept: deque[tuple[int, asyncio.Future[None]]] = deque()
        while waiters:
            ticket, future = waiters.popleft()
            if ticket > upto:
                kept.append((ticket, future))
            elif not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
        self._waiters = kept
