"""World knowledge: what every NPC knows about the factions, people and districts of the world, in a few words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from ganggpt.domain.language.naming import folded_name
from ganggpt.domain.language.words import words_of
from ganggpt.domain.world import District, FactionSheet, NpcSheet, World, kept_by_world

NAMED_MAX: Final = 4
_FRIENDS_FROM: Final = 25
_WORD: Final = re.compile(r"[^\W\d_]+")
_BLAND: Final = frozenset(
    (
        *(
            "the",
            "of",
            "and",
            "club",
            "crew",
            "gang",
            "family",
            "group",
            "society",
            "cartel",
            "police",
            "city",
            "saint",
        ),
        *(
            "north",
            "south",
            "east",
            "west",
            "street",
            "row",
            "park",
            "hill",
            "hills",
            "beach",
            "pier",
            "harbor",
            "harbour",
        ),
        *("terminal", "lake", "bay", "canyon", "plaza", "court", "quarter", "green", "coast", "marina", "airfield"),
    )
)
"""Words of a name that do not identify it by themselves."""


def said_of(world: World, topic: str, own_faction: str | None, *, by_full_name: bool = False) -> str | None:
    """What everybody knows of the faction, person or district whose name fits a topic best; None where none is named.

    A person of a faction says where theirs stands with the one asked about. ``by_full_name``: a part is not enough.
    """
    asked = frozenset(words_of(topic))
    if asked.isdisjoint(_name_words(world)):
        return None
    sheets: list[FactionSheet | NpcSheet | District] = []
    sheets += world.factions.values()
    sheets += world.npcs.values()
    sheets += world.districts.values()
    named = [(fit, sheet) for sheet in sheets if (fit := _fit(sheet.name, sheet.id, asked, by_full_name)) > 0]
    if not named:
        return None
    _, sheet = max(named, key=lambda found: found[0])
    if isinstance(sheet, FactionSheet):
        return _of_faction(world, sheet, own_faction)
    return _of_person(world, sheet) if isinstance(sheet, NpcSheet) else _of_district(world, sheet)


def known_of(world: World, line: str) -> tuple[str, ...]:
    """What everybody knows of each person, faction and district that a line names, at most NAMED_MAX of them."""
    asked = frozenset(words_of(line))
    sheets: list[FactionSheet | NpcSheet | District] = [*world.factions.values(), *world.npcs.values()]
    fits = ((_fit(sheet.name, sheet.id, asked, False), sheet) for sheet in [*sheets, *world.districts.values()])
    named = sorted((one for one in fits if one[0] > 0), key=lambda one: -one[0])
    return tuple(_sheet_of(world, sheet) for _, sheet in named[:NAMED_MAX])


def _sheet_of(world: World, sheet: FactionSheet | NpcSheet | District) -> str:
    if isinstance(sheet, FactionSheet):
        return _sheet_of_faction(world, sheet)
    return _of_person(world, sheet) if isinstance(sheet, NpcSheet) else _sheet_of_district(world, sheet)


def _sheet_of_faction(world: World, sheet: FactionSheet) -> str:
    known = [(world.factions[other].name, value) for other, value in sheet.relations.items() if other in world.factions]
    friends = [name for name, value in known if value >= _FRIENDS_FROM]
    enemies = [name for name, value in known if value <= -_FRIENDS_FROM]
    home = world.districts.get(sheet.home)
    parts = [f"{sheet.name}, a {sheet.kind}, at home in {home.name if home is not None else sheet.home}"]
    parts += [f"friends: {', '.join(friends)}"] if friends else []
    parts += [f"enemies: {', '.join(enemies)}"] if enemies else []
    return "; ".join(parts)


def _sheet_of_district(world: World, sheet: District) -> str:
    beside = [world.districts[name].name for name in sheet.neighbours if name in world.districts]
    return f"{_of_district(world, sheet)}; {sheet.kind}; beside it: {', '.join(beside) or 'nothing'}"


@kept_by_world(2)
def _name_words(world: World) -> frozenset[str]:
    return telling_words(world)


def telling_words(world: World) -> frozenset[str]:
    """The words in names and ids of the people, factions and districts of a world."""
    sheets: list[FactionSheet | NpcSheet | District] = [*world.factions.values(), *world.npcs.values()]
    sheets += world.districts.values()
    return frozenset(word for sheet in sheets for word in (sheet.id, sheet.name.lower(), *words_of(sheet.name)))


class Vocabulary(NamedTuple):
    """The words of a world: ``names`` of its own, and what its texts write small somewhere (``words``: they are words,
    whoever is called so). Both folded as names are."""

    names: frozenset[str]
    words: frozenset[str]


@kept_by_world(2)
def vocabulary(world: World) -> Vocabulary:
    """The words of a world; kept for the worlds asked for last."""
    names = frozenset(map(folded_name, telling_words(world)))
    words: set[str] = set()
    left: list[object] = [msgspec.to_builtins(world)]
    while left:
        part = left.pop()
        if isinstance(part, str):
            words.update(word for word in _WORD.findall(part) if word == word.lower())
        elif isinstance(part, dict):
            left += part.values()
        elif isinstance(part, list | tuple):
            left += part
    return Vocabulary(names, frozenset(map(folded_name, words)) - names)


def _fit(name: str, id: str, asked: frozenset[str], by_full_name: bool) -> float:  # noqa: A002
    """How well a text matches a name: 2 or more for the whole name, under 1 for an identifying part, 0 for none."""
    words = _words(name)
    common = words & asked
    if words and common == words:
        return 1.0 + len(words)
    if id in asked:
        return 1.5
    if by_full_name or not any(len(word) > 3 and word not in _BLAND for word in common):
        return 0.0
    return len(common) / len(words)


@lru_cache(maxsize=1024)
def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in words_of(name) if word not in ("the", "of", "and"))


def _of_person(world: World, sheet: NpcSheet) -> str:
    home = world.districts.get(sheet.home)
    lives = f" from {home.name}" if home is not None else ""
    side = world.factions.get(sheet.faction) if sheet.faction is not None else None
    return f"{sheet.name}, {sheet.role}{lives}, runs with {side.name if side is not None else 'nobody'}"


def _of_district(world: World, sheet: District) -> str:
    held = next((faction.name for faction in world.factions.values() if sheet.id in faction.territories), None)
    return f"{sheet.name} is {held} ground" if held else f"{sheet.name} belongs to nobody"


def _of_faction(world: World, sheet: FactionSheet, own: str | None) -> str:
    if sheet.id == own:
        return f"{sheet.name} is us"
    home = world.districts.get(sheet.home)
    seat = f"you find {sheet.name} in {home.name}" if home is not None else f"{sheet.name} is around"
    ours = world.factions.get(own) if own is not None else None
    if ours is None:
        return seat
    return f"{seat}; {ours.name} {_relation_words(ours.relations.get(sheet.id, 0))}"


def _relation_words(relation: int) -> str:
    if relation <= -50:
        return "would bury them if it could"
    if relation <= -15:
        return "has bad blood with them"
    if relation < 15:
        return "has no quarrel with them"
    return "gets along with them" if relation < 50 else "stands by them"
