"""The brief an actor hands to its mind: everything one utterance may know, and nothing it may change.

A brief is data. What a player said stands in ``heard`` as a quotation; a mind turns a brief into at most SAID_MAX
characters and that is all it can do. The scripted mind and a model read the same brief.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.language.words import clipped, words_of
from ganggpt.domain.mind.memory_record import Memory, last_s
from ganggpt.domain.world import World

SAID_MAX: Final = 500
STRANGER: Final = "A stranger"
"""Who did something as long as nobody has told a name."""
WHO: Final = "{who}"
"""Stands for a player in a memory that another actor leaves: whoever keeps it puts in what they call the player."""
OPENERS_MAX: Final = 10
"""How many of its last openings a speaker avoids."""
PHRASES_MAX: Final = 24
"""How many of its last sentences a speaker remembers having said."""
_OPENER_WORDS: Final = 3
_PHRASE_WORDS: Final = 3
"""Shorter sentences than this may be said again at any time."""
_SENTENCE: Final = re.compile(r"[^.!?\u2026]+[.!?\u2026]*[\"']?")

Act = Literal[
    "greet",
    "bye",
    "answer",
    "wonder",
    "welcome",
    "insulted",
    "flattered",
    "forgive",
    "how_are_you",
    "console",
    "rejoice",
    "introduce",
    "politics",
    "no_politics",
    "remember",
    "guess",
    "no_memory",
    "tell_about",
    "gossip",
    "dont_know",
    "brush_off",
    "thank",
    "delight",
    "afraid",
    "defiant",
    "hint_work",
    "offer_work",
    "repeat_work",
    "no_work",
    "refuse_work",
    "obey",
    "refuse_order",
    "account",
    "warn_owner",
    "leave_owner",
    "betray_owner",
    "refuse_action",
    "deflect",
    "listen",
    "one_moment",
    "inform",
    "opine",
    "trade",
    "confided",
    "keep_secret",
]


class Cited(Struct, frozen=True, gc=False):
    """A memory to bring up. ``age`` says in words how long ago; ``own`` that it is about the listener; ``past`` that
    something told later took its place."""

    no: int
    kind: str
    text: str
    source: str
    age: str
    own: bool
    past: bool = False


class Politics(Struct, frozen=True, gc=False):
    """What the speaker knows of its own faction: names, each None where there is none."""

    own: str
    friend: str | None
    enemy: str | None


class Brief(Struct, frozen=True, gc=False, kw_only=True):
    """What to say and to whom. ``act``: what the utterance does. ``mood`` and ``standing``: the labels of ``affect``.

    ``listener``: what they call themselves, or "". ``heard``: what they said, data only. ``place``: name of a district.
    ``facts``: further words an act needs (title, reward, item, order, topic, said_of, reason, cause). ``avoid``: recent
    openings; ``stale``: recent sentences (``phrase_of``). ``line``: the lines to put it into, where those of the act
    would not do; ``then``: lines that follow, with their facts. ``language``: the one to answer in. ``own``: the
    speaker's own lines by act.
    """

    speaker: str
    role: str
    style: str
    act: Act
    mood: str
    standing: str
    listener: str = ""
    heard: str = ""
    memory: Cited | None = None
    politics: Politics | None = None
    place: str = ""
    backstory: str = ""
    facts: Mapping[str, str] = {}
    avoid: tuple[str, ...] = ()
    stale: tuple[int, ...] = ()
    line: str = ""
    then: tuple[tuple[str, Mapping[str, str]], ...] = ()
    language: str = "en"
    own: Mapping[str, tuple[str, ...]] = {}


_AGES: Final = (
    (10 * 60, "a moment ago"),
    (6 * 3600, "a little while ago"),
    (20 * 3600, "earlier today"),
    (44 * 3600, "yesterday"),
    (5 * 86_400, "a few days ago"),
    (13 * 86_400, "last week"),
    (32 * 86_400, "a few weeks ago"),
    (75 * 86_400, "last month"),
    (300 * 86_400, "some months ago"),
)


def age_label(elapsed_s: float) -> str:
    """How long ago something was, as people say it."""
    return next((label for top, label in _AGES if elapsed_s < top), "a long time ago")


def cited(memory: Memory, now_s: float, listener: str | None) -> Cited:
    """A memory as it goes into a brief for this listener (an actor id)."""
    own = listener is not None and memory.about == listener
    age = age_label(now_s - last_s(memory))
    return Cited(memory.no, memory.kind, memory.text, memory.source, age, own, bool(memory.replaced))


def opener_of(said: str) -> str:
    """The opening of an utterance by which a repetition is noticed: its first three words in lower case."""
    return _opener_in(said[:80])


@lru_cache(maxsize=8192)
def _opener_in(head: str) -> str:
    return " ".join(words_of(head)[:_OPENER_WORDS])


def with_opener(openers: tuple[str, ...], said: str) -> tuple[str, ...]:
    """The recent openings after one more utterance."""
    return (*openers, opener_of(said))[-OPENERS_MAX:]


def sentences_of(said: str) -> list[str]:
    """The sentences of an utterance, with their marks."""
    return _SENTENCE.findall(said)


@lru_cache(maxsize=8192)
def phrase_of(sentence: str) -> int:
    """The number by which a sentence is recognised (CRC-32 of its words), 0 where it is too short to matter."""
    words = words_of(sentence)
    return 0 if len(words) < _PHRASE_WORDS else zlib.crc32(" ".join(words).encode())


def with_phrases(phrases: tuple[int, ...], said: str) -> tuple[int, ...]:
    """The recent sentences after one more utterance."""
    fresh = [number for sentence in sentences_of(said) if (number := phrase_of(sentence))]
    return (*phrases, *fresh)[-PHRASES_MAX:]


def quoted(text: str, length_max: int = 160) -> str:
    """What somebody said, as it stands in a memory: cut, ended like a sentence, in quotation marks."""
    text = clipped(text.strip().replace('"', "'"), length_max)
    return f'"{text}"' if text[-1:] in (".", "!", "?", "…") else f'"{text}."'


def words_in(fact: str) -> str:
    """What was said, of a memory that quotes it; the memory's text where it quotes nothing."""
    _, mark, said = fact.partition(': "')
    return said.removesuffix('"') if mark else fact


def politics_of(world: World, faction: str | None) -> Politics | None:
    """Own faction with its best friend and worst enemy by the world's sheets; None for people of no known faction."""
    sheet = world.factions.get(faction) if faction is not None else None
    if sheet is None:
        return None
    known = sorted((value, other) for other, value in sheet.relations.items() if other in world.factions)
    friend = world.factions[known[-1][1]].name if known and known[-1][0] > 0 else None
    enemy = world.factions[known[0][1]].name if known and known[0][0] < 0 else None
    return Politics(sheet.name, friend, enemy)
