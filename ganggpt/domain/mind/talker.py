"""What differs between the kinds of actors that have a mind: the seam to everything in this package that acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ganggpt.domain.mind.background import Background
from ganggpt.domain.mind.brief import Brief
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.utterance import Line, Utterance
from ganggpt.domain.turn import Decision, Event, Turn


class Talker(Protocol):
    """How one kind of actor talks and remembers. ``kind``: the first word of its pushes (``npc.says``), and the key of
    its id there. A state has a ``mind``."""

    kind: str

    def evolve(self, state: Any, event: Any) -> Any:
        """The state after an event."""
        ...

    def name(self, state: Any) -> str:
        """What it is called."""
        ...

    def room(self, state: Any) -> int:
        """How many memories it holds."""
        ...

    def calls(self, state: Any, player: str) -> str:
        """What it calls a player; "" where it knows no name."""
        ...

    def at_once(self, state: Any, turn: Turn, line: Line) -> bool:
        """Whether a line is answered though it is talking to another player."""
        ...

    def answer(self, state: Any, turn: Turn, line: Line) -> Answer:
        """How the rules answer a line."""
        ...

    def brief(self, state: Any, turn: Turn, line: Line, found: Answer) -> Brief:
        """Everything that may be known for an answer to a line."""
        ...

    def background(self, state: Any, turn: Turn, line: Line) -> Background:
        """What a model is told beside the brief."""
        ...

    def reply(self, state: Any, turn: Turn, line: Line, brief: Brief, said: str) -> dict[str, Any]:
        """The reply a game server gets; what is said in it cites nothing."""
        ...

    def spoke(self, state: Any, now: Utterance, said: str, at_s: float) -> Event:
        """An utterance is over, and so much of it was heard."""
        ...

    def reflects(self, state: Any, writer: MemoryWriter, turn: Turn) -> Decision:
        """What reflection adds by kind: a conclusion, a rumour for another NPC."""
        ...


def folded(talker: Talker, state: Any, events: Sequence[Event]) -> Any:
    """The state after events that were decided but are not folded yet."""
    for event in events:
        state = talker.evolve(state, event)
    return state
