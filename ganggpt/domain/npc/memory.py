"""How an NPC remembers: what it is told to keep, what it hears, what comes back from the tail, and what it makes of it
all in a quiet moment.

Everything that may wait, waits for that moment (``Mull``): talks that are over become a memory, what has gathered
becomes a conclusion, and one piece of news is told to one neighbour. So there is one reminder an NPC, and none for one
to whom nothing happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.companion.state import Companion
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import tokens
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import STRANGER, Act
from ganggpt.domain.mind.commands import AskTail, Condense, Embed, KeepInTail, Mull, Recollect, Remember
from ganggpt.domain.mind.events import MullPlanned, TailAsked, TalkEnded
from ganggpt.domain.mind.memory import Embedded, Reworded
from ganggpt.domain.mind.memory_index import blended
from ganggpt.domain.mind.memory_record import Memories, Memory, Trace, is_expired, last_s, may_tell
from ganggpt.domain.mind.memory_writer import Notebook
from ganggpt.domain.mind.response import FITS, Answer
from ganggpt.domain.mind.transcript import (
    LONG_FROM,
    TALKS_MAX,
    Conversation,
    SummaryBrief,
    condensed,
    is_over,
)
from ganggpt.domain.npc.commands import Hear
from ganggpt.domain.npc.rumour import (
    HOPS_MAX,
    Tale,
    distorted,
    hottest,
    is_nameless,
    lifetime_s,
    listener_of,
    neighbours,
)
from ganggpt.domain.npc.speech import uttered
from ganggpt.domain.npc.state import Npc, Pondered, RumourTold, mood_now, standing_now
from ganggpt.domain.turn import Ask, Command, Decision, Dice, Event, Message, Remind, Turn
from ganggpt.errors import Refused

MULL: Final = "mull"
"""Name of the reminder of the next quiet moment."""
MULL_S: Final = (300, 420)
"""From the first thing worth a thought to the quiet moment, in seconds; the dice say when."""
GOSSIP_S: Final = (900, 2700)
"""From one piece of news told on to the next."""
MULL_GRACE_S: Final = 60.0
"""How late the reminder may come before another one is armed."""
ASK_EVERY_S: Final = 5.0
"""The tail is asked no more often than this by one NPC."""
STALE_S: Final = 30.0
"""An answer of the tail that comes later than this is not said any more."""
PONDER_AT: Final = 150
"""Weight of what was learned from which on an NPC draws a conclusion: some ten ordinary encounters."""
CONDENSE_FROM: Final = 35
"""Weight from which on a summary is worth a model's words: something was said in that talk that mattered."""
CONDENSE_WITHIN_S: Final = 30.0
"""Longest wait for a model's words for a summary. Nobody waits for them."""
_KNOWS_BETTER: Final = 0.6
_DAY_S: Final = 86_400.0


def notebook_of(state: Npc, turn: Turn) -> Notebook:
    """A notebook for one turn of an NPC."""
    return Notebook(state.memories, state.next_no, turn.now_s, state.sheet.room)


def to_tail(state: Npc | Companion, notes: Notebook, turn: Turn) -> tuple[Message, ...]:
    """The letter that takes what the mind had no room for to the tail."""
    if not notes.left:
        return ()
    return (Message(turn.actor, KeepInTail(tuple(notes.left), state.let_go + len(notes.left))),)


def remember(state: Npc, command: Remember, turn: Turn) -> Decision:
    """Another actor leaves a memory."""
    return left_with(state, notebook_of(state, turn), command, turn)


def left_with(state: Npc | Companion, notes: Notebook, command: Remember, turn: Turn) -> Decision:
    """A memory that another actor leaves, in a notebook."""
    fresh = Memory(
        0,
        command.kind,
        command.text,
        command.weight,
        command.about,
        command.source,
        turn.now_s,
        command.expires_s,
        audience=command.audience or "",
        due_s=command.due_s,
    )
    no = notes.keep(fresh)
    return Decision(tuple(notes.events), {"memory": no}, to_tail(state, notes, turn))


# ------------------------------------------------------------------------------------------------------------- rumours


def hear(state: Npc, command: Hear, turn: Turn) -> Decision:
    """A neighbour tells something. What the NPC told itself, saw itself, or what is over, is not kept."""
    own = command.origin.startswith(f"{turn.actor}#") or turn.actor in command.chain
    if own or command.expires_s <= turn.now_s or not command.chain or len(command.chain) > HOPS_MAX:
        return Decision((), {"heard": False})
    if _knows_better(state.memories, command, turn.now_s):
        return Decision((), {"heard": False})
    notes = notebook_of(state, turn)
    trace = Trace(command.origin, tuple(command.chain), command.born_s)
    rumour = Memory(
        0,
        "rumour",
        command.text,
        command.weight,
        command.about,
        "rumour",
        turn.now_s,
        command.expires_s,
        trace=trace,
    )
    no = notes.keep(rumour)
    if no is None:
        return Decision((), {"heard": False})
    planned, reminders = plan_mull(state, turn)
    return Decision(
        (*notes.events, *planned), {"heard": True, "memory": no}, to_tail(state, notes, turn), (), reminders
    )


def _knows_better(memories: Memories, command: Hear, now_s: float) -> bool:
    """Whether the NPC saw with its own eyes what it is told."""
    wanted = tokens(command.text)
    for memory in memories:
        if memory.source != "witnessed" or memory.about != command.about or is_expired(memory, now_s):
            continue
        known = tokens(memory.text)
        if len(known & wanted) >= _KNOWS_BETTER * max(1, len(known | wanted)):
            return True
    return False


def rumour_by(player: str, no: int, turn: Turn, weight: int) -> tuple[Trace, float]:
    """The trace and the date of what a player tells of another: a rumour that was born here and came from them."""
    return Trace(f"{turn.actor}#{no}", (player,), turn.now_s), turn.now_s + lifetime_s(weight)


def trace_of(memory: Memory, actor: str) -> tuple[str, ...]:
    """Everybody a memory came through, from where it began to its holder, as ids."""
    return (*(memory.trace.chain if memory.trace is not None else ()), actor)


# ------------------------------------------------------------------------------------------------------ a quiet moment


def plan_mull(
    state: Npc | Companion, turn: Turn, span_s: tuple[int, int] = MULL_S
) -> tuple[tuple[Event, ...], tuple[Remind, ...]]:
    """See to it that there will be a quiet moment, unless there will be one anyway."""
    if turn.now_s < state.mull_s + MULL_GRACE_S:
        return (), ()
    due_s = turn.now_s + turn.dice.between(*span_s)
    return (MullPlanned(due_s),), (Remind(MULL, due_s, Mull()),)


def plan_thought(state: Npc, player: str, turn: Turn) -> tuple[tuple[Event, ...], tuple[Remind, ...]]:
    """A quiet moment after a talk that will leave something, or where enough has gathered to be thought about."""
    talk = state.talks.get(player)
    is_long = talk is not None and talk.count + 1 >= LONG_FROM and not is_over(talk, turn.now_s)
    return plan_mull(state, turn) if is_long or state.gathered >= PONDER_AT else ((), ())


def make_room_for_talk(state: Npc, notes: Notebook, player: str, turn: Turn) -> Decision:
    """The talk that rested longest ends where the NPC could not follow one more; what is left of it is kept."""
    if player in state.talks or len(state.talks) < TALKS_MAX:
        return Decision()
    longest = min(state.talks, key=lambda other: (state.talks[other].at_s, other))
    return _end_talks(state, notes, [longest], turn)


def mull(state: Npc, _: Mull, turn: Turn) -> Decision:
    """The quiet moment itself."""
    notes = notebook_of(state, turn)
    over = [player for player in state.talks if is_over(state.talks[player], turn.now_s)]
    ended = _end_talks(state, notes, over, turn)
    events: list[Event] = [*ended.events]
    open_talks = len(state.talks) - len(events)
    if state.gathered >= PONDER_AT:
        events.append(_ponder(state, notes, turn))
    tale, listener = _news(state, turn)
    messages = to_tail(state, notes, turn)
    if tale is not None and listener is not None:
        letter = _told_on(tale, turn.dice)
        messages = (*messages, Message(ActorId(listener), letter))
        events.append(RumourTold(tale.no, listener, letter.text, turn.now_s))
    if not open_talks and listener is None:
        events.append(MullPlanned(0.0))
        return Decision((*notes.events, *events), {"mulled": True}, messages, asks=ended.asks)
    due_s = turn.now_s + turn.dice.between(*(MULL_S if open_talks else GOSSIP_S))
    events.append(MullPlanned(due_s))
    again = (Remind(MULL, due_s, Mull()),)
    return Decision((*notes.events, *events), {"mulled": True}, messages, (), again, ended.asks)


def _end_talks(state: Npc, notes: Notebook, players: Sequence[str], turn: Turn) -> Decision:
    called = {player: standing_now(state, player, turn.now_s).name for player in players}
    return end_talks(state.talks, notes, called, state.sheet.name, turn)


def end_talks(
    talks: Mapping[str, Conversation], notes: Notebook, called: Mapping[str, str], speaker: str, turn: Turn
) -> Decision:
    """What is left of talks that are over. Where there is a model, it is asked for better words.

    ``called``: the players whose talks these are, with the name each goes by, or ""."""
    events: list[Event] = []
    asks: list[Ask] = []
    for player, known in called.items():
        talk, name = talks[player], known or STRANGER
        summary = condensed(talk, name)
        no = None
        if summary is not None:
            text, weight = summary
            # What two people talked about is between them.
            no = notes.keep(Memory(0, "summary", text, weight, player, "witnessed", talk.at_s, audience=player))
            if no is not None:
                asks += better_words(SummaryBrief(no, player, speaker, name, text, talk.exchanges), weight, turn)
        events.append(TalkEnded(player, no, turn.now_s))
    return Decision(tuple(events), asks=tuple(asks))


def better_words(brief: SummaryBrief, weight: int, turn: Turn) -> tuple[Ask, ...]:
    """Where there is a model, it is asked for better words for a summary that is worth them."""
    if not turn.has_model or weight < CONDENSE_FROM:
        return ()
    plainly = Condense(brief.no, brief.text)
    return (Ask(f"condense {brief.player}", brief, plainly, CONDENSE_WITHIN_S, waited_for=False),)


def _ponder(state: Npc, notes: Notebook, turn: Turn) -> Pondered:
    """One conclusion about whoever filled the last days most, drawn from what they did."""
    recent = [m for m in state.memories if m.about is not None and turn.now_s - last_s(m) < 7 * _DAY_S]
    recent = [m for m in recent if m.source in ("witnessed", "told") and m.kind != "summary"]
    weights: Counter[str] = Counter()
    for memory in recent:
        weights[memory.about or ""] += memory.weight
    if not weights:
        return Pondered(None, (), turn.now_s)
    player = max(weights, key=lambda who: (weights[who], who))
    evidence = [m for m in recent if m.about == player]
    standing = standing_now(state, player, turn.now_s)
    text = f"{standing.name or STRANGER} {_conclusion(evidence, standing.value)}"
    weight = min(70, 30 + weights[player] // 20)
    no = notes.keep(Memory(0, "note", text, weight, player, "inferred", turn.now_s, audience=player))
    return Pondered(no, tuple(m.no for m in evidence[-16:]), turn.now_s)


def _conclusion(evidence: list[Memory], standing: float) -> str:
    kinds = Counter(memory.kind for memory in evidence)
    if kinds["threat"] or standing <= HOSTILE_AT:
        return "means me harm, and I had better watch out"
    if kinds["promise"] + kinds["debt"] >= 2:
        return "promises a lot, and I will see what comes of it"
    if kinds["gift"] >= 2:
        return "keeps bringing me things, and wants to be on my good side"
    if kinds["work"] >= 2:
        return "keeps coming back for work, and may be of use"
    return "is around a lot these days, and I begin to know what to expect"


def _news(state: Npc, turn: Turn) -> tuple[Tale | None, str | None]:
    """The hottest news for which there is somebody to tell it to."""
    around = neighbours(turn.world, turn.actor, state.sheet.home, state.sheet.faction)
    if not around:
        return None, None

    def bears_grudge(player: str) -> bool:
        return standing_now(state, player, turn.now_s).value <= HOSTILE_AT

    tale = hottest(state.memories, state.told, turn.actor, state.sheet.name, turn.now_s, bears_grudge)
    if tale is None:
        return None, None
    return tale, listener_of(tale, around, state.told.get(tale.no, 0))


def _told_on(tale: Tale, dice: Dice) -> Hear:
    text = distorted(tale.text, len(tale.trace.chain), dice)
    about = None if is_nameless(text) else tale.about
    trace = tale.trace
    return Hear(text, int(tale.heat), about, trace.origin, trace.chain, trace.born_s, tale.expires_s)


# ------------------------------------------------------------------------------------------------------------ the tail


def ask_tail(state: Npc | Companion, found: Answer, turn: Turn) -> tuple[tuple[Event, ...], tuple[Message, ...]]:
    """Try to remember what was asked for and is not in mind; nothing where there is no tail, or was just asked."""
    if not found.missing or not state.let_go or turn.now_s - state.asked_s < ASK_EVERY_S:
        return (), ()
    question = AskTail(found.missing, turn.by, turn.now_s, state.let_go)
    return (TailAsked(turn.by, found.missing, turn.now_s),), (Message(turn.actor, question),)


def recollect(state: Npc, command: Recollect, turn: Turn) -> Decision:
    """The tail answered: say it, if it fits and is not too late, and have it in mind again."""
    notes, player = notebook_of(state, turn), command.listener
    back = brought_back(notes, command, turn)
    if isinstance(back, Decision):
        return back
    memory, no = back
    standing, mood = standing_now(state, player, turn.now_s), mood_now(state, turn.now_s)
    act: Act = "remember" if memory.about == player else "gossip"
    spoke, reply = uttered(state, turn, player, Answer(act, memory, facts={"topic": command.query}), standing, mood)
    said = {"npc": turn.actor, "name": state.sheet.name, **reply}
    messages = (*to_tail(state, notes, turn), Message(ActorId(player), Notify("npc.said", said)))
    return Decision((*notes.events, spoke), {"recollected": no, **reply}, messages)


def brought_back(notes: Notebook, command: Recollect, turn: Turn) -> tuple[Memory, int | None] | Decision:
    """What the tail's answer brings back into a mind, under its number there, if it is kept; else what is replied."""
    now_s, player = turn.now_s, command.listener
    if now_s - command.asked_s > STALE_S:
        return Decision((), {"recollected": None, "stale": True})
    told = [
        blended(memory, min(1.0, max(0.0, relevance)), now_s, player, None)
        for memory, relevance in command.found
        if relevance >= FITS and may_tell(memory, player) and not is_expired(memory, now_s)
    ]
    if not told:
        return Decision((), {"recollected": None, "stale": False})
    best = max(told, key=lambda one: (one.score, one.memory.no)).memory
    no = notes.keep(replace(best, was=best.no, rehearsed=min(best.rehearsed + 1, 15)))
    return best if no is None else replace(best, no=no), no


def not_here(_state: Npc | Companion, _command: AskTail | KeepInTail, _turn: Turn) -> Decision:
    """Letters to the tail that came to the mind itself: there is no tail in this world."""
    return Decision((), {"tail": False})


# ------------------------------------------------------------------------------------------------ what a model returns


def condense(state: Npc | Companion, command: Condense, _: Turn) -> Decision:
    """A model's words for a summary. Raises Refused where it is no summary (any more)."""
    held = next((memory for memory in state.memories if memory.no == command.no), None)
    if held is None or held.kind != "summary":
        raise Refused("no_summary", f"memory {command.no} is not the summary of a talk")
    if held.text == command.text:
        return Decision((), {"memory": command.no})
    return Decision((Reworded(command.no, command.text),), {"memory": command.no})


def embed(state: Npc | Companion, command: Embed, _: Turn) -> Decision:
    """A model's vector for a memory; nothing where it was let go meanwhile."""
    held = next((memory for memory in state.memories if memory.no == command.no), None)
    meant = held is not None and command.text in ("", held.text)
    if held is None or not meant or held.embedding == command.embedding:
        return Decision((), {"memory": None if held is None else held.no})
    return Decision((Embedded(command.no, command.embedding),), {"memory": command.no})


RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    Remember: remember,
    Hear: hear,
    Mull: mull,
    Recollect: recollect,
    AskTail: not_here,
    KeepInTail: not_here,
    Condense: condense,
    Embed: embed,
}
"""The rules of this file by their commands."""
