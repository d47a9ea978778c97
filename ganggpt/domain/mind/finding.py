"""Finds the memory that answers a question, and how sure it is that it does."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.facts import ME, Fact, asks_for_past, facts_of, fits
from ganggpt.domain.language.time_words import asked_span_s
from ganggpt.domain.mind.brief import words_in
from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_index import Recalled
from ganggpt.domain.mind.memory_record import Memories, Memory, is_expired, last_s, may_tell
from ganggpt.domain.turn import Turn

SAID_FROM: Final = 0.17
"""Confidence from which a memory is told to who asks."""
SURE_FROM: Final = 0.5
"""Confidence from which the archive need not be asked as well."""
STATED: Final = 0.1
"""What it adds to the score of a memory that it states what the question asks for: the speaker's home, name, job …"""
THEN: Final = 0.15
"""What it adds that it is of the time the question names."""
PAST: Final = 0.1
"""What it adds that it says what was before, where the question asks for that."""
_STATING: Final = frozenset({"home", "name", "gang", "job", "debt"})
_AS_GOOD: Final = 0.003
"""Of two memories about one person whose scores differ by no more, the later one counts."""
_ASKED_K: Final = 12
_RELEVANT, _AHEAD, _EVEN = 3.1, 2.3, -2.4
"""The logistic curve of confidence over relevance and how far the best is ahead, as ``python -m bench.conversations
--curve`` fits it."""


class BestMemory(Struct, frozen=True, gc=False):
    """The memory that answers a question best, None where nothing fits; its relevance with what its frame and its time
    add, and how far its score is ahead of the next one."""

    memory: Memory | None
    relevance: float = 0.0
    ahead: float = 0.0

    @property
    def confidence(self) -> float:
        """The probability that it is what was asked for, 0..1."""
        return 0.0 if self.memory is None else confidence(self.relevance, self.ahead)

    @property
    def is_said(self) -> bool:
        """Whether it is sure enough to be told."""
        return self.confidence >= SAID_FROM

    @property
    def is_sure(self) -> bool:
        """Whether nothing else needs to be searched."""
        return self.confidence >= SURE_FROM


NOTHING: Final = BestMemory(None)


class _Sought(Struct, gc=False):
    """What a question asks for besides its words."""

    stated: list[Fact]
    span_s: tuple[float, float] | None
    wants_past: bool
    now_s: float


def find(memories: Memories, text: str, turn: Turn) -> BestMemory:
    """The memory that answers a question of the player ``turn.by`` best."""
    ranked = recall(memories, text, turn.now_s, _ASKED_K, turn.by, listener=turn.by)
    ranked = [one for one in ranked if one.relevance > 0]
    if not ranked:
        return NOTHING
    sought = _Sought(
        [fact for fact in facts_of(text) if ME in fact.subject and fact.attribute in _STATING],
        asked_span_s(text),
        asks_for_past(text),
        turn.now_s,
    )
    scored = sorted(((_score(one, sought, turn.by), one) for one in ranked), key=lambda one: -one[0])
    top, best = scored[0]
    rivals = [one for score, one in scored if score >= top - _AS_GOOD and one.memory.about == best.memory.about]
    best = max(rivals, key=lambda one: last_s(one.memory))
    others = [score for score, one in scored if one is not best]
    memory = _as_it_is_now(memories, best.memory, sought, turn)
    return BestMemory(memory, best.relevance + top - best.score, top - max(others, default=0.0))


def confidence(relevance: float, ahead: float) -> float:
    """The probability that the best memory is what was asked for, by its relevance and by how much its score is ahead
    of the next one."""
    return 1 / (1 + math.exp(-(_RELEVANT * relevance + _AHEAD * ahead + _EVEN)))


def _score(found: Recalled, sought: _Sought, listener: str) -> float:
    memory, score = found.memory, found.score
    if sought.stated and memory.frame in _STATING and memory.about == listener:
        held = facts_of(words_in(memory.text))
        score += STATED * any(fits(asked, one) for asked in sought.stated for one in held)
    if sought.span_s is not None:
        score += THEN * (sought.span_s[0] <= sought.now_s - last_s(memory) <= sought.span_s[1])
    if sought.wants_past:
        score += PAST * bool(memory.replaced)
    return score


def _as_it_is_now(memories: Memories, memory: Memory, sought: _Sought, turn: Turn) -> Memory:
    """What has taken the place of a memory that is past, unless the question asks for the past."""
    if not memory.replaced or sought.wants_past:
        return memory
    by_no = {one.no: one for one in memories}
    while memory.replaced in by_no:
        later = by_no[memory.replaced]
        if not may_tell(later, turn.by) or is_expired(later, turn.now_s):
            break
        memory = later
    return memory
