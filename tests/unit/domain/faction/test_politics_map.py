"""What becomes of a map that is left to itself: it moves, it keeps its bounds, and nothing is made of nothing."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from functools import lru_cache
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.demo.politics_map import Theatre
from ganggpt.domain.faction.events import (
    Founded,
    PaymentTaken,
    PoliticalTurnTaken,
    RaidSuffered,
    RewardPaid,
    RewardReleased,
    RewardReserved,
    TerritoryClaimed,
    TradeMade,
)
from ganggpt.domain.faction.politics import MoveName
from ganggpt.domain.faction.relation import (
    RELATION_HALF_LIFE_S,
    RIPPLE_MAX,
    RIPPLE_SHARE,
    RIPPLES_MAX,
    Relation,
    ripples,
    value_now,
)
from ganggpt.domain.faction.state import TREASURY_MAX, Faction, strength_now
from ganggpt.domain.mind.affect import REACH, faded
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import load_world
from tests.support.builders import NOW_S
from tests.support.explained import why_related
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

TURNS = 10_000
PARTS = 40
SEEDS = (1, 7, 20_261_125)


@lru_cache(maxsize=1)
def los_santos() -> World:
    return load_world(ROOT / "worlds" / "los-santos")


@lru_cache(maxsize=8)
def played(seed: int) -> tuple[Theatre, dict[tuple[str, str], list[float]], dict[str, list[int]]]:
    """A run of TURNS turns; every relation and the number of districts of each faction at PARTS moments of it."""
    theatre = Theatre(los_santos(), seed, keep_events=True)
    values: dict[tuple[str, str], list[float]] = {}
    grounds: dict[str, list[int]] = {}
    for _ in range(PARTS):
        theatre.play(TURNS // PARTS)
        for one, other, value, _ in theatre.relations():
            values.setdefault((one, other), []).append(value)
        for state in theatre.states.values():
            grounds.setdefault(state.sheet.id, []).append(len(state.territories))
    return theatre, values, grounds


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_thousand_turns_neither_saturate_nor_freeze_the_map(seed: int) -> None:
    theatre, values, grounds = played(seed)
    late = {pair: series[PARTS // 2 :] for pair, series in values.items()}
    every = [value for series in late.values() for value in series]
    spans = sorted(max(series) - min(series) for series in late.values())
    bands = Counter(int(value // 20) * 20 for value in every)
    print(f"\nseed {seed}: relations by band {dict(sorted(bands.items()))}, moves {dict(theatre.moves)}")  # noqa: T201 - shown by pytest -s
    # not saturated: nobody at the end of the scale, few near it, both sides of it in use
    assert max(map(abs, every)) < REACH
    assert sum(abs(value) > 90 for value in every) < 0.05 * len(every)
    assert sum(value > 10 for value in every) > 0.1 * len(every)
    assert sum(value < -10 for value in every) > 0.1 * len(every)
    # not frozen: relations and ground still move in the second half, and every kind of move is still made
    assert statistics.median(spans) > 3.0
    assert spans[-1] > 20.0
    assert set(theatre.moves) == set(get_args(MoveName))
    assert sum(len(set(counts)) > 1 for counts in grounds.values()) >= 3
    # nobody owns the map and nobody is off it
    assert max(counts[-1] for counts in grounds.values()) < len(los_santos().districts) / 2
    assert min(counts[-1] for counts in grounds.values()) >= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_every_relation_stays_round_its_rest_and_is_explained_by_its_causes(seed: int) -> None:
    theatre, _, _ = played(seed)
    offs = [value - rest for _, _, value, rest in theatre.relations()]
    assert abs(statistics.mean(offs)) < 15
    for state in theatre.states.values():
        for other, known in state.relations.items():
            assert why_related(state, other, theatre.now_s)[0] == pytest.approx(
                value_now(known, theatre.now_s), abs=1e-6
            )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_dollar_comes_from_nowhere_or_is_lost(seed: int) -> None:
    theatre, _, _ = played(seed)
    balance: Counter[str] = Counter()
    looted = taken = paid_tribute = 0
    for actor, event in theatre.events:
        balance[actor] += money_of(event)
        looted += event.dollars if isinstance(event, RaidSuffered) else 0
        taken += event.dollars if isinstance(event, PaymentTaken) else 0
        if isinstance(event, PoliticalTurnTaken) and event.move == "tribute":
            paid_tribute += event.spent - event.upkeep
    for actor, state in theatre.states.items():
        assert 0 <= state.treasury <= TREASURY_MAX
        assert state.treasury == balance[actor]
    # whatever left one treasury for another arrived there, once
    assert taken == looted + paid_tribute


def money_of(event: Any) -> int:
    """What an event does to the treasury."""
    match event:
        case Founded(sheet=sheet):
            return int(sheet.treasury)
        case PoliticalTurnTaken():
            return int(event.income - event.spent)
        case TradeMade() | PaymentTaken() | RewardReleased():
            return int(event.dollars)
        case RaidSuffered() | TerritoryClaimed() | RewardReserved():
            return -int(event.dollars)
        case RewardPaid():
            return int(event.reserved - event.dollars)
    return 0


def test_the_same_seed_is_the_same_history_and_another_seed_another_one() -> None:
    def told(seed: int) -> Any:
        theatre = Theatre(los_santos(), seed)
        theatre.play(600)
        return theatre.sample()

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_every_district_is_held_by_one_faction_at_most() -> None:
    theatre, _, _ = played(SEEDS[0])
    held = [district for state in theatre.states.values() for district in state.territories]
    assert len(held) == len(set(held))


def test_wars_end_and_both_sides_know_of_them() -> None:
    theatre, _, _ = played(SEEDS[0])
    sample = theatre.sample()
    for pairs in (sample.wars, sample.pacts):
        assert {">".join(reversed(pair.split(">"))) for pair in pairs} == set(pairs)
    for state in theatre.states.values():
        for bond in state.bonds.values():
            assert bond.until_s - bond.since_s <= 24 * 3600


# ------------------------------------------------------------------------------------------------------------- laws


@given(st.floats(-98, 98), st.floats(-90, 90), st.lists(st.floats(0, 10 * 86_400), max_size=8))
def test_fading_in_many_steps_is_fading_in_one(value: float, rest: float, pauses: list[float]) -> None:
    at_once = value_now(Relation(value, 0.0, rest), sum(pauses))
    step_by_step = value
    for pause_s in pauses:
        step_by_step = faded(step_by_step, rest, pause_s, RELATION_HALF_LIFE_S)
    assert at_once == pytest.approx(step_by_step, abs=1e-9)


@given(st.floats(0, 98), st.floats(0, 365 * 86_400))
def test_a_relation_never_fades_past_its_rest(above: float, elapsed_s: float) -> None:
    assert 0.0 <= value_now(Relation(above, 0.0, 0.0), elapsed_s) <= above


@given(
    st.floats(-200, 200),
    st.dictionaries(st.text(min_size=1, max_size=8), st.integers(-100, 100), max_size=20),
)
def test_ripples_are_few_small_and_on_the_side_of_the_tie(moved: float, ties: dict[str, int]) -> None:
    found = ripples(moved, ties)
    assert len(found) <= RIPPLES_MAX
    for third, delta in found:
        assert abs(delta) <= min(RIPPLE_MAX, abs(moved) * RIPPLE_SHARE) + 1e-9
        assert math.copysign(1, delta) == math.copysign(1, moved) * math.copysign(1, ties[third])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_a_thousand_turns_of_any_seed_stay_in_bounds(seed: int) -> None:
    theatre = Theatre(los_santos(), seed)
    theatre.play(1_000)
    for state in theatre.states.values():
        _in_bounds(state, theatre.now_s)


def _in_bounds(state: Faction, now_s: float) -> None:
    assert 0 <= state.treasury <= TREASURY_MAX
    assert 0 <= strength_now(state, now_s) <= 100
    assert 0 <= state.influence <= 100
    assert all(abs(value_now(known, now_s)) < REACH for known in state.relations.values())
    assert now_s > NOW_S - 1
