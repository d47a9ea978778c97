"""Chooses the response of an NPC or a companion: the act that fits what was said, and the memory it brings up."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ganggpt.domain.language.intent import Intent, intent, topic
from ganggpt.domain.language.words import tokens
from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import Act, Politics, politics_of
from ganggpt.domain.mind.memory import MEMORIES_MAX, recall
from ganggpt.domain.mind.memory_index import Recalled
from ganggpt.domain.mind.memory_record import Memories, Memory, last_s
from ganggpt.domain.turn import Turn

_BRING_UP_AFTER_S: Final = 600.0
_ABSENT_S: Final = 3600.0
FITS: Final = 0.34
"""Relevance from which a memory is about what was said."""
_MEANT: Final = 0.5
_WORTH_TELLING: Final = 15
_MYSELF: Final = ("me", "myself", "us")
_NEWS: Final = tokens("any news happening going word new today lately around town")

_ACTS: Final[dict[Intent, Act]] = {
    "ask_mood": "how_are_you",
    "ask_who": "introduce",
    "apology": "forgive",
    "thanks": "welcome",
    "bye": "bye",
    "greet": "greet",
    "insult": "insulted",
    "praise": "flattered",
    "question": "wonder",
    "tell": "answer",
}


class Speaker(Struct, frozen=True, gc=False):
    """What a response depends on in the speaker. ``cited``: memories brought up lately; ``standing`` −100..100."""

    memories: Memories
    cited: tuple[int, ...]
    standing: float
    faction: str | None
    offers_work: bool


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
    wanted = intent(text)
    if wanted in ("ask_memory", "ask_about"):
        return (_remembering if wanted == "ask_memory" else _told_about)(speaker, topic(text), turn)
    if speaker.standing <= HOSTILE_AT and wanted != "apology":
        return Answer("brush_off", _unasked(speaker, text, absent_s, turn))
    if wanted == "ask_work":
        return Answer("hint_work" if speaker.offers_work else "no_work")
    if wanted == "ask_politics":
        politics = politics_of(turn.world, speaker.faction)
        return Answer("politics" if politics is not None else "no_politics", politics=politics)
    if wanted == "question":
        return _asked(speaker, text, absent_s, turn)
    return Answer(_ACTS[wanted], _unasked(speaker, text, absent_s, turn))


def _remembering(speaker: Speaker, about: str, turn: Turn) -> Answer:
    """The memory that fits the question, else one about the player that was not brought up lately."""
    ranked = recall(speaker.memories, about, turn.now_s, 6, turn.by, listener=turn.by)
    fitting = next((found.memory for found in ranked if found.relevance >= FITS), None)
    if fitting is not None:
        return Answer("remember", fitting)
    own = [found.memory for found in ranked if found.person]
    other = next((memory for memory in own if memory.no not in speaker.cited), own[0] if own else None)
    return Answer("remember" if other is not None else "no_memory", other, missing=about)


def _told_about(speaker: Speaker, about: str, turn: Turn) -> Answer:
    if about in _MYSELF:
        return _remembering(speaker, about, turn)
    known = said_of(turn.world, about, speaker.faction)
    if tokens(about) - _NEWS:
        ranked = recall(speaker.memories, about, turn.now_s, 3, turn.by, listener=turn.by)
        found = next((found.memory for found in ranked if found.relevance >= _MEANT), None)
    else:
        ranked = recall(speaker.memories, "", turn.now_s, MEMORIES_MAX, listener=turn.by)
        found = next((found.memory for found in ranked if found.memory.kind in ("seen", "rumour", "deed")), None)
    if known is not None:
        if found is not None and turn.now_s - last_s(found) < _BRING_UP_AFTER_S:
            found = None
        return Answer("tell_about", found, facts={"topic": about, "known": known})
    if found is None:
        return Answer("dont_know", facts={"topic": about}, missing=about)
    return Answer("remember" if found.about == turn.by else "gossip", found, facts={"topic": about})


def _asked(speaker: Speaker, text: str, absent_s: float, turn: Turn) -> Answer:
    """The answer to a question of no known form: world knowledge, else a memory that fits it."""
    known = said_of(turn.world, text, speaker.faction, by_full_name=True)
    if known is not None:
        return Answer("tell_about", facts={"topic": text, "known": known})
    ranked = recall(speaker.memories, text, turn.now_s, 1, turn.by, listener=turn.by)
    if ranked and ranked[0].relevance >= _MEANT:
        return Answer("remember", ranked[0].memory)
    return Answer("wonder", _unasked(speaker, text, absent_s, turn), missing=text)


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
        and memory.weight >= _WORTH_TELLING
        and now_s - last_s(memory) >= _BRING_UP_AFTER_S
        and (found.person > 0 or found.relevance >= FITS)
    )
