"""The player: sessions, reports, missions, standing, news."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.domain.messages import Abandon, EndMission, Notify, Progress, ShiftStanding, TakeMission
from ganggpt.domain.mind.affect import STANDING_HALF_LIFE_S
from ganggpt.domain.mission_design.deeds import Deed, Want
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join, Quit, Report
from ganggpt.domain.player.state import ACTIVE_MAX
from ganggpt.domain.turn import Message, Push
from ganggpt.errors import Refused, UnknownActor
from tests.support.builders import DAY_S, NOW_S, Played

MAIN = "server:main"
PARCEL = Want("deliver", "parcel", "hills")


def ava(**session: Any) -> Played:
    played = Played(player.KIND, "player:ava")
    played.do(Join(username="Ava Stone", server="main", email="ava@stone.org", **session), MAIN)
    return played


def reason_of(played: Played, command: Any, by: str) -> str:
    with pytest.raises(Refused) as refused:
        played.do(command, by)
    return refused.value.reason


def test_a_player_joins_plays_and_quits_and_the_time_is_counted() -> None:
    played = ava()
    played.wait(600)
    assert played.view()["playtime_s"] == 600
    assert played.do(Quit(), MAIN).reply == {"playtime_s": 600}
    played.wait(DAY_S)
    assert played.view()["playtime_s"] == 600
    assert played.view()["online"] is False
    reply = played.do(Join(username="Ava Stone", server="main"), MAIN).reply
    assert reply["new"] is False
    assert played.view()["email"] == "ava@stone.org"
    assert played.view()["last_login_s"] == played.now_s


def test_a_session_nobody_ended_counts_to_where_the_player_was_last_heard_of() -> None:
    played = ava()
    played.wait(300)
    played.do(Report(position=(1.0, 2.0, 3.0)), MAIN)
    played.wait(10 * DAY_S)
    played.do(Join(username="Ava Stone", server="second"), "server:second")
    assert played.state.playtime_s == 300
    assert played.view()["server"] == "second"


def test_nobody_reports_for_a_player_who_is_not_there() -> None:
    with pytest.raises(UnknownActor):
        Played(player.KIND, "player:ava").do(Report(position=(0.0, 0.0, 0.0)), MAIN)
    played = ava()
    played.do(Quit(), MAIN)
    assert reason_of(played, Report(position=(0.0, 0.0, 0.0)), MAIN) == "offline"
    assert reason_of(played, Quit(), MAIN) == "offline"


def test_a_late_word_of_the_server_the_player_left_is_refused() -> None:
    played = ava()
    played.do(Join(username="Ava Stone", server="second"), "server:second")
    assert reason_of(played, Quit(), MAIN) == "other_server"
    assert reason_of(played, Report(district="docks"), MAIN) == "other_server"
    assert played.view()["online"] is True


def test_one_player_does_not_speak_for_another() -> None:
    played = ava()
    for command in (Quit(), Report(district="docks"), Join(username="Bob", server="main")):
        assert reason_of(played, command, "player:bob") == "not_yours"


def test_a_report_is_durable_only_where_it_has_deeds() -> None:
    assert not Report(position=(1.0, 2.0, 3.0)).is_durable()
    assert Report(deeds=(Deed("race", "boat"),)).is_durable()


def test_a_report_without_anything_in_it_changes_nothing() -> None:
    assert not ava().do(Report(), MAIN).events


def test_a_report_moves_the_player_and_refuses_places_off_the_map() -> None:
    played = ava()
    played.do(Report(position=(1.0, 2.0, 3.0), district="market"), MAIN)
    played.do(Report(position=(4.0, 5.0, 6.0)), MAIN)
    assert played.view()["position"] == [4.0, 5.0, 6.0]
    assert played.view()["district"] == "market"
    assert reason_of(played, Report(district="atlantis"), MAIN) == "unknown_district"


def test_deeds_go_to_the_missions_that_want_them_and_to_no_other() -> None:
    played = ava()
    played.do(TakeMission("mission:a", "Parcel", (PARCEL,)), "mission:a")
    played.do(TakeMission("mission:b", "Talk", (Want("talk_to", "npc:otis"),)), "mission:b")
    delivered, raced = Deed("deliver", "parcel", "hills"), Deed("race", "boat")
    decision = played.do(Report(deeds=(raced, delivered)), MAIN)
    assert decision.messages == (Message("mission:a", Progress((delivered,))),)
    assert decision.reply == {"counts_for": ["mission:a"]}
    assert not played.do(Report(deeds=(raced,)), MAIN).messages


def test_a_reward_is_paid_once_and_only_for_a_mission_the_player_holds() -> None:
    played = ava()
    played.do(TakeMission("mission:a", "Parcel", (PARCEL,)), "mission:a")
    assert played.do(EndMission("mission:a", "completed", 1_500), "mission:a").reply == {"ended": True, "cash": 1_500}
    assert played.do(EndMission("mission:a", "completed", 1_500), "mission:a").reply == {"ended": False, "cash": 1_500}
    assert played.do(EndMission("mission:z", "completed", 9_000), "mission:z").reply["cash"] == 1_500
    assert played.view()["completed"] == 1
    assert not played.view()["missions"]


def test_a_failed_mission_pays_nothing_whatever_the_message_says() -> None:
    played = ava()
    played.do(TakeMission("mission:a", "Parcel", (PARCEL,)), "mission:a")
    played.do(EndMission("mission:a", "failed", 1_500), "mission:a")
    assert (played.view()["cash"], played.view()["failed"]) == (0, 1)


def test_one_mission_too_many_is_given_back() -> None:
    played = ava()
    for no in range(ACTIVE_MAX):
        assert played.do(TakeMission(f"mission:{no}", "Parcel", (PARCEL,)), f"mission:{no}").reply == {"taken": True}
    decision = played.do(TakeMission("mission:more", "More", (PARCEL,)), "mission:more")
    assert decision.reply == {"taken": False}
    assert decision.messages == (Message("mission:more", Abandon()),)
    assert [push.type for push in decision.pushes] == ["mission.too_many"]
    assert len(played.state.active) == ACTIVE_MAX


def test_a_standing_shifts_fades_and_is_shown_when_its_word_changes() -> None:
    played = ava()
    decision = played.do(ShiftStanding("harbour", 20, "the job"), "mission:a")
    assert [push.type for push in decision.pushes] == ["player.standing"]
    value = played.view()["standing"]["harbour"]["value"]
    assert 15 < value <= 20
    played.wait(STANDING_HALF_LIFE_S)
    assert played.view()["standing"]["harbour"]["value"] == pytest.approx(value / 2, abs=0.1)
    assert reason_of(played, ShiftStanding("nobody", 5, "x"), "mission:a") == "unknown_faction"


def test_news_reach_the_screen_of_the_server_the_player_is_on_and_no_other() -> None:
    played = ava()
    decision = played.do(Notify("mission.offered", {"title": "Parcel"}), "mission:a")
    assert decision.pushes == (Push("main", "mission.offered", {"player": "player:ava", "title": "Parcel"}),)
    played.do(Quit(), MAIN)
    decision = played.do(Notify("mission.offered", {}), "mission:a")
    assert decision.reply == {"shown": False}
    assert not decision.pushes


def test_a_new_player_starts_with_nothing() -> None:
    seen = ava().view()
    assert (seen["cash"], seen["tier"], seen["missions"], seen["standing"]) == (0, "free", [], {})
    assert seen["joined_s"] == NOW_S
