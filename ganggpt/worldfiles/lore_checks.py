"""Checks of lives, places and creeds: that what they name exists, that prices and days make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ganggpt.domain.lore import OPINION_WORDS, Creed, Life, PlaceLore
from ganggpt.domain.sheets import FieldPath, Ids, Problem, unknown
from ganggpt.domain.world import World

_OF_LORE: Final = {"lives": "npcs", "places": "districts", "creeds": "factions"}
_KINDS: Final = {"npc": "npcs", "faction": "factions", "district": "districts"}


def lore_problems(section: str, record: Any, world: World, ids: Ids) -> Iterator[Problem]:
    """Every mistake of one record of lives, places or creeds, as its own file has it."""
    path: FieldPath = (section, record.id)
    yield from unknown(path, record.id, _OF_LORE[section], ids)
    if isinstance(record, Life):
        yield from _life_problems(record, path, ids)
    elif isinstance(record, PlaceLore):
        yield from _place_problems(record, path, world, ids)
    elif isinstance(record, Creed):
        for other in record.quarrels:
            yield from unknown((*path, "quarrels", other), other, "factions", ids)
            if other == record.id:
                yield (*path, "quarrels", other), "a faction has no quarrel with itself; leave it out"


def _life_problems(life: Life, path: FieldPath, ids: Ids) -> Iterator[Problem]:
    for other in life.ties:
        yield from _others((*path, "ties", other), other, life, ids)
    for subject in life.opinions:
        kind, _, name = subject.partition(":")
        if subject not in OPINION_WORDS:
            yield from unknown((*path, "opinions", subject), name, _KINDS[kind], ids)
        if subject == f"npc:{life.id}":
            yield (*path, "opinions", subject), "nobody has an opinion of themselves; leave it out"
    for district in life.knows:
        yield from unknown((*path, "knows", district), district, "districts", ids)
    for index, ware in enumerate(life.wares):
        if ware.least > ware.price:
            yield (*path, "wares", index, "least"), f"the lowest price is above the price of {ware.price}"
    yield from _day_problems(life, (*path, "day"), ids)


def _others(path: FieldPath, other: str, life: Life, ids: Ids) -> Iterator[Problem]:
    yield from unknown(path, other, "npcs", ids)
    if other == life.id:
        yield path, "nobody is their own company; leave it out"


def _day_problems(life: Life, path: FieldPath, ids: Ids) -> Iterator[Problem]:
    for index, stop in enumerate(life.day):
        yield from unknown((*path, index, "district"), stop.district, "districts", ids)
        for other in stop.company:
            yield from _others((*path, index, "company"), other, life, ids)
        if index and stop.minute <= life.day[index - 1].minute:
            yield (*path, index, "at"), f"not after {life.day[index - 1].at}; write the stops in the order of the day"
        given = [stop.x is not None, stop.y is not None, stop.z is not None]
        if any(given) and not all(given):
            yield (*path, index), "give x, y and z, or none of them"


def _place_problems(place: PlaceLore, path: FieldPath, world: World, ids: Ids) -> Iterator[Problem]:
    for other in place.roads:
        inner: FieldPath = (*path, "roads", other)
        yield from unknown(inner, other, "districts", ids)
        district = world.districts.get(place.id)
        if district is not None and other in world.districts and other not in district.neighbours:
            yield inner, f"{other!r} is no neighbour of {place.id!r}; roads lead to neighbours"
