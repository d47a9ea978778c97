"""Arithmetic that all rules share."""

from __future__ import annotations


def clamped(value: float, low: float = -100.0, high: float = 100.0) -> float:
    """The value within its bounds."""
    return max(low, min(high, value))
