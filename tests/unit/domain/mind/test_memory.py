"""The rules of memory, each with the mistake it must not repeat."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.mind.memory import (
    LET_GO,
    MEMORIES_MAX,
    Reinforced,
    Remembered,
    fold,
    grave_max,
    learn,
    recall,
    rehearse,
    share_max,
)
from ganggpt.domain.mind.memory_index import REHEARSAL
from ganggpt.domain.mind.memory_record import (
    REHEARSED_MAX,
    TEXT_MAX,
    Memories,
    Memory,
    is_expired,
    is_pinned,
    may_tell,
    recency,
    retention,
    shown,
)
from tests.support.builders import DAY_S, NOW_S


def a_memory(no: int = 1, text: str = "a red car burned on the pier", **fields: Any) -> Memory:
    known: dict[str, Any] = {"kind": "seen", "weight": 50, "about": None, "source": "witnessed", "created_s": NOW_S}
    return Memory(no, text=text, **{**known, **fields})


def filled(count: int = MEMORIES_MAX, **fields: Any) -> Memories:
    return tuple(a_memory(no, f"thing{no} place{no} day{no}", **fields) for no in range(1, count + 1))


def after(memories: Memories, fresh: Memory, now_s: float = NOW_S) -> Memories:
    event = learn(memories, fresh, now_s)
    return memories if event is None else fold(memories, event)


# --- what is written ---------------------------------------------------------------------------------------------


def test_trivia_is_not_written_and_nothing_is_filtered_by_words_at_recall() -> None:  # 4
    assert learn((), a_memory(weight=9), NOW_S) is None
    kept = after((), a_memory(text="the engine ran idle in front of the bank", weight=40))
    assert [found.memory.no for found in recall(kept, "idle engine", NOW_S)] == [1]


def test_what_happens_again_is_reinforced_and_not_written_twice() -> None:
    once = after((), a_memory(1, "Ava gave me a silver watch", kind="gift", about="player:ava"))
    again = a_memory(2, "Ava gave me the silver watches", kind="gift", about="player:ava", created_s=NOW_S + 60)
    event = learn(once, again, NOW_S + 60)
    assert isinstance(event, Reinforced)
    (memory,) = fold(once, event)
    assert (memory.no, memory.rehearsed, memory.again_s) == (1, 1, NOW_S + 60)
    assert 50 < memory.weight <= 100


def test_the_same_words_about_another_person_or_of_another_kind_are_another_memory() -> None:
    once = after((), a_memory(1, about="player:ava"))
    assert isinstance(learn(once, a_memory(2, about="player:bob"), NOW_S), Remembered)
    assert isinstance(learn(once, a_memory(2, about="player:ava", kind="rumour"), NOW_S), Remembered)


def test_two_sentences_that_differ_in_what_matters_are_not_merged() -> None:
    once = after((), a_memory(1, "Ava gave me 500 dollars", kind="gift", about="player:ava"))
    other = a_memory(2, "Ava gave me 900 dollars for the boat", kind="gift", about="player:ava")
    assert isinstance(learn(once, other, NOW_S), Remembered)


def test_reinforcing_a_thousand_times_stays_within_bounds() -> None:
    memories = after((), a_memory(1))
    for n in range(1000):
        memories = after(memories, a_memory(2, created_s=NOW_S + n), NOW_S + n)
    assert len(memories) == 1
    assert memories[0].weight == 100
    assert memories[0].rehearsed == REHEARSED_MAX


def test_a_long_text_is_cut_at_a_word() -> None:
    (memory,) = after((), a_memory(text="word " * 200))
    assert len(memory.text) <= TEXT_MAX
    assert memory.text.endswith("word…")


# --- what is forgotten -------------------------------------------------------------------------------------------


def test_the_weakest_goes_first() -> None:
    memories = (*filled(MEMORIES_MAX - 1), a_memory(99, "small thing", weight=11, created_s=NOW_S - 20 * DAY_S))
    event = learn(memories, a_memory(100, "a new thing entirely"), NOW_S)
    assert isinstance(event, Remembered)
    assert event.forgot[0] == 99
    assert len(event.forgot) == MEMORIES_MAX // LET_GO
    assert len(fold(memories, event)) == MEMORIES_MAX - MEMORIES_MAX // LET_GO + 1


def test_who_one_is_and_open_promises_survive_every_prune() -> None:  # 11
    identity = a_memory(1, "I am the daughter of a sailor", kind="identity", weight=10, created_s=NOW_S - 900 * DAY_S)
    promise = a_memory(2, "meet Ava on the pier in a week", kind="promise", weight=12, expires_s=NOW_S + 90 * DAY_S)
    memories: Memories = (identity, promise)
    for no in range(3, 400):
        memories = after(memories, a_memory(no, f"thing{no} place{no}", weight=95, created_s=NOW_S + no), NOW_S + no)
    assert identity in memories
    assert promise in memories
    assert MEMORIES_MAX - MEMORIES_MAX // LET_GO < len(memories) <= MEMORIES_MAX


def test_a_mind_full_of_pinned_memories_lets_nothing_lesser_in_and_still_has_a_bound() -> None:
    pinned = filled(kind="identity")
    assert learn(pinned, a_memory(100, "something loud happened", weight=100), NOW_S) is None
    event = learn(pinned, a_memory(100, "my true name", kind="identity"), NOW_S)
    assert isinstance(event, Remembered)
    assert len(event.forgot) == 1


def test_a_promise_past_its_date_is_no_longer_pinned() -> None:
    promise = a_memory(kind="promise", expires_s=NOW_S + 10)
    assert is_pinned(promise, NOW_S)
    assert not is_pinned(promise, NOW_S + 10)


def test_one_player_cannot_talk_everybody_else_out_of_a_mind() -> None:
    memories = after((), a_memory(1, "Bob saved my shop", about="player:bob", weight=20))
    for no in range(2, 500):
        said = a_memory(no, f"noise{no} word{no}", kind="talk", source="told", about="player:ava", weight=100)
        memories = after(memories, said)
    assert any(memory.about == "player:bob" for memory in memories)
    most = share_max(MEMORIES_MAX)
    assert most - MEMORIES_MAX // LET_GO < sum(m.about == "player:ava" for m in memories) <= most
    for no in range(500, 1000):
        memories = after(memories, a_memory(no, f"deed{no} place{no}", kind="deed", about="player:ava", weight=100))
    assert any(memory.about == "player:bob" for memory in memories)
    assert sum(m.kind == "deed" for m in memories) <= grave_max(MEMORIES_MAX)


def test_nobody_talks_a_grave_deed_out_of_a_mind() -> None:
    threat = a_memory(1, "Ava threatened me with a weapon", kind="threat", about="player:ava", weight=80)
    crowd = [f"player:{name}" for name in ("ava", "bob", "cem", "dee")]
    memories: Memories = (threat,)
    for no in range(2, 800):
        now_s = NOW_S + no * 600
        kind = {"kind": "promise", "due_s": now_s + 30 * DAY_S} if no % 3 else {"kind": "talk"}
        told = {"source": "told", "about": crowd[no % 4], "weight": 100, "created_s": now_s, **kind}
        memories = after(memories, a_memory(no, f"tale{no} of{no * 7}", **told), now_s)
    assert threat in memories


def test_the_expired_make_room_before_anything_else() -> None:
    memories = (
        *filled(MEMORIES_MAX - 2),
        *(a_memory(no, f"old{no}", weight=100, expires_s=NOW_S - 1) for no in (98, 99)),
    )
    event = learn(memories, a_memory(100, "a new thing entirely"), NOW_S)
    assert isinstance(event, Remembered)
    assert event.forgot == (98, 99)


# --- how it fades ------------------------------------------------------------------------------------------------


def test_the_expired_go_with_the_next_memory_also_where_there_is_room() -> None:
    held = (a_memory(1, expires_s=NOW_S - 1), a_memory(2, "a tram stood still", expires_s=NOW_S + 1))
    assert learn(held, a_memory(3, "the baker sang"), NOW_S) == Remembered(a_memory(3, "the baker sang"), (1,))


def test_the_expired_do_not_count_as_somebodys_share() -> None:
    theirs = tuple(
        a_memory(n, f"tale {n} of somebody {n * 7}", about="player:a", expires_s=NOW_S - 1 if n == 1 else None)
        for n in range(1, share_max(MEMORIES_MAX) + 1)
    )
    fresh = a_memory(99, "something else entirely", about="player:a")
    assert learn(theirs, fresh, NOW_S) == Remembered(fresh, (1,))


@given(weight=st.integers(0, 99), rehearsed=st.integers(0, REHEARSED_MAX - 1), age_s=st.floats(0, 3e8))
@settings(max_examples=200)
def test_more_rehearsal_or_weight_never_lowers_retention(weight: int, rehearsed: int, age_s: float) -> None:  # 5
    memory = a_memory(weight=weight, rehearsed=rehearsed)
    now_s = NOW_S + age_s
    assert retention(msgspec.structs.replace(memory, rehearsed=rehearsed + 1), now_s) >= retention(memory, now_s)
    assert retention(msgspec.structs.replace(memory, weight=weight + 1), now_s) >= retention(memory, now_s)
    assert 0 <= retention(memory, now_s) <= 1


def test_fading_depends_on_the_time_alone_and_not_on_how_often_anybody_looked() -> None:  # 6, 7
    memories = filled(10)
    looked_at = retention(memories[0], NOW_S + 7 * DAY_S)
    for hour in range(7 * 24):
        recall(memories, "thing1 place1", NOW_S + hour * 3600)
        retention(memories[0], NOW_S + hour * 3600)
    assert memories == filled(10)
    assert retention(memories[0], NOW_S + 7 * DAY_S) == looked_at


@given(age_s=st.floats(0, 1e9), more_s=st.floats(1, 1e9))
@settings(max_examples=100)
def test_recency_strictly_falls_with_the_time_since_it_last_happened(age_s: float, more_s: float) -> None:  # 1
    memory = a_memory()
    assert recency(memory, NOW_S + age_s + more_s) < recency(memory, NOW_S + age_s)
    older, newer = a_memory(1, created_s=NOW_S - age_s - more_s), a_memory(2, created_s=NOW_S - age_s)
    assert [found.memory.no for found in recall((older, newer), "", NOW_S)] == [2, 1]


def test_a_clock_that_steps_back_breaks_nothing() -> None:
    memory = a_memory()
    assert recency(memory, NOW_S - 1e6) == 1
    assert retention(memory, NOW_S - 1e6) <= 1


# --- what comes back ---------------------------------------------------------------------------------------------


def test_one_candidate_and_equal_candidates_rank_without_nan() -> None:  # 2, 8
    (only,) = recall((a_memory(),), "", NOW_S)
    assert math.isfinite(only.score)
    equal = recall(filled(8), "something else", NOW_S, k=8)
    assert len({found.score for found in equal}) == 1
    assert all(0 <= found.score <= 1 for found in equal)
    assert [found.memory.no for found in equal] == list(range(8, 0, -1))


def test_being_told_again_and_again_lifts_no_memory_over_a_fresher_more_fitting_one() -> None:  # 3
    popular = a_memory(1, "the harbour burned", created_s=NOW_S - 30 * DAY_S)
    fitting = a_memory(2, "the silver watch was stolen from the harbour office", created_s=NOW_S - DAY_S)
    memories: Memories = (popular, fitting)
    before = recall(memories, "who stole the watch", NOW_S)
    for _ in range(1000):
        memories = rehearse(memories, 1)
    again = recall(memories, "who stole the watch", NOW_S)
    assert [found.memory.no for found in again] == [2, 1]
    assert again[0].score == before[0].score
    assert again[1].score == pytest.approx(before[1].score + REHEARSAL)
    assert memories[0].rehearsed == REHEARSED_MAX


def test_the_expired_are_not_recalled_however_well_they_fit() -> None:
    memory = a_memory(text="the deal is on friday", expires_s=NOW_S + 60)
    assert recall((memory,), "when is the deal", NOW_S + 59)
    assert recall((memory,), "when is the deal", NOW_S + 60) == []
    assert is_expired(memory, NOW_S + 60)


def test_a_short_but_grave_exchange_is_kept_and_found() -> None:  # 12
    kept = after((), a_memory(text='Ava threatened me: "You are dead."', kind="threat", weight=60, about="player:ava"))
    found = recall(kept, "did anybody threaten you", NOW_S + 30 * DAY_S, about="player:ava")
    assert found[0].relevance > 0
    assert retention(found[0].memory, NOW_S + 30 * DAY_S) > 0.2


def test_the_same_person_counts_and_the_parts_make_the_score() -> None:
    about_ava = a_memory(1, "a fight at the market", about="player:ava")
    about_bob = a_memory(2, "a fight at the market", about="player:bob")
    first, second = recall((about_ava, about_bob), "the fight", NOW_S, about="player:ava")
    assert first.memory.no == 1
    assert (first.person, second.person) == (1, 0)
    parts = 0.70 * first.relevance + 0.10 * first.recency + 0.10 * first.weight + 0.07 * first.person
    assert first.score == pytest.approx(parts + 0.03 * first.rehearsal)


def test_rare_words_weigh_more_than_common_ones() -> None:
    memories = tuple(a_memory(no, f"a car passed corner{no}") for no in range(1, 20))
    memories = (*memories, a_memory(20, "a tiger on the roof"))
    assert recall(memories, "was there a car or a tiger", NOW_S)[0].memory.no == 20


@pytest.mark.parametrize("asked", ["robbing the store", "robs stores", "robbed a store", "ROBBERY? store!"])
def test_a_question_finds_the_memory_in_another_grammatical_form(asked: str) -> None:
    memories = (a_memory(1, "Ava robbed the store"), a_memory(2, "Bob washed the dishes"))
    assert recall(memories, asked, NOW_S)[0].memory.no == 1


def test_what_one_player_confided_is_not_told_to_another() -> None:
    secret = a_memory(1, 'Ava told me: "I hid the money."', kind="talk", source="told", about="player:ava")
    public = a_memory(2, "Ava hid money under the bridge", source="witnessed", about="player:ava")
    assert may_tell(secret, "player:ava")
    assert not may_tell(secret, "player:bob")
    assert [found.memory.no for found in recall((secret, public), "money", NOW_S, listener="player:bob")] == [2]
    assert len(recall((secret, public), "money", NOW_S, listener="player:ava")) == 2


# --- all together ------------------------------------------------------------------------------------------------

_texts = st.lists(
    st.sampled_from(["gun", "car", "watch", "ava", "pier", "fire", "dog", "deal", "vault"]), min_size=1, max_size=5
)
_fresh = st.builds(
    Memory,
    no=st.just(0),
    kind=st.sampled_from(["seen", "talk", "gift", "promise", "identity"]),
    text=_texts.map(" ".join),
    weight=st.integers(0, 100),
    about=st.sampled_from([None, "player:ava", "player:bob"]),
    source=st.sampled_from(["witnessed", "told", "rumour", "inferred"]),
    created_s=st.just(NOW_S),
    expires_s=st.one_of(st.none(), st.floats(NOW_S, NOW_S + 1e6)),
)


@given(st.lists(st.tuples(_fresh, st.floats(0, 1e6)), max_size=120))
@settings(max_examples=60, deadline=None)
def test_bounds_hold_and_events_replay_to_the_same_mind_in_any_order(steps: list[tuple[Memory, float]]) -> None:
    memories: Memories = ()
    journal: list[Remembered | Reinforced] = []
    now_s = NOW_S
    for no, (fresh, wait_s) in enumerate(steps, 1):
        now_s += wait_s
        event = learn(memories, msgspec.structs.replace(fresh, no=no, created_s=now_s), now_s)
        if event is not None:
            journal.append(event)
            memories = fold(memories, event)
        assert len(memories) <= MEMORIES_MAX
        assert len({memory.no for memory in memories}) == len(memories)
        assert all(0 <= memory.weight <= 100 and memory.rehearsed <= REHEARSED_MAX for memory in memories)
    decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(journal), type=list[Remembered | Reinforced])
    replayed: Memories = ()
    for event in decoded:
        replayed = fold(replayed, event)
    assert replayed == memories
    assert msgspec.json.decode(msgspec.json.encode([shown(memory, now_s) for memory in memories])) is not None
