"""The commands an NPC takes, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, Len

from ganggpt.domain.fields import (
    ActorRef,
    ActorRefs8,
    MemoryNo,
    MemoryRoom,
    Money,
    Name50,
    Name100,
    Names16,
    OptionalText500,
    OptionalText1000,
    Percent,
    PlayerRef,
    Sentences,
    Slug,
    Slugs16,
    Step20,
    Text100,
    Text200,
    Text240,
    Text500,
    Traits,
    UnixSeconds,
)
from ganggpt.domain.mind.memory import Embedding, Memory, MemoryKind, Source
from ganggpt.domain.mind.utterance import SCRIPTED, Made
from ganggpt.domain.mission_design.deeds import Deed, DeedCount, DeedVerb
from ganggpt.domain.turn import Command

Party = Annotated[int, Ge(1), Le(8)]
Minutes = Annotated[int, Ge(1), Le(1_440)]
Hops = Annotated[int, Ge(0), Le(3)]
DeedWeight = Annotated[int, Ge(1), Le(10)]
Steps8 = Annotated[dict[Name100, Step20], Len(0, 8)]


@dataclass(frozen=True, slots=True)
class Spawn(Command, tag="Spawn"):
    """Bring an NPC into the world; the fields of its sheet. Not for players."""

    name: Name100
    role: Name100
    home: Slug
    faction: Slug | None
    traits: Traits
    style: Name50
    backstory: OptionalText1000 = ""
    likes: Names16 = ()
    missions: Slugs16 = ()
    room: MemoryRoom = 64
    creates: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Talk(Command, tag="Talk"):
    """A player says something to the NPC. ``name``: what the player calls themselves."""

    text: Text500
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Hush(Command, tag="Hush"):
    """Nobody listens to what the NPC is saying any more: the player interrupts, goes or died. ``heard``: how many
    sentences came across; all that went out where it is not said. ``utterance``: only if this is what is being said."""

    heard: Sentences | None = None
    utterance: Text200 | None = None


@dataclass(frozen=True, slots=True)
class Utter(Command, tag="Utter"):
    """The model's next sentence of an utterance; ``no`` counts from 0."""

    utterance: Text200
    no: Sentences
    text: Text500
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Conclude(Command, tag="Conclude"):
    """The model has said all of an utterance. ``actions``: what it wants to do, each by its word and a text."""

    utterance: Text200
    actions: tuple[tuple[str, str], ...]
    made: Made
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SayPlainly(Command, tag="SayPlainly"):
    """No model answers (any more): say it without one. ``why``: a word for the explanation; ``deflect``: what was said
    is nothing to talk about; ``made``: what a model was asked in vain."""

    utterance: Text200
    why: Text200 = "late"
    deflect: bool = False
    made: Made = SCRIPTED
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Observe(Command, tag="Observe"):
    """Something happens before the NPC's eyes. ``about``: the player who did it."""

    what: Text500
    weight: Percent
    about: PlayerRef | None = None


@dataclass(frozen=True, slots=True)
class Give(Command, tag="Give"):
    """A player hands over an item worth ``value`` dollars."""

    item: Name100
    value: Money = 0
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Threaten(Command, tag="Threaten"):
    """A player threatens the NPC."""

    text: OptionalText500 = ""
    armed: bool = False
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class AskForWork(Command, tag="AskForWork"):
    """A player asks for a mission. ``party``: how many would do it together."""

    name: Name50 | None = None
    party: Party = 1


@dataclass(frozen=True, slots=True)
class Remember(Command, tag="Remember"):
    """Another actor tells the NPC something to keep. ``audience``: who may hear it ("*" everybody, "" by its source);
    ``due_s``: until when a promise or a debt is kept in mind."""

    text: Text500
    kind: MemoryKind = "note"
    weight: Percent = 50
    about: PlayerRef | None = None
    source: Source = "told"
    expires_s: UnixSeconds | None = None
    audience: Name100 | None = None
    due_s: UnixSeconds | None = None
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Hear(Command, tag="Hear"):
    """Another NPC tells a rumour: where it began, through whom it came, when it was born and when it dies."""

    text: Text240
    weight: Percent
    about: PlayerRef | None
    origin: Text100
    chain: ActorRefs8
    born_s: UnixSeconds
    expires_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Mull(Command, tag="Mull"):
    """To oneself, in a quiet moment: put talks that are over into a memory, think, and tell somebody the news."""

    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Condense(Command, tag="Condense"):
    """Better words for the summary of a talk, from a model. Only the words count: weight and dates stay the rules'."""

    no: MemoryNo
    text: Text240
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Embed(Command, tag="Embed"):
    """What a memory means, from a model (see ``embedding.embedding_of``). ``text``: the words it was made of, where
    they may have changed meanwhile."""

    no: MemoryNo
    embedding: Embedding
    text: OptionalText500 = ""
    internal: ClassVar[bool] = True

    def is_durable(self) -> bool:
        """Losing it costs a fraction of a cent."""
        return False


@dataclass(frozen=True, slots=True)
class ThinkAgain(Command, tag="ThinkAgain"):
    """Which memories fit what an utterance answers, now that a model gave it a meaning? Changes nothing; the reply is
    what a ``TalkBrief`` has as ``memories``."""

    utterance: Text200
    embedding: Embedding
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class KeepInTail(Command, tag="KeepInTail"):
    """To the tail: keep what the mind had no room for. ``held``: how many it let go of in its life."""

    memories: Annotated[tuple[Memory, ...], Len(1, 512)]
    held: MemoryNo
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class AskTail(Command, tag="AskTail"):
    """To the tail: what was it that I no longer have in mind? It answers with ``Recollect``."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    held: MemoryNo
    embedding: Embedding | None = None
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Recollect(Command, tag="Recollect"):
    """From the tail: what fits the question, best first, each with how well (0..1)."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    found: Annotated[tuple[tuple[Memory, float], ...], Len(0, 8)]
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


@dataclass(frozen=True, slots=True)
class HearOfPurse(Command, tag="HearOfPurse"):
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
class Witness(Command, tag="Witness"):
    """To an NPC: a player does this before your eyes, or (``hops`` over 0) somebody tells you that they did.

    ``deed``: its id, the same whoever tells it. ``against``: the faction it hurts or helps.
    """

    deed: Name100
    player: PlayerRef
    what: Deed
    against: Slug
    weight: DeedWeight
    hops: Hops = 0
    internal: ClassVar[bool] = True
