"""The number of hosts follows the load: up soon, down late, never to and fro, never out of bounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.actors.supervision.scaling import (
    STEP_MAX,
    Goals,
    HostLimits,
    Pace,
    Sample,
    Scale,
    decide,
    limits_of,
    names_wanted,
    strain,
)

LOOK_S = 2.0
GOALS = Goals(turns_per_s=1000, cpu=0.8, lag_s=0.05, hot=1000)
SCALE = Scale(least=2, most=8, goals=GOALS, idle_s=60, bad_polls=3)
LIMITS = HostLimits(2, 8)

counts = st.integers(1, 12)
loads = st.floats(0, 20_000, allow_nan=False)
samples = st.builds(
    Sample,
    host=st.just("host:0"),
    turns_per_s=st.floats(0, 5000),
    cpu=st.floats(0, 2),
    lag_s=st.floats(0, 1),
    hot=st.integers(0, 5000),
)
paces = st.builds(
    Pace,
    wanted=counts,
    busy_polls=st.integers(0, 5),
    calm_since_s=st.none() | st.floats(0, 1000),
    step=st.integers(-2, 2),
    stepped_s=st.floats(0, 1000),
)
limits = st.builds(lambda a, b, f: HostLimits(min(a, b), max(a, b), f), counts, counts, st.none())


def spread(turns_per_s: float, hosts: int) -> list[Sample]:
    """A load that all hosts share evenly, as shards do."""
    return [Sample(f"host:{n}", turns_per_s=turns_per_s / hosts) for n in range(hosts)]


def under(load: float, pace: Pace = Pace(2), looks: int = 300, hosts_come: bool = True) -> Iterator[Pace]:  # noqa: B008
    """The policy's way under a load that stays as it is; hosts come as soon as they are wanted, or not at all."""
    hosts = pace.wanted
    for n in range(looks):
        pace = decide(pace, SCALE, LIMITS, spread(load, hosts), 0, 1000 + n * LOOK_S)
        yield pace
        hosts = pace.wanted if hosts_come else hosts


def test_hosts_are_added_after_a_few_bad_looks_and_not_before() -> None:
    wanted = [pace.wanted for pace in under(3500, looks=8)]
    assert wanted[: SCALE.bad_polls - 1] == [2] * (SCALE.bad_polls - 1)
    assert wanted[-1] == 4


def test_one_spike_changes_nothing() -> None:
    (pace,) = under(9000, looks=1)
    assert [p.wanted for p in under(100, pace, looks=10)] == [2] * 10


def test_hosts_go_one_by_one_after_a_long_calm() -> None:
    wanted = [pace.wanted for pace in under(100, Pace(5))]
    calm = int(SCALE.idle_s / LOOK_S)
    assert wanted[:calm] == [5] * calm
    assert wanted[-1] == 2
    assert all(before - after in (0, 1) for before, after in itertools.pairwise(wanted))


def test_hosts_that_are_not_there_yet_are_waited_for_before_more_are_added() -> None:
    wanted = [pace.wanted for pace in under(8000, looks=100, hosts_come=False)]
    assert wanted[-1] == 2 + STEP_MAX


def test_a_host_that_does_not_answer_is_no_idle_host() -> None:
    pace = Pace(4, calm_since_s=0)
    assert decide(pace, SCALE, LIMITS, spread(10, 4), 0, 1000).wanted == 3
    assert decide(pace, SCALE, LIMITS, spread(10, 3), 1, 1000).wanted == 4
    assert decide(pace, SCALE, LIMITS, [], 4, 1000) == Pace(4)


def test_silent_hosts_are_taken_to_carry_what_the_others_carry() -> None:
    pace = Pace(2, busy_polls=2)
    loaded = [Sample("host:0", turns_per_s=1500)]
    assert decide(pace, SCALE, LIMITS, loaded, 1, 0).wanted == 3


def test_a_number_fixed_by_hand_wins_over_bounds_and_load() -> None:
    assert decide(Pace(2), SCALE, HostLimits(2, 8, 12), spread(0, 2), 0, 0).wanted == 12
    assert decide(Pace(8), SCALE, HostLimits(2, 8, 1), spread(9000, 8), 0, 0).wanted == 1


def test_bounds_hold_at_once() -> None:
    assert decide(Pace(2), SCALE, HostLimits(4, 8), [], 0, 0).wanted == 4
    assert decide(Pace(8), SCALE, HostLimits(2, 3), spread(9000, 8), 0, 0).wanted == 3


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [((None, None), (2, 8)), ((5, None), (5, 8)), ((9, None), (9, 9)), ((None, 1), (1, 1)), ((3, 4), (3, 4))],
)
def test_what_an_operator_sets_wins_over_the_settings(
    asked: tuple[int | None, int | None], bounds: tuple[int, int]
) -> None:
    assert limits_of(SCALE, *asked, None) == HostLimits(*bounds)


@given(
    pace=paces, bounds=limits, seen=st.lists(samples, max_size=8), silent=st.integers(0, 3), now_s=st.floats(0, 3000)
)
def test_whatever_is_seen_the_bounds_hold_and_steps_are_small(
    pace: Pace, bounds: HostLimits, seen: list[Sample], silent: int, now_s: float
) -> None:
    after = decide(pace, SCALE, bounds, seen, silent, now_s)
    assert bounds.least <= after.wanted <= bounds.most
    if bounds.least <= pace.wanted <= bounds.most:
        assert -1 <= after.wanted - pace.wanted <= STEP_MAX


@given(
    pace=paces, bounds=limits, seen=st.lists(samples, min_size=1, max_size=8), more=st.integers(0, 4000),
    silent=st.integers(0, 3), now_s=st.floats(0, 3000),
)  # fmt: skip
def test_more_load_never_wants_fewer_hosts(
    pace: Pace, bounds: HostLimits, seen: list[Sample], more: int, silent: int, now_s: float
) -> None:
    busier = [Sample(s.host, s.turns_per_s + more, s.cpu, s.lag_s, s.hot) for s in seen]
    less = decide(pace, SCALE, bounds, seen, silent, now_s)
    assert decide(pace, SCALE, bounds, busier, silent, now_s).wanted >= less.wanted


@given(load=loads, begin=st.integers(2, 8))
def test_under_a_constant_load_it_goes_one_way_and_comes_to_rest(load: float, begin: int) -> None:
    wanted = [pace.wanted for pace in under(load, Pace(begin))]
    steps = [after - before for before, after in zip([begin, *wanted], wanted, strict=False)]
    assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
    assert len(set(wanted[-30:])) == 1
    at_rest = spread(load, wanted[-1])
    assert wanted[-1] == SCALE.most or sum(strain(s, GOALS) for s in at_rest) <= wanted[-1] + 1e-6


@given(seen=st.lists(st.tuples(loads, st.integers(0, 2)), max_size=200))
def test_it_never_goes_up_and_down_within_a_cool_down(seen: list[tuple[float, int]]) -> None:
    pace, steps = Pace(2), []
    for n, (load, silent) in enumerate(seen):
        now_s = n * LOOK_S
        after = decide(pace, SCALE, LIMITS, spread(load, max(1, pace.wanted - silent)), silent, now_s)
        if after.wanted != pace.wanted:
            steps.append((now_s, after.wanted - pace.wanted))
        pace = after
    for (then_s, one), (now_s, other) in itertools.pairwise(steps):
        assert one * other > 0 or now_s - then_s >= SCALE.cool_s


def test_any_single_measure_over_its_goal_is_strain() -> None:
    for busy in (
        Sample("h", turns_per_s=2000),
        Sample("h", cpu=1.6),
        Sample("h", hot=2000),
        Sample("h", lag_s=0.2),
    ):
        assert strain(busy, GOALS) > 1
    assert strain(Sample("h", lag_s=60), GOALS) == 1.5
    assert strain(Sample("h", delay_p99_s=60, memory_bytes=1 << 40), GOALS) == 0


@given(count=counts, live=st.sets(st.integers(0, 12)), going=st.sets(st.integers(0, 12)))
def test_names_are_as_many_as_wanted_and_nobody_moves_without_need(count: int, live: set[int], going: set[int]) -> None:
    here = [f"host:{n}" for n in sorted(live)]
    leaving = {f"host:{n}" for n in going & live}
    names = names_wanted(count, here, leaving)
    assert len(set(names)) == len(names) == count
    assert not leaving & set(names)
    staying = [name for name in here if name not in leaving]
    assert set(staying[:count]) <= set(names)


def test_a_host_that_is_being_started_is_waited_for_but_no_live_one_is_ended_for_it() -> None:
    assert names_wanted(2, ["host:0"], (), ["host:2"]) == ["host:0", "host:2"]
    assert names_wanted(2, ["host:0", "host:3"], (), ["host:1"]) == ["host:0", "host:3"]
    assert names_wanted(2, ["host:0", "host:1"], ["host:1"], ["host:1"]) == ["host:0", "host:2"]


def test_numbers_are_compared_as_numbers() -> None:
    assert names_wanted(2, ["host:10", "host:9", "host:2"], ()) == ["host:2", "host:9"]
