"""One batch of commands: a slot for each reply, and the commit that the replies have to wait for."""

from __future__ import annotations

import asyncio

from ganggpt.actors.envelope import Envelope


class Delivery:
    """Collects the replies of one batch.

    ``ticket`` is the newest commit that any reply depends on. Slots are filled in any order, each exactly once.
    """

    __slots__ = ("_all_in", "_missing", "replies", "ticket")

    def __init__(self, size: int) -> None:
        self.replies: list[bytes] = [b""] * size
        self.ticket = 0
        self._missing = size
        self._all_in: asyncio.Future[None] | None = None

    def settle(self, slot: int, reply: bytes, ticket: int = 0) -> None:
        """Fill a slot with a finished reply map, which may be sent once commit ``ticket`` is durable."""
        self.replies[slot] = reply
        self.ticket = max(self.ticket, ticket)
        self._missing -= 1
        if not self._missing and self._all_in is not None and not self._all_in.done():
            self._all_in.set_result(None)

    async def all_in(self) -> None:
        """Wait until every slot is filled."""
        if self._missing:
            self._all_in = asyncio.get_running_loop().create_future()
            await self._all_in


ParkedCommand = tuple[Envelope, Delivery, int]
"""A waiting command, and the slot for its reply."""
