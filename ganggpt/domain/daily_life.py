"""Daily life in closed form: where everybody is at any time, computed and never stored or ticked.

A person's day stands in their life (``lore.Stop``); who has none is at home. Chance moves every stop a little and
breaks a habit now and then, by seed and date, so that the same world gives the same answer on every machine and a day
differs from the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from zlib import crc32

from msgspec import Struct

from ganggpt.domain.lore import Posture, Stop
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import NpcSheet, World, kept_by_world

DAY_MIN: Final = 1_440
"""Minutes of a day, of the game's clock."""
SHIFT_MIN: Final = 20
"""How much earlier or later than usual somebody arrives, at most."""
HABIT_BROKEN: Final = 0.08
"""Share of stops that are spent elsewhere: on a walk in the district of the stop before."""
_KEPT: Final = 4096
_SPREAD: Final = 0.55
"""How far from the middle of a district bodies stand, as a share of its radius."""


class Whereabouts(Struct, frozen=True, gc=False):
    """Where a person is: the district and what stands in the stop of their day. ``until``: the minute of the day at
    which they leave; ``company``: who is meant to be there too; ``x, y, z`` in game metres, ``heading`` in degrees."""

    npc: str
    district: str
    spot: str
    doing: str
    posture: Posture
    until: int
    company: tuple[str, ...]
    x: float
    y: float
    z: float
    heading: float


def clock_at(world: World, at_s: float) -> tuple[int, int]:
    """The day and the minute of it that the game's clock shows, by the world's own measure: ``day_minutes`` real
    minutes a day, midnight at the beginning of Unix time."""
    days = at_s / (60.0 * world.day_minutes)
    return int(days // 1), int(days % 1 * DAY_MIN)


def whereabouts(world: World, npc: str, at_s: float, minute: int | None = None) -> Whereabouts | None:
    """Where one of the world's people is at a time (Unix seconds); ``minute``: what the game's own clock shows, where
    it is known. None for people the world does not know."""
    sheet = world.npcs.get(npc)
    if sheet is None:
        return None
    day, by_clock = clock_at(world, at_s)
    return where_is(world, sheet, day, by_clock if minute is None else minute)


def where_is(world: World, sheet: NpcSheet, day: int, minute: int) -> Whereabouts:
    """Where a person is, by a sheet that the world's files need not have, on a day and minute of the game's clock."""
    stops = day_of(world, sheet)
    if not stops:
        stops = (Stop(at="00:00", district=sheet.home, spot="home", doing="staying in"),)
    starts = _days(world)(sheet.id, day, stops)
    index = max((index for index, start in enumerate(starts) if start <= minute), default=len(stops) - 1)
    stop, until = stops[index], starts[(index + 1) % len(stops)]
    district = stop.district if stop.district in world.districts else sheet.home
    spot, doing, posture, company = stop.spot, stop.doing, stop.posture, stop.company
    is_elsewhere = (
        len(stops) > 1 and stop.posture != "sleep" and _chance(world, f"{sheet.id} {day} {index}") < HABIT_BROKEN
    )
    if is_elsewhere:
        before = stops[index - 1].district
        district = before if before in world.districts else district
        spot, doing, posture, company = "a street corner", "taking a walk", "walk", ()
    x, y, z, heading = _bodies(world)(sheet.id, spot, district)
    if stop.x is not None and stop.y is not None and stop.z is not None and not is_elsewhere:
        x, y, z = stop.x, stop.y, stop.z
    if stop.heading is not None and not is_elsewhere:
        heading = stop.heading
    return Whereabouts(sheet.id, district, spot, doing, posture, until, company, x, y, z, heading)


def people_in(world: World, district: str, at_s: float, minute: int | None = None) -> list[Whereabouts]:
    """The world's people who are in a district at a time, by id. As ``whereabouts`` for each of them."""
    day, by_clock = clock_at(world, at_s)
    return list(_people(world, day, by_clock if minute is None else minute).get(district, ()))


def together_with(world: World, npc: str, at_s: float) -> list[str]:
    """The ids of the world's people who are where one of them is now, in the same district."""
    own = whereabouts(world, npc, at_s)
    return [] if own is None else [one.npc for one in people_in(world, own.district, at_s) if one.npc != npc]


def day_of(world: World, sheet: NpcSheet) -> tuple[Stop, ...]:
    """The stops of a person's usual day; none for who has no day and is at home."""
    life = world.lives.get(sheet.id)
    return life.day if life is not None else ()


def _people(world: World, day: int, minute: int) -> Mapping[str, tuple[Whereabouts, ...]]:
    """Everybody by district; kept for the minute that was asked for last, because a crowd asks at once."""
    return _everybody(world).at(world, day, minute)


class _Everybody:
    """Where everybody of a world is, at the minute that was asked for last."""

    def __init__(self) -> None:
        self._asked: tuple[int, int] | None = None
        self._found: dict[str, tuple[Whereabouts, ...]] = {}

    def at(self, world: World, day: int, minute: int) -> Mapping[str, tuple[Whereabouts, ...]]:
        """By district, in order of ids."""
        if self._asked != (day, minute):
            by_district: dict[str, list[Whereabouts]] = {}
            for npc in sorted(world.npcs):
                one = where_is(world, world.npcs[npc], day, minute)
                by_district.setdefault(one.district, []).append(one)
            self._found = {district: tuple(found) for district, found in by_district.items()}
            self._asked = (day, minute)
        return self._found


@kept_by_world(4)
def _everybody(_: World) -> _Everybody:
    return _Everybody()


@kept_by_world(4)
def _days(world: World) -> Callable[[str, int, tuple[Stop, ...]], list[int]]:
    """Computes the minutes at which the stops of somebody begin on a day; kept for those who were asked for last."""

    @lru_cache(maxsize=_KEPT)
    def starts(npc: str, day: int, stops: tuple[int, ...]) -> list[int]:
        edges = [-1, *stops, DAY_MIN]
        found = []
        for index, minute in enumerate(stops):
            # Each is a little earlier or later than usual, and never so much that it passes its neighbour.
            gap = min(minute - edges[index], edges[index + 2] - minute) - 1
            reach = min(SHIFT_MIN, gap // 2)
            found.append(minute + round((_chance(world, f"{npc} {day} at {index}") * 2 - 1) * reach))
        return found

    return lambda npc, day, stops: starts(npc, day, tuple(stop.minute for stop in stops))


@kept_by_world(4)
def _bodies(world: World) -> Callable[[str, str, str], tuple[float, float, float, float]]:
    """Computes where a body stands in a district, and where it looks: the same for the same person at the same spot."""

    @lru_cache(maxsize=_KEPT)
    def body(npc: str, spot: str, where: str) -> tuple[float, float, float, float]:
        district = world.districts.get(where)
        if district is None:
            return 0.0, 0.0, 0.0, 0.0
        what = f"{npc} {spot} {where}"
        angle = _chance(world, f"{what} angle") * math.tau
        reach = math.sqrt(_chance(world, f"{what} reach")) * district.radius_m * _SPREAD
        heading = round(_chance(world, f"{what} heading") * 360.0, 1)
        x, y = district.x + reach * math.cos(angle), district.y + reach * math.sin(angle)
        return round(x, 1), round(y, 1), district.z, heading

    return body


def _chance(world: World, what: str) -> float:
    """A number in [0, 1) that is the same for the same thing in the same world."""
    return Dice(crc32(f"{world.seed} {what}".encode())).unit()
