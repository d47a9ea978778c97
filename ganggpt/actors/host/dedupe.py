"""The dedupe window of an actor: which commands it has already applied, bounded in time and in count.

A command whose id is in the window gets its first reply again. A command older than the window is refused as expired:
memory cannot tell any more whether it was applied, and the host never guesses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ganggpt.domain.ids import command_id_text, command_id_time_s
from ganggpt.errors import Expired, InvalidInput

WINDOW_S: Final = 600.0
COUNT_MAX: Final = 4096
AHEAD_S_MAX: Final = 60.0


class DedupeWindow:
    """Applied command ids with the seq of the turn each made, oldest first.

    ``floor_s``: the time of the newest id that was dropped. An id of that time or older may have been applied or not.
    """

    __slots__ = ("_seqs", "floor_s")

    def __init__(self, entries: Iterable[tuple[bytes, int]] = (), floor_s: float = 0.0) -> None:
        self._seqs = dict(entries)
        self.floor_s = floor_s

    def __len__(self) -> int:
        return len(self._seqs)

    def seq_of(self, command_id: bytes) -> int | None:
        """The turn that applied this id, or None where the window does not contain it."""
        return self._seqs.get(command_id)

    def check_age(self, command_id: bytes, now_s: float) -> None:
        """Check an id that the window does not contain. Raises Expired where it is older than the window, InvalidInput
        where its time is in the future."""
        at_s = command_id_time_s(command_id)
        if at_s <= self.floor_s or at_s < now_s - WINDOW_S:
            raise Expired(command_id_text(command_id), now_s - at_s)
        if at_s > now_s + AHEAD_S_MAX:
            raise InvalidInput("id", f"its time is {at_s - now_s:.0f} s ahead; use the server's time (now_ms)")

    def add(self, command_id: bytes, seq: int, now_s: float) -> None:
        """Add an applied id and drop the ids that no longer fit."""
        self._seqs[command_id] = seq
        self.prune(now_s)

    def prune(self, now_s: float) -> None:
        """Drop ids that are too old or too many."""
        seqs = self._seqs
        horizon_s = now_s - WINDOW_S
        while seqs:
            oldest = next(iter(seqs))
            at_s = command_id_time_s(oldest)
            if len(seqs) <= COUNT_MAX and at_s >= horizon_s:
                return
            del seqs[oldest]
            self.floor_s = max(self.floor_s, at_s)

    def entries(self) -> list[tuple[bytes, int]]:
        """The ids and turns, oldest first, for a snapshot."""
        return list(self._seqs.items())
