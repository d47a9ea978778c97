"""What differs between two states of the world files and the living, and what the living are told of it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ganggpt.domain.faction import life as faction
from ganggpt.domain.faction.state import Faction
from ganggpt.domain.npc.commands import Revise, Spawn
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.retirement import Absence, Retire
from ganggpt.domain.world import World
from ganggpt.worldfiles.changes import LEFT, WorldChanges, plan_of
from tests.support.builders import NOW_S, WORLD, an_npc_sheet

MARA = WORLD.npcs["mara"]
HARBOUR = WORLD.factions["harbour"]


def living(**fields: Any) -> dict[str, Npc | Faction]:
    """Mara as she lives, with these fields of her sheet changed by a game server."""
    return {"npc:mara": Npc(replace(MARA, **fields), NOW_S, 0.0, NOW_S)}


def files(**fields: Any) -> World:
    """The files with these fields of Mara changed."""
    return replace(WORLD, npcs={**WORLD.npcs, "mara": replace(MARA, **fields)})


def shown(plan: WorldChanges) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(change.what, change.id, tuple(field.field for field in change.fields)) for change in plan.changes]


def test_the_same_files_change_nothing() -> None:
    plan = plan_of(WORLD, WORLD, living())
    assert (plan.changes, plan.told, plan.is_empty) == ((), (), True)


def test_the_living_are_told_only_what_changed_in_the_files() -> None:
    plan = plan_of(WORLD, files(role="boss", likes=()), living(home="hills"))
    assert shown(plan) == [("changed", "mara", ("role", "likes")), ("differs", "mara", ("home",))]
    assert plan.told == (("npc:mara", Revise(role="boss", likes=())),)
    assert plan.left == 1


def test_files_that_overwrite_win_over_game_servers() -> None:
    plan = plan_of(WORLD, files(role="boss"), living(home="hills", faction=None), overwrite=True)
    assert plan.told == (("npc:mara", Revise(role="boss", home="docks", faction="harbour")),)
    assert plan.left == 0


def test_who_leaves_the_files_retires_if_they_live() -> None:
    after = replace(WORLD, npcs={id_: sheet for id_, sheet in WORLD.npcs.items() if id_ != "mara"})
    assert plan_of(WORLD, after, living()).told == (("npc:mara", Retire(LEFT)),)
    assert plan_of(WORLD, after, {}).told == (("npc:mara", Retire(LEFT)),)
    away = {"npc:mara": replace(living()["npc:mara"], absence=Absence(NOW_S))}
    assert plan_of(WORLD, after, away).told == ()


def test_who_is_named_again_comes_back_and_who_was_retired_by_a_server_stays_away() -> None:
    before = replace(WORLD, npcs={id_: sheet for id_, sheet in WORLD.npcs.items() if id_ != "mara"})
    away = {"npc:mara": replace(living()["npc:mara"], absence=Absence(NOW_S, "on holiday"))}
    ((actor, command),) = plan_of(before, WORLD, away).told
    assert (actor, type(command)) == ("npc:mara", Spawn)
    plan = plan_of(WORLD, WORLD, away)
    assert (plan.told, shown(plan), plan.left) == ((), [("differs", "mara", ("retired",))], 1)


def test_a_newcomer_is_born_and_one_that_a_server_spawned_before_takes_on_the_sheet() -> None:
    newcomer = an_npc_sheet("nora", name="Nora Quill")
    after = replace(WORLD, npcs={**WORLD.npcs, "nora": newcomer})
    ((_, born),) = plan_of(WORLD, after, {}).told
    assert isinstance(born, Spawn)
    known: dict[str, Npc | Faction] = {"npc:nora": Npc(replace(newcomer, role="cook"), NOW_S, 0.0, NOW_S)}
    assert plan_of(WORLD, after, known).told == (("npc:nora", Revise(role="fixer")),)


def test_a_relation_that_the_files_no_longer_give_rests_at_nothing_and_ground_is_for_new_worlds() -> None:
    state: dict[str, Npc | Faction] = {"faction:harbour": Faction(HARBOUR, NOW_S, {}, 1.0, NOW_S, 5, {})}
    sheet = replace(HARBOUR, relations={"vipers": -10}, territories=())
    after = replace(WORLD, factions={**WORLD.factions, "harbour": sheet})
    plan = plan_of(WORLD, after, state)
    assert shown(plan) == [("changed", "harbour", ("territories", "relations"))]
    assert plan.told == (("faction:harbour", faction.Revise(relations={"vipers": -10, "council": 0})),)


def test_places_missions_and_the_title_are_shown_and_nobody_is_told() -> None:
    parcel = replace(WORLD.missions["parcel"], minutes=99)
    after = replace(WORLD, title="Elsewhere", missions={**WORLD.missions, "parcel": parcel})
    plan = plan_of(WORLD, after, living())
    assert shown(plan) == [("changed", WORLD.name, ("title",)), ("changed", "parcel", ("minutes",))]
    assert (plan.told, plan.is_empty) == ((), False)
