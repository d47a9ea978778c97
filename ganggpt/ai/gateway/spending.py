"""Paying for one request: every call reserves before it leaves and settles after, and is written into the books."""

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
class Held:
    """One reservation while its call is under way. ``spent`` is None as long as nobody knows what it cost."""

    most: Usage
    spent: Usage | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """One call in the books: who paid what for which purpose. ``at_s``: Unix time."""

    at_s: float
    payers: Payers
    slot: str
    purpose: str
    model: str
    usage: Usage


class Books(Protocol):
    """Takes notes of spending, without waiting for anybody."""

    def write(self, spend: Spend) -> None:
        """Note one call; it is durable within a second or so."""
        ...


class Till:
    """What every purse shares: ledger, limits, books, metrics and the clock (Unix seconds)."""

    def __init__(
        self,
        ledger: Ledger,
        limits: Sequence[Limit],
        books: Books,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger, self.limits, self.books, self.clock = ledger, tuple(limits), books, clock
        self._tokens = metrics.counter("ganggpt_ai_tokens_total")
        self._usd = metrics.counter("ganggpt_ai_usd_total")
        self._counters: dict[tuple[str, str], tuple[Counter, ...]] = {}

    def purse(self, request: GatewayRequest) -> Purse:
        """The purse of a request."""
        return Purse(self, request.payers, request.slot, request.purpose)

    def book(self, spend: Spend) -> None:
        """Note a call everywhere but in the ledger."""
        usage = spend.usage
        self.books.write(spend)
        key = (spend.model, spend.slot)
        if key not in self._counters:
            tokens = (self._tokens.labels(spend.model, part) for part in ("in", "cached", "out"))
            self._counters[key] = (*tokens, self._usd.labels(*key))
        fresh, cached, out, usd = self._counters[key]
        fresh.inc(usage.tokens_in - usage.tokens_cached)
        cached.inc(usage.tokens_cached)
        out.inc(usage.tokens_out)
        usd.inc(usage.nano_usd / NANO_USD)


class Purse:
    """Pays for the calls of one request. ``usage`` is what they cost so far."""

    def __init__(self, till: Till, payers: Payers, slot: str, purpose: str) -> None:
        self._till = till
        self._payers, self._slot, self._purpose = payers, slot, purpose
        self.usage = FREE

    @asynccontextmanager
    async def hold(self, model: str, most: Usage, within_s: float) -> AsyncIterator[Held]:
        """Reserve for a call that costs ``most`` at most. Raises SwitchedOff, OverBudget, Unavailable."""
        till = self._till
        claims = claims_of(till.limits, self._payers, most, till.clock())
        hold = await till.ledger.reserve(claims, within_s + _SLACK_S)
        held = Held(most)
        try:
            yield held
        except ModelFailure as failed:
            if held.spent is None:
                # A refused call costs nothing; of one that was never answered nobody knows, so it costs the most.
                held.spent = most if failed.billed else FREE
            raise
        finally:
            spent = most if held.spent is None else held.spent
            self.usage += spent
            till.ledger.settle(hold, spent)
            till.book(Spend(till.clock(), self._payers, self._slot, self._purpose, model, spent))
