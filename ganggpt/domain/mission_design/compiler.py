"""Turns a proposed mission into one that can be played, or says why it cannot be.

A draft is repaired once, and refused if it still has faults. A draft without faults is played through on paper: its
deeds are done in their order, along real ways and against the clock, and count by the rules of play (``progress``).
"""

from __future__ import annotations

from collections import Counter

from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.mission_design.difficulty import estimated_s
from ganggpt.domain.mission_design.draft import CompiledMission, Problem, Setting
from ganggpt.domain.mission_design.objectives import OBJECTIVES, TAKES
from ganggpt.domain.mission_design.progress import counted, deadline_s, is_done
from ganggpt.domain.mission_design.repair import mended
from ganggpt.domain.mission_design.roads import leg_m, travel_s
from ganggpt.domain.world import MissionTemplate


def compile_mission(draft: MissionTemplate, setting: Setting) -> CompiledMission:
    """A mission made of a draft, with everything that was wrong with it; without a mission where it cannot be used."""
    after, problems = mended(draft, setting)
    if after is None:
        return CompiledMission(None, problems)
    _, again = mended(after, setting)
    if again:
        return CompiledMission(None, problems + again)
    trouble = rehearsed(after, setting)
    if trouble is not None:
        return CompiledMission(None, (*problems, trouble))
    estimate_s = estimated_s(setting.world, setting.giver.home, after.objectives) or 0.0
    return CompiledMission(after, problems, estimate_s)


def rehearsed(template: MissionTemplate, setting: Setting) -> Problem | None:
    """Play a mission on paper: a player goes where the objectives are and does them, one deed at a time, against the
    clock. What keeps the mission from being completed, or None."""
    here, now_s, due_s = setting.giver.home, 0.0, template.minutes * 60.0
    done = (0,) * len(template.objectives)
    held: Counter[str] = Counter()
    for place, objective in enumerate(template.objectives):
        where = f"objectives.{place}"
        there = objective.district or here
        metres = leg_m(setting.world, here, there)
        if metres is None:
            return _trouble(where, f"no way leads from {here} to {there}")
        here = there
        now_s += travel_s(metres)
        if objective.verb == "deliver" and held[objective.target] < objective.count:
            return _trouble(where, f"the player does not have {objective.count} {objective.target}")
        deed = Deed(objective.verb, objective.target, there)  # type: ignore[arg-type]
        for _ in range(objective.count):
            now_s += OBJECTIVES[objective.verb].minutes * 60  # type: ignore[index]
            after = counted(template, done, (deed,))
            if after == done or now_s >= deadline_s(template, done, 0.0, due_s):
                return _trouble(where, f"after {now_s / 60:.0f} minutes the deed does not count")
            done = after
        held[objective.target] += objective.count if objective.verb in TAKES else 0
        held[objective.target] -= objective.count if objective.verb == "deliver" else 0
        if is_done(template, done) != (place == len(template.objectives) - 1):
            ends = "the mission ends too early" if is_done(template, done) else "the mission does not end"
            return _trouble(where, ends)
    return None


def _trouble(where: str, said: str) -> Problem:
    return Problem("cannot_complete", where, said)
