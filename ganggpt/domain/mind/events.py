"""The events that both NPCs and companions have besides those of memory and utterances."""

from __future__ import annotations

from ganggpt.domain.turn import Event


class ReflectionPlanned(Event, frozen=True, tag="MullPlanned"):
    """The next reflection is due then; 0: none is needed."""

    due_s: float


class TalkEnded(Event, frozen=True, tag="TalkEnded"):
    """A talk is over. ``no``: the memory it left, if any."""

    player: str
    no: int | None
    at_s: float


class ArchiveSearched(Event, frozen=True, tag="TailAsked"):
    """The archive was searched for what a player asked about and is no longer in mind."""

    player: str
    query: str
    at_s: float
