"""Chooses the response of an NPC or a companion: the act that fits what was said, and the memory it brings up."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ganggpt.domain.language.facts import ME, asks_for_past, facts_of, fits
from ganggpt.domain.language.intent import topic
from ganggpt.domain.language.speech_acts import QUESTIONS, SpeechAct, hear
from ganggpt.domain.language.time_words import asked_span_s
from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import Act, Politics, politics_of, words_in
from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_index import Recalled
from ganggpt.domain.mind.memory_record import Memories, Memory, is_expired, last_s, may_tell
from ganggpt.domain.turn import Turn

_BRING_UP_AFTER_S: Final = 600.0
_ABSENT_S: Final = 3600.0
FITS: Final = 0.34
"""Relevance from which a memory is about what was said."""
SAID_FROM: Final = 0.2
"""Relevance from which a memory is told to who asks."""
_SURE_FROM: Final = 0.5
"""Relevance from which the archive need not be asked as well."""
_AS_GOOD: Final = 0.99
"""Share of the relevance of the best from which another one about the same person is as good: the later counts."""
_ASKED_K: Final = 12
_NEWS_SCANNED_MAX: Final = 128
_WORTH_TELLING: Final = 15
_FELT: Final = frozenset({"insult", "apology", "praise", "flirt", "greet"})
"""What is answered with feeling also where it has the form of a question."""
_OF_THE_LISTENER: Final = frozenset({"ask_mood", "ask_self", "ask_said", "ask_time", "ask_weather", "ask_price"})
_ABOUT_SOMETHING: Final = frozenset({"ask_person", "ask_place", "ask_way", "ask_news"})
_NEWS_KINDS: Final = ("seen", "rumour", "deed")

_ACTS: Final[dict[SpeechAct, Act]] = {
    "greet": "greet",
    "farewell": "bye",
    "thanks": "welcome",
    "apology": "forgive",
    "praise": "flattered",
    "flirt": "flattered",
    "insult": "insulted",
    "bad_news": "console",
    "report_crime": "console",
    "good_news": "rejoice",
    "ask_mood": "how_are_you",
    "ask_self": "introduce",
}
"""What is answered to an act; to every other question ``wonder``, to everything else ``answer``."""


class Speaker(Struct, frozen=True, gc=False):
    """What a response depends on in the speaker. ``cited``: memories brought up lately; ``standing`` −100..100;
    ``courage`` 0..100."""

    memories: Memories
    cited: tuple[int, ...]
    standing: float
    faction: str | None
    offers_work: bool
    courage: int = 50


class Answer(Struct, frozen=True, gc=False):
    """A response before it has words: the act, the memory to bring up, and further facts. ``missing``: what was asked
    for and not found among the memories."""

    act: Act
    memory: Memory | None = None
    politics: Politics | None = None
    facts: dict[str, str] = {}
    missing: str = ""


def answer(speaker: Speaker, text: str, absent_s: float, turn: Turn) -> Answer:
    """The response to ``text`` of the player ``turn.by``, who last talked to the speaker ``absent_s`` seconds ago."""
    heard = hear(text)
    act = heard.main.act
    if heard.is_menace:
        return Answer("afraid" if speaker.courage + turn.dice.between(-15, 15) < 45 else "defiant")
    if act == "ask_memory":
        return _remembering(speaker, text, turn)
    if act in QUESTIONS:
        return _asked(speaker, text, act, absent_s, turn)
    if heard.looks_asking and act not in _FELT:
        found, _ = fitting(speaker.memories, text, turn)
        if found is not None:
            return Answer("remember" if found.about == turn.by else "gossip", found, facts={"topic": topic(text)})
    hated = speaker.standing <= HOSTILE_AT and act != "apology"
    return Answer("brush_off" if hated else _ACTS.get(act, "answer"), _unasked(speaker, text, absent_s, turn))


def _remembering(speaker: Speaker, text: str, turn: Turn) -> Answer:
    """The memory that fits the question, else one about the player that was not brought up lately."""
    about = topic(text)
    found, unsure = fitting(speaker.memories, text, turn)
    if found is not None:
        return Answer("remember", found, missing=about if unsure else "")
    ranked = recall(speaker.memories, about, turn.now_s, 6, turn.by, listener=turn.by)
    own = [one.memory for one in ranked if one.person]
    other = next((memory for memory in own if memory.no not in speaker.cited), own[0] if own else None)
    return Answer("remember" if other is not None else "no_memory", other, missing=about)


def _asked(speaker: Speaker, text: str, act: SpeechAct, absent_s: float, turn: Turn) -> Answer:
    """The answer to a question: what a memory says of it, what everybody knows, or that one does not know."""
    if act == "ask_work":
        offers: Act = "hint_work" if speaker.offers_work else "no_work"
        return Answer("brush_off" if speaker.standing <= HOSTILE_AT else offers)
    about = topic(text)
    found, unsure = fitting(speaker.memories, text, turn)
    if found is None and act == "ask_news":
        found = _news(speaker.memories, turn)
    known = None
    if act not in _OF_THE_LISTENER:
        # A name in a question about the listener is how they are called, and not what is asked about.
        known = said_of(turn.world, about, speaker.faction, by_full_name=about == text)
    if known is not None:
        if found is not None and turn.now_s - last_s(found) < _BRING_UP_AFTER_S:
            found = None
        return Answer("tell_about", found, facts={"topic": about, "known": known})
    if found is not None:
        word: Act = "remember" if found.about == turn.by else "gossip"
        return Answer(word, found, facts={"topic": about}, missing=about if unsure else "")
    return _unknown(speaker, text, act, absent_s, turn)


def _unknown(speaker: Speaker, text: str, act: SpeechAct, absent_s: float, turn: Turn) -> Answer:
    """The answer where neither a memory nor the world says anything about what was asked."""
    if act == "ask_faction":
        politics = politics_of(turn.world, speaker.faction)
        return Answer("politics" if politics is not None else "no_politics", politics=politics)
    if speaker.standing <= HOSTILE_AT:
        return Answer("brush_off", _unasked(speaker, text, absent_s, turn), missing=text)
    if act in _ACTS:
        return Answer(_ACTS[act], missing=text)
    if act in _ABOUT_SOMETHING:
        return Answer("dont_know", facts={"topic": topic(text)}, missing=text)
    return Answer("wonder", _unasked(speaker, text, absent_s, turn), missing=text)


def _news(memories: Memories, turn: Turn) -> Memory | None:
    """The newest thing that was seen or heard of."""
    recent = (memory for memory in memories[: -_NEWS_SCANNED_MAX - 1 : -1] if memory.kind in _NEWS_KINDS)
    return next((one for one in recent if may_tell(one, turn.by) and not is_expired(one, turn.now_s)), None)


def fitting(memories: Memories, text: str, turn: Turn) -> tuple[Memory | None, bool]:
    """The memory that answers a question of the player ``turn.by`` best, None where none is sure enough; and whether it
    is unsure, so that the archive is asked as well.

    A statement of what the question asks for comes first, the last one that still holds (or, where it asks for what was
    before, the last one that does not); else what fits its words best, and of those about as good and about the same
    person the latest.
    """
    stated = _stated(memories, text, turn)
    if stated is not None:
        return stated, False
    best, relevance = _best(memories, text, turn)
    wants_past = asks_for_past(text)
    while best is not None and best.replaced and not wants_past:
        later = next((memory for memory in memories if best is not None and memory.no == best.replaced), None)
        if later is None or not may_tell(later, turn.by) or is_expired(later, turn.now_s):
            break
        best = later
    return best, relevance < _SURE_FROM


def _best(memories: Memories, text: str, turn: Turn) -> tuple[Memory | None, float]:
    """What fits the words best, and how well."""
    ranked = recall(memories, text, turn.now_s, _ASKED_K, turn.by, listener=turn.by)
    sure = [one for one in ranked if one.relevance >= SAID_FROM]
    if not sure:
        return None, 0.0
    best = next((one for one in sure if _happened_then(one.memory, text, turn.now_s)), sure[0])
    rivals = [
        one.memory
        for one in sure
        if one.memory.about == best.memory.about and one.relevance >= _AS_GOOD * best.relevance
    ]
    return max(rivals, key=last_s), best.relevance


def _happened_then(memory: Memory, text: str, now_s: float) -> bool:
    """Whether a memory is of the time a question names ("yesterday", "last week"); True where it names none."""
    span = asked_span_s(text)
    return span is None or span[0] <= now_s - last_s(memory) <= span[1]


def _stated(memories: Memories, text: str, turn: Turn) -> Memory | None:
    """The player's own statement of what the question asks for."""
    asked = [fact for fact in facts_of(text) if ME in fact.subject]
    if not asked:
        return None
    wants_past = asks_for_past(text)
    for memory in reversed(memories):
        if memory.about != turn.by or not memory.frame or bool(memory.replaced) != wants_past:
            continue
        if is_expired(memory, turn.now_s) or not may_tell(memory, turn.by):
            continue
        if any(fits(one, held) for one in asked for held in facts_of(words_in(memory.text))):
            return memory
    return None


def _unasked(speaker: Speaker, text: str, absent_s: float, turn: Turn) -> Memory | None:
    """A memory that is brought up unasked: likely after an absence, sometimes otherwise; not the same one soon."""
    if not turn.dice.chance(0.8 if absent_s >= _ABSENT_S else 0.3):
        return None
    ranked = recall(speaker.memories, text, turn.now_s, 5, turn.by, listener=turn.by)
    return next((found.memory for found in ranked if _comes_up(found, speaker.cited, turn.now_s)), None)


def _comes_up(found: Recalled, cited: tuple[int, ...], now_s: float) -> bool:
    memory = found.memory
    return (
        memory.no not in cited
        and not memory.replaced
        and memory.weight >= _WORTH_TELLING
        and now_s - last_s(memory) >= _BRING_UP_AFTER_S
        and (found.person > 0 or found.relevance >= FITS)
    )
