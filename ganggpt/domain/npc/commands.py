"""The commands an NPC takes, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Len

from ganggpt.domain.described import Senders
from ganggpt.domain.fields import (
    ActorRefs8,
    Aims4,
    DeedId,
    MemoryRoom,
    Money,
    Name50,
    Name100,
    Names16,
    OptionalText500,
    OptionalText1000,
    Percent,
    PlayerRef,
    Slug,
    SlugOrNone,
    Slugs16,
    Step20,
    Text200,
    Text240,
    Text500,
    UnixSeconds,
)
from ganggpt.domain.mission_design.deeds import DeedCount
from ganggpt.domain.npc.replies import (
    NoticedReply,
    NpcReviseReply,
    NpcSpoken,
    OutlineReply,
    ProposeReply,
    SpawnReply,
    WorkReply,
)
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.sheets import NpcTraits, SomeNpcTraits, Style
from ganggpt.domain.turn import Command
from ganggpt.domain.world import DeedVerb

Party = Annotated[int, Ge(1), Le(8)]
Minutes = Annotated[int, Ge(1), Le(1_440)]
Steps8 = Annotated[dict[Name100, Step20], Len(0, 8)]


@dataclass(frozen=True, slots=True)
class Spawn(Command, tag="Spawn"):
    """Bring an NPC into the world, or a retired one back to it; the fields of its sheet. By a server.

    The sheet is checked like one of a world file: ``home``, ``faction`` and ``missions`` must exist, and nobody of the
    world files may have a name that looks the same.
    """

    name: Name50
    role: Name50
    home: Slug
    faction: Slug | None
    traits: NpcTraits
    style: Style
    backstory: OptionalText1000 = ""
    likes: Names16 = ()
    missions: Slugs16 = ()
    room: MemoryRoom = 64
    aims: Aims4 = ()
    creates: ClassVar[bool] = True
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = SpawnReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed",)


@dataclass(frozen=True, slots=True)
class Revise(Command, tag="Revise"):
    """Change the sheet of an NPC; what is not given stays, and so do its memories and standings. By a server.

    ``faction``: "" for no faction. ``traits``: those that change. ``likes``, ``missions`` and ``aims``: all of
    them, anew.
    """

    name: Name50 | None = None
    role: Name50 | None = None
    home: Slug | None = None
    faction: SlugOrNone | None = None
    traits: SomeNpcTraits | None = None
    style: Style | None = None
    backstory: OptionalText1000 | None = None
    likes: Names16 | None = None
    missions: Slugs16 | None = None
    room: MemoryRoom | None = None
    aims: Aims4 | None = None
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = NpcReviseReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed",)


@dataclass(frozen=True, slots=True)
class Talk(Command, tag="Talk"):
    """A player says something to the NPC. ``name``: what the player calls themselves; ``scene``: where they stand."""

    text: Text500
    name: Name50 | None = None
    scene: TalkScene | None = None
    senders: ClassVar[Senders] = Senders.PLAYER
    reply: ClassVar[Any] = NpcSpoken
    refuses: ClassVar[tuple[str, ...]] = ("not_a_player", "retired")


@dataclass(frozen=True, slots=True)
class Observe(Command, tag="Observe"):
    """Something happens before the NPC's eyes. ``about``: the player who did it."""

    what: Text500
    weight: Percent
    about: PlayerRef | None = None
    reply: ClassVar[Any] = NoticedReply
    refuses: ClassVar[tuple[str, ...]] = ("retired",)


@dataclass(frozen=True, slots=True)
class Give(Command, tag="Give"):
    """A player hands over an item worth ``value`` dollars."""

    item: Name100
    value: Money = 0
    name: Name50 | None = None
    senders: ClassVar[Senders] = Senders.PLAYER
    reply: ClassVar[Any] = NpcSpoken
    refuses: ClassVar[tuple[str, ...]] = ("not_a_player", "retired")


@dataclass(frozen=True, slots=True)
class Threaten(Command, tag="Threaten"):
    """A player threatens the NPC."""

    text: OptionalText500 = ""
    armed: bool = False
    name: Name50 | None = None
    senders: ClassVar[Senders] = Senders.PLAYER
    reply: ClassVar[Any] = NpcSpoken
    refuses: ClassVar[tuple[str, ...]] = ("not_a_player", "retired")


@dataclass(frozen=True, slots=True)
class AskForWork(Command, tag="AskForWork"):
    """A player asks for a mission. ``party``: how many would do it together."""

    name: Name50 | None = None
    party: Party = 1
    senders: ClassVar[Senders] = Senders.PLAYER
    reply: ClassVar[Any] = WorkReply
    refuses: ClassVar[tuple[str, ...]] = ("not_a_player", "retired")


@dataclass(frozen=True, slots=True)
class Hear(Command, tag="Hear"):
    """Another NPC tells a rumour: where it began, through whom it came, when it was born and when it dies."""

    text: Text240
    weight: Percent
    about: PlayerRef | None
    origin: DeedId
    chain: ActorRefs8
    born_s: UnixSeconds
    expires_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ProposedObjective:
    """One objective of a proposed mission, as in a world file; names may stand where ids are wanted."""

    verb: DeedVerb
    target: Name100
    count: DeedCount = 1
    district: Name100 | None = None
    within_minutes: Minutes | None = None


@dataclass(frozen=True, slots=True)
class OutlineWork(Command, tag="OutlineWork"):
    """Tell what a mind needs to propose a mission to this player: place, people, things, bounds. Changes nothing."""

    player: PlayerRef
    party: Party = 1
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = OutlineReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "retired")


@dataclass(frozen=True, slots=True)
class ProposeMission(Command, tag="ProposeMission"):
    """Offer this mission to a player, once the compiler has checked and perhaps repaired it. Not for players.

    ``frictions`` by ``one>other``. ``asked_s``: when it was asked for; too long ago makes it stale. ``origin`` model:
    it is kept and offered when the player asks for work next. ``or_template``: offer other work where it cannot be
    used; else it is refused with what is wrong with it. ``notes``: what was left out of it before it came here.
    """

    player: PlayerRef
    title: Name100
    description: Text500
    objectives: Annotated[tuple[ProposedObjective, ...], Len(1, 8)]
    difficulty: Annotated[int, Ge(1), Le(10)] = 1
    minutes: Minutes = 30
    reward: Money = 0
    impact: Annotated[dict[Slug, Step20], Len(0, 8)] = field(default_factory=dict)
    frictions: Steps8 = field(default_factory=dict)
    party: Party = 1
    origin: Literal["model", "server"] = "server"
    asked_s: UnixSeconds | None = None
    or_template: bool = True
    notes: Annotated[tuple[Text200, ...], Len(0, 16)] = ()
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = ProposeReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "stale", "mission_rejected", "no_work", "retired")
