"""The commands that both NPCs and companions take, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Len

from ganggpt.domain.fields import (
    ActorRef,
    MemoryNo,
    OptionalText500,
    Percent,
    PlayerRef,
    Sentences,
    Target,
    Text200,
    Text240,
    Text500,
    UnixSeconds,
)
from ganggpt.domain.mind.memory_record import (
    Embedding,
    Memory,
    MemoryKind,
    Source,
)
from ganggpt.domain.mind.replies import Hushed
from ganggpt.domain.mind.utterance import SCRIPTED, Provenance
from ganggpt.domain.turn import Command


@dataclass(frozen=True, slots=True)
class Hush(Command, tag="Hush"):
    """Nobody listens to what the NPC is saying any more: the player interrupts, goes or died. ``heard``: how many
    sentences came across; all that went out where it is not said. ``utterance``: only if this is what is being said."""

    heard: Sentences | None = None
    utterance: Text200 | None = None
    reply: ClassVar[Any] = Hushed


@dataclass(frozen=True, slots=True)
class Utter(Command, tag="Utter"):
    """The model's next sentence of an utterance; ``no`` counts from 0."""

    utterance: Text200
    no: Sentences
    text: Text500
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Conclude(Command, tag="Conclude"):
    """The model has finished an utterance. ``actions``: what it wants to do, each by its word and a text."""

    utterance: Text200
    actions: tuple[tuple[str, str], ...]
    made: Provenance
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SayScripted(Command, tag="SayPlainly"):
    """No model answers (any more): the scripted lines say it. ``why``: a word for the provenance; ``deflect``: the line
    is not to be talked about; ``made``: how far a model got with it."""

    utterance: Text200
    why: Text200 = "late"
    deflect: bool = False
    made: Provenance = SCRIPTED
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ThinkAgain(Command, tag="ThinkAgain"):
    """Find the memories that fit what an utterance answers, now that a model gave it an embedding. Changes nothing; the
    reply is what a ``TalkBrief`` has as ``memories``."""

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
    audience: Target | None = None
    due_s: UnixSeconds | None = None
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Reflect(Command, tag="Mull"):
    """To oneself: reflect. Talks that are over become a memory, and an NPC may draw a conclusion and tell news."""

    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Condense(Command, tag="Condense"):
    """Better words for the summary of a talk, from a model. Only the words count: weight and dates stay the rules'."""

    no: MemoryNo
    text: Text240
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Embed(Command, tag="Embed"):
    """The embedding of a memory, from a model (see ``embedding.embedding_of``). ``text``: the words it was made of, to
    notice that they changed meanwhile."""

    no: MemoryNo
    embedding: Embedding
    text: OptionalText500 = ""
    internal: ClassVar[bool] = True

    def is_durable(self) -> bool:
        """Losing it costs a fraction of a cent."""
        return False


@dataclass(frozen=True, slots=True)
class ArchiveMemories(Command, tag="KeepInTail"):
    """To the archive: keep what the mind had no room for. ``held``: how many it let go of in its life."""

    memories: Annotated[tuple[Memory, ...], Len(1, 512)]
    held: MemoryNo
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SearchArchive(Command, tag="AskTail"):
    """To the archive: find what words did not find in mind. The answer is ``Recollect``."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    held: MemoryNo
    embedding: Embedding | None = None
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Recollect(Command, tag="Recollect"):
    """From the archive: the memories that fit the question, best first, each with how well it fits (0..1), and the
    embedding of the question where a model made one."""

    query: Text500
    listener: ActorRef
    asked_s: UnixSeconds
    found: Annotated[tuple[tuple[Memory, float], ...], Len(0, 8)]
    embedding: Embedding | None = None
    internal: ClassVar[bool] = True
