"""The commands that actors of different kinds send each other, in one place so that no kind has to import another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
)

from annotated_types import Ge, Le, Len
from typing_extensions import TypedDict

from ganggpt.domain.described import Doc, Senders
from ganggpt.domain.fields import (
    DeedId,
    MissionRef,
    Money,
    Name50,
    Name100,
    NpcRef,
    Percent,
    PlayerRef,
    Signed100,
    Slug,
    Slugs16,
    Step20,
    Text200,
    UnixSeconds,
    Word50,
)
from ganggpt.domain.mission_design.deeds import Deed, Deeds16, Wants8
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Command
from ganggpt.domain.world import DeedVerb, MissionTemplate

__all__ = [
    "Abandon",
    "AbandonReply",
    "AnswerBond",
    "ApplyMissionImpact",
    "DeclareWar",
    "EndMission",
    "FundMission",
    "HearOfDeed",
    "HearOfMissionFunds",
    "HearOfRecord",
    "HearOfSides",
    "LosePerson",
    "LoseTerritory",
    "MissionOutcome",
    "NeedPerson",
    "Notify",
    "Offer",
    "OfferBond",
    "OfferTrade",
    "Origin",
    "PayReward",
    "Progress",
    "ReleaseReward",
    "SettleTrade",
    "ShiftRelation",
    "ShiftReply",
    "ShiftStanding",
    "ShowRecord",
    "ShowSides",
    "SufferRaid",
    "TakeFunding",
    "TakeMission",
    "TakePayment",
    "Witness",
]

MissionOutcome = Literal["completed", "failed", "expired"]
Origin = Literal["template", "grammar", "model", "server"]
"""Where a mission came from: the world file, the grammar, a model's proposal, or a game server's."""
BondOffer = Literal["pact", "truce"]
RaidKind = Literal["raid", "betrayal"]
DeedWeight = Annotated[int, Ge(1), Le(10)]
Hops = Annotated[int, Ge(0), Le(3)]
Difficulty0 = Annotated[int, Ge(0), Le(10)]
Lines16 = Annotated[tuple[Text200, ...], Len(0, 16)]
Frictions = Annotated[dict[Slug, Step20], Len(0, 16)]


class AbandonReply(TypedDict):
    """The mission is over."""

    status: Literal["failed"]
    reason: Annotated[Literal["declined", "abandoned"], Doc("`declined`: it was only offered")]


ShiftReply = TypedDict(
    "ShiftReply",
    {
        "from": Annotated[float, Doc("the relation before, −100 to 100")],
        "to": Annotated[float, Doc("and after")],
        "applied": Annotated[float, Doc("what of the wish counted: the further from 0, the less")],
    },
)


@dataclass(frozen=True, slots=True)
class Offer(Command, tag="Offer"):
    """To a mission: come to life from a template of the world, offered by an NPC to a player.

    ``sheet``: the compiled mission itself, where it is not one of the world's. ``payer``: the faction whose treasury
    the reward comes from; None: the giver's own pocket. ``why``: what explains the mission, line by line.
    """

    template: Slug
    giver: NpcRef
    player: PlayerRef
    sheet: MissionTemplate | None = None
    origin: Origin = "template"
    payer: Slug | None = None
    why: Lines16 = ()
    creates: ClassVar[bool] = True
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Progress(Command, tag="Progress"):
    """To a mission: its player did these things."""

    deeds: Deeds16
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TakeFunding(Command, tag="TakeFunding"):
    """To a mission: its payer keeps so many dollars for the reward; 0: it cannot pay, and the mission is off."""

    dollars: Money
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Abandon(Command, tag="Abandon"):
    """To a mission: its player gives it up, or says no to the offer."""

    senders: ClassVar[Senders] = Senders.ITS_PLAYER
    reply: ClassVar[Any] = AbandonReply
    refuses: ClassVar[tuple[str, ...]] = ("not_yours", "over")


@dataclass(frozen=True, slots=True)
class LosePerson(Command, tag="LosePerson"):
    """To a mission: the NPC who sends this has left the world. What cannot be done without them is called off."""

    name: Name100
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class NeedPerson(Command, tag="NeedPerson"):
    """To an NPC: the mission that sends this was taken and cannot be done without you, until ``until_s``. It wants to
    know if you leave the world before, or have left it."""

    until_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TakeMission(Command, tag="TakeMission"):
    """To a player: this mission is yours now, and these are the deeds it waits for."""

    mission: MissionRef
    title: Name100
    wants: Wants8
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class EndMission(Command, tag="EndMission"):
    """To a player: the mission is over. ``reward`` in dollars, 0 unless completed. ``difficulty`` 1..10 where the end
    says something about the player's skill, else 0."""

    mission: MissionRef
    outcome: MissionOutcome
    reward: Money = 0
    difficulty: Difficulty0 = 0
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShiftStanding(Command, tag="ShiftStanding"):
    """To a player: a faction thinks better or worse of you."""

    faction: Slug
    delta: Step20
    cause: Text200
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShowRecord(Command, tag="ShowRecord"):
    """To a player: tell the NPC who asks how good you are at jobs."""

    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Notify(Command, tag="Notify"):
    """To a player: show this on the game server you are on, if you are on one."""

    type: Name50
    body: Mapping[str, Any]
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShiftRelation(Command, tag="ShiftRelation"):
    """To a faction: you think better or worse of another one. ``cause`` is kept in the ledger."""

    other: Slug
    delta: Signed100
    cause: Text200
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = ShiftReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "same_faction", "unknown_faction", "retired")


@dataclass(frozen=True, slots=True)
class ApplyMissionImpact(Command, tag="ApplyMissionImpact"):
    """To a faction: a mission that concerns you was completed.

    ``standing``: what it did to the player's standing with you; ``frictions``: how it moves your relations.
    """

    mission: MissionRef
    player: PlayerRef
    standing: Step20
    frictions: Frictions
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class LoseTerritory(Command, tag="LoseTerritory"):
    """To a faction: the faction ``to`` claimed a district at ``at_s``; later claims win everywhere alike."""

    district: Slug
    to: Slug
    at_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SufferRaid(Command, tag="SufferRaid"):
    """To a faction: another one raids or betrays you for at most this many dollars. What is lost goes to the raider.
    ``strength``: the raider's; the stronger side takes more."""

    raider: Slug
    dollars_max: Money
    kind: RaidKind = "raid"
    strength: Percent = 50
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TakePayment(Command, tag="TakePayment"):
    """To a faction: these dollars left another faction's treasury for yours."""

    payer: Slug
    dollars: Money
    cause: Text200
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class DeclareWar(Command, tag="DeclareWar"):
    """To a faction: another one is at war with you from now on, at the latest until ``until_s``."""

    other: Slug
    until_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class OfferBond(Command, tag="OfferBond"):
    """To a faction: another one offers a pact until ``until_s``, or calls for a truce."""

    other: Slug
    wish: BondOffer
    until_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class AnswerBond(Command, tag="AnswerBond"):
    """To a faction: what another one said to the pact or truce you offered."""

    other: Slug
    wish: BondOffer
    until_s: UnixSeconds
    accepted: bool
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class OfferTrade(Command, tag="OfferTrade"):
    """To a faction: another one offers a deal that would bring either side so many dollars."""

    other: Slug
    dollars: Money
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SettleTrade(Command, tag="SettleTrade"):
    """To a faction: the deal you offered is made and brings so many dollars; 0: it was turned down."""

    other: Slug
    dollars: Money
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class FundMission(Command, tag="FundMission"):
    """To a faction: a player took a mission of yours; keep its reward until ``until_s``, at least ``dollars_min``."""

    mission: MissionRef
    player: PlayerRef
    giver: NpcRef
    dollars: Money
    dollars_min: Money
    until_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class PayReward(Command, tag="PayReward"):
    """To a faction: a mission of yours is done; pay the player. The player hears the end of it from you."""

    mission: MissionRef
    player: PlayerRef
    dollars: Money
    difficulty: Difficulty0
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ReleaseReward(Command, tag="ReleaseReward"):
    """To a faction: a mission of yours was not done; what you kept for it is yours again."""

    mission: MissionRef
    reason: Word50
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class HearOfDeed(Command, tag="HearOfDeed"):
    """To a faction: one of your people saw or heard what a player did.

    ``deed``: its id, the same whoever tells it. ``against``: the faction it hurt or helped. ``weight`` 1..10.
    """

    deed: DeedId
    player: PlayerRef
    verb: DeedVerb
    against: Slug
    weight: DeedWeight
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class HearOfMissionFunds(Command, tag="HearOfPurse"):
    """To an NPC: your faction can spend so many dollars on one mission just now."""

    dollars: Money
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class HearOfRecord(Command, tag="HearOfRecord"):
    """To an NPC: this is how good that player is at jobs, 0..100."""

    player: PlayerRef
    skill: Percent
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShowSides(Command, tag="ShowSides"):
    """To a faction: tell the NPC who asks who our friends and enemies are, and with whom we are at war."""

    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class HearOfSides(Command, tag="HearOfSides"):
    """To an NPC: these are the friends and enemies of your faction just now, the nearest first, and the wars it is in,
    each with its end at the latest."""

    friends: Slugs16
    enemies: Slugs16
    wars: Annotated[dict[Slug, UnixSeconds], Len(0, 16)]
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Witness(Command, tag="Witness"):
    """To an NPC: a player does this before your eyes, or (``hops`` over 0) somebody tells you that they did.

    ``deed``: its id, the same whoever tells it. ``against``: the faction it hurts or helps. ``scene``: what was around.
    """

    deed: DeedId
    player: PlayerRef
    what: Deed
    against: Slug
    weight: DeedWeight
    hops: Hops = 0
    scene: TalkScene | None = None
    internal: ClassVar[bool] = True
