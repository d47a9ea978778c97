"""The budget counters of a gateway without Redis: in its own memory, so there can only be one replica.

A counter starts from the records in Postgres, so a restart loses nothing that was recorded.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cachetools import TTLCache

from ganggpt.ai.gateway.budget import WINDOW_S, BudgetCounter, Claim, OverBudget, Reservation, SumOf, SwitchedOff
from ganggpt.ai.port import Usage

_COUNTERS_MAX: Final = 200_000
_ids = itertools.count(1)


class LocalLedger:
    """Implements ``budget.Ledger`` in one process. ``switch`` tells whether models may be called."""

    def __init__(self, switch: Callable[[], Awaitable[bool]], sum_of: SumOf) -> None:
        self._switch = switch
        self._sum_of = sum_of
        self._spent: TTLCache[BudgetCounter, int] = TTLCache(_COUNTERS_MAX, WINDOW_S["day"] * 2)
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
