"""How a companion remembers: with a notebook, quiet moments and a tail, like an NPC, but it tells no rumours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.companion.state import Companion
from ganggpt.domain.companion.talk import said
from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.commands import AskTail, Condense, Embed, KeepInTail, Mull, Recollect, Remember
from ganggpt.domain.mind.events import MullPlanned
from ganggpt.domain.mind.memory_writer import Notebook
from ganggpt.domain.mind.response import Answer
from ganggpt.domain.mind.transcript import LONG_FROM, TALKS_MAX, is_over
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.npc.memory import (
    MULL,
    MULL_S,
    brought_back,
    condense,
    embed,
    end_talks,
    left_with,
    not_here,
    plan_mull,
    to_tail,
)
from ganggpt.domain.turn import Command, Decision, Event, Message, Remind, Turn


def notebook_of(state: Companion, turn: Turn) -> Notebook:
    """A notebook for one turn of a companion."""
    return Notebook(state.memories, state.next_no, turn.now_s)


def remember(state: Companion, command: Remember, turn: Turn) -> Decision:
    """Another actor leaves a memory."""
    return left_with(state, notebook_of(state, turn), command, turn)


def make_room_for_talk(state: Companion, notes: Notebook, player: str, turn: Turn) -> Decision:
    """The talk that rested longest ends where it could not follow one more; what is left of it is kept."""
    if player in state.talks or len(state.talks) < TALKS_MAX:
        return Decision()
    longest = min(state.talks, key=lambda other: (state.talks[other].at_s, other))
    return _end_talks(state, notes, [longest], turn)


def plan_thought(state: Companion, player: str, turn: Turn) -> tuple[tuple[Event, ...], tuple[Remind, ...]]:
    """A quiet moment after a talk that will leave something."""
    talk = state.talks.get(player)
    is_long = talk is not None and talk.count + 1 >= LONG_FROM and not is_over(talk, turn.now_s)
    return plan_mull(state, turn) if is_long else ((), ())


def mull(state: Companion, _: Mull, turn: Turn) -> Decision:
    """The quiet moment: talks that are over become a memory."""
    notes = notebook_of(state, turn)
    over = [player for player in state.talks if is_over(state.talks[player], turn.now_s)]
    ended = _end_talks(state, notes, over, turn)
    goes_on = len(over) < len(state.talks)
    due_s = turn.now_s + turn.dice.between(*MULL_S) if goes_on else 0.0
    events = (*notes.events, *ended.events, MullPlanned(due_s))
    reminders = (Remind(MULL, due_s, Mull()),) if goes_on else ()
    return Decision(events, {"mulled": True}, to_tail(state, notes, turn), (), reminders, ended.asks)


def _end_talks(state: Companion, notes: Notebook, players: Sequence[str], turn: Turn) -> Decision:
    called = {player: state.owner_name if player == state.owner else "" for player in players}
    return end_talks(state.talks, notes, called, state.name, turn)


def recollect(state: Companion, command: Recollect, turn: Turn) -> Decision:
    """The tail answered: say it, if it fits and is not too late, and have it in mind again."""
    notes, player = notebook_of(state, turn), command.listener
    back = brought_back(notes, command, turn)
    if isinstance(back, Decision):
        return back
    memory, no = back
    line = Line(player, "", 0.0, None, state.owner_name if player == state.owner else "")
    found = Answer("remember" if memory.about == player else "gossip", memory, facts={"topic": command.query})
    done = said(state, turn, line, found, notes.events)
    told = {"companion": turn.actor, "name": state.name, **done.reply}
    messages = (*to_tail(state, notes, turn), Message(ActorId(player), Notify("companion.said", told)))
    return replace(done, reply={"recollected": no, **done.reply}, messages=messages)


RULES: Final[Mapping[type[Command], Callable[[Companion, Any, Turn], Decision]]] = {
    Remember: remember,
    Mull: mull,
    Recollect: recollect,
    AskTail: not_here,
    KeepInTail: not_here,
    Condense: condense,
    Embed: embed,
}
"""The rules of this file by their commands."""
