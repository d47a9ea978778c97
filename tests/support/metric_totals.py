"""The totals of metrics in memory, as the database keeps them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ganggpt.actors.clock import loop_s
from ganggpt.errors import Unavailable
from ganggpt.persistence.metric_totals import StoredTotals, WorldCounts


@dataclass
class OneTotals:
    """The row of totals that all bridges of a world share. ``away``: the database cannot be reached."""

    counts: WorldCounts
    away: bool = False
    version: int | None = None
    body: bytes | None = None

    async def read(self, *, count: bool) -> StoredTotals:
        """See TotalsStore."""
        await self._asked()
        return StoredTotals(loop_s(), self.version, self.body, self.counts if count else None)

    async def write(self, version: int | None, body: bytes) -> bool:
        """See TotalsStore."""
        await self._asked()
        if version != self.version:
            return False
        self.version, self.body = (version or 0) + 1, body
        return True

    async def _asked(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("the database")
