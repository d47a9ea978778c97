"""A small world and turns in it, for the tests of pure rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganggpt.domain.ids import ActorId
from ganggpt.domain.turn import (
    Dice,
    Kind,
    Turn,
    Wording,
)
from ganggpt.domain.world import (
    District,
    FactionSheet,
    MissionTemplate,
    NpcSheet,
    ObjectiveSheet,
    ThingSheet,
    World,
)

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


class PlainMind:
    """Says what it was asked to say in the plainest words; for tests that are not about words."""

    def say(self, brief: Any, dice: Dice) -> str:
        return f"({getattr(brief, 'act', 'say')})"


def a_district(id: str, *neighbours: str, **fields: Any) -> District:  # noqa: A002
    known: dict[str, Any] = {
        "name": id.title(),
        "kind": "residential",
        "x": 0.0,
        "y": 0.0,
        "z": 30.0,
        "radius_m": 400.0,
    }
    return District(id=id, neighbours=neighbours, **{**known, **fields})


def a_faction_sheet(id: str, *, relations: Mapping[str, int], **fields: Any) -> FactionSheet:  # noqa: A002
    known: dict[str, Any] = {
        "name": id.title(),
        "kind": "gang",
        "motto": "we hold",
        "home": "docks",
        "territories": ("docks",),
        "influence": 40,
        "treasury": 50_000,
        "traits": {"aggression": 50, "greed": 50, "loyalty": 50, "cunning": 50},
    }
    return FactionSheet(id=id, relations=relations, **{**known, **fields})


def an_npc_sheet(id: str = "mara", **fields: Any) -> NpcSheet:  # noqa: A002
    known: dict[str, Any] = {
        "name": "Mara Voss",
        "role": "fixer",
        "home": "docks",
        "faction": "harbour",
        "traits": {"friendliness": 55, "temper": 40, "greed": 60, "courage": 60},
        "style": "street",
        "backstory": "Grew up between the cranes and never left.",
        "likes": ("watches", "strong coffee"),
        "missions": ("parcel", "shakedown"),
    }
    return NpcSheet(id=id, **{**known, **fields})


def a_mission_template(id: str, **fields: Any) -> MissionTemplate:  # noqa: A002
    known: dict[str, Any] = {
        "title": id.title(),
        "description": f"Do the {id}.",
        "difficulty": 3,
        "minutes": 30,
        "reward": 1_500,
        "objectives": (ObjectiveSheet(verb="deliver", target="parcel", count=1, district="hills"),),
        "impact": {"harbour": 5, "vipers": -5},
        "frictions": {"harbour>vipers": -3},
    }
    return MissionTemplate(id=id, **{**known, **fields})


def a_world(**fields: Any) -> World:
    """Three districts, three factions at odds, two people, two missions."""
    districts = (a_district("docks", "market"), a_district("market", "docks", "hills"), a_district("hills", "market"))
    factions = (
        a_faction_sheet("harbour", relations={"vipers": -60, "council": 40}, name="Harbour Crew"),
        a_faction_sheet(
            "vipers", relations={"harbour": -60, "council": -10}, name="Vipers", home="market", territories=("market",)
        ),
        a_faction_sheet(
            "council",
            relations={"harbour": 40, "vipers": -10},
            name="City Council",
            home="hills",
            territories=("hills",),
        ),
    )
    npcs = (
        an_npc_sheet(),
        an_npc_sheet("otis", name="Otis Bell", role="barber", faction=None, style="gruff", missions=()),
    )
    missions = (a_mission_template("parcel"), a_mission_template("shakedown", impact={"vipers": -8}, reward=4_000))
    known: dict[str, Any] = {
        "name": "test",
        "title": "A small world",
        "seed": 7,
        "districts": {sheet.id: sheet for sheet in districts},
        "factions": {sheet.id: sheet for sheet in factions},
        "npcs": {sheet.id: sheet for sheet in npcs},
        "missions": {sheet.id: sheet for sheet in missions},
    }
    return World(**{**known, **fields})


WORLD = a_world()


def a_turn(
    actor: str = "npc:mara",
    by: str = "player:ava",
    *,
    now_s: float = NOW_S,
    seq: int = 1,
    seed: int = 1,
    world: World = WORLD,
    mind: Wording | None = None,
    has_model: bool = False,
) -> Turn:
    return Turn(ActorId(actor), seq, now_s, by, Dice(seed), world, mind or PlainMind(), has_model)


class Played:
    """One actor played command by command: decides, folds the events, counts seq; refuses nothing itself."""

    def __init__(
        self, kind: Kind, actor: str, *, world: World = WORLD, mind: Wording | None = None, has_model: bool = False
    ) -> None:
        self.kind, self.actor, self.world, self.mind = kind, actor, world, mind
        self.has_model = has_model
        self.state: Any = None
        self.seq = 0
        self.now_s = NOW_S
        self.journal: list[Any] = []

    def do(self, command: Any, by: str = "player:ava", *, seed: int | None = None) -> Any:
        """Decide and fold; returns the Decision. Errors of the rules pass through and change nothing."""
        turn = a_turn(
            self.actor,
            by,
            now_s=self.now_s,
            seq=self.seq + 1,
            seed=self.seq + 1 if seed is None else seed,
            world=self.world,
            mind=self.mind,
            has_model=self.has_model,
        )
        decision = self.kind.decide(self.state, command, turn)
        for event in decision.events:
            self.state = self.kind.evolve(self.state, event)
            self.journal.append(event)
        self.seq += 1
        return decision

    def peek(self, command: Any, seed: int, by: str = "player:ava") -> Any:
        """What would be decided with these dice; nothing is folded."""
        turn = a_turn(self.actor, by, now_s=self.now_s, seq=self.seq + 1, seed=seed, world=self.world, mind=self.mind)
        return self.kind.decide(self.state, command, turn)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def view(self) -> dict[str, Any]:
        return self.kind.view(self.state, self.now_s)


DISTRICTS = {
    "docks": a_district("docks", "market", kind="docks"),
    "market": a_district("market", "docks", "hills", kind="commercial", x=900.0),
    "hills": a_district("hills", "market", kind="hills", x=2_000.0, name="Sun Hills"),
    "island": a_district("island", kind="beach", x=9_000.0),
}


NPCS = {
    "mara": an_npc_sheet(),
    "otis": an_npc_sheet("otis", name="Otis Bell", home="market", faction=None, missions=()),
    "vic": an_npc_sheet("vic", name="Vic Sting", home="market", faction="vipers", missions=()),
    "cast": an_npc_sheet("cast", name="Castaway", home="island", faction=None, missions=()),
    "joe": an_npc_sheet("joe", name="Joe Dock", home="docks", missions=()),
}


THINGS = {
    "parcel": ThingSheet(id="parcel", name="a parcel", kind="item", found=("docks",)),
    "coupe": ThingSheet(id="coupe", name="a coupe", kind="vehicle", found=("market",)),
    "crane": ThingSheet(id="crane", name="a crane", kind="device", found=("docks", "market")),
    "shell": ThingSheet(id="shell", name="a shell", kind="item", found=("island",)),
}
