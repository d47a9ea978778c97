"""Who an incarnation is: the name of its host, its epoch and its clock."""

from __future__ import annotations

from dataclasses import dataclass

from ganggpt.actors.clock import loop_s


class DatabaseClock:
    """Unix time by the database's clock, carried on by this machine's monotonic one; never runs backwards."""

    __slots__ = ("_ahead_s",)

    def __init__(self, now_s: float) -> None:
        self._ahead_s = now_s - loop_s()

    def now_s(self) -> float:
        """Unix time, in seconds."""
        return self._ahead_s + loop_s()

    def correct(self, now_s: float) -> None:
        """The database just said what time it is."""
        self._ahead_s = max(self._ahead_s, now_s - loop_s())


@dataclass(frozen=True, slots=True)
class Identity:
    """One incarnation of one host; its epoch is what the stores fence by."""

    name: str
    epoch: int
    clock: DatabaseClock
