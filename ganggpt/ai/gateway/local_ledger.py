"""The counters of a gateway that has no Redis: in its own memory, so there may be one replica only.

Seeded from the record in Postgres when a counter is first touched, so a restart forgets nothing that was recorded.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cachetools import TTLCache

from ganggpt.ai.gateway.budget import WINDOW_S, Claim, Counter, OverBudget, Reservation, SumOf, SwitchedOff
from ganggpt.ai.port import Usage

_COUNTERS_MAX: Final = 200_000
_ids = itertools.count(1)


class LocalLedger:
    """Implements ``ai.budget.Ledger`` in one process. ``switch`` says whether calls may leave."""

    def __init__(self, switch: Callable[[], Awaitable[bool]], sum_of: SumOf) -> None:
        self._switch = switch
        self._sum_of = sum_of
        self._spent: TTLCache[Counter, int] = TTLCache(_COUNTERS_MAX, WINDOW_S["day"] * 2)
        self._seeding = asyncio.Lock()

    async def reserve(self, claims: Sequence[Claim], within_s: float) -> Reservation:  # noqa: ARG002 - see Ledger
        """See Ledger."""
        if any(claim.counter not in self._spent for claim in claims):
            async with self._seeding:
                for claim in claims:
                    if claim.counter not in self._spent:
                        self._spent[claim.counter] = await self._sum_of(claim.counter)
        if not await self._switch():
            raise SwitchedOff
        # No await from here on: the check and the reservation are one step.
        for claim in claims:
            if self._spent[claim.counter] + claim.amount > claim.most:
                counter = claim.counter
                raise OverBudget(counter.kind, counter.name, counter.window, counter.unit, claim.most)
        for claim in claims:
            self._spent[claim.counter] += claim.amount
        return Reservation(str(next(_ids)), tuple(claims))

    def settle(self, reservation: Reservation, spent: Usage) -> None:
        """See Ledger."""
        for claim in reservation.claims:
            if claim.counter in self._spent:
                self._spent[claim.counter] += claim.counter.part(spent) - claim.amount

    async def is_on(self) -> bool:
        """See Ledger."""
        return await self._switch()

    async def close(self) -> None:
        """There is nothing to close."""
