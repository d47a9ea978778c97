"""The events of an NPC."""

from __future__ import annotations

from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.messages import Origin
from ganggpt.domain.mind.events import ArchiveSearched, ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import (
    Embedded,
    Reinforced,
    Remembered,
    Replaced,
    Reworded,
    Unlearned,
)
from ganggpt.domain.mind.utterance import ProvenanceRecorded, SpeakingEvent
from ganggpt.domain.npc.state import Item, Sides, Standing
from ganggpt.domain.retirement import Retired
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Event
from ganggpt.domain.world import MissionTemplate, NpcSheet


class Spawned(Event, frozen=True, tag="Spawned"):
    """An NPC came into the world."""

    sheet: NpcSheet
    mood: float
    at_s: float


class Returned(Event, frozen=True, tag="Returned"):
    """A retired NPC came back, with this sheet."""

    sheet: NpcSheet
    mood: float
    at_s: float


class Revised(Event, frozen=True, tag="Revised"):
    """The sheet of the NPC is this now; its mood was this at that moment."""

    sheet: NpcSheet
    mood: float
    at_s: float


class Needed(Event, frozen=True, tag="Needed"):
    """A mission that a player took cannot be done without the NPC, until ``until_s``."""

    mission: str
    until_s: float
    at_s: float


class Noticed(Event, frozen=True, tag="Noticed"):
    """Something too small to remember happened; the mood is this now."""

    at_s: float
    mood: float


class Swayed(Event, frozen=True, tag="Swayed"):
    """The standing with a player and the mood changed to these values. ``dropped``: the player whose standing was
    dropped for it."""

    player: str
    standing: Standing
    mood: float
    cause: str
    dropped: str | None = None


class Spoke(Event, frozen=True, tag="Spoke"):
    """The NPC said something to a player. ``cites``: the memory it brought up. ``utterance``: the one that is over with
    this, where it came sentence by sentence; ``said`` is then what was heard of it. ``because``: what the answer of the
    rules was taken from."""

    player: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float
    utterance: str = ""
    because: str = ""


class WorkOffered(Event, frozen=True, tag="WorkOffered"):
    """The NPC offered a player a mission."""

    player: str
    mission: str
    template: str
    at_s: float
    title: str = ""
    reward: int = 0
    task: str = ""
    places: tuple[str, ...] = ()
    minutes: int = 0
    difficulty: int = 0


class RumourTold(Event, frozen=True, tag="RumourTold"):
    """The memory ``no`` was told on to another NPC, in these words."""

    no: int
    to: str
    text: str
    at_s: float


class Pondered(Event, frozen=True, tag="Pondered"):
    """The NPC drew its own conclusion ``no`` from these memories."""

    no: int | None
    evidence: tuple[int, ...]
    at_s: float


class ItemReceived(Event, frozen=True, tag="ItemReceived"):
    """A player handed the NPC a thing, which it holds now."""

    item: Item


class ItemGiven(Event, frozen=True, tag="ItemGiven"):
    """The NPC handed a thing it held to a player."""

    item: Item
    player: str
    at_s: float


class Acted(Event, frozen=True, tag="Acted"):
    """The NPC follows, attacks, flees from or reports a player, until ``until_s`` or the game server ends it."""

    action: str
    player: str
    at_s: float
    until_s: float


class RecordHeard(Event, frozen=True, tag="RecordHeard"):
    """The NPC heard how good at jobs a player is."""

    player: str
    skill: int
    at_s: float


class SidesHeard(Event, frozen=True, tag="SidesHeard"):
    """The NPC heard how its faction stands with the others."""

    sides: Sides


class SceneSeen(Event, frozen=True, tag="SceneSeen"):
    """The NPC saw what is around it: somebody did something there."""

    scene: TalkScene
    at_s: float


class WorkPrepared(Event, frozen=True, tag="WorkPrepared"):
    """A mission was thought up for a player."""

    player: str
    mission: MissionTemplate
    why: tuple[str, ...]
    at_s: float
    origin: Origin = "model"


class MissionFundsHeard(Event, frozen=True, tag="PurseHeard"):
    """The NPC heard what its faction can spend on one mission."""

    dollars: int
    at_s: float


NpcEvent = (
    Spawned
    | Noticed
    | Swayed
    | Spoke
    | WorkOffered
    | Remembered
    | Reinforced
    | Reworded
    | Embedded
    | Replaced
    | Unlearned
    | ReflectionPlanned
    | TalkEnded
    | RumourTold
    | Pondered
    | ArchiveSearched
    | ItemReceived
    | ItemGiven
    | Acted
    | SpeakingEvent
    | ProvenanceRecorded
    | RecordHeard
    | MissionFundsHeard
    | SidesHeard
    | SceneSeen
    | WorkPrepared
    | Returned
    | Revised
    | Retired
    | Needed
    | PlayerForgotten
)
