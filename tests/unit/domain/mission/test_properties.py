"""What holds for a mission and its player whatever they do, in whatever order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.messages import (
    Abandon,
    ApplyMissionImpact,
    EndMission,
    NeedPerson,
    Notify,
    Offer,
    Progress,
    ShiftStanding,
    TakeMission,
)
from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.rules import Accept, Expire
from ganggpt.domain.mission.state import OPEN
from ganggpt.domain.mission_design.deeds import Deed, Want
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join, Quit, Report
from ganggpt.domain.player.state import ACTIVE_MAX
from ganggpt.domain.world import ObjectiveSheet
from ganggpt.errors import GangGPTError
from tests.support.builders import WORLD, Played, a_mission_template, a_world
from tests.support.town import Town

AVA, MARA, MAIN = "player:ava", "npc:mara", "server:main"
OBJECTIVES = (
    ObjectiveSheet(verb="collect", target="box", count=3),
    ObjectiveSheet(verb="deliver", target="box", count=3, district="hills"),
    ObjectiveSheet(verb="talk_to", target="npc:otis"),
)
BOXES = a_mission_template("boxes", objectives=OBJECTIVES)
A_WORLD = a_world(missions={**WORLD.missions, "boxes": BOXES})
DEEDS = st.builds(
    Deed,
    st.sampled_from(["collect", "deliver", "talk_to", "race"]),
    st.sampled_from(["box", "npc:otis", "boat"]),
    st.sampled_from([None, "hills", "docks"]),
    st.integers(1, 100),
)
SOME_DEEDS = st.lists(DEEDS, max_size=16).map(tuple)
NEEDED = [
    *[Deed("collect", "box", "docks")] * 3,
    *[Deed("deliver", "box", "hills")] * 3,
    Deed("talk_to", "npc:otis", "market"),
]


@settings(deadline=None, max_examples=50)
@given(st.permutations(NEEDED), st.lists(st.integers(1, 3), min_size=7, max_size=7))
def test_a_mission_completes_exactly_once_whatever_the_order_of_deeds(order: list[Deed], sizes: list[int]) -> None:
    town = Town(mission.KIND, player.KIND, faction.KIND, world=A_WORLD)
    town.found_all()
    town.do(AVA, Join(username="Ava", server="main"), MAIN)
    town.do("mission:m1", Offer("boxes", MARA, AVA), MARA)
    town.do("mission:m1", Accept(), AVA)
    left = [*order, *order]
    for size in sizes:
        deeds, left = tuple(left[:size]), left[size:]
        town.do(AVA, Report(deeds=deeds), MAIN)
    for deed in left:
        town.do(AVA, Report(deeds=(deed,)), MAIN)
    assert town["mission:m1"].status == "completed"
    assert town[AVA].cash == BOXES.reward
    assert town[AVA].completed == 1
    assert not town[AVA].active
    assert [push.type for push in town.pushes].count("mission.completed") == 1
    assert [town[f"faction:{name}"].missions for name in ("harbour", "vipers", "council")] == [1, 1, 0]
    assert town.view(AVA)["standing"].keys() == {"harbour", "vipers"}
    told = [(message.to, type(message.command)) for message in town.undelivered]
    assert told == [("npc:otis", NeedPerson), (MARA, Remember)]
    assert not town.refused


MISSION_STEPS = st.one_of(
    st.tuples(st.builds(Progress, SOME_DEEDS), st.sampled_from([AVA, "player:bob"])),
    st.tuples(st.sampled_from([Accept(), Abandon(), Expire()]), st.sampled_from([AVA, "player:bob", "mission:m1"])),
    st.tuples(st.just(Offer("boxes", MARA, AVA)), st.just(MARA)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(MISSION_STEPS, st.floats(0, 900)), max_size=30))
def test_a_mission_ends_at_most_once_and_never_counts_more_than_it_asks_for(
    steps: list[tuple[tuple[Any, str], float]],
) -> None:
    played = Played(mission.KIND, "mission:m1", world=A_WORLD)
    played.do(Offer("boxes", MARA, AVA), MARA)
    sent: Counter[str] = Counter()
    for (command, by), pause_s in steps:
        played.wait(pause_s)
        before = played.state
        try:
            decision = played.do(command, by)
        except GangGPTError:
            assert played.state is before
            continue
        sent.update(message.command.tag for message in decision.messages)
        if before.status not in OPEN:
            assert not decision.events
            assert not decision.messages
        assert all(0 <= done <= o.count for done, o in zip(played.state.done, OBJECTIVES, strict=True))
    completed = played.state.status == "completed"
    assert sent[EndMission.tag] <= 1
    assert sent[Remember.tag] <= 1
    assert sent[ApplyMissionImpact.tag] == (2 if completed else 0)
    assert sent[ShiftStanding.tag] == (2 if completed else 0)
    state: Any = None
    for event in played.journal:
        state = mission.evolve(state, event)
    assert state == played.state


MISSIONS = st.integers(0, 12).map(lambda no: f"mission:{no}")
WANTS = st.just((Want("collect", "box"),))
PLAYER_COMMANDS = st.one_of(
    st.builds(Join, username=st.just("Ava"), server=st.sampled_from(["main", "second"])),
    st.just(Quit()),
    st.builds(
        Report, st.none() | st.tuples(*[st.floats(-20_000, 20_000)] * 3), st.none() | st.just("docks"), SOME_DEEDS
    ),
    st.builds(TakeMission, MISSIONS, st.just("Boxes"), WANTS),
    st.builds(EndMission, MISSIONS, st.sampled_from(["completed", "failed", "expired"]), st.integers(0, 1_000_000)),
    st.builds(ShiftStanding, st.sampled_from(["harbour", "vipers", "nobody"]), st.integers(-20, 20), st.just("x")),
    st.builds(Notify, st.just("news"), st.just({"a": 1})),
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(PLAYER_COMMANDS, st.sampled_from([MAIN, "server:second", AVA, "mission:1"]), st.floats(0, 86_400)),
        max_size=60,
    )
)
def test_a_player_stays_in_bounds_and_is_paid_only_for_missions_they_held(
    steps: list[tuple[Any, str, float]],
) -> None:
    played = Played(player.KIND, AVA)
    cash = 0
    for command, by, pause_s in steps:
        played.wait(pause_s)
        before = played.state
        try:
            played.do(command, by)
        except GangGPTError:
            assert played.state is before
            continue
        if isinstance(command, EndMission) and command.mission in before.active and command.outcome == "completed":
            cash += command.reward
        state = played.state
        assert state.cash == cash
        assert len(state.active) <= ACTIVE_MAX
        assert 0.0 <= state.playtime_s <= played.now_s - state.joined_s + 1e-3
        assert all(-100 < value["value"] < 100 for value in played.view()["standing"].values())
    replayed: Any = None
    for event in played.journal:
        replayed = player.evolve(replayed, event)
    assert replayed == played.state
