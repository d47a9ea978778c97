"""Paying for one request: every call reserves money before it is made, settles it afterwards, and is recorded."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import Counter

from ganggpt.ai.gateway.budget import Ledger, Limit, claims_of
from ganggpt.ai.gateway.provider import ModelFailure
from ganggpt.ai.port import FREE, NANO_USD, GatewayRequest, Payers, Usage
from ganggpt.observability.metrics import Metrics

_SLACK_S: Final = 5.0


@dataclass(slots=True)
class CallCost:
    """What one call may cost at ``most``, and what it ``spent``: None while that is unknown."""

    most: Usage
    spent: Usage | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """The record of one call: who paid what for which purpose. ``at_s``: Unix time."""

    at_s: float
    payers: Payers
    slot: str
    purpose: str
    model: str
    usage: Usage


class SpendLog(Protocol):
    """Records spending. Never waits."""

    def write(self, spend: Spend) -> None:
        """Record one call; it is durable within a second or so."""
        ...


class Accounting:
    """What the spending of all requests shares: ledger, limits, log, metrics and the clock (Unix seconds)."""

    def __init__(
        self,
        ledger: Ledger,
        limits: Sequence[Limit],
        log: SpendLog,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger, self.limits, self.clock = ledger, tuple(limits), clock
        self._log = log
        self._tokens = metrics.counter("ganggpt_ai_tokens_total")
        self._usd = metrics.counter("ganggpt_ai_usd_total")
        self._counters: dict[tuple[str, str], tuple[Counter, ...]] = {}

    def spending_of(self, request: GatewayRequest) -> Spending:
        """The spending of a request, nothing so far."""
        return Spending(self, request.payers, request.slot, request.purpose)

    def record(self, spend: Spend) -> None:
        """Record a call everywhere but in the ledger."""
        usage = spend.usage
        self._log.write(spend)
        key = (spend.model, spend.slot)
        if key not in self._counters:
            tokens = (self._tokens.labels(spend.model, part) for part in ("in", "cached", "out"))
            self._counters[key] = (*tokens, self._usd.labels(*key))
        fresh, cached, out, usd = self._counters[key]
        fresh.inc(usage.tokens_in - usage.tokens_cached)
        cached.inc(usage.tokens_cached)
        out.inc(usage.tokens_out)
        usd.inc(usage.nano_usd / NANO_USD)


class Spending:
    """Pays for the calls of one request. ``usage`` is what they cost so far."""

    def __init__(self, accounting: Accounting, payers: Payers, slot: str, purpose: str) -> None:
        self._accounting = accounting
        self._payers, self._slot, self._purpose = payers, slot, purpose
        self.usage = FREE

    @asynccontextmanager
    async def reserve(self, model: str, most: Usage, within_s: float) -> AsyncIterator[CallCost]:
        """Reserve for a call that costs ``most`` at most, and settle it afterwards. Raises SwitchedOff, OverBudget,
        Unavailable."""
        accounting = self._accounting
        claims = claims_of(accounting.limits, self._payers, most, accounting.clock())
        reservation = await accounting.ledger.reserve(claims, within_s + _SLACK_S)
        cost = CallCost(most)
        try:
            yield cost
        except ModelFailure as failed:
            if cost.spent is None:
                # A refused call costs nothing; what one cost that was never answered is unknown, so it counts as most.
                cost.spent = most if failed.billed else FREE
            raise
        finally:
            spent = most if cost.spent is None else cost.spent
            self.usage += spent
            accounting.ledger.settle(reservation, spent)
            accounting.record(Spend(accounting.clock(), self._payers, self._slot, self._purpose, model, spent))
