"""The commands that both NPCs and companions take, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Len

from ganggpt.domain.fields import (
    ActorRef,
    MemoryNo,
    Name100,
    OptionalText500,
    Percent,
    PlayerRef,
    Sentences,
    Text200,
    Text240,
    Text500,
    UnixSeconds,
)
from ganggpt.domain.mind.memory import Embedding, Memory, MemoryKind, Source
from ganggpt.domain.mind.utterance import SCRIPTED, Provenance
from ganggpt.domain.turn import Command


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
    made: Provenance
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SayScripted(Command, tag="SayPlainly"):
    """No model answers (any more): say it without one. ``why``: a word for the explanation; ``deflect``: what was said
    is nothing to talk about; ``made``: what a model was asked in vain."""

    utterance: Text200
    why: Text200 = "late"
    deflect: bool = False
    made: Provenance = SCRIPTED
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ThinkAgain(Command, tag="ThinkAgain"):
    """Which memories fit what an utterance answers, now that a model gave it a meaning? Changes nothing; the reply is
    what a ``TalkBrief`` has as ``memories``."""

    utterance: Text200
    embedding: Embedding
    internal: ClassVar[bool] = True


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
class Reflect(Command, tag="Mull"):
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
class ArchiveMemories(Command, tag="KeepInTail"):
    """To the tail: keep what the mind had no room for. ``held``: how many it let go of in its life."""

    memories: Annotated[tuple[Memory, ...], Len(1, 512)]
    held: MemoryNo
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SearchArchive(Command, tag="AskTail"):
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
