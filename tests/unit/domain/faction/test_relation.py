"""Relations: steps, fading, the ledger that explains them, and what they do to third parties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.faction.relation import (
    LEDGER_MAX,
    RELATION_HALF_LIFE_S,
    RIPPLE_MAX,
    RIPPLES_MAX,
    Entry,
    Relation,
    at_rest,
    ripples,
    value_now,
    with_entry,
)
from ganggpt.domain.mind.affect import REACH, stepped
from tests.support.builders import DAY_S, NOW_S
from tests.support.explained import sum_of_causes

VALUES = st.floats(-REACH, REACH)
DELTAS = st.floats(-100, 100)


@given(VALUES, DELTAS)
def test_a_step_never_leaves_the_reach_and_never_goes_the_wrong_way(value: float, delta: float) -> None:
    after = stepped(value, delta)
    assert -REACH <= after <= REACH
    assert abs(after - value) <= abs(delta) + 1e-9
    assert (after - value) * delta >= -1e-9


@given(VALUES, DELTAS, st.floats(0.0, 1.0))
def test_many_small_steps_come_to_the_same_as_one_large_one(value: float, delta: float, share: float) -> None:
    split = stepped(stepped(value, delta * share), delta * (1 - share))
    assert split == pytest.approx(stepped(value, delta), abs=1e-6)


@given(VALUES, DELTAS)
def test_steps_mirror_at_zero(value: float, delta: float) -> None:
    assert stepped(-value, -delta) == pytest.approx(-stepped(value, delta), abs=1e-9)


def test_a_hundred_thousand_steps_up_still_leave_room_and_one_step_down_counts_in_full() -> None:
    value = 0.0
    for _ in range(100_000):
        value = stepped(value, 20.0)
    assert 97.0 < value <= REACH < 100.0
    assert stepped(value, -5.0) == pytest.approx(value - 5.0)


def test_a_relation_is_half_way_back_to_rest_after_its_half_life() -> None:
    relation = Relation(60.0, NOW_S, 20.0)
    assert value_now(relation, NOW_S + RELATION_HALF_LIFE_S) == pytest.approx(40.0)
    assert value_now(relation, NOW_S + 365 * DAY_S) == pytest.approx(20.0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["vipers", "council", "harbour"]), DELTAS, st.floats(0.0, 3 * DAY_S)),
        min_size=1,
        max_size=3 * LEDGER_MAX,
    ),
    st.floats(0.0, 30 * DAY_S),
)
def test_every_value_is_rest_plus_what_its_causes_still_contribute(
    steps: list[tuple[str, float, float]], later_s: float
) -> None:
    relations: dict[str, Relation] = {"vipers": at_rest(-60, NOW_S), "council": at_rest(40, NOW_S)}
    ledger: tuple[Entry, ...] = ()
    now_s = NOW_S
    for other, delta, pause_s in steps:
        now_s += pause_s
        before = value_now(relations.get(other, at_rest(0, now_s)), now_s)
        applied = stepped(before, delta) - before
        relations, ledger = with_entry(relations, ledger, Entry(other, applied, "because", "server:a", now_s))
        assert len(ledger) <= LEDGER_MAX
    now_s += later_s
    for other, relation in relations.items():
        entries = [entry for entry in ledger if entry.other == other]
        assert sum_of_causes(relation, entries, now_s) == pytest.approx(value_now(relation, now_s), abs=1e-6)


def test_the_ledger_keeps_the_latest_causes_and_forgets_the_oldest_first() -> None:
    relations: dict[str, Relation] = {"vipers": at_rest(0, NOW_S)}
    ledger: tuple[Entry, ...] = ()
    for no in range(LEDGER_MAX + 5):
        relations, ledger = with_entry(relations, ledger, Entry("vipers", 0.5, f"cause {no}", "server:a", NOW_S + no))
    assert [entry.cause for entry in ledger[:2]] == ["cause 5", "cause 6"]
    assert ledger[-1].cause == f"cause {LEDGER_MAX + 4}"
    assert relations["vipers"].unlisted == pytest.approx(2.5, abs=0.01)


@given(st.floats(-REACH, REACH), st.dictionaries(st.text("abcdef", min_size=1), st.integers(-100, 100), max_size=20))
def test_ripples_are_few_and_small(moved: float, theirs: dict[str, int]) -> None:
    moves = ripples(moved, theirs)
    assert len(moves) <= RIPPLES_MAX
    assert all(abs(delta) <= RIPPLE_MAX for _, delta in moves)


def test_whoever_stands_by_my_enemy_falls_with_them_and_their_enemies_rise() -> None:
    moves = dict(ripples(-20.0, {"council": 80, "vipers": -50, "monks": 2}))
    assert moves["council"] < 0 < moves["vipers"]
    assert "monks" not in moves
