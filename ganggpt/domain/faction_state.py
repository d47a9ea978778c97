"""What a faction is, what can happen to it, and what it shows.

Every faction keeps its own side: what it thinks of the others, and which districts it holds since when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.feeling import clamped, faded, standing_label
from ganggpt.domain.relation import Entry, Relation, at_rest, explained, value_now, with_entry
from ganggpt.domain.turn import Event
from ganggpt.domain.world import FactionSheet

INFLUENCE_HALF_LIFE_S: Final = 7 * 86_400.0
TREASURY_MAX: Final = 1_000_000_000
RELATIONS_MAX: Final = 64
TERRITORIES_MAX: Final = 64


class Faction(Struct, frozen=True, gc=False, array_like=True):
    """A faction. ``territories``: when it claimed which district, 0 for what it was founded with. ``influence``
    (0..100) as it was at ``influence_s``, on its way back to the sheet's. Treasury in dollars. ``ledger``: the latest
    causes, oldest first.
    """

    sheet: FactionSheet
    founded_s: float
    territories: Mapping[str, float]
    influence: float
    influence_s: float
    treasury: int
    relations: Mapping[str, Relation]
    ledger: tuple[Entry, ...] = ()
    turns: int = 0
    turned_s: float = 0.0
    move: str = ""
    moved_on: str | None = None
    expanded_s: float = 0.0
    missions: int = 0


class Founded(Event, frozen=True):
    """A faction came into the world."""

    sheet: FactionSheet
    at_s: float


class RelationShifted(Event, frozen=True):
    """The relation to ``other`` moved by ``applied``. ``by``: who brought it about."""

    other: str
    applied: float
    cause: str
    by: str
    at_s: float


class TerritoryClaimed(Event, frozen=True):
    """A district is ours for so many dollars."""

    district: str
    dollars: int
    influence: float
    at_s: float


class TerritoryLost(Event, frozen=True):
    """A district went to another faction."""

    district: str
    to: str
    influence: float
    at_s: float


class MissionImpactApplied(Event, frozen=True):
    """A player completed a mission that concerns us."""

    mission: str
    player: str
    standing: int
    influence: float
    at_s: float


class RaidSuffered(Event, frozen=True):
    """Another faction raided us and took so many dollars."""

    raider: str
    dollars: int
    influence: float
    at_s: float


class PaymentTaken(Event, frozen=True):
    """Dollars from another faction came into the treasury."""

    payer: str
    dollars: int
    cause: str
    at_s: float


class PoliticalTurnTaken(Event, frozen=True):
    """A political turn: what was done, on whom or where, what came in since the last one and what was spent."""

    move: str
    other: str | None
    district: str | None
    income: int
    spent: int
    at_s: float


FactionEvent = (
    Founded
    | RelationShifted
    | TerritoryClaimed
    | TerritoryLost
    | MissionImpactApplied
    | RaidSuffered
    | PaymentTaken
    | PoliticalTurnTaken
)


def influence_now(state: Faction, now_s: float) -> float:
    """Influence on its way back to what the sheet gives the faction."""
    return faded(state.influence, float(state.sheet.influence), now_s - state.influence_s, INFLUENCE_HALF_LIFE_S)


def influence_after(state: Faction, change: float, now_s: float) -> float:
    """Influence after a change, 0..100: the nearer to an end, the less a change towards it does."""
    value = influence_now(state, now_s)
    room = (100.0 - value if change > 0 else value) / 50.0
    return clamped(value + change * min(1.0, room), 0.0, 100.0)


def relation_now(state: Faction, other: str, now_s: float) -> float:
    """What the faction thinks of another one now, −100..100; 0 of one it never met."""
    known = state.relations.get(other)
    return 0.0 if known is None else value_now(known, now_s)


def why(state: Faction, other: str, now_s: float) -> tuple[float, tuple[Entry, ...]]:
    """The relation to ``other`` as its causes make it, and the causes still listed, oldest first."""
    entries = tuple(entry for entry in state.ledger if entry.other == other)
    known = state.relations.get(other)
    return (0.0 if known is None else explained(known, entries, now_s)), entries


def _founded(_: Faction | None, event: Founded) -> Faction:
    sheet, at_s = event.sheet, event.at_s
    return Faction(
        sheet,
        at_s,
        dict.fromkeys(sheet.territories, 0.0),
        float(sheet.influence),
        at_s,
        sheet.treasury,
        {other: at_rest(float(rest), at_s) for other, rest in sheet.relations.items()},
        turned_s=at_s,
        expanded_s=at_s,
    )


def _relation_shifted(state: Faction, event: RelationShifted) -> Faction:
    entry = Entry(event.other, event.applied, event.cause, event.by, event.at_s)
    relations, ledger = with_entry(state.relations, state.ledger, entry)
    return replace(state, relations=relations, ledger=ledger)


def _territory_claimed(state: Faction, event: TerritoryClaimed) -> Faction:
    return replace(
        state,
        territories={**state.territories, event.district: event.at_s},
        treasury=state.treasury - event.dollars,
        influence=event.influence,
        influence_s=event.at_s,
        expanded_s=event.at_s,
    )


def _territory_lost(state: Faction, event: TerritoryLost) -> Faction:
    kept = {district: since_s for district, since_s in state.territories.items() if district != event.district}
    return replace(state, territories=kept, influence=event.influence, influence_s=event.at_s)


def _mission_impact_applied(state: Faction, event: MissionImpactApplied) -> Faction:
    return replace(state, influence=event.influence, influence_s=event.at_s, missions=state.missions + 1)


def _raid_suffered(state: Faction, event: RaidSuffered) -> Faction:
    treasury = state.treasury - event.dollars
    return replace(state, treasury=treasury, influence=event.influence, influence_s=event.at_s)


def _payment_taken(state: Faction, event: PaymentTaken) -> Faction:
    return replace(state, treasury=min(TREASURY_MAX, state.treasury + event.dollars))


def _political_turn_taken(state: Faction, event: PoliticalTurnTaken) -> Faction:
    return replace(
        state,
        treasury=min(TREASURY_MAX, state.treasury + event.income) - event.spent,
        turns=state.turns + 1,
        turned_s=event.at_s,
        move=event.move,
        moved_on=event.other,
    )


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Faction]]] = {
    Founded: _founded,
    RelationShifted: _relation_shifted,
    TerritoryClaimed: _territory_claimed,
    TerritoryLost: _territory_lost,
    MissionImpactApplied: _mission_impact_applied,
    RaidSuffered: _raid_suffered,
    PaymentTaken: _payment_taken,
    PoliticalTurnTaken: _political_turn_taken,
}


def evolve(state: Faction | None, event: FactionEvent) -> Faction:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)


def view(state: Faction, now_s: float) -> dict[str, Any]:
    """What a read shows: sheet, numbers as they are now, relations with their labels, the ledger newest first."""
    sheet = state.sheet
    return {
        "faction": sheet.id,
        "name": sheet.name,
        "kind": sheet.kind,
        "motto": sheet.motto,
        "home": sheet.home,
        "traits": dict(sheet.traits),
        "influence": round(influence_now(state, now_s)),
        "treasury": state.treasury,
        "territories": sorted(state.territories),
        "relations": {
            other: {"value": round(value, 1), "label": standing_label(value), "rest": round(relation.rest, 1)}
            for other, relation in sorted(state.relations.items())
            for value in (value_now(relation, now_s),)
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
        "missions": state.missions,
        "founded_s": state.founded_s,
    }
