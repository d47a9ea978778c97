"""What a mind keeps, how it fades, and what comes back when somebody asks. Pure and usable on its own.

A mind holds at most MEMORIES_MAX memories. What is not salient is never written; what happened before is reinforced
instead of written twice; what is weakest goes first. All fading is a function of elapsed time, never of how often
anybody looked, and being recalled never makes a memory easier to recall (it only keeps it from being forgotten).
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from ganggpt.domain.turn import Event
from ganggpt.domain.words import clipped, tokens

MemoryKind = Literal[
    "met", "talk", "gift", "threat", "seen", "deed", "order", "work", "rumour", "promise", "identity", "note"
]
Source = Literal["witnessed", "told", "rumour", "inferred"]

MEMORIES_MAX: Final = 64
SHARE_MAX: Final = 32
"""From this many memories about one person on, a new one displaces one of theirs: nobody can talk the others out."""
TEXT_MAX: Final = 240
SALIENCE_MIN: Final = 10
"""Weight below which nothing is written."""
REHEARSED_MAX: Final = 15
SAME_FROM: Final = 0.7
"""Share of common tokens (Jaccard) from which two memories of one kind about one person are the same one."""

_DAY_S: Final = 86_400.0
_RECENCY_S: Final = 3 * _DAY_S
_LOG_GRIP: Final = tuple(math.log(0.2 + 0.8 * weight / 100) for weight in range(101))
_STABILITY_S: Final = tuple(_DAY_S * (1 + 59 * weight / 100) for weight in range(101))
_REHEARSAL: Final = tuple(1 + math.log2(1 + times) / 4 for times in range(REHEARSED_MAX + 1))
_RELEVANCE, _RECENCY, _WEIGHT, _PERSON = 0.55, 0.15, 0.15, 0.15


class Memory(Struct, frozen=True, gc=False, array_like=True):
    """One memory. Weight 0..100; ``about`` is a player's actor id; times are Unix seconds.

    ``rehearsed`` counts how often it was reinforced or told; ``again_s`` is when it last happened again.
    """

    no: int
    kind: MemoryKind
    text: str
    weight: int
    about: str | None
    source: Source
    created_s: float
    expires_s: float | None = None
    rehearsed: int = 0
    again_s: float | None = None

    def __post_init__(self) -> None:
        # Thousands of minds remember the same few players: one string each, whichever way the memory came here.
        if self.about is not None:
            force_setattr(self, "about", sys.intern(self.about))


class Remembered(Event, frozen=True):
    """A memory was written, and these were forgotten for it."""

    memory: Memory
    forgot: tuple[int, ...] = ()


class Reinforced(Event, frozen=True):
    """What was remembered as ``no`` happened again at ``at_s`` and weighs this much now."""

    no: int
    weight: int
    at_s: float


class Recalled(Struct, frozen=True, gc=False):
    """A memory that came back, with the parts its score (0..1) is made of, each 0..1."""

    memory: Memory
    score: float
    relevance: float
    recency: float
    weight: float
    person: float


Memories = tuple[Memory, ...]


def last_s(memory: Memory) -> float:
    """When it happened last."""
    return memory.created_s if memory.again_s is None else memory.again_s


def is_expired(memory: Memory, now_s: float) -> bool:
    """Past its date: not recalled any more, and gone with the next memory that is written."""
    return memory.expires_s is not None and memory.expires_s <= now_s


def is_pinned(memory: Memory, now_s: float) -> bool:
    """Who one is, and promises still open: not forgotten while anything else could be."""
    return memory.kind == "identity" or (memory.kind == "promise" and not is_expired(memory, now_s))


def retention(memory: Memory, now_s: float) -> float:
    """How firmly a memory is held, 0..1: ``grip · e^(−age / S)``.

    The forgetting curve of Ebbinghaus with stability S in days from 1 (weight 0) to 60 (weight 100), up to doubled by
    rehearsal; grip is 0.2 + 0.8 · weight/100. Neither more weight nor more rehearsal ever lowers it.
    """
    return math.exp(_log_retention(memory, now_s))


def _log_retention(memory: Memory, now_s: float) -> float:
    age_s = now_s - (memory.created_s if memory.again_s is None else memory.again_s)
    if age_s <= 0.0:
        return _LOG_GRIP[memory.weight]
    return _LOG_GRIP[memory.weight] - age_s / (_STABILITY_S[memory.weight] * _REHEARSAL[memory.rehearsed])


def recency(memory: Memory, now_s: float) -> float:
    """1 when it just happened, a half after three days, and strictly falling ever after."""
    age_s = now_s - (memory.created_s if memory.again_s is None else memory.again_s)
    return 1.0 if age_s <= 0.0 else _RECENCY_S / (_RECENCY_S + age_s)


def learn(memories: Memories, fresh: Memory, now_s: float) -> Remembered | Reinforced | None:
    """What becomes of a fresh memory: written, merged into one that says the same, or let go as not salient.

    ``fresh.no`` is the next free number. Returns the event to fold, or None.
    """
    if fresh.weight < SALIENCE_MIN:
        return None
    same = _same(memories, fresh, now_s)
    if same is not None:
        heavier = max(same.weight, fresh.weight)
        return Reinforced(same.no, min(100, heavier + max(1, (100 - heavier) // 10)), now_s)
    if len(fresh.text) > TEXT_MAX:
        fresh = replace(fresh, text=clipped(fresh.text, TEXT_MAX))
    forgot = _to_forget(memories, fresh, now_s)
    return None if forgot is None else Remembered(fresh, forgot)


def fold(memories: Memories, event: Remembered | Reinforced) -> Memories:
    """The memories after the event."""
    if isinstance(event, Remembered):
        gone = event.forgot
        kept = tuple(memory for memory in memories if memory.no not in gone) if gone else memories
        return (*kept, event.memory)
    return tuple(
        replace(memory, weight=event.weight, again_s=event.at_s, rehearsed=_once_more(memory))
        if memory.no == event.no
        else memory
        for memory in memories
    )


def told(memories: Memories, no: int) -> Memories:
    """The memories after one of them was told: it counts as rehearsed, and does not become any more recent."""
    return tuple(replace(memory, rehearsed=_once_more(memory)) if memory.no == no else memory for memory in memories)


def _once_more(memory: Memory) -> int:
    return min(REHEARSED_MAX, memory.rehearsed + 1)


def _same(memories: Memories, fresh: Memory, now_s: float) -> Memory | None:
    near = [m for m in memories if m.about == fresh.about and m.kind == fresh.kind and not is_expired(m, now_s)]
    if not near:
        return None
    wanted = tokens(fresh.text)
    for memory in near:
        known = tokens(memory.text)
        if memory.text == fresh.text or (wanted and len(wanted & known) >= SAME_FROM * len(wanted | known)):
            return memory
    return None


def _to_forget(memories: Memories, fresh: Memory, now_s: float) -> tuple[int, ...] | None:
    """The numbers to drop for the fresh one: all that are past their date, and one more where it would not fit
    otherwise; None where everything held is more precious than it."""
    expired = tuple(memory.no for memory in memories if is_expired(memory, now_s))
    held = [memory for memory in memories if not is_expired(memory, now_s)] if expired else memories
    theirs = [memory for memory in held if fresh.about is not None and memory.about == fresh.about]
    if len(theirs) >= SHARE_MAX:
        candidates: Sequence[Memory] = theirs
    elif len(held) < MEMORIES_MAX:
        return expired
    else:
        candidates = held
    loose = [memory for memory in candidates if not is_pinned(memory, now_s)]
    if not loose and not is_pinned(fresh, now_s):
        return None
    return (*expired, min(loose or candidates, key=lambda memory: _log_retention(memory, now_s)).no)


def may_tell(memory: Memory, listener: str | None) -> bool:
    """Whether a memory may be spoken of to this listener: what one player confided is not told to another."""
    return memory.about is None or memory.about == listener or memory.source != "told"


def recall(
    memories: Memories,
    query: str,
    now_s: float,
    k: int = 3,
    about: str | None = None,
    *,
    listener: str | None = None,
) -> list[Recalled]:
    """The ``k`` memories that fit best, best first; the expired and those not for this listener are left out.

    Score = 0.55 relevance + 0.15 recency + 0.15 weight + 0.15 same person. Relevance is the share of the query's
    inverse document frequency that the memory's tokens cover (0 for a query without content words): absolute numbers,
    nothing is normalised over the candidates, so one candidate or equal ones rank without trouble.
    """
    held = [m for m in memories if not is_expired(m, now_s) and (listener is None or may_tell(m, listener))]
    wanted = tokens(query)
    worth = _rarity(wanted, held) if wanted else {}
    total = sum(worth.values())
    ranked = [(_score(m, _relevance(m, worth, total), now_s, about), m.no, m) for m in held]
    ranked.sort(reverse=True)
    return [
        Recalled(
            memory,
            score,
            _relevance(memory, worth, total),
            recency(memory, now_s),
            memory.weight / 100,
            _person(memory, about),
        )
        for score, _, memory in ranked[:k]
    ]


def _rarity(wanted: frozenset[str], held: Sequence[Memory]) -> dict[str, float]:
    """Inverse document frequency of the wanted tokens, ``ln(1 + n / (1 + count))``."""
    counts = Counter(token for memory in held for token in wanted & tokens(memory.text))
    return {token: math.log(1 + (1 + len(held)) / (1 + counts[token])) for token in sorted(wanted)}


def _relevance(memory: Memory, worth: dict[str, float], total: float) -> float:
    if not worth:
        return 0.0
    common = worth.keys() & tokens(memory.text)
    return sum([value for token, value in worth.items() if token in common]) / total if common else 0.0


def _person(memory: Memory, about: str | None) -> float:
    return 1.0 if about is not None and memory.about == about else 0.0


def _score(memory: Memory, relevance: float, now_s: float, about: str | None) -> float:
    return (
        _RELEVANCE * relevance
        + _RECENCY * recency(memory, now_s)
        + _WEIGHT * memory.weight / 100
        + _PERSON * _person(memory, about)
    )


def shown(memory: Memory, now_s: float) -> dict[str, Any]:
    """A memory as a read shows it."""
    return {
        "no": memory.no,
        "kind": memory.kind,
        "text": memory.text,
        "weight": memory.weight,
        "about": memory.about,
        "source": memory.source,
        "created_s": memory.created_s,
        "expires_s": memory.expires_s,
        "rehearsed": memory.rehearsed,
        "again_s": memory.again_s,
        "retention": round(retention(memory, now_s), 4),
    }
