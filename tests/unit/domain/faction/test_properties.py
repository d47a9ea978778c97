"""What holds for a faction whatever it is told, in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.moves import TakePoliticalTurn
from ganggpt.domain.faction.relation import LEDGER_MAX
from ganggpt.domain.faction.rules import ClaimTerritory
from ganggpt.domain.faction.state import TREASURY_MAX, relation_now
from ganggpt.domain.messages import ApplyMissionImpact, LoseTerritory, ShiftRelation, SufferRaid, TakePayment
from ganggpt.domain.mind.affect import REACH
from ganggpt.domain.turn import Dice
from ganggpt.errors import GangGPTError
from tests.support.builders import DAY_S, NOW_S, WORLD, Played
from tests.support.explained import why_related
from tests.support.town import found

OTHERS = st.sampled_from(["vipers", "council", "harbour", "nobody"])
DISTRICTS = st.sampled_from(["docks", "market", "hills", "atlantis"])
DOLLARS = st.integers(0, 1_000_000)
COMMANDS = st.one_of(
    st.builds(ShiftRelation, OTHERS, st.integers(-100, 100), st.text(min_size=1, max_size=200)),
    st.builds(ClaimTerritory, DISTRICTS),
    st.builds(LoseTerritory, DISTRICTS, OTHERS, st.floats(0, NOW_S * 2)),
    st.builds(SufferRaid, OTHERS, DOLLARS),
    st.builds(TakePayment, OTHERS, DOLLARS, st.just("tribute")),
    st.builds(
        ApplyMissionImpact,
        st.just("mission:m1"),
        st.just("player:ava"),
        st.integers(-20, 20),
        st.dictionaries(OTHERS, st.integers(-20, 20)),
    ),
    st.just(TakePoliticalTurn()),
    st.just(found(WORLD.factions["harbour"])),
)
SENDERS = st.sampled_from(["server:main", "player:ava", "mission:m1", "faction:vipers"])


def a_faction() -> Played:
    played = Played(faction.KIND, "faction:harbour")
    played.do(found(WORLD.factions["harbour"]), "server:main")
    return played


def in_bounds(played: Played) -> None:
    state, now_s = played.state, played.now_s
    assert 0 <= state.treasury <= TREASURY_MAX
    assert 0.0 <= state.influence <= 100.0
    assert len(state.ledger) <= LEDGER_MAX
    assert set(state.territories) <= set(WORLD.districts)
    assert set(state.relations) <= {"vipers", "council"}
    for other in state.relations:
        value = relation_now(state, other, now_s)
        assert -REACH <= value <= REACH
        assert why_related(state, other, now_s)[0] == pytest.approx(value, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.tuples(COMMANDS, SENDERS, st.floats(0, DAY_S)), max_size=60))
def test_bounds_hold_and_every_value_is_explained_under_any_order_of_commands(
    steps: list[tuple[Any, str, float]],
) -> None:
    played = a_faction()
    for command, by, pause_s in steps:
        played.wait(pause_s)
        before = played.state
        try:
            played.do(command, by)
        except GangGPTError:
            assert played.state is before
        in_bounds(played)
    state: Any = None
    for event in played.journal:
        state = faction.evolve(state, event)
    assert state == played.state


@settings(deadline=None)
@given(COMMANDS, SENDERS)
def test_a_faction_that_is_not_there_refuses_everything_but_founding(command: Any, by: str) -> None:
    played = Played(faction.KIND, "faction:harbour")
    try:
        decision = played.do(command, by)
    except GangGPTError:
        assert played.state is None
    else:
        assert decision.reply == {"founded": "faction:harbour"}


def test_ten_thousand_commands_neither_saturate_a_relation_nor_freeze_it() -> None:
    played, dice = a_faction(), Dice(20_26)
    relations = played.state.relations
    seen = {other: [relation_now(played.state, other, NOW_S)] for other in relations}
    for _ in range(10_000):
        played.wait(dice.between(0, 120))
        other = dice.pick(["vipers", "council"])
        command = dice.pick(
            [
                ShiftRelation(other, dice.between(-100, 100), "a rumour"),
                ApplyMissionImpact("mission:m1", "player:ava", dice.between(-20, 20), {other: dice.between(-20, 20)}),
                TakePoliticalTurn(),
            ]
        )
        played.do(command, "server:main")
        played.journal.clear()
        for name, values in seen.items():
            values.append(relation_now(played.state, name, played.now_s))
    in_bounds(played)
    for values in seen.values():
        late = values[-2_000:]
        assert max(map(abs, values)) < REACH
        assert max(late) - min(late) > 20
        assert sum(abs(value) > 95 for value in late) < len(late) / 4
        assert len({round(value, 3) for value in late}) > 500


@pytest.mark.parametrize("sign", [-1, 1])
def test_five_thousand_pushes_one_way_still_leave_a_way_back(sign: int) -> None:
    played = a_faction()
    for _ in range(5_000):
        played.wait(60)
        played.do(ShiftRelation("vipers", sign * 100, "again"), "server:main")
        played.journal.clear()
    value = relation_now(played.state, "vipers", played.now_s)
    assert abs(value) <= REACH
    applied = played.do(ShiftRelation("vipers", -sign * 10, "enough"), "server:main").reply["applied"]
    assert applied == pytest.approx(-sign * 10, abs=0.01)
