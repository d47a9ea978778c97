"""What a talk comes to besides its answer: a memory, another talk that ends for it, a reflection to come."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from ganggpt.domain.language.intent import salience
from ganggpt.domain.mind.brief import quoted
from ganggpt.domain.mind.memory import SALIENCE_MIN
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter, as_heard
from ganggpt.domain.mind.reflection import Planned, make_room_for_talk
from ganggpt.domain.mind.talker import Talker
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.turn import Decision, Event, Message, Turn


class Heard(NamedTuple):
    """A line that was listened to, with the memory it left, if any. ``writer``: what is learned in this turn so far;
    ``ended``: what is left of the talk that ended for it."""

    line: Line
    writer: MemoryWriter
    ended: Decision


def listen(talker: Talker, state: Any, line: Line, who: str, turn: Turn, *, slight: Memory | None = None) -> Heard:
    """Learn from what a player says, who goes by the name ``who``. ``slight``: what is kept where the words weigh
    nothing."""
    writer = MemoryWriter(state.mind, turn.now_s, talker.room(state))
    ended = make_room_for_talk(talker, state, writer, line.player, turn)
    weight = salience(line.heard)
    if weight >= SALIENCE_MIN:
        fact = f"{who} told me: {quoted(line.heard)}"
        line = replace(line, learned=writer.fresh(as_heard(fact, line.heard, weight, line.player, turn.now_s)))
    elif slight is not None:
        writer.keep(slight)
    return Heard(line, writer, ended)


def answered(
    done: Decision,
    heard: Heard,
    asked: tuple[tuple[Event, ...], tuple[Message, ...]],
    planned: Planned,
) -> Decision:
    """The decision about a line, with everything besides its answer. ``asked``: the search of the archive;
    ``planned``: the reflection to come."""
    return replace(
        done,
        events=(*done.events, *heard.ended.events, *asked[0], *planned[0]),
        messages=(*done.messages, *asked[1]),
        reminders=(*done.reminders, *planned[1]),
        model_requests=(*done.model_requests, *heard.ended.model_requests),
    )
