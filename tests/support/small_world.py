"""The files of a small world: three districts, two factions, two people, one mission."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ganggpt.errors import WorldInvalid, WorldRejected
from ganggpt.worldfiles.files import load_world

SMALL = {
    "world.yaml": """\
world:
  name: small
  title: A small world
  seed: 7
""",
    "districts.yaml": """\
districts:
  docks: {name: Docks, kind: docks, x: 0, y: 0, z: 5, radius_m: 300, neighbours: [market]}
  market:
    name: Market
    kind: commercial
    x: 500
    y: 0.5
    z: 5
    radius_m: 300
    neighbours: [docks, hills]
  hills: {name: Hills, kind: hills, x: 900, y: 0, z: 90, radius_m: 300, neighbours: [market]}
""",
    "factions.yaml": """\
factions:
  harbour:
    name: Harbour Crew
    kind: gang
    motto: We hold.
    home: docks
    territories: [docks]
    influence: 40
    treasury: 50000
    traits: {aggression: 50, greed: 50, loyalty: 50, cunning: 50}
    relations: {vipers: -60}
  vipers:
    name: Vipers
    kind: bikers
    motto: We bite.
    home: market
    territories: [market, hills]
    influence: 30
    treasury: 20000
    traits: {aggression: 70, greed: 50, loyalty: 50, cunning: 50}
    relations:
      harbour: -70
""",
    "npcs.yaml": """\
npcs:
  mara:
    name: Mara Voss
    role: fixer
    home: docks
    faction: harbour
    traits: {friendliness: 55, temper: 40, greed: 60, courage: 70}
    style: street
    backstory: Grew up between the cranes and never left.
    likes:
    - watches
    - coffee
    missions: [parcel]
  otis:
    name: Otis Bell
    role: barber
    home: market
    faction: null
    traits: {friendliness: 60, temper: 20, greed: 30, courage: 40}
    style: gruff
    backstory: Cuts hair and asks nothing.
""",
    "missions.yaml": """\
missions:
  parcel:
    title: Parcel
    description: Bring the parcel.
    difficulty: 3
    minutes: 30
    reward: 1500
    objectives:
    - {verb: deliver, target: parcel, district: hills}
    - verb: talk_to
      target: npc:otis
    impact: {harbour: 5}
    frictions:
      vipers>harbour: -3
""",
}


def a_small_world(path: Path) -> Path:
    """Write the files into a directory that is there."""
    for name, text in SMALL.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


NINA = """\
npcs:
  nina:
    name: Nina Salt
    role: diver
    home: docks
    faction: null
    traits: {friendliness: 60, temper: 20, greed: 30, courage: 40}
    style: polite
    backstory: Dives for anchors.
"""


class Broken(NamedTuple):
    """One edit in one file, and what has to be said about it as ``line: field: words of the problem``."""

    name: str
    file: str
    old: str
    new: str
    said: tuple[str, ...]


def problems_in(path: Path) -> tuple[WorldInvalid, ...]:
    """What the loader says, or nothing where it loads."""
    try:
        load_world(path)
    except WorldRejected as rejected:
        return rejected.problems
    return ()
