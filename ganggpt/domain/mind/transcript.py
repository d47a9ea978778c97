"""The transcript of a talk under way, and the summary that is left of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.information import told
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.language.stop_words import language_of, says_nothing
from ganggpt.domain.language.words import clipped, folded, numbers, stem, terms, words_of

TALKS_MAX: Final = 4
"""Talks one person follows at a time."""
EXCHANGES_MAX: Final = 8
"""The last exchanges of a talk that are kept word by word."""
TALK_ENDS_S: Final = 240.0
"""A talk ends after so long without a line."""
LONG_FROM: Final = 4
"""Exchanges from which a talk is remembered as such; what is grave in a shorter one is remembered at once by itself."""
SUMMARY_MAX: Final = 50
"""The weight a summary has at most."""
_LINE_MAX: Final = 160
_WRITTEN: Final = re.compile(r"[^\W\d_][^\W_]*(?:'[^\W_]+)?")
_AMOUNTS: Final = frozenset(
    (
        *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("dozen", "twenty", "thirty", "fifty", "hundred", "thousand", "million"),
    )
)
_TOPICS_MAX: Final = 3
_TOPIC_LETTERS_MIN: Final = 3
_DECLINED: Final = re.compile(r"[\u0400-\u04ff]+")
"""Names of a script in whose languages they are declined: Мара, Маре, Марой."""


class Exchange(Struct, frozen=True, gc=False, array_like=True):
    """One thing heard and what was said to it."""

    heard: str
    said: str


class Transcript(Struct, frozen=True, gc=False, array_like=True):
    """A talk with one player: its last exchanges, how many there were, when it began and when it last went on."""

    exchanges: tuple[Exchange, ...]
    count: int
    began_s: float
    at_s: float


class SummaryBrief(Struct, frozen=True, gc=False):
    """The input of a model for the summary of a talk: whose memory it is (``speaker``), the other person, the
    scripted summary with its number, and the last exchanges."""

    no: int
    player: str
    speaker: str
    name: str
    text: str
    exchanges: tuple[Exchange, ...]


def invented(text: str, brief: SummaryBrief) -> tuple[str, ...]:
    """Numbers, amounts and names in a text that were not in the talk it is to sum up. Names are words with a capital
    letter that are no function words; a word is known in any of its forms."""
    heard = " ".join(f"{one.heard} {one.said}" for one in brief.exchanges)
    known = f"{brief.speaker} {brief.name} {brief.text} {heard}"
    words, figures = {stem(word) for word in words_of(known)}, set(numbers(known))
    telling = [
        word
        for word in _WRITTEN.findall(text.replace("\u2019", "'"))
        if word.lower() in _AMOUNTS or (word[0].isupper() and terms(word))
    ]
    strange = [word for word in telling if stem(word.lower()) not in words]
    return tuple(dict.fromkeys((*(number for number in numbers(text) if number not in figures), *strange)))


def carried_on(talk: Transcript | None, heard: str, said: str, now_s: float) -> Transcript:
    """The talk after one more exchange."""
    line = Exchange(clipped(heard, _LINE_MAX), clipped(said, _LINE_MAX))
    if talk is None or is_over(talk, now_s):
        return Transcript((line,), 1, now_s, now_s)
    return Transcript((*talk.exchanges, line)[-EXCHANGES_MAX:], talk.count + 1, talk.began_s, now_s)


def is_over(talk: Transcript, now_s: float) -> bool:
    """Whether it ended by silence."""
    return now_s - talk.at_s >= TALK_ENDS_S


def condensed(talk: Transcript, name: str, speaker: str = "") -> tuple[str, int] | None:
    """What is left of a talk, in one sentence without any model, and its weight; None where it was only words.

    The topics are the content words the player came back to, first those said most often, then those said first. No
    greeting is one, no stop word of the language that was spoken, and neither ``name`` nor ``speaker``, who talked.
    Weight: ``10 + 2 · exchanges`` + a third of what its gravest line weighs, at most SUMMARY_MAX.
    """
    if talk.count < LONG_FROM:
        return None
    lines = [exchange.heard for exchange in talk.exchanges if not hear(exchange.heard).is_courtesy]
    topics = _topics(lines, words_of(folded(f"{name} {speaker}")))
    if not topics:
        return None
    tone = sum(hear(line).tone for line in lines)
    manner = ", and it was friendly" if tone > 2 else ", and it got ugly" if tone < -2 else ""
    gravest = max(told(line, _is_new).weight for line in lines)
    weight = min(SUMMARY_MAX, 10 + 2 * talk.count + gravest // 3)
    return f"{name} and I talked about {_listed(topics)}{manner}", weight


def _is_new(_: str) -> bool:
    return False


def _topics(lines: list[str], names: list[str]) -> list[str]:
    """The words that lines came back to, as they were said first."""
    language = language_of(lines)
    counts: Counter[str] = Counter()
    spoken: dict[str, str] = {}
    for line in lines:
        found: set[str] = set()
        for word in words_of(line):
            if len(word) < _TOPIC_LETTERS_MIN or says_nothing(word, language) or _is_of(names, folded(word)):
                continue
            # One word without a blank in it may be a sentence in some scripts: it is no topic.
            if len(stems := terms(word)) == 1:
                spoken.setdefault(stems[0], word)
                found.update(stems)
        counts.update(dict.fromkeys(found, 1))
    ranked = sorted(spoken, key=lambda term: -counts[term])
    return [spoken[term] for term in ranked][:_TOPICS_MAX]


def _is_of(names: list[str], word: str) -> bool:
    """Whether a word is one of the names, also with an ending: Ava's, Маре."""
    word = word.removesuffix("'s")
    return any(
        word == name
        or (len(name) > 3 and _DECLINED.fullmatch(word) and word[:-2] in name and word.startswith(name[:-1]))
        for name in names
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
