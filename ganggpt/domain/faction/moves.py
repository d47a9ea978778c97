"""The political turn of a faction: a move that the rules choose, or one that a model or a game server chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from annotated_types import Ge, Le
from msgspec import Struct

from ganggpt.domain.described import Senders
from ganggpt.domain.faction import politics
from ganggpt.domain.faction.draft import Draft, not_for_players, shift, strengthen
from ganggpt.domain.faction.events import BondEnded, BondMade, PoliticalTurnTaken, TerritoryClaimed
from ganggpt.domain.faction.politics import MoveName, PoliticalMove
from ganggpt.domain.faction.replies import MoveReply, OutlookReply
from ganggpt.domain.faction.state import (
    RELATIONS_MAX,
    Faction,
    bond_now,
    influence_after,
    relation_now,
    strength_now,
)
from ganggpt.domain.faction.treasury import release_overdue
from ganggpt.domain.fields import Slug, Word200
from ganggpt.domain.messages import (
    DeclareWar,
    LoseTerritory,
    OfferBond,
    OfferTrade,
    ShiftRelation,
    SufferRaid,
    TakePayment,
)
from ganggpt.domain.turn import Command, Decision, ModelRequest, Remind, Turn
from ganggpt.errors import Refused

POLITICS: Final = "politics"
"""Name of the reminder of the next political turn."""
INFLUENCE_PER_DISTRICT: Final = 3.0
RECRUIT_GAIN: Final = 6.0
MODEL_CHANCE: Final = 0.25
"""How often a model is asked for the move where there is one: about three times an hour for each faction."""
MODEL_GRACE_S: Final = 5.0
MOVE_PAUSE_S: Final = 60.0
"""The pause after a political turn in which no other move can be chosen."""

TurnNo = Annotated[int, Ge(0), Le(2**53)]


@dataclass(frozen=True, slots=True)
class TakePoliticalTurn(Command, tag="TakePoliticalTurn"):
    """Look at the others and make one move. ``plainly``: by the rules alone, without asking a model."""

    plainly: bool = False
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ListMoves(Command, tag="ListMoves"):
    """Tell which moves are legal now, what each is worth, and what a mind needs to choose one. Changes nothing."""

    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = OutlookReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "retired")


@dataclass(frozen=True, slots=True)
class MakeMove(Command, tag="MakeMove"):
    """Take the political turn with this move, if it is legal now. ``words``: what it sounds like, for screens only.

    ``for_turn``: the number of turns this choice was made for; another one by now makes it stale. Not for players.
    """

    move: MoveName
    other: Slug | None = None
    district: Slug | None = None
    words: Word200 = ""
    for_turn: TurnNo | None = None
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = MoveReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "stale", "too_soon", "illegal_move", "retired")


class MoveBrief(Struct, frozen=True, gc=False):
    """The facts from which a model chooses a move: the outlook of ``ListMoves``."""

    outlook: Mapping[str, Any]


def take_political_turn(state: Faction, command: TakePoliticalTurn, turn: Turn) -> Decision:
    """The rules choose, or now and then a model. Where the model does not answer, the reminder lets the rules
    choose."""
    if turn.has_model and not command.plainly and turn.dice.chance(MODEL_CHANCE):
        scripted = TakePoliticalTurn(plainly=True)
        request = ModelRequest(POLITICS, MoveBrief(outlook(state, turn)), scripted, turn.model_wait_s)
        later = Remind(POLITICS, turn.now_s + turn.model_wait_s + MODEL_GRACE_S, scripted)
        return Decision(reply={"asked": True}, reminders=(later,), model_requests=(request,))
    return _take(state, politics.choose(state, turn.world, turn.now_s, turn.dice), "", turn)


def make_move(state: Faction, command: MakeMove, turn: Turn) -> Decision:
    """Make a move that a model or a game server chose, if it is legal. Raises Refused."""
    not_for_players(turn)
    if command.for_turn is not None and command.for_turn != state.turns:
        raise Refused(
            "stale",
            f"the move was chosen for turn {command.for_turn}, but {state.sheet.name} has taken {state.turns} turns",
        )
    if turn.now_s - state.turned_s < MOVE_PAUSE_S and state.turns:
        raise Refused("too_soon", f"{state.sheet.name} has moved within the last {MOVE_PAUSE_S:.0f} s")
    legal = politics.legal_moves(state, turn.world, turn.now_s)
    wanted = (command.move, command.other, command.district)
    move = next((move for move in legal if (move.name, move.other, move.district) == wanted), None)
    if move is None:
        raise Refused("illegal_move", f"{shown(*wanted)} is not among the {len(legal)} legal moves; ask ListMoves")
    return _take(state, move, command.words, turn, turn.by)


def list_moves(state: Faction, _: ListMoves, turn: Turn) -> Decision:
    """The legal moves, best first, and the relations of the faction."""
    not_for_players(turn)
    return Decision(reply=outlook(state, turn))


def outlook(state: Faction, turn: Turn) -> dict[str, Any]:
    """What a mind needs to choose a move: who we are, the legal moves with their worth, relations with their causes."""
    sheet, now_s = state.sheet, turn.now_s
    legal = sorted(politics.legal_moves(state, turn.world, now_s), key=lambda move: -move.worth)
    return {
        "faction": sheet.id,
        "name": sheet.name,
        "motto": sheet.motto,
        "traits": dict(sheet.traits),
        "for_turn": state.turns,
        "treasury": state.treasury,
        "strength": round(strength_now(state, now_s)),
        "territories": sorted(state.territories),
        "moves": [
            {"move": move.name, "other": move.other, "district": move.district, "worth": round(move.worth, 3)}
            for move in legal
        ],
        "relations": [
            {
                "other": other,
                "value": round(relation_now(state, other, now_s)),
                "bond": bond_now(state, other, now_s),
                "causes": [entry.cause for entry in state.ledger if entry.other == other][-3:],
            }
            for other in sorted(state.relations)
        ],
        "last_moves": [{"move": made.move, "other": made.other} for made in state.moves[-5:]],
    }


def shown(name: str, other: str | None, district: str | None) -> str:
    """A move in words."""
    return " ".join(part for part in (name, other, district and f"in {district}") if part)


def _take(state: Faction, move: PoliticalMove, words: str, turn: Turn, by: str = "") -> Decision:
    draft = Draft(state, turn)
    income, upkeep = politics.income(state, turn.now_s), politics.upkeep(state, turn.now_s)
    cost = politics.cost_of(move.name, state.treasury + income - upkeep)
    spent = cost + upkeep
    turned = PoliticalTurnTaken(move.name, move.other, move.district, income, spent, turn.now_s, upkeep, words, by)
    draft.add(turned)
    if move.name == "expand" and move.district is not None:
        claim(draft, move.district, politics.claim_cost(state, turn.world, move.district))
    elif move.name == "recruit":
        strengthen(draft, RECRUIT_GAIN, "recruits")
    elif move.other is not None:
        _towards(draft, move, move.other, cost)
    release_overdue(draft)
    if move.name != "rest":
        body = {"faction": draft.me, "move": move.name, "other": move.other, "district": move.district}
        draft.news("faction.turn", {**body, "no": draft.state.turns, **({"words": words} if words else {})})
    reply = {"move": move.name, "other": move.other, "district": move.district, "worth": round(move.worth, 3)}
    return draft.done(reply, next_turn(turn))


_STEPS: Final = {
    "insult": (-3.0, -4, "they insulted us", "we insulted them"),
    "tribute": (1.0, 4, "they paid us tribute", "we paid them to be left alone"),
    "raid": (-4.0, 0, "", "we raided them"),
    "war": (-8.0, 0, "", "we went to war with them"),
    "betray": (-6.0, 0, "", "we broke our pact with them"),
}
"""By move: our step, the step asked of the other side, the cause in their ledger and in ours. Where no step is asked,
the message of the move makes the other side move; pacts, truces and deals move both sides when they are answered."""


def _towards(draft: Draft, move: PoliticalMove, other: str, cost: int) -> None:
    """Make a move towards another faction: our relation moves at once, theirs when the message arrives."""
    me, name, now_s = draft.me, draft.state.sheet.name, draft.turn.now_s
    strength = round(strength_now(draft.state, now_s))
    if move.name == "trade":
        draft.tell(other, OfferTrade(me, politics.TRADE_PROFIT))
    elif move.name in ("pact", "truce"):
        bond: Any = move.name
        draft.tell(other, OfferBond(me, bond, now_s + politics.PACT_S))
    elif move.name == "raid":
        draft.tell(other, SufferRaid(me, politics.RAID_LOOT_MAX, "raid", strength))
        strengthen(draft, -1.5, "a raid")
    elif move.name == "betray":
        draft.add(BondEnded(other, "pact", "we broke it", now_s))
        draft.tell(other, SufferRaid(me, politics.BETRAYAL_LOOT_MAX, "betrayal", strength))
    elif move.name == "war":
        until_s = now_s + politics.WAR_S
        draft.add(BondMade(other, "war", until_s, now_s))
        draft.tell(other, DeclareWar(me, until_s))
        draft.news("faction.war", {"a": me, "b": other, "until_s": until_s})
    elif move.name == "tribute" and cost:
        draft.tell(other, TakePayment(me, cost, f"tribute of {name}"))
    if move.name in _STEPS:
        own, theirs, told, ours = _STEPS[move.name]
        if theirs:
            draft.tell(other, ShiftRelation(me, theirs, told))
        shift(draft, other, own, ours)


def claim(draft: Draft, district: str, cost: int) -> None:
    """Claim a district and tell every faction that may have held it."""
    turn, me = draft.turn, draft.me
    influence = influence_after(draft.state, INFLUENCE_PER_DISTRICT, turn.now_s)
    draft.add(TerritoryClaimed(district, cost, influence, turn.now_s))
    others = sorted({*turn.world.factions, *draft.state.relations} - {me})[: 2 * RELATIONS_MAX]
    for other in others:
        draft.tell(other, LoseTerritory(district, me, turn.now_s))
    draft.news("faction.territory", {"district": district, "from": None, "to": me})


def next_turn(turn: Turn, share: float | None = None) -> Remind:
    """The reminder of the next political turn after a ``share`` of the interval; None: after about one interval."""
    if share is None:
        share = 1 + politics.TURN_JITTER * (2 * turn.dice.unit() - 1)
    return Remind(POLITICS, turn.now_s + politics.TURN_EVERY_S * share, TakePoliticalTurn())
