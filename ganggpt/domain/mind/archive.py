"""The archive of a mind: the memories it had no room for, kept outside of it and searched by messages.

The host answers these messages from the database. What is found comes back as a command like any other. It brings the
embedding of the question too, where there is a model for it: what somebody holds but did not find by its words is then
found by its meaning, a moment late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.speech_acts import QUESTIONS, hear
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.brief import Act
from ganggpt.domain.mind.commands import ArchiveMemories, Recollect, SearchArchive
from ganggpt.domain.mind.embedding import has_vectors
from ganggpt.domain.mind.events import ArchiveSearched
from ganggpt.domain.mind.memory import INDEXES
from ganggpt.domain.mind.memory_index import Question, blended
from ganggpt.domain.mind.memory_record import (
    REHEARSED_MAX,
    Memory,
    is_expired,
    may_tell,
)
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.mind import Mind
from ganggpt.domain.mind.response import FITS, Answer
from ganggpt.domain.mind.talker import Talker
from ganggpt.domain.mind.turn_taking import said
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.turn import (
    Decision,
    Event,
    Message,
    Turn,
)

SEARCH_EVERY_S: Final = 5.0
"""One actor searches its archive no more often than this."""
STALE_S: Final = 30.0
"""What the archive finds later than this after the question is not said any more."""
NEAR: Final = 0.3
"""Cosine from which a memory may be what was asked for, whatever the words."""
AHEAD: Final = 0.08
"""How much nearer than every other one it has to be: where all are alike (a language the model does not know), none
is."""


def to_archive(mind: Mind, writer: MemoryWriter, turn: Turn) -> tuple[Message, ...]:
    """The message that takes what the mind had no room for to its archive."""
    if not writer.left:
        return ()
    return (Message(turn.actor, ArchiveMemories(tuple(writer.left), mind.let_go + len(writer.left))),)


def ahead(talker: Talker, state: Any, command: Any, turn: Turn) -> SearchArchive | None:
    """What the archive should be asked before a talk (``command``) is answered; None where the mind is sure by itself,
    has let nothing go, or where a search was just made."""
    mind, heard = state.mind, hear(command.text)
    if not heard.looks_asking and heard.main.act not in QUESTIONS:
        return None
    if not mind.let_go or turn.now_s - mind.asked_s < SEARCH_EVERY_S or not turn.by.startswith("player:"):
        return None
    found = talker.answer(state, turn, Line(turn.by, command.text, 0.0))
    return SearchArchive(found.missing, turn.by, turn.now_s, mind.let_go) if found.missing else None


def from_tail(found: Answer, writer: MemoryWriter, turn: Turn) -> Answer:
    """The answer with what the archive found before the talk, which is kept in mind again; the same where it found
    nothing that fits."""
    best = _best(turn.tail, turn.by, turn.now_s) if turn.tail and found.missing else None
    if best is None:
        return found
    memory, _ = _kept_again(best, writer)
    return _told(memory, turn.by, found.missing)


def _kept_again(best: Memory, writer: MemoryWriter) -> tuple[Memory, int | None]:
    """What was in the archive as it is in mind again, and its number there; None where there was no room."""
    no = writer.keep(replace(best, was=best.no, rehearsed=min(best.rehearsed + 1, REHEARSED_MAX)))
    return (best if no is None else replace(best, no=no)), no


def _told(memory: Memory, listener: str, asked: str) -> Answer:
    act: Act = "remember" if memory.about == listener else "gossip"
    return Answer(act, memory, facts={"topic": asked})


def search_archive(mind: Mind, found: Answer, turn: Turn) -> tuple[tuple[Event, ...], tuple[Message, ...]]:
    """Search for what was asked for and was not found by words; nothing where there is nothing else to search by, or
    where that was just done."""
    if turn.tail is not None and not has_vectors(mind.memories):
        # It was asked before the talk, so only the time of it is noted.
        return (ArchiveSearched(turn.by, found.missing, turn.now_s),) if found.missing else (), ()
    # A model that talks is told what lies near before it answers (``ThinkAgain``).
    is_there_more = mind.let_go or (not turn.has_model and has_vectors(mind.memories))
    if not found.missing or not is_there_more or turn.now_s - mind.asked_s < SEARCH_EVERY_S:
        return (), ()
    question = SearchArchive(found.missing, turn.by, turn.now_s, mind.let_go)
    return (ArchiveSearched(turn.by, found.missing, turn.now_s),), (Message(turn.actor, question),)


def recollect(talker: Talker, state: Any, command: Recollect, turn: Turn) -> Decision:
    """The archive answered: if something fits and it is not too late, it is said, and what was in the archive is kept
    in mind again."""
    player = command.listener
    if turn.now_s - command.asked_s > STALE_S:
        return Decision((), {"recollected": None, "stale": True})
    best = _best(command.found, player, turn.now_s)
    held = _meant(state.mind, command, turn) if best is None else None
    writer = MemoryWriter(state.mind, turn.now_s, talker.room(state))
    if best is not None:
        memory, no = _kept_again(best, writer)
    elif held is not None:
        memory, no = held, held.no
    else:
        return Decision((), {"recollected": None, "stale": False})
    line = Line(player, "", 0.0, None, talker.calls(state, player))
    found = _told(memory, player, command.query)
    done = said(talker, state, turn, line, found, writer.events)
    body = {talker.kind: turn.actor, "name": talker.name(state), **done.reply}
    messages = (*to_archive(state.mind, writer, turn), Message(ActorId(player), Notify(f"{talker.kind}.said", body)))
    return replace(done, reply={"recollected": no, **done.reply}, messages=messages)


def _best(found: Sequence[tuple[Memory, float]], player: str, now_s: float) -> Memory | None:
    """What fits best of what was found and may be told to who asked."""
    told = [
        blended(memory, min(1.0, max(0.0, relevance)), now_s, player, None)
        for memory, relevance in found
        if relevance >= FITS and may_tell(memory, player) and not is_expired(memory, now_s)
    ]
    return max(told, key=lambda one: (one.score, one.memory.no)).memory if told else None


def _meant(mind: Mind, command: Recollect, turn: Turn) -> Memory | None:
    """What is in mind and was meant by the question: the one memory that is near to it by far, if any."""
    if command.embedding is None or turn.has_model:
        return None
    asked = Question(text="", now_s=turn.now_s, k=2, listener=command.listener, embedding=command.embedding)
    near = INDEXES.of(mind.memories).nearest(asked)
    if not near:
        return None
    memory, cosine = near[0]
    others = near[1][1] if len(near) > 1 else 0.0
    was_just_said = memory.no in mind.cited[-1:]
    return memory if cosine >= max(NEAR, others + AHEAD) and not was_just_said else None


def not_here(_state: Any, _command: SearchArchive | ArchiveMemories, _turn: Turn) -> Decision:
    """A message to the archive that came to the actor itself: this world has no archive."""
    return Decision((), {"tail": False})
