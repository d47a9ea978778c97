"""Things that missions can be about: those of the world file, and a few that every town has.

What is neither here nor in the world file, nor named by one of the world's own templates, does not exist: no mission
asks for it and nobody sells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.world import District, ObjectiveSheet, ThingSheet, World


def _sheet(row: str) -> ThingSheet:
    id_, name, kind, worth, *found = (part.strip() for part in row.split("|"))
    return ThingSheet(id=id_, name=name, kind=kind, worth=int(worth), found=tuple(found[0].split() if found else ()))  # type: ignore[arg-type]


_ROWS: Final = """
plain-package   | a plain package        | item    |   200
cash-bag        | a bag of cash          | item    | 1_500 | commercial nightlife downtown estate
medicine-case   | a case of medicine     | item    |   600 | civic commercial town downtown
tool-crate      | a crate of tools       | item    |   350 | industrial docks farmland town
liquor-crate    | a crate of liquor      | item    |   400 | nightlife docks commercial town
data-stick      | a data stick           | item    |   800 | downtown commercial civic estate
ledger-book     | a ledger               | item    |   500 | docks commercial nightlife industrial
spare-engine    | a spare engine         | item    | 1_200 | industrial airport town farmland
delivery-van    | a delivery van         | vehicle | 9_000 | commercial industrial docks residential town
sports-coupe    | a sports coupe         | vehicle | 35_000 | nightlife estate downtown beach
armored-truck   | an armored truck       | vehicle | 60_000 | downtown industrial prison military
dirt-bike       | a dirt bike            | vehicle | 4_000 | wilderness farmland hills town
phone-mast      | a phone mast           | device  |  5_000 | hills wilderness downtown industrial
fuse-box        | a fuse box             | device  |    700 | residential industrial commercial docks nightlife town
camera-system   | a camera system        | device  |  2_500 | downtown estate commercial civic airport prison
office-terminal | an office terminal     | device  |  1_800 | downtown civic commercial estate airport
cargo-crane     | a cargo crane          | device  | 40_000 | docks industrial
back-room       | a back room            | spot    |      0 | nightlife commercial residential town
street-corner   | a street corner        | spot    |      0 | residential commercial nightlife downtown town
loading-dock    | a loading dock         | spot    |      0 | docks industrial commercial
rooftop         | a rooftop              | spot    |      0 | downtown residential commercial nightlife civic
safe-house      | a safe house           | spot    |      0
hired-muscle    | hired muscle           | crew    |      0
night-watch     | the night watch        | crew    |      0 | industrial docks estate airport downtown civic
street-sprint   | a sprint on the street | course  |      0
coast-run       | a run along the water  | course  |      0 | coast beach docks
hill-climb      | a climb on the hills   | course  |      0 | hills wilderness estate
"""
COMMON: Final[Mapping[str, ThingSheet]] = {sheet.id: sheet for sheet in map(_sheet, _ROWS.strip().splitlines())}
"""What every town has."""


def things_of(world: World) -> Mapping[str, ThingSheet]:
    """All things of a world by id: its own before those its templates name, before the common ones."""
    named = tuple(objective for template in world.missions.values() for objective in template.objectives)
    return _things(tuple(world.things.values()), named)


@lru_cache(maxsize=16)
def _things(own: tuple[ThingSheet, ...], named: tuple[ObjectiveSheet, ...]) -> dict[str, ThingSheet]:
    things = dict(COMMON)
    for objective in named:
        verb, target, district = objective.verb, objective.target, objective.district
        type_ = OBJECTIVES.get(verb)  # type: ignore[call-overload]
        if ":" not in target and target not in things and type_ is not None:
            kind = next((kind for kind in type_.targets if kind not in ("npc", "faction", "district")), None)
            if kind is not None:
                found = () if district is None or verb == "deliver" else (district,)
                name = f"the {target.replace('-', ' ').replace('_', ' ')}"
                things[target] = ThingSheet(id=target, name=name, kind=kind, found=found)
    things.update((sheet.id, sheet) for sheet in own)
    return things


def is_found(thing: ThingSheet, district: District) -> bool:
    """Whether a thing is there in a district."""
    return not thing.found or district.id in thing.found or district.kind in thing.found
