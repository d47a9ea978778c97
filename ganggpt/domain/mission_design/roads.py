"""How far it is from district to district, by the ways the world file names, and how long that takes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ganggpt.domain.world import District, World

DETOUR: Final = 1.3
"""A street is so much longer than the line between the middles of two districts."""
METRES_PER_S: Final = 14.0
"""How fast players get through town, about 50 km/h."""


def distances_m(world: World, start: str) -> Mapping[str, float]:
    """Metres from the middle of a district to that of every district that can be reached from it; empty where there is
    no such district."""
    return _distances(tuple(world.districts.values()), start)


@lru_cache(maxsize=1024)
def _distances(districts: tuple[District, ...], start: str) -> dict[str, float]:
    """Dijkstra's algorithm over neighbours."""
    by_id = {district.id: district for district in districts}
    if start not in by_id:
        return {}
    known: dict[str, float] = {}
    edge = [(0.0, start)]
    while edge:
        so_far, here = heapq.heappop(edge)
        if here in known:
            continue
        known[here] = so_far
        for other in by_id[here].neighbours:
            if other in by_id and other not in known:
                heapq.heappush(edge, (so_far + _apart_m(by_id[here], by_id[other]), other))
    return known


def _apart_m(one: District, other: District) -> float:
    return DETOUR * math.dist((one.x, one.y), (other.x, other.y))


def leg_m(world: World, start: str, end: str) -> float | None:
    """Metres of one leg: within a district its radius; None where no way leads there."""
    if start == end:
        district = world.districts.get(start)
        return None if district is None else district.radius_m
    return distances_m(world, start).get(end)


def travel_s(metres: float) -> float:
    """Seconds for a way of so many metres."""
    return metres / METRES_PER_S
