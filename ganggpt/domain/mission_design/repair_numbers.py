"""Repairs the numbers of a proposed mission: difficulty, time, reward, and what it does to factions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from ganggpt.domain.mission_design.difficulty import (
    MINUTES_MAX,
    SLACK,
    estimated_difficulty,
    estimated_s,
    friction_max,
    impact_max,
    minutes_bounds,
    reward_bounds,
)
from ganggpt.domain.mission_design.draft import ProblemCode, Setting
from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.world import MissionTemplate, World

IMPACTS_MAX: Final = 8
FRICTIONS_MAX: Final = 4


class Note(Protocol):
    """Where problems go."""

    def __call__(self, code: ProblemCode, where: str, said: str, fixed: str | None = None) -> None:
        """Remember a problem; ``fixed`` None: it could not be repaired."""
        ...


def mended_numbers(draft: MissionTemplate, setting: Setting, note: Note) -> MissionTemplate:
    """The draft (its objectives repaired already) with numbers that fit."""
    draft = replace(draft, minutes=_minutes(draft, setting, note))
    difficulty = _difficulty(draft, setting, note)
    if difficulty is None:
        return draft
    draft = replace(draft, difficulty=difficulty, reward=_reward(draft, difficulty, setting, note))
    victims = victims_of(setting.world, draft, setting.payer)
    impact = _impact(draft, difficulty, setting, victims, note)
    return replace(
        draft, impact=impact, frictions=_frictions(draft, difficulty, {*impact, *victims}, setting, victims, note)
    )


def victims_of(world: World, mission: MissionTemplate, payer: str | None) -> list[str]:
    """The factions that a mission hurts: whose people or ground its hostile objectives are about."""
    victims: set[str] = set()
    for objective in mission.objectives:
        if not OBJECTIVES[objective.verb].hostile:  # type: ignore[index]
            continue
        kind, _, name = objective.target.rpartition(":")
        if kind == "faction":
            victims.add(name)
        elif kind == "npc":
            victims.add(world.npcs[name].faction or "")
        else:
            victims.update(sheet.id for sheet in world.factions.values() if objective.district in sheet.territories)
    return sorted(victims & set(world.factions) - {payer})


def _minutes(draft: MissionTemplate, setting: Setting, note: Note) -> int:
    estimate_s = estimated_s(setting.world, setting.giver.home, draft.objectives)
    if estimate_s is None or estimate_s / 60 * SLACK > MINUTES_MAX:
        note("too_long", "objectives", f"no player does that within {MINUTES_MAX} minutes")
        return draft.minutes
    soon = max((o.within_minutes or 0 for o in draft.objectives), default=0)
    least, most = minutes_bounds(estimate_s)
    least = max(least, soon)
    if least > MINUTES_MAX:
        note("within", "objectives", f"a deadline lies after {MINUTES_MAX} minutes")
        return draft.minutes
    return _clamped(draft.minutes, least, max(least, most), "minutes", "minutes", note)


def _difficulty(draft: MissionTemplate, setting: Setting, note: Note) -> int | None:
    """Within 3 of what the objectives are, within 2 of what fits the player, and payable from the mission funds."""
    estimate = estimated_difficulty(setting.world, draft.objectives, setting.payer)
    low = max(1, setting.wanted - 2, math.ceil(estimate - 3))
    high = min(10, setting.wanted + 2, math.floor(estimate + 3))
    if low > high:
        hard = estimate > setting.wanted
        code: ProblemCode = "too_hard" if hard else "too_easy"
        said = f"the objectives are worth difficulty {estimate:.1f}, the player {setting.wanted}"
        note(code, "objectives", said)
        return None
    paid = [step for step in range(low, high + 1) if reward_bounds(step, setting.mission_funds) is not None]
    if not paid:
        note("too_poor", "reward", f"{setting.payer or setting.giver.id} cannot pay a job of difficulty {low}")
        return None
    return _clamped(draft.difficulty, paid[0], paid[-1], "difficulty", "difficulty", note)


def _reward(draft: MissionTemplate, difficulty: int, setting: Setting, note: Note) -> int:
    bounds = reward_bounds(difficulty, setting.mission_funds)
    assert bounds is not None  # the difficulty was chosen so
    return _clamped(draft.reward, *bounds, "reward", "reward", note)


def _clamped(value: int, low: int, high: int, code: ProblemCode, where: str, note: Note) -> int:
    fitting = max(low, min(high, value))
    if fitting != value:
        note(code, where, f"{low} to {high} would be right", f"now {fitting}")
    return fitting


def _impact(
    draft: MissionTemplate, difficulty: int, setting: Setting, victims: list[str], note: Note
) -> dict[str, int]:
    """Who is hurt thinks worse of the player, who pays thinks better; nobody by more than the difficulty allows."""
    most = impact_max(difficulty)
    impact: dict[str, int] = {}
    needed = {*victims, setting.payer}
    for faction, step in sorted(draft.impact.items(), key=lambda item: (item[0] not in needed, -abs(item[1]), item[0])):
        where = f"impact.{faction[:63]}"
        if faction not in setting.world.factions:
            note("unknown_faction", where, "there is no such faction", "left out")
        elif len(impact.keys() | needed - {None}) >= IMPACTS_MAX and faction not in needed:
            note("impact", where, f"more than {IMPACTS_MAX} factions", "left out")
        elif step:
            impact[faction] = _clamped(step, -most, most, "impact", where, note)
    share = max(1, most // 3)
    for faction in victims:
        if impact.get(faction, 0) >= 0:
            note("impact", f"impact.{faction}", "the mission hurts them", f"now {-share}")
            impact[faction] = -share
    if setting.payer is not None and impact.get(setting.payer, 0) <= 0:
        note("impact", f"impact.{setting.payer}", "they pay for it", f"now {share}")
        impact[setting.payer] = share
    return {faction: impact[faction] for faction in sorted(impact)}


def _frictions(
    draft: MissionTemplate, difficulty: int, concerned: set[str], setting: Setting, victims: list[str], note: Note
) -> Mapping[str, int]:
    """Only between factions the mission concerns; between payer and victims never to the better."""
    most = friction_max(difficulty)
    frictions: dict[str, int] = {}
    for pair, step in sorted(draft.frictions.items()):
        where = f"frictions.{pair[:80]}"
        one, _, other = pair.partition(">")
        if one == other or not {one, other} <= concerned:
            note("friction", where, "not two factions that this mission concerns", "left out")
        elif len(frictions) == FRICTIONS_MAX:
            note("friction", where, f"more than {FRICTIONS_MAX} pairs", "left out")
        elif step:
            at_odds = setting.payer in (one, other) and bool({one, other} & set(victims))
            frictions[pair] = _clamped(step, -most, -1 if at_odds else most, "friction", where, note)
    return frictions
