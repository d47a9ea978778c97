"""Missions by grammar: for everybody in the shipped world, at every difficulty, legal and of many kinds."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.mission_design.compiler import rehearsed
from ganggpt.domain.mission_design.difficulty import (
    SKILL_START,
    mission_funds_of,
    rated,
    reward_bounds,
    wanted_difficulty,
)
from ganggpt.domain.mission_design.draft import Setting
from ganggpt.domain.mission_design.grammar import FRAMES, grown
from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import DEED_VERBS, REWARD_BOUNDS, World
from ganggpt.worldfiles.files import load_world
from tests.support.mission_law import broken_laws, played_status
from tests.support.paths import ROOT


@lru_cache(maxsize=1)
def los_santos() -> World:
    return load_world(ROOT / "worlds" / "los-santos")


def a_setting(giver: str, wanted: int) -> Setting:
    world = los_santos()
    sheet = world.npcs[giver]
    payer = sheet.faction if sheet.faction in world.factions else None
    funds = None if payer is None else mission_funds_of(world.factions[payer].treasury)
    return Setting(world=world, giver=sheet, wanted=wanted, payer=payer, mission_funds=funds)


def test_everybody_has_legal_work_at_every_difficulty_and_it_is_of_many_kinds() -> None:
    frames: Counter[str] = Counter()
    verbs: set[str] = set()
    for no, giver in enumerate(sorted(los_santos().npcs)):
        for wanted in range(1 + no % 3, 11, 3):
            setting = a_setting(giver, wanted)
            found = grown(setting, Dice(31 * no + wanted))
            if found is None:
                continue
            frame, verdict = found
            assert verdict.mission is not None
            assert not broken_laws(verdict.mission, setting), (giver, wanted, frame)
            assert rehearsed(verdict.mission, setting) is None
            assert played_status(verdict.mission, setting) == "completed"
            frames[frame] += 1
            verbs |= {objective.verb for objective in verdict.mission.objectives}
    assert sum(frames.values()) > 170
    assert len(frames) >= len(FRAMES) - 2
    assert max(frames.values()) < sum(frames.values()) / 3
    assert len(verbs) >= 12


def test_the_same_dice_make_the_same_mission() -> None:
    setting = a_setting("mara", 4)
    assert grown(setting, Dice(9)) == grown(setting, Dice(9))
    assert len({str(grown(setting, Dice(seed))) for seed in range(12)}) > 6


def test_every_verb_has_a_type_and_every_type_says_which_event_completes_it() -> None:
    assert set(OBJECTIVES) == set(DEED_VERBS)
    assert len(OBJECTIVES) >= 9
    for type_ in OBJECTIVES.values():
        assert type_.event
        assert type_.targets
        assert type_.minutes > 0
        assert type_.risk > 0
        assert 1 <= type_.count_max <= 100


# ------------------------------------------------------------------------------------------- how hard, how much


def test_difficulty_follows_skill_party_and_trust() -> None:
    assert wanted_difficulty(0, 1, 0) == 1
    assert wanted_difficulty(100, 1, 0) == 9
    assert wanted_difficulty(100, 8, 100) == 10
    assert wanted_difficulty(SKILL_START, 4, 0) > wanted_difficulty(SKILL_START, 1, 0)
    assert wanted_difficulty(40, 2, 90) > wanted_difficulty(40, 2, -90)


@given(st.floats(0, 100), st.integers(1, 20), st.floats(-100, 100))
def test_difficulty_is_from_one_to_ten_and_never_falls_with_skill(skill: float, party: int, standing: float) -> None:
    wanted = wanted_difficulty(skill, party, standing)
    assert 1 <= wanted <= 10
    assert wanted_difficulty(min(100.0, skill + 10), party, standing) >= wanted


@given(st.floats(0, 100), st.integers(1, 10))
def test_skill_rises_with_what_is_done_falls_with_what_is_not_and_stays_in_bounds(skill: float, hard: int) -> None:
    assert 0 <= rated(skill, hard, done=False) <= skill <= rated(skill, hard, done=True) <= 100


def test_what_is_too_easy_teaches_little_and_what_was_too_hard_costs_little() -> None:
    assert rated(80, 1, done=True) - 80 < 0.1 < rated(80, 9, done=True) - 80
    assert 20 - rated(20, 9, done=False) < 0.1 < 20 - rated(20, 2, done=False)


@pytest.mark.parametrize("difficulty", range(1, 11))
def test_a_reward_is_within_its_table_and_the_mission_funds(difficulty: int) -> None:
    low, high = REWARD_BOUNDS[difficulty]
    assert reward_bounds(difficulty, high * 10) == (low, high)
    assert reward_bounds(difficulty, low) == (low, low)
    assert reward_bounds(difficulty, low - 1) is None
    own = reward_bounds(difficulty, None)
    assert own is not None
    assert own[1] < high
