"""What a mind keeps, what it lets go, and what it recalls. Pure, and usable on its own.

A mind holds a bounded number of memories. What is not salient is never written; what happened before is reinforced
instead of being written twice; the weakest memory goes first. Being recalled lifts a memory by a bounded part of its
score and keeps it from being forgotten, and never more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.words import clipped, is_negated, numbers, tokens
from ganggpt.domain.mind.memory_index import Indexes, MemoryIndex, Question, Recalled
from ganggpt.domain.mind.memory_record import (
    EVERYBODY,
    REHEARSED_MAX,
    TEXT_MAX,
    Embedding,
    Memories,
    Memory,
    MemoryKind,
    Source,
    Trace,
    forgotten_s,
    heard_by,
    is_expired,
    is_grave,
    is_pinned,
    last_s,
    log_retention,
    may_tell,
    recency,
    retention,
    shown,
)
from ganggpt.domain.turn import Event

__all__ = [
    "EVERYBODY",
    "MEMORIES_MAX",
    "REHEARSED_MAX",
    "SALIENCE_MIN",
    "TEXT_MAX",
    "Embedded",
    "Embedding",
    "Memories",
    "Memory",
    "MemoryEvent",
    "MemoryKind",
    "MemoryStore",
    "Recalled",
    "Reinforced",
    "Remembered",
    "Replaced",
    "Reworded",
    "Source",
    "Trace",
    "Unlearned",
    "fold",
    "forgotten_s",
    "heard_by",
    "is_expired",
    "is_pinned",
    "last_s",
    "learn",
    "left_by",
    "may_tell",
    "recall",
    "recency",
    "rehearse",
    "retention",
    "shown",
]

MEMORIES_MAX: Final = 64
"""Memories a mind of ordinary size holds."""
ROOM_MAX: Final = 5000
"""Memories the largest mind holds."""
LET_GO: Final = 16
"""A full mind lets go of the sixteenth part of its room at once, and of no more than sixteen memories: so the archive
is written now and then, and never much in one turn."""
SALIENCE_MIN: Final = 10
"""Weight below which nothing is written."""
SAME_FROM: Final = 0.7
"""Share of common words (Jaccard) from which two memories of one kind about one person are the same one, where one only
says more than the other."""
ALIKE_FROM: Final = 0.8
"""The same, where each has a word the other has not: a silver watch is no golden one."""
_SCANNED_MAX: Final = 256
"""A mind of up to so many memories is looked through; a larger one is asked by its index."""

INDEXES: Final = Indexes()
"""The indexes of this process' minds."""


class Remembered(Event, frozen=True, tag="Remembered"):
    """A memory was written, and these were forgotten for it."""

    memory: Memory
    forgot: tuple[int, ...] = ()


class Reinforced(Event, frozen=True, tag="Reinforced"):
    """What was remembered as ``no`` happened again at ``at_s`` and weighs this much now."""

    no: int
    weight: int
    at_s: float


class Reworded(Event, frozen=True, tag="Reworded"):
    """What is remembered as ``no`` is put into these words now; its weight and its dates stay."""

    no: int
    text: str


class Embedded(Event, frozen=True, tag="Embedded"):
    """A memory got an embedding, by which it can be found."""

    no: int
    embedding: Embedding


class Replaced(Event, frozen=True, tag="Replaced"):
    """What is remembered as ``no`` is past: memory ``by`` says how it is now. It is kept as what was."""

    no: int
    by: int


class Unlearned(Event, frozen=True, tag="Unlearned"):
    """What was remembered under these numbers should not have been learned, and is gone without a trace."""

    nos: tuple[int, ...]


MemoryEvent = Remembered | Reinforced | Reworded | Embedded | Replaced | Unlearned


def share_max(room: int) -> int:
    """The most memories about one person; a new one replaces one about the same person, so that no one person fills
    a mind. Grave deeds do not count."""
    return room // 2


def grave_max(room: int) -> int:
    """The most grave deeds of one person, and the most that are safe from all else in a full mind."""
    return room // 4


def learn(
    memories: Memories, fresh: Memory, now_s: float, room: int = MEMORIES_MAX, index: MemoryIndex | None = None
) -> Remembered | Reinforced | None:
    """What becomes of a fresh memory: written, merged into one that says the same, or let go as not salient.

    ``fresh.no`` is the next free number; ``room`` how many the mind holds; ``index`` that of the memories, where the
    caller has one. Returns the event to fold, or None.
    """
    if fresh.weight < SALIENCE_MIN:
        return None
    same = _same(memories, fresh, now_s, index)
    if same is not None:
        if fresh.trace is not None:
            # The same story once more: it is fresh again, and no truer.
            return Reinforced(same.no, same.weight, now_s)
        heavier = max(same.weight, fresh.weight)
        return Reinforced(same.no, min(100, heavier + max(1, (100 - heavier) // 10)), now_s)
    if len(fresh.text) > TEXT_MAX:
        fresh = replace(fresh, text=clipped(fresh.text, TEXT_MAX))
    forgot = _to_forget(memories, fresh, now_s, room)
    return None if forgot is None else Remembered(fresh, forgot)


def fold(memories: Memories, event: MemoryEvent, indexes: Indexes | None = INDEXES) -> Memories:
    """The memories after the event. The index that ``indexes`` has of them, if any, goes along."""
    if isinstance(event, Remembered):
        gone, fresh = frozenset(event.forgot), event.memory
        kept = tuple(memory for memory in memories if memory.no not in gone) if gone else memories
        after = (*kept, fresh)
        if indexes is not None:
            indexes.follow(memories, after, event.forgot, fresh)
        return after
    if isinstance(event, Unlearned):
        return _without(memories, event.nos, indexes)
    return _with_change(memories, event.no, event, indexes)


def left_by(memories: Memories, event: MemoryEvent, now_s: float) -> list[Memory]:
    """What an event lets go of although it has not expired: the archive keeps it."""
    if not isinstance(event, Remembered) or not event.forgot:
        return []
    gone = frozenset(event.forgot)
    return [memory for memory in memories if memory.no in gone and not is_expired(memory, now_s)]


def rehearse(memories: Memories, no: int, indexes: Indexes | None = INDEXES) -> Memories:
    """The memories after one of them was told: it is rehearsed once more, and does not become any more recent."""
    return _with_change(memories, no, None, indexes)


def _without(memories: Memories, nos: tuple[int, ...], indexes: Indexes | None) -> Memories:
    gone = tuple(memory.no for memory in memories if memory.no in nos)
    if not gone:
        return memories
    after = tuple(memory for memory in memories if memory.no not in gone)
    if indexes is not None:
        indexes.follow(memories, after, gone)
    return after


def _with_change(
    memories: Memories, no: int, event: Reinforced | Reworded | Embedded | Replaced | None, indexes: Indexes | None
) -> Memories:
    place = next((place for place, memory in enumerate(memories) if memory.no == no), None)
    if place is None:
        return memories
    memory = memories[place]
    if isinstance(event, Reinforced):
        changed = replace(memory, weight=event.weight, again_s=event.at_s, rehearsed=_once_more(memory))
    elif isinstance(event, Reworded):
        # A vector belongs to the words it was made of.
        changed = replace(memory, text=event.text, embedding=None)
    elif isinstance(event, Embedded):
        changed = replace(memory, embedding=event.embedding)
    elif isinstance(event, Replaced):
        changed = replace(memory, replaced=event.by)
    else:
        changed = replace(memory, rehearsed=_once_more(memory))
    after = (*memories[:place], changed, *memories[place + 1 :])
    if indexes is not None:
        indexes.follow(memories, after, (), changed)
    return after


def _once_more(memory: Memory) -> int:
    return min(REHEARSED_MAX, memory.rehearsed + 1)


def _same(memories: Memories, fresh: Memory, now_s: float, index: MemoryIndex | None) -> Memory | None:
    """The memory that says the same: about the same person, of one kind, in much the same words, with the same numbers
    in it and no denial more or less. A rumour is the same however it was told, if it began with the same memory."""
    near = [
        memory
        for memory in _near(memories, fresh, index)
        if memory.about == fresh.about and memory.kind == fresh.kind and not memory.replaced
    ]
    if not near:
        return None
    text, origin = fresh.text, None if fresh.trace is None else fresh.trace.origin
    wanted = tokens(text)
    size = len(wanted)
    for memory in near:
        known = tokens(memory.text)
        common = len(wanted & known)
        # Most are not alike at all, and this is done for each: the cheap test first.
        alike = common >= SAME_FROM * (size + len(known) - common) and _says_the_same(memory.text, text)
        told = origin is not None and memory.trace is not None and memory.trace.origin == origin
        if (alike or told) and not is_expired(memory, now_s):
            return memory
    return None


def _near(memories: Memories, fresh: Memory, index: MemoryIndex | None) -> Iterable[Memory]:
    """The memories to compare with: all of a small mind, of a large one those with many words in common."""
    if len(memories) <= _SCANNED_MAX or fresh.trace is not None:
        return memories
    alike = (INDEXES.of(memories) if index is None else index).most_alike(fresh)
    return sorted((memory for memory, share in alike if share >= SAME_FROM), key=lambda memory: memory.no)


def _says_the_same(held: str, fresh: str) -> bool:
    """Whether two texts with many words in common mean the same."""
    if held == fresh:
        return True
    known, wanted = tokens(held), tokens(fresh)
    common = len(known & wanted)
    says_more = common == min(len(known), len(wanted))
    if not common or (common < ALIKE_FROM * len(known | wanted) and not says_more):
        return False
    return numbers(held) == numbers(fresh) and is_negated(held) == is_negated(fresh)


def _to_forget(memories: Memories, fresh: Memory, now_s: float, room: int) -> tuple[int, ...] | None:
    """The numbers to drop for the fresh one: all that are past their date, and the weakest few more where it would not
    fit otherwise; None where everything held is more precious than it."""
    expired = tuple(memory.no for memory in memories if is_expired(memory, now_s))
    held = [memory for memory in memories if not is_expired(memory, now_s)] if expired else memories
    candidates = _to_displace(held, fresh, now_s, room)
    if not candidates:
        return expired
    loose = [memory for memory in candidates if not is_pinned(memory, now_s)]
    if not loose:
        if not is_pinned(fresh, now_s):
            return None
        return (*expired, min(candidates, key=lambda memory: log_retention(memory, now_s)).no)
    weakest = nsmallest(max(1, min(LET_GO, room // LET_GO)), loose, key=lambda memory: log_retention(memory, now_s))
    return (*expired, *(memory.no for memory in weakest))


def _to_displace(held: Sequence[Memory], fresh: Memory, now_s: float, room: int) -> Sequence[Memory]:
    """The memories of which some have to go for the fresh one; none where there is room for it."""
    if len(held) < grave_max(room):
        return ()
    grave = [memory for memory in held if is_grave(memory, now_s)]
    light = [memory for memory in held if not is_grave(memory, now_s)] if grave else held
    if fresh.about is not None:
        alike, most = (grave, grave_max(room)) if is_grave(fresh, now_s) else (light, share_max(room))
        theirs = [memory for memory in alike if memory.about == fresh.about]
        if len(theirs) >= most:
            return theirs
    if len(held) < room:
        return ()
    return light if len(grave) <= grave_max(room) else held


def recall(
    memories: Memories,
    query: str,
    now_s: float,
    k: int = 3,
    about: str | None = None,
    *,
    listener: str | None = None,
    embedding: Embedding | None = None,
) -> list[Recalled]:
    """The ``k`` memories that fit best, best first; the expired and those not for this listener are left out.

    Score = 0.70 relevance + 0.10 recency + 0.10 weight + 0.07 same person + 0.03 rehearsal. Relevance is BM25 as a
    share of what the question could get at most (0 for one without content words); words of the same meaning and
    misspelt names count less than the words themselves. With an embedding of the question, memories that have one of
    the same model are found by meaning too. All are absolute numbers, nothing is normalised over the candidates, so one
    candidate or equal ones rank without trouble.
    """
    question = Question(text=query, now_s=now_s, k=k, about=about, listener=listener, embedding=embedding)
    return INDEXES.of(memories).recall(question)


class MemoryStore:
    """A mind's memory by itself: the same functions the people of a world use, behind two methods.

    Owns its memories and their index. ``room``: how many it holds; ``let_go`` is what it had no room for since somebody
    last emptied that list (at most ROOM_MAX, the oldest go first). Times are Unix seconds and must not run backwards
    for what is remembered.
    """

    def __init__(self, room: int = ROOM_MAX, memories: Memories = ()) -> None:
        self.room = room
        self.memories = memories
        self.let_go: list[Memory] = []
        self._index = MemoryIndex(memories)
        self._next_no = 1 + max((memory.no for memory in memories), default=0)

    def __len__(self) -> int:
        return len(self.memories)

    def remember(  # noqa: PLR0913 - each is a part of a memory
        self,
        text: str,
        at: float,
        weight: int = 50,
        kind: MemoryKind = "note",
        source: Source = "witnessed",
        audience: str = "",
        *,
        about: str | None = None,
        expires_s: float | None = None,
        due_s: float | None = None,
        embedding: Embedding | None = None,
    ) -> int | None:
        """Keep what happened at ``at``; returns the number it is kept under (an old one where it happened again), or
        None where it is too slight to be kept."""
        fresh = Memory(
            self._next_no,
            kind,
            text,
            weight,
            about,
            source,
            at,
            expires_s,
            audience=audience,
            due_s=due_s,
            embedding=embedding,
        )
        return self.take(fresh, at)

    def take(self, fresh: Memory, now_s: float) -> int | None:
        """``remember`` for a memory that is made already; it gets the next number."""
        event = learn(self.memories, replace(fresh, no=self._next_no), now_s, self.room, self._index)
        if event is None:
            return None
        self.let_go = [*self.let_go, *left_by(self.memories, event, now_s)][-ROOM_MAX:]
        self.memories = fold(self.memories, event, None)
        if isinstance(event, Reinforced):
            self._index.replace(next(memory for memory in self.memories if memory.no == event.no))
            return event.no
        for no in event.forgot:
            self._index.remove(no)
        self._index.add(event.memory)
        self._next_no += 1
        return event.memory.no

    def recall(
        self,
        query: str,
        at: float,
        k: int = 5,
        *,
        about: str | None = None,
        listener: str | None = None,
        embedding: Embedding | None = None,
    ) -> list[Recalled]:
        """The ``k`` best answers to a query, best first, with the parts of their scores; see ``recall`` above."""
        question = Question(text=query, now_s=at, k=k, about=about, listener=listener, embedding=embedding)
        return self._index.recall(question)
