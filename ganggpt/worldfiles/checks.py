"""Checks between the records of a world: that ids exist, that the map is connected, that rewards fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.mission_design.things import COMMON
from ganggpt.domain.sheets import (
    FieldPath,
    Ids,
    Problem,
    Referable,
    faction_problems,
    people_by_look,
    person_problems,
    unknown,
    unknown_or_twice,
)
from ganggpt.domain.world import REWARD_BOUNDS, MissionTemplate, World

_PERSON_VERBS: Final = frozenset(("talk_to", "threaten", "eliminate", "escort"))


def problems_of(world: World, ids: Ids) -> Iterator[Problem]:
    """Every mistake between the records of a world. A record that ``world`` lacks but ``ids`` names is not missed."""
    yield from _map_problems(world, ids)
    yield from _faction_problems(world, ids)
    yield from _npc_problems(world, ids)
    for mission in world.missions.values():
        yield from _mission_problems(mission, ids)
        if world.things:
            yield from _thing_problems(mission, world, ids)
    yield from _found_problems(world)


def _map_problems(world: World, ids: Ids) -> Iterator[Problem]:
    for district in world.districts.values():
        path: FieldPath = ("districts", district.id, "neighbours")
        yield from unknown_or_twice(path, district.neighbours, "districts", ids)
        for index, other in enumerate(district.neighbours):
            if other == district.id:
                yield (*path, index), "a district is not its own neighbour"
            elif other in world.districts and district.id not in world.districts[other].neighbours:
                yield (*path, index), f"{other!r} does not name {district.id!r} as its neighbour"
    if ids["districts"] is not None and len(world.districts) == len(ids["districts"]):
        yield from _islands(world)


def _islands(world: World) -> Iterator[Problem]:
    """Districts that cannot be reached from the first one, one problem for each island. A way that only one side names
    counts here, because that is a problem of its own."""
    near: dict[str, set[str]] = {id_: set() for id_ in world.districts}
    for district in world.districts.values():
        for other in near.keys() & set(district.neighbours):
            near[district.id].add(other)
            near[other].add(district.id)
    first = next(iter(near), None)
    seen: set[str] = set()
    for start in near:
        if start not in seen:
            seen |= _reach(near, start)
            if start != first:
                yield ("districts", start), f"no way leads here from {first!r}"


def _reach(near: Mapping[str, set[str]], start: str) -> set[str]:
    reached, edge = {start}, [start]
    while edge:
        fresh = near[edge.pop()] - reached
        reached |= fresh
        edge.extend(fresh)
    return reached


def _faction_problems(world: World, ids: Ids) -> Iterator[Problem]:
    holder: dict[str, str] = {}
    known = Referable(ids, {})
    for faction in world.factions.values():
        path: FieldPath = ("factions", faction.id)
        for inner, problem in faction_problems(faction, known):
            yield (*path, *inner), problem
        for index, district in enumerate(faction.territories):
            if holder.setdefault(district, faction.id) != faction.id:
                yield (*path, "territories", index), f"{district!r} is already held by {holder[district]!r}"


def _npc_problems(world: World, ids: Ids) -> Iterator[Problem]:
    known = Referable(ids, people_by_look(world.npcs))
    for npc in world.npcs.values():
        for path, problem in person_problems(npc, known):
            yield ("npcs", npc.id, *path), problem


def _mission_problems(mission: MissionTemplate, ids: Ids) -> Iterator[Problem]:
    path: FieldPath = ("missions", mission.id)
    low, high = REWARD_BOUNDS[mission.difficulty]
    if not low <= mission.reward <= high:
        yield (*path, "reward"), f"difficulty {mission.difficulty} pays {low} to {high}, not {mission.reward}"
    for index, objective in enumerate(mission.objectives):
        place: FieldPath = (*path, "objectives", index)
        yield from _target_problems((*place, "target"), objective.verb, objective.target, ids)
        if objective.district is not None:
            yield from unknown((*place, "district"), objective.district, "districts", ids)
    for faction in mission.impact:
        yield from unknown((*path, "impact", faction), faction, "factions", ids)
    for pair in mission.frictions:
        one, _, other = pair.partition(">")
        for faction in (one, other):
            yield from unknown((*path, "frictions", pair), faction, "factions", ids)
        if one == other:
            yield (*path, "frictions", pair), "a faction has no relation to itself"


def _target_problems(path: FieldPath, verb: str, target: str, ids: Ids) -> Iterator[Problem]:
    kind, _, name = target.rpartition(":")
    if kind in ("npc", "faction"):
        yield from unknown(path, name, f"{kind}s", ids)
    elif kind:
        yield path, f"a {kind} cannot be the target of a template"
    elif verb in _PERSON_VERBS and target in (ids["npcs"] or ()):
        yield path, f"a person is written 'npc:{target}'"


def _thing_problems(mission: MissionTemplate, world: World, ids: Ids) -> Iterator[Problem]:
    """In a world with things of its own, a mission is about known ones, and does to them what can be done to them."""
    for index, objective in enumerate(mission.objectives):
        path: FieldPath = ("missions", mission.id, "objectives", index, "target")
        type_ = OBJECTIVES[objective.verb]  # type: ignore[index]
        if ":" in objective.target or (objective.target in world.districts and "district" in type_.targets):
            continue
        thing = world.things.get(objective.target) or COMMON.get(objective.target)
        if thing is None:
            yield from unknown(path, objective.target, "things", ids)
        elif thing.kind not in type_.targets:
            wanted = " or ".join(type_.targets)
            yield path, f"{objective.verb} is done to {wanted}, and {objective.target!r} is {_with_article(thing.kind)}"


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _found_problems(world: World) -> Iterator[Problem]:
    kinds = {district.kind for district in world.districts.values()}
    for thing in world.things.values():
        for index, place in enumerate(thing.found):
            if place not in world.districts and place not in kinds:
                yield ("things", thing.id, "found", index), f"there is no district, and none of a kind, {place!r}"
