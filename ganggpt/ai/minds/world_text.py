"""The world of a prompt: what everybody in it knows, in words that are the same for all of its people."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.mind.background import TIE_FROM, bosses
from ganggpt.domain.world import FactionSheet, World, kept_by_world

PLACES_MAX: Final = 60
SIDES_MAX: Final = 16
"""The most places and sides that are told; a larger world is told in part."""


@kept_by_world(4)
def world_in_words(world: World) -> dict[str, str]:
    """The fields of the prompt file ``world``, kept for the worlds asked for last."""
    held = {name for side in world.factions.values() for name in side.territories}
    free = [place.name for place in world.districts.values() if place.id not in held][:PLACES_MAX]
    return {
        "title": world.title or world.name,
        "sides": "\n".join(_side(world, side) for side in [*world.factions.values()][:SIDES_MAX]) or "none of note",
        "places": ", ".join(free) or "none",
    }


def _side(world: World, side: FactionSheet) -> str:
    """A faction in one line: who leads it, what it holds, with whom it is friends and enemies."""
    boss = bosses(world).get(side.id)
    lands = [world.districts[name].name for name in side.territories if name in world.districts]
    told = (
        ("led by ", boss or ""),
        ("holds ", ", ".join(lands)),
        ("friends: ", _others(world, side, 1)),
        ("enemies: ", _others(world, side, -1)),
    )
    return f"{side.name}: {'; '.join((side.kind, *(f'{word}{text}' for word, text in told if text)))}."


def _others(world: World, side: FactionSheet, sign: int) -> str:
    found = [other for other, value in side.relations.items() if sign * value >= TIE_FROM and other in world.factions]
    return ", ".join(world.factions[other].name for other in found)
