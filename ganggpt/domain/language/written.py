"""The words of a text with where they stand in it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ganggpt.domain.language.words import folded

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_CACHED: Final = 2048


class Written(NamedTuple):
    """A word: without accents and in small letters, without a possessive ending; where it begins and ends."""

    folded: str
    start: int
    end: int


@lru_cache(maxsize=_CACHED)
def written_words(text: str) -> tuple[Written, ...]:
    """The words of a text in order."""
    return tuple(_written(found[0], found.start()) for found in _WORD.finditer(text))


def _written(word: str, start: int) -> Written:
    bare = word.replace("\u2019", "'")
    own = bare[:-2] if bare.lower().endswith("'s") else bare
    return Written(folded(own.casefold()), start, start + len(own))
