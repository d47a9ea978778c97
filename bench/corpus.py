"""Long histories with questions whose answers are known: how well does a memory find what it is asked for?

A history is a few thousand things that happened, many of them alike: the same people, things, places and deeds in other
combinations. A question asks for one of them in one of five ways, from the very words to a loose paraphrase. Recall@k
is the share of questions whose answer is among the first k.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from ganggpt.domain.mind.memory_record import Memory

Style = Literal["plain", "inflected", "misspelt", "reworded", "loose"]
STYLES: Final[tuple[Style, ...]] = ("plain", "inflected", "misspelt", "reworded", "loose")
"""In the very words; in other forms of them; with the name misspelt; in other words of the same meaning; vaguely."""

_DAY_S: Final = 86_400.0
_NAMES: Final = (
    *("Ava", "Bruno", "Celia", "Dante", "Edda", "Farid", "Greta", "Hugo", "Ines", "Jonah", "Kira", "Leon", "Maara"),
    *("Nico", "Olga", "Pavel", "Quentin", "Rosalie", "Stefano", "Tabitha", "Ulrich", "Valeria", "Wendell", "Ximena"),
    *("Yusuf", "Zelda", "Balthazar", "Cornelius", "Dominique", "Esperanza"),
)
# The deed as it is remembered; the same verb in another form; other verbs for it; a vague word.
_DEEDS: Final = (
    ("stole", "stealing", ("swiped", "lifted", "nicked"), "took off with"),
    ("sold", "selling", ("peddled", "traded away", "flogged"), "got rid of"),
    ("buried", "burying", ("hid", "stashed", "concealed"), "put away"),
    ("burned", "burning", ("set fire to", "torched", "incinerated"), "destroyed"),
    ("repaired", "repairing", ("fixed", "mended", "patched up"), "worked on"),
    ("smashed", "smashing", ("wrecked", "broke", "shattered"), "destroyed"),
    ("delivered", "delivering", ("brought", "dropped off", "carried"), "came with"),
    ("photographed", "photographing", ("took pictures of", "snapped", "filmed"), "was busy with"),
    ("painted", "painting", ("sprayed", "coloured", "decorated"), "worked on"),
    ("lost", "losing", ("misplaced", "mislaid", "gambled away"), "no longer had"),
    ("bought", "buying", ("purchased", "acquired", "paid for"), "ended up with"),
    ("inspected", "inspecting", ("examined", "looked over", "checked"), "was busy with"),
)
_KINDS_OF: Final = (
    *("silver", "rusty", "green", "wooden", "broken", "golden"),
    *("striped", "antique", "leather", "plastic", "heavy", "stolen"),
)
# A thing, its plural, and another word for it.
_THINGS: Final = (
    ("watch", "watches", "clock"),
    ("pistol", "pistols", "gun"),
    ("van", "vans", "truck"),
    ("boat", "boats", "ship"),
    ("knife", "knives", "blade"),
    ("necklace", "necklaces", "jewellery"),
    ("parcel", "parcels", "package"),
    ("motorcycle", "motorcycles", "motorbike"),
    ("painting", "paintings", "canvas"),
    ("radio", "radios", "receiver"),
    ("suitcase", "suitcases", "luggage"),
    ("ledger", "ledgers", "notebook"),
    ("telescope", "telescopes", "spyglass"),
    ("guitar", "guitars", "instrument"),
    ("statue", "statues", "sculpture"),
    ("generator", "generators", "dynamo"),
    ("anchor", "anchors", "mooring"),
    ("mirror", "mirrors", "looking glass"),
    ("carpet", "carpets", "rug"),
    ("barrel", "barrels", "cask"),
)
_PLACES: Final = (
    *("lighthouse", "laundry", "tram stop", "church steps", "motorway bridge", "fish market", "boxing club"),
    *("car wash", "power station", "old cinema", "pawn shop", "skate park", "hospital", "observatory", "racetrack"),
    *("quarry", "marina", "bakery", "scrapyard", "train depot"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the way it asks, and the number of the memory that answers it."""

    text: str
    style: Style
    answer: int


@dataclass(frozen=True, slots=True)
class CorpusHistory:
    """What happened, with numbers from 1 in the order of time, and what is asked about it at ``now_s``."""

    memories: tuple[Memory, ...]
    asked: tuple[Asked, ...]
    now_s: float


def history(count: int, questions: int, seed: int, now_s: float = 1_800_000_000.0) -> CorpusHistory:
    """A history of ``count`` things over a year, with ``questions`` questions of each style; a seed makes one history.

    Who did something with which thing is there once only; so a question that names both has one answer.
    """
    dice = Random(seed)
    pairs: dict[tuple[str, str, str], None] = {}
    while len(pairs) < count:
        pairs[dice.choice(_NAMES), dice.choice(_KINDS_OF), dice.choice(_THINGS)[0]] = None
    facts = [(*pair, dice.choice(_DEEDS)[0], dice.choice(_PLACES)) for pair in pairs]
    memories = tuple(
        Memory(
            no,
            "seen",
            f"{who} {deed} a {kind} {thing} {'behind' if no % 2 else 'near'} the {place}",
            dice.randint(15, 90),
            f"player:{who.lower()}",
            "witnessed",
            now_s - (count - no) * 365 * _DAY_S / count,
        )
        for no, (who, kind, thing, deed, place) in enumerate(facts, 1)
    )
    asked = [
        Asked(_question(facts[no - 1], style, dice), style, no)
        for style in STYLES
        for no in dice.sample(range(1, count + 1), questions)
    ]
    return CorpusHistory(memories, tuple(asked), now_s)


def _question(fact: tuple[str, str, str, str, str], style: Style, dice: Random) -> str:
    who, kind, thing, deed, place = fact
    _, doing, others, vague = next(row for row in _DEEDS if row[0] == deed)
    _, things, other_thing = next(row for row in _THINGS if row[0] == thing)
    if style == "plain":
        return f"do you know who {deed} a {kind} {thing} at the {place}, was it {who}?"
    if style == "inflected":
        return f"was {who} seen {doing} {kind} {things} around the {place}?"
    if style == "misspelt":
        return f"what did {_misspelt(who, dice)} do with the {kind} {thing}?"
    if style == "reworded":
        return f"I heard {who} {dice.choice(others)} some {kind} {other_thing}, is that true?"
    return f"tell me that story of how {who} {vague} something {kind}, by the {place} I think"


def _misspelt(name: str, dice: Random) -> str:
    """A name with one letter doubled, dropped, swapped or changed; never the first one."""
    at = dice.randrange(1, len(name) - 1)
    way = dice.randrange(4) if len(name) > 4 else 0
    if way == 0:
        return name[:at] + name[at] + name[at:]
    if way == 1:
        return name[:at] + name[at + 1 :]
    if way == 2:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + dice.choice("aeiou") + name[at + 1 :]
