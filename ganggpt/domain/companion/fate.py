"""Whether a companion stays: thresholds of loyalty at which it warns, leaves, or betrays; and its account of why.

As loyalty falls the fate only ever gets worse: stays → warns → leaves → betrays. Time alone never makes anybody leave,
because loyalty at rest lies above every threshold; and nobody goes without a warning that had time to be heeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.companion.state import Cause, Companion, loyalty_at_rest, loyalty_now
from ganggpt.domain.mind.affect import LOYALTY_HALF_LIFE_S, faded
from ganggpt.domain.numbers import clamped

Fate = Literal["stays", "warns", "leaves", "betrays"]
"""What can happen to a companion, from best to worst."""

WARN_AT: Final = 15.0
LEAVE_AT: Final = 8.0
BETRAY_MAX: Final = 14.0
WARNING_S: Final = 600.0
"""The least time between the warning and the departure."""
WARNING_HOLDS_S: Final = 14 * 86_400.0
"""A warning counts for so long, or until loyalty has recovered (``state.RECOVERED_AT``)."""
GRUDGE_S: Final[Mapping[str, float]] = {"left": 7 * 86_400.0, "betrayed": 30 * 86_400.0, "dismissed": 0.0}
"""How long a companion that went this way cannot be taken on again by the one it left; others may at once."""


def betray_at(personality: Mapping[str, int]) -> float:
    """The loyalty at which one betrays instead of leaving, 0..BETRAY_MAX.

    ``14 · max(0, 1 − loyalty/50) · (0.5 + greed/200)`` with the traits loyalty and greed (0..100, 50 where unknown):
    whose trait loyalty is at least 50 never betrays.
    """
    faithless = max(0.0, 1 - personality.get("loyalty", 50) / 50)
    return BETRAY_MAX * faithless * (0.5 + personality.get("greed", 50) / 200)


def fate_of(loyalty: float, personality: Mapping[str, int]) -> Fate:
    """What a loyalty comes to: never better for a lower one."""
    if loyalty < betray_at(personality):
        return "betrays"
    if loyalty < LEAVE_AT:
        return "leaves"
    return "warns" if loyalty < WARN_AT else "stays"


def fate_now(state: Companion, loyalty: float, now_s: float) -> Fate:
    """What a companion does at this loyalty. It leaves only some time after a warning; without one it warns, and it
    warns once."""
    fate = fate_of(loyalty, state.personality)
    warned_s = state.warned_s
    if fate == "stays" or warned_s is None or now_s - warned_s > WARNING_HOLDS_S:
        return "stays" if fate == "stays" else "warns"
    if now_s - warned_s < WARNING_S or fate == "warns":
        return "stays"
    return fate


class Account(Struct, frozen=True, gc=False):
    """What a loyalty is made of: ``value = rest + Σ listed + earlier``. ``listed``: each line of the ledger with what
    it still contributes; ``earlier``: what the recruiting and the causes that left the ledger still contribute."""

    value: float
    rest: float
    listed: tuple[tuple[Cause, float], ...]
    earlier: float


def account(state: Companion, now_s: float) -> Account:
    """The loyalty explained. Fading is linear, so every cause fades by itself and they add up."""
    value, rest = loyalty_now(state, now_s), loyalty_at_rest(state.personality)
    listed = tuple((cause, faded(cause.change, 0.0, now_s - cause.at_s, LOYALTY_HALF_LIFE_S)) for cause in state.ledger)
    return Account(value, rest, listed, value - rest - sum(left for _, left in listed))


def weightiest(state: Companion, now_s: float, *, against: bool) -> str | None:
    """The cause that speaks most for the owner, or against them; causes of one name count together."""
    totals: dict[str, float] = {}
    for cause, left in account(state, now_s).listed:
        totals[cause.what] = totals.get(cause.what, 0.0) + left
    if not totals:
        return None
    what, left = (min if against else max)(totals.items(), key=lambda item: item[1])
    return what if (left < 0) == against and left else None


def grudge_left_s(state: Companion, player: str, now_s: float) -> float:
    """How long this player still cannot take the companion on again, in seconds."""
    if player != state.owner or not state.gone:
        return 0.0
    return clamped(state.gone_s + GRUDGE_S[state.gone] - now_s, 0.0, max(GRUDGE_S.values()))
