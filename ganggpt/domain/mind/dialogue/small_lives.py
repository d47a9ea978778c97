"""Small lives for people whom no world file knows: a past, a family, a story, opinions, wares by their trade.

A life follows from the seed of the world, the id, the role and the district, so it is the same on every machine and
each time; nothing of it is stored with the person. Lines of ``small_lives.txt`` are shared by everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple
from zlib import crc32

from ganggpt.domain.language.words import words_of
from ganggpt.domain.lore import OPINION_WORDS, Life, Secret, Ware
from ganggpt.domain.world import World, kept_by_world

STORIES: Final = 2
_LIVES_KEPT: Final = 512
_TRADE: Final = re.compile(r"\[role ([^\]]+)\] (.+)")
_LINES: Final = ("greet", "bored", "joke", "robbed", "nonsense")
_SECRET_FROM: Final = 40
"""Standing from which somebody of the crowd tells their secret."""


class _Texts(NamedTuple):
    groups: Mapping[str, tuple[str, ...]]
    wares: tuple[tuple[frozenset[str], tuple[Ware, ...]], ...]


@lru_cache(maxsize=1)
def _texts() -> _Texts:
    groups: dict[str, tuple[str, ...]] = {}
    wares: list[tuple[frozenset[str], tuple[Ware, ...]]] = []
    for row in files(__package__).joinpath("small_lives.txt").read_text(encoding="utf-8").splitlines():
        if not row or row.startswith("#"):
            continue
        trade = _TRADE.match(row)
        if trade is not None:
            wares.append((frozenset(trade[1].replace("-", " ").split()), tuple(map(_ware, trade[2].split(" | ")))))
            continue
        group, _, texts = row.partition(": ")
        groups[group] = (*groups.get(group, ()), *texts.split(" | "))
    return _Texts(groups, tuple(wares))


def _ware(text: str) -> Ware:
    name, price, least = text.rsplit(" ", 2)
    return Ware(name=name, price=int(price), least=int(least))


def life_of(world: World, id_: str, role: str, home: str) -> Life:
    """The small life of a person whom no world file knows; kept for those who were asked last."""
    life: Life = _lives(world)(id_, role, home)
    return life


@kept_by_world(4)
def _lives(world: World):  # type: ignore[no-untyped-def]
    @lru_cache(maxsize=_LIVES_KEPT)
    def made(id_: str, role: str, home: str) -> Life:
        return _life(world, id_, role, home)

    return made


def _life(world: World, id_: str, role: str, home: str) -> Life:
    slots = _slots(world, id_, role, home)
    texts = _texts()

    def one(group: str, number: int = 0) -> str:
        options = texts.groups[group]
        at = (crc32(f"{world.seed} {id_} {group}".encode()) + number) % len(options)
        return options[at].format_map(slots)

    words = frozenset(words_of(role))
    return Life(
        id=id_,
        past=one("past"),
        wish=one("wish"),
        family=one("family"),
        stories=tuple(one("story", number) for number in range(STORIES)),
        opinions={word: one(word) for word in OPINION_WORDS if word in texts.groups},
        wares=next((wares for trade, wares in texts.wares if trade & words), ()),
        secrets=(Secret(text=one("secret"), standing=_SECRET_FROM, hint=one("hint")),),
        lines={act: (one(act),) for act in _LINES},
    )


def _slots(world: World, id_: str, role: str, home: str) -> dict[str, str]:
    district, place = world.districts.get(home), world.places.get(home)
    number = crc32(f"{world.seed} {id_}".encode())
    landmarks = place.landmarks if place is not None and place.landmarks else ("the corner shop",)
    roads = tuple(place.roads.values()) if place is not None and place.roads else ("the main road",)
    return {
        "place": district.name if district is not None else "this part of town",
        "landmark": landmarks[number % len(landmarks)],
        "road": roads[number // 7 % len(roads)],
        "role": role,
    }
