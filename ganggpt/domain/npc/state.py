"""What an NPC is: persona, mood, memories, and its standing with each player."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ganggpt.domain.messages import Origin
from ganggpt.domain.mind.affect import (
    MOOD_HALF_LIFE_S,
    STANDING_HALF_LIFE_S,
    drained,
    faded,
    mood_at_rest,
)
from ganggpt.domain.mind.mind import Mind
from ganggpt.domain.numbers import clamped
from ganggpt.domain.retirement import Absence
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.world import MissionTemplate, NpcSheet

STANDINGS_MAX: Final = 256
WORK_MAX: Final = 32
PREPARED_MAX: Final = 8
WORK_COOLDOWN_S: Final = 120.0
SIDES_FRESH_S: Final = 300.0
"""How long an NPC does not ask its faction again how that stands with the others."""
AROUND_FRESH_S: Final = 120.0
"""How long what it saw around it still holds: an hour of the game's clock."""
ITEMS_MAX: Final = 24
ACTED_MAX: Final = 32
NEEDED_MAX: Final = 64
GIFT_HALF_LIFE_S: Final = 7 * 86_400.0
GIFT_MAX: Final = 15.0
_GIFT_STEP: Final = 1.2
_GIFT_UNIT: Final = 50.0


class Standing(Struct, frozen=True, gc=False, array_like=True):
    """How an NPC stands with one player as of ``at_s``: value −100..100, fading towards 0.

    ``sway``: how much of the day's allowance words have used up. ``given``: worth of gifts still felt, in dollars.
    ``name``: what the player calls themselves. ``talks``: how often they talked. ``skill``: how good at jobs the NPC
    heard they are as of ``skill_s``, 0..100; −1: it has not heard.
    """

    value: float
    at_s: float
    sway: float = 0.0
    given: float = 0.0
    name: str = ""
    talks: int = 0
    skill: int = -1
    skill_s: float = 0.0


class WorkOffer(Struct, frozen=True, gc=False, array_like=True):
    """The last mission offered to a player, the districts it leads to, and how long and hard it is. An offer of an
    older version has no title and is one of the world's."""

    mission: str
    template: str
    at_s: float
    title: str = ""
    reward: int = 0
    task: str = ""
    places: tuple[str, ...] = ()
    minutes: int = 0
    difficulty: int = 0


class Prepared(Struct, frozen=True, gc=False, array_like=True):
    """A mission that a model thought up for a player and the compiler let through, or what there is instead of one that
    it did not; offered when they ask next."""

    mission: MissionTemplate
    why: tuple[str, ...]
    at_s: float
    origin: Origin = "model"


class Item(Struct, frozen=True, gc=False, array_like=True):
    """A thing an NPC holds: what it is, its worth in dollars, the player who gave it, and when."""

    name: str
    value: int
    giver: str
    at_s: float


class Did(Struct, frozen=True, gc=False, array_like=True):
    """Something an NPC did to or for a player because of a talk; it lasts until ``until_s``."""

    action: str
    player: str
    at_s: float
    until_s: float


class Sides(Struct, frozen=True, gc=False, array_like=True):
    """How an NPC's faction stood with the others as of ``at_s``: friends and enemies by id, the nearest first, and wars
    with their ends."""

    friends: tuple[str, ...]
    enemies: tuple[str, ...]
    wars: Mapping[str, float]
    at_s: float


class Npc(Struct, frozen=True, gc=False, array_like=True):
    """One NPC. ``mood`` −100..100 as of ``mood_s``; standings and work offers by player; ``noticed`` counts trivia.

    ``told``: how often it told which memory on. ``gathered``: weight of what it learned since it last thought about
    it. ``items``: what it holds, at most ITEMS_MAX, the oldest is let go; ``acted``: its last ACTED_MAX acts.
    ``mission_funds``: what its faction can spend on one mission, in dollars, as it heard at ``mission_funds_s``; −1: it
    has not heard. ``prepared``: missions thought up for players, by player. ``absence``: not None while it is retired.
    ``needed``: missions that cannot be done without it, and until when; at most NEEDED_MAX. ``sides``: how its faction
    stands with the others, as it heard last; ``around``: what it saw around it at ``around_s``.
    """

    sheet: NpcSheet
    born_s: float
    mood: float
    mood_s: float
    mind: Mind = Mind()
    standings: Mapping[str, Standing] = {}
    work: Mapping[str, WorkOffer] = {}
    noticed: int = 0
    told: Mapping[int, int] = {}
    gathered: int = 0
    items: tuple[Item, ...] = ()
    acted: tuple[Did, ...] = ()
    mission_funds: int = -1
    mission_funds_s: float = 0.0
    prepared: Mapping[str, Prepared] = {}
    absence: Absence | None = None
    needed: Mapping[str, float] = {}
    sides: Sides | None = None
    around: TalkScene | None = None
    around_s: float = 0.0


def around_now(state: Npc, now_s: float) -> TalkScene | None:
    """What is around the NPC, as far as it saw that a moment ago."""
    return state.around if now_s - state.around_s <= AROUND_FRESH_S else None


def mood_now(state: Npc, now_s: float) -> float:
    """The mood on its way back to rest."""
    return faded(state.mood, mood_at_rest(state.sheet.traits), now_s - state.mood_s, MOOD_HALF_LIFE_S)


def standing_now(state: Npc, player: str, now_s: float) -> Standing:
    """How the NPC stands with a player now; neutral with one it does not know (any more)."""
    known = state.standings.get(player)
    if known is None:
        return Standing(0.0, now_s)
    elapsed_s = now_s - known.at_s
    if elapsed_s <= 0.0:
        return known
    return Standing(
        faded(known.value, 0.0, elapsed_s, STANDING_HALF_LIFE_S),
        now_s,
        drained(known.sway, elapsed_s),
        faded(known.given, 0.0, elapsed_s, GIFT_HALF_LIFE_S),
        known.name,
        known.talks,
        known.skill,
        known.skill_s,
    )


def gift_gain(value: float, given: float, greed: int) -> float:
    """What a gift worth ``value`` dollars adds to a standing after ``given`` dollars still felt, 0..GIFT_MAX.

    ``(1 + greed/200) · 1.2 · [log2(1 + (given + value)/50) − log2(1 + given/50)]``: it telescopes, so that many small
    gifts are worth no more than one large one.
    """
    gain = _GIFT_STEP * (math.log2(1 + (given + value) / _GIFT_UNIT) - math.log2(1 + given / _GIFT_UNIT))
    return clamped(gain * (1 + greed / 200), 0.0, GIFT_MAX)


def one_too_many(state: Npc, player: str, now_s: float) -> str | None:
    """The player whose standing is dropped to make room for ``player``: the weakest, of equals the longest
    unchanged."""
    if player in state.standings or len(state.standings) < STANDINGS_MAX:
        return None

    def worth(other: str) -> tuple[float, float, str]:
        standing = state.standings[other]
        faint = abs(faded(standing.value, 0.0, now_s - standing.at_s, STANDING_HALF_LIFE_S))
        return round(faint, 3), standing.at_s, other

    return min(state.standings, key=worth)
