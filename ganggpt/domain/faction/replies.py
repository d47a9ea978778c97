"""What a faction replies, and what a read of one shows."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.faction.politics import MoveName
from ganggpt.domain.mind.replies import StandingLabel
from ganggpt.domain.retirement import AbsenceShown


class FoundReply(TypedDict):
    """The faction exists."""

    founded: Annotated[str, Doc("its id")]
    returned: NotRequired[Annotated[bool, Doc("true: it was retired, and is back with all it had")]]


class FactionReviseReply(TypedDict):
    """What is different now."""

    faction: Annotated[str, Doc("its id")]
    changed: Annotated[list[str], Doc("the fields of the sheet that changed")]


class ClaimReply(TypedDict):
    """The district is the faction's."""

    district: str
    held: bool
    cost: Annotated[int, Doc("dollars; 0 where the faction held it before")]


class MoveReply(TypedDict):
    """The move that was made."""

    move: MoveName
    other: Annotated[str | None, Doc("towards which faction")]
    district: str | None
    worth: Annotated[float, Doc("what the rules think of it")]


class RelationOutlined(TypedDict):
    """A relation, for who chooses a move."""

    other: str
    value: Annotated[int, Doc("−100 to 100")]
    bond: Annotated[str | None, Doc("`pact`, `war` or null")]
    causes: Annotated[list[str], Doc("the last three")]


class LastMove(TypedDict):
    """A move made before."""

    move: str
    other: str | None


class OutlookReply(TypedDict):
    """What there is to choose from, and what to choose by."""

    faction: str
    name: str
    motto: str
    traits: dict[str, int]
    for_turn: Annotated[int, Doc("send it with `MakeMove`")]
    treasury: Annotated[int, Doc("dollars")]
    strength: Annotated[int, Doc("0 to 100")]
    territories: list[str]
    moves: Annotated[list[MoveReply], Doc("legal now, best first")]
    relations: list[RelationOutlined]
    last_moves: Annotated[list[LastMove], Doc("the last five")]


class Reserved(TypedDict):
    """Money that is set aside for a mission."""

    mission: str
    dollars: int
    player: str
    until_s: float


class RelationShown(TypedDict):
    """A relation to another faction."""

    value: float
    label: StandingLabel
    rest: Annotated[float, Doc("where it tends to by itself")]
    bond: Annotated[str | None, Doc("`pact`, `war` or null")]
    until_s: Annotated[float | None, Doc("the end of the bond")]
    cause: Annotated[str | None, Doc("why it last changed")]


class LedgerEntry(TypedDict):
    """Why a relation changed."""

    other: str
    applied: float
    cause: str
    by: str
    at_s: float


class MoveShown(TypedDict):
    """A move that was made."""

    move: str
    other: str | None
    district: str | None
    at_s: float
    words: str
    by: Annotated[str, Doc("who chose it; empty: the rules")]


class FactionView(TypedDict):
    """A faction as it is now."""

    faction: Annotated[str, Doc("its id without the kind")]
    name: str
    kind: str
    motto: str
    home: str
    traits: dict[str, int]
    influence: int
    strength: int
    treasury: Annotated[int, Doc("dollars")]
    reserved: Annotated[int, Doc("dollars set aside for missions")]
    reserves: list[Reserved]
    paid: Annotated[int, Doc("dollars for missions so far")]
    territories: list[str]
    relations: dict[str, RelationShown]
    ledger: Annotated[list[LedgerEntry], Doc("newest first")]
    turns: int
    move: Annotated[str | None, Doc("the last one")]
    moved_on: Annotated[str | None, Doc("towards whom")]
    moves: Annotated[list[MoveShown], Doc("newest first")]
    missions: Annotated[int, Doc("completed for it")]
    founded_s: float
    retired: Annotated[AbsenceShown | None, Doc("null: it is there")]
