"""Lists of a world, asked of every adapter of the port: the same rows in the same pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from msgspec.structs import replace

from ganggpt.domain.npc.state import Npc
from ganggpt.domain.retirement import Absence
from ganggpt.domain.world import District, World
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.ports.listed import (
    Filters,
    Listed,
    ListedCompanion,
    ListedDistrict,
    ListedMission,
    ListedNpc,
    ListedPlayer,
    PageStart,
    WorldLists,
    page_after,
)
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.world_lists import PostgresLists
from ganggpt.persistence.world_store import change_world, create_world
from ganggpt.testing.memory_lists import MemoryLists
from tests.support.states import NOW_S, companion, faction, memory, mission, npc, player

pytestmark = pytest.mark.integration

LATER_S = NOW_S + 0.333333

_DOCKS = District(id="docks", name="The docks", kind="port", x=1.0, y=2.0, z=3.0, radius_m=90.0, neighbours=("hills",))
_HILLS = District(
    id="hills", name="The hills", kind="villas", x=9.0, y=2.0, z=3.0, radius_m=80.0, neighbours=("docks",)
)
_TOM = replace(npc().sheet, id="tom", name="Tom", home="hills", faction="vagos")
WORLD = World(
    name="w", title="W", seed=1, districts={"docks": _DOCKS, "hills": _HILLS}, npcs={"mara": npc().sheet, "tom": _TOM}
)
EXPECTED: dict[str, Sequence[Listed]] = {
    "npcs": [
        ListedNpc("npc:joe", "Joe", "bartender", "hills", "ballas", retired=True),
        ListedNpc("npc:mara", "Mara", "bartender", "docks", None, retired=False),
        ListedNpc("npc:tom", "Tom", "bartender", "hills", "vagos", retired=False),
    ],
    "players": [
        ListedPlayer("player:anna", "Anna", online=True, server="ls-1", district="docks", cash=70, playtime_s=90.5,
                     last_login_s=NOW_S),
        ListedPlayer("player:bob", "Bob", online=False, server=None, district="hills", cash=0, playtime_s=0.0,
                     last_login_s=None),
    ],
    "missions": [
        ListedMission("mission:m1", "A run", "offered", "npc:mara", "player:anna", "ballas", 3, 500, NOW_S,
                      NOW_S + 600),
        ListedMission("mission:m2", "A run", "completed", "npc:mara", "player:anna", None, 3, 500, NOW_S, NOW_S + 600),
        ListedMission("mission:m3", "A run", "in_progress", "npc:joe", "player:bob", "vagos", 3, 500, LATER_S,
                      NOW_S + 600),
    ],
    "companions": [
        ListedCompanion("companion:max", "Rex", "dog", "player:bob", "betrayed", 56, 0),
        ListedCompanion("companion:rex", "Rex", "dog", "player:anna", "present", 56, 0),
    ],
    "districts": [
        ListedDistrict("docks", "The docks", "port", 1.0, 2.0, 3.0, 90.0, ("hills",), "ballas"),
        ListedDistrict("hills", "The hills", "villas", 9.0, 2.0, 3.0, 80.0, ("docks",), None),
    ],
}  # fmt: skip


def _joe() -> Npc:
    sheet = replace(npc().sheet, id="joe", name="Joe", home="hills", faction="ballas")
    return replace(npc(), sheet=sheet, absence=Absence(NOW_S))


async def _fill(pool: asyncpg.Pool) -> None:
    await create_world(pool, WORLD, {}, ["s:0"])
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    late = replace(mission("player:bob", status="in_progress", payer="vagos"), giver="npc:joe", offered_s=LATER_S)
    changes = [
        ("npc:joe", None, _joe()),
        # Remembers somebody who never joined: no list shows them.
        ("npc:mara", None, npc(memory(1, about="player:nobody"))),
        ("player:anna", None, player(server="ls-1", district="docks", cash=70, playtime_s=90.5, last_login_s=NOW_S)),
        ("player:bob", None, player("Bob", district="hills")),
        ("mission:m1", None, mission(payer="ballas")),
        ("mission:m2", None, mission(status="completed")),
        ("mission:m3", None, late),
        ("companion:rex", None, companion()),
        ("companion:max", None, replace(companion(owner="player:bob"), gone="betrayed")),
        ("faction:ballas", None, faction()),
    ]
    await PostgresFlush(pool).flush(epoch, changes, NOW_S)


@pytest.fixture(params=["memory", "postgres"])
async def lists(request: pytest.FixtureRequest, pool: asyncpg.Pool) -> AsyncIterator[WorldLists]:
    if request.param == "memory":
        yield MemoryLists(**EXPECTED)
        return
    await _fill(pool)
    yield PostgresLists(pool)


async def _ids(lists: WorldLists, name: str, filters: Filters) -> list[str]:
    return [row.id for row in await lists.rows(name, filters, None, 100)]


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_list_shows_every_row(lists: WorldLists, name: str) -> None:
    rows = await lists.rows(name, {}, None, 100)
    assert sorted(rows, key=lambda row: row.id) == sorted(EXPECTED[name], key=lambda row: row.id)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("limit", [1, 2])
async def test_pages_together_are_the_list_in_its_order(lists: WorldLists, name: str, limit: int) -> None:
    walked: list[Listed] = []
    after: PageStart | None = None
    while page := await lists.rows(name, {}, after, limit):
        assert len(page) <= limit
        walked += page
        after = page_after(page[-1])
    assert [row.id for row in walked] == await _ids(lists, name, {})
    assert len(walked) == len(EXPECTED[name])
    ordered = sorted(walked, key=page_after, reverse=name == "missions")
    assert walked == ordered


@pytest.mark.parametrize(
    ("name", "filters", "found"),
    [
        ("npcs", {"district": "hills"}, ["npc:joe", "npc:tom"]),
        ("npcs", {"district": "hills", "faction": "vagos"}, ["npc:tom"]),
        ("npcs", {"retired": True}, ["npc:joe"]),
        ("npcs", {"retired": False}, ["npc:mara", "npc:tom"]),
        ("npcs", {"district": "hills", "retired": False}, ["npc:tom"]),
        ("npcs", {"district": 'it\'s "odd" {}'}, []),
        ("players", {"online": True}, ["player:anna"]),
        ("players", {"online": False, "district": "hills"}, ["player:bob"]),
        ("players", {"server": "ls-1"}, ["player:anna"]),
        ("missions", {"status": "open"}, ["mission:m3", "mission:m1"]),
        ("missions", {"status": "over"}, ["mission:m2"]),
        ("missions", {"status": "completed"}, ["mission:m2"]),
        ("missions", {"player": "player:anna", "faction": "ballas"}, ["mission:m1"]),
        ("missions", {"giver": "npc:joe", "status": "in_progress"}, ["mission:m3"]),
        ("companions", {"owner": "player:bob"}, ["companion:max"]),
        ("companions", {"state": "present"}, ["companion:rex"]),
        ("companions", {"state": "betrayed", "owner": "player:anna"}, []),
        ("districts", {"faction": "ballas"}, ["docks"]),
        ("districts", {"kind": "villas"}, ["hills"]),
    ],
)
async def test_filters_narrow_a_list(lists: WorldLists, name: str, filters: Filters, found: list[str]) -> None:
    assert await _ids(lists, name, filters) == found


async def test_people_of_the_world_file_are_listed_before_they_live_and_as_they_are_when_they_do(
    pool: asyncpg.Pool,
) -> None:
    await create_world(pool, WORLD, {}, ["s:0"])
    lists = PostgresLists(pool)
    assert await _ids(lists, "npcs", {}) == ["npc:mara", "npc:tom"]
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    lived = replace(npc(), sheet=replace(npc().sheet, name="Mara Voss"))
    await PostgresFlush(pool).flush(epoch, [("npc:mara", None, lived)], NOW_S)
    moved = replace(_TOM, home="docks")
    await create_world(pool, replace(WORLD, npcs={"mara": npc().sheet, "tom": moved}), {}, ["s:0"])
    rows = await lists.rows("npcs", {}, None, 9)
    assert [(row.id, row.name, getattr(row, "district", "")) for row in rows] == [
        ("npc:mara", "Mara Voss", "docks"),
        ("npc:tom", "Tom", "docks"),
    ]


async def test_who_retires_leaves_the_list_and_is_in_it_again_when_they_return(pool: asyncpg.Pool) -> None:
    await _fill(pool)
    epoch = (await PostgresHosts(pool).register("host-2", "shared")).epoch
    lists, flush, there = PostgresLists(pool), PostgresFlush(pool), npc(memory(1, about="player:nobody"))
    away = replace(there, absence=Absence(NOW_S, "on holiday"))
    await flush.flush(epoch, [("npc:mara", there, away)], NOW_S)
    assert await _ids(lists, "npcs", {"retired": False}) == ["npc:tom"]
    assert await _ids(lists, "npcs", {"retired": True}) == ["npc:joe", "npc:mara"]
    await flush.flush(epoch, [("npc:mara", away, there)], NOW_S)
    assert await _ids(lists, "npcs", {"retired": False}) == ["npc:mara", "npc:tom"]


async def test_changed_world_files_are_seen_at_once_of_those_who_never_lived_and_of_no_others(
    pool: asyncpg.Pool,
) -> None:
    people = {**WORLD.npcs, "joe": _joe().sheet, "abe": replace(_TOM, id="abe")}
    before = replace(WORLD, npcs=people)
    await create_world(pool, before, {}, ["s:0"])
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    lived = [("npc:mara", None, npc()), ("npc:joe", None, replace(_joe(), absence=None))]
    await PostgresFlush(pool).flush(epoch, lived, NOW_S)
    # Mara, who lives, is changed and Joe is removed; Tom, who never lived, is changed and Abe is removed.
    after = replace(
        WORLD,
        npcs={
            "mara": replace(npc().sheet, name="Mara Voss"),
            "tom": replace(_TOM, home="docks"),
            "nora": replace(_TOM, id="nora", name="Nora"),
        },
    )
    assert await change_world(pool, before, after, {}, [])
    assert await PostgresLists(pool).rows("npcs", {}, None, 9) == [
        ListedNpc("npc:joe", "Joe", "bartender", "hills", "ballas", retired=False),
        ListedNpc("npc:mara", "Mara", "bartender", "docks", None, retired=False),
        ListedNpc("npc:nora", "Nora", "bartender", "hills", "vagos", retired=False),
        ListedNpc("npc:tom", "Tom", "bartender", "docks", "vagos", retired=False),
    ]
    assert not await change_world(pool, before, WORLD, {}, [])
    assert "npc:nora" in await _ids(PostgresLists(pool), "npcs", {})


async def test_a_faction_that_was_not_needed_yet_holds_what_its_sheet_says_and_nobody_took(pool: asyncpg.Pool) -> None:
    sheet = faction().sheet
    vagos = replace(sheet, id="vagos", territories=("docks", "hills"))
    await create_world(pool, replace(WORLD, factions={"ballas": sheet, "vagos": vagos}), {}, ["s:0"])
    lists = PostgresLists(pool)
    assert await _ids(lists, "districts", {"faction": "vagos"}) == ["docks", "hills"]
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    await PostgresFlush(pool).flush(epoch, [("faction:ballas", None, faction())], NOW_S)
    assert await _ids(lists, "districts", {"faction": "vagos"}) == ["hills"]
    assert await _ids(lists, "districts", {"faction": "ballas"}) == ["docks"]


async def test_a_database_without_a_world_has_no_rows(pool: asyncpg.Pool) -> None:
    for name in EXPECTED:
        assert await PostgresLists(pool).rows(name, {}, None, 5) == []
