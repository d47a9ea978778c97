"""The background of an utterance: what a model is told beside the brief, so that its words fit what is true.

Like a brief it is data. The scripted mind does not need it, so it is only made where a model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.words import clipped
from ganggpt.domain.mind.brief import age_label
from ganggpt.domain.mind.memory_record import EVERYBODY, Memories, last_s
from ganggpt.domain.mind.transcript import Exchange
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Turn
from ganggpt.domain.world import World, kept_by_world

CAUSES_MAX: Final = 3
HOLDS_MAX: Final = 8
TIE_FROM: Final = 25
"""Relation between factions, from which on they are told as friends, and below its negative as enemies."""
SIDES_TOLD: Final = 6
"""Friends, enemies and wars of a faction that are told, of each."""
_CAUSE_KINDS: Final = frozenset({"gift", "threat", "deed", "seen", "promise", "debt", "work", "order"})
_TO_ITS_FACE: Final = frozenset({"gift", "threat", "promise", "debt", "order"})
"""What was done to the one who remembers; what it only saw comes after it."""
_HIGH: Final = 67
_LOW: Final = 33
_TRAITS: Final[Mapping[str, tuple[str, str]]] = {
    "friendliness": ("warm with people", "cold with people"),
    "temper": ("quick to anger", "hard to upset"),
    "greed": ("after money", "not after money"),
    "courage": ("not easily scared", "easily scared"),
    "loyalty": ("loyal", "not loyal by nature"),
    "bravery": ("brave", "fearful"),
    "humour": ("fond of jokes", "without humour"),
    "discipline": ("disciplined", "careless"),
}


class Background(Struct, frozen=True, gc=False, kw_only=True):
    """What a speaker knows of the moment, each in words.

    ``exchanges``: the talk so far with this player, the oldest first. ``traits``: how the speaker is; ``aims``:
    what it is after. ``about_self``: further facts. ``holds``: its things. ``offer``: work it offered a moment ago.
    ``causes``: why it stands so with the player, the weightiest first. ``named``: what is known of whom the line
    names. ``open_actions``: what it may do now, by word, each with its choices; none: no choice is needed.
    """

    exchanges: tuple[Exchange, ...] = ()
    scene: TalkScene | None = None
    traits: tuple[str, ...] = ()
    aims: tuple[str, ...] = ()
    about_self: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    offer: str = ""
    causes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    open_actions: Mapping[str, tuple[str, ...]] = {}


def traits_in_words(traits: Mapping[str, int]) -> tuple[str, ...]:
    """Traits of 0..100 in words; what is about the middle is not told."""
    found = []
    for name, value in traits.items():
        high, low = _TRAITS.get(name, (f"much {name}", f"little {name}"))
        if value >= _HIGH:
            found.append(high)
        elif value <= _LOW:
            found.append(low)
    return tuple(found)


def causes_of(memories: Memories, player: str, turn: Turn) -> tuple[str, ...]:
    """What a player did that weighs most, of what may be told to them; first what they did to the speaker."""
    own = [
        memory
        for memory in memories
        if memory.about == player and memory.kind in _CAUSE_KINDS and memory.audience in (EVERYBODY, "", player)
    ]
    own.sort(key=lambda memory: (memory.kind not in _TO_ITS_FACE, -memory.weight, -last_s(memory)))
    return tuple(f"{clipped(one.text, 120)} ({age_label(turn.now_s - last_s(one))})" for one in own[:CAUSES_MAX])


def held_in_words(names: Sequence[str]) -> tuple[str, ...]:
    """The newest things, each once."""
    return tuple(dict.fromkeys(reversed(names)))[:HOLDS_MAX]


@kept_by_world(4)
def bosses(world: World) -> Mapping[str, str]:
    """By faction the name of whoever leads it, by the roles of its people; kept for the worlds asked for last."""
    ranked: dict[str, tuple[int, str]] = {}
    for person in world.npcs.values():
        role = person.role.lower()
        rank = next((rank for rank, title in enumerate(_BOSSES) if role.endswith(title) and " of " not in role), None)
        if person.faction is not None and rank is not None:
            ranked[person.faction] = min(ranked.get(person.faction, (rank, person.name)), (rank, person.name))
    return {faction: name for faction, (_, name) in ranked.items()}


_BOSSES: Final = ("don", "president", " boss", "leader", "chief executive", "chief", "captain", "head", "elder")
"""How the role of somebody who leads ends, the highest first."""
