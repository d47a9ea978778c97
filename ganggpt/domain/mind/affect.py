"""How feelings fade and what they are called.

A feeling is a value and the time it last changed; its value now follows in closed form, so that it does not matter how
often it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ganggpt.domain.numbers import clamped

MOOD_HALF_LIFE_S: Final = 2 * 3600.0
STANDING_HALF_LIFE_S: Final = 30 * 86_400.0
LOYALTY_HALF_LIFE_S: Final = 45 * 86_400.0
SWAY_MAX: Final = 10.0
SWAY_DRAIN_PER_S: Final = SWAY_MAX / 86_400.0
"""Words alone move a standing by at most SWAY_MAX, and what was used comes back linearly within a day: so at most
2 × SWAY_MAX in any 24 hours."""
REACH: Final = 98.0
"""No series of steps brings a relation or standing beyond this, so that it can always still get better and worse."""

_MOOD_LABELS: Final = ((-60, "dark"), (-20, "sour"), (20, "calm"), (60, "good"))
_STANDING_LABELS: Final = (
    (-60, "enemy"), (-25, "hostile"), (-8, "wary"), (12, "neutral"), (35, "friendly"), (65, "trusted"),
)  # fmt: skip
HOSTILE_AT: Final = -25
_LOYALTY_LABELS: Final = ((15, "about to leave"), (35, "doubtful"), (65, "steady"), (85, "loyal"))


def faded(value: float, rest: float, elapsed_s: float, half_life_s: float) -> float:
    """A value on its way back to rest: ``rest + (value − rest) · 2^(−elapsed / half life)``; no time runs backwards."""
    if elapsed_s <= 0.0:
        return value
    return rest + (value - rest) * math.exp2(-elapsed_s / half_life_s)


def drained(sway: float, elapsed_s: float) -> float:
    """What is left of used-up sway after some time: linear towards 0."""
    left = max(0.0, abs(sway) - max(0.0, elapsed_s) * SWAY_DRAIN_PER_S)
    return left if sway >= 0 else -left


def swayed(sway: float, wanted: float) -> float:
    """How much of a wanted change the sway left over still allows (``sway`` already drained)."""
    return clamped(sway + wanted, -SWAY_MAX, SWAY_MAX) - sway


def stepped(value: float, delta: float) -> float:
    """The value after a wish to move it by ``delta``; towards 0 in full, away from 0 with ever less effect.

    Away from 0 it solves dv/dδ = 1 − |v|/REACH, so many small steps and one large step come to the same, and the
    value never passes REACH.
    """
    if value < 0.0 or (value == 0.0 and delta < 0.0):
        return -stepped(-value, -delta)
    if delta < 0.0:
        return value + delta if value + delta >= 0.0 else -stepped(0.0, -(value + delta))
    return REACH - (REACH - value) * math.exp(-delta / REACH)


def mood_at_rest(traits: Mapping[str, int]) -> float:
    """The mood a person returns to, −45..45: friendly people are cheerful, hot-tempered ones less so."""
    return (traits.get("friendliness", 50) - 50) * 0.6 - (traits.get("temper", 50) - 50) * 0.3


def mood_label(value: float) -> str:
    """dark, sour, calm, good or elated."""
    return next((label for top, label in _MOOD_LABELS if value < top), "elated")


def standing_label(value: float) -> str:
    """enemy, hostile, wary, neutral, friendly, trusted or family."""
    return next((label for top, label in _STANDING_LABELS if value < top), "family")


def loyalty_label(value: float) -> str:
    """about to leave, doubtful, steady, loyal or devoted."""
    return next((label for top, label in _LOYALTY_LABELS if value < top), "devoted")
