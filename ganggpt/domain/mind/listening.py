"""What a talk comes to besides its answer: what was told is kept, what it replaces becomes past, another talk ends."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from ganggpt.domain.language import corrections, facts
from ganggpt.domain.language.facts import ME, facts_of
from ganggpt.domain.language.information import Told, told
from ganggpt.domain.language.questions import menaces
from ganggpt.domain.language.speech_acts import HeardLine, hear
from ganggpt.domain.language.stop_words import topics_of
from ganggpt.domain.language.time_words import due_in_s
from ganggpt.domain.language.words import folded, is_negated, tokens, words_of
from ganggpt.domain.mind.brief import quoted, sentences_of, words_in
from ganggpt.domain.mind.memory import INDEXES
from ganggpt.domain.mind.memory_record import EVERYBODY, Memory, is_expired, last_s
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.mind import Mind
from ganggpt.domain.mind.reflection import Planned, make_room_for_talk
from ganggpt.domain.mind.talker import Talker
from ganggpt.domain.mind.transcript import Transcript, is_over
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.turn import Decision, Event, Message, Turn

THREAT_WEIGHT: Final = 60
"""A spoken threat weighs as much as one without a weapon."""
WORTH_KEEPING: Final = 16
"""Weight from which what a player says is kept: 95 in 100 facts that others wrote, and 14 lines of chatter."""
SHORT_WORDS_MAX: Final = 5
"""A line of so few words may be an answer that says nothing without its question."""
_SHORT_WEIGHT: Final = 24
_QUESTION_MAX: Final = 90
_CORRECTED_WITHIN_S: Final = 3 * 86_400.0
"""What corrects something unnamed, corrects what was told last, if that is no longer ago."""
_SAME_TOPIC: Final = 0.4
"""Share of common words from which a change is one of what was told before."""
_CORRECTION_WORDS_MAX: Final = 12
"""A longer line says itself what it is about."""
_SURE: Final = 0.7
"""Confidence from which a line corrects what was said before."""
_CHANGED_WITHIN: Final = 64
"""So many of the last things a player told may be changed by what they tell now."""
_SPOKEN: Final = frozenset({"talk", "promise", "debt"})
_MAY_BIND: Final = frozenset({"tell", "offer", "accept", "order", "good_news", "thanks", "farewell"})
_GIVEN: Final = re.compile(r"\b(i'll|i\u2019ll|i will|we'll|we will|you have my word|my word)\b")
_PAYS_BACK: Final = re.compile(
    r"\b(pay (?:you|it|that) back|zahl\w* .{0,20}zuruck|te (?:lo )?devuelv\w+|te devolv\w+|te pago de volta|devolvo|"
    r"rembours\w+|te rends? l'argent|верну (?:долг|деньги)|отдам долг)\b"
)
_BOUND_WEIGHT: Final = 30
_VERBS: Final = {"deny": "denied it to me", "threat": "threatened me", "robbery": "tried to rob me"}


class Heard(NamedTuple):
    """A line that was listened to, with the memory it left, if any. ``writer``: what is learned in this turn so far;
    ``ended``: what is left of the talk that ended for it."""

    line: Line
    writer: MemoryWriter
    ended: Decision


def listen(talker: Talker, state: Any, line: Line, who: str, turn: Turn, *, slight: Memory | None = None) -> Heard:
    """Learn from what a player says, who goes by the name ``who``. ``slight``: what is kept where the words weigh
    nothing."""
    mind: Mind = state.mind
    writer = MemoryWriter(mind, turn.now_s, talker.room(state))
    ended = make_room_for_talk(talker, state, writer, line.player, turn)
    fresh = _memory_of(mind, line, who, turn)
    if fresh is None:
        if slight is not None:
            writer.keep(slight)
        return Heard(line, writer, ended)
    past = _replaced(mind, line.heard, fresh, turn.now_s)
    if past is not None and not _is_about(past, line.heard):
        # A correction says nothing without what it corrects.
        before, after = quoted(words_in(past.text), _QUESTION_MAX), quoted(line.heard, _QUESTION_MAX)
        fresh = replace(fresh, text=f"{who} told me: {before} Then they corrected it: {after}")
    if past is not None:
        writer.put_in_past(past.no)
    return Heard(replace(line, learned=writer.fresh(fresh)), writer, ended)


def _memory_of(mind: Mind, line: Line, who: str, turn: Turn) -> Memory | None:
    """The memory a line leaves; None where it tells nothing."""
    heard, now_s = hear(line.heard), turn.now_s
    index = INDEXES.of(mind.memories)
    kept = told(line.heard, index.knows, heard)
    talk = mind.talks.get(line.player)
    asked = None if talk is None or is_over(talk, now_s) else _asked(talk)
    if asked is not None and _is_short(line.heard) and kept.weight < THREAT_WEIGHT:
        return _answer_to(asked, line, who, now_s)
    is_bound = not heard.looks_asking and (_is_debt(line.heard) or _binds(heard))
    if kept.weight < WORTH_KEEPING and not is_bound:
        return None
    if not kept.text:
        kept = Told(line.heard, _BOUND_WEIGHT)
    if menaces(line.heard):
        verb = _VERBS["threat" if heard.does("threat") else "robbery"]
        fact = f"{who} {verb}: {quoted(kept.text)}"
        # Words are told, not witnessed: what a threat with a weapon allows to do, they do not.
        return Memory(0, "threat", fact, THREAT_WEIGHT, line.player, "told", now_s, audience=EVERYBODY)
    return _statement(heard, kept, line, who, now_s)


def _statement(heard: HeardLine, kept: Told, line: Line, who: str, now_s: float) -> Memory:
    verb = _VERBS["deny"] if heard.main.act == "deny" else "told me"
    fact = f"{who} {verb}: {quoted(kept.text, 200)}"
    frame = next((one.attribute for one in facts_of(kept.text)), "")
    plain = Memory(0, "talk", fact, kept.weight, line.player, "told", now_s, frame=frame)
    if heard.main.act == "deny":
        return plain
    owes, binds = _is_debt(kept.text), _binds(heard)
    if not owes and not binds:
        return plain
    is_debt = owes or _PAYS_BACK.search(folded(kept.text.lower())) is not None
    due_s = now_s + due_in_s(kept.text)
    return replace(plain, kind="debt" if is_debt else "promise", weight=max(_BOUND_WEIGHT, kept.weight), due_s=due_s)


def _is_about(past: Memory, text: str) -> bool:
    """Whether a line has words in common with what it replaces, and so is understood without it."""
    return facts.replaces(text, words_in(past.text)) or facts.shared(_topics_of(past), topics_of(text)) > 0


def _binds(heard: HeardLine) -> bool:
    """Whether the speaker binds themselves to something."""
    return heard.does("promise") or (heard.main.act in _MAY_BIND and _GIVEN.search(heard.text.lower()) is not None)


def _is_debt(text: str) -> bool:
    """Whether the speaker says to owe something."""
    stated = " ".join(sentence for sentence in sentences_of(text) if not sentence.rstrip().endswith(("?", "？", "؟")))
    owed = any(fact.attribute == "debt" and ME in fact.subject for fact in facts_of(stated))
    return owed and not is_negated(stated)


def _asked(talk: Transcript) -> str | None:
    """The question that was put to the player a moment ago."""
    said = sentences_of(talk.exchanges[-1].said) if talk.exchanges else []
    return said[-1].strip() if said and said[-1].rstrip().endswith(("?", "？", "؟")) else None


def _is_short(text: str) -> bool:
    return 0 < len(words_of(text)) <= SHORT_WORDS_MAX and bool(tokens(text)) and not text.rstrip().endswith("?")


def _answer_to(asked: str, line: Line, who: str, now_s: float) -> Memory:
    fact = f"{who} told me, when I asked {quoted(asked, _QUESTION_MAX)}: {quoted(line.heard)}"
    return Memory(0, "talk", fact, _SHORT_WEIGHT, line.player, "told", now_s)


def _replaced(mind: Mind, text: str, fresh: Memory, now_s: float) -> Memory | None:
    """The memory of something the same player said, whose place the fresh one takes: one that states the same of the
    same, else the last one that a correction or a change has words in common with."""
    if fresh.kind == "threat":
        return None
    own = [
        memory
        for memory in mind.memories
        if memory.about == fresh.about
        and memory.kind in _SPOKEN
        and memory.source == "told"
        and not memory.replaced
        and not is_expired(memory, now_s)
    ]
    near = own[-_CHANGED_WITHIN:]
    for memory in reversed(near):
        if facts.replaces(text, words_in(memory.text)):
            return memory
    if not near or not (corrections.updates(text) or _corrects(text)):
        return None
    topics = topics_of(text)
    alike = [(facts.shared(topics, _topics_of(memory)), memory.no, memory) for memory in near]
    most = max(alike)
    if most[0] >= _SAME_TOPIC:
        return most[2]
    is_open = len(words_of(text)) <= _CORRECTION_WORDS_MAX and (corrections.corrects(text) or _corrects(text))
    return near[-1] if is_open and now_s - last_s(near[-1]) <= _CORRECTED_WITHIN_S else None


def _corrects(text: str) -> bool:
    return any(one.act == "correct" and one.confidence >= _SURE for one in hear(text).acts)


def _topics_of(memory: Memory) -> frozenset[str]:
    return topics_of(words_in(memory.text))


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
