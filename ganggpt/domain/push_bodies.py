"""Every push, with its body: what the world tells game servers without being asked.

Pushes about a player go to the game server the player is on, news of factions to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired

from typing_extensions import TypedDict

from ganggpt.domain.companion.replies import CompanionSpoken
from ganggpt.domain.described import Doc
from ganggpt.domain.faction.politics import MoveName
from ganggpt.domain.mind.replies import StandingLabel
from ganggpt.domain.mission.replies import ObjectiveDone
from ganggpt.domain.npc.replies import WorkReply


class PushShape(NamedTuple):
    """One type of pushes: its body, and when it is sent. ``to_all``: to every game server."""

    body: Any
    when: str
    to_all: bool = False


class ToPlayer(TypedDict):
    """What every push about a player has."""

    player: Annotated[str, Doc("for whom it is")]


class OfNpc(ToPlayer):
    """What every push of an NPC has."""

    npc: Annotated[str, Doc("who speaks")]


class OfCompanion(ToPlayer):
    """What every push of a companion has."""

    companion: Annotated[str, Doc("who speaks")]


class SentenceSaid(TypedDict):
    """One sentence of an utterance."""

    name: Annotated[str, Doc("how to caption it")]
    utterance: str
    no: Annotated[int, Doc("0, 1, …: at 0 it takes the place of the bark")]
    say: Annotated[str, Doc("may be empty with `final`")]
    final: Annotated[bool, Doc("true: the utterance is complete")]


class ActStarted(TypedDict):
    """Something that is done because of a talk."""

    utterance: str
    target: Annotated[str, Doc("the id of a player, or what an order is aimed at")]
    ttl_s: Annotated[float, Doc("how long it lasts unless the game ends it")]


class NpcSays(OfNpc, SentenceSaid):
    """A sentence of an NPC."""


class CompanionSays(OfCompanion, SentenceSaid):
    """A sentence of a companion."""


class NpcAct(OfNpc, ActStarted):
    """What an NPC does."""

    verb: Literal["follow", "attack", "flee", "give_item", "report_crime"]
    item: NotRequired[Annotated[str, Doc("of `give_item`: what is handed over")]]


class CompanionAct(OfCompanion, ActStarted):
    """What a companion does."""

    verb: Annotated[str, Doc("an order it obeys, as of `Order`")]


class NpcSaid(OfNpc, WorkReply):
    """A whole answer of an NPC."""

    name: str


class CompanionSaid(OfCompanion, CompanionSpoken):
    """A whole answer of a companion."""

    name: str


class NpcHush(OfNpc):
    """An utterance of an NPC that was broken off."""

    utterance: str


class CompanionHush(OfCompanion):
    """An utterance of a companion that was broken off."""

    utterance: str


class CompanionFate(OfCompanion):
    """A companion is about to go, or goes."""

    name: str
    fate: Literal["warns", "leaves", "betrays"]
    because: Annotated[str, Doc("what weighs most against the owner")]
    say: str


class OfMission(ToPlayer):
    """What every push of a mission has."""

    mission: Annotated[str, Doc("its id")]
    title: str


class MissionOfferedPush(OfMission):
    """An offer."""

    description: str
    reward: Annotated[int, Doc("dollars")]
    minutes: int
    difficulty: Annotated[int, Doc("1 to 10")]
    giver: Annotated[str, Doc("an NPC")]
    due_s: Annotated[float, Doc("until then it can be accepted")]


class MissionRewardPush(OfMission):
    """A new reward."""

    reward: Annotated[int, Doc("dollars")]


class MissionProgressPush(OfMission):
    """How far the mission is."""

    objectives: list[ObjectiveDone]


class MissionOver(OfMission):
    """The end of a mission."""

    outcome: Literal["completed", "failed", "expired"]
    giver: str


class MissionDone(MissionOver):
    """A mission that was done."""

    reward: Annotated[int, Doc("dollars; they are on the player's cash")]


class MissionNotDone(MissionOver):
    """A mission that was not done."""

    reason: Annotated[str, Doc("`declined`, `abandoned`, `unfunded`, `not_taken`, `out_of_time` or `too_slow`")]


class TooManyMissions(OfMission):
    """A mission that could not be taken."""

    limit: Annotated[int, Doc("how many a player can have")]


StandingPush = TypedDict(
    "StandingPush",
    {
        "player": Annotated[str, Doc("for whom it is")],
        "faction": str,
        "from": Annotated[float, Doc("−100 to 100")],
        "to": float,
        "label": StandingLabel,
        "cause": str,
    },
)


class NpcThere(TypedDict):
    """An NPC that is in the world."""

    npc: str
    name: str
    home: Annotated[str, Doc("a district")]


class NpcRevised(NpcThere):
    """An NPC whose sheet changed."""

    changed: Annotated[list[str], Doc("fields of the sheet")]


class NpcRetired(TypedDict):
    """An NPC that left the world."""

    npc: str
    name: str
    reason: str


class FactionThere(TypedDict):
    """A faction that is in the world."""

    faction: str
    name: str


class FactionRevised(FactionThere):
    """A faction whose sheet changed."""

    changed: Annotated[list[str], Doc("fields of the sheet")]


class FactionRetired(FactionThere):
    """A faction that left the world."""

    reason: str


class FactionTurn(TypedDict):
    """A move of a faction."""

    faction: str
    move: MoveName
    other: Annotated[str | None, Doc("towards which faction")]
    district: str | None
    no: Annotated[int, Doc("of its turns")]
    words: NotRequired[Annotated[str, Doc("what it sounds like, where a mind chose it")]]


class FactionWar(TypedDict):
    """A war."""

    a: Annotated[str, Doc("who declared it")]
    b: str
    until_s: Annotated[float, Doc("at the latest")]


TerritoryPush = TypedDict(
    "TerritoryPush",
    {
        "district": str,
        "from": Annotated[str | None, Doc("the faction that lost it; null where the one that took it says so")],
        "to": str,
    },
)
RelationPush = TypedDict(
    "RelationPush",
    {
        "a": Annotated[str, Doc("whose feelings changed")],
        "b": Annotated[str, Doc("towards whom")],
        "from": Annotated[float, Doc("−100 to 100")],
        "to": float,
        "cause": str,
    },
)

_GOES = "The loyalty of a companion fell under a threshold: it {}"
PUSHES: Final[Mapping[str, PushShape]] = {
    "npc.says": PushShape(NpcSays, "A sentence of what an NPC says with a model's words"),
    "npc.act": PushShape(NpcAct, "The rules allowed an NPC what it wants to do: start the task of the ped"),
    "npc.said": PushShape(NpcSaid, "An answer of its own: a memory that came late, or an offer of work in a talk"),
    "npc.hush": PushShape(NpcHush, "What it was saying was broken off: cut the bubble and the voice"),
    "npc.returned": PushShape(NpcThere, "A retired NPC is back: give it a body", to_all=True),
    "npc.revised": PushShape(NpcRevised, "The sheet of an NPC changed: its home may be another one", to_all=True),
    "npc.retired": PushShape(NpcRetired, "An NPC left the world: take its body away", to_all=True),
    "companion.says": PushShape(CompanionSays, "A sentence of what a companion says with a model's words"),
    "companion.act": PushShape(CompanionAct, "A companion obeys what its owner asked for in a talk"),
    "companion.said": PushShape(CompanionSaid, "An answer of its own: a memory that came late"),
    "companion.hush": PushShape(CompanionHush, "What it was saying was broken off"),
    "companion.warns": PushShape(CompanionFate, _GOES.format("warns its owner")),
    "companion.leaves": PushShape(CompanionFate, _GOES.format("leaves")),
    "companion.betrays": PushShape(CompanionFate, _GOES.format("betrays its owner, and leaves")),
    "mission.offered": PushShape(MissionOfferedPush, "An NPC offers a mission: answer with `Accept` or `Abandon`"),
    "mission.reward": PushShape(MissionRewardPush, "The payer can set aside less than was promised"),
    "mission.progress": PushShape(MissionProgressPush, "A deed counted"),
    "mission.completed": PushShape(MissionDone, "Every objective is done"),
    "mission.failed": PushShape(MissionNotDone, "The player gave it up or declined it, or it cannot be paid"),
    "mission.expired": PushShape(MissionNotDone, "The time of the mission or of its offer is over"),
    "mission.too_many": PushShape(TooManyMissions, "The player accepted a mission more than they can have"),
    "player.standing": PushShape(StandingPush, "A player's standing with a faction has another name now"),
    "faction.turn": PushShape(FactionTurn, "A faction made a move", to_all=True),
    "faction.returned": PushShape(FactionThere, "A retired faction is back", to_all=True),
    "faction.revised": PushShape(FactionRevised, "The sheet of a faction changed", to_all=True),
    "faction.retired": PushShape(FactionRetired, "A faction left the world: its ground is free", to_all=True),
    "faction.war": PushShape(FactionWar, "A faction declared war", to_all=True),
    "faction.territory": PushShape(TerritoryPush, "A district was claimed; then by the one that lost it", to_all=True),
    "faction.relation": PushShape(RelationPush, "A relation changed by 1 or more", to_all=True),
}
