"""Names that look the same: Аva in Cyrillic and Ava, ＡＶＡ and ava, B0b and Bob, a name with a letter nobody sees.

Two names look the same where they have a shape in common. A shape is what Unicode's UTS #39 calls a skeleton, without
blanks at the ends and without what has no width. The standard keeps cases apart; here I and l look the same, and so do
A and a.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final
from unicodedata import normalize

from ganggpt.domain.fields import unseen_dropped

_SHAPES_CACHED: Final = 16_384


def _table() -> dict[int, str]:
    lines = files("ganggpt.domain.language").joinpath("lookalikes.txt").read_text(encoding="utf-8").splitlines()
    return {ord(line[0]): line[2:] for line in lines if not line.startswith("# ")}


_LOOKS_LIKE: Final = _table()


@lru_cache(_SHAPES_CACHED)
def shapes(name: str) -> frozenset[str]:
    """How a name looks: as it is written, and in small letters. Empty for one of which nothing is seen."""
    seen = " ".join(part for part in map(unseen_dropped, name.split()) if part)
    plain = normalize("NFKC", seen)
    both = (_skeleton(plain).casefold(), _skeleton(plain.casefold()))
    return frozenset(shape for shape in map(_skeleton, both) if shape)


def _skeleton(text: str) -> str:
    return normalize("NFD", normalize("NFD", text).translate(_LOOKS_LIKE))
