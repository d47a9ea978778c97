"""The faction: the commands it takes and its rules.

It keeps its own relations to the others and changes them in bounded steps with a cause; the other side is told by a
message and decides for itself. Money between factions moves by messages too: what leaves one treasury reaches another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ganggpt.domain import retirement
from ganggpt.domain.described import Senders
from ganggpt.domain.erasure import ForgetPlayer
from ganggpt.domain.faction import diplomacy, life, politics
from ganggpt.domain.faction.draft import Draft, is_known, not_for_players, shift
from ganggpt.domain.faction.events import FactionEvent
from ganggpt.domain.faction.life import Found, Revise
from ganggpt.domain.faction.moves import (
    ListMoves,
    MakeMove,
    TakePoliticalTurn,
    claim,
    list_moves,
    make_move,
    take_political_turn,
)
from ganggpt.domain.faction.replies import ClaimReply, FactionView
from ganggpt.domain.faction.state import TERRITORIES_MAX, Faction, evolve, relation_now
from ganggpt.domain.faction.treasury import forget_player, fund_mission, pay_reward, release_reward
from ganggpt.domain.faction.view import view
from ganggpt.domain.fields import Slug
from ganggpt.domain.messages import (
    AnswerBond,
    ApplyMissionImpact,
    DeclareWar,
    FundMission,
    HearOfDeed,
    LoseTerritory,
    OfferBond,
    OfferTrade,
    PayReward,
    ReleaseReward,
    SettleTrade,
    ShiftRelation,
    ShowSides,
    SufferRaid,
    TakePayment,
)
from ganggpt.domain.retirement import Retire
from ganggpt.domain.turn import Command, Decision, Kind, Turn
from ganggpt.errors import Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "ApplyMissionImpact",
    "ClaimTerritory",
    "Faction",
    "Found",
    "ListMoves",
    "LoseTerritory",
    "MakeMove",
    "Revise",
    "ShiftRelation",
    "SufferRaid",
    "TakePayment",
    "TakePoliticalTurn",
    "decide",
    "evolve",
    "view",
]


@dataclass(frozen=True, slots=True)
class ClaimTerritory(Command, tag="ClaimTerritory"):
    """Take a district next to one's own ground and pay for it. Not for players."""

    district: Slug
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = ClaimReply
    refuses: ClassVar[tuple[str, ...]] = (
        "not_allowed",
        "unknown_district",
        "too_many",
        "not_adjacent",
        "too_poor",
        "retired",
    )


def decide(state: Faction | None, command: Command, turn: Turn) -> Decision:
    """The decision on a command to a faction. Raises UnknownActor, UnknownCommand, AlreadyExists, InvalidInput,
    Refused."""
    if isinstance(command, Found):
        return life.found(state, command, turn)
    rule = _RULES.get(type(command))
    if rule is None:
        raise UnknownCommand("faction", command.tag)
    if state is None:
        absent = life.never_there(command, turn)
        if absent is None:
            raise UnknownActor(turn.actor)
        return absent
    if state.absence is not None and isinstance(command, ClaimTerritory):
        raise retirement.refusal(state.sheet.name, state.absence)
    away = life.while_away(state, command, turn)
    return rule(state, command, turn) if away is None else away


def _shift_relation(state: Faction, command: ShiftRelation, turn: Turn) -> Decision:
    not_for_players(turn)
    draft = Draft(state, turn)
    _known_faction(state, command.other, turn)
    before = relation_now(state, command.other, turn.now_s)
    applied = shift(draft, command.other, float(command.delta), command.cause)
    return draft.done({"from": round(before, 1), "to": round(before + applied, 1), "applied": round(applied, 2)})


def _claim_territory(state: Faction, command: ClaimTerritory, turn: Turn) -> Decision:
    not_for_players(turn)
    district = command.district
    _known_district(turn, district)
    if district in state.territories:
        return Decision(reply={"district": district, "held": True, "cost": 0})
    if len(state.territories) >= TERRITORIES_MAX:
        raise Refused("too_many", f"{state.sheet.name} already holds {TERRITORIES_MAX} districts")
    if not politics.is_reachable(state, turn.world, district):
        raise Refused("not_adjacent", f"{district} is not next to the ground of {state.sheet.name}")
    cost = politics.claim_cost(state, turn.world, district)
    if cost > state.treasury:
        raise Refused("too_poor", f"{district} costs {cost}, and {state.sheet.name} has {state.treasury}")
    draft = Draft(state, turn)
    claim(draft, district, cost)
    return draft.done({"district": district, "held": True, "cost": cost})


def _known_district(turn: Turn, district: str) -> None:
    if district not in turn.world.districts:
        raise Refused("unknown_district", f"this world has no district {district!r}")


def _known_faction(state: Faction, other: str, turn: Turn) -> None:
    if other == state.sheet.id:
        raise Refused("same_faction", "a faction has no relation to itself")
    if not is_known(state, other, turn):
        raise Refused("unknown_faction", f"{state.sheet.name} knows no faction {other!r}")


_RULES: Final[Mapping[type[Command], Callable[[Faction, Any, Turn], Decision]]] = {
    ForgetPlayer: forget_player,
    ShiftRelation: _shift_relation,
    ClaimTerritory: _claim_territory,
    ListMoves: list_moves,
    MakeMove: make_move,
    TakePoliticalTurn: take_political_turn,
    ApplyMissionImpact: diplomacy.apply_mission_impact,
    LoseTerritory: diplomacy.lose_territory,
    SufferRaid: diplomacy.suffer_raid,
    TakePayment: diplomacy.take_payment,
    DeclareWar: diplomacy.declare_war,
    OfferBond: diplomacy.offer_bond,
    AnswerBond: diplomacy.answer_bond,
    OfferTrade: diplomacy.offer_trade,
    SettleTrade: diplomacy.settle_trade,
    HearOfDeed: diplomacy.hear_of_deed,
    ShowSides: diplomacy.show_sides,
    FundMission: fund_mission,
    PayReward: pay_reward,
    ReleaseReward: release_reward,
    Revise: life.revise,
    Retire: life.retire,
}

_COMMANDS: Final[tuple[type[Command], ...]] = (Found, *_RULES)

KIND: Final = Kind(
    name="faction",
    state=Faction,
    events=FactionEvent,
    commands={command.tag: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
    shows=FactionView,
)
