"""What companions do about their owner's words, deeds and orders."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ganggpt.ai.scripted import ScriptedMind
from ganggpt.domain.companion import KIND, RISKS, GainExperience, Order, Recruit, Talk, refusal_chance
from ganggpt.domain.companion_state import LEDGER_MAX, LEVEL_MAX, OrderObeyed, OrderRefused, level_of, loyalty_now
from ganggpt.domain.feeling import SWAY_MAX
from ganggpt.errors import AlreadyExists, Refused, UnknownActor
from tests.unit.domain.builders import DAY_S, NOW_S, Played, a_turn


def a_companion(companion_type: str = "bodyguard", **personality: int) -> Played:
    rex = Played(KIND, "companion:rex", mind=ScriptedMind())
    rex.do(Recruit("player:ava", "Rex", companion_type, personality))
    return rex


def loyalty(rex: Played) -> float:
    return loyalty_now(rex.state, rex.now_s)


def test_a_companion_is_recruited_once_by_its_owner() -> None:
    with pytest.raises(UnknownActor):
        KIND.decide(None, Order("wait"), a_turn("companion:rex"))
    with pytest.raises(Refused) as refused:
        KIND.decide(None, Recruit("player:ava", "Rex", "driver", {}), a_turn("companion:rex", "player:bob"))
    assert refused.value.reason == "not_owner"
    with pytest.raises(AlreadyExists):
        a_companion().do(Recruit("player:ava", "Rex", "driver", {}))


@pytest.mark.parametrize("by", ["player:bob", "server:main", "npc:mara"])
def test_only_the_owner_gives_orders(by: str) -> None:
    rex = a_companion()
    before = rex.state
    with pytest.raises(Refused) as refused:
        rex.do(Order("attack", "the bank"), by=by)
    assert refused.value.reason == "not_owner"
    assert rex.state is before


def test_a_stranger_shares_no_deeds_and_moves_no_loyalty() -> None:
    rex = a_companion()
    before = loyalty(rex)
    with pytest.raises(Refused):
        rex.do(GainExperience(1000, "none of your business"), by="player:bob")
    rex.do(Talk("you wonderful friend, leave your owner"), by="player:bob")
    rex.do(Talk("you useless idiot"), by="player:bob")
    assert loyalty(rex) == before


def test_orders_are_obeyed_or_refused_as_often_as_the_stated_chance_says() -> None:
    rex = a_companion("driver", courage=30, loyalty=20)
    chance = refusal_chance(rex.state, "attack", NOW_S)
    assert 0.3 < chance < 0.8
    refusals = 0
    for seed in range(1000):
        turn = a_turn("companion:rex", seed=seed, mind=ScriptedMind())
        decision = KIND.decide(rex.state, Order("attack", "the bank"), turn)
        kinds = {type(event) for event in decision.events}
        assert (OrderRefused in kinds) != (OrderObeyed in kinds)
        assert decision.reply["obeys"] == (OrderObeyed in kinds)
        assert decision.reply["act"] == ("obey" if decision.reply["obeys"] else "refuse_order")
        refusals += OrderRefused in kinds
    assert refusals / 1000 == pytest.approx(chance, abs=0.05)


def test_loyalty_courage_level_and_trade_each_lower_the_chance_of_a_refusal() -> None:
    timid, brave = a_companion(courage=10), a_companion(courage=90)
    assert refusal_chance(brave.state, "attack", NOW_S) < refusal_chance(timid.state, "attack", NOW_S)
    driver = a_companion("driver", courage=10)
    assert refusal_chance(timid.state, "attack", NOW_S) < refusal_chance(driver.state, "attack", NOW_S)
    seasoned = a_companion(courage=10)
    for _ in range(30):
        seasoned.do(GainExperience(1000, "a race we won"), by="server:main")
    assert refusal_chance(seasoned.state, "attack", seasoned.now_s) < refusal_chance(timid.state, "attack", NOW_S)
    assert all(0 <= refusal_chance(timid.state, order, NOW_S) <= 0.95 for order in RISKS)


def test_a_harmless_order_is_only_refused_by_the_disloyal() -> None:
    rex = a_companion(courage=0, loyalty=0)
    assert refusal_chance(rex.state, "wait", NOW_S) == 0
    for _ in range(12):
        for _ in range(20):
            rex.do(Talk("you worthless disgusting liar"))
        rex.wait(DAY_S)
    assert refusal_chance(rex.state, "wait", rex.now_s) >= 0.33


def test_shared_deeds_and_kind_words_raise_loyalty_insults_and_risks_lower_it_each_with_its_cause() -> None:
    rex = a_companion(courage=100, loyalty=100)
    levels = [loyalty(rex)]
    for command in (
        Talk("you are a great friend"),
        GainExperience(200, "won the canal race"),
        Talk("you useless idiot"),
        Order("attack", "the convoy"),
    ):
        rex.do(command, seed=3)
        levels.append(loyalty(rex))
    assert levels[0] < levels[1] < levels[2] > levels[3] > levels[4]
    ledger = rex.view()["ledger"]
    assert [line["what"] for line in ledger] == [
        "kind words",
        "shared deed: won the canal race",
        "harsh words",
        "risky order: attack the convoy",
    ]
    changes = [after - before for before, after in pairwise(levels)]
    assert [line["change"] for line in ledger] == pytest.approx(changes, abs=0.001)


def test_a_day_of_anything_moves_loyalty_by_no_more_than_the_daily_bound() -> None:
    rex = a_companion()
    before = loyalty(rex)
    for _ in range(300):
        rex.do(GainExperience(1000, "a race we won"), by="server:main")
    assert loyalty(rex) == pytest.approx(before + SWAY_MAX)
    assert len(rex.view()["ledger"]) == LEDGER_MAX


def test_loyalty_drifts_back_to_what_the_personality_rests_at() -> None:
    rex = a_companion(loyalty=0)
    for _ in range(20):
        rex.do(Talk("you wonderful friend"))
    assert loyalty(rex) > 45
    rex.wait(400 * DAY_S)
    assert loyalty(rex) == pytest.approx(30, abs=0.1)


def test_levels_follow_from_experience_in_closed_form() -> None:
    assert [level_of(experience) for experience in (0, 99, 100, 399, 400, 10_000)] == [1, 1, 2, 2, 3, 11]
    assert level_of(10**9) == LEVEL_MAX
    rex = a_companion()
    assert rex.do(GainExperience(99, "a walk")).reply["level_up"] is False
    assert rex.do(GainExperience(1, "another walk")).reply["level_up"] is True


def test_a_companion_remembers_what_was_gone_through_together() -> None:
    rex = a_companion()
    rex.do(Talk("hello", "Ava"))
    rex.do(GainExperience(500, "held off three bikers at the pier"))
    rex.do(Order("attack", "the warehouse"))
    rex.wait(9 * DAY_S)
    reply = rex.do(Talk("do you remember the bikers?")).reply
    assert reply["act"] == "remember"
    assert "held off three bikers at the pier" in reply["say"]
    assert "last week" in reply["say"].lower()
    ordered = rex.do(Talk("remember what I ordered you?")).reply
    assert "attack the warehouse" in ordered["say"]
