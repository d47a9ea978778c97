"""Finds memories by their words: an inverted index over one mind, built at the first search and then updated.

States are immutable and an index is not, so an index belongs to the newest version of a mind: it moves along when a
memory is added, changed or let go, and costs as much as that memory has words. It is derived and holds no truth.
"""

from __future__ import annotations

import math
import re
import sys
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import nlargest, nsmallest
from operator import mul
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.language.stop_words import telling_terms
from ganggpt.domain.language.thesaurus import (
    STEM_LENGTH_MIN,
    Group,
    alike,
    asked_for,
    begins_so,
    groups_of,
    is_inflected,
    sound,
)
from ganggpt.domain.language.words import NAME_LENGTH_MIN, is_pair, terms, terms_and_names
from ganggpt.domain.mind.embedding import norm, sides, sketch
from ganggpt.domain.mind.memory_record import (
    EVERYBODY,
    PRACTICE,
    Embedding,
    Memories,
    Memory,
    heard_by,
    last_s,
    recencies,
    recency,
)

RELEVANCE, RECENCY, WEIGHT, PERSON, REHEARSAL = 0.70, 0.10, 0.10, 0.07, 0.03
"""The parts of a score; together 1."""
INDEXED_MAX: Final = 65_536
"""The most memories in all indexes of one process. An index that was dropped is built again when it is needed."""
QUERY_TERMS_MAX: Final = 32
LENGTH_MAX: Final = 64
"""A text with more words counts as one of this length."""
UNKNOWN: Final = 0.5
"""The weight of a word of the question that no memory has, as a share of the weight of the rarest word."""
SIMILARITY: Final = 0.5
"""Share of the similarity of embeddings in the relevance of a memory where both have one."""
COMPARED_MAX: Final = 24
"""Memories whose embeddings are compared for one question, chosen by their sketches."""

INFLECTED: Final = 0.75
"""The weight of another form of a word, in a language whose stems are not known here."""
ASKED: Final = 0.3
"""The weight of what a question word asks for: a time, a number."""
BEFORE, ANSWERED, AFTER = 0.2, 0.3, 0.25
"""The share of its worth that a memory lends to the one that followed at once, to one that answered it, and to the one
that went before it: a conversation says half of what it says in the line before. Measured on public conversations."""
LENDS_FROM: Final = 0.3
"""Of the worth of what fits best, the share from which a memory lends some of its own."""
JUST_S: Final = 600.0
"""The longest time between two memories of one conversation."""
ASKS: Final = 0.6
"""What a memory that is only a short question counts: it asks for what is sought, and does not say it."""
_ASKS_WORDS_MAX: Final = 20
SPEAKER: Final = 1.1
"""What a memory counts whose text begins with a name that the question has: they said it, or did it."""
_NAME: Final = re.compile(r"[^\W\d_]{2,}")
_K1, _B = 1.2, 0.25
_NEVER: Final = -math.inf
_SLOT_BITS: Final = 32
_SLOT_MASK: Final = (1 << _SLOT_BITS) - 1


class Recalled(Struct, frozen=True, gc=False):
    """A memory that was found, with its score (0..1) and the parts of the score, each 0..1. ``similarity``: None where
    there was no embedding to compare."""

    memory: Memory
    score: float
    relevance: float
    recency: float
    weight: float
    person: float
    rehearsal: float = 0.0
    similarity: float | None = None


class Question(Struct, frozen=True, gc=False, kw_only=True):
    """A search: words, time, the most results, whom it is about, who listens (None: nobody else), and the embedding of
    the words where a model made one."""

    text: str
    now_s: float
    k: int
    about: str | None = None
    listener: str | None = None
    embedding: Embedding | None = None


def rarity(count: int, of: int) -> float:
    """The weight of a word that ``count`` of ``of`` memories have: the inverse document frequency of BM25,
    ``ln(1 + (N − n + ½) / (n + ½))``."""
    return math.log(1 + (of - count + 0.5) / (count + 0.5))


def blended(memory: Memory, relevance: float, now_s: float, about: str | None, similarity: float | None) -> Recalled:
    """A memory with its score: 0.70 relevance + 0.10 recency + 0.10 weight + 0.07 same person + 0.03 rehearsal."""
    if similarity is not None:
        relevance = (1 - SIMILARITY) * relevance + SIMILARITY * max(0.0, similarity)
    recent, weight = recency(memory, now_s), memory.weight / 100
    person = 1.0 if about is not None and memory.about == about else 0.0
    practice = PRACTICE[memory.rehearsed]
    score = RELEVANCE * relevance + RECENCY * recent + WEIGHT * weight + PERSON * person + REHEARSAL * practice
    return Recalled(memory, score, relevance, recent, weight, person, practice, similarity)


class MemoryIndex:
    """The inverted index of one mind's memories. Every memory has a slot; the lists are indexed by slot."""

    __slots__ = (
        "_about",
        "_asking",
        "_base",
        "_dates",
        "_free",
        "_heard_by",
        "_last_s",
        "_lengths",
        "_memories",
        "_models",
        "_names",
        "_norms",
        "_postings",
        "_sketches",
        "_slots",
        "_sorted",
        "_sounds",
        "_speakers",
        "_terms",
        "_words",
    )

    def __init__(self, memories: Iterable[Memory] = ()) -> None:
        self._memories: list[Memory | None] = []
        self._terms: list[tuple[str, ...]] = []
        self._lengths: list[int] = []
        self._asking: set[int] = set()
        self._speakers: dict[str, list[int]] = {}
        self._base: list[float] = []
        self._last_s: list[float] = []
        self._sketches: dict[int, int] = {}
        self._norms: dict[int, float] = {}
        self._models: dict[str, dict[int, None]] = {}
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._postings: dict[str, list[int]] = {}
        self._sorted: list[str] = []
        self._names: dict[str, int] = {}
        self._sounds: dict[str, list[str]] = {}
        self._about: dict[str, list[int]] = {}
        self._heard_by: dict[str, list[int]] = {}
        self._dates: list[tuple[float, int]] = []
        self._words = 0
        for memory in memories:
            self.add(memory)

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, memory: Memory) -> None:
        """Add a memory whose number is not in the index yet."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._memories)
            self._memories.append(None)
            self._terms.append(())
            self._lengths.append(0)
            self._base.append(_NEVER)
            self._last_s.append(0.0)
        self._slots[memory.no] = slot
        found, names = terms_and_names(memory.text)
        self._terms[slot] = found
        self._lengths[slot] = min(LENGTH_MAX, len(found))
        self._words += len(found)
        for term in found:
            posting = self._postings.get(term)
            if posting is None:
                self._postings[term] = [slot]
                insort(self._sorted, term)
            else:
                posting.append(slot)
        for name in names:
            times = self._names.get(name, 0)
            self._names[name] = times + 1
            if not times:
                self._sounds.setdefault(sound(name), []).append(name)
        if memory.text.rstrip('" ').endswith("?") and len(memory.text.split()) <= _ASKS_WORDS_MAX:
            self._asking.add(slot)
        if speaker := _speaker_of(memory.text):
            self._speakers.setdefault(sys.intern(speaker), []).append(slot)
        self._settle(slot, memory)

    def knows(self, term: str) -> bool:
        """Whether a word (a term of ``words.terms``) stands in any memory."""
        return term in self._postings

    def remove(self, no: int) -> None:
        """Remove a memory. Does nothing if it is not in the index."""
        slot = self._slots.pop(no, None)
        memory = None if slot is None else self._memories[slot]
        if slot is None or memory is None:
            return
        self._unsettle(slot)
        for name in terms_and_names(memory.text)[1]:
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
                self._sounds[sound(name)].remove(name)
        for term in self._terms[slot]:
            posting = self._postings[term]
            posting.remove(slot)
            if not posting:
                del self._postings[term]
                del self._sorted[bisect_left(self._sorted, term)]
        self._asking.discard(slot)
        if speaker := _speaker_of(memory.text):
            _take_out(self._speakers, speaker, slot)
        self._words -= len(self._terms[slot])
        self._memories[slot], self._terms[slot], self._base[slot] = None, (), _NEVER
        self._free.append(slot)

    def replace(self, memory: Memory) -> None:
        """Replace the memory of the same number."""
        slot = self._slots[memory.no]
        known = self._memories[slot]
        if known is None or known.text != memory.text:
            self.remove(memory.no)
            self.add(memory)
        else:
            self._unsettle(slot)
            self._settle(slot, memory)

    def most_alike(self, memory: Memory) -> Iterator[tuple[Memory, float]]:
        """Memories that share words with a text, and the share of all words of both that they have in common
        (Jaccard)."""
        wanted = terms(memory.text)
        common: dict[int, int] = {}
        for term in wanted:
            for slot in self._postings.get(term, ()):
                common[slot] = common.get(slot, 0) + 1
        for slot, count in common.items():
            held = self._memories[slot]
            if held is not None:
                yield held, count / (len(wanted) + len(self._terms[slot]) - count)

    def recall(self, question: Question) -> list[Recalled]:
        """The best memories for a question, best first; of two equals the one with the higher number."""
        fits = self._fits(question.text)
        similarity = self._similarities(question.embedding, fits)
        totals = self._totals(question, fits, similarity)
        best = nlargest(question.k, totals)
        if not best or best[0] == _NEVER:
            return []
        bar = best[-1]
        found = []
        for slot in [slot for slot, total in enumerate(totals) if total >= bar]:
            memory = self._memories[slot]
            if memory is not None and totals[slot] > _NEVER:
                found.append(blended(memory, fits[slot], question.now_s, question.about, similarity.get(slot)))
        found.sort(key=lambda one: (-one.score, -one.memory.no))
        return found[: question.k]

    def nearest(self, question: Question) -> list[tuple[Memory, float]]:
        """The memories that are nearest to the embedding of a question, whatever its words, nearest first, each with
        its cosine."""
        no_words = [0.0] * len(self._memories)
        totals = self._totals(question, no_words, {})
        near = self._similarities(question.embedding, no_words)
        found = [(self._memories[slot], cosine) for slot, cosine in near.items() if totals[slot] > _NEVER]
        held = [(memory, cosine) for memory, cosine in found if memory is not None]
        return sorted(held, key=lambda one: (-one[1], -one[0].no))

    def _totals(self, question: Question, fits: list[float], similarity: dict[int, float]) -> list[float]:
        """The score of every slot; −∞ for what has expired and for what is not for this listener."""
        recent = recencies(self._last_s, question.now_s, RECENCY)
        columns = zip(self._base, recent, fits, strict=True)
        totals = [base + fresh + RELEVANCE * fit for base, fresh, fit in columns]
        for slot, near in similarity.items():
            totals[slot] += RELEVANCE * SIMILARITY * (near - fits[slot])
        if question.about is not None:
            for slot in self._about.get(question.about, ()):
                totals[slot] += PERSON
        if question.listener is not None:
            for audience, slots in self._heard_by.items():
                if audience != question.listener:
                    for slot in slots:
                        totals[slot] = _NEVER
        for expires_s, slot in self._dates:
            if expires_s > question.now_s:
                break
            totals[slot] = _NEVER
        return totals

    def _fits(self, text: str) -> list[float]:
        """How well each slot fits the words, 0..1: BM25 divided by the value of a memory of average length that has
        all of them. A repeated word counts once in a short text, and shortness alone gains nothing."""
        sums = [0.0] * len(self._memories)
        held, top = len(self._slots), 0.0
        for term, share_of in self._asked(text) if held else ():
            posting = self._postings.get(term, ())
            worth = share_of * rarity(len(posting), held) if posting else 0.0
            for slot in posting:
                sums[slot] += worth
            others = self._having(term)
            if others:
                wider = share_of * rarity(len(posting) + len(others), held)
                for slot, share in others.items():
                    sums[slot] += wider * share
                worth = max(worth, wider)
            # Most pairs of letters of an unspaced script are no words: that nobody said them means nothing.
            top += worth or (0.0 if is_pair(term) else share_of * UNKNOWN * rarity(0, held))
        if not top:
            return sums
        self._in_context(sums, text)
        flat, steep = 1 + _K1 * (1 - _B), _K1 * _B * held / max(1, self._words)
        shares = [min(1.0, (_K1 + 1) / (flat + steep * length)) / top for length in range(LENGTH_MAX + 1)]
        scaled = zip(sums, self._lengths, strict=True)
        return [min(1.0, total * shares[length]) if total else 0.0 for total, length in scaled]

    def _in_context(self, sums: list[float], text: str) -> None:
        """Let what was said around what fits well count a little, a short question less, and more who is named."""
        bar = LENDS_FROM * max(sums)
        for slot, worth in [(slot, worth) for slot, worth in enumerate(sums) if worth > bar]:
            memory = self._memories[slot]
            if memory is None:
                continue
            later, earlier = self._slots.get(memory.no + 1), self._slots.get(memory.no - 1)
            if later is not None and self._just_before(slot, later):
                sums[later] += (ANSWERED if slot in self._asking else BEFORE) * worth
            if earlier is not None and self._just_before(earlier, slot):
                sums[earlier] += AFTER * worth
        for slot in self._asking:
            sums[slot] *= ASKS
        for name in frozenset(_NAME.findall(text)):
            for slot in self._speakers.get(name, ()):
                sums[slot] *= SPEAKER

    def _just_before(self, one: int, other: int) -> bool:
        before, after = self._memories[one], self._memories[other]
        return before is not None and after is not None and 0 <= after.created_s - before.created_s <= JUST_S

    @staticmethod
    def _asked(text: str) -> Iterable[tuple[str, float]]:
        return (*telling_terms(text)[:QUERY_TERMS_MAX], *((word, ASKED) for word in asked_for(text)))

    def _having(self, term: str) -> dict[int, float]:
        """The slots without a word of the question but with a word of its group, a similar name or another form of it,
        each with the weight of the match."""
        same = self._postings.get(term, ())
        fits: dict[int, float] = {}
        for group in groups_of(term):
            for other in self._in_group(group):
                for slot in self._postings[other]:
                    fits.setdefault(slot, group.share)
        if not same and not fits and len(term) >= NAME_LENGTH_MIN:
            for name, similarity in alike(term, self._sounds.get(sound(term), ())):
                for slot in self._postings[name]:
                    fits.setdefault(slot, similarity)
        if not same and len(term) >= STEM_LENGTH_MIN:
            for other in self._beginning(term[:STEM_LENGTH_MIN]):
                if is_inflected(term, other):
                    for slot in self._postings[other]:
                        fits[slot] = INFLECTED
        for slot in same:
            fits.pop(slot, None)
        return fits

    def _in_group(self, group: Group) -> Iterator[str]:
        """The words held here that are in a group."""
        for other in group.stems:
            if other in self._postings:
                yield other
        for beginning in group.beginnings:
            for other in self._beginning(beginning):
                if begins_so(other, beginning):
                    yield other

    def _beginning(self, beginning: str) -> Iterator[str]:
        """The words held here that begin so."""
        for place in range(bisect_left(self._sorted, beginning), len(self._sorted)):
            if not self._sorted[place].startswith(beginning):
                return
            yield self._sorted[place]

    def _similarities(self, asked: Embedding | None, fits: list[float]) -> dict[int, float]:
        """The cosine of those memories that are worth comparing: the nearest by sketch, and the best by words. A memory
        with an embedding of the same model that is none of them counts as 0."""
        if asked is None or not self._sketches:
            return {}
        vector = sides(asked)
        bits, length = sketch(vector), norm(vector)
        far = [(bits ^ other).bit_count() << _SLOT_BITS | slot for slot, other in self._sketches.items()]
        fitting = [slot for slot in self._sketches if fits[slot]]
        found = dict.fromkeys(fitting, 0.0)
        near = [entry & _SLOT_MASK for entry in nsmallest(COMPARED_MAX, far)]
        for slot in (*near, *nlargest(COMPARED_MAX, fitting, key=fits.__getitem__)):
            memory = self._memories[slot]
            kept = None if memory is None else memory.embedding
            if kept is not None and len(kept.vector) == len(vector):
                found[slot] = max(0.0, sum(map(mul, vector, sides(kept))) / (length * self._norms[slot]))
        if len(self._models) > 1:
            same = self._models.get(asked.model, {})
            return {slot: near for slot, near in found.items() if slot in same}
        return found if asked.model in self._models else {}

    def _settle(self, slot: int, memory: Memory) -> None:
        """Store everything about a memory except its words."""
        self._memories[slot] = memory
        self._base[slot] = WEIGHT * memory.weight / 100 + REHEARSAL * PRACTICE[memory.rehearsed]
        self._last_s[slot] = last_s(memory)
        if memory.about is not None:
            self._about.setdefault(memory.about, []).append(slot)
        audience = heard_by(memory)
        if audience != EVERYBODY:
            self._heard_by.setdefault(audience, []).append(slot)
        if memory.expires_s is not None:
            insort(self._dates, (memory.expires_s, slot))
        if memory.embedding is not None:
            vector = sides(memory.embedding)
            self._sketches[slot], self._norms[slot] = sketch(vector), norm(vector)
            self._models.setdefault(memory.embedding.model, {})[slot] = None

    def _unsettle(self, slot: int) -> None:
        memory = self._memories[slot]
        assert memory is not None
        if memory.about is not None:
            _take_out(self._about, memory.about, slot)
        audience = heard_by(memory)
        if audience != EVERYBODY:
            _take_out(self._heard_by, audience, slot)
        if memory.expires_s is not None:
            del self._dates[bisect_left(self._dates, (memory.expires_s, slot))]
        if memory.embedding is not None:
            of_model = self._models[memory.embedding.model]
            del self._sketches[slot], self._norms[slot], of_model[slot]
            if not of_model:
                del self._models[memory.embedding.model]


def _speaker_of(text: str) -> str:
    """The name a text begins with; "" where it begins with another word."""
    first = _NAME.match(text)
    return first[0] if first is not None and first[0][0].isupper() and terms(first[0]) else ""


def _take_out(lists: dict[str, list[Any]], key: str, slot: Any) -> None:
    lists[key].remove(slot)
    if not lists[key]:
        del lists[key]


class Indexes:
    """Owns the indexes of the minds asked most recently, INDEXED_MAX memories at most (one mind may be larger).

    A mind is identified by its tuple of memories (``is``). For use by one thread.
    """

    def __init__(self, indexed_max: int = INDEXED_MAX) -> None:
        self._indexed_max = indexed_max
        self._kept: OrderedDict[int, tuple[Memories, MemoryIndex]] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        """Memories in all indexes."""
        return self._held

    def of(self, memories: Memories) -> MemoryIndex:
        """The index of a mind; made where there is none."""
        entry = self._kept.get(id(memories))
        if entry is not None and entry[0] is memories:
            self._kept.move_to_end(id(memories))
            return entry[1]
        index = MemoryIndex(memories)
        self._keep(memories, index)
        return index

    def follow(self, old: Memories, new: Memories, gone: tuple[int, ...], fresh: Memory | None = None) -> None:
        """Move the index of ``old`` to its successor: without ``gone``, with ``fresh`` added or replaced. Does nothing
        for a mind without an index."""
        entry = self._kept.get(id(old))
        if entry is None or entry[0] is not old:
            return
        index = entry[1]
        del self._kept[id(old)]
        self._held -= len(index)
        for no in gone:
            index.remove(no)
        if fresh is not None and fresh.no in index._slots:  # noqa: SLF001 - the same file
            index.replace(fresh)
        elif fresh is not None:
            index.add(fresh)
        self._keep(new, index)

    def _keep(self, memories: Memories, index: MemoryIndex) -> None:
        self._kept[id(memories)] = (memories, index)
        self._held += len(index)
        while self._held > self._indexed_max and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._held -= len(dropped)
