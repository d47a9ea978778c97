"""The dedupe window of an actor: which commands it has already applied, bounded in time and in count.

A command whose id is in the window gets its first reply again. A command older than the window is refused as expired:
memory cannot tell any more whether it was applied, and the host never guesses.

Ids are dropped in the order of their own times, whatever order they came in, and for want of room only those that are
older than the present minus a slack. So no sender can make the window expire what others have just made: where there
is no room without that, the command is refused as overloaded, and its id succeeds later.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ganggpt.domain.ids import ID_BYTES, command_id_text, command_id_time_s
from ganggpt.errors import Expired, InvalidInput, Overloaded

WINDOW_S: Final = 600.0
AHEAD_S_MAX: Final = 60.0
WAIT_S_MIN: Final = 0.25


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """``count_max``: ids beyond it are dropped once they are older than ``slack_s``. ``recent_max``: ids in all; with
    so many of the last ``slack_s`` the window is full. ``ahead_max``: ids that lie more than ``slack_s`` ahead."""

    count_max: int = 4096
    recent_max: int = 32_768
    ahead_max: int = 1024
    slack_s: float = 10.0


LIMITS: Final = WindowLimits()


class DedupeWindow:
    """Applied command ids with the seq of the turn each made.

    ``floor_s``: the time of the newest id that was dropped. An id of that time or older may have been applied or not.
    It never passes the present minus the slack.
    """

    __slots__ = ("_by_time", "_seqs", "floor_s", "limits")

    def __init__(
        self, entries: Iterable[tuple[bytes, int]] = (), floor_s: float = 0.0, limits: WindowLimits = LIMITS
    ) -> None:
        self._seqs = dict(entries)
        self._by_time = sorted(self._seqs)  # an id begins with its time
        self.floor_s = floor_s
        self.limits = limits

    def __len__(self) -> int:
        return len(self._seqs)

    def seq_of(self, command_id: bytes) -> int | None:
        """The turn that applied this id, or None where the window does not contain it."""
        return self._seqs.get(command_id)

    def check(self, command_id: bytes, now_s: float, *, derived: bool = False) -> None:
        """Check that an id that the window does not contain may be applied and remembered.

        Raises Expired where it is older than the window, InvalidInput where it is too far ahead, and Overloaded where
        there is no room for it now. A ``derived`` id comes from a clock of ours and must not be refused for good: too
        far ahead, it has to wait as well.
        """
        at_s = command_id_time_s(command_id)
        if at_s <= self.floor_s or at_s < now_s - WINDOW_S:
            raise Expired(command_id_text(command_id), now_s - at_s)
        limits = self.limits
        if at_s > now_s + limits.slack_s:
            self._check_ahead(at_s, now_s, derived)
        if len(self._seqs) >= limits.recent_max:
            self.prune(now_s)
            if len(self._seqs) >= limits.recent_max:
                oldest_s = command_id_time_s(self._by_time[0])
                what = "the number of commands this actor takes in so short a time"
                raise Overloaded(what, limits.recent_max, _wait_ms(oldest_s + limits.slack_s - now_s))

    def add(self, command_id: bytes, seq: int, now_s: float) -> None:
        """Add an applied id and drop the ids that no longer fit."""
        if command_id not in self._seqs:
            insort(self._by_time, command_id)
        self._seqs[command_id] = seq
        self.prune(now_s)

    def prune(self, now_s: float) -> None:
        """Drop ids that are too old or, as far as they are older than the slack, too many."""
        by_time, limits = self._by_time, self.limits
        surplus = len(by_time) - limits.count_max
        dropped = 0
        for command_id in by_time:
            at_s = command_id_time_s(command_id)
            if at_s >= now_s - (limits.slack_s if dropped < surplus else WINDOW_S):
                break
            del self._seqs[command_id]
            self.floor_s = max(self.floor_s, at_s)
            dropped += 1
        del by_time[:dropped]

    def entries(self) -> list[tuple[bytes, int]]:
        """The ids and turns in the order of the turns, for a snapshot."""
        return list(self._seqs.items())

    def _check_ahead(self, at_s: float, now_s: float, derived: bool) -> None:
        limits = self.limits
        too_far = at_s > now_s + AHEAD_S_MAX
        if too_far and not derived:
            raise InvalidInput("id", f"its time is {at_s - now_s:.0f} s ahead; use the server's time (now_ms)")
        present = int((now_s + limits.slack_s) * 1000).to_bytes(6, "big").ljust(ID_BYTES, b"\xff")
        if too_far or len(self._by_time) - bisect_right(self._by_time, present) >= limits.ahead_max:
            # It waits for its own time, when it needs no place among the ids that lie ahead.
            what = "the number of command ids that lie ahead of the server's time (now_ms)"
            raise Overloaded(what, limits.ahead_max, _wait_ms(at_s - limits.slack_s - now_s))


def _wait_ms(wait_s: float) -> int:
    return int(max(wait_s, WAIT_S_MIN) * 1000) + 1
