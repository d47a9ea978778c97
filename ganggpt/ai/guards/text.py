"""Normalising text from outside: one form, nothing invisible, bounded; and the skeleton that reveals disguises.

``plain`` keeps what a person wrote, in any language. ``skeleton`` is only inspected: it undoes look-alike letters,
digits for letters and spacing, and is never shown to anybody.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.look_alikes import LOOK_ALIKES
from ganggpt.domain.language.words import clipped

_EXPANSION_MAX: Final = 8
"""Characters read for every character kept, because normalising can lengthen a text and some characters are dropped."""
_MARKS_MAX: Final = 2
"""Accents kept on one letter, and how often one mark of any script is; more is a tower that covers the lines above."""
_ACCENTS: Final = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Marks that belong to no script. Those of a script (Indic, Burmese, Thai and others) stand in any number."""
_JOINERS: Final = "\u200c\u200d"
_JOINED: Final = re.compile(
    r"[\u0600-\u08ff\u0900-\u109f\u1780-\u18af\u1900-\u1aaf\u1b00-\u1bff\ua840-\uaaff\U00011000-\U000114ff]"
)
"""Letters and marks whose shape a joiner or non-joiner after them changes: Arabic and Persian, Indic, Burmese, Khmer, Mongolian."""
_KEPT_WHOLE: Final = re.compile(r"([\u2026\u0e33\u0eb3])")
"""The ellipsis that marks a cut stays one: as three dots, a text at its bound would be cut again. The vowel AM of Thai and Lao
is spelt with one letter, and NFKC would write two."""
_SELECTORS: Final = frozenset(
    (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0)
)
"""Characters without a shape of their own that Unicode does not file under formatting."""
_LATIN: Final = re.compile(r"[A-Za-z]")
_LEET: Final = str.maketrans({
    "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "l",
    "€": "e", "+": "t",
})  # fmt: skip
_LEET_WORD: Final = re.compile(r"[\w@$!|+€]+")
_SINGLES: Final = re.compile(r"(?<![^\W_])(?:[^\W_][\s._*\-/|,~]{1,3}){3,}[^\W_](?![^\W_])")
_SEPARATORS: Final = re.compile(r"[\s._*\-/|,~]+")


_UNWORDED: Final = re.compile(r"[.\u2026?!¿¡\s]+")
_DIGITS_ALONE_MAX: Final = 32
"""Characters of a sentence without any letter: an hour, a number, a price or two."""
_NO_JOINERS: Final = str.maketrans("", "", _JOINERS)


class Plain(Struct, frozen=True, gc=False):
    """A normalised text. ``removed``: invisible characters taken out; ``mixed``: words of several alphabets; ``cut``:
    whether it was over its bound."""

    text: str
    removed: int = 0
    mixed: int = 0
    cut: bool = False


def plain(text: str, chars_max: int) -> Plain:
    """A text in NFKC on one line, without control, formatting, direction and other invisible characters, at most
    ``chars_max`` long; a word that mixes alphabets that look alike is written in Latin. What a script needs stays."""
    read = text[: chars_max * _EXPANSION_MAX]
    parts = _KEPT_WHOLE.split(read)
    parts[::2] = (unicodedata.normalize("NFKC", part) for part in parts[::2])
    words, removed = _seen_words("".join(parts))
    mixed = [at for at, word in enumerate(words) if _is_mixed(word)]
    for at in mixed:
        words[at] = words[at].translate(LOOK_ALIKES)
    whole = " ".join(words)
    return Plain(clipped(whole, chars_max), removed, len(mixed), len(whole) > chars_max or len(read) < len(text))


def visible(text: str, chars_max: int) -> str:
    """The text as it was written, on one line, without invisible characters, at most ``chars_max`` long."""
    return clipped(" ".join(_seen_words(text[: chars_max * _EXPANSION_MAX])[0]), chars_max)


def _seen_words(text: str) -> tuple[list[str], int]:
    """The words of a text without invisible characters, and how many of those there were."""
    if text.isascii() and text.isprintable():
        return text.split(), 0
    kept: list[str] = []
    on_letter: list[str] = []
    removed = accents = 0
    for char in text:
        category = unicodedata.category(char)
        is_mark = category[0] == "M" and ord(char) not in _SELECTORS
        if not is_mark and char not in _JOINERS:
            on_letter, accents = [], 0
        accents += is_mark and _ACCENTS.match(char) is not None
        if char.isspace():
            kept.append(" ")
        elif char in _JOINERS and kept and _JOINED.match(kept[-1]):
            kept.append(char)
        elif (
            category[0] == "C" or ord(char) in _SELECTORS or accents > _MARKS_MAX or on_letter.count(char) >= _MARKS_MAX
        ):
            removed += 1
        else:
            kept.append(char)
            if is_mark:
                on_letter.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).split(), removed


def is_speech(text: str) -> bool:
    """Whether there is anything to say in a text: a word, a number, a pause, wonder or a picture. A model that has lost
    its way writes signs, or digits without end."""
    if any(char.isalpha() for char in text):
        return True
    if any(char.isdigit() for char in text):
        return len(text) <= _DIGITS_ALONE_MAX
    return _UNWORDED.fullmatch(text) is not None or any(unicodedata.category(char) == "So" for char in text)


def _is_mixed(word: str) -> bool:
    """Whether a word holds Latin letters and letters of another alphabet that look like Latin ones."""
    return not word.isascii() and _LATIN.search(word) is not None and any(ord(char) in LOOK_ALIKES for char in word)


def bare(text: str) -> str:
    """A text in NFKD without accents and joiners. It is only inspected."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text.translate(_NO_JOINERS))
    return "".join(char for char in parts if not unicodedata.combining(char))


@lru_cache(maxsize=1024)
def skeleton(text: str) -> str:
    """A text as one would read it aloud whatever disguise it wears: lower case, without accents, look-alike letters and
    digits for letters undone, s p a c e d words put together."""
    text = bare(text.translate(LOOK_ALIKES)).lower()
    text = _SINGLES.sub(lambda found: _SEPARATORS.sub("", found.group()), text)
    return _LEET_WORD.sub(_unleet, text)


def _unleet(found: re.Match[str]) -> str:
    word = found.group()
    return word.translate(_LEET) if _LATIN.search(word) else word
