"""Missions in words: names of targets, and a description made of the objectives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ganggpt.domain.language.words import clipped
from ganggpt.domain.mission_design.things import things_of
from ganggpt.domain.world import ObjectiveSheet, World

TITLE_MAX: Final = 100
DESCRIPTION_MAX: Final = 500
_MONEY: Final = re.compile(
    r"[$€£¥¢₽₴₿＄﹩]|\d[\d.,']*\s*(?:k\b|grand\b|dollars?\b|bucks?\b|euros?\b|million\b|thousand\b|usd\b)",
    re.IGNORECASE,
)
_LINK: Final = re.compile(r"https?:|www\.|discord\.gg|[a-z0-9-]+\.(?:com|net|org|gg|io|ru|xyz)\b", re.IGNORECASE)
_UNSHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+")
_PHRASES: Final = {
    "deliver": "bring {target} to {place}",
    "collect": "pick up {target} in {place}",
    "talk_to": "talk to {target} in {place}",
    "threaten": "make {target} in {place} afraid",
    "defend": "hold {target} in {place}",
    "steal_vehicle": "take {target} that stands in {place}",
    "race": "win {target} in {place}",
    "sabotage": "wreck {target} in {place}",
    "escort": "bring {target} safely to {place}",
    "eliminate": "take out {target} in {place}",
    "pay": "pay {target} in {place}",
    "scout": "have a quiet look at {target} in {place}",
    "photograph": "take a picture of {target} in {place}",
    "hack": "get into {target} in {place}",
    "reach": "get to {target}",
}


def named(world: World, target: str) -> str:
    """The name of a target in the world; ``something`` where the world does not know it."""
    kind, _, name = target.rpartition(":")
    if kind == "npc":
        return world.npcs[name].name if name in world.npcs else "somebody"
    if kind == "faction":
        return f"people of {world.factions[name].name}" if name in world.factions else "somebody"
    if target in world.districts:
        return world.districts[target].name
    thing = things_of(world).get(target)
    return "something" if thing is None else thing.name


def objectives_text(world: World, objectives: Iterable[ObjectiveSheet]) -> str:
    """The objectives as a description: one sentence, in their order. A thing is named once."""
    parts: list[str] = []
    last = ""
    for objective in objectives:
        place = world.districts.get(objective.district or "")
        is_again = objective.target == last and objective.target in things_of(world)
        phrase = _PHRASES[objective.verb].format(
            target="it" if is_again else named(world, objective.target), place="town" if place is None else place.name
        )
        last = objective.target
        parts.append(phrase + (f" ({objective.count} times)" if objective.count > 1 else ""))
    text = ", then ".join(parts) + "."
    return clipped(text[:1].upper() + text[1:], DESCRIPTION_MAX)


def cleaned(text: str, length_max: int) -> str:
    """A text for a screen: one line, only printable characters, cut at the end of a word."""
    return clipped(" ".join(_UNSHOWN.sub(" ", text).split()), length_max)


def promises(text: str) -> bool:
    """Whether a text names sums of money or has a link: only the rules may promise either."""
    return _MONEY.search(text) is not None or _LINK.search(text) is not None
