"""How well a memory finds what it is asked for, in recall@k; and the recall there was before there was an index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from bench.corpus import STYLES, Asked, Style
from ganggpt.domain.mind.memory_record import Memory

KS: Final = (1, 3, 5, 10)
_DAY_S: Final = 86_400.0

Finder = Callable[[Asked, int], Sequence[int]]
"""Answers a question with the numbers of at most so many memories, best first."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall at each k of KS: over all questions, and by style."""

    all: Mapping[int, float]
    by_style: Mapping[Style, Mapping[int, float]]


def measure(asked: Sequence[Asked], find: Finder) -> Recall:
    """Ask everything and count."""
    hits: Counter[tuple[str, int]] = Counter()
    for one in asked:
        found = list(find(one, max(KS)))
        for k in KS:
            hits[one.style, k] += one.answer in found[:k]
    counts = Counter(one.style for one in asked)
    by_style = {style: {k: hits[style, k] / counts[style] for k in KS} for style in STYLES if counts[style]}
    return Recall({k: sum(hits[style, k] for style in STYLES) / len(asked) for k in KS}, by_style)


def table(results: Mapping[str, Recall]) -> str:
    """Several results side by side, in Markdown."""
    lines = ["| questions | recall | " + " | ".join(f"@{k}" for k in KS) + " |", "|---|---|" + "---|" * len(KS)]
    for name, measured in results.items():
        lines.append(_line("all", name, measured.all))
    for style in STYLES:
        lines += [_line(style, name, measured.by_style[style]) for name, measured in results.items()]
    return "\n".join(lines)


def _line(style: str, name: str, row: Mapping[int, float]) -> str:
    return f"| {style} | {name} | " + " | ".join(f"{row[k]:.3f}" for k in KS) + " |"


class OverlapBefore:
    """The baseline: recall as it was before there was an index. A light stem, the share of the question's inverse
    document frequency that a memory covers, recency and weight; no other words, no misspelt names."""

    def __init__(self, memories: Sequence[Memory], now_s: float) -> None:
        self._memories = memories
        self._now_s = now_s
        self._tokens = {memory.no: _light_tokens(memory.text) for memory in memories}
        self._counts = Counter(token for tokens in self._tokens.values() for token in tokens)

    def find(self, asked: Asked, k: int) -> Sequence[int]:
        """See Finder."""
        wanted = sorted(_light_tokens(asked.text))
        count = len(self._memories)
        worth = {token: log(1 + (1 + count) / (1 + self._counts[token])) for token in wanted}
        total = sum(worth.values())

        def score(memory: Memory) -> tuple[float, int]:
            fits = sum(value for token, value in worth.items() if token in self._tokens[memory.no]) / total
            recent = 3 * _DAY_S / (3 * _DAY_S + self._now_s - memory.created_s)
            return 0.55 * fits + 0.15 * recent + 0.15 * memory.weight / 100, memory.no

        return [memory.no for memory in sorted(self._memories, key=score, reverse=True)[:k]]


_WORD: Final = re.compile(r"[^\W_]+")
_LIGHT_STOP: Final = frozenset(
    (
        *(
            "a",
            "about",
            "all",
            "and",
            "are",
            "at",
            "be",
            "been",
            "by",
            "did",
            "do",
            "for",
            "from",
            "had",
            "has",
            "have",
        ),
        *("he", "her", "him", "his", "how", "i", "if", "in", "is", "it", "me", "of", "on", "or", "she", "so", "some"),
        *(
            "that",
            "the",
            "their",
            "them",
            "then",
            "they",
            "think",
            "this",
            "to",
            "was",
            "were",
            "what",
            "when",
            "where",
        ),
        *("who", "with", "would", "you", "your"),
    )
)


def _light_tokens(text: str) -> frozenset[str]:
    return frozenset(_light_stem(word) for word in _WORD.findall(text.lower()) if word not in _LIGHT_STOP)


def _light_stem(word: str) -> str:
    if len(word) <= 3:
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word.removesuffix(ending)
            break
    return word.removesuffix("e") if len(word) > 3 else word
