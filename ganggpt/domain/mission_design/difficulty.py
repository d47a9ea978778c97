"""How hard a mission is, how hard a mission a player should get, and what it pays; the formulas are in
docs/RULES.md."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.mission_design.roads import leg_m, travel_s
from ganggpt.domain.numbers import clamped
from ganggpt.domain.world import REWARD_BOUNDS, ObjectiveSheet, World

SKILL_START: Final = 15.0
"""The skill (0..100) of a player who is not known."""
SKILL_STEP: Final = 6.0
SKILL_SPREAD: Final = 25.0
PARTY_MAX: Final = 8
RISK_SCALE: Final = 6.0
GROUND_RISK: Final = {"military": 2.0, "prison": 1.8, "estate": 1.2}
"""By kind of district: factor of the risk of objectives in it."""
HOSTILE_GROUND: Final = 1.4
SLACK: Final = 1.4
"""A mission gives at least this multiple of its estimated time."""
LOOSE: Final = 6.0
MISSION_FUNDS_SHARE: Final = 10
"""One mission costs a faction at most this part of its treasury."""
MINUTES_MIN: Final = 5
MINUTES_MAX: Final = 240


def rated(skill: float, difficulty: int, *, done: bool) -> float:
    """The skill after a mission of that difficulty was completed or failed, 0..100.

    As in Elo's rating: ``p = 1/(1 + 10^((10·difficulty − skill)/25))`` is the chance one of this skill had; a success
    adds ``6·(1 − p)``, a failure takes ``6·p``.
    """
    chance = 1 / (1 + 10 ** ((10 * difficulty - skill) / SKILL_SPREAD))
    return clamped(skill + SKILL_STEP * ((1 if done else 0) - chance), 0.0, 100.0)


def wanted_difficulty(skill: float, party: int, standing: float) -> int:
    """The difficulty of a mission that a player should get, 1..10: ``1 + skill/12.5 + 1.2·log2(party) + standing/50``,
    rounded; the last part (trust) at most one step either way."""
    wanted = 1 + skill / 12.5 + 1.2 * math.log2(max(1, min(PARTY_MAX, party))) + clamped(standing / 50, -1.0, 1.0)
    return int(clamped(round(wanted), 1, 10))


def estimated_difficulty(world: World, objectives: Iterable[ObjectiveSheet], payer: str | None) -> float:
    """How hard objectives are, 1..10: ``1 + 9·(1 − e^(−R/6))`` with R the sum over them of
    ``risk · √count · ground``."""
    total = 0.0
    for objective in objectives:
        type_ = OBJECTIVES[objective.verb]  # type: ignore[index]
        total += type_.risk * math.sqrt(objective.count) * _ground(world, objective.district, payer)
    return 1 + 9 * (1 - math.exp(-total / RISK_SCALE))


def _ground(world: World, district: str | None, payer: str | None) -> float:
    place = world.districts.get(district or "")
    if place is None:
        return 1.0
    factor = GROUND_RISK.get(place.kind, 1.0)
    ours = world.factions.get(payer or "")
    if ours is not None:
        holder = next((sheet.id for sheet in world.factions.values() if place.id in sheet.territories), None)
        if holder is not None and ours.relations.get(holder, 0) <= -40:
            factor *= HOSTILE_GROUND
    return factor


def estimated_s(world: World, start: str, objectives: Iterable[ObjectiveSheet]) -> float | None:
    """Seconds a player needs from ``start`` through all objectives in order; None where no way leads to one."""
    total, here = 0.0, start
    for objective in objectives:
        there = objective.district or here
        metres = leg_m(world, here, there)
        if metres is None:
            return None
        total += travel_s(metres) + OBJECTIVES[objective.verb].minutes * 60 * objective.count  # type: ignore[index]
        here = there
    return total


def minutes_bounds(estimate_s: float) -> tuple[int, int]:
    """The least and the most minutes a mission of that estimate may give."""
    least = max(MINUTES_MIN, math.ceil(estimate_s / 60 * SLACK))
    return least, max(least, min(MINUTES_MAX, math.ceil(estimate_s / 60 * LOOSE) + 30))


def mission_funds_of(treasury: int) -> int:
    """The most a faction with this treasury spends on one mission, in dollars."""
    return treasury // MISSION_FUNDS_SHARE


def reward_bounds(difficulty: int, mission_funds: int | None) -> tuple[int, int] | None:
    """The least and the most dollars a mission may pay: the table of its difficulty, and the mission funds of the payer
    (None: the giver's own pocket, which pays the lower half of the table). None where they cannot pay the least."""
    low, high = REWARD_BOUNDS[difficulty]
    most = (low + high) // 2 if mission_funds is None else min(high, mission_funds)
    return (low, most) if most >= low else None


def fair_reward(bounds: tuple[int, int], share: float) -> int:
    """A round sum at the given share (0..1) between the bounds, by ``low · (high/low)^share``."""
    low, high = bounds
    dollars = low * (high / low) ** clamped(share, 0.0, 1.0)
    step = 50 if dollars >= 500 else 10
    return int(clamped(round(dollars / step) * step, low, high))


def impact_max(difficulty: int) -> int:
    """The most a mission moves a standing: 5 + difficulty, 6..15."""
    return 5 + difficulty


def friction_max(difficulty: int) -> int:
    """The most a mission moves a relation between factions: 2 + difficulty/2, 2..7."""
    return 2 + difficulty // 2
