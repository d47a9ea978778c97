"""The companion as a read shows it: loyalty with its causes, skills, odds of each order, whether it is about to go."""

from __future__ import annotations

from typing import Any

from ganggpt.domain.companion.fate import LEAVE_AT, WARN_AT, account, betray_at, fate_of
from ganggpt.domain.companion.orders import RISKS, refusal_chance, skills_now, skills_of, still_refuses
from ganggpt.domain.companion.state import Companion, level_of, mood_now
from ganggpt.domain.mind.affect import loyalty_label, mood_label
from ganggpt.domain.mind.memory_record import shown
from ganggpt.domain.mind.turn_taking import saying


def view(state: Companion, now_s: float) -> dict[str, Any]:
    """The companion as a read shows it."""
    mood, known = mood_now(state, now_s), account(state, now_s)
    return {
        "owner": state.owner,
        "owner_name": state.owner_name,
        "name": state.name,
        "companion_type": state.companion_type,
        "personality": dict(state.personality),
        "style": state.style,
        "born_s": state.born_s,
        "experience": state.experience,
        "level": level_of(state.experience),
        "skills": [skill.name for skill in skills_now(state)],
        "skills_ahead": {
            skill.name: skill.level
            for skill in skills_of(state.companion_type)
            if skill.level > level_of(state.experience)
        },
        "loyalty": {
            "value": round(known.value, 2),
            "label": loyalty_label(known.value),
            "rest": round(known.rest, 2),
            "earlier": round(known.earlier, 3),
        },
        "mood": {"value": round(mood, 2), "label": mood_label(mood)},
        "ledger": [
            {
                "at_s": line.at_s,
                "what": line.what,
                "change": round(line.change, 3),
                "loyalty": round(line.loyalty, 2),
                "left": round(left, 3),
            }
            for line, left in known.listed
        ],
        "fate": {
            "now": fate_of(known.value, state.personality),
            "warns_under": WARN_AT,
            "leaves_under": LEAVE_AT,
            "betrays_under": round(betray_at(state.personality), 2),
            "warned_s": state.warned_s,
            "gone": state.gone or None,
            "gone_s": state.gone_s or None,
        },
        "orders": state.orders,
        "refusals": state.refusals,
        "refusal_chances": {order: round(refusal_chance(state, order, now_s), 3) for order in RISKS},
        "refuses_still": {
            order: said.reason for order, said in state.noes.items() if still_refuses(state, order, now_s)
        },
        "deeds": state.deeds,
        "saying": saying(state),
        "memories": [shown(memory, now_s) for memory in state.mind.memories],
        "let_go": state.mind.let_go,
    }
