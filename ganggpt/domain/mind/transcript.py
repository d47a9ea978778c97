"""The transcript of a talk under way, and the summary that is left of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.intent import intent, salience
from ganggpt.domain.language.words import clipped, numbers, stem, terms, valence, words_of

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
_EMPTY_TALK: Final = frozenset(("greet", "bye", "thanks", "ask_mood", "ask_who"))


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


def condensed(talk: Transcript, name: str) -> tuple[str, int] | None:
    """What is left of a talk, in one sentence without any model, and its weight; None where it was only words.

    The topics are the content words the player came back to, first those said most often, then those said first.
    Weight: ``10 + 2 · exchanges + salience/3`` of its gravest line, at most SUMMARY_MAX.
    """
    if talk.count < LONG_FROM:
        return None
    lines = [exchange.heard for exchange in talk.exchanges if intent(exchange.heard) not in _EMPTY_TALK]
    topics = _topics(lines)
    if not topics:
        return None
    tone = sum(valence(line) for line in lines)
    manner = ", and it was friendly" if tone > 1 else ", and it got ugly" if tone < -1 else ""
    gravest = max(salience(line) for line in lines)
    weight = min(SUMMARY_MAX, 10 + 2 * talk.count + gravest // 3)
    return f"{name} and I talked about {_listed(topics)}{manner}", weight


def _topics(lines: list[str]) -> list[str]:
    counts: Counter[str] = Counter(term for line in lines for term in terms(line) if len(term) > 2)
    spoken: dict[str, str] = {}
    for line in lines:
        for word in words_of(line):
            spoken.setdefault(stem(word), word)
    ranked = sorted(counts, key=lambda term: -counts[term])
    return [spoken[term] for term in ranked if term in spoken][:_TOPICS_MAX]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
