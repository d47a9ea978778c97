"""What makes a mission legal, written down once more and plainly, so that the compiler is not its own judge."""

from __future__ import annotations

from ganggpt.domain.fields import is_worded
from ganggpt.domain.mission import rules
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.mission_design.draft import Setting
from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.mission_design.roads import leg_m, travel_s
from ganggpt.domain.mission_design.things import things_of
from ganggpt.domain.world import REWARD_BOUNDS, MissionTemplate
from tests.support.builders import Played


def broken_laws(mission: MissionTemplate, setting: Setting) -> list[str]:  # noqa: C901 - a list of laws
    """Every law that a mission breaks, in words."""
    world, found = setting.world, []
    low, high = REWARD_BOUNDS[mission.difficulty] if 1 <= mission.difficulty <= 10 else (1, 0)
    if not low <= mission.reward <= high:
        found.append(f"difficulty {mission.difficulty} pays {mission.reward}")
    if setting.mission_funds is not None and mission.reward > setting.mission_funds:
        found.append(f"{mission.reward} of mission funds of {setting.mission_funds}")
    if abs(mission.difficulty - setting.wanted) > 2:
        found.append(f"difficulty {mission.difficulty} for {setting.wanted}")
    if not 5 <= mission.minutes <= 240:
        found.append(f"{mission.minutes} minutes")
    if not is_worded(mission.title) or not is_worded(mission.description):
        found.append("a text is not clean")
    if len(mission.title) > 100 or len(mission.description) > 500 or "$" in mission.title + mission.description:
        found.append("a text is too long or speaks of money")
    if not 1 <= len(mission.objectives) <= 6:
        found.append(f"{len(mission.objectives)} objectives")
    carried: dict[str, int] = {}
    for objective in mission.objectives:
        found += _objective(objective, setting)
        if objective.verb in ("collect", "steal_vehicle"):
            carried[objective.target] = carried.get(objective.target, 0) + objective.count
        if objective.verb == "deliver":
            carried[objective.target] = carried.get(objective.target, 0) - objective.count
            if carried[objective.target] < 0:
                found.append(f"{objective.target} is delivered without having been got")
    for faction, step in mission.impact.items():
        if faction not in world.factions or not 0 < abs(step) <= 15:
            found.append(f"impact {faction} {step}")
    if setting.payer is not None and mission.impact.get(setting.payer, 0) <= 0:
        found.append("the payer is not pleased")
    for pair, step in mission.frictions.items():
        one, _, other = pair.partition(">")
        if one == other or not {one, other} <= set(world.factions) or not 0 < abs(step) <= 7:
            found.append(f"friction {pair} {step}")
    return found


def _objective(objective: object, setting: Setting) -> list[str]:  # noqa: C901 - a list of laws
    world, found = setting.world, []
    verb, target, district = objective.verb, objective.target, objective.district  # type: ignore[attr-defined]
    if verb not in OBJECTIVES:
        return [f"verb {verb}"]
    if district not in world.districts:
        found.append(f"district {district}")
    if not 1 <= objective.count <= OBJECTIVES[verb].count_max:  # type: ignore[attr-defined]
        found.append("count")
    kind, _, name = target.rpartition(":")
    if kind == "npc":
        if name not in world.npcs or "npc" not in OBJECTIVES[verb].targets:
            found.append(f"target {target}")
        elif OBJECTIVES[verb].hostile and setting.payer is not None and world.npcs[name].faction == setting.payer:
            found.append(f"{target} is one of our own")
        elif verb != "escort" and world.npcs[name].home != district:
            found.append(f"{target} is not in {district}")
    elif kind == "faction":
        if name not in world.factions or verb != "eliminate" or name == setting.payer:
            found.append(f"target {target}")
    elif kind:
        found.append(f"target {target}")
    elif verb == "reach":
        if target != district:
            found.append(f"reach {target} in {district}")
    elif target not in things_of(world) or things_of(world)[target].kind not in OBJECTIVES[verb].targets:
        found.append(f"thing {target}")
    return found


def played_status(mission: MissionTemplate, setting: Setting) -> str:
    """The status of a mission whose player went straight to every objective and did it, by the rules of the kind."""
    played = Played(rules.KIND, "mission:m1", world=setting.world)
    played.do(rules.Offer(mission.id, f"npc:{setting.giver.id}", "player:ava", mission))
    played.do(rules.Accept())
    here = setting.giver.home
    for objective in mission.objectives:
        there = objective.district or here
        metres = leg_m(setting.world, here, there)
        assert metres is not None
        played.wait(travel_s(metres))
        here = there
        for _ in range(objective.count):
            played.wait(OBJECTIVES[objective.verb].minutes * 60)  # type: ignore[index]
            played.do(rules.Progress((Deed(objective.verb, objective.target, there),)))  # type: ignore[arg-type]
    status: str = played.view()["status"]
    return status
