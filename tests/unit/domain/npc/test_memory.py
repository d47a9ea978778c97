"""How an NPC keeps promises in mind, sends to its archive what it has no room for, and gets it back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

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
)
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.events import ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import LET_GO, MEMORIES_MAX, recall
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.transcript import LONG_FROM, TALKS_MAX
from ganggpt.domain.npc.commands import Give, Observe, Talk
from ganggpt.domain.turn import Decision, Message, Remind
from tests.support.builders import DAY_S, NOW_S, Played
from tests.support.played import an_npc

HOUR_S = 3600.0
SELF = "npc:mara"


def crowded(count: int, **fields: Any) -> tuple[Played, list[Any]]:
    """An NPC to whom a lot happened, and the messages it wrote."""
    npc, messages = an_npc(**fields), []
    for n in range(count):
        decision = npc.do(Observe(f"thing{n} place{n} deed{n}", 30 + n % 60), by="server:test")
        messages += decision.messages
    return npc, messages


def questions(decision: Decision) -> list[Message]:
    """The messages of a decision that ask the archive."""
    return [message for message in decision.messages if isinstance(message.command, SearchArchive)]


# --- the archive ----------------------------------------------------------------------------------------------------


def test_what_a_mind_has_no_room_for_goes_to_the_archive_and_nothing_else_does() -> None:
    npc, messages = crowded(400)
    kept = [memory for message in messages for memory in message.command.memories]
    assert all(isinstance(message.command, ArchiveMemories) and message.to == SELF for message in messages)
    numbers = [memory.no for memory in kept] + [memory.no for memory in npc.state.mind.memories]
    assert sorted(numbers) == list(range(1, 401))
    assert npc.state.mind.let_go == messages[-1].command.held == len(kept)
    assert len(messages) == pytest.approx((400 - MEMORIES_MAX) / (MEMORIES_MAX // LET_GO), abs=1)


def test_what_has_expired_does_not_go_to_the_archive() -> None:
    npc = an_npc()
    npc.do(Remember("the pier closes soon", expires_s=npc.now_s + 60), by="npc:otis")
    npc.wait(61)
    decision = npc.do(Observe("a fire at the market", 60), by="server:test")
    assert [memory.text for memory in npc.state.mind.memories] == ["a fire at the market"]
    assert decision.messages == ()


def test_a_larger_mind_holds_what_its_sheet_says() -> None:
    npc, messages = crowded(600, room=512)
    assert 512 - LET_GO < len(npc.state.mind.memories) <= 512
    assert sum(len(message.command.memories) for message in messages) == 600 - len(npc.state.mind.memories)
    assert npc.state.sheet.room == 512


def test_who_asks_for_what_is_not_in_mind_sets_off_a_search_and_hears_an_answer_at_once() -> None:
    npc, _ = crowded(100)
    held = npc.state.mind.let_go
    decision = npc.do(Talk("do you remember the emerald necklace?", "Ava"))
    (message,) = questions(decision)
    question = message.command
    assert (message.to, question.query, question.listener) == (SELF, "the emerald necklace", "player:ava")
    assert (question.asked_s, question.held) == (npc.now_s, held)
    assert decision.reply["say"]
    assert questions(npc.do(Talk("do you remember the emerald necklace?"))) == []
    npc.wait(SEARCH_EVERY_S)
    assert len(questions(npc.do(Talk("do you remember the emerald necklace?")))) == 1


def test_nobody_without_an_archive_asks_it_and_nobody_asks_for_what_is_in_mind() -> None:
    assert an_npc().do(Talk("do you remember the emerald necklace?")).messages == ()
    npc, _ = crowded(100)
    assert questions(npc.do(Talk("do you remember thing99 place99?"), by="player:bob")) == []


NECKLACE = Memory(7, "gift", "Ava gave me an emerald necklace", 70, "player:ava", "witnessed", 1_799_000_000.0)


def recollection(npc: Played, memory: Memory = NECKLACE, fit: float = 0.9, **fields: Any) -> Recollect:
    known: dict[str, Any] = {
        "query": "the emerald necklace",
        "listener": "player:ava",
        "asked_s": npc.now_s,
        "found": ((memory, fit),),
    }
    return Recollect(**{**known, **fields})


def test_what_comes_back_is_said_to_who_asked_and_is_in_mind_again_under_a_new_number() -> None:
    npc, _ = crowded(100)
    before = npc.state.mind.next_no
    decision = npc.do(recollection(npc), by=SELF)
    (memory,) = [m for m in npc.state.mind.memories if m.text == NECKLACE.text]
    assert (memory.no, memory.was, memory.rehearsed, memory.created_s) == (before, 7, 2, NECKLACE.created_s)
    (told,) = [message for message in decision.messages if isinstance(message.command, Notify)]
    assert told.to == "player:ava"
    assert told.command.type == "npc.said"
    assert "emerald necklace" in told.command.body["say"]
    assert told.command.body["cites"] == before
    again = npc.do(Talk("do you remember the emerald necklace?"), by="player:ava")
    assert again.reply["cites"] == before
    assert questions(again) == []


@pytest.mark.parametrize(
    ("memory", "fields"),
    [
        (NECKLACE, {"asked_s": 1_800_000_000.0 - STALE_S - 1}),
        (NECKLACE, {"listener": "player:bob"}),
        (replace(NECKLACE, expires_s=1_800_000_000.0), {}),
        (NECKLACE, {"fit": 0.2}),
        (NECKLACE, {"found": ()}),
    ],
    ids=["too late", "for somebody else", "expired", "does not fit", "nothing"],
)
def test_an_answer_of_the_archive_that_does_not_hold_changes_nothing(memory: Memory, fields: dict[str, Any]) -> None:
    npc, _ = crowded(100)
    secret = replace(memory, source="told")
    state = npc.state
    decision = npc.do(recollection(npc, secret, **fields), by=SELF)
    assert decision.events == ()
    assert decision.messages == ()
    assert npc.state == state


def test_a_world_without_an_archive_answers_its_messages_with_nothing() -> None:
    npc = an_npc()
    for command in (ArchiveMemories((NECKLACE,), 1), SearchArchive("x", "player:ava", npc.now_s, 1)):
        assert npc.do(command, by=SELF).events == ()


# --- promises and debts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "days"),
    [
        ("I will bring the van tomorrow", "promise", 1.5),
        ("I promise to be there in three days", "promise", 3),
        ("I'll pay you back next month", "debt", 31),
        ("I owe you 500 dollars", "debt", 7),
        ("you have my word, tonight", "promise", 0.5),
        ("I'll kill you tomorrow", None, 0),
        ("will I ever see you again?", None, 0),
        ("the bridge is closed", None, 0),
    ],
)
def test_who_binds_themselves_is_taken_at_their_word(text: str, kind: str | None, days: float) -> None:
    npc = an_npc()
    npc.do(Talk(text, "Ava"))
    bound = [memory for memory in npc.state.mind.memories if memory.kind in ("promise", "debt")]
    assert [(one.kind, one.due_s) for one in bound] == ([] if kind is None else [(kind, NOW_S + days * DAY_S)])


def test_a_promise_and_a_debt_stay_in_mind_until_they_are_due_whatever_else_happens() -> None:
    npc = an_npc()
    npc.do(Talk("I will meet you at the pier in two weeks", "Ava"))
    npc.do(Talk("I owe you 300 dollars, I pay next month", "Bob"), by="player:bob")
    for n in range(300):
        npc.do(Give(f"thing{n} number{n}", 900_000, f"P{n}"), by=f"player:p{n % 40}")
    kinds = {memory.kind for memory in npc.state.mind.memories}
    assert {"promise", "debt"} <= kinds
    npc.wait(15 * DAY_S)
    for n in range(300, 600):
        npc.do(Give(f"thing{n} number{n}", 900_000, f"P{n}"), by=f"player:p{n % 40}")
    kinds = {memory.kind for memory in npc.state.mind.memories}
    assert "debt" in kinds
    assert "promise" not in kinds


def test_another_actor_says_who_may_hear_and_until_when_it_is_due() -> None:
    npc = an_npc()
    npc.do(Remember("the code is 1234", "note", audience="player:ava"), by="faction:harbour")
    npc.do(Remember("Ava pays on friday", "debt", about="player:ava", due_s=npc.now_s + DAY_S), by="faction:harbour")
    assert not [
        one for one in recall(npc.state.mind.memories, "code", npc.now_s, listener="player:bob") if one.relevance
    ]
    assert recall(npc.state.mind.memories, "code", npc.now_s, listener="player:ava")[0].relevance
    assert npc.state.mind.memories[1].due_s == npc.now_s + DAY_S


# --- talks -------------------------------------------------------------------------------------------------------


def test_a_long_talk_leaves_a_summary_that_only_its_player_hears_of() -> None:
    npc = an_npc()
    for line in ("the docks burn", "the vipers burned the docks", "crates burned too", "those docks were ours"):
        decision = npc.do(Talk(line, "Ava"))
    (reminder,) = decision.reminders
    assert isinstance(reminder, Remind)
    assert isinstance(reminder.command, Reflect)
    npc.now_s = reminder.due_s
    npc.do(Reflect(), by=SELF)
    (summary,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    assert summary.text.startswith("Ava and I talked about docks")
    assert summary.audience == "player:ava"
    assert npc.state.mind.talks == {}
    assert npc.state.mind.reflects_s == 0
    (ended,) = [event for event in npc.journal if isinstance(event, TalkEnded)]
    assert ended.no == summary.no


def test_a_model_is_asked_for_better_words_and_nothing_waits_for_them() -> None:
    npc = an_npc()
    for line in (
        "the docks burn",
        "the vipers burned the docks",
        "my brother was shot dead there, I swear",
        "those docks were ours",
    ):
        npc.do(Talk(line, "Ava"))
    npc.wait(1000)
    npc.has_model = True
    (request,) = npc.do(Reflect(), by=SELF).model_requests
    (summary,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    assert (request.brief.no, request.brief.text, len(request.brief.exchanges)) == (summary.no, summary.text, 4)
    assert not request.waited_for
    assert npc.do(request.fallback, by=SELF).events == ()
    npc.do(Condense(summary.no, "Ava says the vipers burned the docks"), by=SELF)
    (reworded,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    assert reworded == replace(summary, text="Ava says the vipers burned the docks")


def test_the_talk_that_has_to_end_for_another_one_is_put_into_words_too() -> None:
    npc = an_npc()
    for n in range(TALKS_MAX):
        for line in (
            "the docks burn",
            "the vipers burned the docks",
            "my brother was shot dead there, I swear",
            "those docks were ours",
        ):
            npc.do(Talk(line, f"P{n}"), by=f"player:p{n}")
            npc.wait(1)
    npc.has_model = True
    requests = npc.do(Talk("who burned the docks?", "Ava"), by="player:ava").model_requests
    assert [request.brief.player for request in requests] == ["player:ava", "player:p0"]


def test_a_talk_about_nothing_grave_is_worth_no_model() -> None:
    npc = an_npc()
    for line in ("the docks burn", "the vipers burned the docks", "crates burned too", "those docks were ours"):
        npc.do(Talk(line, "Ava"))
    npc.wait(1000)
    npc.has_model = True
    assert npc.do(Reflect(), by=SELF).model_requests == ()


def test_words_that_changed_have_no_old_embedding() -> None:
    npc = an_npc()
    for line in ("the docks burn", "the vipers burned the docks", "crates burned too", "those docks were ours"):
        npc.do(Talk(line, "Ava"))
    npc.wait(1000)
    npc.do(Reflect(), by=SELF)
    (summary,) = [memory for memory in npc.state.mind.memories if memory.kind == "summary"]
    npc.do(Embed(summary.no, embedding_of("m", [1, 0])), by=SELF)
    npc.do(Condense(summary.no, "Ava says the docks burned"), by=SELF)
    assert npc.do(Embed(summary.no, embedding_of("m", [1, 0]), summary.text), by=SELF).events == ()
    assert next(m for m in npc.state.mind.memories if m.no == summary.no).embedding is None
    npc.do(Embed(summary.no, embedding_of("m", [0, 1]), "Ava says the docks burned"), by=SELF)
    assert next(m for m in npc.state.mind.memories if m.no == summary.no).embedding == embedding_of("m", [0, 1])


def test_small_talk_leaves_nothing_and_asks_for_no_reminder_while_it_is_short() -> None:
    npc = an_npc()
    reminders = [
        npc.do(Talk(line, "Ava")).reminders for line in ("hello", "how are you?", "thanks", "bye", "bye", "bye")
    ]
    assert reminders[: LONG_FROM - 1] == [()] * (LONG_FROM - 1)
    assert sum(len(reminder) for reminder in reminders) == 1
    npc.now_s = npc.state.mind.reflects_s
    npc.do(Reflect(), by=SELF)
    assert [memory.kind for memory in npc.state.mind.memories] == ["met"]
    assert npc.state.mind.talks == {}


def test_a_quiet_moment_while_they_still_talk_comes_again() -> None:
    npc = an_npc()
    for _ in range(LONG_FROM):
        npc.do(Talk("the docks burn again", "Ava"))
    npc.now_s = npc.state.mind.reflects_s - 10
    npc.do(Talk("the docks burn again", "Ava"))
    npc.wait(10)
    decision = npc.do(Reflect(), by=SELF)
    assert len(decision.reminders) == 1
    assert list(npc.state.mind.talks) == ["player:ava"]
    assert npc.state.mind.reflects_s > npc.now_s


def test_an_npc_follows_a_bounded_number_of_talks_and_what_was_said_in_them() -> None:
    npc = an_npc()
    for n in range(12):
        for line in range(30):
            npc.do(Talk(f"crates number {n} and barrels {line} left the docks today", f"P{n}"), by=f"player:p{n}")
        npc.wait(1)
    assert len(npc.state.mind.talks) == TALKS_MAX
    assert all(len(talk.exchanges) <= 8 and talk.count == 30 for talk in npc.state.mind.talks.values())
    summaries = {memory.about for memory in npc.state.mind.memories if memory.kind == "summary"}
    assert summaries == {f"player:p{n}" for n in range(12 - TALKS_MAX)}


def test_a_reminder_that_never_came_is_asked_for_again() -> None:
    npc = an_npc()
    for _ in range(LONG_FROM):
        npc.do(Talk("the docks burn again", "Ava"))
    planned = [event for event in npc.journal if isinstance(event, ReflectionPlanned)]
    npc.now_s = planned[-1].due_s + 61
    for _ in range(LONG_FROM):
        npc.do(Talk("the docks burn again", "Ava"))
    assert len([event for event in npc.journal if isinstance(event, ReflectionPlanned)]) == 2


# --- meaning -----------------------------------------------------------------------------------------------------


def test_a_vector_is_kept_with_its_memory_and_its_model() -> None:
    npc = an_npc()
    npc.do(Observe("the vessel left", 60), by="server:test")
    vector = embedding_of("m1", [0.5, 0.5, 0.0])
    npc.do(Embed(1, vector), by=SELF)
    assert npc.state.mind.memories[0].embedding == vector
    assert npc.view()["memories"][0]["model"] == "m1"
    assert npc.do(Embed(1, vector), by=SELF).events == ()
    assert npc.do(Embed(99, vector), by=SELF).reply == {"memory": None}
    assert recall(npc.state.mind.memories, "sailing", npc.now_s, embedding=vector)[0].similarity == pytest.approx(1)


def test_an_hour_of_play_costs_a_bounded_state() -> None:
    npc, _ = crowded(300)
    for hour in range(3):
        for n in range(40):
            npc.do(Talk(f"I saw {n} trucks at the gate of the {hour} yard", f"P{n}"), by=f"player:p{n % 10}")
        npc.wait(HOUR_S)
    assert len(npc.state.mind.memories) <= MEMORIES_MAX
    assert len(npc.state.told) <= MEMORIES_MAX
