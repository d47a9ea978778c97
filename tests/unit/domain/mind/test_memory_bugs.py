"""One test for each mistake that the memories of other programs were found to make."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.language.words import valence
from ganggpt.domain.mind.commands import Condense, Reflect
from ganggpt.domain.mind.memory import (
    MEMORIES_MAX,
    MemoryStore,
    fold,
    learn,
    recall,
    rehearse,
)
from ganggpt.domain.mind.memory_index import REHEARSAL, MemoryIndex, Question
from ganggpt.domain.mind.memory_record import REHEARSED_MAX, Memories, Memory, recency, retention
from ganggpt.domain.mind.transcript import carried_on, condensed
from ganggpt.domain.npc.commands import Give, Hear, Observe, Talk, Threaten
from ganggpt.domain.npc.events import Pondered
from ganggpt.domain.npc.memory import PONDER_AT
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.npc.rumour import TELL_FROM, heat, lifetime_s, tale_of
from ganggpt.errors import Refused
from tests.support.builders import DAY_S, NOW_S, Played
from tests.support.played import an_npc

HOUR_S = 3600.0


def a_memory(no: int = 1, text: str = "a red car burned on the pier", weight: int = 50, **fields: object) -> Memory:
    plain = Memory(no, "seen", text, weight, None, "witnessed", NOW_S)
    return replace(plain, **fields)


def grown(*texts: str, weight: int = 50) -> Memories:
    memories: Memories = ()
    for no, text in enumerate(texts, 1):
        event = learn(memories, a_memory(no, text, weight), NOW_S)
        assert event is not None
        memories = fold(memories, event)
    return memories


@given(st.floats(0, 1e9), st.floats(1, 1e9))
@settings(max_examples=100)
def test_01_recency_strictly_falls_with_the_time_since_it_happened_also_where_it_was_asked_for(
    age_s: float, more_s: float
) -> None:
    memory = a_memory()
    assert recency(memory, NOW_S + age_s + more_s) < recency(memory, NOW_S + age_s)
    asked_often = rehearse(rehearse((memory,), 1), 1)[0]
    assert recency(asked_often, NOW_S + age_s) == recency(memory, NOW_S + age_s)


def test_02_equal_candidates_get_their_true_score_and_no_stretched_one() -> None:
    equal = tuple(a_memory(no, f"corner{no} quiet{no}") for no in range(1, 9))
    alone = recall(equal[:1], "something else", NOW_S)[0].score
    assert {one.score for one in recall(equal, "something else", NOW_S, 8)} == {alone}


def test_03_recalling_lifts_a_memory_by_a_bounded_part_and_not_over_a_fresher_more_fitting_one() -> None:
    popular = a_memory(1, "the harbour burned", created_s=NOW_S - 30 * DAY_S)
    fitting = a_memory(2, "the silver watch was stolen from the harbour office", created_s=NOW_S - DAY_S)
    memories: Memories = (popular, fitting)
    before = recall(memories, "who stole the watch at the harbour", NOW_S)
    for _ in range(1000):
        recall(memories, "harbour", NOW_S)
        memories = rehearse(memories, 1)
    after = recall(memories, "who stole the watch at the harbour", NOW_S)
    assert [one.memory.no for one in after] == [2, 1]
    assert after[1].score - before[1].score == pytest.approx(REHEARSAL)
    assert memories[0].rehearsed == REHEARSED_MAX


def test_04_noise_is_stopped_when_it_is_written_and_no_word_hides_a_memory() -> None:
    assert learn((), a_memory(weight=9), NOW_S) is None
    kept = grown("the engine ran idle in front of the bank")
    assert recall(kept, "idle", NOW_S)[0].relevance > 0


@given(weight=st.integers(0, 100), rehearsed=st.integers(0, REHEARSED_MAX - 1), age_s=st.floats(0, 3e8))
def test_05_more_rehearsal_never_lowers_retention(weight: int, rehearsed: int, age_s: float) -> None:
    memory = a_memory(weight=weight, rehearsed=rehearsed)
    assert retention(replace(memory, rehearsed=rehearsed + 1), NOW_S + age_s) >= retention(memory, NOW_S + age_s)


def test_06_and_07_forgetting_is_a_function_of_time_n_passes_are_one_pass() -> None:
    store = MemoryStore(room=64)
    for no in range(40):
        store.remember(f"thing{no} place{no}", NOW_S, 30)
    kept = store.memories
    for hour in range(24 * 7):
        store.recall("thing1", NOW_S + hour * HOUR_S)
        [retention(memory, NOW_S + hour * HOUR_S) for memory in store.memories]
    assert store.memories == kept
    half = retention(kept[0], NOW_S + 3.5 * DAY_S) / retention(kept[0], NOW_S)
    assert retention(kept[0], NOW_S + 7 * DAY_S) / retention(kept[0], NOW_S) == pytest.approx(half * half)


def test_08_one_candidate_and_none_rank_without_nan() -> None:
    (only,) = recall((a_memory(),), "", NOW_S)
    assert 0 < only.score <= 1
    assert recall((), "anything", NOW_S) == []
    (later,) = recall((a_memory(),), "pier", NOW_S - 1e9)
    assert 0 < later.score <= 1


def test_09_an_index_entry_without_its_memory_is_skipped() -> None:
    index = MemoryIndex(grown("a fire on the pier", "a fire in the bank"))
    index._memories[index._slots[1]] = None
    found = index.recall(Question(text="fire", now_s=NOW_S, k=5))
    assert [one.memory.no for one in found] == [2]
    index.remove(77)


def test_10_an_npc_comes_to_a_conclusion_within_a_normal_day_of_play() -> None:
    npc = an_npc()
    for n, (line, item) in enumerate((("I need a driver for tonight", "beer"), ("My brother is in jail", "cigars"))):
        npc.do(Talk(line, "Ava"))
        npc.wait(2 * HOUR_S)
        npc.do(Give(item, 100 + n))
        npc.wait(2 * HOUR_S)
    assert npc.state.gathered >= PONDER_AT
    npc.do(Talk("I will bring you the money tomorrow, I promise"))
    assert npc.state.mind.reflects_s > npc.now_s
    npc.now_s = npc.state.mind.reflects_s
    npc.do(Reflect(), by="npc:mara")
    (pondered,) = [event for event in npc.journal if isinstance(event, Pondered)]
    conclusion = next(memory for memory in npc.state.mind.memories if memory.no == pondered.no)
    assert conclusion.source == "inferred"
    assert conclusion.about == "player:ava"
    assert len(pondered.evidence) >= 4
    assert npc.state.gathered < PONDER_AT


def test_11_who_one_is_what_is_promised_and_what_is_owed_survive_every_prune() -> None:
    identity = a_memory(1, "I am the daughter of a sailor", 10, kind="identity", created_s=NOW_S - 900 * DAY_S)
    promise = a_memory(2, "Ava will come on friday", 12, kind="promise", due_s=NOW_S + 90 * DAY_S)
    debt = a_memory(3, "Bob owes me 300 dollars", 11, kind="debt", due_s=NOW_S + 30 * DAY_S)
    memories: Memories = (identity, promise, debt)
    for no in range(4, 600):
        event = learn(memories, a_memory(no, f"thing{no} place{no}", 95, created_s=NOW_S + no), NOW_S + no)
        assert event is not None
        memories = fold(memories, event)
    assert {identity, promise, debt} <= set(memories)
    for no in range(600, 1200):
        late_s = NOW_S + 60 * DAY_S + no
        event = learn(memories, a_memory(no, f"thing{no} place{no}", 95, created_s=late_s), late_s)
        assert event is not None
        memories = fold(memories, event)
    assert {identity, promise} <= set(memories)
    assert debt not in memories


def test_12_a_talk_of_two_lines_that_is_grave_is_kept() -> None:
    npc = an_npc()
    npc.do(Talk("I'll kill you", "Ava"))
    npc.wait(20 * DAY_S)
    assert "I'll kill you" in npc.do(Talk("do you remember what I said I would do, kill you?")).reply["say"]
    short = carried_on(None, "hello there friend", "Hello.", NOW_S)
    assert condensed(short, "Ava") is None


def test_13_a_summary_needs_no_model_and_a_model_only_rewords_it() -> None:
    npc = an_npc()
    for line in (
        "the docks are watched by cops",
        "the cops want the crane driver",
        "he hid at the docks",
        "so I hid too",
    ):
        npc.do(Talk(line, "Ava"))
        npc.wait(20)
    npc.now_s = npc.state.mind.reflects_s
    npc.do(Reflect(), by="npc:mara")
    (summary,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    assert summary.text.startswith("Ava and I talked about ")
    assert "docks" in summary.text
    npc.do(Condense(summary.no, "Ava warned me of the police at the docks"), by="npc:mara")
    (reworded,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    assert reworded.text == "Ava warned me of the police at the docks"
    assert replace(reworded, text=summary.text) == summary
    talk = next(memory.no for memory in npc.state.mind.memories if memory.kind != "summary")
    for no in (talk, 9999):
        with pytest.raises(Refused):
            npc.do(Condense(no, "you love me now"), by="npc:mara")


def test_14_a_mind_that_waits_for_its_archive_answers_everybody_else_meanwhile() -> None:
    npc = a_forgetful_npc()
    reply = npc.do(Talk("do you remember the emerald?", "Ava"))
    assert [message.command.tag for message in reply.messages] == ["AskTail"]
    assert reply.reply["say"]
    other = npc.do(Talk("hello, how are you?"), by="player:bob")
    assert other.reply["say"]


def a_forgetful_npc() -> Played:
    npc = an_npc()
    npc.state = replace(npc.state, mind=replace(npc.state.mind, let_go=40))
    return npc


@given(weight=st.integers(TELL_FROM + 10, 100), ages=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6))
def test_15_a_rumour_is_told_and_recalled_until_its_stated_end_and_not_after(weight: int, ages: list[float]) -> None:
    born_s, dies_s = NOW_S, NOW_S + lifetime_s(weight)
    assert 2 * DAY_S <= dies_s - born_s <= 30 * DAY_S
    hot = [heat(weight, born_s, dies_s, born_s + age * (dies_s - born_s)) for age in sorted(ages)]
    assert all(earlier >= later for earlier, later in pairwise(hot))
    assert heat(weight, born_s, dies_s, dies_s - 1) > 0
    assert heat(weight, born_s, dies_s, dies_s) == 0
    npc = an_npc()
    npc.do(
        Hear("Ava robbed the bank", weight, "player:ava", "npc:otis#3", ("npc:otis",), born_s, dies_s), by="npc:otis"
    )
    (memory,) = npc.state.mind.memories
    assert memory.expires_s == dies_s
    assert recall(npc.state.mind.memories, "bank", dies_s - 1)
    assert recall(npc.state.mind.memories, "bank", dies_s) == []
    fresh = tale_of(memory, "npc:mara", "Mara Voss", born_s, lambda _: False)
    assert fresh is not None
    assert fresh.expires_s == dies_s
    assert tale_of(memory, "npc:mara", "Mara Voss", dies_s, lambda _: False) is None


def test_16_what_was_just_learned_is_found_at_once_although_the_mind_was_asked_before() -> None:
    npc = an_npc()
    npc.do(Observe("a fire on the pier", 60), by="server:test")
    assert recall(npc.state.mind.memories, "explosion tanker", npc.now_s)[0].relevance == 0
    npc.do(Hear("a tanker exploded", 60, None, "npc:otis#9", ("npc:otis",), NOW_S, NOW_S + DAY_S), by="npc:otis")
    assert recall(npc.state.mind.memories, "explosion tanker", npc.now_s)[0].memory.text == "a tanker exploded"


def test_17_a_mood_survives_every_look_at_it_and_fades_by_time_alone() -> None:
    looked_at, left_alone = an_npc(), an_npc()
    for npc in (looked_at, left_alone):
        npc.do(Threaten("your money", armed=True))
    for _ in range(50):
        looked_at.view()
        looked_at.wait(60)
    left_alone.wait(50 * 60)
    assert looked_at.view()["mood"] == left_alone.view()["mood"]
    assert looked_at.view()["mood"]["value"] < an_npc().view()["mood"]["value"]


def test_18_what_one_player_does_sours_the_npc_for_that_player_alone() -> None:
    npc = an_npc()
    npc.do(Give("watch", 500), by="player:bob")
    before = npc.view()["standing"][0]
    for _ in range(5):
        npc.do(Threaten("I'll burn it down"), by="player:ava")
    after = {line["player"]: line["value"] for line in npc.view()["standing"]}
    assert after["player:bob"] == before["value"]
    assert after["player:ava"] < -20


@pytest.mark.parametrize("text", ["the ambassador left the embassy", "a badge on a saddle", "that is not bad at all"])
def test_19_feeling_goes_by_whole_words_and_denial(text: str) -> None:
    assert valence(text) >= 0


def test_a_mind_asked_a_thousand_times_is_the_same_mind() -> None:
    npc = Played(KIND, "npc:mara", mind=ScriptedMind())
    npc.state = an_npc().state
    for n in range(MEMORIES_MAX):
        npc.do(Observe(f"thing{n} place{n} deed{n}", 50), by="server:test")
    before = npc.state
    for n in range(1000):
        recall(npc.state.mind.memories, f"thing{n % 80}", npc.now_s + n)
    assert npc.state == before
