"""The commands an NPC takes, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Len

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
    Text100,
    Text200,
    Text240,
    Text500,
    Traits,
    UnixSeconds,
)
from ganggpt.domain.memory import Embedding, Memory, MemoryKind, Source
from ganggpt.domain.turn import Command
from ganggpt.domain.utterance import Made


@dataclass(frozen=True, slots=True)
class Spawn(Command):
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
class Talk(Command):
    """A player says something to the NPC. ``name``: what the player calls themselves."""

    text: Text500
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Hush(Command):
    """Nobody listens to what the NPC is saying any more: the player interrupts, goes or died. ``heard``: how many
    sentences came across; all that went out where it is not said."""

    heard: Sentences | None = None


@dataclass(frozen=True, slots=True)
class Utter(Command):
    """The model's next sentence of an utterance; ``no`` counts from 0."""

    utterance: Text200
    no: Sentences
    text: Text500
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Conclude(Command):
    """The model has said all of an utterance. ``actions``: what it wants to do, each by its word and a text."""

    utterance: Text200
    actions: tuple[tuple[str, str], ...]
    made: Made
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SayPlainly(Command):
    """No model answers (any more): say it without one. ``why``: a word for the explanation; ``deflect``: what was said
    is nothing to talk about."""

    utterance: Text200
    why: Text200 = "late"
    deflect: bool = False
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Observe(Command):
    """Something happens before the NPC's eyes. ``about``: the player who did it."""

    what: Text500
    weight: Percent
    about: PlayerRef | None = None


@dataclass(frozen=True, slots=True)
class Give(Command):
    """A player hands over an item worth ``value`` dollars."""

    item: Name100
    value: Money = 0
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Threaten(Command):
    """A player threatens the NPC."""

    text: OptionalText500 = ""
    armed: bool = False
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class AskForWork(Command):
    """A player asks for a mission."""

    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Remember(Command):
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
class Hear(Command):
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
class Mull(Command):
    """To oneself, in a quiet moment: put talks that are over into a memory, think, and tell somebody the news."""

    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Condense(Command):
    """Better words for the summary of a talk, from a model. Only the words count: weight and dates stay the rules'."""

    no: MemoryNo
    text: Text240
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Embed(Command):
    """What a memory means, from a model (see ``embedding.embedding_of``)."""

    no: MemoryNo
    embedding: Embedding
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class KeepInTail(Command):
    """To the tail: keep what the mind had no room for. ``held``: how many it let go of in its life."""

    memories: Annotated[tuple[Memory, ...], Len(1, 512)]
    held: MemoryNo
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class AskTail(Command):
    """To the tail: what was it that I no longer have in mind? It answers with ``Recollect``."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    held: MemoryNo
    embedding: Embedding | None = None
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Recollect(Command):
    """From the tail: what fits the question, best first, each with how well (0..1)."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    found: Annotated[tuple[tuple[Memory, float], ...], Len(0, 8)]
    internal: ClassVar[bool] = True
