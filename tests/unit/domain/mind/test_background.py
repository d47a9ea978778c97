"""What a model is told beside the brief: why an NPC stands as it does, how it is, who leads its side."""

from __future__ import annotations

from ganggpt.domain.mind.background import CAUSES_MAX, bosses, causes_of, traits_in_words
from ganggpt.domain.npc.commands import Give, Observe, Talk, Threaten
from ganggpt.domain.scene import TalkScene, as_remembered, clock_of
from tests.support.builders import a_turn
from tests.support.played import AVA, MAIN, los_santos, mara


def test_what_a_player_did_to_somebody_comes_before_what_was_only_seen() -> None:
    npc = mara()
    for no in range(4):
        npc.do(Observe(f"Ava carried crate number {no} to the van", 80, AVA), MAIN)
    npc.do(Give("silver watch", 900, "Ava"), AVA)
    npc.do(Threaten("Last warning.", armed=True, name="Ava"), AVA)
    told = causes_of(npc.state.mind.memories, AVA, a_turn(world=los_santos(), now_s=npc.now_s))
    assert len(told) == CAUSES_MAX
    assert {"threatened" in told[0], "threatened" in told[1]} == {True, False}
    assert any("silver watch" in cause for cause in told[:2])
    assert "crate" in told[2]


def test_what_others_did_and_small_talk_are_no_causes() -> None:
    npc = mara()
    npc.do(Give("silver watch", 900, "Ben"), "player:ben")
    npc.do(Talk("I live at the pier.", "Ava"), AVA)
    assert causes_of(npc.state.mind.memories, AVA, a_turn(world=los_santos(), now_s=npc.now_s)) == ()


def test_traits_are_told_in_words_where_they_stand_out() -> None:
    assert traits_in_words({"temper": 90, "greed": 50, "courage": 10, "wit": 80}) == (
        "quick to anger",
        "easily scared",
        "much wit",
    )


def test_the_leader_of_a_side_is_known_by_their_role() -> None:
    world = los_santos()
    assert bosses(world)["city-police"] == "Captain Nora Halloran"
    assert "nobody" not in bosses(world)


def test_the_hour_is_told_as_people_say_it() -> None:
    assert [clock_of(minute) for minute in (0, 485, 725, 1439)] == [
        "00:00, at night",
        "08:05, in the morning",
        "12:05, at noon",
        "23:59, at night",
    ]


def test_a_scene_stands_behind_a_fact_as_people_remember_it() -> None:
    crowd = ("Otis", "Kip", "Redd")
    assert as_remembered(TalkScene()) == ""
    assert as_remembered(TalkScene(weather="clear")) == "", "nobody remembers that it did not rain"
    assert as_remembered(TalkScene("by the crane", 23 * 60, "fog", crowd)) == (
        ", by the crane, at night, in the fog, with Otis and Kip near"
    )
