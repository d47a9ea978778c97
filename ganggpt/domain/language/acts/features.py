"""What the classifier of speech acts sees in a line: its words, how they begin, their meanings and its marks.

Meanings are concepts (``concepts.txt``): words of eleven languages that mean the same, so that what is learned in one
language helps in the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from ganggpt.domain.language.words import folded

WORDS_MAX: Final = 40
"""So many words of a line are looked at."""
_PREFIX: Final = 4
_PHRASE_MAX: Final = 3
_WORD: Final = re.compile(r"[一-鿿]+|[^\W_]+(?:['\-][^\W_]+)*|[$€£]")
_HAN: Final = re.compile(r"[一-鿿]")
_HAN_MAX: Final = 4


class Concepts(NamedTuple):
    """Which concepts a phrase of small folded words, or a beginning of a word, stands for."""

    phrases: dict[str, tuple[str, ...]]
    beginnings: dict[str, tuple[str, ...]]


@cache
def concepts() -> Concepts:
    """The shipped concepts."""
    phrases: dict[str, tuple[str, ...]] = {}
    beginnings: dict[str, tuple[str, ...]] = {}
    text = files("ganggpt.domain.language.acts").joinpath("concepts.txt").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, _, listed = line.partition(":")
        for entry in listed.split():
            word = _plain(entry)
            book, key = (beginnings, word[:-1]) if word.endswith("*") else (phrases, word.replace("_", " "))
            if name not in book.get(key, ()):
                book[key] = (*book.get(key, ()), name)
    return Concepts(phrases, beginnings)


def features(text: str) -> list[str]:
    """The features of a line, each once."""
    plain = _plain(text)
    words = _WORD.findall(plain)[:WORDS_MAX]
    found: dict[str, None] = {"": None}
    _add_words(found, words)
    _add_concepts(found, words)
    _add_marks(found, text, words)
    return list(found)


def _plain(text: str) -> str:
    return folded(text).lower().replace("\u2019", "'").replace("ß", "ss").replace("ё", "е")


def _add_words(found: dict[str, None], words: list[str]) -> None:
    before = "^"
    for word in words:
        if _HAN.match(word):
            for at in range(len(word)):
                found[f"w:{word[at : at + 2]}"] = None
            before = word[-1]
            continue
        found[f"w:{word}"] = None
        found[f"b:{before} {word}"] = None
        if len(word) > _PREFIX:
            found[f"p:{word[:_PREFIX]}"] = None
        before = word
    found[f"b:{before} $"] = None


def _add_concepts(found: dict[str, None], words: list[str]) -> None:
    before: tuple[str, ...] = ("^",)
    earlier: tuple[str, ...] = ()
    for meant in _meanings(words):
        for name in meant:
            found[f"c:{name}"] = None
            for one in before:
                found[f"d:{one}>{name}"] = None
            for one in earlier:
                found[f"e:{one}>{name}"] = None
        earlier, before = before, meant


def _meanings(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The concepts of each word or phrase that has some, in order."""
    book = concepts()
    at = 0
    while at < len(words):
        if _HAN.match(words[at]):
            yield from _han_meanings(words[at], book)
            at += 1
            continue
        for length in range(min(_PHRASE_MAX, len(words) - at), 0, -1):
            meant = book.phrases.get(" ".join(words[at : at + length]), ())
            if not meant and length == 1:
                meant = _of_word(words[at], book)
            if meant:
                yield meant
                break
        else:
            length = 1
        at += length


def _of_word(word: str, book: Concepts) -> tuple[str, ...]:
    for size in range(len(word), 1, -1):
        if (meant := book.beginnings.get(word[:size])) is not None:
            return meant
    for part in re.split(r"['\-]", word)[::-1]:
        if part != word and (meant := book.phrases.get(part)) is not None:
            return meant
    if word.startswith("ال") and (meant := book.phrases.get(word[2:])) is not None:
        return meant
    return ()


def _han_meanings(run: str, book: Concepts) -> Iterator[tuple[str, ...]]:
    at = 0
    while at < len(run):
        for length in range(min(_HAN_MAX, len(run) - at), 0, -1):
            if (meant := book.phrases.get(run[at : at + length])) is not None:
                yield meant
                at += length
                break
        else:
            at += 1


def _add_marks(found: dict[str, None], text: str, words: list[str]) -> None:
    if "?" in text or "？" in text or "؟" in text:
        found["?"] = None
        if text.rstrip().endswith(("?", "？", "؟")):
            found["?$"] = None
    if "!" in text or "！" in text:
        found["!"] = None
    if any(mark.isdigit() for mark in text):
        found["9"] = None
    count = len(words)
    found[f"n:{count if count < 4 else 4 + min(4, (count - 4) // 4)}"] = None
