"""The mission from offer to end, and what its end does to others."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.domain.messages import (
    Abandon,
    ApplyMissionImpact,
    EndMission,
    Notify,
    Offer,
    Progress,
    ShiftStanding,
    TakeMission,
)
from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.rules import OFFER_S, Accept, Expire
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.turn import Decision, Forget, Remind
from ganggpt.domain.world import ObjectiveSheet
from ganggpt.errors import AlreadyExists, Refused, UnknownActor
from tests.support.builders import NOW_S, WORLD, Played, a_mission_template, a_world

AVA, MARA = "player:ava", "npc:mara"
DELIVERED = Deed("deliver", "parcel", "hills")


def an_offer(template: str = "parcel", **fields: Any) -> Played:
    world = a_world(missions={**WORLD.missions, template: a_mission_template(template, **fields)}) if fields else WORLD
    played = Played(mission.KIND, "mission:m1", world=world)
    played.do(Offer(template, MARA, AVA), MARA)
    return played


def a_mission(template: str = "parcel", **fields: Any) -> Played:
    played = an_offer(template, **fields)
    played.do(Accept(), AVA)
    return played


def messages(decision: Decision, kind: type) -> list[Any]:
    return [(message.to, message.command) for message in decision.messages if type(message.command) is kind]


def reason_of(played: Played, command: Any, by: str) -> str:
    with pytest.raises(Refused) as refused:
        played.do(command, by)
    return refused.value.reason


def test_an_offer_shows_on_the_players_screen_and_does_not_stand_for_ever() -> None:
    played = Played(mission.KIND, "mission:m1")
    decision = played.do(Offer("parcel", MARA, AVA), MARA)
    ((to, shown),) = messages(decision, Notify)
    assert to == AVA
    assert shown.type == "mission.offered"
    assert (shown.body["mission"], shown.body["reward"]) == ("mission:m1", 1_500)
    assert decision.reminders == (Remind("due", NOW_S + OFFER_S, Expire()),)
    assert played.view()["status"] == "offered"
    with pytest.raises(AlreadyExists):
        played.do(Offer("parcel", MARA, AVA), MARA)


def test_there_is_no_mission_of_a_template_the_world_does_not_have() -> None:
    assert reason_of(Played(mission.KIND, "mission:m1"), Offer("moonshot", MARA, AVA), MARA) == "unknown_template"
    with pytest.raises(UnknownActor):
        Played(mission.KIND, "mission:m1").do(Accept(), AVA)


def test_only_the_player_it_was_offered_to_may_take_it_and_only_once() -> None:
    played = an_offer()
    assert reason_of(played, Accept(), "player:bob") == "not_yours"
    assert reason_of(played, Accept(), "server:main") == "not_yours"
    decision = played.do(Accept(), AVA)
    ((to, take),) = messages(decision, TakeMission)
    assert to == AVA
    assert [(w.verb, w.target, w.district) for w in take.wants] == [("deliver", "parcel", "hills")]
    assert decision.reminders == (Remind("due", NOW_S + 30 * 60, Expire()),)
    assert reason_of(played, Accept(), AVA) == "not_offered"


def test_an_offer_that_lapsed_can_no_longer_be_taken() -> None:
    played = an_offer()
    played.wait(OFFER_S)
    assert reason_of(played, Accept(), AVA) == "too_late"
    decision = played.do(Expire(), "mission:m1")
    assert decision.reply == {"status": "expired", "reason": "not_taken"}
    assert not messages(decision, EndMission)
    assert not messages(decision, Remember)
    assert [note.type for _, note in messages(decision, Notify)] == ["mission.expired"]


def test_a_mission_is_in_progress_from_its_first_deed_on() -> None:
    objectives = (ObjectiveSheet(verb="collect", target="box", count=3),)
    played = a_mission("boxes", objectives=objectives)
    assert played.view()["status"] == "accepted"
    decision = played.do(Progress((Deed("collect", "box"),)), AVA)
    assert decision.reply["status"] == "in_progress"
    assert played.view()["objectives"][0]["done"] == 1
    assert [note.type for _, note in messages(decision, Notify)] == ["mission.progress"]


def test_deeds_that_nobody_asked_for_change_nothing() -> None:
    played = a_mission()
    for deed in (
        Deed("deliver", "parcel", "docks"),
        Deed("collect", "parcel", "hills"),
        Deed("deliver", "box", "hills"),
    ):
        decision = played.do(Progress((deed,)), AVA)
        assert decision.reply["counted"] == 0
        assert not decision.events
    assert reason_of(played, Progress((DELIVERED,)), "player:bob") == "not_yours"


def test_deeds_before_the_player_took_the_mission_do_not_count() -> None:
    played = an_offer()
    assert not played.do(Progress((DELIVERED,)), AVA).events
    played.do(Accept(), AVA)
    assert played.do(Progress((DELIVERED,)), AVA).reply["status"] == "completed"


def test_completion_pays_the_player_moves_the_factions_and_is_remembered_by_the_giver() -> None:
    played = a_mission()
    decision = played.do(Progress((DELIVERED,)), AVA)
    assert decision.reply["status"] == "completed"
    assert messages(decision, EndMission) == [(AVA, EndMission("mission:m1", "completed", 1_500, 3))]
    assert messages(decision, ApplyMissionImpact) == [
        ("faction:harbour", ApplyMissionImpact("mission:m1", AVA, 5, {"vipers": -3})),
        ("faction:vipers", ApplyMissionImpact("mission:m1", AVA, -5, {})),
    ]
    assert [(c.faction, c.delta) for _, c in messages(decision, ShiftStanding)] == [("harbour", 5), ("vipers", -5)]
    ((giver, memory),) = messages(decision, Remember)
    assert giver == MARA
    assert (memory.kind, memory.about) == ("work", AVA)
    assert '"Parcel"' in memory.text
    assert [note.type for _, note in messages(decision, Notify)] == ["mission.completed"]
    assert decision.reminders == (Forget("due"),)
    again = played.do(Progress((DELIVERED,)), AVA)
    assert not again.events
    assert not again.messages


def test_a_faction_that_only_has_frictions_hears_of_the_mission_too() -> None:
    played = a_mission("feud", impact={"harbour": 4}, frictions={"vipers>council": -6, "vipers>harbour": -2})
    decision = played.do(Progress((DELIVERED,)), AVA)
    impact = dict(messages(decision, ApplyMissionImpact))
    assert impact["faction:vipers"].standing == 0
    assert impact["faction:vipers"].frictions == {"council": -6, "harbour": -2}
    assert [c.faction for _, c in messages(decision, ShiftStanding)] == ["harbour"]


def test_one_deed_counts_once_even_where_two_objectives_want_it() -> None:
    objectives = (
        ObjectiveSheet(verb="talk_to", target="npc:otis"),
        ObjectiveSheet(verb="talk_to", target="npc:otis", count=2),
    )
    played = a_mission("chat", objectives=objectives)
    played.do(Progress((Deed("talk_to", "npc:otis"),)), AVA)
    assert [o["done"] for o in played.view()["objectives"]] == [1, 0]
    played.do(Progress((Deed("talk_to", "npc:otis", count=50),)), AVA)
    assert [o["done"] for o in played.view()["objectives"]] == [1, 2]
    assert played.view()["status"] == "completed"


def test_a_mission_given_up_has_failed_and_ends_at_the_player_without_pay() -> None:
    played = a_mission()
    assert reason_of(played, Abandon(), "player:bob") == "not_yours"
    decision = played.do(Abandon(), AVA)
    assert messages(decision, EndMission) == [(AVA, EndMission("mission:m1", "failed", 0, 3))]
    assert [note.type for _, note in messages(decision, Notify)] == ["mission.failed"]
    assert not messages(decision, ApplyMissionImpact)
    assert played.view()["reason"] == "abandoned"
    assert reason_of(played, Abandon(), AVA) == "over"
    assert not played.do(Progress((DELIVERED,)), AVA).events


def test_an_offer_can_be_declined() -> None:
    played = an_offer()
    decision = played.do(Abandon(), AVA)
    assert decision.reply == {"status": "failed", "reason": "declined"}
    assert not messages(decision, EndMission)


def test_a_mission_expires_when_its_minutes_are_over() -> None:
    played = a_mission()
    played.wait(30 * 60)
    assert not played.do(Progress((DELIVERED,)), AVA).events
    decision = played.do(Expire(), "mission:m1")
    assert messages(decision, EndMission) == [(AVA, EndMission("mission:m1", "expired", 0, 3))]
    assert played.view()["reason"] == "out_of_time"
    assert not played.do(Expire(), "mission:m1").events


def test_a_reminder_of_the_offer_that_comes_after_the_acceptance_is_armed_anew() -> None:
    played = a_mission()
    played.wait(5)
    decision = played.do(Expire(), "mission:m1")
    assert not decision.events
    assert decision.reminders == (Remind("due", NOW_S + 30 * 60, Expire()),)


def test_a_changed_world_changes_no_mission_that_was_offered() -> None:
    played = a_mission()
    played.world = a_world(missions={})
    assert played.do(Progress((DELIVERED,)), AVA).reply["status"] == "completed"
