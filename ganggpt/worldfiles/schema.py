"""What a world file may contain: strict models of its files, and the JSON Schema that editors use.

Bounds are those of ``domain.fields``, because a sheet becomes a command. What one value alone cannot tell (that a
neighbour exists, that a reward fits its difficulty) is checked in ``worldfiles.checks``. As a program, this module
prints the schema: ``python -m ganggpt.worldfiles.schema > worlds/schema.json``.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from ganggpt.domain.faction.state import RELATIONS_MAX, TERRITORIES_MAX
from ganggpt.domain.fields import (
    Aims4,
    Metres,
    Money,
    Name50,
    Name100,
    Percent,
    Signed100,
    Slug,
    Step20,
    Text200,
    Text240,
    Text300,
    Text400,
    Text500,
    Text1000,
)
from ganggpt.domain.lore import OPINION_WORDS, OwnAct, Posture
from ganggpt.domain.sheets import DistrictKind, FactionKind, FactionTraits, NpcTraits, Style
from ganggpt.domain.world import DAY_MINUTES, DeedVerb, ThingKind

DISTRICTS_MAX: Final = 512
FACTIONS_MAX: Final = 64
NPCS_MAX: Final = 4096
MISSIONS_MAX: Final = 1024
THINGS_MAX: Final = 1024

_ACTOR_OR_SLUG: Final = r"^((npc|faction|companion|player|mission):)?[a-z0-9][a-z0-9_-]{0,62}$"
_SUBJECT: Final = rf"^(?:(?:npc|faction|district):[a-z0-9][a-z0-9_-]{{0,62}}|{'|'.join(OPINION_WORDS)})$"
_TIME: Final = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$"
_FRICTION: Final = r"^[a-z0-9][a-z0-9_-]{0,62}>[a-z0-9][a-z0-9_-]{0,62}$"

Id = Annotated[Slug, Field(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"})]


class _Entry(BaseModel):
    """Strict: nothing is converted, nothing unknown is accepted."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", frozen=True)


class WorldEntry(_Entry):
    """The world itself."""

    name: Id
    title: Name100
    seed: Annotated[int, Ge(0), Le(2**63 - 1)]
    day_minutes: Annotated[int, Ge(1), Le(1_440)] = DAY_MINUTES


class DistrictEntry(_Entry):
    """A named area; coordinates in game metres."""

    name: Name50
    kind: DistrictKind
    x: Metres
    y: Metres
    z: Metres
    radius_m: Annotated[float, Ge(10.0), Le(5_000.0)]
    neighbours: Annotated[tuple[Id, ...], Len(0, 16)]


class FactionEntry(_Entry):
    """A faction as it starts; treasury in dollars, relations −100..100 by faction id (0 where none is given)."""

    name: Name50
    kind: FactionKind
    motto: Text200
    home: Id
    territories: Annotated[tuple[Id, ...], Len(0, TERRITORIES_MAX)]
    influence: Percent
    treasury: Money
    traits: FactionTraits
    relations: Annotated[dict[Id, Signed100], Len(0, RELATIONS_MAX)]


class NpcEntry(_Entry):
    """A named person as they start; ``faction`` is null for people of no faction. ``room``: memories at hand."""

    name: Name50
    role: Name50
    home: Id
    faction: Id | None
    traits: NpcTraits
    style: Style
    backstory: Text1000
    likes: Annotated[tuple[Name50, ...], Len(0, 16)] = ()
    missions: Annotated[tuple[Id, ...], Len(0, 16)] = ()
    aims: Aims4 = ()
    room: Annotated[int, Ge(16), Le(5000)] = 1000


class ObjectiveEntry(_Entry):
    """One thing to do; ``target`` is ``npc:<id>``, ``faction:<id>`` or the slug of a thing or place.
    ``within_minutes``: it counts only so soon after the mission was taken."""

    verb: DeedVerb
    target: Annotated[str, Field(pattern=_ACTOR_OR_SLUG)]
    count: Annotated[int, Ge(1), Le(100)] = 1
    district: Id | None = None
    within_minutes: Annotated[int, Ge(1), Le(1_440)] | None = None


class MissionEntry(_Entry):
    """A mission template; ``reward`` in dollars within the bounds of its difficulty."""

    title: Name100
    description: Text500
    difficulty: Annotated[int, Ge(1), Le(10)]
    minutes: Annotated[int, Ge(1), Le(1_440)]
    reward: Money
    objectives: Annotated[tuple[ObjectiveEntry, ...], Len(1, 8)]
    impact: Annotated[dict[Id, Step20], Len(0, 16)] = {}
    frictions: Annotated[dict[Annotated[str, Field(pattern=_FRICTION)], Step20], Len(0, 16)] = {}
    in_order: bool = False


class ThingEntry(_Entry):
    """Something missions can be about; ``worth`` in dollars for one, ``found``: ids or kinds of districts where it is,
    anywhere where none is given."""

    name: Name50
    kind: ThingKind
    worth: Money = 0
    found: Annotated[tuple[Id, ...], Len(0, 32)] = ()


class WareEntry(_Entry):
    """Something a person sells; dollars."""

    name: Name50
    price: Annotated[int, Ge(1), Le(1_000_000)]
    least: Annotated[int, Ge(0), Le(1_000_000)]
    names: Annotated[dict[Literal["de", "es", "fr", "pt", "ru"], Name50], Len(0, 5)] = {}


class SecretEntry(_Entry):
    """What a person tells from a standing on, and what they say before."""

    text: Text300
    standing: Percent
    hint: Text200


class StopEntry(_Entry):
    """Where a person is from a time of the day on."""

    at: Annotated[str, Field(pattern=_TIME)]
    district: Id
    spot: Name100
    doing: Name100
    posture: Posture = "stand"
    company: Annotated[tuple[Id, ...], Len(0, 8)] = ()
    x: Metres | None = None
    y: Metres | None = None
    z: Metres | None = None
    heading: Annotated[float, Ge(0.0), Le(360.0)] | None = None


class LifeEntry(_Entry):
    """What a person tells of their life; texts are spoken as they stand."""

    past: Text400 = ""
    wish: Text300 = ""
    family: Text300 = ""
    stories: Annotated[tuple[Text400, ...], Len(0, 8)] = ()
    ties: Annotated[dict[Id, Name100], Len(0, 24)] = {}
    opinions: Annotated[dict[Annotated[str, Field(pattern=_SUBJECT)], Text240], Len(0, 64)] = {}
    wares: Annotated[tuple[WareEntry, ...], Len(0, 16)] = ()
    knows: Annotated[dict[Id, Text240], Len(0, 24)] = {}
    secrets: Annotated[tuple[SecretEntry, ...], Len(0, 4)] = ()
    day: Annotated[tuple[StopEntry, ...], Len(0, 24)] = ()
    lines: Annotated[dict[OwnAct, Annotated[tuple[Text200, ...], Len(1, 8)]], Len(0, 48)] = {}


class PlaceEntry(_Entry):
    """What everybody knows of a district."""

    about: Text200 = ""
    landmarks: Annotated[tuple[Name100, ...], Len(0, 12)] = ()
    dangers: Annotated[tuple[Text200, ...], Len(0, 6)] = ()
    hours: Text200 = ""
    sold: Annotated[tuple[Name50, ...], Len(0, 24)] = ()
    roads: Annotated[dict[Id, Name50], Len(0, 16)] = {}


class CreedEntry(_Entry):
    """What everybody knows of a faction."""

    creed: Text200 = ""
    colours: Name100 = ""
    rules: Annotated[tuple[Text200, ...], Len(0, 8)] = ()
    quarrels: Annotated[dict[Id, Text200], Len(0, 16)] = {}
    joining: Text200 = ""
    business: Name100 = ""


class WorldFile(_Entry):
    """world.yaml"""

    world: WorldEntry


class DistrictsFile(_Entry):
    """districts.yaml"""

    districts: Annotated[dict[Id, DistrictEntry], Len(1, DISTRICTS_MAX)]


class FactionsFile(_Entry):
    """factions.yaml"""

    factions: Annotated[dict[Id, FactionEntry], Len(0, FACTIONS_MAX)]


class NpcsFile(_Entry):
    """npcs.yaml"""

    npcs: Annotated[dict[Id, NpcEntry], Len(0, NPCS_MAX)]


class MissionsFile(_Entry):
    """missions.yaml"""

    missions: Annotated[dict[Id, MissionEntry], Len(0, MISSIONS_MAX)]


class ThingsFile(_Entry):
    """things.yaml"""

    things: Annotated[dict[Id, ThingEntry], Len(0, THINGS_MAX)]


class LivesFile(_Entry):
    """lives.yaml"""

    lives: Annotated[dict[Id, LifeEntry], Len(0, NPCS_MAX)]


class PlacesFile(_Entry):
    """places.yaml"""

    places: Annotated[dict[Id, PlaceEntry], Len(0, DISTRICTS_MAX)]


class CreedsFile(_Entry):
    """creeds.yaml"""

    creeds: Annotated[dict[Id, CreedEntry], Len(0, FACTIONS_MAX)]


FILES: Final[dict[str, type[_Entry]]] = {
    "world.yaml": WorldFile,
    "districts.yaml": DistrictsFile,
    "factions.yaml": FactionsFile,
    "npcs.yaml": NpcsFile,
    "missions.yaml": MissionsFile,
    "things.yaml": ThingsFile,
    "lives.yaml": LivesFile,
    "places.yaml": PlacesFile,
    "creeds.yaml": CreedsFile,
}
"""The files of a world folder; each has one top key, which is the file's name without its ending."""

OPTIONAL: Final = frozenset(("things.yaml", "lives.yaml", "places.yaml", "creeds.yaml"))
"""Files that a world folder may lack."""


def world_schema() -> dict[str, Any]:
    """JSON Schema (draft 7 words only) that fits each of the files, for editors."""
    keys, generated = models_json_schema([(model, "validation") for model in FILES.values()])
    definitions = generated["$defs"]
    properties: dict[str, Any] = {}
    for model in FILES.values():
        place = keys[(model, "validation")]["$ref"].rpartition("/")[2]
        properties |= definitions.pop(place)["properties"]
    schema: dict[str, Any] = _closed(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "A GangGPT world file",
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "$defs": definitions,
        }
    )
    return schema


def _closed(part: Any) -> Any:
    """The same schema where maps by id refuse keys that are no ids, as the loader does."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(value) for key, value in part.items()}
    return closed | {"additionalProperties": False} if "patternProperties" in part else closed


def schema_text() -> str:
    """The schema as it stands in ``worlds/schema.json``."""
    return json.dumps(world_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
