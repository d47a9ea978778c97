"""One memory: what it holds, how firmly it is held, who may hear of it and where it came from.

All fading is a function of elapsed time, never of how often anybody looked.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import force_setattr

MemoryKind = Literal[
    "met",
    "talk",
    "gift",
    "threat",
    "seen",
    "deed",
    "order",
    "work",
    "rumour",
    "promise",
    "identity",
    "note",
    "debt",
    "summary",
]
Source = Literal["witnessed", "told", "rumour", "inferred"]

TEXT_MAX: Final = 240
REHEARSED_MAX: Final = 15
EVERYBODY: Final = "*"
"""The audience of what may be told to anyone."""
GRAVE_FROM: Final = 60
"""Weight from which a deed is grave."""
_FIRM: Final = math.log(0.2)
FORGOTTEN_AT: Final = 0.02
"""Retention under which the archive deletes a memory."""

_DAY_S: Final = 86_400.0
_RECENCY_S: Final = 3 * _DAY_S
_LOG_GRIP: Final = tuple(math.log(0.2 + 0.8 * weight / 100) for weight in range(101))
_STABILITY_S: Final = tuple(_DAY_S * (1 + 59 * weight / 100) for weight in range(101))
_REHEARSAL: Final = tuple(1 + math.log2(1 + times) / 4 for times in range(REHEARSED_MAX + 1))
PRACTICE: Final = tuple(math.log2(1 + times) / 4 for times in range(REHEARSED_MAX + 1))
"""Rehearsal as a part of a score, 0..1, by how often."""


class Trace(Struct, frozen=True, gc=False, array_like=True):
    """Where something heard comes from. ``origin``: whose memory it was first, ``actor#no``, the same on every way it
    takes; ``chain``: the actors it came through, the first who told it first; ``born_s``: when it was first told."""

    origin: str
    chain: tuple[str, ...]
    born_s: float


class Embedding(Struct, frozen=True, gc=False, array_like=True):
    """The embedding of a text: a vector of signed bytes. Only vectors of one model can be compared."""

    model: str
    vector: bytes

    def __post_init__(self) -> None:
        force_setattr(self, "model", sys.intern(self.model))


class Memory(Struct, frozen=True, gc=False, array_like=True):
    """One memory. Weight 0..100; ``about`` is a player's actor id; times are Unix seconds.

    ``rehearsed`` counts how often it was reinforced or told; ``again_s`` is when it last happened again.
    ``expires_s``: not recalled from then on. ``due_s``: a promise or debt is not forgotten before then.
    ``audience``: EVERYBODY, one actor, or "": what was told in confidence is for who told it, all else for everybody.
    ``was``: the number it had before it was let go and came back. ``replaced``: the number of the memory that took its
    place, because what it says is past; 0 while it holds. ``frame``: what it states about somebody
    (``facts.Attribute``), "" where that is unknown.
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
    audience: str = ""
    due_s: float | None = None
    trace: Trace | None = None
    embedding: Embedding | None = None
    was: int = 0
    replaced: int = 0
    frame: str = ""

    def __post_init__(self) -> None:
        # Thousands of minds remember the same few players: they share one string each, wherever the memory came from.
        if self.about is not None:
            force_setattr(self, "about", sys.intern(self.about))
        if self.audience:
            force_setattr(self, "audience", sys.intern(self.audience))
        if self.frame:
            force_setattr(self, "frame", sys.intern(self.frame))


Memories = tuple[Memory, ...]


def last_s(memory: Memory) -> float:
    """When it happened last."""
    return memory.created_s if memory.again_s is None else memory.again_s


def is_expired(memory: Memory, now_s: float) -> bool:
    """Past its date: not recalled any more, and gone with the next memory that is written."""
    return memory.expires_s is not None and memory.expires_s <= now_s


def is_pinned(memory: Memory, now_s: float) -> bool:
    """Who one is, and promises and debts still open: not forgotten while anything else could be."""
    if memory.kind == "identity":
        return True
    if memory.kind not in ("promise", "debt") or is_expired(memory, now_s):
        return False
    return memory.due_s is None or memory.due_s > now_s


def is_grave(memory: Memory, now_s: float) -> bool:
    """What somebody did that was grave, as long as it is held firmly (its retention is a fifth or more): no words push
    it out of a mind."""
    is_deed = memory.kind in ("threat", "deed", "seen") and memory.source == "witnessed"
    return is_deed and memory.weight >= GRAVE_FROM and log_retention(memory, now_s) >= _FIRM


def retention(memory: Memory, now_s: float) -> float:
    """How firmly a memory is held, 0..1: ``grip · e^(−age / S)``.

    The forgetting curve of Ebbinghaus with stability S in days from 1 (weight 0) to 60 (weight 100), up to doubled by
    rehearsal; grip is 0.2 + 0.8 · weight/100. Neither more weight nor more rehearsal ever lowers it.
    """
    return math.exp(log_retention(memory, now_s))


def log_retention(memory: Memory, now_s: float) -> float:
    """The logarithm of ``retention``, which orders memories alike and never underflows."""
    age_s = now_s - last_s(memory)
    if age_s <= 0.0:
        return _LOG_GRIP[memory.weight]
    return _LOG_GRIP[memory.weight] - age_s / (_STABILITY_S[memory.weight] * _REHEARSAL[memory.rehearsed])


def forgotten_s(memory: Memory) -> float | None:
    """When a memory outside of the mind is lost for good: its own date, or the moment its retention falls under
    FORGOTTEN_AT, ``last + S · ln(grip / 0.02)``; never before a promise or debt is due, and never who one is."""
    if memory.kind == "identity":
        return memory.expires_s
    lasts_s = _STABILITY_S[memory.weight] * _REHEARSAL[memory.rehearsed]
    faded_s = last_s(memory) + lasts_s * (_LOG_GRIP[memory.weight] - math.log(FORGOTTEN_AT))
    if memory.due_s is not None:
        faded_s = max(faded_s, memory.due_s)
    return faded_s if memory.expires_s is None else min(faded_s, memory.expires_s)


def recency(memory: Memory, now_s: float) -> float:
    """1 for what just happened, a half after three days, and strictly falling from then on."""
    return recency_at(last_s(memory), now_s)


def recency_at(then_s: float, now_s: float) -> float:
    """``T / (T + age)`` with T of three days."""
    return 1.0 if then_s >= now_s else _RECENCY_S / (_RECENCY_S + (now_s - then_s))


def recencies(thens_s: list[float], now_s: float, share: float) -> list[float]:
    """``share · recency`` of many times at once."""
    top = share * _RECENCY_S
    since_s = now_s + _RECENCY_S
    return [top / (since_s - then_s) if then_s < now_s else share for then_s in thens_s]


def heard_by(memory: Memory) -> str:
    """Who may hear of a memory: EVERYBODY, or one actor. What was confided is only for the actor who confided it."""
    if memory.audience:
        return memory.audience
    return memory.about if memory.source == "told" and memory.about is not None else EVERYBODY


def may_tell(memory: Memory, listener: str | None) -> bool:
    """Whether a memory may be spoken of to this listener."""
    audience = heard_by(memory)
    return audience in (EVERYBODY, listener)


def shown(memory: Memory, now_s: float) -> dict[str, Any]:
    """A memory as a read shows it."""
    trace = memory.trace
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
        "audience": heard_by(memory),
        "due_s": memory.due_s,
        "trace": None
        if trace is None
        else {"origin": trace.origin, "chain": list(trace.chain), "born_s": trace.born_s},
        "model": None if memory.embedding is None else memory.embedding.model,
        "replaced_by": memory.replaced or None,
    }
