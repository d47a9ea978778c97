"""The small world that simulations play in: three districts, three factions at odds, a few people, two jobs."""

from __future__ import annotations

from typing import Any, Final

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.turn import Command, Dice
from ganggpt.domain.world import District, FactionSheet, MissionTemplate, NpcSheet, ObjectiveSheet, World

_TRAITS: Final = {"friendliness": 60, "temper": 40, "greed": 50, "courage": 60}


class TerseMind:
    """Says in one word what it was asked to say: simulations are not about words."""

    def say(self, brief: Any, dice: Dice) -> str:
        """See Wording."""
        return f"({getattr(brief, 'act', 'say')} {dice.between(1, 9)})"


def _district(name: str, *neighbours: str) -> District:
    return District(
        id=name, name=name.title(), kind="harbour", x=0.0, y=0.0, z=30.0, radius_m=300.0, neighbours=neighbours
    )


def _faction(name: str, home: str, relations: dict[str, int]) -> FactionSheet:
    return FactionSheet(
        id=name,
        name=name.title(),
        kind="gang",
        motto="we hold",
        home=home,
        territories=(home,),
        influence=40,
        treasury=50_000,
        traits={"aggression": 70, "greed": 50, "loyalty": 50, "cunning": 50},
        relations=relations,
    )


def _npc(name: str, *missions: str) -> NpcSheet:
    return NpcSheet(
        id=name,
        name=name.title(),
        role="fixer",
        home="docks",
        faction="harbour",
        traits=_TRAITS,
        style="street",
        backstory="",
        likes=("watches",),
        missions=missions,
        room=16,  # so small that minds let go of memories while they are watched
    )


def _mission(name: str, count: int, impact: dict[str, int], frictions: dict[str, int]) -> MissionTemplate:
    return MissionTemplate(
        id=name,
        title=name.title(),
        description=f"Do the {name}.",
        difficulty=3,
        minutes=30,
        reward=1_500,
        objectives=(ObjectiveSheet(verb="deliver", target="parcel", count=count),),
        impact=impact,
        frictions=frictions,
    )


WORLD: Final = World(
    name="sim",
    title="A simulated world",
    seed=7,
    districts={
        d.id: d
        for d in (_district("docks", "market"), _district("market", "docks", "hills"), _district("hills", "market"))
    },
    factions={
        f.id: f
        for f in (
            _faction("harbour", "docks", {"vipers": -60, "council": 40}),
            _faction("vipers", "market", {"harbour": -60, "council": -10}),
            _faction("council", "hills", {"harbour": 40, "vipers": -10}),
        )
    },
    npcs={n.id: n for n in (_npc("mara", "parcel", "errand"), _npc("otis", "parcel"), _npc("ines"))},
    missions={
        m.id: m
        for m in (
            _mission("parcel", 1, {"harbour": 5, "vipers": -5}, {"harbour>vipers": -3}),
            _mission("errand", 2, {"council": 4}, {}),
        )
    },
)


def cast_of(world: World) -> dict[str, tuple[str, bytes]]:
    """The creating command of every faction and person of a world, as the loader of world files makes them."""
    founded = {
        f"faction:{f.id}": faction.Found(**{name: getattr(f, name) for name in f.__struct_fields__ if name != "id"})
        for f in world.factions.values()
    }
    spawned = {
        f"npc:{n.id}": npc.Spawn(**{name: getattr(n, name) for name in n.__struct_fields__ if name != "id"})
        for n in world.npcs.values()
    }
    commands: dict[str, Command] = {**founded, **spawned}
    return {actor: (command.tag, encode_command(command)) for actor, command in commands.items()}
