"""What of the world a line speaks of: people, districts, factions, wares and trades, by their names and what they are.

Whole names, ids, and the parts of a name that tell who is meant; a name that is a word as well ("lucky") counts where
it is written like a name or where a person is asked for. Misspelt names are found where nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from ganggpt.domain.language.naming import is_word
from ganggpt.domain.language.stop_words import STOP_WORDS
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, stem
from ganggpt.domain.language.written import Written, written_words
from ganggpt.domain.world import World, kept_by_world

What = Literal["npc", "district", "faction", "ware", "role"]

MASKS: Final[Mapping[What, str]] = {
    "npc": "xperson",
    "district": "xplace",
    "faction": "xfaction",
    "ware": "xware",
    "role": "xperson",
}
"""What stands for a name where only the form of a line counts."""
_PART_MIN: Final = 3
"""Letters of a part of a name that may stand for the whole."""
_ALIKE_FROM: Final = 0.8
_MISSPELT_MIN: Final = 5
_CACHED: Final = 2048
_BLAND: Final = listed_words("bland")
"""Words of a name that do not tell who is meant by themselves."""
_POLICE: Final = listed_words("police")
"""Words for the police, whoever they are in a world."""


_ARTICLES: Final = listed_words("articles")


class Named(Struct, frozen=True, gc=False):
    """Something of the world in a line: what it is, its id (the words of a role or a ware), and where it stands.
    ``is_sure``: it can hardly be a plain word."""

    what: What
    id: str
    start: int
    end: int
    is_sure: bool = True


class _Alias(Struct, frozen=True, gc=False):
    """A way to name something: its words, what it means, whether it is a word of its own as well."""

    words: tuple[str, ...]
    what: What
    id: str
    is_word: bool = False


class NamesOfWorld:
    """The names of a world by their first word, the longest first."""

    def __init__(self, world: World) -> None:
        by_first: dict[str, list[_Alias]] = {}
        for alias in _aliases(world):
            if alias.words:
                by_first.setdefault(alias.words[0], []).append(alias)
        self._by_first = {word: sorted(found, key=_by_length) for word, found in by_first.items()}
        whole = (alias for found in by_first.values() for alias in found if len(alias.words) == 1)
        self._single = {
            alias.words[0]: alias
            for alias in whole
            if len(alias.words[0]) >= _MISSPELT_MIN and alias.what in ("npc", "district", "faction")
        }
        self.found = lru_cache(_CACHED)(self._found)
        self.is_she = _genders(world)

    def _found(self, text: str) -> tuple[Named, ...]:
        words = written_words(text)
        found: list[Named] = []
        at = 0
        while at < len(words):
            fitting = [alias for alias in self._by_first.get(words[at].folded, ()) if _fits(alias, words, at)]
            length = max((len(alias.words) for alias in fitting), default=1)
            end = words[at + length - 1].end
            for alias in fitting:
                if len(alias.words) == length:
                    sure = _is_sure(alias, text, words, at)
                    found.append(Named(alias.what, alias.id, words[at].start, end, sure))
            at += length
        return tuple(found)

    def misspelt(self, text: str) -> tuple[Named, ...]:
        """The names a line may mean with other letters; none of its words is a word of a language."""
        found = []
        for word in written_words(text):
            if len(word.folded) < _MISSPELT_MIN or _is_known(word.folded):
                continue
            near = extractOne(
                word.folded, self._single.keys(), scorer=OSA.normalized_similarity, score_cutoff=_ALIKE_FROM
            )
            if near is not None:
                alias = self._single[near[0]]
                found.append(Named(alias.what, alias.id, word.start, word.end))
        return tuple(found)


def _genders(world: World) -> Mapping[str, bool]:
    """Who is spoken of as she (True) or he (False), by what sheets and others say of them; nobody where neither is
    said."""
    found = {}
    for id_, sheet in world.npcs.items():
        texts = [sheet.backstory, *sheet.aims]
        texts += [life.opinions.get(f"npc:{id_}", "") for life in world.lives.values()]
        words = [word.folded for text in texts for word in written_words(text)]
        she, he = (sum(word in listed for word in words) for listed in (listed_words("she"), listed_words("he_only")))
        if she != he:
            found[id_] = she > he
    return found


@kept_by_world(4)
def names_of(world: World) -> NamesOfWorld:
    """The names of a world; kept for the worlds asked for last."""
    return NamesOfWorld(world)


def masked(text: str, found: Iterable[Named]) -> str:
    """A line with a mask for everything it names, so that only its form is left."""
    parts, done = [], 0
    for one in found:
        if one.is_sure and one.start >= done:
            parts += [text[done : one.start], MASKS[one.what]]
            done = one.end
    return "".join((*parts, text[done:]))


def _by_length(alias: _Alias) -> tuple[int, int]:
    order: Mapping[What, int] = {"npc": 0, "faction": 1, "district": 2, "role": 3, "ware": 4}
    return -len(alias.words), order[alias.what]


def _fits(alias: _Alias, words: tuple[Written, ...], at: int) -> bool:
    return len(words) - at >= len(alias.words) and all(
        word == words[at + place].folded for place, word in enumerate(alias.words)
    )


def _is_sure(alias: _Alias, text: str, words: tuple[Written, ...], at: int) -> bool:
    """Whether a name can hardly be a plain word there: a trade is somebody where an article is before it."""
    if alias.what == "role":
        return at > 0 and words[at - 1].folded in _ARTICLES
    return not alias.is_word or _looks_like_name(text, words[at])


def _looks_like_name(text: str, word: Written) -> bool:
    """Whether a word is written large in the middle of a sentence."""
    before = text[: word.start].rstrip()
    return text[word.start].isupper() and bool(before) and before[-1] not in ".!?…"


@lru_cache(maxsize=8192)
def _is_known(word: str) -> bool:
    return is_word(word) or any(word in words for words in STOP_WORDS.values())


def _aliases(world: World) -> Iterator[_Alias]:
    """Every way to name something, the plain ones; a part of a name that several share is left out."""
    parts: dict[tuple[str, ...], set[tuple[What, str]]] = {}
    for alias in _of_sheets(world):
        parts.setdefault(alias.words, set()).add((alias.what, alias.id))
    for words, meant in parts.items():
        whats = {what for what, _ in meant}
        for what, id_ in meant:
            # A district and a faction may share a name: what is asked for decides. Two people may not.
            if sum(other == what for other, _ in meant) == 1 or len(words) > 1:
                yield _Alias(words, what, id_, len(words) == 1 and len(whats) == 1 and is_word(words[0]))
    yield from _police(world)
    yield from _roles(world)
    yield from _wares(world)


def _of_sheets(world: World) -> Iterator[_Alias]:
    sections: tuple[tuple[What, Mapping[str, Any]], ...] = (
        ("npc", world.npcs),
        ("district", world.districts),
        ("faction", world.factions),
    )
    for what, sheets in sections:
        for id_, sheet in sheets.items():
            words = tuple(word for word in _words(sheet.name) if word not in ("the", "of", "and"))
            yield _Alias(words, what, id_)
            if what != "npc":
                yield _Alias(("the", *words), what, id_)
            yield _Alias(_words(sheet.name), what, id_)
            yield _Alias(_words(id_.replace("-", " ")), what, id_)
            for word in words:
                if len(word) >= _PART_MIN and word not in _BLAND and not word.isdigit():
                    yield _Alias((word,), what, id_)
                    if what == "faction":
                        yield _Alias((f"{word}s",), what, id_)
            if what == "district" and len(words) > 1:
                yield _Alias(("the", words[-1]), what, id_)
            if what == "faction":
                yield from (_Alias(("the", word), what, id_) for word in words if word not in _OF_MANY)


_OF_MANY: Final = listed_words("of_many")
"""Words of factions that several could mean."""


def _police(world: World) -> Iterator[_Alias]:
    force = next((sheet.id for sheet in world.factions.values() if sheet.kind == "police"), None)
    if force is not None:
        yield from (_Alias((word,), "faction", force, is_word=True) for word in _POLICE)


def _roles(world: World) -> Iterator[_Alias]:
    for role in dict.fromkeys(sheet.role for sheet in world.npcs.values()):
        words = _words(role)
        yield _Alias(words, "role", role)
        if len(words) > 1:
            yield _Alias(words[-1:], "role", role)


def _wares(world: World) -> Iterator[_Alias]:
    names = [ware.name for life in world.lives.values() for ware in life.wares]
    names += [name for place in world.places.values() for name in place.sold]
    for name in dict.fromkeys(names):
        head = name.split(",")[0]
        yield _Alias(_words(head), "ware", name)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.folded for word in written_words(name))


def stems_of(name: str) -> frozenset[str]:
    """The stems of the words of a name, to compare by."""
    return frozenset(stem(folded(word.lower())) for word in _words(name))
