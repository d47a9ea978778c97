"""States of actors for tests of what the tables show."""

from __future__ import annotations

from typing import Any

from ganggpt.domain.companion.state import Companion
from ganggpt.domain.faction.relation import Entry, Relation
from ganggpt.domain.faction.state import Faction
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.mind import Mind
from ganggpt.domain.mission.state import Mission
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.player.state import Player
from ganggpt.domain.world import (
    FactionSheet,
    MissionTemplate,
    NpcSheet,
    ObjectiveSheet,
)

NOW_S = 1_790_000_000.25


def memory(no: int, text: str = "somebody came by", about: str | None = None, **rest: Any) -> Memory:
    return Memory(no, "talk", text, rest.pop("weight", 40), about, "witnessed", NOW_S + no / 7, **rest)


def npc(*memories: Memory) -> Npc:
    sheet = NpcSheet(
        id="mara", name="Mara", role="bartender", home="docks", faction=None, traits={}, style="dry", backstory=""
    )
    return Npc(sheet, NOW_S, 0.0, NOW_S, Mind(memories))


def player(username: str = "Anna", **rest: Any) -> Player:
    return Player(username, rest.pop("email", None), NOW_S, **rest)


def faction(**relations: float) -> Faction:
    sheet = FactionSheet(
        id="ballas",
        name="Ballas",
        kind="gang",
        motto="",
        home="docks",
        territories=("docks",),
        influence=40,
        treasury=1000,
        traits={},
        relations={},
    )
    known = {other: Relation(value, NOW_S) for other, value in relations.items()}
    ledger = tuple(Entry(other, value, f"because of {other}", "npc:mara", NOW_S) for other, value in relations.items())
    return Faction(sheet, NOW_S, {"docks": NOW_S}, 40.4, NOW_S, 1000, known, ledger)


def mission(owner: str = "player:anna", **rest: Any) -> Mission:
    template = MissionTemplate(
        id="run",
        title="A run",
        description="Bring it there",
        difficulty=3,
        minutes=20,
        reward=500,
        objectives=(ObjectiveSheet(verb="deliver", target="parcel", count=2),),
        impact={"ballas": 5},
    )
    return Mission(template, "npc:mara", owner, NOW_S, NOW_S + 600, rest.pop("done", (0,)), **rest)


def companion(*memories: Memory, owner: str = "player:anna", loyalty: float = 55.5) -> Companion:
    return Companion(
        owner, "Rex", "dog", {"courage": 70}, "loyal", NOW_S, loyalty, NOW_S, 0.0, NOW_S, mind=Mind(memories)
    )
