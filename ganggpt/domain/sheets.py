"""What a sheet may say: the words it may use, and what has to fit the rest of the world.

World files and commands (``Spawn``, ``Found``, ``Revise``) are checked by the same functions, so both accept the same
sheets and refuse the others with the same sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, cast

from msgspec import Struct
from typing_extensions import TypedDict

from ganggpt.domain.fields import Percent
from ganggpt.domain.language.look_alikes import as_seen
from ganggpt.domain.world import FactionSheet, NpcSheet, World, kept_by_world
from ganggpt.errors import InvalidInput

DistrictKind = Literal[
    "downtown",
    "civic",
    "commercial",
    "nightlife",
    "residential",
    "estate",
    "industrial",
    "docks",
    "airport",
    "beach",
    "hills",
    "coast",
    "town",
    "farmland",
    "wilderness",
    "military",
    "prison",
]
FactionKind = Literal[
    "gang", "mafia", "cartel", "bikers", "police", "corporation", "syndicate", "union", "racers", "clan"
]
Style = Literal["street", "polite", "gruff", "nervous", "flirty", "official", "oldtimer", "cheerful"]
"""How a person talks."""

STRICT: Final[Mapping[str, Any]] = {"extra": "forbid", "strict": True}
"""How the border reads a map with fixed keys: nothing is converted, nothing unknown is accepted."""


class NpcTraits(TypedDict):
    """Temperament, 0..100 each."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    friendliness: Percent
    temper: Percent
    greed: Percent
    courage: Percent


class FactionTraits(TypedDict):
    """How a faction tends to decide, 0..100 each."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    aggression: Percent
    greed: Percent
    loyalty: Percent
    cunning: Percent


class SomeNpcTraits(TypedDict, total=False):
    """Temperament, 0..100 each; what is not given stays."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    friendliness: Percent
    temper: Percent
    greed: Percent
    courage: Percent


class SomeFactionTraits(TypedDict, total=False):
    """How a faction tends to decide, 0..100 each; what is not given stays."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    aggression: Percent
    greed: Percent
    loyalty: Percent
    cunning: Percent


def as_numbers(traits: Mapping[str, object]) -> dict[str, int]:
    """Traits as a sheet holds them."""
    return cast("dict[str, int]", dict(traits))


FieldPath = tuple[str | int, ...]
Problem = tuple[FieldPath, str]
"""The field of a sheet, and what is wrong with it."""

Ids = Mapping[str, Collection[str] | None]
"""By section of a world the ids in it; None where the section could not be read, so that nothing is missed there."""

_ONE: Final = {"districts": "district", "factions": "faction", "npcs": "npc", "missions": "mission", "things": "thing"}
_NAMED_MAX: Final = 5


class Referable(Struct, frozen=True, gc=False):
    """What a sheet may refer to. ``people``: ids and names, by how the name looks to the eye."""

    ids: Ids
    people: Mapping[str, Sequence[tuple[str, str]]]


@kept_by_world(2)
def known_in(world: World) -> Referable:
    """What the sheets of a world may refer to; kept for the worlds asked for last."""
    ids = {"districts": world.districts, "factions": world.factions, "npcs": world.npcs, "missions": world.missions}
    return Referable({**ids, "things": world.things}, people_by_look(world.npcs))


def people_by_look(npcs: Mapping[str, NpcSheet]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The ids and names of people, by how the name looks to the eye."""
    people: dict[str, list[tuple[str, str]]] = {}
    for npc in npcs.values():
        people.setdefault(as_seen(npc.name), []).append((npc.id, npc.name))
    return people


def unknown(path: FieldPath, word: str, section: str, ids: Ids) -> Iterator[Problem]:
    """A problem where no record of that section has this id."""
    known = ids[section]
    if known is None or word in known:
        return
    near = get_close_matches(word, known, 1)
    if near:
        hint = f"; did you mean {near[0]!r}?"
    else:
        some = sorted(known)
        more = f" and {len(some) - _NAMED_MAX} more" if len(some) > _NAMED_MAX else ""
        hint = f"; there are {', '.join(some[:_NAMED_MAX])}{more}" if some else f"; there are no {section}"
    yield path, f"there is no {_ONE[section]} {word!r}{hint}"


def unknown_or_twice(path: FieldPath, words: Sequence[str], section: str, ids: Ids) -> Iterator[Problem]:
    """The problems of a list of ids."""
    for index, word in enumerate(words):
        yield from unknown((*path, index), word, section, ids)
        if word in words[:index]:
            yield (*path, index), f"{word!r} stands twice; leave one of them out"


def person_problems(sheet: NpcSheet, known: Referable) -> Iterator[Problem]:
    """What does not fit the world in the sheet of a person."""
    for other, name in known.people.get(as_seen(sheet.name), ()):
        if other != sheet.id:
            too = f"npc:{other} is called {name!r}" + (" too" if name == sheet.name else ", which looks the same")
            yield ("name",), f"{too}; give everybody a name of their own"
            break
    yield from unknown(("home",), sheet.home, "districts", known.ids)
    if sheet.faction is not None:
        yield from unknown(("faction",), sheet.faction, "factions", known.ids)
    yield from unknown_or_twice(("missions",), sheet.missions, "missions", known.ids)


def faction_problems(sheet: FactionSheet, known: Referable) -> Iterator[Problem]:
    """What does not fit the world in the sheet of a faction."""
    yield from unknown(("home",), sheet.home, "districts", known.ids)
    yield from unknown_or_twice(("territories",), sheet.territories, "districts", known.ids)
    for other in sheet.relations:
        if other == sheet.id:
            yield ("relations", other), "a faction has no relation to itself; leave it out"
        else:
            yield from unknown(("relations", other), other, "factions", known.ids)


def refuse_first(problems: Iterator[Problem]) -> None:
    """Refuse a command whose sheet has a problem. Raises InvalidInput."""
    for path, problem in problems:
        raise InvalidInput(".".join(map(str, path)), problem)
