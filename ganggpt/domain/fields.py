"""The field types of commands: every bound of what may come in from outside, in one place.

Only annotated-types, so the domain stays free of pydantic; the border validates commands against exactly these. Texts
refuse control characters and the invisible marks that turn text around, because texts end up in logs, in prompts and on
the screens of other players.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from unicodedata import category

from annotated_types import Ge, Le, Len, Predicate

from ganggpt.domain.described import Doc
from ganggpt.domain.ids import ACTOR_ID_LENGTH_MAX, SLUG_PATTERN, is_actor_id

_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")
_SLUG: Final = re.compile(SLUG_PATTERN.removesuffix("$") + r"\Z")
_UNSEEN: Final = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Blanks, fillers and marks of no width: what Unicode calls ignorable, and what is shown blank."""
_TURNS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of a text. In a sentence the first three are usual; in a name they make it look like
another one."""
_EMAIL: Final = re.compile(r"[^\s@<>,;:()\[\]\\\"]{1,64}@[^\s@<>,;:()\[\]\\\"]+\.[^\s@<>,;:()\[\]\\\".]{2,63}\Z")
_WORLD_PLACE_M: Final = 20_000.0


def is_clean(text: str) -> bool:
    """No control, line-separating, direction-changing or surrogate characters."""
    return text.isprintable() or _REFUSED.search(text) is None


def unseen_dropped(text: str) -> str:
    """A text without blanks and without what has no width."""
    return _UNSEEN.sub("", text)


def is_worded(text: str) -> bool:
    """Clean, and more than blanks and characters that nobody sees."""
    return is_clean(text) and (not text.isspace() if text.isascii() else unseen_dropped(text) != "")


def is_name(text: str) -> bool:
    """A name in any script: something that can be seen, no control characters, no marks that turn its direction."""
    if text.isascii():
        return is_worded(text)
    seen = unseen_dropped(text)
    return is_clean(text) and _TURNS.search(text) is None and any(category(char) not in ("Mn", "Me") for char in seen)


def is_actor(text: str) -> bool:
    """The id of an actor, ``kind:name``."""
    return is_actor_id(text)


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


def is_slug_or_none(text: str) -> bool:
    """An id inside the world sheet, or nothing ("")."""
    return text == "" or is_slug(text)


def is_email(text: str) -> bool:
    """An e-mail address: somebody@somewhere.tld, without blanks or quotes."""
    return is_clean(text) and _EMAIL.match(text) is not None


Name50 = Annotated[str, Len(1, 50), Predicate(is_name)]
Name100 = Annotated[str, Len(1, 100), Predicate(is_worded)]
Word50 = Annotated[str, Len(0, 50), Predicate(is_clean)]
OptionalText100 = Annotated[str, Len(0, 100), Predicate(is_clean)]
Word200 = Annotated[str, Len(0, 200), Predicate(is_clean)]
Text200 = Annotated[str, Len(1, 200), Predicate(is_worded)]
OptionalText200 = Annotated[str, Len(0, 200), Predicate(is_clean)]
Text240 = Annotated[str, Len(1, 240), Predicate(is_worded)]
Text300 = Annotated[str, Len(1, 300), Predicate(is_worded)]
Text400 = Annotated[str, Len(1, 400), Predicate(is_worded)]
Text500 = Annotated[str, Len(1, 500), Predicate(is_worded)]
OptionalText500 = Annotated[str, Len(0, 500), Predicate(is_clean)]
Text1000 = Annotated[str, Len(1, 1000), Predicate(is_worded)]
OptionalText1000 = Annotated[str, Len(0, 1000), Predicate(is_clean)]

Target = Annotated[str, Len(1, ACTOR_ID_LENGTH_MAX), Predicate(is_worded), Doc("the id of an actor, or a thing")]
DeedId = Annotated[str, Len(1, ACTOR_ID_LENGTH_MAX + 20), Predicate(is_worded)]
"""Where something began: the id of an actor and the number of a memory or of a deed of theirs."""
Slug = Annotated[str, Len(1, 63), Predicate(is_slug), Doc("an id of the world files")]
SlugOrNone = Annotated[str, Len(0, 63), Predicate(is_slug_or_none), Doc("an id of the world files, or nothing")]
ActorRef = Annotated[str, Len(3, ACTOR_ID_LENGTH_MAX), Predicate(is_actor), Doc("the id of an actor")]
PlayerRef = Annotated[str, Len(8, ACTOR_ID_LENGTH_MAX), Predicate(is_player), Doc("the id of a player")]
NpcRef = Annotated[str, Len(5, 80), Predicate(is_npc), Doc("the id of an NPC")]
MissionRef = Annotated[str, Len(9, 80), Predicate(is_mission), Doc("the id of a mission")]

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
UnixSeconds = Annotated[float, Ge(0.0), Le(32_503_680_000.0), Doc("Unix seconds")]
"""A time before the year 3000."""
Metres = Annotated[float, Ge(-_WORLD_PLACE_M), Le(_WORLD_PLACE_M)]
"""One coordinate on the map."""
Place = Annotated[tuple[Metres, Metres, Metres], Doc("x, y, z in metres")]
"""x, y, z in game metres."""
Username = Annotated[str, Len(1, 50), Predicate(is_name), Doc("what others see, in any script")]
Email = Annotated[str, Len(6, 254), Predicate(is_email), Doc("an e-mail address")]
ServerName = Annotated[str, Len(1, 31), Predicate(is_slug), Doc("the name of a game server")]

Traits = Annotated[dict[Slug, Percent], Len(0, 16)]
Slugs16 = Annotated[tuple[Slug, ...], Len(0, 16)]
Names16 = Annotated[tuple[Name50, ...], Len(0, 16)]
Aims4 = Annotated[tuple[Text200, ...], Len(0, 4)]
"""What somebody wants, each in a few words."""
