"""How an NPC talks with a model's words: a bark at once, then sentence by sentence, as long as somebody listens.

The rules decide the act, what is remembered and what a standing does before any model is asked, and judge every action
it wants afterwards. A model that is late, fails or is away is replaced by the scripted mind: the player always hears
something. One utterance at a time: who speaks to an NPC that is talking to somebody else waits, unless they call it by
its name or are not to be ignored; who interrupts cuts off what was being said to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from ganggpt.domain.actions import (
    Action,
    Attack,
    CallPolice,
    Decline,
    Flee,
    Follow,
    GiveItem,
    Judged,
    OfferMission,
    Refusal,
    judged,
)
from ganggpt.domain.dialogue import Answer, Speaker, answer
from ganggpt.domain.feeling import HOSTILE_AT
from ganggpt.domain.ids import ActorId
from ganggpt.domain.intent import is_courtesy
from ganggpt.domain.letters import Notify
from ganggpt.domain.memory import Embedding, recall
from ganggpt.domain.npc_commands import Conclude, Hush, SayPlainly, ThinkAgain, Utter
from ganggpt.domain.npc_speech import brief_of, told
from ganggpt.domain.npc_state import Npc, Spoke, evolve, mood_now, standing_now
from ganggpt.domain.speech import SAID_MAX, Cited, cited
from ganggpt.domain.turn import Ask, Cease, Command, Decision, Event, Forget, Message, Remind, Turn
from ganggpt.domain.utterance import (
    SENTENCES_MAX,
    Began,
    BrokeOff,
    Explained,
    Line,
    Made,
    TalkBrief,
    Turned,
    Utterance,
    Uttered,
    Waits,
)
from ganggpt.domain.words import clipped, tokens
from ganggpt.errors import Refused

TALK: Final = "talk"
"""Name of the ask, and of the reminder that speaks where the model and the host that asked it are both gone."""
WITHIN_S: Final = 12.0
"""Longest wait for all of a model's answer."""
GRACE_S: Final = 5.0
"""After that, how long the answer may take to come across before the reminder speaks."""
RECALLED_MAX: Final = 8
"""Memories a model is told."""
_ACTIONS: Final[dict[str, Callable[[str], Action]]] = {
    "follow": lambda _: Follow(),
    "attack": Attack,
    "flee": lambda _: Flee(),
    "give": GiveItem,
    "call_police": lambda _: CallPolice(),
    "offer_mission": OfferMission,
    "refuse": lambda _: Decline(),
}


def begin(state: Npc, turn: Turn, player: str, found: Answer, heard: str, absent_s: float = 0.0) -> Decision:
    """Begin to answer a player with the model's words, or let them wait their turn."""
    now = state.speaking.utterance
    if now is not None and now.player != player and not _must_be_heard(state, turn, player, heard):
        return Decision(
            (Waits(Line(player, heard, absent_s)),), _barked(state, turn, player, replace(found, act="one_moment"))
        )
    cut = Decision() if now is None else _cut(state, turn, len(now.said), interrupted=True)
    state = _after(state, cut.events)
    standing, mood = standing_now(state, player, turn.now_s), mood_now(state, turn.now_s)
    no = None if found.memory is None else found.memory.no
    utterance = Utterance(f"{turn.actor}#{turn.seq}", player, found.act, heard, no, turn.now_s)
    brief = brief_of(state, turn, player, found, standing, mood, heard)
    memories = _fitting(state, turn, utterance)
    by_meaning = any(memory.embedding is not None for memory in state.memories) and not is_courtesy(heard)
    plainly = SayPlainly(utterance.id)
    return Decision(
        (*cut.events, Turned(player), Began(utterance)),
        {**_barked(state, turn, player, replace(found, act="listen", memory=None)), "utterance": utterance.id},
        cut.messages,
        (),
        (Remind(TALK, turn.now_s + WITHIN_S + GRACE_S, plainly),),
        (Ask(TALK, TalkBrief(utterance.id, player, brief, memories, by_meaning), plainly, WITHIN_S),),
    )


def utter(state: Npc, command: Utter, turn: Turn) -> Decision:
    """The next sentence. Raises Refused where nobody listens to this utterance any more."""
    now = _current(state, command.utterance)
    if command.no != len(now.said) or command.no >= SENTENCES_MAX:
        raise Refused("stale", f"sentence {command.no} of {now.id}, of which {len(now.said)} were said")
    text = clipped(command.text, SAID_MAX)
    return Decision((Uttered(now.id, text),), {"said": command.no}, (_says(state, turn, now, command.no, text),))


def think_again(state: Npc, command: ThinkAgain, turn: Turn) -> Decision:
    """What comes to mind by the meaning of a line. Raises Refused where nobody listens to this utterance any more."""
    found = _fitting(state, turn, _current(state, command.utterance), command.embedding)
    return Decision(reply={"memories": to_builtins(found)})


def say_plainly(state: Npc, command: SayPlainly, turn: Turn) -> Decision:
    """The scripted mind takes over; where a model said something already, that was it."""
    now = _current(state, command.utterance)
    made = Made(guards=(command.why,))
    if now.said:
        return _concluded(state, turn, now, now.said, made)
    found = Answer("deflect") if command.deflect else _answer_again(state, turn, now.player, now.heard, 0.0)
    standing, mood = standing_now(state, now.player, turn.now_s), mood_now(state, turn.now_s)
    brief = brief_of(state, turn, now.player, found, standing, mood, "" if command.deflect else now.heard)
    said = turn.mind.say(brief, turn.dice)
    now = replace(now, act=found.act, cites=None if found.memory is None else found.memory.no)
    if command.deflect:
        now = replace(now, heard="")
    done = _concluded(state, turn, now, (said,), made)
    return replace(done, messages=(_says(state, turn, now, 0, said, final=True), *done.messages))


def conclude(state: Npc, command: Conclude, turn: Turn) -> tuple[Decision, Npc, Judged, Turn]:
    """The end of a model's answer: what it wants to do is judged, and said no to where it may not. Returns also the
    state after it, the verdicts, and the turn as one of the player: what is allowed may be a command of theirs."""
    now = _current(state, command.utterance)
    as_player = dataclasses.replace(turn, by=now.player)
    verdicts = judged(actions_of(command.actions), state, as_player)
    said, messages = now.said, []
    standing, mood = standing_now(state, now.player, turn.now_s), mood_now(state, turn.now_s)
    for refusal in verdicts.refusals[:1]:
        words = turn.mind.say(brief_of(state, turn, now.player, refusal.answer(), standing, mood), turn.dice)
        messages.append(_says(state, turn, now, len(said), words))
        said = (*said, words)
    if not said:
        return say_plainly(state, SayPlainly(now.id, "silent"), turn), state, Judged((), state), as_player
    messages.append(_says(state, turn, now, len(said), "", final=True))
    for wish in verdicts.wishes:
        if wish.act is not None:
            act = {"npc": turn.actor, "utterance": now.id, **wish.act}
            messages.append(Message(ActorId(now.player), Notify("npc.act", act)))
    told_by = tuple((v.action, v.reason if isinstance(v, Refusal) else "allowed") for v in verdicts.verdicts)
    done = _concluded(state, turn, now, said, replace(command.made, actions=told_by))
    events = (*verdicts.events, *done.events)
    decision = replace(
        done,
        events=events,
        reply={**done.reply, "actions": [list(one) for one in told_by]},
        messages=(*messages, *done.messages),
    )
    return decision, _after(state, events), verdicts, as_player


def hush(state: Npc, command: Hush, turn: Turn) -> Decision:
    """Stop talking to a player, or to anybody where the game server says so."""
    now = state.speaking.utterance
    if turn.by.startswith("player:") and (now is None or now.player != turn.by):
        waits = any(line.player == turn.by for line in state.speaking.waiting)
        return Decision((Turned(turn.by),) if waits else (), {"hushed": False})
    if now is None:
        return Decision((), {"hushed": False})
    heard = len(now.said) if command.heard is None else min(command.heard, len(now.said))
    cut = _cut(state, turn, heard, interrupted=False)
    return _then_next(state, turn, replace(cut, reply={"hushed": True}))


def actions_of(wanted: Sequence[tuple[str, str]]) -> tuple[Action, ...]:
    """Actions from their words and texts; what no rule knows is left out."""
    return tuple(_ACTIONS[do](text) for do, text in wanted if do in _ACTIONS)


def _fitting(
    state: Npc, turn: Turn, now: Utterance, embedding: Embedding | None = None
) -> tuple[tuple[Cited, float], ...]:
    """Memories that fit what an utterance answers, but for the one it brings up anyway, each with its score."""
    recalled = recall(
        state.memories, now.heard, turn.now_s, RECALLED_MAX, now.player, listener=now.player, embedding=embedding
    )
    found = ((one.memory, one.score) for one in recalled if one.memory.no != now.cites)
    return tuple((cited(memory, turn.now_s, now.player), score) for memory, score in found)


def _current(state: Npc, utterance: str) -> Utterance:
    now = state.speaking.utterance
    if now is None or now.id != utterance:
        raise Refused("stale", f"{utterance} is not being said any more")
    return now


def _must_be_heard(state: Npc, turn: Turn, player: str, heard: str) -> bool:
    """Whether a player is answered though the NPC talks to somebody else: called by name, or an enemy."""
    called = tokens(state.sheet.name) & tokens(heard)
    return bool(called) or standing_now(state, player, turn.now_s).value <= HOSTILE_AT


def _concluded(state: Npc, turn: Turn, now: Utterance, said: Sequence[str], made: Made) -> Decision:
    """An utterance is over, and somebody else may have waited for it."""
    words = clipped(" ".join(said), SAID_MAX)
    spoke = Spoke(now.player, now.act, now.heard, words, now.cites, turn.now_s, now.id)
    done = Decision((spoke, Explained(now.id, made)), {"said": words}, (), (), (Forget(TALK),))
    return _then_next(state, turn, done)


def _cut(state: Npc, turn: Turn, heard: int, *, interrupted: bool) -> Decision:
    """Break off what is being said: only what was heard was said."""
    now = state.speaking.utterance
    assert now is not None
    words = clipped(" ".join(now.said[:heard]), SAID_MAX)
    over: Event = BrokeOff(now.id, turn.now_s)
    if words:
        over = Spoke(now.player, now.act, now.heard, words, now.cites, turn.now_s, now.id)
    why = "interrupted" if interrupted else "hushed"
    message = Message(ActorId(now.player), Notify("npc.hush", {"npc": turn.actor, "utterance": now.id}))
    events = (over, Explained(now.id, Made("", guards=(why,))))
    return Decision(events, {}, (message,), (), (Forget(TALK),), (Cease(TALK),))


def _then_next(state: Npc, turn: Turn, done: Decision) -> Decision:
    """Turn to the player who has waited longest, if any; where no model is there, the ask itself finds out."""
    after = _after(state, done.events)
    if not after.speaking.waiting:
        return done
    line = after.speaking.waiting[0]
    found = _answer_again(after, turn, line.player, line.heard, line.absent_s)
    fresh = begin(after, turn, line.player, found, line.heard, line.absent_s)
    return Decision(
        (*done.events, *fresh.events),
        done.reply,
        (*done.messages, *fresh.messages),
        (),
        fresh.reminders,
        fresh.asks,
    )


def _answer_again(state: Npc, turn: Turn, player: str, heard: str, absent_s: float) -> Answer:
    """How the rules answer what was heard a moment ago."""
    sheet = state.sheet
    value = standing_now(state, player, turn.now_s).value
    speaker = Speaker(state.memories, state.cited, value, sheet.faction, bool(sheet.missions))
    return answer(speaker, heard, absent_s, dataclasses.replace(turn, by=player))


def _barked(state: Npc, turn: Turn, player: str, found: Answer) -> dict[str, Any]:
    """A few words at once, while the others come."""
    standing, mood = standing_now(state, player, turn.now_s), mood_now(state, turn.now_s)
    brief = brief_of(state, turn, player, found, standing, mood)
    return {**told(brief, standing, turn.mind.say(brief, turn.dice), None), "utterance": None, "more": True}


def _says(state: Npc, turn: Turn, now: Utterance, no: int, text: str, *, final: bool = False) -> Message:
    body = {
        "npc": turn.actor,
        "name": state.sheet.name,
        "utterance": now.id,
        "no": no,
        "say": text,
        "final": final,
    }
    return Message(ActorId(now.player), Notify("npc.says", body))


def _after(state: Npc, events: Sequence[Event]) -> Npc:
    for event in events:
        state = evolve(state, event)  # type: ignore[arg-type]
    return state


RULES: Final[dict[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    Utter: utter,
    SayPlainly: say_plainly,
    ThinkAgain: think_again,
    Hush: hush,
}
