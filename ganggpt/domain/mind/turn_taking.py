"""How somebody talks with a model's words: a bark at once, then sentence by sentence while somebody listens.

Before a model is asked, the rules decide the act, what is remembered and how feelings change; afterwards they judge
every action it wants. Where a model is late, fails or is missing, scripted lines replace it: the player always hears
something. There is one utterance at a time: a player who speaks to somebody that is talking to another player waits,
unless they have to be heard at once; a player who interrupts cuts off what was being said to them.

This is the same for every kind; what differs between kinds is the ``Talker``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.brief import SAID_MAX, Cited, cited
from ganggpt.domain.mind.commands import (
    Conclude,
    Hush,
    SayScripted,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.mind.embedding import has_vectors
from ganggpt.domain.mind.memory import Unlearned, recall
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.talker import Talker, folded
from ganggpt.domain.mind.utterance import (
    SENTENCES_MAX,
    WAITING_MAX,
    Began,
    BrokeOff,
    Line,
    Provenance,
    ProvenanceRecorded,
    TalkBrief,
    Turned,
    Utterance,
    Uttered,
    Waits,
)
from ganggpt.domain.turn import (
    CancelRequest,
    Decision,
    Event,
    Forget,
    Message,
    ModelRequest,
    Remind,
    Turn,
)
from ganggpt.errors import Refused

TALK: Final = "talk"
"""Name of the model request, and of the reminder that answers where both the model and the host that asked are gone."""
GRACE_S: Final = 5.0
"""After the longest wait for a model, how long the answer may take to come across before the reminder speaks."""
RECALLED_MAX: Final = 8
"""The most memories in the input of a model."""


class Outcome(Struct, frozen=True, gc=False):
    """What became of the actions a model wanted. ``told``: each with "allowed" or why not; ``refused``: what is said of
    the first that may not be; ``acts``: for the game server; ``events`` and ``messages``: what the others did."""

    told: tuple[tuple[str, str], ...] = ()
    refused: Answer | None = None
    acts: tuple[Mapping[str, Any], ...] = ()
    events: tuple[Event, ...] = ()
    messages: tuple[Message, ...] = ()


def said(
    talker: Talker,
    state: Any,
    turn: Turn,
    line: Line,
    found: Answer,
    before: Sequence[Event] = (),
    after: Sequence[Event] = (),
) -> Decision:
    """Put an answer into words at once. ``state``: as it is after the events ``before``, which go along; so do those
    that come ``after`` what is said."""
    brief = talker.brief(state, turn, line, found)
    words = turn.wording.say(brief, turn.dice)
    no = None if found.memory is None else found.memory.no
    now = Utterance("", line.player, found.act, line.heard, no, turn.now_s, name=line.name, because=found.reason)
    spoke = talker.spoke(state, now, words, turn.now_s)
    reply = {**talker.reply(state, turn, line, brief, words), "cites": no, "utterance": f"{turn.actor}#{turn.seq}"}
    return Decision((*before, spoke, *after), reply)


def begin(talker: Talker, state: Any, turn: Turn, line: Line, found: Answer) -> Decision:
    """Begin to answer a line with the model's words, or let the player wait for their turn."""
    now, player = state.mind.speaking.utterance, line.player
    if now is not None and now.player != player and not talker.at_once(state, turn, line):
        return Decision((Waits(line),), _barked(talker, state, turn, line, replace(found, act="one_moment")))
    cut = Decision() if now is None else _cut(talker, state, turn, len(now.said), interrupted=True)
    state = folded(talker, state, cut.events)
    no = None if found.memory is None else found.memory.no
    utterance = Utterance(
        f"{turn.actor}#{turn.seq}",
        player,
        found.act,
        line.heard,
        no,
        turn.now_s,
        learned=line.learned,
        name=line.name,
        scene=line.scene,
        because=found.reason,
    )
    brief = talker.brief(state, turn, line, found)
    memories = _fitting(state, turn, utterance)
    by_embedding = has_vectors(state.mind.memories) and not hear(line.heard).is_courtesy
    background = talker.background(state, turn, line)
    asked = TalkBrief(utterance.id, player, brief, memories, by_embedding, background)
    fallback = SayScripted(utterance.id)
    listens = replace(found, act="listen", memory=None)
    return Decision(
        (*cut.events, Turned(player), *(() if now is None else _put_back(state, now, player)), Began(utterance)),
        {**_barked(talker, state, turn, line, listens), "utterance": utterance.id},
        cut.messages,
        (),
        (Remind(TALK, turn.now_s + turn.model_wait_s + GRACE_S, fallback),),
        (ModelRequest(TALK, asked, fallback, turn.model_wait_s),),
    )


def _put_back(state: Any, now: Utterance, instead_of: str) -> tuple[Event, ...]:
    """The line of a player who was cut off by another one before they heard a word: it waits again, before all others.
    Where nobody else could wait, it is lost."""
    others = [line for line in state.mind.speaking.waiting if line.player not in (now.player, instead_of)]
    if now.player == instead_of or now.said or len(others) >= WAITING_MAX:
        return ()
    return (Waits(line_of(now)), *map(Waits, others))


def utter(talker: Talker, state: Any, command: Utter, turn: Turn) -> Decision:
    """The next sentence. Raises Refused if the utterance is over."""
    now = current(state, command.utterance)
    if command.no != len(now.said) or command.no >= SENTENCES_MAX:
        raise Refused("stale", f"sentence {command.no} of {now.id} is out of order: {len(now.said)} were said before")
    text = clipped(command.text, SAID_MAX)
    says = _says(talker, state, turn, now, command.no, text)
    return Decision((Uttered(now.id, text),), {"said": command.no}, (says,))


def think_again(state: Any, command: ThinkAgain, turn: Turn) -> Decision:
    """The memories that fit a line by its embedding. Raises Refused if the utterance is over."""
    found = _fitting(state, turn, current(state, command.utterance), command.embedding)
    return Decision(reply={"memories": to_builtins(found)})


def say_scripted(talker: Talker, state: Any, command: SayScripted, turn: Turn) -> Decision:
    """Scripted lines take over; where a model said something already, the utterance ends with that."""
    now = current(state, command.utterance)
    provenance = replace(command.made, guards=(*command.made.guards, command.why))
    events: tuple[Event, ...] = ()
    if command.deflect:
        # What was said is nothing to talk about, and nothing to remember either.
        events = () if now.learned is None else (Unlearned((now.learned,)),)
        now = replace(now, heard="")
    if now.said:
        done = _concluded(talker, state, turn, now, now.said, provenance)
        return replace(done, events=(*events, *done.events))
    line = line_of(now)
    found = Answer("deflect") if command.deflect else talker.answer(state, turn, line)
    said = turn.wording.say(talker.brief(state, turn, line, found), turn.dice)
    cites = None if found.memory is None else found.memory.no
    now = replace(now, act=found.act, cites=cites, because=found.reason)
    done = _concluded(talker, state, turn, now, (said,), provenance)
    messages = (_says(talker, state, turn, now, 0, said, final=True), *done.messages)
    return replace(done, events=(*events, *done.events), messages=messages)


def say_silent(talker: Talker, state: Any, command: Conclude, turn: Turn) -> Decision:
    """Scripted lines take over from a model that ended without a word."""
    provenance = replace(command.made, model="scripted")
    return say_scripted(talker, state, SayScripted(command.utterance, "silent", made=provenance), turn)


def conclude(talker: Talker, state: Any, command: Conclude, turn: Turn, outcome: Outcome) -> Decision | None:
    """The end of a model's answer: what it wanted to do and may not is said no to. None where there was no answer:
    nothing was said, so nothing of ``outcome`` may hold."""
    now = current(state, command.utterance)
    said, messages = now.said, []
    if outcome.refused is not None:
        brief = talker.brief(state, turn, replace(line_of(now), heard=""), outcome.refused)
        words = turn.wording.say(brief, turn.dice)
        messages.append(_says(talker, state, turn, now, len(said), words))
        said = (*said, words)
    if not said:
        return None
    messages.append(_says(talker, state, turn, now, len(said), "", final=True))
    for act in outcome.acts:
        body = {talker.kind: turn.actor, "utterance": now.id, **act}
        messages.append(Message(ActorId(now.player), Notify(f"{talker.kind}.act", body)))
    after = folded(talker, state, outcome.events)
    done = _concluded(talker, after, turn, now, said, replace(command.made, actions=outcome.told))
    return replace(
        done,
        events=(*outcome.events, *done.events),
        reply={**done.reply, "actions": [list(one) for one in outcome.told]},
        messages=(*messages, *outcome.messages, *done.messages),
    )


def hush(talker: Talker, state: Any, command: Hush, turn: Turn, *, whoever: bool = False) -> Decision:
    """Stop talking to a player, or to anybody if the game server says so. ``whoever``: the player may silence it
    also while it talks to another player."""
    now = state.mind.speaking.utterance
    if turn.by.startswith("player:") and not whoever and (now is None or now.player != turn.by):
        waits = any(line.player == turn.by for line in state.mind.speaking.waiting)
        return Decision((Turned(turn.by),) if waits else (), {"hushed": False})
    if now is None or command.utterance not in (None, now.id):
        return Decision((), {"hushed": False})
    heard = len(now.said) if command.heard is None else min(command.heard, len(now.said))
    cut = _cut(talker, state, turn, heard, interrupted=False)
    return _then_next(talker, state, turn, replace(cut, reply={"hushed": True}))


def broken_off(talker: Talker, state: Any, turn: Turn, decision: Decision) -> Decision:
    """A decision that also cuts off whatever is being said: something else has to be said instead."""
    now = state.mind.speaking.utterance
    if now is None:
        return decision
    cut = _cut(talker, state, turn, len(now.said), interrupted=True)
    messages = (*cut.messages, *decision.messages)
    done = replace(cut, events=(*cut.events, *decision.events), reply=decision.reply, messages=messages)
    return _then_next(talker, state, turn, done)


def fall_silent(talker: Talker, state: Any, turn: Turn) -> Decision:
    """Break off what is being said, and turn to nobody else."""
    speaking = state.mind.speaking
    ignored = tuple(Turned(line.player) for line in speaking.waiting)
    if speaking.utterance is None:
        return Decision(ignored)
    cut = _cut(talker, state, turn, len(speaking.utterance.said), interrupted=False)
    return replace(cut, events=(*ignored, *cut.events))


def current(state: Any, utterance: str) -> Utterance:
    """What is being said. Raises Refused where it is another utterance, or none."""
    now: Utterance | None = state.mind.speaking.utterance
    if now is None or now.id != utterance:
        raise Refused("stale", f"{utterance} is not being said any more")
    return now


def line_of(now: Utterance) -> Line:
    """The line an utterance answers, which was said a moment ago."""
    return Line(now.player, now.heard, 0.0, now.learned, now.name, now.scene)


def saying(state: Any) -> dict[str, Any] | None:
    """What a read shows of it."""
    now = state.mind.speaking.utterance
    if now is None:
        return None
    waiting = [line.player for line in state.mind.speaking.waiting]
    return {"utterance": now.id, "player": now.player, "said": list(now.said), "waiting": waiting}


def _fitting(
    state: Any, turn: Turn, now: Utterance, embedding: Embedding | None = None
) -> tuple[tuple[Cited, float], ...]:
    """Memories that fit what an utterance answers, but for the one it brings up anyway, each with its score."""
    player, now_s = now.player, turn.now_s
    found = recall(state.mind.memories, now.heard, now_s, RECALLED_MAX, player, listener=player, embedding=embedding)
    return tuple((cited(one.memory, now_s, player), one.score) for one in found if one.memory.no != now.cites)


def _concluded(
    talker: Talker, state: Any, turn: Turn, now: Utterance, said: Sequence[str], provenance: Provenance
) -> Decision:
    """End an utterance and answer the next player who waits."""
    words = clipped(" ".join(said), SAID_MAX)
    spoke = talker.spoke(state, now, words, turn.now_s)
    done = Decision((spoke, ProvenanceRecorded(now.id, provenance)), {"said": words}, (), (), (Forget(TALK),))
    return _then_next(talker, state, turn, done)


def _cut(talker: Talker, state: Any, turn: Turn, heard: int, *, interrupted: bool) -> Decision:
    """Break off what is being said: only what was heard was said."""
    now: Utterance = state.mind.speaking.utterance
    words = clipped(" ".join(now.said[:heard]), SAID_MAX)
    over: Event = talker.spoke(state, now, words, turn.now_s) if words else BrokeOff(now.id, turn.now_s)
    why = "interrupted" if interrupted else "hushed"
    body = {talker.kind: turn.actor, "utterance": now.id}
    message = Message(ActorId(now.player), Notify(f"{talker.kind}.hush", body))
    events = (over, ProvenanceRecorded(now.id, Provenance("", guards=(why,))))
    return Decision(events, {}, (message,), (), (Forget(TALK),), (CancelRequest(TALK),))


def _then_next(talker: Talker, state: Any, turn: Turn, done: Decision) -> Decision:
    """Turn to the player who has waited longest, if any; where there is no model, the request itself finds out."""
    after = folded(talker, state, done.events)
    if not after.mind.speaking.waiting:
        return done
    line = after.mind.speaking.waiting[0]
    fresh = begin(talker, after, turn, line, talker.answer(after, turn, line))
    return Decision(
        (*done.events, *fresh.events),
        done.reply,
        (*done.messages, *fresh.messages),
        (),
        fresh.reminders,
        fresh.model_requests,
    )


def _barked(talker: Talker, state: Any, turn: Turn, line: Line, found: Answer) -> dict[str, Any]:
    """A few words at once, while the others come."""
    brief = talker.brief(state, turn, replace(line, heard=""), found)
    said = turn.wording.say(brief, turn.dice)
    return {**talker.reply(state, turn, line, brief, said), "utterance": None, "more": True}


def _says(
    talker: Talker, state: Any, turn: Turn, now: Utterance, no: int, text: str, *, final: bool = False
) -> Message:
    body = {
        talker.kind: turn.actor,
        "name": talker.name(state),
        "utterance": now.id,
        "no": no,
        "say": text,
        "final": final,
    }
    return Message(ActorId(now.player), Notify(f"{talker.kind}.says", body))


def as_by(turn: Turn, player: str) -> Turn:
    """The turn as one of that player: what is answered or allowed is answered to, or allowed to, them."""
    return turn if turn.by == player else dataclasses.replace(turn, by=player)
