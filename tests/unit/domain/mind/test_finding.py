"""A question finds the memory that answers it, and how sure that is decides how it is told."""

from __future__ import annotations

import pytest

from ganggpt.domain.mind.finding import SAID_FROM, SURE_FROM, confidence, find
from ganggpt.domain.mind.memory import MemoryStore
from ganggpt.domain.npc.commands import Talk
from tests.support.builders import DAY_S, NOW_S, Played, a_turn
from tests.support.played import an_npc


def told(*lines: str, gap_s: float = DAY_S) -> Played:
    npc = an_npc()
    for line in lines:
        npc.do(Talk(line, "Ava"))
        npc.wait(gap_s)
    return npc


@pytest.mark.parametrize(
    ("question", "act"),
    [
        ("What does my brother do at night?", "remember"),
        ("what food is bad for me?", "guess"),
        ("What is my shoe size?", "no_memory"),
        ("you hiring?", "offer_work"),
    ],
)
def test_what_is_sure_is_told_what_may_be_is_guessed_and_what_nobody_told_is_not_known(question: str, act: str) -> None:
    npc = told("my brother Leo works at night, at the morgue", "I'm allergic to peanuts")
    reply = npc.do(Talk(question, "Ava")).reply
    assert reply["act"] == act
    assert (reply["cites"] is not None) == (act in ("remember", "guess"))


def test_confidence_grows_with_relevance_and_with_the_lead() -> None:
    assert confidence(0.9, 0.1) > confidence(0.4, 0.1)
    assert confidence(0.4, 0.3) > confidence(0.4, 0.0)
    assert 0 < SAID_FROM < SURE_FROM < 1


def test_nothing_is_found_in_an_empty_mind_or_by_words_that_nobody_said() -> None:
    assert find((), "where is the bank?", a_turn()).memory is None
    npc = told("I love jazz")
    assert find(npc.state.mind.memories, "zebra quantum?", a_turn(now_s=npc.now_s)).memory is None


def test_a_question_for_a_kind_of_thing_finds_a_thing_of_that_kind_in_any_language() -> None:
    for line, question in (
        ("I'm terrified of sharks", "which animal am I afraid of?"),
        ("le tengo pánico a las arañas", "¿a qué animal le tengo miedo?"),
        ("ich spiele seit Jahren Schlagzeug", "Welches Instrument spiele ich?"),
        ("я играю на скрипке", "на каком инструменте я играю?"),
    ):
        npc = told(line)
        assert npc.do(Talk(question, "Ava")).reply["cites"] is not None, question


def test_an_answer_is_found_by_the_question_before_it() -> None:
    store = MemoryStore()
    store.remember("Joe: Where did you hide the bag?", NOW_S)
    store.remember("Ava: under the old pier", NOW_S + 20)
    store.remember("Ava: I had tacos today", NOW_S + DAY_S)
    found = store.recall("where is the bag?", NOW_S + 2 * DAY_S, k=2)
    assert [one.memory.no for one in found] == [2, 1] or found[1].relevance > 0


def test_a_memory_that_asks_counts_less_than_one_that_tells() -> None:
    store = MemoryStore()
    store.remember("Ava: the silver watch was a gift", NOW_S)
    store.remember("Ava: who stole the silver watch?", NOW_S + 7 * DAY_S)
    (first, second) = store.recall("the silver watch", NOW_S + 8 * DAY_S, k=2)
    assert first.memory.no == 1
    assert first.relevance > second.relevance
