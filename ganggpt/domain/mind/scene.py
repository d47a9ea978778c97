"""Where a talk takes place, as the game server sees it: place, hour, weather, who stands near.

It is told with a line and colours the answer; nothing is decided by it.
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
Names8 = Annotated[tuple[Name50, ...], Len(0, 8)]


@dataclass(frozen=True, slots=True)
class TalkScene:
    """What is to be seen around a talk; all of it optional. ``place``: where exactly, in a few words; ``minute``: game
    time in minutes since midnight; ``near``: names of others who stand there."""

    place: OptionalText100 = ""
    minute: MinuteOfDay | None = None
    weather: Weather | None = None
    near: Names8 = ()


def clock_of(minute: int) -> str:
    """A minute of the day as people read it: 23:05, at night."""
    hour = minute // _HOUR_MIN
    part = next(name for until, name in _PARTS if hour < until)
    return f"{hour:02}:{minute % _HOUR_MIN:02}, {part}"


_PARTS: Final = (
    (5, "at night"),
    (11, "in the morning"),
    (14, "at noon"),
    (18, "in the afternoon"),
    (22, "in the evening"),
    (24, "at night"),
)
