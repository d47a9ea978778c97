"""How a faction comes into the world, changes, leaves it and comes back; what it still does while it is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from annotated_types import Len
from msgspec.structs import replace

from ganggpt.domain import retirement
from ganggpt.domain.described import Senders
from ganggpt.domain.faction import politics
from ganggpt.domain.faction.draft import Draft, not_for_players
from ganggpt.domain.faction.events import Founded, Returned, Revised
from ganggpt.domain.faction.moves import POLITICS, TakePoliticalTurn, next_turn
from ganggpt.domain.faction.replies import FactionReviseReply, FoundReply
from ganggpt.domain.faction.state import RELATIONS_MAX, TERRITORIES_MAX, Faction
from ganggpt.domain.fields import Money, Name50, Percent, Signed100, Slug, Text200
from ganggpt.domain.ids import WORLD, name_of
from ganggpt.domain.messages import (
    AnswerBond,
    DeclareWar,
    FundMission,
    HearOfDeed,
    OfferBond,
    OfferTrade,
    SettleTrade,
    ShiftRelation,
    ShowSides,
    SufferRaid,
    TakeFunding,
)
from ganggpt.domain.retirement import Retire, Retired
from ganggpt.domain.sheets import (
    FactionKind,
    FactionTraits,
    SomeFactionTraits,
    as_numbers,
    faction_problems,
    known_in,
    refuse_first,
)
from ganggpt.domain.turn import Command, Decision, Forget, Turn
from ganggpt.domain.world import FactionSheet
from ganggpt.errors import AlreadyExists, Refused

Relations = Annotated[dict[Slug, Signed100], Len(0, RELATIONS_MAX)]


@dataclass(frozen=True, slots=True)
class Found(Command, tag="Found"):
    """Bring a faction into the world, or a retired one back to it; the fields of its sheet. By a server.

    The sheet is checked like one of a world file: districts and factions it names must exist.
    """

    name: Name50
    kind: FactionKind
    motto: Text200
    home: Slug
    traits: FactionTraits
    territories: Annotated[tuple[Slug, ...], Len(0, TERRITORIES_MAX)] = ()
    influence: Percent = 10
    treasury: Money = 0
    relations: Relations = field(default_factory=dict)
    creates: ClassVar[bool] = True
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = FoundReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "contested")


@dataclass(frozen=True, slots=True)
class Revise(Command, tag="Revise"):
    """Change the sheet of a faction; what is not given stays, and so do its ground, its ledger and its money. By a
    server.

    ``influence``, ``treasury`` and ``relations`` are where the living values return to in time. ``traits`` and
    ``relations``: those that change.
    """

    name: Name50 | None = None
    kind: FactionKind | None = None
    motto: Text200 | None = None
    home: Slug | None = None
    influence: Percent | None = None
    treasury: Money | None = None
    traits: SomeFactionTraits | None = None
    relations: Relations | None = None
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = FactionReviseReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed",)


WANTED_OF_IT: Final = frozenset({"ListMoves", "MakeMove", "ShiftRelation", "ClaimTerritory"})
"""What game servers want of a faction that is there."""
_UNHEARD: Final = (TakePoliticalTurn, SufferRaid, DeclareWar, AnswerBond, HearOfDeed, ShiftRelation, ShowSides)
"""What others do to it, and its own turn: nothing happens while it is away."""


def found(state: Faction | None, command: Found, turn: Turn) -> Decision:
    """Come into the world, or back to it. Raises AlreadyExists, InvalidInput, Refused."""
    not_for_players(turn)
    if state is not None and state.absence is None:
        if turn.by == WORLD:  # its cast brought it to life a moment ago, from the same files
            return Decision(reply={"founded": turn.actor})
        raise AlreadyExists(turn.actor)
    me = name_of(turn.actor)
    sheet = FactionSheet(
        id=me,
        name=command.name,
        kind=command.kind,
        motto=command.motto,
        home=command.home,
        territories=tuple(command.territories),
        influence=command.influence,
        treasury=command.treasury,
        traits=as_numbers(command.traits),
        relations=dict(command.relations),
    )
    _check(sheet, turn)
    for district in command.territories:
        if politics.native_holder(turn.world, district) not in (None, me):
            raise Refused("contested", f"{district} is another faction's ground; claim it after founding")
    reply = {"founded": turn.actor}
    first = next_turn(turn, turn.dice.unit())
    if state is None:
        return Decision((Founded(sheet, turn.now_s),), reply, reminders=(first,))
    draft = Draft(state, turn)
    draft.add(Returned(sheet, turn.now_s))
    draft.news("faction.returned", {"faction": me, "name": sheet.name})
    return draft.done({**reply, "returned": True}, first)


def revise(state: Faction, command: Revise, turn: Turn) -> Decision:
    """Change the sheet; what is said to be as it is already changes nothing. Raises InvalidInput, Refused."""
    not_for_players(turn)
    sheet = _revised(state.sheet, command)
    changed = [name for name in FactionSheet.__struct_fields__ if getattr(sheet, name) != getattr(state.sheet, name)]
    reply = {"faction": turn.actor, "changed": changed}
    if not changed:
        return Decision(reply=reply)
    _check(sheet, turn)
    draft = Draft(state, turn)
    draft.add(Revised(sheet, turn.now_s))
    draft.news("faction.revised", {"faction": draft.me, "name": sheet.name, "changed": changed})
    return draft.done(reply)


def retire(state: Faction, command: Retire, turn: Turn) -> Decision:
    """Leave the world: its ground is free, its pacts and wars are over, and it takes no more political turns. Rewards
    it keeps for missions that go on are still paid. Raises Refused."""
    not_for_players(turn)
    if state.absence is not None:
        return Decision(reply={"retired": turn.actor, "since_s": state.absence.since_s})
    draft = Draft(state, turn)
    draft.add(Retired(command.reason, turn.now_s))
    draft.news("faction.retired", {"faction": draft.me, "name": state.sheet.name, "reason": command.reason})
    return draft.done({"retired": turn.actor, "since_s": turn.now_s}, Forget(POLITICS))


def never_there(command: Command, turn: Turn) -> Decision | None:
    """The answer where a faction that the world files no longer name never came to life; None for everybody else."""
    is_removal = isinstance(command, Retire) and turn.by == WORLD
    return Decision(reply={"retired": None, "since_s": None}) if is_removal else None


def while_away(state: Faction, command: Command, turn: Turn) -> Decision | None:
    """The answer of a retired faction; None where it answers as always. Raises Refused where people want something.
    Offers are turned down, and no mission is funded."""
    if state.absence is None:
        return None
    draft = Draft(state, turn)
    match command:
        case _ if command.tag in WANTED_OF_IT and not turn.by.startswith("faction:"):
            raise retirement.refusal(state.sheet.name, state.absence)
        case OfferBond():
            draft.tell(command.other, AnswerBond(draft.me, command.wish, command.until_s, accepted=False))
        case OfferTrade():
            draft.tell(command.other, SettleTrade(draft.me, 0))
        case FundMission():
            draft.send(command.mission, TakeFunding(0))
        case _ if not isinstance(command, _UNHEARD):
            return None
    return draft.done({"retired": True})


def _revised(sheet: FactionSheet, command: Revise) -> FactionSheet:
    given: dict[str, Any] = {
        name: value
        for name in ("name", "kind", "motto", "home", "influence", "treasury")
        if (value := getattr(command, name)) is not None
    }
    merged: Mapping[str, Any] = {"traits": command.traits, "relations": command.relations}
    given |= {name: {**getattr(sheet, name), **some} for name, some in merged.items() if some is not None}
    return replace(sheet, **given)


def _check(sheet: FactionSheet, turn: Turn) -> None:
    """Check a sheet against the world. One of a world file was checked when it was loaded."""
    if turn.by != WORLD:
        refuse_first(faction_problems(sheet, known_in(turn.world)))
