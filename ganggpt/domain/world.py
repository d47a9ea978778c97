"""The gazetteer: what is true of a world before anybody plays, the same on every host.

Loaded once from the database and never changed while a world runs; everything that changes lives in actors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Struct

from ganggpt.domain.lore import Creed, Life, PlaceLore
from ganggpt.errors import WorldInvalid

DeedVerb = Literal[
    "deliver",
    "collect",
    "talk_to",
    "threaten",
    "defend",
    "steal_vehicle",
    "race",
    "sabotage",
    "escort",
    "eliminate",
    "pay",
    "scout",
    "photograph",
    "hack",
    "reach",
]
"""What a player can be reported to have done, and so what a mission can ask for."""

DEED_VERBS: Final[tuple[DeedVerb, ...]] = get_args(DeedVerb)

REWARD_BOUNDS: Final[Mapping[int, tuple[int, int]]] = {
    1: (100, 1_500),
    2: (250, 3_000),
    3: (500, 6_000),
    4: (1_000, 10_000),
    5: (2_000, 16_000),
    6: (3_500, 25_000),
    7: (6_000, 40_000),
    8: (9_000, 60_000),
    9: (14_000, 90_000),
    10: (20_000, 150_000),
}
"""The least and the most dollars a mission of each difficulty may pay, so that no template breaks the economy."""


class District(Struct, frozen=True, kw_only=True):
    """A named area. ``x, y, z``: its middle in game metres; ``radius_m`` its reach; ``neighbours`` are symmetric."""

    id: str
    name: str
    kind: str
    x: float
    y: float
    z: float
    radius_m: float
    neighbours: tuple[str, ...]


class FactionSheet(Struct, frozen=True, kw_only=True):
    """A faction as it starts. Traits 0..100, relations −100..100 by faction id, treasury in dollars."""

    id: str
    name: str
    kind: str
    motto: str
    home: str
    territories: tuple[str, ...]
    influence: int
    treasury: int
    traits: Mapping[str, int]
    relations: Mapping[str, int]


class NpcSheet(Struct, frozen=True, kw_only=True):
    """A named person as they start. Traits (friendliness, temper, greed, courage) 0..100; ``style`` is a voice;
    ``room``: how many memories they hold at hand, before the weakest go to the archive. ``aims``: what they are
    after."""

    id: str
    name: str
    role: str
    home: str
    faction: str | None
    traits: Mapping[str, int]
    style: str
    backstory: str
    likes: tuple[str, ...] = ()
    missions: tuple[str, ...] = ()
    room: int = 64
    aims: tuple[str, ...] = ()


class ObjectiveSheet(Struct, frozen=True, kw_only=True):
    """One thing to do: ``verb`` is a DeedVerb, ``target`` what it is done to (``npc:<id>``, ``faction:<id>`` or the
    slug of a thing or place), ``count`` how often, ``district`` where. ``within_minutes``: it only counts so soon after
    the mission was taken; too late fails the mission."""

    verb: str
    target: str
    count: int = 1
    district: str | None = None
    within_minutes: int | None = None


class MissionTemplate(Struct, frozen=True, kw_only=True):
    """A mission an NPC can offer. Impact: change of the *player's* standing with a faction by faction id (−20..20);
    ``frictions``: change of relation between two factions, keys ``a>b`` (−20..20). ``in_order``: an objective counts
    only once all before it are done."""

    id: str
    title: str
    description: str
    difficulty: int
    minutes: int
    reward: int
    objectives: tuple[ObjectiveSheet, ...]
    impact: Mapping[str, int] = {}
    frictions: Mapping[str, int] = {}
    in_order: bool = False


ThingKind = Literal["item", "vehicle", "device", "spot", "crew", "course"]
"""What a thing is: something to carry, to drive, to break or get into, to stand at, people without a name, a way to
race."""


class ThingSheet(Struct, frozen=True, kw_only=True):
    """Something a mission can be about and a game server can report. ``found``: districts, or kinds of districts, where
    it is; empty: anywhere. ``worth``: dollars, for one."""

    id: str
    name: str
    kind: ThingKind
    worth: int = 0
    found: tuple[str, ...] = ()


DAY_MINUTES: Final = 48
"""Real minutes of a day of the game, where a world says nothing else: the game's own clock."""


class World(Struct, frozen=True, kw_only=True):
    """A whole world sheet, by id. ``seed`` feeds every die of the world. ``lives``, ``places`` and ``creeds``: what its
    people know and tell, by NPC, district and faction. ``day_minutes``: real minutes of a day of the game."""

    name: str
    title: str
    seed: int
    districts: Mapping[str, District] = {}
    factions: Mapping[str, FactionSheet] = {}
    npcs: Mapping[str, NpcSheet] = {}
    missions: Mapping[str, MissionTemplate] = {}
    things: Mapping[str, ThingSheet] = {}
    lives: Mapping[str, Life] = {}
    places: Mapping[str, PlaceLore] = {}
    creeds: Mapping[str, Creed] = {}
    day_minutes: int = DAY_MINUTES


T = TypeVar("T")


class _Itself:
    """A world as a key: worlds hold dictionaries, so one is only ever itself."""

    __slots__ = ("world",)

    def __init__(self, world: World) -> None:
        self.world = world

    def __hash__(self) -> int:
        return id(self.world)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.world is self.world


def kept_by_world(worlds: int) -> Callable[[Callable[[World], T]], Callable[[World], T]]:
    """Keep what a function makes of a world, for so many worlds that were asked for last."""

    def keeping(make: Callable[[World], T]) -> Callable[[World], T]:
        kept = lru_cache(worlds)(lambda itself: make(itself.world))
        last: list[tuple[World, T]] = []

        @wraps(make)
        def of_world(world: World) -> T:
            # Nearly always it is the world that was asked for last: a host has one.
            if last and last[0][0] is world:
                return last[0][1]
            made = kept(_Itself(world))
            last[:] = [(world, made)]
            return made

        return of_world

    return keeping


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(World)


def encode_world(world: World) -> bytes:
    """The world as it is stored: msgpack maps by field name, so that fields with defaults can be added later."""
    return _encoder.encode(world)


def decode_world(stored: bytes) -> World:
    """The reverse of ``encode_world``. Raises WorldInvalid where the bytes are no world."""
    try:
        return _decoder.decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorldInvalid("(stored world)", 0, "(msgpack)", str(error)) from None
