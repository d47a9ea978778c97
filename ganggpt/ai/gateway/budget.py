"""Hard budgets: what may be spent by whom in an hour and a day. First reserve the most a call can cost, then settle.

A limit holds over all gateway replicas, because counters are shared (``persistence.ledger``) and a reservation is one
atomic step over all counters it touches: with n calls at once, spent plus reserved never passes a limit. The most a
call can cost is estimated from the bytes of the prompt (see ``tokens_at_most``); where a provider counts more, the
excess is booked too and the next reservation meets it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ganggpt.ai.gateway.provider import Call
from ganggpt.ai.port import Payers, Usage
from ganggpt.errors import GangGPTError

Kind = Literal["server", "player", "npc", "faction"]
Window = Literal["hour", "day"]
Unit = Literal["nano_usd", "tokens", "calls"]
KINDS: Final[tuple[Kind, ...]] = ("server", "player", "npc", "faction")
WINDOW_S: Final[dict[Window, int]] = {"hour": 3600, "day": 86_400}
EVERYBODY: Final = "all"
"""The name of the one payer of kind ``server``."""
_SLACK_S: Final = 600
"""How long a counter outlives its window: late settlements still find it."""
_MESSAGE_TOKENS: Final = 6
"""What the frame of a message costs."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` of a unit for each payer of a kind in a window (hours and days of UTC)."""

    kind: Kind
    window: Window
    unit: Unit
    most: int


@dataclass(frozen=True, slots=True)
class Counter:
    """One payer's spending of one unit in one window. ``start_s``: Unix time of its beginning."""

    kind: Kind
    name: str
    window: Window
    unit: Unit
    start_s: int

    @property
    def key(self) -> str:
        """Its name in a store. The braces keep all counters on one node of a Redis cluster."""
        return f"ganggpt:{{ai}}:spent:{self.unit}:{self.window}:{self.start_s}:{self.kind}:{self.name}"

    @property
    def ttl_s(self) -> int:
        """How long a store has to keep it from its beginning."""
        return WINDOW_S[self.window] + _SLACK_S

    def part(self, usage: Usage) -> int:
        """What a usage is in this unit."""
        return 1 if self.unit == "calls" else usage.tokens if self.unit == "tokens" else usage.nano_usd


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to add ``amount`` to a counter that must not pass ``most``."""

    counter: Counter
    amount: int
    most: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A granted reservation: to be settled once."""

    id: str
    claims: tuple[Claim, ...]


class SwitchedOff(GangGPTError):
    """The switch is off: nothing leaves."""

    code = "ai_off"

    def __str__(self) -> str:
        return "Model calls are disabled; `ganggpt ai on` enables them."


class OverBudget(GangGPTError):
    """A budget has not enough left for this call."""

    code = "over_budget"

    def __init__(self, kind: str, name: str, window: str, unit: str, most: int) -> None:
        super().__init__(kind, name, window, unit, most)
        self.kind, self.name, self.window, self.unit, self.most = kind, name, window, unit, most

    def __str__(self) -> str:
        return f"The {self.unit} of {self.kind} {self.name} for this {self.window} are used up (limit {self.most})."


class Ledger(Protocol):
    """Counters and the switch, shared by all replicas. Raises Unavailable where it cannot say: then nothing leaves."""

    async def reserve(self, claims: Sequence[Claim], within_s: float) -> Hold:
        """Add all amounts or none. Raises SwitchedOff, OverBudget, Unavailable. ``within_s``: when the call has ended
        at the latest."""
        ...

    def settle(self, hold: Hold, spent: Usage) -> None:
        """Replace what was reserved by what was spent, soon; never waits. Where that cannot be done, the reservation
        counts as spent, which is the safe side."""
        ...

    async def is_on(self) -> bool:
        """Whether calls may leave. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


SumOf = Callable[[Counter], Awaitable[int]]
"""What the record in Postgres says about a counter: seeds one that a store has lost. Raises Unavailable."""


def claims_of(limits: Sequence[Limit], payers: Payers, most: Usage, now_s: float) -> tuple[Claim, ...]:
    """The claims of a call that costs ``most`` at most."""
    names: dict[str, str] = {"server": EVERYBODY, **dict(payers.named())}
    claims = []
    for limit in limits:
        name = names.get(limit.kind)
        if name is not None:
            length = WINDOW_S[limit.window]
            counter = Counter(limit.kind, name, limit.window, limit.unit, int(now_s) // length * length)
            claims.append(Claim(counter, counter.part(most), limit.most))
    return tuple(claims)


def tokens_at_most(text: str) -> int:
    """An upper estimate of the tokens of a text: a third of its UTF-8 bytes. English has a token for about four bytes,
    Cyrillic for about four, Chinese for about three; only noise has more."""
    return len(text.encode("utf-8", "surrogatepass")) // 3 + 1


def prompt_tokens_at_most(call: Call) -> int:
    """An upper estimate of the tokens of a call's prompt, the schema included."""
    shape = 0 if call.shape is None else tokens_at_most(str(call.shape.schema))
    return shape + sum(tokens_at_most(said.text) + _MESSAGE_TOKENS for said in call.messages)
