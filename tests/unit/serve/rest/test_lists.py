"""Lists under /v1: pages, cursors, filters and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ganggpt.persistence.ports.listed import (
    ListedCompanion,
    ListedDistrict,
    ListedMission,
    ListedNpc,
    ListedPlayer,
    MissionStatus,
)
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import HEADERS, Rig


def _npc(no: int, district: str = "docks", faction: str | None = None, *, retired: bool = False) -> ListedNpc:
    return ListedNpc(f"npc:n{no:02}", f"N {no}", "bartender", district, faction, retired)


def _mission(no: int, status: MissionStatus = "offered", player: str = "player:ava") -> ListedMission:
    due_s = 1000.0 + no
    return ListedMission(f"mission:m{no:02}", "A run", status, "npc:mara", player, "ballas", 3, 500, float(no), due_s)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.lists.of = {
        "npcs": [*(_npc(no) for no in range(7)), _npc(7, "vinewood", "vagos")],
        "players": [
            ListedPlayer("player:ava", "Ava", online=True, server="ls-1", district="docks", cash=5, playtime_s=9.5,
                         last_login_s=1.0),
            ListedPlayer("player:bob", "Bob", online=False, server=None, district=None, cash=0, playtime_s=0.0,
                         last_login_s=None),
        ],
        "missions": [_mission(1), _mission(2, "completed"), _mission(3, "in_progress", "player:bob")],
        "companions": [ListedCompanion("companion:rex", "Rex", "dog", "player:ava", "present", 55, 10)],
        "districts": [ListedDistrict("docks", "Docks", "port", 1.0, 2.0, 3.0, 400.0, ("vinewood",), "ballas")],
    }  # fmt: skip
    return rig


@pytest.fixture
async def http(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(rig) as client:
        yield client


async def _page(http: httpx.AsyncClient, path: str, **more: Any) -> dict[str, Any]:
    answer = await http.get(path, **more)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"items", "next"}
    return body


async def _walk(http: httpx.AsyncClient, path: str, **params: Any) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        asked = {**params, **({} if cursor is None else {"cursor": cursor})}
        body = await _page(http, path, params=asked, headers={"Cache-Control": "no-cache"})
        pages.append([row["id"] for row in body["items"]])
        cursor = body["next"]
        if cursor is None:
            return pages


@pytest.mark.parametrize("name", ["npcs", "players", "missions", "companions", "districts"])
async def test_every_list_is_a_page_of_typed_rows(http: httpx.AsyncClient, rig: Rig, name: str) -> None:
    body = await _page(http, f"/v1/{name}")
    assert len(body["items"]) == len(rig.lists.of[name])
    assert body["next"] is None
    described = (await http.get("/openapi.json")).json()
    get = described["paths"][f"/v1/{name}"]["get"]
    page = get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    row = described["components"]["schemas"][page]["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
    assert set(body["items"][0]) == set(described["components"]["schemas"][row]["required"])


async def test_the_pages_of_a_list_are_the_list(http: httpx.AsyncClient) -> None:
    assert await _walk(http, "/v1/npcs", limit=3) == [
        ["npc:n00", "npc:n01", "npc:n02"],
        ["npc:n03", "npc:n04", "npc:n05"],
        ["npc:n06", "npc:n07"],
    ]
    assert await _walk(http, "/v1/missions", limit=2) == [["mission:m03", "mission:m02"], ["mission:m01"]]


async def test_rows_that_come_and_go_neither_repeat_nor_hide_others(http: httpx.AsyncClient, rig: Rig) -> None:
    first = await _page(http, "/v1/missions", params={"limit": 1})
    rig.lists.of["missions"] += [_mission(4), _mission(5)]
    rest = await _page(http, "/v1/missions", params={"limit": 9, "cursor": first["next"]})
    assert [row["id"] for row in rest["items"]] == ["mission:m02", "mission:m01"]
    before = await _page(http, "/v1/npcs", params={"limit": 3})
    rig.lists.of["npcs"] = [row for row in rig.lists.of["npcs"] if row.id not in ("npc:n00", "npc:n02")]
    after = await _page(http, "/v1/npcs", params={"limit": 3, "cursor": before["next"]})
    assert [row["id"] for row in after["items"]] == ["npc:n03", "npc:n04", "npc:n05"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("npcs?district=vinewood", ["npc:n07"]),
        ("npcs?faction=vagos&district=docks", []),
        ("npcs?faction=vagos&retired=true", []),
        ("players?online=true", ["player:ava"]),
        ("players?online=false", ["player:bob"]),
        ("players?server=ls-1&district=docks", ["player:ava"]),
        ("missions?status=open", ["mission:m03", "mission:m01"]),
        ("missions?status=over", ["mission:m02"]),
        ("missions?status=in_progress&player=player:bob&giver=npc:mara&faction=ballas", ["mission:m03"]),
        ("companions?owner=player:ava&state=present", ["companion:rex"]),
        ("companions?state=betrayed", []),
        ("districts?faction=ballas&kind=port", ["docks"]),
    ],
)
async def test_filters_narrow_a_list(http: httpx.AsyncClient, query: str, found: list[str]) -> None:
    assert [row["id"] for row in (await _page(http, f"/v1/{query}"))["items"]] == found


async def test_retired_people_are_listed_only_where_they_are_asked_for(http: httpx.AsyncClient, rig: Rig) -> None:
    rig.lists.of["npcs"] = [_npc(1), _npc(2, retired=True)]
    assert [row["id"] for row in (await _page(http, "/v1/npcs"))["items"]] == ["npc:n01"]
    assert [row["id"] for row in (await _page(http, "/v1/npcs?retired=false"))["items"]] == ["npc:n01"]
    assert (await _page(http, "/v1/npcs?retired=true"))["items"] == [
        {"id": "npc:n02", "name": "N 2", "role": "bartender", "district": "docks", "faction": None, "retired": True}
    ]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("npcs?limit=0", "query.limit: "),
        ("npcs?limit=201", "query.limit: "),
        ("npcs?limit=many", "query.limit: "),
        ("npcs?distrikt=docks", "query.distrikt: there is no such parameter"),
        ("npcs?district=%00", "query.district: it is not a text without control characters"),
        ("npcs?cursor=nonsense", "query.cursor: "),
        ("npcs?cursor=%FF%FE", "query.cursor: "),
        ("npcs?cursor=" + "x" * 513, "query.cursor: "),
        ("missions?status=done", "query.status: "),
        ("missions?player=bob", "query.player: it is not the id of a player"),
        ("missions?giver=player:bob", "query.giver: it is not the id of an NPC"),
        ("players?online=perhaps", "query.online: "),
        ("npcs?retired=perhaps", "query.retired: "),
    ],
)
async def test_what_a_list_does_not_take_is_refused(http: httpx.AsyncClient, query: str, problem: str) -> None:
    answer = await http.get(f"/v1/{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_input"
    assert answer.json()["error"]["message"].startswith(problem)


async def test_the_cursor_of_one_list_is_refused_by_another(http: httpx.AsyncClient) -> None:
    cursor = (await _page(http, "/v1/npcs", params={"limit": 1}))["next"]
    answer = await http.get("/v1/players", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")


async def test_the_same_page_is_read_once_for_a_moment_and_anew_with_no_cache(
    http: httpx.AsyncClient, rig: Rig
) -> None:
    await asyncio.gather(*(_page(http, "/v1/npcs?limit=2") for _ in range(5)))
    await _page(http, "/v1/npcs?limit=2")
    assert rig.lists.asked == 1
    await _page(http, "/v1/npcs?limit=3")
    await _page(http, "/v1/npcs?limit=2", headers={"Cache-Control": "no-cache"})
    assert rig.lists.asked == 3


async def test_a_list_without_its_database_is_unavailable(http: httpx.AsyncClient, rig: Rig) -> None:
    rig.lists.outage = True
    answer = await http.get("/v1/players")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


async def test_a_list_needs_the_token(rig: Rig) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app), base_url="http://bridge") as stranger:
        assert (await stranger.get("/v1/players")).status_code == 401
        assert (await stranger.get("/v1/players", headers=HEADERS)).status_code == 200
