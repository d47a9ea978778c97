"""What a read of a faction shows."""

from __future__ import annotations

from typing import Any

from ganggpt.domain import retirement
from ganggpt.domain.faction.relation import Relation, value_now
from ganggpt.domain.faction.state import Faction, bond_now, influence_now, strength_now
from ganggpt.domain.mind.affect import standing_label


def view(state: Faction, now_s: float) -> dict[str, Any]:
    """The sheet, the numbers as they are now, the money and what is reserved of it, relations with labels and causes,
    pacts and wars; the ledger and the last moves newest first."""
    sheet = state.sheet
    return {
        "faction": sheet.id,
        "name": sheet.name,
        "kind": sheet.kind,
        "motto": sheet.motto,
        "home": sheet.home,
        "traits": dict(sheet.traits),
        "influence": round(influence_now(state, now_s)),
        "strength": round(strength_now(state, now_s)),
        "treasury": state.treasury,
        "reserved": sum(reserve.dollars for reserve in state.reserves.values()),
        "reserves": [
            {"mission": mission, "dollars": reserve.dollars, "player": reserve.player, "until_s": reserve.until_s}
            for mission, reserve in sorted(state.reserves.items())
        ],
        "paid": state.paid,
        "territories": sorted(state.territories),
        "relations": {
            other: _relation(state, other, relation, now_s) for other, relation in sorted(state.relations.items())
        },
        "ledger": [
            {
                "other": entry.other,
                "applied": round(entry.applied, 2),
                "cause": entry.cause,
                "by": entry.by,
                "at_s": entry.at_s,
            }
            for entry in reversed(state.ledger)
        ],
        "turns": state.turns,
        "move": state.move,
        "moved_on": state.moved_on,
        "moves": [
            {
                "move": made.move,
                "other": made.other,
                "district": made.district,
                "at_s": made.at_s,
                "words": made.words,
                "by": made.by,
            }
            for made in reversed(state.moves)
        ],
        "missions": state.missions,
        "founded_s": state.founded_s,
        "retired": retirement.shown(state.absence),
    }


def _relation(state: Faction, other: str, relation: Relation, now_s: float) -> dict[str, Any]:
    """One relation: its value, where it rests, the bond, and the latest cause that is still in the ledger."""
    value = value_now(relation, now_s)
    bond = bond_now(state, other, now_s)
    return {
        "value": round(value, 1),
        "label": standing_label(value),
        "rest": round(relation.rest, 1),
        "bond": bond,
        "until_s": None if bond is None else state.bonds[other].until_s,
        "cause": next((entry.cause for entry in reversed(state.ledger) if entry.other == other), None),
    }
