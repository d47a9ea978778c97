"""The identity of an incarnation: the name of its host, its epoch and its clock."""

from __future__ import annotations

from dataclasses import dataclass

from ganggpt.actors.clock import loop_s


class DatabaseClock:
    """Unix time of the database, carried on by the monotonic clock of this machine. It never runs backwards."""

    __slots__ = ("_ahead_s",)

    def __init__(self, now_s: float) -> None:
        self._ahead_s = now_s - loop_s()

    def now_s(self) -> float:
        """Unix time, in seconds."""
        return self._ahead_s + loop_s()

    def correct(self, now_s: float) -> None:
        """Follow the database, which has just reported this time."""
        self._ahead_s = max(self._ahead_s, now_s - loop_s())


@dataclass(frozen=True, slots=True)
class Identity:
    """One incarnation of a host. The stores fence by its epoch."""

    name: str
    epoch: int
    clock: DatabaseClock
