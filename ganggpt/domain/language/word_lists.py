"""Lists of words that rules of talk know, from ``word_lists.txt``: a list a line, for a community to add to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from ganggpt.domain.language.words import word_set


@lru_cache(maxsize=1)
def _lists() -> Mapping[str, frozenset[str]]:
    text = files(__package__).joinpath("word_lists.txt").read_text(encoding="utf-8")
    rows = (row.partition(": ") for row in text.splitlines() if row and not row.startswith("#"))
    return {name: word_set(words) for name, _, words in rows}


def listed_words(name: str) -> frozenset[str]:
    """The words of a list, in small letters without accents. Raises KeyError where there is none of that name."""
    return _lists()[name]
