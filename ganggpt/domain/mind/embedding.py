"""Embeddings, small enough to keep with each memory, compared without any library.

A vector is kept as signed bytes: a quarter of what floats take, with a cosine that is off by less than a hundredth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final

from ganggpt.domain.mind.memory_record import Embedding, Memory
from ganggpt.errors import InvalidInput

DIMENSIONS_MAX: Final = 1536
WORTH_FROM: Final = 20
"""A memory of at least this weight gets an embedding; lighter ones are dropped within days."""
_TOP: Final = 127


def embedding_of(model: str, vector: Sequence[float]) -> Embedding:
    """A model's vector as it is kept: scaled so that its longest side is 127, and rounded. Raises InvalidInput."""
    if not 1 <= len(vector) <= DIMENSIONS_MAX or not all(map(math.isfinite, vector)):
        raise InvalidInput("vector", f"has {len(vector)} finite numbers, should have 1 to {DIMENSIONS_MAX}")
    longest = max(map(abs, vector))
    if not longest:
        raise InvalidInput("vector", "is zero and has no direction")
    return Embedding(model, bytes(round(side / longest * _TOP) & 0xFF for side in vector))


def has_vectors(memories: Iterable[Memory]) -> bool:
    """Whether any of the memories has an embedding."""
    return any(memory.embedding is not None for memory in memories)


def is_worth(memory: Memory) -> bool:
    """Whether this memory should get an embedding."""
    return memory.weight >= WORTH_FROM and memory.embedding is None


def sides(embedding: Embedding) -> list[int]:
    """The vector as numbers −127..127."""
    return memoryview(embedding.vector).cast("b").tolist()


def norm(vector: Sequence[int]) -> float:
    """Its length."""
    return math.sqrt(sum(map(mul, vector, vector)))


def similarity(one: Embedding | None, other: Embedding | None) -> float | None:
    """How similar two embeddings are: the cosine of their vectors, −1..1. None where there is nothing to compare:
    one is missing, or they are of two models."""
    if one is None or other is None or one.model != other.model or len(one.vector) != len(other.vector):
        return None
    first, second = sides(one), sides(other)
    common: int = sum(map(mul, first, second))
    return common / (norm(first) * norm(second))


def sketch(vector: Sequence[int]) -> int:
    """The signs of a vector as bits. The more bits two sketches share, the smaller the angle between their vectors is
    likely to be (random hyperplanes, Charikar 2002): good enough to say which ones are worth comparing."""
    return int("".join("1" if side > 0 else "0" for side in vector), 2)
