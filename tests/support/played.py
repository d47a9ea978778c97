"""Actors brought to life, for tests of what they do then."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from ganggpt.ai.minds.model import ModelMind
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain import turn
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.moves import ListMoves
from ganggpt.domain.ids import ActorId
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Spawn
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import load_world
from tests.support.builders import (
    WORLD,
    Played,
    an_npc_sheet,
)
from tests.support.paths import ROOT
from tests.support.town import found


def a_spawn(**fields: Any) -> Spawn:
    sheet = an_npc_sheet(**fields)
    return Spawn(
        sheet.name,
        sheet.role,
        sheet.home,
        sheet.faction,
        dict(sheet.traits),
        sheet.style,
        sheet.backstory,
        sheet.likes,
        sheet.missions,
        sheet.room,
        sheet.aims,
    )


def an_npc(**fields: Any) -> Played:
    npc = Played(KIND, "npc:mara", mind=ScriptedMind())
    npc.do(a_spawn(**fields), by="server:test")
    return npc


SERVER = "server:main"


def a_faction(name: str = "harbour", world: World = WORLD, **fields: Any) -> Played:
    played = Played(faction.KIND, f"faction:{name}", world=world)
    played.do(replace(found(world.factions[name]), **fields), SERVER)
    return played


AVA, MAIN = "player:ava", "server:main"


@lru_cache(maxsize=1)
def los_santos() -> World:
    return load_world(ROOT / "worlds" / "los-santos")


def mara() -> Played:
    played = Played(npc.KIND, "npc:mara", world=los_santos())
    sheet = los_santos().npcs["mara"]
    played.do(Spawn(**{n: getattr(sheet, n) for n in sheet.__struct_fields__ if n != "id"}), MAIN)
    return played


A_GOOD_ONE = {
    "title": "Sweet Talk",
    "description": "Pick up something nice and bring it where it is needed.",
    "objectives": [
        {"verb": "collect", "target": "tool-crate", "district": "cinder-flats", "count": 1, "within_minutes": None},
        {"verb": "deliver", "target": "tool-crate", "district": "Ballast Row", "count": 1, "within_minutes": None},
    ],
    "difficulty": 2,
    "minutes": 60,
    "reward": 900,
    "impact": [{"faction": "ballas", "change": 3}],
    "frictions": [],
}


def an_outlook() -> tuple[Played, dict[str, Any]]:
    played = Played(faction.KIND, "faction:ballas", world=los_santos())
    played.do(found(los_santos().factions["ballas"]), MAIN)
    return played, dict(played.do(ListMoves(), MAIN).reply)


async def carried_out(mind: ModelMind, played: Played, request: turn.ModelRequest) -> list[Any]:
    """All commands of Mara's mind for an answer, each carried out so that the mind gets the reply of the rules."""
    parts, reply, found = mind.answer(ActorId("npc:mara"), request), None, []
    try:
        while True:
            command = await parts.asend(reply)
            found.append(command)
            reply = played.do(command, "model:gateway").reply
    except StopAsyncIteration:
        return found
