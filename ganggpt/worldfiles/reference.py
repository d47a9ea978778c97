"""The reference of the world files in ``worlds/README.md``: every field with its bounds and an example.

As a program, this module writes it anew: ``python -m ganggpt.worldfiles.reference``. Bounds come from the models of
``worldfiles.schema``; a test checks that no field is missing and that the examples are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import TypeAdapter

from ganggpt.domain.lore import OPINION_WORDS, OwnAct
from ganggpt.domain.sheets import FactionTraits, NpcTraits
from ganggpt.worldfiles.schema import (
    CreedEntry,
    DistrictEntry,
    FactionEntry,
    LifeEntry,
    MissionEntry,
    NpcEntry,
    ObjectiveEntry,
    PlaceEntry,
    SecretEntry,
    StopEntry,
    ThingEntry,
    WareEntry,
    WorldEntry,
)

README: Final = Path(__file__).resolve().parents[2] / "worlds" / "README.md"
BEGIN: Final = "<!-- fields: python -m ganggpt.worldfiles.reference -->"
END: Final = "<!-- end of fields -->"

MODELS: Final[dict[str, tuple[str, Any]]] = {
    "world": ("`world.yaml`: the world", WorldEntry),
    "district": ("`districts.yaml`: a district", DistrictEntry),
    "faction": ("`factions.yaml`: a faction", FactionEntry),
    "faction traits": ("`traits` of a faction", FactionTraits),
    "npc": ("`npcs.yaml`: a person", NpcEntry),
    "npc traits": ("`traits` of a person", NpcTraits),
    "mission": ("`missions.yaml`: a mission", MissionEntry),
    "objective": ("`objectives` of a mission", ObjectiveEntry),
    "thing": ("`things.yaml`: a thing", ThingEntry),
    "life": ("`lives.yaml`: a life, by the id of a person", LifeEntry),
    "ware": ("`wares` of a life", WareEntry),
    "secret": ("`secrets` of a life", SecretEntry),
    "stop": ("`day` of a life: a stop", StopEntry),
    "place": ("`places.yaml`: what everybody knows of a district, by its id", PlaceEntry),
    "creed": ("`creeds.yaml`: what everybody knows of a faction, by its id", CreedEntry),
}
_NPC_TRAITS: Final = {"friendliness": 55, "temper": 40, "greed": 60, "courage": 70}
_FACTION_TRAITS: Final = {"aggression": 60, "greed": 50, "loyalty": 70, "cunning": 40}
_OBJECTIVE: Final = {"verb": "deliver", "target": "sealed-envelope", "district": "ferris-pier"}
_WARE: Final = {"name": "an old watch", "price": 220, "least": 170}
_SECRET: Final = {"text": "One page is sewn into this coat.", "standing": 40, "hint": "How I remember is my business."}
_STOP: Final = {"at": "10:00", "district": "ballast-row", "spot": "the laundry", "doing": "taking payments"}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


FIELDS: Final[dict[str, dict[str, tuple[str, Any]]]] = {
    "world": {
        "name": ("the id of the world; a database holds one", "los-santos"),
        "title": ("what people read", "Los Santos: one long summer"),
        "seed": ("feeds every die of the world", 2013),
        "day_minutes": ("how many real minutes a day of the game has", 48),
    },
    "district": {
        "name": ("what people call it", "Ferris Pier"),
        "kind": ("decides which things are found in it", "beach"),
        "x": ("its middle, in game metres", -1650.0),
        "y": ("its middle, in game metres", -1110.0),
        "z": ("its middle, in game metres", 13.0),
        "radius_m": ("how far it reaches from its middle, in metres", 260.0),
        "neighbours": ("ids of the districts next to it, each of which names this one too", ["sunline-beach"]),
    },
    "faction": {
        "name": ("what people call it", "The Ballas"),
        "kind": ("what it is", "gang"),
        "motto": ("what it says of itself", "Purple till the end"),
        "home": ("the id of the district it sits in; nobody can claim it", "ballast-row"),
        "territories": ("ids of the districts it begins with; each is held by one faction at most", ["ballast-row"]),
        "influence": ("where its influence rests", 45),
        "treasury": ("its money in dollars, to which it returns in time", 60000),
        "traits": ("how it decides; see below", _FACTION_TRAITS),
        "relations": ("where its relation to other factions rests, by id; 0 where none is given", {"vagos": -60}),
    },
    "faction traits": {
        "aggression": ("raids and wars", 60),
        "greed": ("money before everything", 50),
        "loyalty": ("keeps pacts", 70),
        "cunning": ("deals and betrayal", 40),
    },
    "npc": {
        "name": ("what people call them; no two names may look the same", "Mara Voss"),
        "role": ("what they do, in a word or two", "fixer"),
        "home": ("the id of the district they live in", "crane-harbor"),
        "faction": ("the id of their faction; null for people of none", None),
        "traits": ("their temperament; see below", _NPC_TRAITS),
        "style": ("how they talk", "street"),
        "backstory": ("one to three sentences that begin with the verb", "Ran numbers for two crews at nineteen."),
        "likes": ("what they are glad to be given", ["watches", "strong coffee"]),
        "missions": ("ids of the missions they offer", ["dockside-errand"]),
        "aims": ("what they are after, each in a few words", ["to buy back the family boat"]),
        "room": ("how many memories they have at hand; older ones go to the archive", 1000),
    },
    "npc traits": {
        "friendliness": ("how kindly they take to people", 55),
        "temper": ("how fast they are offended", 40),
        "greed": ("how much gifts count", 60),
        "courage": ("how they take threats, and whether they fight", 70),
    },
    "mission": {
        "title": ("what the player reads", "Dockside Errand"),
        "description": ("what is to be done", "Bring an envelope to the pier, and ask nobody what is in it."),
        "difficulty": ("how hard it is", 2),
        "minutes": ("how long the player has from the acceptance on", 30),
        "reward": ("dollars, within the bounds of the difficulty", 900),
        "objectives": ("what has to be done; see below", [_OBJECTIVE]),
        "impact": ("change of the player's standing with factions, by id", {"ballas": 5}),
        "frictions": ("change of what one faction thinks of another, by `one>other`", {"ballas>vagos": -3}),
        "in_order": ("whether an objective counts only once those before it are done", True),
    },
    "objective": {
        "verb": ("what is done", "deliver"),
        "target": ("to what: `npc:<id>`, `faction:<id>`, or the id of a thing or district", "sealed-envelope"),
        "count": ("how often", 1),
        "district": ("where; anywhere where none is given", "ferris-pier"),
        "within_minutes": ("how soon after the acceptance; any time where none is given", 10),
    },
    "thing": {
        "name": ("as in a sentence", "a tuned coupe"),
        "kind": ("what can be done with it", "vehicle"),
        "worth": ("dollars, for one", 24000),
        "found": ("ids or kinds of the districts where it is; anywhere where none is given", ["downtown"]),
    },
    "life": {
        "past": ("how they came to be what they are", "I ran numbers for two crews at nineteen."),
        "wish": ("what they want of life", "That everybody who matters owes me a favour."),
        "family": ("who belongs to them", "My mother keeps the ledgers. One brother, Otis, upstate."),
        "stories": ("what they tell who asks for a story", ["My father left me a watch that runs six minutes slow."]),
        "ties": ('what other people are to them, by id; follows the name and "is"', {"tobias": "my boss"}),
        "opinions": (
            "what they think, by `npc:<id>`, `faction:<id>`, `district:<id>` or one of " + _listed(OPINION_WORDS),
            {"npc:redd": "He says we owe him a life. I say he owes us quiet.", "police": "I know three by name."},
        ),
        "wares": ("what they sell, goods and services; see below", [_WARE]),
        "knows": ("what they know of districts, by id", {"figtree": "Jonelle's cart is where you hear things."}),
        "secrets": ("what they tell only friends; see below", [_SECRET]),
        "day": ("their usual day, in the order of the clock; at home all day where none is given; see below", [_STOP]),
        "lines": (
            "their own words, in place of those everybody has, by " + _listed(get_args(OwnAct)),
            {"greet": ["You're on time. I already like you better than most."]},
        ),
    },
    "ware": {
        "name": ("as in a sentence", "an old watch, cleaned and running"),
        "price": ("dollars, for one", 220),
        "least": ("the lowest price they go down to", 170),
        "names": ("its name in other languages, by `de`, `es`, `fr`, `pt` or `ru`", {"de": "alte Uhr"}),
    },
    "secret": {
        "text": ("what they tell", "One page is sewn into the lining of this coat."),
        "standing": ("how the player must stand with them before they tell it", 40),
        "hint": ("what they say instead to everybody else", "How I remember it all is my business."),
    },
    "stop": {
        "at": ("from when on they are there, until the next stop", "13:00"),
        "district": ("the id of the district", "figtree"),
        "spot": ('where exactly; follows "at"', "the shaved-ice cart"),
        "doing": ('what they do there; follows "is"', "listening to what Jonelle saw today"),
        "posture": ("how their body is shown; who sleeps sees nothing", "lean"),
        "company": ("ids of the people who are with them", ["jonelle"]),
        "x": ("where the body stands, in game metres; anywhere in the district where not given", 12.0),
        "y": ("the same; give all three or none", -1310.5),
        "z": ("the same", 29.0),
        "heading": ("where the body looks, in degrees", 180.0),
    },
    "place": {
        "about": ("what it is like", "The old heart of the city, twelve stone pillars around a square."),
        "landmarks": ("what there is to see", ["the dry fountain with the bronze mule"]),
        "dangers": ("what to look out for", ["Pickpockets work the bus queues in pairs."]),
        "hours": ("when it is busy and when it is empty", "It is swept empty by ten at night."),
        "sold": ("what can be bought there", ["coffee", "bus tickets"]),
        "roads": (
            "the streets that lead to its neighbours, by their id; it is enough that one of the two says it",
            {"figtree": "Figtree Avenue"},
        ),
    },
    "creed": {
        "creed": ("what it stands for", "Nobody goes hungry on the Row, and nobody talks outside it."),
        "colours": ("how to tell its people", "purple, with an anchor stitched over the heart"),
        "rules": ("what its people hold to", ["Nobody robs on their own street."]),
        "quarrels": (
            "why it is at odds with other factions, by id",
            {"ansel-nine": "The Nine paint over their anchors and want a life for a dead brother."},
        ),
        "joining": ("how somebody gets in", "Nobody applies. Somebody on the Row vouches for a newcomer."),
        "business": ("what it lives on", "numbers, loans and whatever still comes off the barges"),
    },
}
"""By model and field: what it means, and an example."""


def fields_text() -> str:
    """The tables of the reference."""
    parts = []
    for name, (title, model) in MODELS.items():
        schema = TypeAdapter(model).json_schema()
        rows = [_row(field, name, schema) for field in schema["properties"]]
        head = ["| field | what it is | what it may be | example |", "|---|---|---|---|"]
        parts.append("\n".join([f"#### {title}", "", *head, *rows]))
    return "\n\n".join(parts)


def with_fields(page: str) -> str:
    """The page with the reference as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{fields_text()}\n\n{END}{after}"


def _row(field: str, model: str, schema: dict[str, Any]) -> str:
    meaning, example = FIELDS[model][field]
    part = schema["properties"][field]
    bounds = _bounds(part, schema.get("$defs", {}))
    if field not in schema.get("required", ()):
        default = part.get("default")
        bounds += ", may be left out" + (f" ({json.dumps(default)})" if default not in (None, "", [], {}, ()) else "")
    return f"| `{field}` | {meaning} | {bounds} | `{json.dumps(example, ensure_ascii=False)}` |".replace("\\|", "|")


def _bounds(part: dict[str, Any], defs: dict[str, Any]) -> str:  # noqa: PLR0911 - one line for each shape
    if "$ref" in part:
        return _bounds(defs[part["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in part:
        return " or ".join(_bounds(one, defs) for one in part["anyOf"])
    if "enum" in part:
        return "one of " + ", ".join(f"`{word}`" for word in part["enum"])
    match part.get("type"):
        case "null":
            return "null"
        case "boolean":
            return "true or false"
        case "integer" | "number":
            whole = "a whole number" if part["type"] == "integer" else "a number"
            return f"{whole}, {_number(part['minimum'])} to {_number(part['maximum'])}"
        case "string" if "63" in part.get("pattern", "") or "62" in part.get("pattern", ""):
            return "an id"
        case "string" if "maxLength" not in part:
            return "a time of the day, 00:00 to 23:59"
        case "string":
            return f"a text of {part.get('minLength', 0)} to {part['maxLength']} characters"
        case "array":
            return f"a list of {_span(part, 'Items')}"
        case _ if part.get("maxProperties") is not None:
            return f"up to {part['maxProperties']} keys and values"
    return "keys and values"


def _span(part: dict[str, Any], word: str) -> str:
    least, most = part.get(f"min{word}", 0), part[f"max{word}"]
    return f"{least} to {most}" if least else f"up to {most}"


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else str(value)


if __name__ == "__main__":
    README.write_text(with_fields(README.read_text(encoding="utf-8")), encoding="utf-8")
