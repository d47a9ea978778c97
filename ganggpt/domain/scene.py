"""Where something takes place, as the game server sees it: place, hour, weather, who stands near.

It is told with a line, or with a deed that somebody may see. It colours words; nothing is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from annotated_types import Ge, Le, Len

from ganggpt.domain.fields import Name50, OptionalText100

Weather = Literal["clear", "cloudy", "rain", "storm", "fog", "snow", "wind", "heat"]
_HOUR_MIN: Final = 60
_DAY_MIN: Final = 24 * _HOUR_MIN

MinuteOfDay = Annotated[int, Ge(0), Le(_DAY_MIN - 1)]
"""Game time as minutes since midnight."""
REMEMBERED_NEAR_MAX: Final = 2
"""How many of those who stood near are remembered with a fact."""
Names8 = Annotated[tuple[Name50, ...], Len(0, 8)]


@dataclass(frozen=True, slots=True)
class TalkScene:
    """What is to be seen around a talk or a deed; all of it optional. ``place``: where exactly, in a few words;
    ``minute``: game time in minutes since midnight; ``near``: names of others who stand there."""

    place: OptionalText100 = ""
    minute: MinuteOfDay | None = None
    weather: Weather | None = None
    near: Names8 = ()


def minute_of(time: str) -> int:
    """A time of the game's day, ``06:30``, in minutes since midnight."""
    hours, _, minutes = time.partition(":")
    return int(hours) * _HOUR_MIN + int(minutes)


def clock_of(minute: int) -> str:
    """A minute of the day as people read it: 23:05, at night."""
    return f"{minute // _HOUR_MIN:02}:{minute % _HOUR_MIN:02}, {part_of_day(minute)}"


def part_of_day(minute: int) -> str:
    """When that is, as people remember it."""
    return next(name for until, name in _PARTS if minute // _HOUR_MIN < until)


def as_remembered(scene: TalkScene) -> str:
    """A scene as it stands behind a fact: ``, by the crane, at night, in the rain, with Otis near``; "" where it tells
    nothing."""
    told = (
        scene.place,
        "" if scene.minute is None else part_of_day(scene.minute),
        "" if scene.weather is None else _IN_WEATHER.get(scene.weather, ""),
        f"with {' and '.join(scene.near[:REMEMBERED_NEAR_MAX])} near" if scene.near else "",
    )
    return "".join(f", {one}" for one in told if one)


_PARTS: Final = (
    (5, "at night"),
    (11, "in the morning"),
    (14, "at noon"),
    (18, "in the afternoon"),
    (22, "in the evening"),
    (24, "at night"),
)
_IN_WEATHER: Final[dict[str, str]] = {
    "rain": "in the rain", "storm": "in a storm", "fog": "in the fog", "snow": "in the snow", "wind": "in the wind",
    "heat": "in the heat",
}  # fmt: skip
"""Weather that people remember."""
