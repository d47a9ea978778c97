"""What somebody has in mind and finds by its meaning a moment after the words did not: said without any model, to who
asked, where it is near by far; and no vector ever moves a standing."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.archive import AHEAD, NEAR, SEARCH_EVERY_S, STALE_S
from ganggpt.domain.mind.commands import Embed, Recollect, Remember, SearchArchive
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.turn import Decision
from tests.support.builders import Played
from tests.support.played import an_npc

SELF, AVA, BOB, MODEL = "npc:mara", "player:ava", "player:bob", "model:embeddings"
FIRE, DEBT = "Celia torched the old cinema", "Nico owes Otis four hundred dollars"
ASKED = "How did that blaze begin?"


def knowing(*memories: tuple[str, list[float]], audience: str = "*") -> Played:
    """An NPC that holds these things, each with its vector."""
    npc = an_npc()
    for text, vector in memories:
        npc.do(Remember(text, audience=audience), by="npc:otis")
        npc.do(Embed(npc.state.mind.memories[-1].no, embedding_of("m", vector)), by=MODEL)
    return npc


def two_things() -> Played:
    return knowing((FIRE, [1, 0, 0.1]), (DEBT, [0, 1, 0.1]))


def meant(npc: Played, vector: list[float], **fields: Any) -> Recollect:
    known: dict[str, Any] = {"query": ASKED, "listener": AVA, "asked_s": npc.now_s, "found": ()}
    return Recollect(**{**known, "embedding": embedding_of("m", vector), **fields})


def searches(decision: Decision) -> list[SearchArchive]:
    return [message.command for message in decision.messages if isinstance(message.command, SearchArchive)]


def said(decision: Decision) -> list[tuple[str, str]]:
    """What was said to whom."""
    told = [message for message in decision.messages if isinstance(message.command, Notify)]
    return [(message.to, message.command.body["say"]) for message in told]


def test_what_words_do_not_find_is_looked_for_by_its_meaning_where_memories_have_vectors() -> None:
    npc = two_things()
    answered = npc.do(Talk(ASKED, "Ava"), by=AVA)
    assert answered.reply["say"]
    (question,) = searches(answered)
    assert (question.query, question.listener, question.held) == (ASKED, AVA, 0)
    assert searches(npc.do(Talk(ASKED, "Ava"), by=AVA)) == []
    npc.wait(SEARCH_EVERY_S)
    assert len(searches(npc.do(Talk(ASKED, "Ava"), by=AVA))) == 1


def test_without_vectors_and_without_an_archive_nothing_is_looked_for() -> None:
    npc = an_npc()
    npc.do(Remember(FIRE, audience="*"), by="npc:otis")
    assert searches(npc.do(Talk(ASKED, "Ava"), by=AVA)) == []


def test_a_model_that_talks_is_told_before_it_answers_and_nothing_is_added_afterwards() -> None:
    npc = two_things()
    npc.has_model = True
    assert searches(npc.do(Talk(ASKED, "Ava"), by=AVA)) == []
    assert said(npc.do(meant(npc, [1, 0, 0]), by=SELF)) == []


def test_the_memory_that_was_meant_is_said_to_who_asked_and_stays_one_memory() -> None:
    npc = two_things()
    before = npc.state.mind.memories
    done = npc.do(meant(npc, [1, 0.1, 0]), by=SELF)
    ((to, words),) = said(done)
    assert to == AVA
    assert "torched the old cinema" in words
    assert done.reply["recollected"] == before[0].no
    assert [memory.text for memory in npc.state.mind.memories] == [FIRE, DEBT]
    assert npc.state.mind.cited[-1] == before[0].no


@pytest.mark.parametrize(
    ("vector", "fields"),
    [
        ([0.2, -0.1, -1], {}),
        ([1, 1, 0], {}),
        ([1, 0, 0], {"asked_s": 1_800_000_000.0 - STALE_S - 1}),
        ([1, 0, 0], {"embedding": None}),
        ([1, 0, 0], {"embedding": embedding_of("another model", [1, 0, 0])}),
    ],
    ids=["nothing is near", "two are as near", "too late", "no vector", "of another model"],
)
def test_what_is_not_near_by_far_is_not_said(vector: list[float], fields: dict[str, Any]) -> None:
    npc = two_things()
    state = npc.state
    done = npc.do(meant(npc, vector, **fields), by=SELF)
    assert (done.events, done.messages) == ((), ())
    assert npc.state == state


def test_the_bounds_are_a_cosine_and_a_lead() -> None:
    def heard(first: float, second: float) -> bool:
        """Whether something is said where the memories are so near to the question."""
        rest = (1 - first**2 - second**2) ** 0.5
        npc = knowing((FIRE, [1, 0, 0]), (DEBT, [0, 1, 0]))
        return bool(said(npc.do(meant(npc, [first, second, rest]), by=SELF)))

    assert heard(NEAR + 0.03, 0.0)
    assert not heard(NEAR - 0.03, 0.0)
    assert heard(0.6, 0.6 - AHEAD - 0.03)
    assert not heard(0.6, 0.6 - AHEAD + 0.03)


def test_nobody_hears_by_meaning_what_is_not_for_them() -> None:
    npc = knowing((FIRE, [1, 0]), audience=BOB)
    assert said(npc.do(meant(npc, [1, 0]), by=SELF)) == []
    ((to, _),) = said(npc.do(meant(npc, [1, 0], listener=BOB), by=SELF))
    assert to == BOB


def test_what_has_expired_is_not_found_by_meaning_either() -> None:
    npc = an_npc()
    npc.do(Remember(FIRE, audience="*", expires_s=npc.now_s + 60), by="npc:otis")
    npc.do(Embed(1, embedding_of("m", [1, 0])), by=MODEL)
    npc.wait(61)
    assert said(npc.do(meant(npc, [1, 0]), by=SELF)) == []


def test_what_was_just_said_is_not_said_twice() -> None:
    npc = two_things()
    assert said(npc.do(meant(npc, [1, 0, 0]), by=SELF))
    assert said(npc.do(meant(npc, [1, 0, 0]), by=SELF)) == []
    assert said(npc.do(meant(npc, [0, 1, 0]), by=SELF))


def test_no_vector_moves_a_standing_or_a_mood() -> None:
    npc = two_things()
    npc.do(Talk("You are a liar and a coward", "Ava"), by=AVA)
    npc.do(Talk(ASKED, "Ava"), by=AVA)
    before = npc.state
    for vector in ([1, 0, 0], [-1, 0, 0], [0, 1, 0]):
        npc.do(Embed(1, embedding_of("m", vector), before.mind.memories[0].text), by=MODEL)
        npc.do(meant(npc, vector), by=SELF)
    assert npc.state.standings == before.standings
    assert npc.state.mood == before.mood


def test_a_line_moves_a_standing_as_it_does_without_vectors() -> None:
    plain = an_npc()
    for text in (FIRE, DEBT):
        plain.do(Remember(text, audience="*"), by="npc:otis")
    lines = ("I love the Lantern Society", "I hate the Lantern Society", "Thank you, friend")
    moved = []
    for npc in (plain, two_things()):
        for line in lines:
            npc.do(Talk(line, "Ava"), by=AVA)
        standing = npc.state.standings[AVA]
        moved.append((standing.value, standing.sway))
    assert moved[0] == moved[1]
