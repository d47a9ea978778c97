"""Who sees what players do. Word of a deed reaches a faction through people and their letters, never by itself.

A deed is seen by people who live where it was done, by dice and how loud it was; a witness tells their own faction, and
perhaps somebody of the faction it concerns. What nobody saw, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.messages import HearOfDeed, Witness
from ganggpt.domain.mission.deeds import Deed
from ganggpt.domain.mission.words import named
from ganggpt.domain.turn import Dice, Message, Turn
from ganggpt.domain.world import DeedVerb, NpcSheet, World

WITNESSES_MAX: Final = 2
HOPS_MAX: Final = 2
WORD_CHANCE: Final = 0.5
"""How likely a witness tells somebody of the faction it concerns."""
WORD_WEIGHT: Final = 0.7
"""What is left of a deed's weight when it is told on."""
LOUDNESS: Final[Mapping[DeedVerb, tuple[float, int]]] = {
    "eliminate": (0.9, 8),
    "sabotage": (0.6, 5),
    "defend": (0.7, 5),
    "steal_vehicle": (0.6, 4),
    "threaten": (0.5, 4),
    "escort": (0.4, 3),
    "hack": (0.15, 4),
    "pay": (0.15, 2),
    "deliver": (0.1, 2),
}
"""By verb: how likely each person who lives there sees it, and how much it weighs (1..10). What is not here is nothing
to talk about."""


def seen_by(deeds: Iterable[Deed], district: str | None, turn: Turn) -> list[Message]:
    """The letters to those who see a player's deeds; the player acts in ``turn``. At most WITNESSES_MAX a report."""
    letters: list[Message] = []
    for place, deed in enumerate(deeds):
        where = deed.district or district
        loud = LOUDNESS.get(deed.verb)
        against = None if loud is None or where is None else concerned(turn.world, deed, where)
        if loud is None or where is None or against is None:
            continue
        ref = f"{name_of(turn.actor)}.{turn.seq}.{place}"
        for witness in _there(turn.world, where, deed):
            if len(letters) < WITNESSES_MAX and turn.dice.chance(loud[0]):
                told = Witness(ref, turn.actor, Deed(deed.verb, deed.target, where, deed.count), against, loud[1])
                letters.append(Message(ActorId(f"npc:{witness.id}"), told))
    return letters


def _there(world: World, district: str, deed: Deed) -> list[NpcSheet]:
    """Who lives where it was done and can still tell, by name."""
    return sorted(
        (sheet for sheet in world.npcs.values() if sheet.home == district and deed.target != f"npc:{sheet.id}"),
        key=lambda sheet: sheet.id,
    )


def concerned(world: World, deed: Deed, district: str) -> str | None:
    """The faction a deed hurts or helps: that of its target, else the one whose ground it was done on."""
    kind, _, name = deed.target.partition(":")
    if kind == "faction" and name in world.factions:
        return name
    if kind == "npc" and name in world.npcs:
        faction = world.npcs[name].faction
        return faction if faction in world.factions else None
    return next((sheet.id for sheet in world.factions.values() if district in sheet.territories), None)


def telling_on(sheet: NpcSheet, seen: Witness, turn: Turn) -> list[Message]:
    """The letters of an NPC who saw or heard of a deed: to their own faction, and perhaps to one person of the faction
    it concerns."""
    letters: list[Message] = []
    if sheet.faction in turn.world.factions:
        heard = HearOfDeed(seen.deed, seen.player, seen.what.verb, seen.against, seen.weight)
        letters.append(Message(ActorId(f"faction:{sheet.faction}"), heard))
    if sheet.faction != seen.against and seen.hops < HOPS_MAX and turn.dice.chance(WORD_CHANCE):
        friend = _friend(turn.world, sheet, seen.against, turn.dice)
        if friend is not None:
            weight = max(1, round(seen.weight * WORD_WEIGHT))
            told = Witness(seen.deed, seen.player, seen.what, seen.against, weight, seen.hops + 1)
            letters.append(Message(ActorId(f"npc:{friend.id}"), told))
    return letters


def _friend(world: World, sheet: NpcSheet, faction: str, dice: Dice) -> NpcSheet | None:
    """Somebody of that faction who lives in the same district or next to it."""
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


def in_words(deed: Deed, world: World) -> str:
    """What was done and where, to follow a name: ``wrecked the crane in Crane Harbor``. Only names the world knows."""
    place = world.districts.get(deed.district or "")
    where = f" in {place.name}" if place is not None else ""
    return _WORDS[deed.verb].format(target=named(world, deed.target)) + where
