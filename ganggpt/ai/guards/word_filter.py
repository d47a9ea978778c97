"""The word lists of the output guard, read from package data, and how disguised words are matched."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ganggpt.ai.guards.text import bare, skeleton

_FOLDER: Final = Path(__file__).with_name("word_lists")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_STARRED: Final = re.compile(r"\b[^\W\d_]+[*#%•.]{1,4}[^\W\d_]+\b|\b[^\W\d_]{1,3}[*#%•]{2,5}")
_BRACKETED: Final = re.compile(r"\[(.+)\]")


class Brand(NamedTuple):
    """A real brand: its pattern, and what is said instead."""

    looks: re.Pattern[str]
    instead: str
    is_word_too: bool


def _lines(name: str) -> list[str]:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@cache
def _slurs() -> re.Pattern[str]:
    return _pattern([f"{codecs.encode(line, 'rot13')}s?" for line in _lines("slurs.rot13.txt")])


@cache
def _explicit() -> re.Pattern[str]:
    lines = [codecs.encode(line, "rot13") for line in _lines("sexual.rot13.txt")]
    return _pattern([line.replace("*", r"\w*") for line in lines])


_HARMLESS: Final = re.compile(r"\bspic (?:and|n) span\b|\bchinks? in (?:\w+ ){1,2}armou?r\b|\bmaine coons?\b")
"""Expressions that hold the letters of a slur and are none."""


def slur_in(low: str) -> bool:
    """Whether a ``folded`` text holds a slur."""
    return _slurs().search(low) is not None and _slurs().search(_HARMLESS.sub(" ", low)) is not None


def explicit_in(low: str) -> bool:
    """Whether a ``folded`` text holds an explicit word."""
    return _explicit().search(low) is not None


@cache
def slur_words() -> frozenset[str]:
    """The single words among the slurs, by which starred-out ones are recognised."""
    return frozenset(word for line in _lines("slurs.rot13.txt") if " " not in (word := codecs.encode(line, "rot13")))


@cache
def brands() -> Mapping[str, Sequence[Brand]]:
    """All brands by the first word of their name in lower case, the longest names first."""
    found: dict[str, list[tuple[int, Brand]]] = {}
    for line in _lines("brands.txt"):
        instead, _, names = line.partition(": ")
        for name in map(str.strip, names.split(", ")):
            bracketed = _BRACKETED.fullmatch(name)
            bare = bracketed.group(1) if bracketed else name
            flags = re.NOFLAG if bracketed else re.IGNORECASE
            shown = bare.title() if bracketed else bare
            looks = re.compile(rf"(?<![\w-]){re.escape(shown)}(?:'s)?(?![\w-])", flags)
            first = re.findall(r"\w+", bare)[0].lower()
            found.setdefault(first, []).append((len(bare), Brand(looks, instead, bracketed is not None)))
    return {
        first: tuple(brand for _, brand in sorted(known, key=lambda item: -item[0])) for first, known in found.items()
    }


def folded(text: str) -> str:
    """A text for matching against the word lists: the words of its skeleton and its own, single spaces between."""
    own = bare(text).lower()
    return " ".join(_WORD.findall(skeleton(text))) + " | " + " ".join(_WORD.findall(own)) + " | " + text.lower()


def starred_slur(text: str) -> bool:
    """Whether a word with letters starred out can only be read as a slur (at least half of its letters are there)."""
    for found in _STARRED.finditer(text.lower()):
        word = found.group()
        letters = sum(char.isalpha() for char in word)
        if letters < 2 or letters * 2 < len(word):
            continue
        looks = re.compile("".join(re.escape(char) if char.isalpha() else r"\w" for char in word))
        if any(looks.fullmatch(slur) for slur in slur_words() if len(slur) >= 5):
            return True
    return False


def _pattern(options: list[str]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(sorted(options, key=len, reverse=True)) + r")(?!\w)")
