"""Words that count like a word of a question: synonyms, and names spelt a little differently.

Only the question is widened, never what is remembered, so a better list of words helps old memories too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final

from msgspec import Struct
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from ganggpt.domain.language.words import NAME_LENGTH_MIN, folded, stem, terms, words_of

SYNONYM: Final = 0.7
"""The weight of a synonym; the word itself has weight 1."""
ALIKE_FROM: Final = 0.78
"""Least similarity of two spellings of one name: one letter in five differs, or two in ten."""
ALIKE_MAX: Final = 8
"""The most names that one misspelt name may mean."""
_NAME_LENGTH_MAX: Final = 24

KIND: Final = 0.45
"""The weight of a thing of the kind that a question asks for (an animal: a shark), and of another one of that kind."""
BEGINNING_MIN: Final = 3
"""Letters that the beginning of a word has at least, where it stands for all words that begin so."""
_SHORT_ENDING_MAX: Final = 3
"""The most letters that follow on the shortest beginnings."""


STEM_LENGTH_MIN: Final = 4
"""Letters that two forms of one word have in common at least."""


_WHEN: Final = frozenset({"when", "wann", "cuando", "quando", "quand", "когда"})


class Group(Struct, frozen=True):
    """Words that count for each other, by their stems and their beginnings, and how much. ``name``: what they mean."""

    name: str
    stems: frozenset[str]
    beginnings: tuple[str, ...]
    share: float


def begins_so(term: str, beginning: str) -> bool:
    """Whether a word has this beginning; a short one stands for short words only."""
    if not term.startswith(beginning):
        return False
    return len(beginning) > BEGINNING_MIN or len(term) <= BEGINNING_MIN + _SHORT_ENDING_MAX


def _groups_of(lines: Iterable[str]) -> Iterator[Group]:
    for line in lines:
        name, colon, words = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        written = folded(words.lower()).split()
        begun = tuple(dict.fromkeys(word[:-1] for word in written if word.endswith("*")))
        assert all(len(beginning) >= BEGINNING_MIN for beginning in begun), f"a beginning is too short: {name}"
        whole = frozenset(stem(word) for word in written if not word.endswith("*"))
        yield Group(name.rstrip("~"), whole, begun, KIND if name.endswith("~") else SYNONYM)


@lru_cache(maxsize=1)
def _groups() -> tuple[dict[str, tuple[Group, ...]], dict[str, tuple[Group, ...]]]:
    """The groups of every stem, and those of every beginning."""
    text = files(__package__).joinpath("thesaurus.txt").read_text(encoding="utf-8")
    by_stem: dict[str, tuple[Group, ...]] = {}
    by_beginning: dict[str, tuple[Group, ...]] = {}
    for group in _groups_of(text.splitlines()):
        for word in group.stems:
            by_stem[word] = (*by_stem.get(word, ()), group)
        for beginning in group.beginnings:
            by_beginning[beginning] = (*by_beginning.get(beginning, ()), group)
    return by_stem, by_beginning


@lru_cache(maxsize=4096)
def groups_of(term: str) -> tuple[Group, ...]:
    """The groups a stem is in, those that count most first."""
    by_stem, by_beginning = _groups()
    found = dict.fromkeys(by_stem.get(term, ()))
    for end in range(BEGINNING_MIN, len(term) + 1):
        beginning = term[:end]
        if beginning in by_beginning and begins_so(term, beginning):
            found.update(dict.fromkeys(by_beginning[beginning]))
    return tuple(sorted(found, key=lambda group: -group.share))


def meanings_of(text: str) -> frozenset[str]:
    """The names of all groups that the words of a text are in."""
    return frozenset(group.name for term in terms(text) for group in groups_of(term))


def asked_for(text: str) -> tuple[str, ...]:
    """What the question words of a text ask for, as stems of this list: a time."""
    return ("when",) if not _WHEN.isdisjoint(words_of(folded(text))) else ()


def alike(term: str, others: Sequence[str]) -> list[tuple[str, float]]:
    """Of other stems those that may be the same name misspelt, the most similar first, with ALIKE_FROM..1 for each.

    Similarity is ``1 − d / longer length`` with d the edits (insert, drop, change, swap of neighbours): optimal string
    alignment.
    """
    found = extract(term, others, scorer=OSA.normalized_similarity, score_cutoff=ALIKE_FROM, limit=ALIKE_MAX)
    return sorted(((other, similarity) for other, similarity, _ in found), key=lambda one: (-one[1], one[0]))


_SOUNDS: Final = str.maketrans("cqzyjwp", "kksiivb")


def sound(term: str) -> str:
    """What misspelt names have in common: how they begin, as it sounds (Cortez and Kortez, Szabo and Sabo)."""
    return term[:1].translate(_SOUNDS)


@lru_cache(maxsize=4096)
def near(name: str) -> tuple[str, ...]:
    """A name and every form of it with one letter dropped. Two names of one edit share one of these (symmetric
    deletion, Garbe 2012), so an index of whole words finds misspelt ones. A short name stands for itself alone: it
    meets one that has a letter more, and not every other that differs in one (Mara is no Mark)."""
    if not NAME_LENGTH_MIN < len(name) <= _NAME_LENGTH_MAX:
        return (name,)
    return tuple(dict.fromkeys((name, *(name[:at] + name[at + 1 :] for at in range(len(name))))))


def is_inflected(one: str, other: str) -> bool:
    """Whether two words may be forms of one: all but their last letters are the same."""
    if not (one.isalpha() and other.isalpha()):
        return False
    shorter = min(len(one), len(other))
    common = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    return common >= max(STEM_LENGTH_MIN, shorter - 2) and max(len(one), len(other)) - common <= 4


def known_stems() -> frozenset[str]:
    """The stems of every word that has a synonym."""
    return frozenset(_groups()[0])
