"""Replies of everybody who has a mind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.mind.brief import Act
from ganggpt.domain.mind.memory_record import MemoryKind, Source

Mood = Literal["dark", "sour", "calm", "good", "elated"]
StandingLabel = Literal["enemy", "hostile", "wary", "neutral", "friendly", "trusted", "family"]
LoyaltyLabel = Literal["about to leave", "doubtful", "steady", "loyal", "devoted"]


class Spoken(TypedDict):
    """What is said, at once."""

    say: Annotated[str, Doc("the words; with `more` only the first one or two of them")]
    act: Annotated[Act, Doc("what kind of answer it is: choose an animation by it")]
    mood: Annotated[Mood, Doc("how the one who speaks feels")]
    cites: Annotated[int | None, Doc("the number of the memory it speaks of")]
    utterance: Annotated[str | None, Doc("the id of what is said; null while the player waits for their turn")]
    more: NotRequired[Annotated[bool, Doc("true where the rest follows as pushes")]]


class Hushed(TypedDict):
    """Whether it fell silent."""

    hushed: Annotated[bool, Doc("false where nothing was being said to this player, or something else")]


class Label(TypedDict):
    """A feeling and its name."""

    value: Annotated[float, Doc("−100 to 100; of loyalty 0 to 100")]
    label: str


class Saying(TypedDict):
    """What is being said with a model's words, sentence by sentence."""

    utterance: str
    player: Annotated[str, Doc("to whom")]
    said: Annotated[list[str], Doc("the sentences so far")]
    waiting: Annotated[list[str], Doc("players who wait for their turn")]


class MemoryShown(TypedDict):
    """One memory."""

    no: int
    kind: MemoryKind
    text: str
    weight: Annotated[int, Doc("0 to 100")]
    about: Annotated[str | None, Doc("the player it is about")]
    source: Source
    created_s: Annotated[float, Doc("Unix seconds")]
    expires_s: Annotated[float | None, Doc("when it is forgotten for certain")]
    rehearsed: Annotated[int, Doc("how often it was spoken of")]
    again_s: Annotated[float | None, Doc("when it was last spoken of or happened again")]
    retention: Annotated[float, Doc("0 to 1: how well it is remembered now")]
    audience: Annotated[str, Doc("who may hear of it: `*` everybody, else an actor")]
    due_s: Annotated[float | None, Doc("until when a promise or a debt is open")]
    trace: Annotated[dict[str, Any] | None, Doc("of a rumour: where it began, through whom it came, since when")]
    model: Annotated[str | None, Doc("the embedding model that knows it")]
    replaced_by: Annotated[int | None, Doc("the memory that says how it is now, where this one is past")]
