"""The field types of commands: every bound of what may come in from outside, in one place.

Only annotated-types, so the domain stays free of pydantic; the border validates commands against exactly these. Texts
refuse control characters and the invisible marks that turn text around, because texts end up in logs, in prompts and on
the screens of other players.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from annotated_types import Ge, Le, Len, Predicate

from ganggpt.domain.ids import ACTOR_ID_PATTERN

_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")
_ACTOR: Final = re.compile(ACTOR_ID_PATTERN.removesuffix("$") + r"\Z")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_EMAIL: Final = re.compile(r"[^\s@<>,;:()\[\]\\\"]{1,64}@[^\s@<>,;:()\[\]\\\"]+\.[^\s@<>,;:()\[\]\\\".]{2,63}\Z")
_WORLD_PLACE_M: Final = 20_000.0


def is_clean(text: str) -> bool:
    """No control, line-separating, direction-changing or surrogate characters."""
    return text.isprintable() or _REFUSED.search(text) is None


def is_worded(text: str) -> bool:
    """Clean, and more than blanks."""
    return is_clean(text) and not text.isspace()


def is_actor(text: str) -> bool:
    """The id of an actor, ``kind:name``."""
    return _ACTOR.match(text) is not None


def is_player(text: str) -> bool:
    """The id of a player actor."""
    return text.startswith("player:") and is_actor(text)


def is_npc(text: str) -> bool:
    """The id of an NPC actor."""
    return text.startswith("npc:") and is_actor(text)


def is_mission(text: str) -> bool:
    """The id of a mission actor."""
    return text.startswith("mission:") and is_actor(text)


def is_slug(text: str) -> bool:
    """An id inside the world sheet (district, faction, mission, trait): lower case, digits, ``_`` and ``-``."""
    return _SLUG.match(text) is not None


def is_email(text: str) -> bool:
    """An e-mail address: somebody@somewhere.tld, without blanks or quotes."""
    return is_clean(text) and _EMAIL.match(text) is not None


Name50 = Annotated[str, Len(1, 50), Predicate(is_worded)]
Name100 = Annotated[str, Len(1, 100), Predicate(is_worded)]
Word50 = Annotated[str, Len(0, 50), Predicate(is_clean)]
Text100 = Annotated[str, Len(1, 100), Predicate(is_worded)]
OptionalText100 = Annotated[str, Len(0, 100), Predicate(is_clean)]
Word200 = Annotated[str, Len(0, 200), Predicate(is_clean)]
Text200 = Annotated[str, Len(1, 200), Predicate(is_worded)]
Text240 = Annotated[str, Len(1, 240), Predicate(is_worded)]
Text500 = Annotated[str, Len(1, 500), Predicate(is_worded)]
OptionalText500 = Annotated[str, Len(0, 500), Predicate(is_clean)]
Text1000 = Annotated[str, Len(1, 1000), Predicate(is_worded)]
OptionalText1000 = Annotated[str, Len(0, 1000), Predicate(is_clean)]

Slug = Annotated[str, Len(1, 63), Predicate(is_slug)]
ActorRef = Annotated[str, Len(3, 80), Predicate(is_actor)]
PlayerRef = Annotated[str, Len(8, 80), Predicate(is_player)]
NpcRef = Annotated[str, Len(5, 80), Predicate(is_npc)]
MissionRef = Annotated[str, Len(9, 80), Predicate(is_mission)]

ActorRefs8 = Annotated[tuple[ActorRef, ...], Len(0, 8)]

MemoryNo = Annotated[int, Ge(1)]
MemoryRoom = Annotated[int, Ge(16), Le(5000)]
"""How many memories a mind holds."""
Percent = Annotated[int, Ge(0), Le(100)]
Signed100 = Annotated[int, Ge(-100), Le(100)]
Step20 = Annotated[int, Ge(-20), Le(20)]
Money = Annotated[int, Ge(0), Le(1_000_000)]
Sentences = Annotated[int, Ge(0), Le(8)]
Count1000 = Annotated[int, Ge(1), Le(1000)]
UnixSeconds = Annotated[float, Ge(0.0), Le(32_503_680_000.0)]
"""A time before the year 3000."""
Metres = Annotated[float, Ge(-_WORLD_PLACE_M), Le(_WORLD_PLACE_M)]
"""One coordinate on the map."""
Place = tuple[Metres, Metres, Metres]
"""x, y, z in game metres."""
Username = Annotated[str, Len(3, 50), Predicate(is_worded)]
Email = Annotated[str, Len(6, 254), Predicate(is_email)]
ServerName = Annotated[str, Len(1, 31), Predicate(is_slug)]

Traits = Annotated[dict[Slug, Percent], Len(0, 16)]
Slugs16 = Annotated[tuple[Slug, ...], Len(0, 16)]
Names16 = Annotated[tuple[Name50, ...], Len(0, 16)]
