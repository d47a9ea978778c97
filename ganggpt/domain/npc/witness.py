"""What an NPC does that saw or heard of a player's deed: it tells its own faction, and perhaps an NPC of the faction
concerned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import HearOfDeed, Witness
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.mission_design.wording import named
from ganggpt.domain.scene import TalkScene, as_remembered
from ganggpt.domain.turn import Dice, Message, Turn
from ganggpt.domain.world import DeedVerb, NpcSheet, World

HOPS_MAX: Final = 2
WORD_CHANCE: Final = 0.5
"""Probability that a witness tells an NPC of the faction concerned."""
WORD_WEIGHT: Final = 0.7
"""Share of a deed's weight that is left when it is told on."""


def telling_on(sheet: NpcSheet, seen: Witness, turn: Turn) -> list[Message]:
    """The messages of an NPC who saw or heard of a deed: to their own faction, and perhaps to one person of the faction
    it concerns."""
    messages: list[Message] = []
    if sheet.faction in turn.world.factions:
        heard = HearOfDeed(seen.deed, seen.player, seen.what.verb, seen.against, seen.weight)
        messages.append(Message(ActorId(f"faction:{sheet.faction}"), heard))
    if sheet.faction != seen.against and seen.hops < HOPS_MAX and turn.dice.chance(WORD_CHANCE):
        friend = _friend(turn.world, sheet, seen.against, turn.dice)
        if friend is not None:
            weight = max(1, round(seen.weight * WORD_WEIGHT))
            told = Witness(seen.deed, seen.player, seen.what, seen.against, weight, seen.hops + 1, seen.scene)
            messages.append(Message(ActorId(f"npc:{friend.id}"), told))
    return messages


def _friend(world: World, sheet: NpcSheet, faction: str, dice: Dice) -> NpcSheet | None:
    """An NPC of that faction in the same district or one next to it."""
    home = world.districts.get(sheet.home)
    near = () if home is None else (home.id, *home.neighbours)
    known = sorted(other.id for other in world.npcs.values() if other.faction == faction and other.home in near)
    return world.npcs[dice.pick(known)] if known else None


_WORDS: Final[Mapping[DeedVerb, str]] = {
    "eliminate": "took out {target}",
    "sabotage": "wrecked {target}",
    "defend": "stood up for {target}",
    "steal_vehicle": "stole {target}",
    "threaten": "threatened {target}",
    "escort": "brought {target} through",
    "hack": "got into {target}",
    "pay": "paid {target}",
    "deliver": "brought {target}",
}


def in_words(deed: Deed, world: World, scene: TalkScene | None = None) -> str:
    """What was done and where, to follow a name: ``wrecked the crane in Crane Harbor, at night``. The deed is told in
    names that the world knows."""
    place = world.districts.get(deed.district or "")
    where = f" in {place.name}" if place is not None else ""
    around = "" if scene is None else as_remembered(scene)
    return _WORDS[deed.verb].format(target=named(world, deed.target)) + where + around
