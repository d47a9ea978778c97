"""What one turn writes into a mind: each memory after the other, with what had to go for it."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ganggpt.domain.mind.memory import (
    MEMORIES_MAX,
    Reinforced,
    Remembered,
    Replaced,
    fold,
    learn,
    left_by,
)
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.mind import Mind
from ganggpt.domain.turn import Event

_DAY_S: Final = 86_400.0
OVERDUE_S: Final = 60 * _DAY_S
"""How long a promise or debt is still remembered once it is due."""


class MemoryWriter:
    """Collects the events by which a turn changes a mind, and the memories it lets go of (``left``).

    The mind itself is not touched: the events are folded when the turn is done.
    """

    def __init__(self, mind: Mind, now_s: float, room: int = MEMORIES_MAX) -> None:
        self._memories = mind.memories
        self._unfolded: Remembered | Reinforced | Replaced | None = None
        self._next_no = mind.next_no
        self._now_s = now_s
        self._room = room
        self.events: list[Event] = []
        self.left: list[Memory] = []

    def fresh(self, fresh: Memory) -> int | None:
        """The same; its number where it is new, None where something held was reinforced or nothing is kept."""
        first = self._next_no
        no = self.keep(fresh)
        return no if no is not None and no >= first else None

    def keep(self, fresh: Memory) -> int | None:
        """Keep a memory, whatever number it has; returns the number under which it is kept, if it is.

        What weighs little is let go after a while: weight under 30 after 14 days, under 60 after 60 days; promises and
        debts 60 days after they are due.
        """
        self._catch_up()
        expires_s = _date_of(fresh) if fresh.expires_s is None else fresh.expires_s
        fresh = replace(fresh, no=self._next_no, expires_s=expires_s)
        event = learn(self._memories, fresh, self._now_s, self._room)
        self._unfolded = event
        if event is None:
            return None
        self.events.append(event)
        self.left += left_by(self._memories, event, self._now_s)
        if isinstance(event, Reinforced):
            return event.no
        self._next_no += 1
        return event.memory.no

    def put_in_past(self, no: int) -> None:
        """What is remembered as ``no`` is past: the memory that is kept next takes its place."""
        self._catch_up()
        self._unfolded = Replaced(no, self._next_no)
        self.events.append(self._unfolded)

    def _catch_up(self) -> None:
        if self._unfolded is not None:
            # The index stays with the mind as it is until the turn is folded.
            self._memories = fold(self._memories, self._unfolded, None)
            self._unfolded = None


def _date_of(fresh: Memory) -> float | None:
    if fresh.due_s is not None:
        return fresh.due_s + OVERDUE_S
    if fresh.weight >= 60 or fresh.kind == "identity":
        return None
    return fresh.created_s + (14 if fresh.weight < 30 else 60) * _DAY_S
