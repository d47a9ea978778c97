"""Reflection: a moment after something worth a thought, in which talks that are over become a memory.

Everything that may wait, waits for it, so that there is one reminder an actor, and none for one to whom nothing
happens. What a kind does besides in this moment is up to its ``Talker.reflects``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.brief import STRANGER, WHO
from ganggpt.domain.mind.commands import (
    Condense,
    Embed,
    Reflect,
    Remember,
)
from ganggpt.domain.mind.events import ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import Embedded, Reworded
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.mind import HasMind, Mind
from ganggpt.domain.mind.talker import Talker
from ganggpt.domain.mind.transcript import (
    LONG_FROM,
    TALKS_MAX,
    SummaryBrief,
    condensed,
    is_over,
)
from ganggpt.domain.turn import (
    Decision,
    Event,
    ModelRequest,
    Remind,
    Turn,
)
from ganggpt.errors import Refused

REFLECT: Final = "mull"
"""Name of the reminder of the next reflection."""
REFLECT_S: Final = (300, 420)
"""From the first thing worth a thought to the reflection, in seconds; the dice say when."""
NEWS_S: Final = (900, 2700)
"""From one piece of news told on to the next, in seconds."""
GRACE_S: Final = 60.0
"""How late the reminder may come before another one is armed."""
CONDENSE_FROM: Final = 32
"""Weight from which on a summary is worth a model's words: something was said in that talk that mattered."""
CONDENSE_WITHIN_S: Final = 30.0
"""Longest wait for a model's words for a summary. Nothing else waits for them."""

Planned = tuple[tuple[Event, ...], tuple[Remind, ...]]
"""The event and the reminder of a planned reflection; two empty tuples where none is planned."""


def plan_reflection(mind: Mind, turn: Turn) -> Planned:
    """Plan a reflection, unless one is planned already."""
    if turn.now_s < mind.reflects_s + GRACE_S:
        return (), ()
    return _planned(turn, REFLECT_S)


def plan_after_talk(mind: Mind, player: str, turn: Turn) -> Planned:
    """Plan a reflection after a talk that will leave a memory."""
    talk = mind.talks.get(player)
    is_long = talk is not None and talk.count + 1 >= LONG_FROM and not is_over(talk, turn.now_s)
    return plan_reflection(mind, turn) if is_long else ((), ())


def _planned(turn: Turn, span_s: tuple[int, int]) -> Planned:
    due_s = turn.now_s + turn.dice.between(*span_s)
    return (ReflectionPlanned(due_s),), (Remind(REFLECT, due_s, Reflect()),)


def reflect(talker: Talker, state: Any, _: Reflect, turn: Turn) -> Decision:
    """The reflection itself."""
    mind: Mind = state.mind
    writer = MemoryWriter(mind, turn.now_s, talker.room(state))
    over = [player for player, talk in mind.talks.items() if is_over(talk, turn.now_s)]
    ended = end_talks(talker, state, writer, over, turn)
    thought = talker.reflects(state, writer, turn)
    goes_on = len(over) < len(mind.talks)
    planned: Planned = ((ReflectionPlanned(0.0),), ())
    if goes_on or thought.messages:
        planned = _planned(turn, REFLECT_S if goes_on else NEWS_S)
    return Decision(
        (*writer.events, *ended.events, *thought.events, *planned[0]),
        {"mulled": True},
        (*to_archive(mind, writer, turn), *thought.messages),
        (),
        planned[1],
        ended.model_requests,
    )


def make_room_for_talk(talker: Talker, state: Any, writer: MemoryWriter, player: str, turn: Turn) -> Decision:
    """The talk that rested longest ends where one more could not be followed; what is left of it is kept."""
    talks = state.mind.talks
    if player in talks or len(talks) < TALKS_MAX:
        return Decision()
    longest = min(talks, key=lambda other: (talks[other].at_s, other))
    return end_talks(talker, state, writer, [longest], turn)


def end_talks(talker: Talker, state: Any, writer: MemoryWriter, players: Sequence[str], turn: Turn) -> Decision:
    """What is left of the talks with these players, which are over. Where there is a model, it is asked for better
    words."""
    events: list[Event] = []
    requests: list[ModelRequest] = []
    for player in players:
        talk, name = state.mind.talks[player], talker.calls(state, player) or STRANGER
        summary = condensed(talk, name, talker.name(state))
        no = None
        if summary is not None:
            text, weight = summary
            # What two people talked about is between them.
            no = writer.keep(Memory(0, "summary", text, weight, player, "witnessed", talk.at_s, audience=player))
            if no is not None:
                brief = SummaryBrief(no, player, talker.name(state), name, text, talk.exchanges)
                requests += better_words(brief, weight, turn)
        events.append(TalkEnded(player, no, turn.now_s))
    return Decision(tuple(events), model_requests=tuple(requests))


def better_words(brief: SummaryBrief, weight: int, turn: Turn) -> tuple[ModelRequest, ...]:
    """Where there is a model, it is asked for better words for a summary that is worth them."""
    if not turn.has_model or weight < CONDENSE_FROM:
        return ()
    fallback, within_s = Condense(brief.no, brief.text), max(CONDENSE_WITHIN_S, turn.model_wait_s)
    return (ModelRequest(f"condense {brief.player}", brief, fallback, within_s, waited_for=False),)


def remember(talker: Talker, state: Any, command: Remember, turn: Turn) -> Decision:
    """Another actor leaves a memory."""
    writer = MemoryWriter(state.mind, turn.now_s, talker.room(state))
    fresh = Memory(
        0,
        command.kind,
        _named(talker, state, command),
        command.weight,
        command.about,
        command.source,
        turn.now_s,
        command.expires_s,
        audience=command.audience or "",
        due_s=command.due_s,
    )
    no = writer.keep(fresh)
    return Decision(tuple(writer.events), {"memory": no}, to_archive(state.mind, writer, turn))


def _named(talker: Talker, state: Any, command: Remember) -> str:
    """The text of a memory with the name by which this mind knows the player it is about."""
    known = "" if command.about is None else talker.calls(state, command.about)
    stranger = STRANGER if command.text.startswith(WHO) else STRANGER.lower()
    return command.text.replace(WHO, known or stranger)


def condense(state: HasMind, command: Condense, _: Turn) -> Decision:
    """A model's words for a summary. Raises Refused where it is no summary (any more)."""
    held = next((memory for memory in state.mind.memories if memory.no == command.no), None)
    if held is None or held.kind != "summary":
        raise Refused("no_summary", f"memory {command.no} is not the summary of a talk")
    if held.text == command.text:
        return Decision((), {"memory": command.no})
    return Decision((Reworded(command.no, command.text),), {"memory": command.no})


def embed(state: HasMind, command: Embed, _: Turn) -> Decision:
    """Store a model's embedding of a memory; does nothing if the memory was dropped meanwhile."""
    held = next((memory for memory in state.mind.memories if memory.no == command.no), None)
    meant = held is not None and command.text in ("", held.text)
    if held is None or not meant or held.embedding == command.embedding:
        return Decision((), {"memory": None if held is None else held.no})
    return Decision((Embedded(command.no, command.embedding),), {"memory": command.no})
