"""The memory by itself: what it finds, in which words, for whom; and that its index never says anything else than a
look through everything would."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.domain.language.thesaurus import alike, groups_of, near
from ganggpt.domain.language.words import terms, terms_and_names
from ganggpt.domain.mind.embedding import embedding_of, similarity
from ganggpt.domain.mind.memory import (
    INDEXES,
    Embedded,
    MemoryStore,
    Reworded,
    fold,
    learn,
    recall,
    rehearse,
)
from ganggpt.domain.mind.memory_index import (
    AFTER,
    ASKS,
    BEFORE,
    JUST_S,
    PERSON,
    RECENCY,
    REHEARSAL,
    RELEVANCE,
    WEIGHT,
    Indexes,
    MemoryIndex,
    Question,
    rarity,
)
from ganggpt.domain.mind.memory_record import Memories, Memory, forgotten_s, is_expired, may_tell, recency, retention
from ganggpt.errors import InvalidInput
from tests.support.builders import DAY_S, NOW_S


def a_store(*texts: str, **fields: Any) -> MemoryStore:
    store = MemoryStore()
    for n, text in enumerate(texts):
        assert store.remember(text, NOW_S + n, **fields) is not None
    return store


def found(store: MemoryStore, query: str, **fields: Any) -> list[str]:
    return [one.memory.text for one in store.recall(query, NOW_S + 100, **fields) if one.relevance]


# --- what is found -----------------------------------------------------------------------------------------------


def test_a_store_remembers_and_recalls_with_the_parts_of_each_score() -> None:
    store = MemoryStore()
    first = store.remember("Ava gave me a silver watch", NOW_S, 60, "gift", about="player:ava")
    store.remember("It rained all day at the docks", NOW_S, 20)
    (best, *_) = store.recall("who gave you the watch?", NOW_S + DAY_S, k=2, about="player:ava")
    assert best.memory.no == first
    assert 0 < best.relevance <= 1
    assert best.weight == 0.6
    assert best.person == 1
    assert best.score == pytest.approx(
        RELEVANCE * best.relevance + RECENCY * best.recency + WEIGHT * best.weight + PERSON
    )


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("stealing watches", "Bob stole a watch at the pier"),
        ("did Maara come by?", "Mara came by with two friends"),
        ("what about the Balas?", "The Ballas fought over the corner"),
        ("where is Balthasar", "Balthazar waited in the car"),
        ("any trouble with a pistol?", "somebody waved a gun about"),
        ("who paid in cash?", "Otis handed over the money in a bag"),
        ("was the policeman here", "a cop asked questions"),
        ("what happened to José?", "Jose got into a fight"),
        ("what happened to Lukasz?", "Łukasz got into a fight"),
        ("who is Øystein Đặng?", "Oystein Dang paid"),
        ("что сделала Саша?", "Саша украла часы"),
        ("über die Brücke", "Der Wagen fuhr über die Brücke"),
        ("東京駅で何が", "彼は東京駅にいた"),
        ("где Иван", "Иван ждал в машине"),
    ],
)
def test_other_forms_other_words_misspelt_names_and_other_languages_are_found(asked: str, kept: str) -> None:
    store = a_store("a tram stood still for an hour", kept, "somebody sang in the laundry")
    assert found(store, asked)[0] == kept


def test_a_name_that_is_another_name_is_not_taken_for_it() -> None:
    assert not alike("mark", ["mara"])
    assert not set(near("mark")) & set(near("mara"))
    assert found(a_store("Mara sold the boat"), "what about Mark") == []


def test_the_word_itself_counts_more_than_one_of_the_same_meaning_and_that_more_than_none() -> None:
    store = MemoryStore()
    for day, text in enumerate(("the gun lay on the table", "the pistol lay on the floor", "the fish lay on the ice")):
        store.remember(text, NOW_S - day * DAY_S)
    assert found(store, "a pistol")[:2] == ["the pistol lay on the floor", "the gun lay on the table"]
    assert len(found(store, "a pistol")) == 2


def test_a_denial_and_another_number_are_another_memory() -> None:
    store = MemoryStore()
    kept = [
        store.remember(text, NOW_S)
        for text in (
            "Ava said she will pay the 500 dollars on friday",
            "Ava said she will pay the 900 dollars on friday",
            "Ava said she will not pay the 500 dollars on friday",
            "Ava said that she will pay those 500 dollars on friday",
        )
    ]
    assert kept == [1, 2, 3, 1]
    assert store.memories[0].rehearsed == 1


@given(st.text(max_size=300), st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_kept_and_asked_for(text: str, asked: str) -> None:
    store = MemoryStore()
    store.remember(text, NOW_S)
    for one in store.recall(asked, NOW_S):
        assert 0 <= one.score <= 1
        assert math.isfinite(one.score)
    (whole,) = store.recall(text, NOW_S)
    whole_of = ASKS if text.rstrip('" ').endswith("?") and len(text.split()) <= 20 else 1
    assert not terms(text) or len(terms(text)) > 32 or len(text) > 240 or whole.relevance == pytest.approx(whole_of)


def test_a_full_store_hands_out_what_it_had_no_room_for_and_keeps_its_bound() -> None:
    store = MemoryStore(room=32)
    for n in range(200):
        store.remember(f"thing{n} place{n} deed{n}", NOW_S + n, 20 + n % 70)
        assert len(store) <= 32
    gone = {memory.no for memory in store.let_go}
    held = {memory.no for memory in store.memories}
    assert gone | held == set(range(1, 201))
    assert not gone & held
    assert all(store.recall(m.text, NOW_S + 200, 1)[0].memory.no == m.no for m in store.memories)
    assert not any(one.memory.no in gone for one in store.recall("thing5 place5", NOW_S + 200, 32))


# --- whom it is for ----------------------------------------------------------------------------------------------


def test_what_is_for_one_is_recalled_for_nobody_else() -> None:
    store = MemoryStore()
    store.remember("the money is under the bridge", NOW_S, source="told", about="player:ava")
    store.remember("money changes hands at night", NOW_S, audience="player:bob")
    store.remember("there is money in fish", NOW_S, source="told", about="player:ava", audience="*")
    assert set(found(store, "money", listener="player:ava")) == {
        "the money is under the bridge",
        "there is money in fish",
    }
    assert set(found(store, "money", listener="player:bob")) == {
        "money changes hands at night",
        "there is money in fish",
    }
    assert found(store, "money", listener="player:eve") == ["there is money in fish"]
    assert len(found(store, "money")) == 3


# --- meaning -----------------------------------------------------------------------------------------------------


def test_a_memory_without_a_common_word_is_found_by_meaning_of_the_same_model_only() -> None:
    store = MemoryStore()
    kept = store.remember("the vessel left at dawn", NOW_S, embedding=embedding_of("m1", [0.9, 0.1, 0.0, 0.1]))
    store.remember("prices of bread went up", NOW_S, embedding=embedding_of("m1", [0.0, 0.1, 0.9, 0.2]))
    store.remember("nobody came to dinner", NOW_S, embedding=embedding_of("m2", [0.9, 0.1, 0.0, 0.1]))
    (best, *others) = store.recall("sailing away early", NOW_S, embedding=embedding_of("m1", [0.8, 0.2, 0.1, 0.1]))
    assert best.memory.no == kept
    assert best.similarity is not None
    assert best.similarity > 0.95
    assert [one.similarity for one in others if one.memory.text.startswith("nobody")] == [None]
    assert all(one.similarity is None for one in store.recall("sailing away early", NOW_S))


def test_among_thousands_of_equal_words_the_nearest_embedding_is_found() -> None:
    dice = Random(5)
    vectors = [[dice.gauss(0, 1) for _ in range(64)] for _ in range(2000)]
    memories = tuple(
        Memory(
            no, "seen", "the same words every time", 50, None, "witnessed", NOW_S, embedding=embedding_of("m", vector)
        )
        for no, vector in enumerate(vectors, 1)
    )
    for no in range(1, 2001, 97):
        near = embedding_of("m", [side + dice.gauss(0, 0.5) for side in vectors[no - 1]])
        assert recall(memories, "those words", NOW_S, 1, embedding=near)[0].memory.no == no


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.lists(st.floats(-1, 1), min_size=8, max_size=8))
@settings(max_examples=100)
def test_vectors_kept_as_bytes_keep_their_angle(one: list[float], other: list[float]) -> None:
    norms = math.hypot(*one) * math.hypot(*other)
    if norms < 0.01:
        return
    true = sum(a * b for a, b in zip(one, other, strict=True)) / norms
    kept, asked = embedding_of("m", one), embedding_of("m", other)
    assert similarity(kept, asked) == pytest.approx(true, abs=0.03)
    assert similarity(kept, embedding_of("another", other)) is None
    assert similarity(kept, None) is None


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [math.nan], [math.inf, 1.0], [0.1] * 1537])
def test_a_vector_that_has_no_direction_or_no_bound_is_refused(vector: list[float]) -> None:
    with pytest.raises(InvalidInput):
        embedding_of("m", vector)


# --- the index says what a look through everything says ----------------------------------------------------------


def _by_hand(memories: Memories, question: Question) -> list[tuple[float, int]]:
    """The documented formula over everything, without an index; for words without another meaning or spelling."""
    wanted, held = terms(question.text), len(memories)
    average = sum(len(terms(m.text)) for m in memories) / held if held else 1
    counts = {term: sum(term in terms(m.text) for m in memories) for term in wanted}
    worth = {term: rarity(counts[term], held) if counts[term] else 0.5 * rarity(0, held) for term in wanted}
    alone = {m.no: sum(worth[term] for term in wanted if term in terms(m.text)) for m in memories}
    by_no, bar = {m.no: m for m in memories}, 0.3 * max(alone.values(), default=0.0)
    fitting = dict(alone)
    for no, own_worth in alone.items():
        for other, share in ((no + 1, BEFORE), (no - 1, AFTER)):
            if own_worth > bar and other in by_no and abs(by_no[other].created_s - by_no[no].created_s) <= JUST_S:
                fitting[other] += share * own_worth
    scored = []
    for memory in memories:
        if is_expired(memory, question.now_s) or not (question.listener is None or may_tell(memory, question.listener)):
            continue
        own = terms(memory.text)
        length = min(1.0, 2.2 / (1 + 1.2 * (0.75 + 0.25 * len(own) / average)))
        fits = min(1.0, fitting[memory.no] * length / sum(worth.values())) if wanted else 0.0
        score = RELEVANCE * fits + RECENCY * recency(memory, question.now_s) + WEIGHT * memory.weight / 100
        score += PERSON * (question.about is not None and memory.about == question.about)
        scored.append((score + REHEARSAL * math.log2(1 + memory.rehearsed) / 4, memory.no))
    return sorted(scored, reverse=True)


_words = st.lists(st.sampled_from(["xylophon", "quartz", "umbrella", "velvet", "walnut"]), min_size=1, max_size=5)
_memory = st.builds(
    Memory,
    no=st.just(0),
    kind=st.sampled_from(["seen", "talk", "promise"]),
    text=_words.map(" ".join),
    weight=st.integers(10, 100),
    about=st.sampled_from([None, "player:ava", "player:bob"]),
    source=st.sampled_from(["witnessed", "told"]),
    created_s=st.just(0.0),
    expires_s=st.one_of(st.none(), st.floats(NOW_S, NOW_S + 1e6)),
)
_step = st.one_of(
    st.tuples(st.just("learn"), _memory, st.floats(0, 1e5)),
    st.tuples(st.just("told"), st.integers(1, 40), st.just(0.0)),
    st.tuples(st.just("reword"), st.integers(1, 40), _words.map(" ".join)),
    st.tuples(st.just("ask"), _words.map(" ".join), st.sampled_from([None, "player:ava", "player:eve"])),
)


@given(st.lists(_step, max_size=60))
@settings(max_examples=150, deadline=None)
def test_an_index_that_went_along_answers_like_a_new_one_and_like_the_formula(steps: list[tuple[Any, ...]]) -> None:
    memories: Memories = ()
    now_s, no = NOW_S, 1
    for what, one, other in steps:
        if what == "learn":
            now_s += other
            event = learn(memories, replace(one, no=no, created_s=now_s), now_s, room=16)
            if event is not None:
                memories = fold(memories, event)
                no += 1
        elif what == "told":
            memories = rehearse(memories, one)
        elif what == "reword":
            memories = fold(memories, Reworded(one, other))
        else:
            asked = Question(text=one, now_s=now_s, k=5, about="player:ava", listener=other)
            kept = recall(memories, one, now_s, 5, "player:ava", listener=other)
            assert kept == MemoryIndex(memories).recall(asked)
            assert [(pytest.approx(score), number) for score, number in _by_hand(memories, asked)[:5]] == [
                (one.score, one.memory.no) for one in kept
            ]


def test_an_index_follows_a_mind_and_is_not_made_for_one_nobody_asks() -> None:
    indexes = Indexes()
    memories: Memories = ()
    for n in range(1, 40):
        event = learn(memories, Memory(n, "seen", f"thing{n} place{n}", 50, None, "witnessed", NOW_S), NOW_S)
        assert event is not None
        memories = fold(memories, event, indexes)
    assert len(indexes) == 0
    index = indexes.of(memories)
    assert indexes.of(memories) is index
    event = learn(memories, Memory(40, "seen", "a tiger", 50, None, "witnessed", NOW_S), NOW_S)
    assert event is not None
    after = fold(memories, event, indexes)
    assert indexes.of(after) is index
    assert index.recall(Question(text="tiger", now_s=NOW_S, k=1))[0].memory.no == 40
    assert indexes.of(memories) is not index


def test_indexes_together_hold_a_bounded_number_of_memories() -> None:
    indexes = Indexes(indexed_max=500)
    minds = [tuple(Memory(n, "seen", f"w{n}", 50, None, "witnessed", NOW_S) for n in range(64)) for _ in range(40)]
    for mind in minds:
        indexes.of(mind)
        assert len(indexes) <= 500
    large = tuple(Memory(n, "seen", f"w{n}", 50, None, "witnessed", NOW_S) for n in range(600))
    indexes.of(large)
    assert len(indexes) == 600
    assert len(INDEXES) <= INDEXES._indexed_max


def test_an_embedding_that_comes_later_is_found_by_the_index_that_was_there() -> None:
    memories = (Memory(1, "seen", "the vessel left", 50, None, "witnessed", NOW_S),)
    recall(memories, "x", NOW_S)
    memories = fold(memories, Embedded(1, embedding_of("m", [1.0, 0.0])))
    assert recall(memories, "x", NOW_S, embedding=embedding_of("m", [1.0, 0.1]))[0].similarity == pytest.approx(
        1, abs=0.01
    )


# --- how long the archive keeps -------------------------------------------------------------------------------------


@given(weight=st.integers(0, 100), rehearsed=st.integers(0, 15))
def test_the_archive_lets_go_at_the_moment_the_retention_falls_under_its_floor(weight: int, rehearsed: int) -> None:
    memory = Memory(1, "seen", "x", weight, None, "witnessed", NOW_S, rehearsed=rehearsed)
    gone_s = forgotten_s(memory)
    assert gone_s is not None
    assert retention(memory, gone_s) == pytest.approx(0.02)
    assert 2 * DAY_S < gone_s - NOW_S < 480 * DAY_S


def test_a_promise_outlives_its_date_and_an_identity_everything() -> None:
    promise = Memory(1, "promise", "x", 10, None, "told", NOW_S, due_s=NOW_S + 300 * DAY_S)
    assert forgotten_s(promise) == NOW_S + 300 * DAY_S
    assert forgotten_s(Memory(1, "identity", "x", 10, None, "witnessed", NOW_S)) is None


def test_words_of_the_same_meaning_and_names_are_stems() -> None:
    assert any("gun" in group.stems for group in groups_of(terms("pistols")[0]))
    assert terms_and_names("Yesterday Maara met the Ballas in town")[1] == ("yesterday", "maara", "balla")
    assert "mara" in near("maara")
