"""The state of a faction, and how events change it.

Every faction keeps its own side: its relations to the others, its pacts and wars, and since when it holds which
district. Whatever fades or ends with time does so in closed form, so it does not matter how often it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.faction.events import (
    BondEnded,
    BondKind,
    BondMade,
    DeedHeard,
    FactionEvent,
    Founded,
    MissionImpactApplied,
    PaymentTaken,
    PoliticalTurnTaken,
    RaidSuffered,
    RelationShifted,
    Returned,
    Revised,
    RewardPaid,
    RewardReleased,
    RewardReserved,
    StrengthChanged,
    TerritoryClaimed,
    TerritoryLost,
    TradeMade,
)
from ganggpt.domain.faction.relation import Entry, Relation, at_rest, value_now, with_entry, with_rest
from ganggpt.domain.mind.affect import drained, faded
from ganggpt.domain.numbers import clamped
from ganggpt.domain.retirement import Absence, Retired
from ganggpt.domain.turn import Event
from ganggpt.domain.world import FactionSheet

__all__ = [
    "FactionEvent",
    "RelationShifted",
]

INFLUENCE_HALF_LIFE_S: Final = 7 * 86_400.0
STRENGTH_HALF_LIFE_S: Final = 2 * 86_400.0
STRENGTH_REST: Final = 50.0
TREASURY_MAX: Final = 1_000_000_000
RELATIONS_MAX: Final = 64
TERRITORIES_MAX: Final = 64
MOVES_MAX: Final = 16
RESERVES_MAX: Final = 256
TALKED_OF_MAX: Final = 256
DEEDS_KNOWN_MAX: Final = 64
_ASKING: Final = frozenset(("trade", "pact", "truce", "tribute"))
"""Moves that offer something to the other side."""


class Bond(Struct, frozen=True, gc=False, array_like=True):
    """A pact or a war with one other faction, as this side sees it, until ``until_s``."""

    kind: BondKind
    since_s: float
    until_s: float


class MoveMade(Struct, frozen=True, gc=False, array_like=True):
    """One political move of the past. ``words``: what it sounded like; ``by``: who chose it, "" for the rules."""

    move: str
    other: str | None
    district: str | None
    at_s: float
    words: str = ""
    by: str = ""


class Reserve(Struct, frozen=True, gc=False, array_like=True):
    """Dollars kept for the reward of a mission, at the latest until ``until_s``."""

    dollars: int
    player: str
    until_s: float


class TalkedOf(Struct, frozen=True, gc=False, array_like=True):
    """How much of the day's allowance of rumours about a player was used up as of ``at_s``."""

    sway: float
    at_s: float


class Faction(Struct, frozen=True, gc=False, array_like=True):
    """A faction. ``territories``: when it claimed which district, 0 for what it was founded with. ``influence`` and
    ``strength`` (0..100) as they were at their times, on their way back to rest. Treasury in dollars, without what is
    in ``reserves`` (by mission). ``ledger``: the latest causes, ``moves``: the latest moves, oldest first. ``bonds``,
    ``traded`` (when there was a deal last) and ``asked`` (when we last offered something) by faction. ``talk_of``:
    rumours by player; ``deeds``: ids of those heard of lately. ``absence``: not None while it is retired.
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
    strength: float = STRENGTH_REST
    strength_s: float = 0.0
    bonds: Mapping[str, Bond] = {}
    moves: tuple[MoveMade, ...] = ()
    traded: Mapping[str, float] = {}
    reserves: Mapping[str, Reserve] = {}
    talk_of: Mapping[str, TalkedOf] = {}
    deeds: tuple[str, ...] = ()
    paid: int = 0
    asked: Mapping[str, float] = {}
    absence: Absence | None = None


def influence_now(state: Faction, now_s: float) -> float:
    """Influence on its way back to what the sheet gives the faction."""
    return faded(state.influence, float(state.sheet.influence), now_s - state.influence_s, INFLUENCE_HALF_LIFE_S)


def influence_after(state: Faction, change: float, now_s: float) -> float:
    """Influence after a change, 0..100; the nearer to an end, the smaller the effect of a change towards it."""
    return _nudged(influence_now(state, now_s), change)


def strength_now(state: Faction, now_s: float) -> float:
    """Fighting strength on its way back to STRENGTH_REST."""
    return faded(state.strength, STRENGTH_REST, now_s - state.strength_s, STRENGTH_HALF_LIFE_S)


def strength_after(state: Faction, change: float, now_s: float) -> float:
    """Strength after a change, 0..100; the nearer to an end, the smaller the effect of a change towards it."""
    return _nudged(strength_now(state, now_s), change)


def _nudged(value: float, change: float) -> float:
    room = (100.0 - value if change > 0 else value) / 50.0
    return clamped(value + change * min(1.0, room), 0.0, 100.0)


def relation_now(state: Faction, other: str, now_s: float) -> float:
    """The relation to another faction now, −100..100; 0 to one it never met."""
    known = state.relations.get(other)
    return 0.0 if known is None else value_now(known, now_s)


def bond_now(state: Faction, other: str, now_s: float) -> BondKind | None:
    """The pact or war with another faction that is in force now."""
    bond = state.bonds.get(other)
    return None if bond is None or bond.until_s <= now_s else bond.kind


def wars_now(state: Faction, now_s: float) -> list[str]:
    """The factions it is at war with now, by name."""
    return sorted(other for other in state.bonds if bond_now(state, other, now_s) == "war")


def sway_now(state: Faction, player: str, now_s: float) -> float:
    """How much of the day's allowance of rumours about a player is used up now."""
    known = state.talk_of.get(player)
    return 0.0 if known is None else drained(known.sway, now_s - known.at_s)


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
        strength_s=at_s,
    )


def _revised(state: Faction, event: Revised) -> Faction:
    now_s, sheet = event.at_s, event.sheet
    relations = dict(state.relations)
    for other, rest in sheet.relations.items():
        known = relations.get(other)
        if known is not None:
            relations[other] = with_rest(known, float(rest), now_s)
        elif len(relations) < RELATIONS_MAX:
            relations[other] = at_rest(float(rest), now_s)
    return replace(state, sheet=sheet, influence=influence_now(state, now_s), influence_s=now_s, relations=relations)


def _returned(state: Faction, event: Returned) -> Faction:
    after = _revised(state, Revised(event.sheet, event.at_s))
    territories = dict.fromkeys(event.sheet.territories, event.at_s)
    return replace(after, territories=territories, turned_s=event.at_s, expanded_s=event.at_s, absence=None)


def _retired(state: Faction, event: Retired) -> Faction:
    absence = Absence(event.at_s, event.reason)
    return replace(state, territories={}, bonds={}, move="", moved_on=None, absence=absence)


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
    after = replace(state, treasury=state.treasury - event.dollars, influence=event.influence, influence_s=event.at_s)
    return after if event.strength is None else replace(after, strength=event.strength, strength_s=event.at_s)


def _payment_taken(state: Faction, event: PaymentTaken) -> Faction:
    return replace(state, treasury=_filled(state.treasury + event.dollars))


def _political_turn_taken(state: Faction, event: PoliticalTurnTaken) -> Faction:
    asked = state.asked
    if event.move in _ASKING and event.other is not None:
        asked = {**asked, event.other: event.at_s}
    made = MoveMade(event.move, event.other, event.district, event.at_s, event.words, event.by)
    return replace(
        state,
        treasury=_filled(state.treasury + event.income) - event.spent,
        turns=state.turns + 1,
        turned_s=event.at_s,
        move=event.move,
        moved_on=event.other,
        asked=asked,
        moves=state.moves if event.move == "rest" else (*state.moves, made)[-MOVES_MAX:],
    )


def _strength_changed(state: Faction, event: StrengthChanged) -> Faction:
    return replace(state, strength=event.strength, strength_s=event.at_s)


def _bond_made(state: Faction, event: BondMade) -> Faction:
    held = {other: bond for other, bond in state.bonds.items() if bond.until_s > event.at_s}
    return replace(state, bonds={**held, event.other: Bond(event.kind, event.at_s, event.until_s)})


def _bond_ended(state: Faction, event: BondEnded) -> Faction:
    return replace(state, bonds={other: bond for other, bond in state.bonds.items() if other != event.other})


def _trade_made(state: Faction, event: TradeMade) -> Faction:
    treasury = _filled(state.treasury + event.dollars)
    return replace(state, treasury=treasury, traded={**state.traded, event.other: event.at_s})


def _reward_reserved(state: Faction, event: RewardReserved) -> Faction:
    reserve = Reserve(event.dollars, event.player, event.until_s)
    reserves = {**state.reserves, event.mission: reserve}
    return replace(state, treasury=state.treasury - event.dollars, reserves=reserves)


def _reward_paid(state: Faction, event: RewardPaid) -> Faction:
    treasury = _filled(state.treasury + event.reserved - event.dollars)
    return replace(
        state, treasury=treasury, reserves=_without(state.reserves, event.mission), paid=state.paid + event.dollars
    )


def _reward_released(state: Faction, event: RewardReleased) -> Faction:
    treasury = _filled(state.treasury + event.dollars)
    return replace(state, treasury=treasury, reserves=_without(state.reserves, event.mission))


def _deed_heard(state: Faction, event: DeedHeard) -> Faction:
    talk_of = {player: talk for player, talk in state.talk_of.items() if player != event.player}
    talk_of[event.player] = TalkedOf(event.sway, event.at_s)
    if len(talk_of) > TALKED_OF_MAX:
        del talk_of[next(iter(talk_of))]
    return replace(state, talk_of=talk_of, deeds=(*state.deeds, event.deed)[-DEEDS_KNOWN_MAX:])


def _player_forgotten(state: Faction, event: PlayerForgotten) -> Faction:
    """The ledger keeps the effect of the player's deeds on relations without their name, so that it still adds up."""
    subject = erasure.subject_of(event)
    ledger = tuple(erasure.rewritten(entry, subject, blank=False) for entry in state.ledger)
    return erasure.fold(replace(state, ledger=ledger), event)


def _without(reserves: Mapping[str, Reserve], mission: str) -> dict[str, Reserve]:
    return {other: reserve for other, reserve in reserves.items() if other != mission}


def _filled(treasury: int) -> int:
    return min(TREASURY_MAX, treasury)


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Faction]]] = {
    Founded: _founded,
    RelationShifted: _relation_shifted,
    TerritoryClaimed: _territory_claimed,
    TerritoryLost: _territory_lost,
    MissionImpactApplied: _mission_impact_applied,
    RaidSuffered: _raid_suffered,
    PaymentTaken: _payment_taken,
    PoliticalTurnTaken: _political_turn_taken,
    StrengthChanged: _strength_changed,
    BondMade: _bond_made,
    BondEnded: _bond_ended,
    TradeMade: _trade_made,
    RewardReserved: _reward_reserved,
    RewardPaid: _reward_paid,
    RewardReleased: _reward_released,
    DeedHeard: _deed_heard,
    PlayerForgotten: _player_forgotten,
    Returned: _returned,
    Revised: _revised,
    Retired: _retired,
}


def evolve(state: Faction | None, event: FactionEvent) -> Faction:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)
