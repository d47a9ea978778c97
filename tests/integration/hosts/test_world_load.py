"""World files loaded into a world that lives: the living learn of it, once, and what they went through stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from ganggpt.actors.envelope import error_of, wrap
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.domain.faction.moves import ListMoves
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Give, Revise, Talk
from ganggpt.domain.retirement import Retire
from ganggpt.domain.world import World
from ganggpt.errors import StartFailed
from ganggpt.operations.verify import verify_world
from ganggpt.operations.world_load import Loaded, compare, load
from ganggpt.persistence.world_lists import PostgresLists
from ganggpt.persistence.world_store import create_world, load_world
from ganggpt.worldfiles.files import cast_of
from tests.support.eventually import eventually
from tests.support.live_town import LOS_SANTOS, SHARDS, LiveTown, fetch, living, states_of, until_delivered

pytestmark = pytest.mark.integration

AVA, MARA, TOBIAS = "player:ava", "npc:mara", "npc:tobias"


@pytest.fixture
async def town(database: str) -> AsyncIterator[LiveTown]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        cast = {str(actor): (name, msgspec.msgpack.encode(command)) for actor, name, command in cast_of(LOS_SANTOS)}
        await create_world(pool, LOS_SANTOS, cast, list(shared_shards(SHARDS)))
    async with living(database) as live:
        yield live


def changed(world: World = LOS_SANTOS, **people: dict[str, Any] | None) -> World:
    """The world with these people changed, or removed (None)."""
    npcs = {id_: sheet for id_, sheet in world.npcs.items() if people.get(id_, {}) is not None}
    npcs |= {id_: replace(npcs[id_], **fields) for id_, fields in people.items() if fields and id_ in npcs}
    return replace(world, npcs=npcs)


def named(loaded: Loaded) -> list[tuple[str, str]]:
    assert loaded.plan is not None
    return [(change.what, change.id) for change in loaded.plan.changes]


async def turns_of(dsn: str, actor: str) -> list[str]:
    return [row[0] for row in await fetch(dsn, "SELECT name FROM journal WHERE actor = $1 ORDER BY seq", actor)]


async def test_a_changed_sheet_reaches_the_living_and_their_memories_stay(town: LiveTown) -> None:
    await town.ask(MARA, Give("silver watch", 400, "Ava"), AVA)
    before = (await states_of(town.dsn))[MARA][1]
    files = changed(mara={"role": "harbour boss", "likes": ("silence",)})
    found = await load(town.pool, files, SHARDS)
    assert named(found) == [("changed", "mara")]
    assert (found.running, found.waiting) == (True, 0)
    after = (await states_of(town.dsn))[MARA][1]
    assert (after.sheet.role, after.sheet.likes) == ("harbour boss", ("silence",))
    assert (after.mind, after.standings, after.items) == (before.mind, before.standings, before.items)
    again = await load(town.pool, files, SHARDS)
    assert named(again) == []
    assert (await turns_of(town.dsn, MARA)).count("Revise") == 1


async def test_new_people_appear_and_removed_ones_retire_and_come_back(town: LiveTown) -> None:
    await town.ask(TOBIAS, Talk("Good evening", "Ava"), AVA)
    newcomer = replace(LOS_SANTOS.npcs["tobias"], id="nora", name="Nora Quill", missions=())
    files = changed(tobias=None)
    files = replace(files, npcs={**files.npcs, "nora": newcomer})
    assert named(await load(town.pool, files, SHARDS)) == [("added", "nora"), ("removed", "tobias")]
    assert (await town.ask("npc:nora", Talk("Hello", "Ava"), AVA))["reply"]["say"]
    refused = await refused_talk(town, TOBIAS)
    assert refused["reason"] == "retired"
    assert "has left the world (the world files no longer name them)" in refused["message"]
    back = replace(files, npcs={**files.npcs, "tobias": LOS_SANTOS.npcs["tobias"]})
    assert named(await load(town.pool, back, SHARDS)) == [("added", "tobias")]
    reply = (await town.ask(TOBIAS, Talk("Good evening again", "Ava"), AVA))["reply"]
    assert reply["say"]
    assert (await states_of(town.dsn))[TOBIAS][1].standings[AVA].talks == 2


async def test_who_never_lived_is_just_not_there_any_more(town: LiveTown) -> None:
    await load(town.pool, changed(tobias=None), SHARDS)
    assert TOBIAS not in (await load_world(town.pool))[1]

    async def gone() -> bool:
        # A host that had not read the files yet may have brought him to life; then he has retired at once.
        error = await refused_talk(town, TOBIAS)
        return error["code"] == "unknown_actor" or error.get("reason") == "retired"

    await eventually(gone, "nobody can talk to who is no longer in the files", 30)


async def test_the_list_of_people_follows_a_load(town: LiveTown) -> None:
    lists = PostgresLists(town.pool)
    await town.ask(TOBIAS, Talk("Good evening", "Ava"), AVA)
    await town.ask(MARA, Talk("Good evening", "Ava"), AVA)
    unborn = next(id_ for id_ in sorted(LOS_SANTOS.npcs) if f"npc:{id_}" not in (MARA, TOBIAS))
    newcomer = replace(LOS_SANTOS.npcs["tobias"], id="nora", name="Nora Quill", missions=())
    files = changed(tobias=None, mara={"role": "harbour boss"})
    files = replace(
        files, npcs={**{id_: sheet for id_, sheet in files.npcs.items() if id_ != unborn}, "nora": newcomer}
    )

    async def listed(*, retired: bool = False) -> dict[str, Any]:
        return {row.id: row for row in await lists.rows("npcs", {"retired": retired}, None, 200)}

    async def follows(world: World) -> bool:
        people = await listed()
        agrees = people.keys() == {f"npc:{id_}" for id_ in world.npcs}
        return agrees and all(people[f"npc:{id_}"].role == sheet.role for id_, sheet in world.npcs.items())

    await load(town.pool, files, SHARDS)
    await eventually(lambda: follows(files), "the list shows the new files", 10)
    assert set(await listed(retired=True)) == {TOBIAS}
    await load(town.pool, LOS_SANTOS, SHARDS)
    await eventually(lambda: follows(LOS_SANTOS), "the list shows the old files again", 10)
    assert (await verify_world(town.dsn)).findings == ()


async def test_what_a_game_server_changed_stays_unless_the_files_are_to_win(town: LiveTown) -> None:
    await town.ask(MARA, Revise(home="salt-terminal"))
    await town.ask(TOBIAS, Retire("on holiday"))
    files = changed(mara={"role": "harbour boss"})
    found = await load(town.pool, files, SHARDS)
    assert named(found) == [("changed", "mara"), ("differs", "mara"), ("differs", "tobias")]
    state = (await states_of(town.dsn))[MARA][1]
    assert (state.sheet.role, state.sheet.home) == ("harbour boss", "salt-terminal")
    assert (await refused_talk(town, TOBIAS))["reason"] == "retired"
    await load(town.pool, files, SHARDS, overwrite=True)
    states = await states_of(town.dsn)
    assert states[MARA][1].sheet == files.npcs["mara"]
    assert states[TOBIAS][1].absence is None


async def test_a_dry_run_changes_nothing(town: LiveTown) -> None:
    await town.ask(MARA, Talk("Hello", "Ava"), AVA)
    assert named(await compare(town.pool, changed(mara={"role": "boss"}, tobias=None))) == [
        ("changed", "mara"),
        ("removed", "tobias"),
    ]
    assert (await load_world(town.pool))[0] == LOS_SANTOS
    assert await fetch(town.dsn, "SELECT 1 FROM outbox WHERE sender = 'world'") == []


async def test_a_faction_changes_and_leaves_with_the_files_that_named_it(town: LiveTown) -> None:
    await town.ask("faction:ballas", ListMoves())
    ballas = replace(LOS_SANTOS.factions["ballas"], motto="Quiet now", treasury=123)
    files = replace(LOS_SANTOS, factions={**LOS_SANTOS.factions, "ballas": ballas})
    assert named(await load(town.pool, files, SHARDS)) == [("changed", "ballas")]
    before, state = LOS_SANTOS.factions["ballas"], (await states_of(town.dsn))["faction:ballas"][1]
    assert (state.sheet.motto, state.sheet.treasury) == ("Quiet now", 123)
    assert set(state.territories) == set(before.territories)


async def test_a_stopped_world_is_told_when_it_runs_again(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        cast = {str(actor): (name, msgspec.msgpack.encode(command)) for actor, name, command in cast_of(LOS_SANTOS)}
        await create_world(pool, LOS_SANTOS, cast, list(shared_shards(SHARDS)))
        async with living(database) as town:
            await town.ask(MARA, Talk("Hello", "Ava"), AVA)
        found = await load(pool, changed(mara={"role": "harbour boss"}), SHARDS)
        assert (found.running, found.waiting) == (False, 1)
        async with living(database):
            await until_delivered(database)
        assert (await states_of(database))[MARA][1].sheet.role == "harbour boss"


async def test_files_of_another_world_are_refused_and_change_nothing(town: LiveTown) -> None:
    with pytest.raises(StartFailed, match="not 'liberty'"):
        await load(town.pool, replace(LOS_SANTOS, name="liberty"), SHARDS)
    assert (await load_world(town.pool))[0] == LOS_SANTOS


async def refused_talk(town: LiveTown, actor: str) -> Any:
    """The error that a player gets who talks to somebody; {"code": ""} where they are answered."""
    error = error_of(await town.router.ask(wrap(new_command_id(), actor, AVA, Talk("Anybody there?", "Ava"))))
    return error or {"code": ""}
