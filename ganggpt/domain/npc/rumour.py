"""Rumours: which NPC tells what to whom, how a text changes when it is told on, and when it is no longer told.

A rumour has a fixed expiry date. Until then it is told and recalled, afterwards neither. Its heat decreases linearly
from its weight to 0 at that date. Every rumour carries its origin and the chain of NPCs that told it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from ganggpt.domain.language.words import clipped
from ganggpt.domain.mind.memory_record import EVERYBODY, Memories, Memory, Trace, heard_by, is_expired
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import World

HOPS_MAX: Final = 6
"""The most times a rumour is told on."""
TELLINGS_MAX: Final = 3
"""How often one NPC tells the same rumour."""
TELL_FROM: Final = 25
"""A rumour with less heat is not told."""
HOP_KEEPS: Final = 0.85
"""Share of the heat that is left after one telling."""
DISTORTION: Final = 0.35
"""Probability that the text changes when it is told."""
NAMELESS_FROM: Final = 3
"""After so many tellings the name of the person it is about may get lost."""
_DAY_S: Final = 86_400.0
_TEXT_MAX: Final = 200
_OPEN_KINDS: Final = frozenset(("seen", "deed", "threat", "rumour"))
_CONFIDED_KINDS: Final = frozenset(("talk", "promise", "debt"))
_SOMEBODY: Final = "Somebody"

_NUMBER: Final = re.compile(r"\b([2-9]|[1-9]\d{1,5})\b")
_DETAIL: Final = re.compile(r"^(.*) (?:in|on|at|near|behind|outside|under|with|by) (?:the|a|an|his|her|their) [^\"]*$")
_FIRST_PERSON: Final = re.compile(r"\b(I|me|my|myself)\b")
_STRONGER: Final = {
    "robbed": "cleaned out",
    "stole": "made off with",
    "hit": "beat up",
    "shot": "gunned down",
    "stabbed": "cut down",
    "argued": "fought",
    "shouted": "raged",
    "burned": "burned down",
    "threatened": "tried to kill",
    "hurt": "maimed",
    "broke": "smashed",
    "scared": "terrorised",
    "a man": "two men",
    "a gun": "a rifle",
    "a knife": "a machete",
    "a car": "three cars",
}
_STRONG: Final = re.compile(r"\b(" + "|".join(map(re.escape, _STRONGER)) + r")\b")


class Tale(Struct, frozen=True, gc=False):
    """A memory as it is about to be told: its text, heat, origin and expiry. ``no``: the number of the memory in the
    mind of the teller."""

    no: int
    text: str
    heat: float
    about: str | None
    trace: Trace
    expires_s: float


def lifetime_s(weight: int) -> float:
    """The lifetime of a rumour of this weight: 2 days + 28 days · weight/100."""
    return _DAY_S * (2 + 28 * weight / 100)


def heat(weight: float, born_s: float, expires_s: float, now_s: float) -> float:
    """The heat of a rumour, from its weight down to 0 when it expires: ``weight · (1 − age / lifetime)``."""
    if expires_s <= born_s or now_s >= expires_s:
        return 0.0
    return weight * min(1.0, (expires_s - now_s) / (expires_s - born_s))


def tale_of(memory: Memory, teller: str, name: str, now_s: float, bears_grudge: Callable[[str], bool]) -> Tale | None:
    """A memory as its holder would tell it to another NPC; None where it is not told.

    What was confided is kept, unless the holder bears a grudge against who confided it: then it goes out as a rumour
    whose chain begins with the traitor. ``name``: what others call the teller.
    """
    if is_expired(memory, now_s):
        return None
    if heard_by(memory) == EVERYBODY:
        if memory.kind not in _OPEN_KINDS:
            return None
    elif memory.kind not in _CONFIDED_KINDS or memory.about is None or not bears_grudge(memory.about):
        return None
    trace = memory.trace or Trace(f"{teller}#{memory.no}", (), memory.created_s)
    dies_s = trace.born_s + lifetime_s(memory.weight) if memory.trace is None else memory.expires_s
    if dies_s is None or len(trace.chain) >= HOPS_MAX:
        return None
    expires_s = dies_s if memory.expires_s is None else min(dies_s, memory.expires_s)
    hot = heat(memory.weight, trace.born_s, expires_s, now_s) * HOP_KEEPS
    if hot < TELL_FROM * HOP_KEEPS:
        return None
    told = Trace(trace.origin, (*trace.chain, teller), trace.born_s)
    return Tale(memory.no, in_third_person(memory.text, name), hot, memory.about, told, expires_s)


def hottest(
    memories: Memories, told: Mapping[int, int], teller: str, name: str, now_s: float, grudge: Callable[[str], bool]
) -> Tale | None:
    """What an NPC tells next: the hottest tale told fewer than TELLINGS_MAX times; the older one of two equals."""
    best: Tale | None = None
    for memory in memories:
        if told.get(memory.no, 0) >= TELLINGS_MAX:
            continue
        tale = tale_of(memory, teller, name, now_s, grudge)
        if tale is not None and (best is None or tale.heat > best.heat):
            best = tale
    return best


def listener_of(tale: Tale, neighbours: Sequence[str], times: int) -> str | None:
    """The listener of the ``times``-th telling: another neighbour each time, never one of the chain."""
    open_ears = [other for other in neighbours if other not in tale.trace.chain]
    if not open_ears or times >= len(open_ears):
        return None
    return open_ears[(tale.no * 7919 + times) % len(open_ears)]


def distorted(text: str, hops: int, dice: Dice) -> str:
    """A text as it is told on: usually unchanged, sometimes with a larger number, a stronger word or a detail less, and
    after NAMELESS_FROM tellings without the name it began with."""
    if not dice.chance(DISTORTION):
        return text
    changes: list[Callable[[str], str]] = [_louder(dice.between(2, 3)), _stronger, _vaguer]
    if hops >= NAMELESS_FROM:
        changes.append(_nameless)
    start = dice.between(0, len(changes) - 1)
    for turn in range(len(changes)):
        changed = changes[(start + turn) % len(changes)](text)
        if changed != text:
            return clipped(changed, _TEXT_MAX)
    return text


def is_nameless(text: str) -> bool:
    """Whether a rumour has lost the name of who did it."""
    return text.startswith(f"{_SOMEBODY} ")


def in_third_person(text: str, name: str) -> str:
    """A memory in the third person: I, me and my become ``name``. Quotations stay unchanged."""
    told, quote, quoted = text.partition('"')
    forms = {"I": name, "me": name, "my": f"{name}'s", "myself": name}
    return _FIRST_PERSON.sub(lambda found: forms[found[1]], told) + quote + quoted


def _louder(times: int) -> Callable[[str], str]:
    return lambda text: _NUMBER.sub(lambda found: str(int(found[1]) * times), text, count=1)


def _stronger(text: str) -> str:
    return _STRONG.sub(lambda found: _STRONGER[found[1]], text, count=1)


def _vaguer(text: str) -> str:
    """The text without its last detail."""
    shorter = _DETAIL.sub(r"\1", text)
    return shorter if shorter.count(" ") >= 2 else text


def _nameless(text: str) -> str:
    name, _, rest = text.partition(" ")
    return f"{_SOMEBODY} {rest}" if name[:1].isupper() and rest and name != _SOMEBODY else text


class _Neighbourhoods:
    """The NPCs of each district and each faction, computed once for a world, because a world never changes."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._homes: dict[str, list[str]] = {}
        self._sides: dict[str, list[str]] = {}

    def of(self, world: World, home: str, faction: str | None) -> tuple[Sequence[str], Sequence[str]]:
        """The NPCs of the district and those of the faction."""
        if world is not self._world:
            self._homes, self._sides = {}, {}
            for name in sorted(world.npcs):
                sheet = world.npcs[name]
                self._homes.setdefault(sheet.home, []).append(f"npc:{name}")
                if sheet.faction is not None:
                    self._sides.setdefault(sheet.faction, []).append(f"npc:{name}")
            self._world = world
        return self._homes.get(home, ()), () if faction is None else self._sides.get(faction, ())


_NEIGHBOURHOODS: Final = _Neighbourhoods()


def neighbours(world: World, actor: str, home: str, faction: str | None) -> list[str]:
    """The NPCs of the cast that an NPC talks to: those of the same district or the same faction."""
    at_home, of_faction = _NEIGHBOURHOODS.of(world, home, faction)
    return [other for other in dict.fromkeys((*at_home, *of_faction)) if other != actor]


def has_neighbours(world: World, actor: str, home: str, faction: str | None) -> bool:
    """Whether ``neighbours`` has at least one element."""
    return any(other != actor for group in _NEIGHBOURHOODS.of(world, home, faction) for other in group[:2])
