"""The faction: what it may be told, and how it decides.

It keeps what it thinks of the others and changes it in bounded steps with a cause; the other side is told by a letter
and makes up its own mind. Money between factions moves by letters too: what leaves one treasury reaches one other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from annotated_types import Len

from ganggpt.domain import politics
from ganggpt.domain.faction_state import (
    RELATIONS_MAX,
    TERRITORIES_MAX,
    Faction,
    FactionEvent,
    Founded,
    MissionImpactApplied,
    PaymentTaken,
    PoliticalTurnTaken,
    RaidSuffered,
    RelationShifted,
    TerritoryClaimed,
    TerritoryLost,
    evolve,
    influence_after,
    relation_now,
    view,
)
from ganggpt.domain.fields import Money, Name50, Percent, Signed100, Slug, Text200, Traits
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.letters import (
    ApplyMissionImpact,
    LoseTerritory,
    ShiftRelation,
    SufferRaid,
    TakePayment,
)
from ganggpt.domain.politics import Move
from ganggpt.domain.relation import ripples, stepped
from ganggpt.domain.turn import Command, Decision, Kind, Message, Push, Remind, Turn
from ganggpt.domain.words import clipped
from ganggpt.domain.world import FactionSheet
from ganggpt.errors import AlreadyExists, Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "ApplyMissionImpact",
    "ClaimTerritory",
    "Faction",
    "Found",
    "LoseTerritory",
    "ShiftRelation",
    "SufferRaid",
    "TakePayment",
    "TakePoliticalTurn",
    "decide",
    "evolve",
    "view",
]

POLITICS: Final = "politics"
"""Name of the reminder of the next political turn."""
NEWS_MIN: Final = 1.0
"""Change of a relation from which game servers hear of it."""
INFLUENCE_PER_DISTRICT: Final = 3.0
INFLUENCE_PER_STANDING: Final = 0.2
INFLUENCE_PER_RAID: Final = 0.25
RAID_SHARE: Final = 20
"""A raid takes at most this part of a treasury."""
_CAUSE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Found(Command):
    """Bring a faction into the world; the fields of its sheet. Not for players."""

    name: Name50
    kind: Name50
    motto: Text200
    home: Slug
    territories: Annotated[tuple[Slug, ...], Len(0, TERRITORIES_MAX)] = ()
    influence: Percent = 10
    treasury: Money = 0
    traits: Traits = field(default_factory=dict)
    relations: Annotated[dict[Slug, Signed100], Len(0, RELATIONS_MAX)] = field(default_factory=dict)
    creates: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ClaimTerritory(Command):
    """Take a district next to one's own ground and pay for it. Not for players."""

    district: Slug


@dataclass(frozen=True, slots=True)
class TakePoliticalTurn(Command):
    """Look at the others and make one move."""

    internal: ClassVar[bool] = True


class _Draft:
    """A decision in the making: every event is folded at once, so that the next rule sees what the last one did."""

    def __init__(self, state: Faction, turn: Turn) -> None:
        self.state = state
        self.turn = turn
        self.events: list[FactionEvent] = []
        self.messages: list[Message] = []
        self.pushes: list[Push] = []

    def add(self, event: FactionEvent) -> None:
        self.events.append(event)
        self.state = evolve(self.state, event)

    def tell(self, other: str, command: Command) -> None:
        self.messages.append(Message(ActorId(f"faction:{other}"), command))

    def news(self, type: str, body: Mapping[str, Any]) -> None:  # noqa: A002
        self.pushes.append(Push("*", type, body))

    def done(self, reply: Mapping[str, Any], *reminders: Remind) -> Decision:
        return Decision(tuple(self.events), reply, tuple(self.messages), tuple(self.pushes), reminders)


def decide(state: Faction | None, command: Command, turn: Turn) -> Decision:
    """What a faction does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    if isinstance(command, Found):
        if state is not None:
            raise AlreadyExists(turn.actor)
        return _found(command, turn)
    rule = _RULES.get(type(command))
    if rule is None:
        raise UnknownCommand("faction", type(command).__name__)
    if state is None:
        raise UnknownActor(turn.actor)
    return rule(state, command, turn)


def _found(command: Found, turn: Turn) -> Decision:
    _not_for_players(turn)
    me = name_of(turn.actor)
    for district in (command.home, *command.territories):
        _known_district(turn, district)
    for district in command.territories:
        if politics.native_holder(turn.world, district) not in (None, me):
            raise Refused("contested", f"{district} is another faction's ground; claim it after founding")
    sheet = FactionSheet(
        id=me,
        name=command.name,
        kind=command.kind,
        motto=command.motto,
        home=command.home,
        territories=tuple(command.territories),
        influence=command.influence,
        treasury=command.treasury,
        traits=dict(command.traits),
        relations={other: rest for other, rest in command.relations.items() if other != me},
    )
    return Decision(
        (Founded(sheet, turn.now_s),),
        {"founded": turn.actor},
        reminders=(_next_turn(turn, turn.dice.unit()),),
    )


def _shift_relation(state: Faction, command: ShiftRelation, turn: Turn) -> Decision:
    _not_for_players(turn)
    draft = _Draft(state, turn)
    _known_faction(state, command.other, turn)
    before = relation_now(state, command.other, turn.now_s)
    applied = _shift(draft, command.other, float(command.delta), command.cause)
    return draft.done({"from": round(before, 1), "to": round(before + applied, 1), "applied": round(applied, 2)})


def _claim_territory(state: Faction, command: ClaimTerritory, turn: Turn) -> Decision:
    _not_for_players(turn)
    district = command.district
    _known_district(turn, district)
    if district in state.territories:
        return Decision(reply={"district": district, "held": True, "cost": 0})
    if len(state.territories) >= TERRITORIES_MAX:
        raise Refused("too_many", f"{state.sheet.name} holds {TERRITORIES_MAX} districts already")
    if not politics.is_reachable(state, turn.world, district):
        raise Refused("not_adjacent", f"{district} is not next to the ground of {state.sheet.name}")
    cost = politics.claim_cost(state, turn.world, district)
    if cost > state.treasury:
        raise Refused("too_poor", f"{district} costs {cost}, and {state.sheet.name} has {state.treasury}")
    draft = _Draft(state, turn)
    _claim(draft, district, cost)
    return draft.done({"district": district, "held": True, "cost": cost})


def _apply_mission_impact(state: Faction, command: ApplyMissionImpact, turn: Turn) -> Decision:
    draft = _Draft(state, turn)
    influence = influence_after(state, command.standing * INFLUENCE_PER_STANDING, turn.now_s)
    draft.add(MissionImpactApplied(command.mission, command.player, command.standing, influence, turn.now_s))
    cause = f"a job that {name_of(command.player)} did"
    applied: dict[str, float] = {}
    for other, delta in sorted(command.frictions.items()):
        if _is_known(draft.state, other, turn):
            applied[other] = round(_shift(draft, other, float(delta), cause), 2)
    return draft.done({"influence": round(influence), "applied": applied})


def _lose_territory(state: Faction, command: LoseTerritory, turn: Turn) -> Decision:
    since_s = state.territories.get(command.district)
    me = state.sheet.id
    # The later claim holds the ground; every faction orders the claims alike, so exactly one of them keeps it.
    if since_s is None or command.to == me or (command.at_s, command.to) < (since_s, me):
        return Decision(reply={"district": command.district, "lost": False})
    draft = _Draft(state, turn)
    influence = influence_after(state, -INFLUENCE_PER_DISTRICT, turn.now_s)
    draft.add(TerritoryLost(command.district, command.to, influence, turn.now_s))
    draft.news("faction.territory", {"district": command.district, "from": me, "to": command.to})
    if _is_known(state, command.to, turn):
        _shift(draft, command.to, -15.0, f"they took {command.district} from us")
    return draft.done({"district": command.district, "lost": True})


def _suffer_raid(state: Faction, command: SufferRaid, turn: Turn) -> Decision:
    draft = _Draft(state, turn)
    dollars = min(state.treasury // RAID_SHARE, command.dollars_max)
    draft.add(
        RaidSuffered(command.raider, dollars, influence_after(state, -INFLUENCE_PER_RAID, turn.now_s), turn.now_s)
    )
    if dollars:
        draft.tell(command.raider, TakePayment(state.sheet.id, dollars, f"taken from {state.sheet.name} in a raid"))
    if _is_known(state, command.raider, turn):
        _shift(draft, command.raider, -7.0, "they raided us")
    return draft.done({"lost": dollars})


def _take_payment(state: Faction, command: TakePayment, turn: Turn) -> Decision:
    draft = _Draft(state, turn)
    draft.add(PaymentTaken(command.payer, command.dollars, command.cause, turn.now_s))
    return draft.done({"treasury": draft.state.treasury})


def _take_political_turn(state: Faction, _: TakePoliticalTurn, turn: Turn) -> Decision:
    draft = _Draft(state, turn)
    move = politics.choose(state, turn.world, turn.now_s, turn.dice)
    income = politics.income(state, turn.now_s)
    spent = {"raid": politics.RAID_COST, "tribute": politics.tribute_of(state.treasury + income)}.get(move.name, 0)
    draft.add(PoliticalTurnTaken(move.name, move.other, move.district, income, spent, turn.now_s))
    if move.name == "expand" and move.district is not None:
        _claim(draft, move.district, politics.claim_cost(state, turn.world, move.district))
    elif move.other is not None:
        _make_move(draft, move, move.other, spent)
    if move.name != "rest":
        body = {"faction": state.sheet.id, "move": move.name, "other": move.other, "district": move.district}
        draft.news("faction.turn", {**body, "no": draft.state.turns})
    return draft.done({"move": move.name, "other": move.other, "district": move.district}, _next_turn(turn))


def _make_move(draft: _Draft, move: Move, other: str, spent: int) -> None:
    """A move towards another faction: own feelings move at once, theirs when the letter arrives."""
    me, name = draft.state.sheet.id, draft.state.sheet.name
    if move.name == "raid":
        draft.tell(other, SufferRaid(me, politics.RAID_LOOT_MAX))
    elif move.name == "tribute":
        draft.tell(other, TakePayment(me, spent, f"tribute of {name}"))
    own, theirs, ours, cause = _STEPS[move.name]
    if theirs:
        draft.tell(other, ShiftRelation(me, theirs, cause))
    _shift(draft, other, own, ours)


_STEPS: Final[Mapping[str, tuple[float, int, str, str]]] = {
    "pact": (5.0, 5, "they offered us a pact", "we offered them a pact"),
    "truce": (7.0, 7, "they called for a truce", "we called for a truce"),
    "insult": (-3.0, -4, "they insulted us", "we insulted them"),
    "tribute": (2.0, 6, "they paid us tribute", "we paid them to be left alone"),
    "raid": (-4.0, 0, "", "we raided them"),
}
"""By move: own step, step asked of the other, the cause in the other's ledger and in one's own. A raid brings its own
step along."""


def _claim(draft: _Draft, district: str, cost: int) -> None:
    """Take a district and let everybody know who may have thought it theirs."""
    turn, me = draft.turn, draft.state.sheet.id
    influence = influence_after(draft.state, INFLUENCE_PER_DISTRICT, turn.now_s)
    draft.add(TerritoryClaimed(district, cost, influence, turn.now_s))
    others = sorted({*turn.world.factions, *draft.state.relations} - {me})[: 2 * RELATIONS_MAX]
    for other in others:
        draft.tell(other, LoseTerritory(district, me, turn.now_s))
    draft.news("faction.territory", {"district": district, "from": None, "to": me})


def _shift(draft: _Draft, other: str, delta: float, cause: str) -> float:
    """Move a relation and what hangs on it; returns what was applied."""
    applied = _shift_one(draft, other, delta, cause)
    them = draft.turn.world.factions.get(other)
    if them is not None:
        theirs = {third: tie for third, tie in them.relations.items() if third in draft.state.relations}
        for third, wish in ripples(applied, theirs):
            side = "friends" if them.relations[third] > 0 else "enemies"
            _shift_one(draft, third, wish, f"{side} of {them.name}: {cause}")
    return applied


def _shift_one(draft: _Draft, other: str, delta: float, cause: str) -> float:
    turn, me = draft.turn, draft.state.sheet.id
    before = relation_now(draft.state, other, turn.now_s)
    applied = stepped(before, delta) - before
    if applied == 0.0:
        return 0.0
    cause = clipped(cause, _CAUSE_MAX)
    draft.add(RelationShifted(other, applied, cause, turn.by, turn.now_s))
    if abs(applied) >= NEWS_MIN:
        after = before + applied
        body = {"a": me, "b": other, "from": round(before, 1), "to": round(after, 1), "cause": cause}
        draft.news("faction.relation", body)
    return applied


def _next_turn(turn: Turn, share: float | None = None) -> Remind:
    """The reminder of the next political turn; ``share`` of the interval, else about one whole one."""
    if share is None:
        share = 1 + politics.TURN_JITTER * (2 * turn.dice.unit() - 1)
    return Remind(POLITICS, turn.now_s + politics.TURN_EVERY_S * share, TakePoliticalTurn())


def _not_for_players(turn: Turn) -> None:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", "players move factions by what they do, not by commands")


def _known_district(turn: Turn, district: str) -> None:
    if district not in turn.world.districts:
        raise Refused("unknown_district", f"this world has no district {district!r}")


def _is_known(state: Faction, other: str, turn: Turn) -> bool:
    """Another faction there is, with room for a relation to it."""
    if other in state.relations:
        return True
    return other != state.sheet.id and other in turn.world.factions and len(state.relations) < RELATIONS_MAX


def _known_faction(state: Faction, other: str, turn: Turn) -> None:
    if other == state.sheet.id:
        raise Refused("same_faction", "a faction has no relation to itself")
    if not _is_known(state, other, turn):
        raise Refused("unknown_faction", f"{state.sheet.name} knows no faction {other!r}")


_RULES: Final[Mapping[type[Command], Callable[[Faction, Any, Turn], Decision]]] = {
    ShiftRelation: _shift_relation,
    ClaimTerritory: _claim_territory,
    ApplyMissionImpact: _apply_mission_impact,
    LoseTerritory: _lose_territory,
    SufferRaid: _suffer_raid,
    TakePayment: _take_payment,
    TakePoliticalTurn: _take_political_turn,
}

_COMMANDS: Final[tuple[type[Command], ...]] = (Found, *_RULES)

KIND: Final = Kind(
    name="faction",
    state=Faction,
    events=FactionEvent,
    commands={command.__name__: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
)
