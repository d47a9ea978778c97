"""Turns a proposed mission into one that can be played, or says why it cannot be.

A draft is repaired once; what still has faults is refused. What has none is played through: the real rules of missions
take the offer, the acceptance and the deeds in their order, along real ways and against the clock.
"""

from __future__ import annotations

from typing import Any, Final

from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import Offer, Progress
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.deeds import Deed
from ganggpt.domain.mission.difficulty import estimated_s
from ganggpt.domain.mission.draft import Problem, Setting, Verdict
from ganggpt.domain.mission.objectives import OBJECTIVES, TAKES
from ganggpt.domain.mission.repair import mended
from ganggpt.domain.mission.roads import leg_m, travel_s
from ganggpt.domain.mission.state import Mission
from ganggpt.domain.turn import Decision, Dice, Turn
from ganggpt.domain.world import MissionTemplate
from ganggpt.errors import GangGPTError

_PLAYER: Final = "player:rehearsal"
_MISSION: Final = ActorId("mission:rehearsal")


def compile_mission(draft: MissionTemplate, setting: Setting) -> Verdict:
    """A mission made of a draft, with everything that was wrong with it; without a mission where it cannot be used."""
    after, problems = mended(draft, setting)
    if after is None:
        return Verdict(None, problems)
    _, again = mended(after, setting)
    if again:
        return Verdict(None, problems + again)
    trouble = rehearsed(after, setting)
    if trouble is not None:
        return Verdict(None, (*problems, trouble))
    estimate_s = estimated_s(setting.world, setting.giver.home, after.objectives) or 0.0
    return Verdict(after, problems, estimate_s)


def rehearsed(template: MissionTemplate, setting: Setting) -> Problem | None:
    """Play a mission through without anybody noticing; what keeps it from being completed, or None."""
    stage = _Stage(template, setting)
    try:
        stage.do(Offer(template.id, f"npc:{setting.giver.id}", _PLAYER, template))
        stage.do(mission.Accept())
        return stage.play()
    except GangGPTError as error:
        return _trouble("mission", f"the rules refuse it: {error}")


class _Stage:
    """One rehearsal: a player who goes where the objectives are and does them, on a clock of its own."""

    def __init__(self, template: MissionTemplate, setting: Setting) -> None:
        self._template, self._setting = template, setting
        self._now_s = 0.0
        self._here = setting.giver.home
        self._held: dict[str, int] = {}
        self._state: Mission | None = None

    def do(self, command: Any) -> Decision:
        """One command of the rules, and what it does to the mission."""
        world = self._setting.world
        turn = Turn(_MISSION, 1, self._now_s, _PLAYER, Dice(0), world, _Silent())
        decision = mission.decide(self._state, command, turn)
        for event in decision.events:
            self._state = mission.evolve(self._state, event)  # type: ignore[arg-type]
        return decision

    def play(self) -> Problem | None:
        """Every objective in its order, one deed at a time."""
        for place, objective in enumerate(self._template.objectives):
            where = f"objectives.{place}"
            there = objective.district or self._here
            metres = leg_m(self._setting.world, self._here, there)
            if metres is None:
                return _trouble(where, f"no way leads from {self._here} to {there}")
            self._here = there
            self._now_s += travel_s(metres)
            if objective.verb == "deliver" and self._held.get(objective.target, 0) < objective.count:
                return _trouble(where, f"the player does not have {objective.count} {objective.target}")
            for _ in range(objective.count):
                self._now_s += OBJECTIVES[objective.verb].minutes * 60  # type: ignore[index]
                deed = Deed(objective.verb, objective.target, there)  # type: ignore[arg-type]
                if self.do(Progress((deed,))).reply.get("counted") != 1:
                    return _trouble(where, f"after {self._now_s / 60:.0f} minutes the deed does not count")
            change = objective.count if objective.verb in TAKES else -objective.count * (objective.verb == "deliver")
            self._held[objective.target] = self._held.get(objective.target, 0) + change
            done = self._state is not None and self._state.status == "completed"
            if done != (place == len(self._template.objectives) - 1):
                return _trouble(where, "the mission ends too early" if done else "the mission does not end")
        return None


class _Silent:
    """Missions do not speak."""

    def say(self, brief: Any, dice: Dice) -> str:  # noqa: ARG002 - the port's signature
        """See Wording."""
        return "…"


def _trouble(where: str, said: str) -> Problem:
    return Problem("cannot_complete", where, said)
