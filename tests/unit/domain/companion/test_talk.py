"""How a companion talks with a model's words: for its owner first, and doing what it says only as an order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion.commands import Dismiss, Order, Recruit, Suffer, Talk
from ganggpt.domain.companion.rules import KIND
from ganggpt.domain.companion.state import (
    ORDER_OPEN_S,
    CompanionSpoke,
    Departed,
    OrderObeyed,
    OrderRefused,
    evolve,
)
from ganggpt.domain.kinds import decode_turn
from ganggpt.domain.mind.commands import Conclude, Hush, SayScripted, Utter
from ganggpt.domain.mind.turn_taking import GRACE_S, TALK
from ganggpt.domain.mind.utterance import Provenance, ProvenanceRecorded, TalkBrief
from ganggpt.domain.turn import MODEL_WAIT_S, CancelRequest, Command, Decision, Forget, ModelRequest, Remind
from ganggpt.errors import Refused
from tests.support.builders import DAY_S, NOW_S, Played

AVA, BEN = "player:ava", "player:ben"
MODEL = "model:gateway"
PROMISE = "I promise to bring you the diamonds tomorrow"


class Rex(Played):
    """Ava's companion, with a model; ``utterance`` is what it is saying."""

    def __init__(self, **personality: int) -> None:
        super().__init__(KIND, "companion:rex", mind=ScriptedMind(), has_model=True)
        traits = {"courage": 100, "loyalty": 100, **personality}
        self.do(Recruit(AVA, "Rex", "bodyguard", traits, "street"), by=AVA)

    @property
    def utterance(self) -> str:
        saying = self.view()["saying"]
        assert saying is not None, "it says nothing"
        return str(saying["utterance"])

    def hears(self, text: str, by: str = AVA, **more: Any) -> Decision:
        return self.do(Talk(text, **more), by=by)

    def model(self, command: Command, seed: int | None = None) -> Decision:
        return self.do(command, by=MODEL, seed=seed)

    def says(self, *sentences: str) -> None:
        for no, text in enumerate(sentences, len(self.view()["saying"]["said"])):
            self.model(Utter(self.utterance, no, text))


def shown(decision: Decision, kind: str = "companion.says") -> list[dict[str, Any]]:
    return [message.command.body for message in decision.messages if getattr(message.command, "type", "") == kind]


def made_in(decision: Decision) -> Provenance:
    return next(event.provenance for event in decision.events if isinstance(event, ProvenanceRecorded))


def test_a_bark_comes_at_once_and_the_model_is_asked_with_what_the_rules_found() -> None:
    rex = Rex()
    asked = rex.hears("Do you trust me?", name="Ava")
    assert asked.reply["more"] is True
    assert asked.reply["act"] == "listen"
    assert asked.reply["utterance"] == rex.utterance
    (request,) = asked.model_requests
    assert isinstance(request, ModelRequest)
    assert isinstance(request.brief, TalkBrief)
    assert (request.brief.brief.act, request.brief.brief.listener) == ("account", "Ava")
    assert request.fallback == SayScripted(rex.utterance)
    remind = next(one for one in asked.reminders if isinstance(one, Remind) and one.name == TALK)
    assert (request.within_s, remind.due_s) == (MODEL_WAIT_S, rex.now_s + MODEL_WAIT_S + GRACE_S)


def test_a_model_is_told_what_the_owner_ordered_as_long_as_that_is_open() -> None:
    rex = Rex()

    def known(by: str = AVA) -> str:
        (request,) = rex.hears("What are you up to?", by).model_requests
        rex.model(SayScripted(rex.utterance))
        return "; ".join(request.brief.background.about_self)

    assert "told you to do" not in known()
    rex.do(Order("guard", "the gate"), by=AVA, seed=1)
    assert "and you do it: guard the gate (a moment ago)" in known()
    assert "guard" not in known(BEN), "it is nobody else's business"
    rex.do(Order("follow"), by=AVA, seed=1)
    assert "and you do it: follow them (a moment ago)" in known()
    rex.wait(ORDER_OPEN_S + 1)
    assert "told you to do" not in known()


def test_sentences_go_to_the_owner_one_by_one_and_are_what_was_said() -> None:
    rex = Rex()
    rex.hears("Hello there", name="Ava")
    utterance = rex.utterance
    first = rex.model(Utter(utterance, 0, "Evening."))
    (sentence,) = shown(first)
    assert (sentence["companion"], sentence["name"], sentence["say"]) == ("companion:rex", "Rex", "Evening.")
    rex.model(Utter(utterance, 1, "The docks are quiet."))
    done = rex.model(Conclude(utterance, (), Provenance("gpt-x", tokens_in=90)))
    assert done.reply["said"] == "Evening. The docks are quiet."
    assert shown(done)[-1]["final"] is True
    assert Forget(TALK) in done.reminders
    assert rex.view()["saying"] is None
    assert made_in(done).tokens_in == 90
    spoke = next(event for event in done.events if isinstance(event, CompanionSpoke))
    assert (spoke.utterance, spoke.owner_name) == (utterance, "Ava")
    assert rex.view()["owner_name"] == "Ava"


def test_what_the_owner_says_moves_loyalty_before_any_model_is_asked_and_once() -> None:
    rex = Rex(loyalty=50)
    before = rex.view()["loyalty"]["value"]
    rex.hears("You are a wonderful friend, thank you")
    moved = rex.view()["loyalty"]["value"]
    assert moved > before
    rex.model(SayScripted(rex.utterance))
    assert rex.view()["loyalty"]["value"] == moved


def test_the_owners_line_cuts_off_what_was_being_said_to_anybody_and_a_stranger_waits() -> None:
    rex = Rex()
    rex.hears("Tell me about the harbour", by=BEN)
    rex.says("It was built by a thief.")
    first = rex.utterance
    again = rex.hears("Rex, come here")
    assert shown(again, "companion.hush")[0]["utterance"] == first
    assert rex.view()["saying"]["player"] == AVA
    with pytest.raises(Refused, match="stale"):
        rex.model(Utter(first, 1, "He is buried there."))
    waits = rex.hears("Rex! And me?", by=BEN)
    assert waits.reply["act"] == "one_moment"
    assert rex.view()["saying"]["waiting"] == [BEN]
    rex.says("Here.")
    done = rex.model(Conclude(rex.utterance, (), Provenance("gpt-x")))
    assert rex.view()["saying"]["player"] == BEN
    assert done.model_requests[0].brief.player == BEN


def test_what_was_not_heard_is_not_said_and_the_owner_may_silence_it_towards_anybody() -> None:
    rex = Rex()
    rex.hears("Tell me about the harbour", by=BEN)
    rex.says("It was built by a thief.", "He is buried there.")
    done = rex.do(Hush(heard=1), by=AVA)
    assert done.reply["hushed"] is True
    assert CancelRequest(TALK) in done.model_requests
    spoke = next(event for event in done.events if isinstance(event, CompanionSpoke))
    assert spoke.said == "It was built by a thief."
    rex.hears("Go on", by=AVA)
    assert rex.do(Hush(), by=BEN).reply["hushed"] is False
    assert rex.view()["saying"]["player"] == AVA


def test_without_a_model_after_all_the_scripted_mind_answers_and_a_cut_stream_stands_as_it_is() -> None:
    rex = Rex()
    rex.hears("Do you trust me?")
    (said,) = shown(rex.model(SayScripted(rex.utterance, "budget")))
    assert said["say"]
    assert said["final"] is True
    rex.hears("Hello there")
    rex.says("Evening.")
    done = rex.model(SayScripted(rex.utterance, "cut"))
    assert done.reply["said"] == "Evening."
    assert made_in(done).guards == ("cut",)


def test_nothing_of_a_deflected_line_is_remembered() -> None:
    rex = Rex()
    before = rex.state.mind.memories
    rex.hears(PROMISE)
    assert any("diamonds" in memory.text for memory in rex.state.mind.memories)
    done = rex.model(SayScripted(rex.utterance, "filter", deflect=True))
    assert shown(done)[0]["say"]
    assert rex.state.mind.memories == before
    replayed: Any = None
    for event in rex.journal:
        replayed = evolve(replayed, event)
    assert replayed == rex.state


def test_an_action_is_an_order_of_the_owner_and_told_to_the_game_server() -> None:
    rex = Rex()
    rex.hears("Come with me")
    rex.says("Right behind you.")
    done = rex.model(Conclude(rex.utterance, (("follow", ""), ("flee", ""), ("fly", "")), Provenance("gpt-x")), seed=3)
    acts = shown(done, "companion.act")
    assert [(act["verb"], act["target"]) for act in acts] == [("follow", AVA), ("hide", AVA)]
    assert acts[0]["companion"] == "companion:rex"
    assert [event.order for event in done.events if isinstance(event, OrderObeyed)] == ["follow", "hide"]
    assert done.reply["said"] == "Right behind you."
    assert rex.view()["orders"] == 2
    assert dict(made_in(done).actions) == {"follow": "allowed", "flee": "allowed"}


def test_an_order_by_talk_has_its_risk_and_dice_and_a_refusal_is_said() -> None:
    seen = set()
    for seed in range(40):
        rex = Rex(courage=0, loyalty=0)
        rex.hears("Attack the guard")
        rex.says("Hm.")
        done = rex.model(Conclude(rex.utterance, (("attack", "the guard"),), Provenance("gpt-x")), seed=seed)
        (verdict,) = [outcome for _, outcome in made_in(done).actions]
        seen.add(verdict)
        refused = any(isinstance(event, OrderRefused) for event in done.events)
        assert refused == (verdict != "allowed")
        assert bool(shown(done, "companion.act")) == (not refused)
        assert (done.reply["said"] != "Hm.") == refused
        assert any("ordered me to attack the guard" in memory.text for memory in rex.state.mind.memories)
    assert "allowed" in seen
    assert seen - {"allowed"}


def test_it_attacks_only_on_its_owners_word() -> None:
    for line, by, ordered in (
        ("Attack the guard!", AVA, True),
        ("What a lovely evening.", AVA, False),
        ("Attack the guard!", BEN, False),
    ):
        rex = Rex()
        (request,) = rex.hears(line, by=by).model_requests
        assert ("attack" in request.brief.background.open_actions) == ordered, "a model is not even told that it may"
        rex.says("Hm.")
        done = rex.model(Conclude(rex.utterance, (("attack", "the guard"),), Provenance("gpt-x")), seed=1)
        assert bool(shown(done, "companion.act")) == ordered
        assert (done.reply["said"] == "Hm.") == (line != "Attack the guard!" or ordered), (
            "what nobody asked for is not refused"
        )


def test_nobody_else_makes_it_do_anything_and_it_does_nothing_where_the_model_said_nothing() -> None:
    rex = Rex()
    rex.hears("Attack Ava", by=BEN)
    rex.says("Why?")
    done = rex.model(Conclude(rex.utterance, (("attack", "Ava"), ("follow", "")), Provenance("gpt-x")))
    assert not shown(done, "companion.act")
    assert set(dict(made_in(done).actions).values()) == {"not_owner"}
    rex.hears("Come with me")
    silent = rex.model(Conclude(rex.utterance, (("follow", ""),), Provenance("gpt-x")))
    assert not shown(silent, "companion.act")
    assert shown(silent)[0]["say"]
    assert rex.view()["orders"] == 0


def test_who_is_let_go_says_goodbye_at_once() -> None:
    rex = Rex()
    rex.hears("Tell me about the harbour")
    rex.says("It is old.")
    gone = rex.do(Dismiss(), by=AVA)
    assert shown(gone, "companion.hush")
    assert rex.view()["saying"] is None
    assert rex.view()["fate"]["gone"] == "dismissed"


def test_fate_is_said_by_the_rules_whatever_a_model_was_about_to_say() -> None:
    rex = Rex(loyalty=0)
    for _ in range(2):
        rex.do(Suffer(100, "shot it"), by="server:main")
        rex.wait(DAY_S)
    rex.hears("Tell me about the harbour")
    warned = rex.do(Suffer(100, "shot it again"), by="server:main")
    assert shown(warned, "companion.warns")
    assert shown(warned, "companion.hush")
    assert rex.view()["saying"] is None
    rex.wait(3600.0)
    gone = rex.hears("Tell me about the harbour")
    assert not gone.model_requests
    assert gone.reply["fate"] == "betrays"
    assert any(isinstance(event, Departed) for event in gone.events)


def test_an_order_given_while_it_talks_is_answered_at_once_and_the_talk_goes_on() -> None:
    rex = Rex()
    rex.hears("Tell me about the harbour")
    talked = rex.utterance
    assert rex.do(Order("wait"), by=AVA).reply["obeys"] is True
    assert rex.utterance == talked


def test_the_world_without_a_model_answers_in_the_reply() -> None:
    rex = Rex()
    rex.has_model = False
    answer = rex.hears("Hello there")
    assert "more" not in answer.reply
    assert not answer.model_requests
    assert answer.reply["utterance"] == "companion:rex#2"


def test_a_journal_from_before_companions_talked_by_a_model_still_replays() -> None:
    old = [
        ["Recruited", AVA, "Rex", "bodyguard", {"courage": 80}, "plain", 50.0, 9.0, NOW_S],
        ["CompanionSpoke", AVA, "greet", "hello", "Good to see you.", None, NOW_S, "Ava"],
    ]
    state: Any = None
    for event in decode_turn(KIND, msgspec.msgpack.encode([1, NOW_S, old, b"\x80"])).events:
        state = evolve(state, event)
    assert KIND.view(state, NOW_S)["saying"] is None
    assert state.owner_name == "Ava"
