"""How an NPC talks with a model's words: a bark at once, sentence by sentence, and only as long as somebody listens."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.mind.commands import (
    Conclude,
    Embed,
    Hush,
    Remember,
    SayScripted,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.turn_taking import GRACE_S, TALK
from ganggpt.domain.mind.utterance import (
    SENTENCES_MAX,
    WAITING_MAX,
    Provenance,
    ProvenanceRecorded,
    TalkBrief,
)
from ganggpt.domain.npc.commands import Give, Talk, Threaten
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.turn import (
    MODEL_WAIT_S,
    CancelRequest,
    Command,
    Decision,
    Forget,
    ModelRequest,
    Remind,
)
from ganggpt.errors import Refused
from tests.support.builders import DAY_S, Played
from tests.support.played import a_spawn

AVA, BEN = "player:ava", "player:ben"
MODEL = "model:gateway"


class Talker(Played):
    """An NPC with a model; ``utterance`` is what it is saying."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(KIND, "npc:mara", mind=ScriptedMind(), has_model=True)
        self.do(a_spawn(**fields), by="server:test")

    @property
    def utterance(self) -> str:
        saying = self.view()["saying"]
        assert saying is not None, "it says nothing"
        return str(saying["utterance"])

    def hears(self, text: str, by: str = AVA, **more: Any) -> Decision:
        return self.do(Talk(text, **more), by=by)

    def model(self, command: Command) -> Decision:
        return self.do(command, by=MODEL)

    def says(self, *sentences: str) -> None:
        said = len(self.view()["saying"]["said"])
        for no, text in enumerate(sentences, said):
            self.model(Utter(self.utterance, no, text))


def befriend(npc: Talker) -> None:
    """Gifts and kind words of two weeks."""
    while npc.view()["standing"] == [] or npc.view()["standing"][0]["value"] < 20:
        npc.do(Give("silver watch", 900), by=AVA)
        npc.hears("You are a wonderful friend, thank you")
        npc.model(SayScripted(npc.utterance))
        npc.wait(DAY_S)


def shown(decision: Decision, kind: str = "npc.says") -> list[dict[str, Any]]:
    return [message.command.body for message in decision.messages if getattr(message.command, "type", "") == kind]


@pytest.mark.parametrize("line", ["Hello!", "Good evening, Mara", "Thanks, friend.", "Bye"])
def test_a_courtesy_is_answered_without_a_model(line: str) -> None:
    npc = Talker()
    said = npc.hears(line)
    assert not said.model_requests
    assert said.reply.get("more") is None
    assert said.reply["say"]
    assert npc.hears(f"{line} What happened at the docks last night?").model_requests


def test_an_embedding_brings_up_what_words_do_not_find() -> None:
    npc = Talker()
    npc.do(Give("silver watch", 300), by=AVA)
    npc.do(Remember("The bridge is closed", weight=50, audience="*"), by="npc:otis")
    first, second = npc.state.mind.memories
    for memory, vector in ((first, [1, 0]), (second, [0, 1])):
        npc.do(Embed(memory.no, embedding_of("m", vector)), by="model:embeddings")
    (request,) = npc.hears("Where do I go from here, old man?").model_requests
    assert request.brief.by_embedding
    found = [
        npc.model(ThinkAgain(npc.utterance, embedding_of("m", vector))).reply["memories"][0][0]["text"]
        for vector in ([1, 0], [0, 1])
    ]
    assert found == [first.text, second.text]
    assert npc.model(ThinkAgain(npc.utterance, embedding_of("other", [1, 0]))).events == ()


def test_an_embedding_that_comes_too_late_is_stale() -> None:
    npc = Talker()
    npc.hears("Where do I go from here?")
    old = npc.utterance
    npc.model(SayScripted(old))
    with pytest.raises(Refused) as no:
        npc.model(ThinkAgain(old, embedding_of("m", [1, 0])))
    assert no.value.reason == "stale"


def test_without_vectors_or_for_a_courtesy_no_embedding_is_asked_for() -> None:
    npc = Talker()
    npc.do(Give("silver watch", 300), by=AVA)
    (request,) = npc.hears("What about the watch?").model_requests
    assert not request.brief.by_embedding


def test_a_bark_comes_at_once_and_the_model_is_asked_with_what_the_rules_found() -> None:
    npc = Talker()
    npc.do(Give("silver watch", 300), by=AVA)
    asked = npc.hears("What do you remember of the silver watch?", name="Ava")
    assert asked.reply["more"] is True
    assert 0 < len(asked.reply["say"]) < 60
    assert asked.reply["utterance"] == npc.utterance
    (request,) = asked.model_requests
    assert isinstance(request, ModelRequest)
    assert isinstance(request.brief, TalkBrief)
    assert request.brief.brief.heard == "What do you remember of the silver watch?"
    assert "silver watch" in request.brief.brief.memory.text
    assert request.fallback == SayScripted(npc.utterance)
    remind = next(one for one in asked.reminders if isinstance(one, Remind) and one.name == TALK)
    assert remind.command == request.fallback
    assert (request.within_s, remind.due_s) == (MODEL_WAIT_S, npc.now_s + MODEL_WAIT_S + GRACE_S)


def test_sentences_go_to_the_player_one_by_one_and_are_what_was_said() -> None:
    npc = Talker()
    npc.hears("What is new around here?")
    utterance = npc.utterance
    first = npc.model(Utter(utterance, 0, "Evening."))
    assert [(one["no"], one["say"], one["final"]) for one in shown(first)] == [(0, "Evening.", False)]
    npc.model(Utter(utterance, 1, "The docks are quiet."))
    done = npc.model(Conclude(utterance, (), Provenance("gpt-x", tokens_in=90)))
    assert done.reply["said"] == "Evening. The docks are quiet."
    assert shown(done)[-1]["final"] is True
    assert Forget(TALK) in done.reminders
    assert npc.view()["saying"] is None
    recorded = next(event for event in done.events if isinstance(event, ProvenanceRecorded))
    assert (recorded.id, recorded.provenance.model, recorded.provenance.tokens_in) == (utterance, "gpt-x", 90)


def test_a_sentence_out_of_order_or_of_another_utterance_is_stale() -> None:
    npc = Talker()
    npc.hears("What is new around here?")
    old = npc.utterance
    for stale in (Utter(old, 1, "Too soon."), Utter("npc:mara#1", 0, "Of another time.")):
        with pytest.raises(Refused, match="stale"):
            npc.model(stale)
    npc.hears("And another thing")
    for late in (Utter(old, 0, "Late."), Conclude(old, (), Provenance()), SayScripted(old)):
        with pytest.raises(Refused, match="stale"):
            npc.model(late)


def test_an_utterance_has_an_end() -> None:
    npc = Talker()
    npc.hears("What is new around here?")
    npc.says(*(f"Sentence {n}." for n in range(SENTENCES_MAX)))
    with pytest.raises(Refused, match="stale"):
        npc.says("One more.")


def test_who_interrupts_hears_a_new_answer_and_only_what_was_said_is_remembered() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour")
    npc.says("It was built by my grandfather.")
    again = npc.hears("No, wait, who are you?")
    assert isinstance(again.model_requests[0], ModelRequest)
    assert shown(again, "npc.hush")
    (talk,) = npc.state.mind.talks.values()
    assert talk.exchanges[-1].said == "It was built by my grandfather."


def test_what_was_not_heard_is_not_remembered_as_said() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour")
    npc.says("It was built by my grandfather.", "He is buried there.")
    gone = npc.do(Hush(heard=1), by="server:test")
    assert gone.reply["hushed"] is True
    assert CancelRequest(TALK) in gone.model_requests
    (talk,) = npc.state.mind.talks.values()
    assert talk.exchanges[-1].said == "It was built by my grandfather."
    assert npc.view()["saying"] is None


def test_a_hush_that_means_another_utterance_changes_nothing() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour")
    old = npc.utterance
    npc.hears("And who are you?")
    assert npc.do(Hush(utterance=old), by="server:test").reply == {"hushed": False}
    assert npc.view()["saying"] is not None
    assert npc.do(Hush(utterance=npc.utterance), by="server:test").reply["hushed"] is True


def test_a_player_who_dies_before_the_first_sentence_was_told_nothing() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour")
    npc.do(Hush(), by=AVA)
    assert npc.state.mind.talks == {}
    assert npc.view()["saying"] is None


def test_a_second_player_waits_and_is_answered_next() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    first = npc.utterance
    waits = npc.hears("Hey, have you got work?", by=BEN)
    assert waits.reply["utterance"] is None
    assert waits.reply["more"] is True
    assert not waits.model_requests
    assert npc.view()["saying"]["waiting"] == [BEN]
    npc.says("It is old.")
    done = npc.model(Conclude(first, (), Provenance("gpt-x")))
    assert npc.utterance != first
    assert npc.view()["saying"]["player"] == BEN
    (request,) = done.model_requests
    assert request.brief.brief.heard == "Hey, have you got work?"
    assert [one for one in done.reminders if isinstance(one, Remind)]


def test_a_player_who_calls_the_npc_by_its_name_is_turned_to() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    called = npc.hears("Mara! Look here!", by=BEN)
    assert npc.view()["saying"]["player"] == BEN
    assert shown(called, "npc.hush")


def test_whoever_was_cut_off_before_the_first_word_is_answered_next() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    npc.hears("Are you busy?", by="player:ida")
    npc.hears("Mara! Look here!", by=BEN)
    assert npc.view()["saying"] == {
        "utterance": npc.utterance,
        "player": BEN,
        "said": [],
        "waiting": [AVA, "player:ida"],
    }
    npc.says("What is it?")
    done = npc.model(Conclude(npc.utterance, (), Provenance("gpt-x")))
    (request,) = done.model_requests
    assert (request.brief.player, request.brief.brief.heard) == (AVA, "Tell me about the harbour")
    npc.says("It is old.")
    npc.hears("Mara! Once more!", by=BEN)
    assert npc.view()["saying"]["waiting"] == ["player:ida"], "Ava heard an answer"


def test_a_line_that_was_cut_off_is_lost_only_where_nobody_else_could_wait() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    others = [f"player:p{no}" for no in range(4)]
    for other in others:
        npc.hears("Are you busy?", by=other)
    npc.hears("Mara! Look here!", by=BEN)
    assert npc.view()["saying"]["waiting"] == others


def test_an_enemy_is_not_kept_waiting() -> None:
    npc = Talker()
    for _ in range(8):
        npc.do(Threaten("I will burn this place", armed=True), by=BEN)
    npc.hears("Tell me about the harbour", by=AVA)
    npc.hears("Still here?", by=BEN)
    assert npc.view()["saying"]["player"] == BEN


def test_only_so_many_wait_and_who_hushes_waits_no_longer() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    for n in range(WAITING_MAX + 2):
        npc.hears("And me?", by=f"player:p{n}")
    assert npc.view()["saying"]["waiting"] == [f"player:p{n}" for n in range(2, WAITING_MAX + 2)]
    npc.do(Hush(), by="player:p3")
    assert "player:p3" not in npc.view()["saying"]["waiting"]


def test_without_a_model_after_all_the_scripted_mind_answers() -> None:
    npc = Talker()
    npc.do(Give("silver watch", 300), by=AVA)
    npc.hears("What do you remember of the silver watch?")
    done = npc.model(SayScripted(npc.utterance))
    (said,) = shown(done)
    assert "silver watch" in said["say"]
    assert said["final"] is True
    assert npc.view()["saying"] is None
    recorded = next(event for event in done.events if isinstance(event, ProvenanceRecorded))
    assert recorded.provenance.model == "scripted"


def test_a_stream_that_breaks_off_ends_with_what_was_said() -> None:
    npc = Talker()
    npc.hears("What is new around here?")
    npc.says("Evening.")
    done = npc.model(SayScripted(npc.utterance, "cut"))
    assert done.reply["said"] == "Evening."


def test_a_filtered_line_is_deflected_in_character_and_not_kept_as_talk() -> None:
    npc = Talker()
    npc.hears("something a filter refuses")
    done = npc.model(SayScripted(npc.utterance, "filter", deflect=True))
    assert shown(done)[0]["say"]
    assert npc.state.mind.talks == {}


PROMISE = "I promise to bring you the diamonds tomorrow"


def texts(npc: Talker) -> list[str]:
    return [memory.text for memory in npc.state.mind.memories]


def replayed(npc: Talker) -> Any:
    state: Any = None
    for event in npc.journal:
        state = KIND.evolve(state, event)
    return state


@pytest.mark.parametrize("said", [(), ("Do you.",)])
def test_nothing_of_a_deflected_line_is_remembered(said: tuple[str, ...]) -> None:
    npc = Talker()
    npc.hears("What is new around here?")
    npc.model(SayScripted(npc.utterance))
    before = texts(npc)
    npc.hears(PROMISE)
    assert any("diamonds" in text for text in texts(npc))
    npc.says(*said)
    npc.model(SayScripted(npc.utterance, "filter", deflect=True))
    assert texts(npc) == before
    assert replayed(npc) == npc.state
    asked = npc.hears("What do you remember of the diamonds?")
    assert (
        asked.model_requests[0].brief.brief.memory is None
        or "diamonds" not in asked.model_requests[0].brief.brief.memory.text
    )
    assert not any("diamonds" in cited.text for cited, _ in asked.model_requests[0].brief.memories)


def test_a_deflected_line_takes_nothing_away_that_was_known_before_it() -> None:
    npc = Talker()
    npc.hears(PROMISE)
    npc.model(SayScripted(npc.utterance))
    known = texts(npc)
    npc.hears(PROMISE)
    npc.model(SayScripted(npc.utterance, "filter", deflect=True))
    assert texts(npc) == known


def test_a_line_that_waited_is_forgotten_when_it_is_deflected_at_last() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    npc.hears(PROMISE, by=BEN)
    assert any("diamonds" in text for text in texts(npc))
    npc.model(SayScripted(npc.utterance))
    assert npc.view()["saying"]["player"] == BEN
    npc.model(SayScripted(npc.utterance, "filter", deflect=True))
    assert not any("diamonds" in text for text in texts(npc))


def test_an_action_the_rules_allow_is_told_to_the_game_server_and_one_they_do_not_is_refused_in_words() -> None:
    npc = Talker()
    befriend(npc)
    npc.hears("Come with me")
    npc.says("Sure.")
    done = npc.model(
        Conclude(npc.utterance, (("follow", ""), ("give", "the treasury"), ("fly", "")), Provenance("gpt-x"))
    )
    assert [act["verb"] for act in shown(done, "npc.act")] == ["follow"]
    assert done.reply["said"] != "Sure."
    recorded = next(event for event in done.events if isinstance(event, ProvenanceRecorded))
    assert dict(recorded.provenance.actions)["follow"] == "allowed"
    assert dict(recorded.provenance.actions)["give"] in {"not_mine", "money"}


def test_work_a_model_wants_to_offer_is_the_worlds_and_no_other() -> None:
    npc = Talker()
    befriend(npc)
    npc.hears("Got work?")
    npc.says("I might.")
    done = npc.model(Conclude(npc.utterance, (("offer_mission", ""),), Provenance("gpt-x")))
    offers = [message for message in done.messages if message.to.startswith("mission:")]
    assert len(offers) == 1
    (told,) = shown(done, "npc.said")
    assert told["template"].startswith("grown-") or told["reward"] in {1_500, 4_000}
    assert npc.view()["work"][0]["player"] == AVA


def test_everybody_who_waits_is_answered_also_when_the_model_goes_away_meanwhile() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour", by=AVA)
    for player in (BEN, "player:cid"):
        npc.hears("And me?", by=player)
    npc.has_model = False
    answered = []
    while npc.view()["saying"] is not None:
        answered.append(npc.view()["saying"]["player"])
        npc.model(SayScripted(npc.utterance, "off"))
    assert answered == [AVA, BEN, "player:cid"]
    assert set(npc.state.mind.talks) == {AVA, BEN, "player:cid"}


def test_who_interrupts_while_the_model_is_unreachable_cuts_off_what_was_being_said() -> None:
    npc = Talker()
    npc.hears("Tell me about the harbour")
    npc.says("It was built by my grandfather.")
    first, npc.has_model = npc.utterance, False
    again = npc.hears("No, wait")
    assert shown(again, "npc.hush")
    assert npc.utterance != first
    with pytest.raises(Refused, match="stale"):
        npc.model(Utter(first, 1, "He is buried there."))


def test_the_world_without_a_model_answers_in_the_reply() -> None:
    npc = Talker()
    npc.has_model = False
    answer = npc.hears("Hello there")
    assert "more" not in answer.reply
    assert not answer.model_requests


def test_a_model_that_wants_the_same_twice_makes_nobody_refuse_anything() -> None:
    npc = Talker()
    npc.hears("Do you want to come with me, or call the police?")
    npc.says("Neither.")
    done = npc.model(Conclude(npc.utterance, (("refuse", ""),) * 3, Provenance("gpt-x")))
    assert done.reply["said"] == "Neither."
    assert [outcome for _, outcome in done.reply["actions"]] == ["allowed", "repeated", "repeated"]
