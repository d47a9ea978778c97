"""What the compiler works with: for whom a mission is made and by whom, and what can be wrong with a draft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from ganggpt.domain.world import MissionTemplate, NpcSheet, World

OBJECTIVES_MAX: Final = 6
"""The most objectives of a generated mission; a mission of the world file may have 8."""

ProblemCode = Literal[
    "no_text",
    "promise",
    "no_objectives",
    "too_many",
    "unknown_verb",
    "unknown_actor",
    "unknown_thing",
    "wrong_target",
    "own_people",
    "unknown_place",
    "unreachable",
    "not_there",
    "not_held",
    "count",
    "within",
    "too_long",
    "minutes",
    "too_hard",
    "too_easy",
    "difficulty",
    "too_poor",
    "reward",
    "not_for_sale",
    "unknown_faction",
    "impact",
    "friction",
    "cannot_complete",
]
"""What can be wrong with a proposed mission, as stable words."""


class Problem(Struct, frozen=True, gc=False):
    """One problem: ``where`` in the proposal it is, what is wrong in words, and how it was fixed (None: it could not
    be)."""

    code: ProblemCode
    where: str
    said: str
    fixed: str | None = None

    def __str__(self) -> str:
        done = "" if self.fixed is None else f"; {self.fixed}"
        return f"{self.where}: {self.said}{done}"


class Setting(Struct, frozen=True, gc=False, kw_only=True):
    """For whom and from whom a mission is made. ``wanted``: the difficulty that fits the player and their party.

    ``payer``: the faction that pays, and ``mission_funds``: the dollars it can spend on one mission; both None: the
    giver pays from their own pocket.
    """

    world: World
    giver: NpcSheet
    wanted: int
    payer: str | None = None
    mission_funds: int | None = None


class CompiledMission(Struct, frozen=True, gc=False):
    """The result of the compiler: a mission that can be played, or None; and the problems of the draft."""

    mission: MissionTemplate | None
    problems: tuple[Problem, ...] = ()
    estimate_s: float = 0.0


class WorkBrief(Struct, frozen=True, gc=False):
    """The input of a model for a mission: the player, the size of the party, and the outline of ``OutlineWork``."""

    player: str
    party: int
    outline: Mapping[str, Any]


def as_plain(problem: Problem) -> dict[str, Any]:
    """A problem for a reply."""
    return {"code": problem.code, "where": problem.where, "said": problem.said, "fixed": problem.fixed}
