"""The mind that an NPC and a companion have alike: what is remembered, what is being said, which talks go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.mind import memory, utterance
from ganggpt.domain.mind.brief import with_opener, with_phrases
from ganggpt.domain.mind.events import ArchiveSearched, ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import (
    Embedded,
    MemoryEvent,
    Reinforced,
    Remembered,
    Replaced,
    Reworded,
    Unlearned,
)
from ganggpt.domain.mind.memory_record import Memories
from ganggpt.domain.mind.transcript import TALKS_MAX, Transcript, carried_on
from ganggpt.domain.mind.utterance import (
    SILENT,
    Began,
    BrokeOff,
    Speaking,
    SpeakingEvent,
    Turned,
    Uttered,
    Waits,
)
from ganggpt.domain.turn import Event

CITED_MAX: Final = 4
"""How many of the memories it brought up last a mind does not bring up again unasked."""


class Mind(Struct, frozen=True, gc=False, array_like=True):
    """The state of a mind.

    ``next_no``: number of the next memory. ``openers`` and ``phrases``: how its last sentences began, and their numbers
    (``brief.phrase_of``). ``cited``: numbers of the memories it brought up last. ``talks``: those that go on, by
    player. ``speaking``: what it is saying sentence by sentence. ``reflects_s``: when it reflects next (0: there is
    nothing to reflect on). ``let_go``: memories it had no room for in its life. ``asked_s``: when it last searched its
    archive. Times are Unix seconds.
    """

    memories: Memories = ()
    next_no: int = 1
    openers: tuple[str, ...] = ()
    phrases: tuple[int, ...] = ()
    cited: tuple[int, ...] = ()
    talks: Mapping[str, Transcript] = {}
    speaking: Speaking = SILENT
    reflects_s: float = 0.0
    let_go: int = 0
    asked_s: float = 0.0


class HasMind(Protocol):
    """The state of an actor with a mind."""

    @property
    def mind(self) -> Mind:
        """Its mind."""
        ...


class SpokeEvent(Protocol):
    """The event that something was said: its fields that concern a mind."""

    @property
    def heard(self) -> str:
        """What was answered."""
        ...

    @property
    def said(self) -> str:
        """What was said, as far as it was heard."""
        ...

    @property
    def cites(self) -> int | None:
        """The memory that was brought up."""
        ...

    @property
    def at_s(self) -> float:
        """When."""
        ...

    @property
    def utterance(self) -> str:
        """The utterance that is over with this; "" where it was said at once."""
        ...


def spoke(mind: Mind, event: SpokeEvent, player: str | None) -> Mind:
    """The mind after it said something. ``player``: whose talk this carries on, if it is a talk."""
    talks, cited, memories = mind.talks, mind.cited, mind.memories
    if event.heard and player is not None:
        talks = {**talks, player: carried_on(talks.get(player), event.heard, event.said, event.at_s)}
        if len(talks) > TALKS_MAX:
            del talks[min(talks, key=lambda one: (talks[one].at_s, one))]
    if event.cites is not None:
        cited = (*cited, event.cites)[-CITED_MAX:]
        memories = memory.rehearse(memories, event.cites)
    return replace(
        mind,
        memories=memories,
        openers=with_opener(mind.openers, event.said),
        phrases=with_phrases(mind.phrases, event.said),
        cited=cited,
        talks=talks,
        speaking=utterance.over(mind.speaking, event.utterance) if event.utterance else mind.speaking,
    )


def fold(mind: Mind, event: Event) -> Mind:
    """The mind after one of the events that are the same for everybody (the keys of ``FOLDS``)."""
    return FOLDS[type(event)](mind, event)


def _remembered(mind: Mind, event: Remembered) -> Mind:
    return replace(
        mind,
        memories=memory.fold(mind.memories, event),
        next_no=event.memory.no + 1,
        let_go=mind.let_go + len(event.forgot),
    )


def _changed(mind: Mind, event: MemoryEvent) -> Mind:
    return replace(mind, memories=memory.fold(mind.memories, event))


def _speaking(mind: Mind, event: SpeakingEvent) -> Mind:
    return replace(mind, speaking=utterance.fold(mind.speaking, event))


def _talk_ended(mind: Mind, event: TalkEnded) -> Mind:
    return replace(mind, talks={player: talk for player, talk in mind.talks.items() if player != event.player})


FOLDS: Final[Mapping[type[Event], Callable[[Mind, Any], Mind]]] = {
    Remembered: _remembered,
    **dict.fromkeys((Reinforced, Reworded, Embedded, Replaced, Unlearned), _changed),
    **dict.fromkeys((Began, Uttered, BrokeOff, Waits, Turned), _speaking),
    ReflectionPlanned: lambda mind, event: replace(mind, reflects_s=event.due_s),
    TalkEnded: _talk_ended,
    ArchiveSearched: lambda mind, event: replace(mind, asked_s=event.at_s),
}
