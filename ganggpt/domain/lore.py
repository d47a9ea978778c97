"""Lore: what the people of a world know and tell beside the sheets. The lives of people, the districts, the factions.

It is data of the world files, shared by everybody who lives there and never part of an actor's own state. Texts of a
life are spoken as they stand, in the words of that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from ganggpt.domain.scene import minute_of

Posture = Literal["stand", "sit", "lean", "walk", "work", "guard", "drink", "smoke", "phone", "drive", "sleep"]
"""How a body is to be shown."""
OwnAct = Literal[
    "greet",
    "bye",
    "how_are_you",
    "insulted",
    "flirted",
    "robbed",
    "afraid",
    "defiant",
    "thanked",
    "nonsense",
    "repeated",
    "silent",
    "confided",
    "ordered",
    "joke",
    "bored",
    "unsure",
    "listening",
    "console",
    "rejoice",
    "complained",
    "boasted",
    "planned",
    "praised",
    "forgiven",
    "help",
    "newcomer",
    "why",
    "really",
    "agreed",
    "declined",
    "asked_back",
    "police",
    "hurt",
]
"""What a person may have lines of their own for."""
OpinionWord = Literal["police", "town", "money", "crew", "politics", "love", "cars", "food", "guns", "drugs"]
"""What one may have an opinion of beside people, factions and districts."""
OPINION_WORDS: Final[tuple[OpinionWord, ...]] = get_args(OpinionWord)


class Ware(Struct, frozen=True, kw_only=True):
    """Something a person sells, goods or a service. Dollars; ``least``: the lowest they go down to; ``names``: what it
    is called in other languages, by their codes."""

    name: str
    price: int
    least: int
    names: Mapping[str, str] = {}


class Secret(Struct, frozen=True, kw_only=True):
    """What a person tells from a standing of ``standing`` (0..100) on; ``hint``: what they say to others."""

    text: str
    standing: int
    hint: str


class Stop(Struct, frozen=True, kw_only=True):
    """Where a person is from ``at`` (a time of the game's day, ``06:30``) until the next stop. ``spot`` follows "at",
    ``doing`` follows "is". ``company``: who is there too. ``x, y, z, heading``: where exactly the body stands, in game
    metres and degrees; somewhere in the district where they are not given."""

    at: str
    district: str
    spot: str
    doing: str
    posture: Posture = "stand"
    company: tuple[str, ...] = ()
    x: float | None = None
    y: float | None = None
    z: float | None = None
    heading: float | None = None

    @property
    def minute(self) -> int:
        """``at`` in minutes since midnight."""
        return minute_of(self.at)


class Life(Struct, frozen=True, kw_only=True):
    """What a person tells of their life, spoken as it stands. ``id``: the NPC. ``past``: how they came to be what they
    are; ``wish``: what they are after. ``ties``: what others are to them, by
    NPC. ``opinions``: by ``npc:<id>``, ``faction:<id>``, ``district:<id>`` or one of OPINION_WORDS. ``knows``: by
    district. ``lines``: their own words by act."""

    id: str
    past: str = ""
    wish: str = ""
    family: str = ""
    stories: tuple[str, ...] = ()
    ties: Mapping[str, str] = {}
    opinions: Mapping[str, str] = {}
    wares: tuple[Ware, ...] = ()
    knows: Mapping[str, str] = {}
    secrets: tuple[Secret, ...] = ()
    day: tuple[Stop, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = {}


class PlaceLore(Struct, frozen=True, kw_only=True):
    """What everybody knows of a district. ``id``: the district. ``roads``: by neighbour, the street that leads there;
    one of the two need to say it."""

    id: str
    about: str = ""
    landmarks: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()
    hours: str = ""
    sold: tuple[str, ...] = ()
    roads: Mapping[str, str] = {}


class Creed(Struct, frozen=True, kw_only=True):
    """What everybody knows of a faction. ``id``: the faction. ``quarrels``: by faction, why they quarrel."""

    id: str
    creed: str = ""
    colours: str = ""
    rules: tuple[str, ...] = ()
    quarrels: Mapping[str, str] = {}
    joining: str = ""
    business: str = ""


def added_to(life: Life, more: Life) -> Life:
    """A life with what a world pack adds to it: lists and maps grow, single texts are filled where they were empty.
    Stops of a day come in its order; of two at one time the first one stays."""
    stops = {stop.minute: stop for stop in (*more.day, *life.day)}
    return Life(**{**_added(life, more), "day": tuple(stops[minute] for minute in sorted(stops))})


def place_added_to(place: PlaceLore, more: PlaceLore) -> PlaceLore:
    """A place with what a world pack adds to it."""
    return PlaceLore(**_added(place, more))


def creed_added_to(creed: Creed, more: Creed) -> Creed:
    """A creed with what a world pack adds to it."""
    return Creed(**_added(creed, more))


def _added(one: Struct, more: Struct) -> dict[str, Any]:
    both: dict[str, Any] = {}
    for name in one.__struct_fields__:
        first, second = getattr(one, name), getattr(more, name)
        if isinstance(first, tuple):
            both[name] = (*first, *(item for item in second if item not in first))
        elif isinstance(first, Mapping):
            both[name] = {**first, **{key: value for key, value in second.items() if key not in first}}
        else:
            both[name] = first or second
    return both
