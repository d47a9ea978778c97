"""Where everybody is, in closed form."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.domain.daily_life import DAY_MIN, SHIFT_MIN, clock_at, day_of, people_in, where_is, whereabouts
from ganggpt.domain.lore import Life, Stop
from tests.support.builders import WORLD, a_world
from tests.support.talks import los_santos

DAY = (
    Stop(at="06:00", district="docks", spot="the crane", doing="working", posture="work", company=("otis",)),
    Stop(at="12:00", district="market", spot="the counter", doing="eating", posture="sit", x=1.0, y=2.0,
         z=3.0, heading=90.0),
    Stop(at="22:00", district="docks", spot="her bed", doing="sleeping", posture="sleep"),
)  # fmt: skip
LIVED = a_world(lives={"mara": Life(id="mara", day=DAY)})


@given(st.integers(0, 10_000), st.integers(0, DAY_MIN - 1))
def test_a_day_covers_every_minute_and_stops_begin_near_their_time(day: int, minute: int) -> None:
    sheet = LIVED.npcs["mara"]
    found = where_is(LIVED, sheet, day, minute)
    assert found.district in LIVED.districts
    late = min(abs(minute - stop.minute) for stop in DAY)
    if late > SHIFT_MIN and found.doing != "taking a walk":
        usual = next((stop for stop in reversed(DAY) if stop.minute <= minute), DAY[-1])
        assert (found.spot, found.posture) == (usual.spot, usual.posture)


@given(st.integers(0, 2_000_000_000), st.sampled_from(sorted(los_santos().npcs)))
def test_everybody_is_in_one_place_and_it_is_the_same_each_time(at_s: int, npc: str) -> None:
    world = los_santos()
    found = whereabouts(world, npc, float(at_s))
    assert found is not None
    assert found == whereabouts(world, npc, float(at_s))
    there = [one.npc for district in world.districts for one in people_in(world, district, float(at_s))]
    assert sorted(there) == sorted(world.npcs)
    home = world.districts[found.district]
    assert math.dist((found.x, found.y), (home.x, home.y)) <= home.radius_m


def test_a_body_stands_where_the_stop_says_and_days_differ() -> None:
    sheet = LIVED.npcs["mara"]
    noons = [where_is(LIVED, sheet, day, 15 * 60) for day in range(60)]
    usual = [one for one in noons if one.spot == "the counter"]
    assert {(one.x, one.y, one.z, one.heading) for one in usual} == {(1.0, 2.0, 3.0, 90.0)}
    assert 0 < len(noons) - len(usual) < 20, "a habit is broken now and then"
    starts = {where_is(LIVED, sheet, day, 12 * 60).spot for day in range(60)}
    assert len(starts) > 1, "noon is sometimes before and sometimes after the stop begins"


def test_who_has_no_day_is_at_home_and_nobody_knows_strangers() -> None:
    found = whereabouts(WORLD, "mara", 1e9)
    assert found is not None
    assert found.district == WORLD.npcs["mara"].home
    assert whereabouts(WORLD, "nobody", 1e9) is None
    assert day_of(WORLD, WORLD.npcs["otis"]) == ()


def test_the_clock_of_the_game_runs_as_the_world_says() -> None:
    world = a_world(day_minutes=24)
    assert clock_at(world, 0.0) == (0, 0)
    assert clock_at(world, 60.0) == (0, 60)
    assert clock_at(world, 24 * 60.0) == (1, 0)
    assert clock_at(replace(world, day_minutes=1_440), 3_600.0) == (0, 60)
