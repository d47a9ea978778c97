"""What a read shows of an NPC."""

from __future__ import annotations

from typing import Any, Final

from ganggpt.domain import retirement
from ganggpt.domain.mind.affect import mood_label, standing_label
from ganggpt.domain.mind.memory_record import shown
from ganggpt.domain.mind.turn_taking import saying
from ganggpt.domain.npc.state import WORK_COOLDOWN_S, Npc, mood_now, standing_now

SHOWN_MAX: Final = 256
"""Memories a read shows: the newest."""


def view(state: Npc, now_s: float) -> dict[str, Any]:
    """The NPC as a read shows it."""
    sheet, mood = state.sheet, mood_now(state, now_s)
    standings = [(player, standing_now(state, player, now_s)) for player in state.standings]
    standings.sort(key=lambda item: (-item[1].value, item[0]))
    # What stood open when the last was made; older ones are kept to be told again.
    latest_s = max((offer.at_s for offer in state.work.values()), default=0.0)
    return {
        "name": sheet.name,
        "role": sheet.role,
        "home": sheet.home,
        "faction": sheet.faction,
        "traits": dict(sheet.traits),
        "style": sheet.style,
        "backstory": sheet.backstory,
        "likes": list(sheet.likes),
        "missions": list(sheet.missions),
        "aims": list(sheet.aims),
        "born_s": state.born_s,
        "retired": retirement.shown(state.absence),
        "mood": {"value": round(mood, 2), "label": mood_label(mood)},
        "standing": [
            {
                "player": player,
                "name": now.name,
                "value": round(now.value, 2),
                "label": standing_label(now.value),
                "talks": now.talks,
            }
            for player, now in standings
        ],
        "memories": [shown(memory, now_s) for memory in state.mind.memories[-SHOWN_MAX:]],
        "let_go": state.mind.let_go,
        "noticed": state.noticed,
        "saying": saying(state),
        "items": [{"name": item.name, "value": item.value, "from": item.giver} for item in state.items],
        "doing": [
            {"action": did.action, "player": did.player, "until_s": did.until_s}
            for did in state.acted
            if did.until_s > now_s
        ],
        "work": [
            {"player": player, "mission": offer.mission, "template": offer.template}
            for player, offer in state.work.items()
            if offer.at_s > latest_s - WORK_COOLDOWN_S
        ],
    }
