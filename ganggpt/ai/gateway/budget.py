"""Hard budgets: what each payer may spend in an hour and in a day. A call reserves the most it can cost, then settles.

A limit holds over all gateway replicas, because counters are shared (``persistence.ledger``) and a reservation is one
atomic step over all counters it touches: however many calls run at once, what is spent and reserved never passes a
limit. The most a
call can cost is estimated from the bytes of the prompt (see ``tokens_at_most``); where a provider counts more, the
excess is counted too, so the next reservation has less.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ganggpt.ai.gateway.provider import ProviderCall
from ganggpt.ai.port import Payers, Usage
from ganggpt.errors import GangGPTError

PayerKind = Literal["server", "player", "npc", "faction"]
BudgetWindow = Literal["hour", "day"]
BudgetUnit = Literal["nano_usd", "tokens", "calls"]
PAYER_KINDS: Final[tuple[PayerKind, ...]] = ("server", "player", "npc", "faction")
WINDOW_S: Final[dict[BudgetWindow, int]] = {"hour": 3600, "day": 86_400}
EVERYBODY: Final = "all"
"""The name of the one payer of kind ``server``."""
_SLACK_S: Final = 600
"""How long a counter outlives its window, so that late settlements still find it."""
_MESSAGE_TOKENS: Final = 6
"""Tokens of a message besides its text."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` of a unit for each payer of a kind in a budget window (an hour or a day of UTC)."""

    kind: PayerKind
    window: BudgetWindow
    unit: BudgetUnit
    most: int


@dataclass(frozen=True, slots=True)
class BudgetCounter:
    """One payer's spending of one unit in one budget window. ``start_s``: Unix time at which the window starts."""

    kind: PayerKind
    name: str
    window: BudgetWindow
    unit: BudgetUnit
    start_s: int

    @property
    def key(self) -> str:
        """The key of the counter in a store. The braces keep all counters on one node of a Redis cluster."""
        return f"ganggpt:{{ai}}:spent:{self.unit}:{self.window}:{self.start_s}:{self.kind}:{self.name}"

    @property
    def ttl_s(self) -> int:
        """How long a store has to keep the counter, from the start of its window."""
        return WINDOW_S[self.window] + _SLACK_S

    def part(self, usage: Usage) -> int:
        """A usage in this unit."""
        return 1 if self.unit == "calls" else usage.tokens if self.unit == "tokens" else usage.nano_usd


@dataclass(frozen=True, slots=True)
class Claim:
    """A request to add ``amount`` to a counter that must not pass ``most``."""

    counter: BudgetCounter
    amount: int
    most: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A granted reservation. It is settled once."""

    id: str
    claims: tuple[Claim, ...]


class SwitchedOff(GangGPTError):
    """The switch is off: no model is called."""

    code = "ai_off"

    def __str__(self) -> str:
        return "Model calls are disabled; `ganggpt ai on` enables them."


class OverBudget(GangGPTError):
    """A budget does not have enough left for this call."""

    code = "over_budget"

    def __init__(self, kind: str, name: str, window: str, unit: str, most: int) -> None:
        super().__init__(kind, name, window, unit, most)
        self.kind, self.name, self.window, self.unit, self.most = kind, name, window, unit, most

    def __str__(self) -> str:
        return f"The {self.unit} of {self.kind} {self.name} for this {self.window} are used up (limit {self.most})."


class Ledger(Protocol):
    """Counters and the switch, shared by all replicas. Raises Unavailable where they cannot be read; then no call is
    made."""

    async def reserve(self, claims: Sequence[Claim], within_s: float) -> Reservation:
        """Add all amounts or none. ``within_s``: the longest time the call takes. Raises SwitchedOff, OverBudget,
        Unavailable."""
        ...

    def settle(self, reservation: Reservation, spent: Usage) -> None:
        """Replace what was reserved by what was spent, in the background; never waits. Where that fails, the whole
        reservation counts as spent, which is the safe side."""
        ...

    async def is_on(self) -> bool:
        """Whether models may be called. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


SumOf = Callable[[BudgetCounter], Awaitable[int]]
"""The sum of a counter by the records in Postgres, to restore a counter that a store has lost. Raises Unavailable."""


def claims_of(limits: Sequence[Limit], payers: Payers, most: Usage, now_s: float) -> tuple[Claim, ...]:
    """The claims of a call that costs at most ``most``."""
    names: dict[str, str] = {"server": EVERYBODY, **dict(payers.named())}
    claims = []
    for limit in limits:
        name = names.get(limit.kind)
        if name is not None:
            length = WINDOW_S[limit.window]
            counter = BudgetCounter(limit.kind, name, limit.window, limit.unit, int(now_s) // length * length)
            claims.append(Claim(counter, counter.part(most), limit.most))
    return tuple(claims)


def tokens_at_most(text: str) -> int:
    """An upper estimate of the tokens of a text: a third of its UTF-8 bytes. English has a token for about four bytes,
    Cyrillic for about four, Chinese for about three; only noise has more."""
    return len(text.encode("utf-8", "surrogatepass")) // 3 + 1


def prompt_tokens_at_most(call: ProviderCall) -> int:
    """An upper estimate of the tokens of a call's prompt, the schema included."""
    shape = 0 if call.shape is None else tokens_at_most(str(call.shape.schema))
    return shape + sum(tokens_at_most(said.text) + _MESSAGE_TOKENS for said in call.messages)
