"""How a companion keeps what was shared: promises in mind, the rest in its archive, talks as one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ganggpt.domain.companion.commands import GainExperience, Recruit, Suffer, Talk
from ganggpt.domain.companion.rules import KIND
from ganggpt.domain.companion.state import evolve
from ganggpt.domain.erasure import ForgetPlayer, Subject, mentions
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.archive import SEARCH_EVERY_S, STALE_S
from ganggpt.domain.mind.commands import (
    ArchiveMemories,
    Condense,
    Embed,
    Recollect,
    Reflect,
    Remember,
    SearchArchive,
    ThinkAgain,
)
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.events import TalkEnded
from ganggpt.domain.mind.memory import MEMORIES_MAX
from ganggpt.domain.mind.memory_record import Memory, may_tell
from ganggpt.domain.mind.transcript import LONG_FROM, TALK_ENDS_S, TALKS_MAX
from ganggpt.domain.turn import Decision, Message, Remind
from tests.support.builders import DAY_S, Played

AVA, BEN = "player:ava", "player:ben"
REX = "companion:rex"
NECKLACE = Memory(7, "gift", "Ava gave me an emerald necklace", 70, AVA, "witnessed", 1_799_000_000.0)


def a_companion(**personality: int) -> Played:
    rex = Played(KIND, REX)
    traits = {"courage": 100, "loyalty": 100, **personality}
    rex.do(Recruit(AVA, "Rex", "bodyguard", traits, "street"), by=AVA)
    return rex


def crowded(count: int) -> tuple[Played, list[Message]]:
    """A companion that went through a lot with its owner, and the messages it wrote."""
    rex, messages = a_companion(), list[Message]()
    for n in range(count):
        messages += rex.do(GainExperience(1 + n % 60, f"thing{n} place{n} deed{n}"), by=AVA).messages
    return rex, messages


def questions(decision: Decision) -> list[Message]:
    return [message for message in decision.messages if isinstance(message.command, SearchArchive)]


def recollection(rex: Played, memory: Memory = NECKLACE, fit: float = 0.9, **fields: Any) -> Recollect:
    known: dict[str, Any] = {
        "query": "the emerald necklace",
        "listener": AVA,
        "asked_s": rex.now_s,
        "found": ((memory, fit),),
    }
    return Recollect(**{**known, **fields})


def test_what_it_has_no_room_for_goes_to_the_archive_and_nothing_is_lost() -> None:
    rex, messages = crowded(200)
    assert all(isinstance(message.command, ArchiveMemories) and message.to == REX for message in messages)
    kept = [memory.no for message in messages for memory in message.command.memories]
    assert len(rex.state.mind.memories) <= MEMORIES_MAX
    assert sorted(kept + [memory.no for memory in rex.state.mind.memories]) == list(range(1, 201))
    assert rex.state.mind.let_go == rex.view()["let_go"] == messages[-1].command.held == len(kept)
    replayed: Any = None
    for event in rex.journal:
        replayed = evolve(replayed, event)
    assert replayed == rex.state


def test_who_asks_for_what_is_not_in_mind_sets_off_a_search() -> None:
    assert a_companion().do(Talk("do you remember the emerald necklace?"), by=AVA).messages == ()
    rex, _ = crowded(100)
    asked = rex.do(Talk("do you remember the emerald necklace?", "Ava"), by=AVA)
    (message,) = questions(asked)
    assert (message.to, message.command.query, message.command.listener) == (REX, "the emerald necklace", AVA)
    assert asked.reply["say"]
    assert questions(rex.do(Talk("do you remember the emerald necklace?"), by=AVA)) == []
    rex.wait(SEARCH_EVERY_S)
    assert len(questions(rex.do(Talk("do you remember the emerald necklace?"), by=AVA))) == 1


def test_what_comes_back_is_said_and_is_in_mind_again_under_a_new_number() -> None:
    rex, _ = crowded(100)
    before = rex.state.mind.next_no
    decision = rex.do(recollection(rex), by=REX)
    (memory,) = [held for held in rex.state.mind.memories if held.text == NECKLACE.text]
    assert (memory.no, memory.was) == (before, 7)
    (told,) = [message for message in decision.messages if isinstance(message.command, Notify)]
    assert (told.to, told.command.type) == (AVA, "companion.said")
    assert (told.command.body["companion"], told.command.body["cites"]) == (REX, before)
    assert rex.do(Talk("do you remember the emerald necklace?"), by=AVA).reply["cites"] == before


@pytest.mark.parametrize(
    ("memory", "fields"),
    [
        (NECKLACE, {"asked_s": 1_800_000_000.0 - STALE_S - 1}),
        (replace(NECKLACE, source="told"), {"listener": BEN}),
        (replace(NECKLACE, expires_s=1_800_000_000.0), {}),
        (NECKLACE, {"fit": 0.2}),
        (NECKLACE, {"found": ()}),
    ],
)
def test_what_is_late_or_for_somebody_else_or_over_or_does_not_fit_is_not_said(
    memory: Memory, fields: dict[str, Any]
) -> None:
    rex, _ = crowded(70)
    state = rex.state
    decision = rex.do(recollection(rex, memory, **fields), by=REX)
    assert decision.reply["recollected"] is None
    assert decision.messages == ()
    assert rex.state == state


def test_a_promise_stays_in_mind_until_it_is_due_whatever_else_happens() -> None:
    rex = a_companion()
    rex.do(Talk("I promise to bring you the diamonds in three days", "Ava"), by=AVA)
    (promise,) = rex.state.mind.memories
    assert promise.kind == "promise"
    assert promise.due_s == pytest.approx(rex.now_s + 3 * DAY_S)
    for n in range(150):
        rex.do(GainExperience(1000, f"thing{n} place{n} deed{n}"), by=AVA)
    assert any(memory.no == promise.no for memory in rex.state.mind.memories)


def test_what_was_confided_is_for_those_ears_alone_and_stays_so_with_another_owner() -> None:
    rex = a_companion()
    rex.do(Talk("I promise I hid the stolen money at the pier", "Ava"), by=AVA)
    (secret,) = rex.state.mind.memories
    assert may_tell(secret, AVA)
    assert not may_tell(secret, BEN)
    asked = rex.do(Talk("do you remember the stolen money at the pier?"), by=BEN)
    assert asked.reply["cites"] is None


def test_what_is_slight_has_a_date_and_what_another_actor_tells_keeps_its_own() -> None:
    rex = a_companion()
    rex.do(GainExperience(1, "a walk along the canal"), by=AVA)
    no = rex.do(Remember("the pier closes", audience="*", due_s=rex.now_s + DAY_S), by="npc:mara").reply["memory"]
    walk, closes = rex.state.mind.memories
    assert walk.expires_s == rex.now_s + 14 * DAY_S
    assert (closes.no, closes.audience, closes.due_s) == (no, "*", rex.now_s + DAY_S)


def test_a_long_talk_leaves_one_sentence_for_who_talked() -> None:
    rex = a_companion()
    reminders = []
    for _ in range(LONG_FROM):
        reminders += rex.do(Talk("Listen, the harbour crane is broken again", "Ava"), by=AVA).reminders
        rex.wait(5)
    (remind,) = [one for one in reminders if isinstance(one, Remind)]
    rex.now_s = max(remind.due_s, rex.now_s + TALK_ENDS_S)
    done = rex.do(remind.command, by=REX)
    assert rex.state.mind.talks == {}
    (ended,) = [event for event in done.events if isinstance(event, TalkEnded)]
    summary = next(memory for memory in rex.state.mind.memories if memory.no == ended.no)
    assert summary.kind == "summary"
    assert summary.text.startswith("Ava and I talked about")
    assert (may_tell(summary, AVA), may_tell(summary, BEN)) == (True, False)
    assert done.reminders == ()


def test_a_quiet_moment_before_the_talk_is_over_comes_again() -> None:
    rex = a_companion()
    for _ in range(LONG_FROM):
        rex.do(Talk("Listen, the harbour crane is broken again"), by=AVA)
    done = rex.do(Reflect(), by=REX)
    assert [one.due_s > rex.now_s for one in done.reminders if isinstance(one, Remind)] == [True]
    assert list(rex.state.mind.talks) == [AVA]


def test_it_follows_a_bounded_number_of_talks() -> None:
    rex = a_companion()
    for n in range(TALKS_MAX + 2):
        rex.do(Talk("Hello there, dog"), by=f"player:p{n}")
        rex.wait(1)
    assert list(rex.state.mind.talks) == [f"player:p{n}" for n in range(2, TALKS_MAX + 2)]


def test_what_it_lets_go_of_as_it_leaves_goes_to_the_archive_too() -> None:
    rex, messages = a_companion(loyalty=0), list[Message]()
    n = 0
    while not rex.state.gone:
        messages += rex.do(Suffer(90, f"thing{n} place{n} deed{n}"), by="server:main").messages
        rex.wait(DAY_S / 24)
        n += 1
    kept = [m.no for one in messages if isinstance(one.command, ArchiveMemories) for m in one.command.memories]
    assert sorted(kept + [memory.no for memory in rex.state.mind.memories]) == list(range(1, rex.state.mind.next_no))


def test_a_player_who_is_forgotten_leaves_no_talk_behind() -> None:
    rex = a_companion()
    for _ in range(2):
        rex.do(Talk("I promise you a quetzal", "Ben"), by=BEN)
    rex.do(ForgetPlayer(BEN, ("Ben",), "player:forgotten-1", ()), by="world")
    assert rex.state.mind.talks == {}
    assert not mentions(rex.state, Subject(BEN))


def test_a_model_is_asked_for_better_words_for_a_talk_and_gives_memories_embeddings() -> None:
    rex = a_companion()
    for line in (
        "the docks burn",
        "the vipers burned the docks",
        "my brother was shot dead there, I swear",
        "those docks were ours",
    ):
        rex.do(Talk(line, "Ava"), by=AVA)
    rex.wait(TALK_ENDS_S + 1)
    rex.has_model = True
    (request,) = rex.do(Reflect(), by=REX).model_requests
    (summary,) = [memory for memory in rex.state.mind.memories if memory.kind == "summary"]
    assert (request.brief.no, request.brief.text, request.brief.speaker) == (summary.no, summary.text, "Rex")
    rex.do(Condense(summary.no, "Ava says the vipers burned the docks"), by="model:gateway")
    rex.do(Embed(summary.no, embedding_of("m", [1, 0])), by="model:embeddings")
    (known,) = [memory for memory in rex.state.mind.memories if memory.kind == "summary"]
    meant = embedding_of("m", [1, 0])
    assert known == replace(summary, text="Ava says the vipers burned the docks", embedding=meant)
    (request,) = rex.do(Talk("Who was it that night, do you think?", "Ava"), by=AVA).model_requests
    assert request.brief.by_embedding
    found = rex.do(ThinkAgain(request.brief.utterance, meant), by="model:gateway").reply["memories"]
    assert found[0][0]["text"] == known.text
