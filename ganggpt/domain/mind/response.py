"""Chooses the response of an NPC or a companion: the act that fits what was said, and the memory it brings up."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ganggpt.domain.language.facts import speaks_of_oneself
from ganggpt.domain.language.intent import topic
from ganggpt.domain.language.speech_acts import QUESTIONS, HeardAct, SpeechAct, hear
from ganggpt.domain.language.stop_words import telling_terms
from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import Act, Politics, politics_of
from ganggpt.domain.mind.finding import find
from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_index import Recalled
from ganggpt.domain.mind.memory_record import Memories, Memory, is_expired, last_s, may_tell
from ganggpt.domain.turn import Turn

_BRING_UP_AFTER_S: Final = 600.0
_ABSENT_S: Final = 3600.0
FITS: Final = 0.34
"""Relevance from which a memory is about what was said."""
_HEARD_FROM: Final = 0.5
"""Confidence from which somebody asks for work or for news, and so hears of nothing else."""
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
    act: SpeechAct = "ask_other" if _is_half_heard(heard.main) else heard.main.act
    if heard.is_menace:
        return Answer("afraid" if speaker.courage + turn.dice.between(-15, 15) < 45 else "defiant")
    if act in QUESTIONS or heard.looks_asking:
        replied = _asked(speaker, text, act, absent_s, turn)
        if replied is not None:
            return replied
    hated = speaker.standing <= HOSTILE_AT and act != "apology"
    return Answer("brush_off" if hated else _ACTS.get(act, "answer"), _unasked(speaker, text, absent_s, turn))


def _is_half_heard(main: HeardAct) -> bool:
    """Whether a line asks, and it is not sure for what."""
    return main.act in ("ask_work", "ask_news") and main.confidence < _HEARD_FROM


def _asked(speaker: Speaker, text: str, act: SpeechAct, absent_s: float, turn: Turn) -> Answer | None:
    """The answer to a question: what a memory says of it, what everybody knows, or that one does not know. None where
    the line only looks like a question and no memory answers it."""
    about, found = topic(text), find(speaker.memories, text, turn)
    missing = "" if found.is_sure else about
    if act not in QUESTIONS and not (found.is_sure if act in _FELT else found.is_said):
        return None
    if act == "ask_work" and not (found.is_sure and speaks_of_oneself(text)):
        offers: Act = "hint_work" if speaker.offers_work else "no_work"
        return Answer("brush_off" if speaker.standing <= HOSTILE_AT else offers)
    memory, is_guess = found.memory if found.is_said else None, not found.is_sure
    if act == "ask_memory" and memory is None:
        return _not_remembered(speaker, text, turn)
    if memory is None and act == "ask_news":
        memory, is_guess, missing = _news(speaker.memories, turn), False, ""
    # A name in a question about the listener is how they are called, and not what is asked about.
    known = None
    if act in QUESTIONS and act not in _OF_THE_LISTENER and act != "ask_memory":
        known = said_of(turn.world, about, speaker.faction, by_full_name=about == text)
    if known is not None:
        if memory is not None and turn.now_s - last_s(memory) < _BRING_UP_AFTER_S:
            memory = None
        return Answer("tell_about", memory, facts={"topic": about, "known": known})
    if memory is not None:
        word: Act = "remember" if memory.about == turn.by or act == "ask_memory" else "gossip"
        return Answer("guess" if is_guess else word, memory, facts={"topic": about}, missing=missing)
    return _unknown(speaker, text, act, absent_s, turn)


def _not_remembered(speaker: Speaker, text: str, turn: Turn) -> Answer:
    """The answer to "do you remember …" where nothing fits: a memory about the player only where nothing certain was
    asked for."""
    about = topic(text)
    if any(tells == 1.0 for _, tells in telling_terms(about)):
        return Answer("no_memory", missing=about)
    ranked = recall(speaker.memories, about, turn.now_s, 6, turn.by, listener=turn.by)
    own = [one.memory for one in ranked if one.person]
    other = next((memory for memory in own if memory.no not in speaker.cited), own[0] if own else None)
    return Answer("remember" if other is not None else "no_memory", other, missing=about)


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
