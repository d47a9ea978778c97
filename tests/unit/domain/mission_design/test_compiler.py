"""The compiler of missions: what it repairs, what it refuses, and that everything it lets through can be played."""

# ruff: noqa: E501 - a table reads best with one case a line

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.domain.mission_design.compiler import compile_mission, rehearsed
from ganggpt.domain.mission_design.difficulty import estimated_s, minutes_bounds
from ganggpt.domain.mission_design.draft import Setting
from ganggpt.domain.mission_design.repair import is_legal
from ganggpt.domain.world import (
    DEED_VERBS,
    MissionTemplate,
    ObjectiveSheet,
    World,
)
from tests.support.builders import (
    DISTRICTS,
    NPCS,
    THINGS,
    WORLD,
    a_world,
    an_npc_sheet,
)
from tests.support.mission_law import broken_laws, played_status

A_WORLD = a_world(districts=DISTRICTS, npcs=NPCS, missions={}, things=THINGS)
SETTING = Setting(world=A_WORLD, giver=NPCS["mara"], wanted=3, payer="harbour", mission_funds=5_000)


def an_objective(verb: str, target: str, **fields: Any) -> ObjectiveSheet:
    return ObjectiveSheet(verb=verb, target=target, **fields)


FETCH = (
    an_objective("collect", "parcel", district="docks", count=2),
    an_objective("deliver", "parcel", district="hills", count=2),
)


def a_draft(*objectives: ObjectiveSheet, **fields: Any) -> MissionTemplate:
    known: dict[str, Any] = {
        "id": "proposed",
        "title": "A quiet errand",
        "description": "Fetch it and bring it up the hill.",
        "difficulty": 3,
        "minutes": 30,
        "reward": 1_500,
        "objectives": objectives or FETCH,
        "impact": {"harbour": 3},
        "in_order": True,
    }
    return MissionTemplate(**{**known, **fields})


def test_a_sound_draft_passes_unchanged() -> None:
    verdict = compile_mission(a_draft(), SETTING)
    assert verdict.mission == a_draft()
    assert not verdict.problems
    assert verdict.estimate_s > 8 * 60


REPAIRS: list[tuple[str, MissionTemplate, dict[str, Any]]] = [
    ("reward", a_draft(reward=999_999), {"reward": 5_000}),
    ("reward", a_draft(reward=-5), {"reward": 500}),
    ("minutes", a_draft(minutes=1), {}),
    ("minutes", a_draft(minutes=1_440), {}),
    ("difficulty", a_draft(difficulty=10), {"difficulty": 5}),
    ("impact", a_draft(impact={"harbour": 20}), {"impact": {"harbour": 8}}),
    ("impact", a_draft(impact={"harbour": -9}), {"impact": {"harbour": 2}}),
    ("impact", a_draft(impact={}), {"impact": {"harbour": 2}}),
    ("unknown_faction", a_draft(impact={"harbour": 3, "martians": 9}), {"impact": {"harbour": 3}}),
    ("friction", a_draft(frictions={"vipers>council": -3}), {"frictions": {}}),
    ("friction", a_draft(frictions={"harbour>harbour": 3, "nonsense": 4}), {"frictions": {}}),
    ("promise", a_draft(description="Do it and I give you $50,000 and a helicopter."), {}),
    ("promise", a_draft(title="See evil.com for a bonus"), {}),
    ("no_text", a_draft(title="\u202e\x00 !!"), {}),
    ("no_text", a_draft(description="x " * 900), {}),
]


@pytest.mark.parametrize(("code", "draft", "becomes"), REPAIRS)
def test_what_can_be_repaired_is_and_says_so(code: str, draft: MissionTemplate, becomes: dict[str, Any]) -> None:
    verdict = compile_mission(draft, SETTING)
    assert verdict.mission is not None
    assert code in [problem.code for problem in verdict.problems]
    assert all(problem.fixed and problem.said for problem in verdict.problems)
    for field, value in becomes.items():
        assert getattr(verdict.mission, field) == value
    assert not broken_laws(verdict.mission, SETTING)
    assert is_legal(verdict.mission, SETTING)


OBJECTIVES: list[tuple[str, ObjectiveSheet, ObjectiveSheet]] = [
    ("unknown_actor", an_objective("talk_to", "npc:Otis Bell"), an_objective("talk_to", "npc:otis", district="market")),
    ("unknown_actor", an_objective("talk_to", "otis-bel"), an_objective("talk_to", "npc:otis", district="market")),
    ("unknown_actor", an_objective("talk_to", "npc:batman"), an_objective("talk_to", "npc:joe", district="docks")),
    ("not_there", an_objective("talk_to", "npc:otis", district="hills"), an_objective("talk_to", "npc:otis", district="market")),
    ("unknown_place", an_objective("collect", "parcel", district="gotham"), an_objective("collect", "parcel", district="docks")),
    ("unknown_place", an_objective("scout", "safe-house", district="Sun Hills"), an_objective("scout", "safe-house", district="hills")),
    ("unreachable", an_objective("scout", "safe-house", district="island"), an_objective("scout", "safe-house", district="docks")),
    ("wrong_target", an_objective("collect", "coupe", district="docks"), an_objective("collect", "ledger-book", district="docks")),
    ("wrong_target", an_objective("eliminate", "npc:vic", district="market"), an_objective("eliminate", "hired-muscle", district="market")),
    ("wrong_target", an_objective("escort", "npc:mara", district="hills"), an_objective("escort", "npc:joe", district="hills")),
    ("own_people", an_objective("threaten", "npc:joe", district="docks"), an_objective("threaten", "npc:otis", district="market")),
    ("unknown_thing", an_objective("sabotage", "death-star", district="market"), an_objective("sabotage", "crane", district="market")),
    ("count", an_objective("collect", "parcel", district="docks", count=99), an_objective("collect", "parcel", district="docks", count=6)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "wrong", "right"), OBJECTIVES)
def test_an_objective_is_put_right_by_what_the_world_knows(
    code: str, wrong: ObjectiveSheet, right: ObjectiveSheet
) -> None:
    verdict = compile_mission(a_draft(wrong, an_objective("talk_to", "npc:mara", district="docks")), SETTING)
    assert verdict.mission is not None, verdict.problems
    assert code in [problem.code for problem in verdict.problems]
    assert (verdict.mission.objectives[0].verb, verdict.mission.objectives[0].district) == (right.verb, right.district)
    if code != "own_people":
        assert verdict.mission.objectives[0] == right
    assert not broken_laws(verdict.mission, SETTING)


def test_what_is_delivered_is_fetched_first() -> None:
    verdict = compile_mission(a_draft(an_objective("deliver", "parcel", district="hills", count=3)), SETTING)
    assert verdict.mission is not None
    assert [(o.verb, o.target, o.count, o.district) for o in verdict.mission.objectives] == [
        ("collect", "parcel", 3, "docks"),
        ("deliver", "parcel", 3, "hills"),
    ]
    assert [problem.code for problem in verdict.problems] == ["not_held"]


REFUSALS: list[tuple[str, MissionTemplate, Setting]] = [
    ("no_objectives", a_draft(an_objective("eat", "parcel"), an_objective("sing", "npc:otis")), SETTING),
    ("no_objectives", a_draft(an_objective("deliver", "shell", district="hills")), SETTING),
    ("too_hard", a_draft(*[an_objective("hack", "crane", district="market", count=3)] * 6), SETTING),
    ("too_easy", a_draft(an_objective("talk_to", "npc:otis", district="market")), replace(SETTING, wanted=10)),
    ("too_poor", a_draft(), replace(SETTING, mission_funds=50)),
]


@pytest.mark.parametrize(("code", "draft", "setting"), REFUSALS)
def test_what_cannot_be_repaired_is_refused_with_its_reason(
    code: str, draft: MissionTemplate, setting: Setting
) -> None:
    verdict = compile_mission(draft, setting)
    assert verdict.mission is None
    fatal = [problem for problem in verdict.problems if problem.fixed is None]
    assert code in [problem.code for problem in fatal]
    assert all(problem.where and problem.said and str(problem) for problem in fatal)


def test_hostile_acts_cost_standing_with_whom_they_hurt_and_never_please_them() -> None:
    draft = a_draft(
        an_objective("eliminate", "faction:vipers", district="market", count=2),
        impact={"harbour": 2, "vipers": 9},
        frictions={"vipers>harbour": 5},
    )
    verdict = compile_mission(draft, SETTING)
    assert verdict.mission is not None
    assert verdict.mission.impact["vipers"] < 0 < verdict.mission.impact["harbour"]
    assert verdict.mission.frictions == {"vipers>harbour": -1}


def test_a_deadline_that_nobody_can_keep_is_moved() -> None:
    late = (FETCH[0], replace(FETCH[1], within_minutes=1))
    verdict = compile_mission(a_draft(*late), SETTING)
    assert verdict.mission is not None
    minutes = verdict.mission.objectives[1].within_minutes
    assert minutes is not None
    assert minutes * 60 >= verdict.estimate_s


def test_the_rehearsal_notices_what_the_numbers_do_not() -> None:
    island = a_draft(an_objective("collect", "shell", district="island"))
    assert rehearsed(island, SETTING) is not None
    tight = a_draft(minutes=1)
    trouble = rehearsed(tight, SETTING)
    assert trouble is not None
    assert trouble.code == "cannot_complete"
    assert rehearsed(a_draft(), SETTING) is None


def test_a_mission_gives_the_time_it_takes() -> None:
    estimate_s = estimated_s(A_WORLD, "docks", FETCH)
    assert estimate_s is not None
    least, most = minutes_bounds(estimate_s)
    assert least * 60 >= 1.4 * estimate_s
    for minutes in (least - 1, most + 1):
        codes = [problem.code for problem in compile_mission(a_draft(minutes=minutes), SETTING).problems]
        assert codes == ["minutes"]


# ------------------------------------------------------------------------------------------------------------ any draft

WORDS = st.one_of(
    st.sampled_from(
        [
            "docks", "market", "hills", "island", "Sun Hills", "parcel", "coupe", "crane", "shell", "npc:otis", "npc:vic",
            "npc:mara", "npc:joe", "npc:cast", "npc:nobody", "faction:vipers", "faction:harbour", "faction:x", "player:ava",
            "mission:m1", "", ":", "safe-house", "hired-muscle", "street-sprint", "$5000", "a" * 90,
        ]
    ),
    st.text(max_size=40),
)  # fmt: skip
NUMBERS = st.one_of(st.integers(-20, 200), st.integers(-(2**40), 2**40))
DRAFTS = st.builds(
    MissionTemplate,
    id=st.just("proposed"),
    title=st.text(max_size=300),
    description=st.text(max_size=900),
    difficulty=NUMBERS,
    minutes=NUMBERS,
    reward=NUMBERS,
    objectives=st.lists(
        st.builds(
            ObjectiveSheet,
            verb=st.one_of(st.sampled_from(DEED_VERBS), st.text(max_size=8)),
            target=WORDS,
            count=NUMBERS,
            district=st.none() | WORDS,
            within_minutes=st.none() | NUMBERS,
        ),
        max_size=12,
    ).map(tuple),
    impact=st.dictionaries(st.sampled_from(["harbour", "vipers", "council", "x", ""]), NUMBERS),
    frictions=st.dictionaries(
        st.sampled_from(["harbour>vipers", "vipers>harbour", "vipers>vipers", "council>x", ">", ""]), NUMBERS
    ),
    in_order=st.booleans(),
)
SETTINGS = st.builds(
    lambda giver, wanted, payer, funds: Setting(
        world=A_WORLD, giver=NPCS[giver], wanted=wanted, payer=payer, mission_funds=None if payer is None else funds
    ),
    st.sampled_from(sorted(NPCS)),
    st.integers(1, 10),
    st.sampled_from(["harbour", "vipers", None]),
    st.integers(0, 200_000),
)


@settings(deadline=None, max_examples=400)
@given(DRAFTS, SETTINGS)
def test_whatever_is_proposed_what_comes_out_is_legal_or_nothing(draft: MissionTemplate, setting: Setting) -> None:
    verdict = compile_mission(draft, setting)
    if verdict.mission is None:
        assert any(problem.fixed is None for problem in verdict.problems)
        return
    assert not broken_laws(verdict.mission, setting)
    assert rehearsed(verdict.mission, setting) is None
    assert played_status(verdict.mission, setting) == "completed"
    assert compile_mission(verdict.mission, setting).problems == ()
    assert compile_mission(verdict.mission, setting).mission == verdict.mission


@settings(deadline=None, max_examples=200)
@given(DRAFTS, SETTINGS, st.integers(1, 40), st.integers(1, 20))
def test_the_rehearsal_and_the_rules_of_missions_agree(
    draft: MissionTemplate, setting: Setting, minutes: int, within_minutes: int
) -> None:
    mission = compile_mission(draft, setting).mission
    if mission is not None:
        last = replace(mission.objectives[-1], within_minutes=within_minutes)
        hurried = replace(mission, minutes=minutes, objectives=(*mission.objectives[:-1], last))
        assert (rehearsed(hurried, setting) is None) == (played_status(hurried, setting) == "completed")


def test_a_world_without_anything_is_refused_and_not_crashed_into() -> None:
    nothing = World(name="void", title="Void", seed=1)
    setting = Setting(world=nothing, giver=an_npc_sheet(home="nowhere"), wanted=1)
    assert compile_mission(a_draft(), setting).mission is None
    assert WORLD.missions["parcel"].in_order is False
