"""Words of a sentence that stand for what was spoken of before, or for who is spoken to: he, she, there, them, you."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.language.spoken_of import What
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of

_POINTS: Final = {"npc": listed_words("he"), "district": listed_words("there"), "faction": listed_words("they")}
_HERE, _YOU, _OTHER, _SHE, _HE = map(listed_words, ("here", "you", "other", "she", "he_only"))
_PLACES: Final = frozenset(
    ("place", "part", "district", "area", "neighbourhood", "neighborhood", "town", "city", "street")
)


def is_pointing(text: str, what: What) -> bool:
    """Whether a sentence has a word that stands for a person, a place or a group."""
    words = {folded(word) for word in words_of(text)}
    return not words.isdisjoint(_POINTS.get(what, frozenset()))


def is_of_here(text: str) -> bool:
    """Whether a sentence speaks of the place it is said in."""
    words = [folded(word) for word in words_of(text)]
    after = [*words[1:], ""]
    return any(word in _HERE and (word != "this" or after[at] in _PLACES) for at, word in enumerate(words))


def is_addressed(text: str) -> bool:
    """Whether a sentence is said to somebody: it has a "you" in it."""
    return not _YOU.isdisjoint(folded(word) for word in words_of(text))


def gender(text: str) -> bool | None:
    """Whether a sentence points at a woman (True) or a man (False); None where it says neither."""
    words = {folded(word) for word in words_of(text)}
    she, he = not words.isdisjoint(_SHE), not words.isdisjoint(_HE)
    return she if she != he else None


def is_of_other(text: str) -> bool:
    """Whether a sentence is about "the other one", but not about "each other"."""
    words = [folded(word) for word in words_of(text)]
    return any(word in _OTHER and words[max(0, at - 1)] != "each" for at, word in enumerate(words))
