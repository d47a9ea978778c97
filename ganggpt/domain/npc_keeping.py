"""How an NPC keeps a fresh memory."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ganggpt.domain.memory import Memory, Remembered, learn
from ganggpt.domain.npc_state import Npc
from ganggpt.domain.turn import Event

_DAY_S: Final = 86_400.0


def keep(events: list[Event], state: Npc, fresh: Memory) -> int | None:
    """Add what becomes of a fresh memory to the events; returns the number under which it is kept, if it is.

    What weighs little is let go after a while: weight under 30 after 14 days, under 60 after 60 days.
    """
    if fresh.expires_s is None and fresh.weight < 60:
        fresh = replace(fresh, expires_s=fresh.created_s + (14 if fresh.weight < 30 else 60) * _DAY_S)
    event = learn(state.memories, fresh, fresh.created_s)
    if event is None:
        return None
    events.append(event)
    return event.memory.no if isinstance(event, Remembered) else event.no
