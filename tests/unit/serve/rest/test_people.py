"""GET /v1/districts/{id}/people: who is there at a minute, and where their bodies stand."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, get_args

import httpx
import pytest

from ganggpt.domain.daily_life import clock_at, people_in
from ganggpt.domain.lore import Life, Posture, Stop
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.listed import ListedNpc
from ganggpt.serve.composition import bridge_app
from ganggpt.serve.rest.people import People
from ganggpt.testing.memory_lists import MemoryLists
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import HEADERS, Rig
from tests.support.builders import NOW_S, WORLD, a_world
from tests.support.talks import los_santos

AT_WORK = Stop(at="00:00", district="hills", spot="the gate", doing="keeping watch", posture="guard", company=("mara",),
               x=1.5, y=-2.0, z=31.0, heading=90.0)  # fmt: skip
LIVED = a_world(lives={"otis": Life(id="otis", day=(AT_WORK,))})
"""Otis has one stop, and so he is there all day, every day."""


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.app = bridge_app(replace(rig.ports, world=LIVED), rig._close)
    return rig


@pytest.fixture
async def http(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(rig) as client:
        yield client


async def _there(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await http.get(f"/v1/districts/{path}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _people(world: Any = None, lists: MemoryLists | None = None, now_s: float = NOW_S) -> People:
    known = world or los_santos()
    return People(lambda: known, lists or MemoryLists(), lambda: now_s)


async def test_who_is_there_is_told_with_body_and_doing(http: httpx.AsyncClient) -> None:
    assert await _there(http, "hills/people?minute=720") == {
        "district": "hills",
        "name": "Hills",
        "minute": 720,
        "people": [
            {
                "npc": "npc:otis",
                "name": "Otis Bell",
                "role": "barber",
                "faction": None,
                "spot": "the gate",
                "doing": "keeping watch",
                "posture": "guard",
                "until": 0,
                "company": ["npc:mara"],
                "position": {"x": 1.5, "y": -2.0, "z": 31.0},
                "heading": 90.0,
            }
        ],
    }


async def test_who_has_no_day_is_at_home_and_an_empty_district_has_nobody(http: httpx.AsyncClient) -> None:
    (mara,) = (await _there(http, "docks/people?minute=0"))["people"]
    assert (mara["npc"], mara["faction"], mara["spot"]) == ("npc:mara", "harbour", "home")
    assert (await _there(http, "market/people?minute=0"))["people"] == []


@pytest.mark.parametrize("minute", ["0", "1439"])
async def test_the_first_and_the_last_minute_of_a_day_are_answered(http: httpx.AsyncClient, minute: str) -> None:
    assert (await _there(http, f"hills/people?minute={minute}"))["minute"] == int(minute)


@pytest.mark.parametrize("minute", ["-1", "1440", "noon", "12.5", "99999999999999999999"])
async def test_a_minute_that_no_day_has_is_refused(http: httpx.AsyncClient, minute: str) -> None:
    answer = await http.get(f"/v1/districts/hills/people?minute={minute}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")
    assert answer.json()["error"]["message"].startswith("query.minute: ")


@pytest.mark.parametrize("district", ["moon", "HILLS", "%00", "x" * 300])
async def test_a_district_the_world_does_not_have_is_refused_with_some_it_has(
    http: httpx.AsyncClient, district: str
) -> None:
    answer = await http.get(f"/v1/districts/{district}/people?minute=0")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (422, "invalid_input", False)
    assert "there are docks, hills, market" in error["message"]
    assert error["message"].isprintable()
    assert len(error["message"]) < 250


async def test_the_people_of_a_district_need_the_token(rig: Rig) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app), base_url="http://bridge") as stranger:
        assert (await stranger.get("/v1/districts/hills/people")).status_code == 401
        assert (await stranger.get("/v1/districts/hills/people", headers=HEADERS)).status_code == 200


async def test_who_has_retired_is_not_there(http: httpx.AsyncClient, rig: Rig) -> None:
    rig.lists.of["npcs"] = [
        ListedNpc("npc:otis", "Otis Bell", "barber", "docks", None, retired=True),
        ListedNpc("npc:mara", "Mara Voss", "fixer", "docks", "harbour", retired=False),
    ]
    assert (await _there(http, "hills/people?minute=720"))["people"] == []
    assert len((await _there(http, "docks/people?minute=720"))["people"]) == 1


async def test_without_the_database_the_people_of_a_district_are_unavailable(http: httpx.AsyncClient, rig: Rig) -> None:
    rig.lists.outage = True
    answer = await http.get("/v1/districts/hills/people?minute=720")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    with pytest.raises(Unavailable):
        await _people(LIVED, rig.lists).there("hills", 720)


async def test_the_answer_is_as_it_is_described(http: httpx.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()
    (path,) = [name for name in described["paths"] if name.endswith("/people")]
    assert described["paths"][path]["get"]["operationId"] == "list_people"
    schemas = described["components"]["schemas"]
    (one,) = (await _there(http, "hills/people?minute=720"))["people"]
    assert set(one) == set(schemas["PersonThere"]["required"])
    assert set(one["position"]) == set(schemas["Position"]["required"])


async def test_without_a_minute_it_is_what_the_clock_of_the_world_shows() -> None:
    for hour in range(0, 24, 5):
        now_s = NOW_S + hour * los_santos().day_minutes * 2.5
        minute = clock_at(los_santos(), now_s)[1]
        for district in los_santos().districts:
            by_clock = await _people(now_s=now_s).there(district, None)
            assert by_clock.minute == minute
            assert by_clock == await _people(now_s=now_s).there(district, minute)


async def test_the_same_minute_of_the_same_day_is_the_same_answer() -> None:
    first = [await _people().there(district, 600) for district in los_santos().districts]
    await _people().there("figtree", 1200)
    assert [await _people().there(district, 600) for district in los_santos().districts] == first


@pytest.mark.parametrize("minute", [0, 415, 720, 1130, 1439])
async def test_everybody_is_in_one_district_and_stands_in_it(minute: int) -> None:
    world = los_santos()
    seen = []
    for district in world.districts.values():
        there = await _people().there(district.id, minute)
        assert (there.district, there.name, there.minute) == (district.id, district.name, minute)
        assert [one.npc for one in there.people] == sorted(one.npc for one in there.people)
        for one in there.people:
            seen.append(one.npc)
            apart_m = math.dist((one.position.x, one.position.y), (district.x, district.y))
            assert apart_m <= district.radius_m, (one.npc, district.id)
            assert one.posture in get_args(Posture)
            assert 0 <= one.heading <= 360
            assert 0 <= one.until < 1440
    assert sorted(seen) == sorted(f"npc:{npc}" for npc in world.npcs)


async def test_the_day_moves_people_between_districts() -> None:
    districts = {
        minute: {
            one.npc: district
            for district in los_santos().districts
            for one in people_in(los_santos(), district, NOW_S, minute)
        }
        for minute in (180, 720)
    }
    moved = [npc for npc in los_santos().npcs if districts[180][npc] != districts[720][npc]]
    assert len(moved) >= 10


async def test_a_world_that_was_loaded_anew_is_answered_from() -> None:
    worlds = [WORLD, LIVED]
    people = People(lambda: worlds[0], MemoryLists(), lambda: NOW_S)
    assert (await people.there("hills", 0)).people == []
    worlds.pop(0)
    assert [one.npc for one in (await people.there("hills", 0)).people] == ["npc:otis"]
