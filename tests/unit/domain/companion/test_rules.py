"""What companions do about their owner's words, deeds and orders."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.minds.texts import tongue
from ganggpt.domain.companion.commands import Dismiss, GainExperience, Order, Recruit, Suffer, Talk
from ganggpt.domain.companion.fate import (
    BETRAY_MAX,
    GRUDGE_S,
    LEAVE_AT,
    WARN_AT,
    WARNING_S,
    Fate,
    account,
    betray_at,
    fate_of,
)
from ganggpt.domain.companion.orders import RISKS, STANDS_S, can_do, refusal_chance, skills_now
from ganggpt.domain.companion.rules import KIND
from ganggpt.domain.companion.state import (
    EXPERIENCE_DAY,
    LEDGER_MAX,
    LEVEL_MAX,
    NOES_MAX,
    RECOVERED_AT,
    Departed,
    LoyaltyMoved,
    OrderObeyed,
    OrderRefused,
    Warned,
    evolve,
    level_of,
    loyalty_at_rest,
    loyalty_now,
    practice_now,
)
from ganggpt.domain.kinds import decode_turn
from ganggpt.domain.mind.affect import LOYALTY_HALF_LIFE_S, SWAY_MAX, faded
from ganggpt.domain.turn import Command
from ganggpt.errors import AlreadyExists, Refused, UnknownActor
from tests.support.builders import DAY_S, NOW_S, Played, a_turn


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
    assert all(0 <= refusal_chance(timid.state, order, NOW_S) <= 0.95 for order in RISKS if can_do(timid.state, order))


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


def test_a_day_brings_a_bounded_experience_and_the_reply_says_what_is_left_of_it() -> None:
    rex = a_companion()
    replies = [rex.do(GainExperience(1000, "a race we won")).reply for _ in range(7)]
    assert [reply["gained"] for reply in replies] == [1000] * 5 + [0, 0]
    assert [reply["more_today"] for reply in replies] == [4000, 3000, 2000, 1000, 0, 0, 0]
    assert rex.view()["experience"] == EXPERIENCE_DAY
    rex.wait(DAY_S / 2)
    assert rex.do(GainExperience(1000, "a race we won")).reply["more_today"] == EXPERIENCE_DAY // 2 - 1000
    rex.wait(30 * DAY_S)
    assert rex.do(GainExperience(1000, "a race we won")).reply["more_today"] == EXPERIENCE_DAY - 1000


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 20_000)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_day_brings_more_than_two_allowances_of_experience(deeds: list[tuple[int, float]]) -> None:
    rex = a_companion()
    known = [(rex.now_s, 0)]
    for amount, pause_s in deeds:
        rex.do(GainExperience(amount, "a deed"))
        known.append((rex.now_s, rex.state.experience))
        rex.wait(pause_s)
    for at_s, experience in known:
        a_day = [later for later_s, later in known if at_s <= later_s <= at_s + DAY_S]
        assert max(a_day) - experience <= 2 * EXPERIENCE_DAY


# ------------------------------------------------------------------------------------------------- skills and refusals


def test_skills_are_unlocked_by_experience_and_ease_or_open_orders() -> None:
    doc = a_companion("medic", courage=50)
    dog = a_companion("dog", courage=50)
    assert [skill.name for skill in skills_now(doc.state)] == ["field medicine"]
    assert refusal_chance(doc.state, "heal", NOW_S) < 1
    assert refusal_chance(dog.state, "heal", NOW_S) == 1
    odds = refusal_chance(dog.state, "attack", NOW_S)
    replies = []
    for _ in range(20):
        replies.append(dog.do(GainExperience(1000, "held the line again")).reply)
        dog.wait(DAY_S / 5)
    unlocked = [name for reply in replies for name in reply["unlocked"]]
    assert unlocked == ["street sense", "steady nerves", "first aid"]
    assert dog.view()["skills"] == unlocked
    assert dog.view()["skills_ahead"] == {"iron will": 20}
    assert refusal_chance(dog.state, "heal", dog.now_s) < 1
    assert refusal_chance(dog.state, "attack", dog.now_s) < odds


@pytest.mark.parametrize(
    ("reason", "order", "companion_type", "personality"),
    [
        ("no_skill", "hack", "bodyguard", {}),
        ("fear", "attack", "driver", {"courage": 0, "loyalty": 60}),
        ("distrust", "attack", "driver", {"courage": 100, "loyalty": 0}),
        ("danger", "attack", "driver", {"courage": 60, "loyalty": 50}),
    ],
)
def test_a_refusal_has_a_reason_and_the_companion_says_it(
    reason: str, order: str, companion_type: str, personality: dict[str, int]
) -> None:
    rex = a_companion(companion_type, **personality)
    for seed in range(200):
        turn = a_turn("companion:rex", seed=seed, mind=ScriptedMind())
        decision = KIND.decide(rex.state, Order(order, "the bank"), turn)  # type: ignore[arg-type]
        if not decision.reply["obeys"]:
            break
    assert decision.reply["reason"] == reason
    assert any(line in decision.reply["say"] for line in tongue("en").reasons[reason])


def test_who_distrusts_says_what_for() -> None:
    rex = a_companion("driver", courage=100, loyalty=0)
    for _ in range(4):
        rex.do(Talk("you useless liar"))
    decision = next(d for seed in range(200) if not (d := rex.peek(Order("attack"), seed)).reply["obeys"])
    assert decision.reply["reason"] == "distrust"
    assert "harsh words" in decision.reply["say"]


def test_asking_again_rolls_no_new_dice_until_time_has_passed_or_the_companion_is_won_over() -> None:
    rex = a_companion("driver", courage=20, loyalty=30)
    seed = next(seed for seed in range(500) if not rex.peek(Order("attack"), seed).reply["obeys"])
    rex.do(Order("attack"), seed=seed)
    assert all(not rex.peek(Order("attack"), seed).reply["obeys"] for seed in range(100))
    assert rex.do(Order("attack")).reply["reason"] == "said_no"
    assert rex.view()["refuses_still"].keys() == {"attack"}
    assert any(rex.peek(Order("guard"), seed).reply["obeys"] for seed in range(100))
    won = Played(KIND, "companion:rex", mind=ScriptedMind())
    won.state = rex.state
    won.do(GainExperience(1000, "pulled each other out of the river"))
    won.do(GainExperience(1000, "and out of the sewer"))
    assert any(won.peek(Order("attack"), seed).reply["obeys"] for seed in range(100))
    rex.wait(STANDS_S)
    assert any(rex.peek(Order("attack"), seed).reply["obeys"] for seed in range(100))


# ------------------------------------------------------------------------------------------------ the ledger explains


_causes = st.one_of(
    st.builds(Talk, st.sampled_from(["you are a great friend", "you useless idiot", "the bridge is open"])),
    st.builds(GainExperience, st.integers(1, 1000), st.sampled_from(["a race", "a fight", "a long night"])),
    st.builds(Suffer, st.integers(1, 100), st.sampled_from(["left behind at the pier", "shot in the leg"])),
    st.builds(Order, st.sampled_from(sorted(RISKS))),
)
_steps = st.lists(st.tuples(_causes, st.sampled_from([1.0, 60.0, 700.0, 40_000.0, 30 * DAY_S])), max_size=60)
_personalities = st.fixed_dictionaries(
    {"courage": st.integers(0, 100), "loyalty": st.integers(0, 100), "greed": st.integers(0, 100)}
)


def by_for(command: Command) -> str:
    return "server:main" if isinstance(command, Suffer) else "player:ava"


@given(_steps, _personalities)
@settings(max_examples=120, deadline=None)
def test_whatever_happens_loyalty_is_bounded_explained_and_nobody_leaves_and_stays_at_once(
    steps: list[tuple[Command, float]], personality: dict[str, int]
) -> None:
    rex = a_companion("thief", **personality)
    warned_at: float | None = None
    for command, pause_s in steps:
        rex.wait(pause_s)
        before = loyalty(rex)
        gone = rex.state.gone
        if gone and not isinstance(command, Talk):
            with pytest.raises(Refused, match="gone"):
                rex.do(command, by_for(command))
            continue
        decision = rex.do(command, by_for(command))
        kinds = [type(event) for event in decision.events]
        assert 0 <= loyalty(rex) <= 100
        assert abs(rex.state.sway) <= SWAY_MAX + 1e-9
        assert abs(loyalty(rex) - before) <= 2 * SWAY_MAX
        assert not (Departed in kinds and (OrderObeyed in kinds or Warned in kinds))
        assert bool(rex.state.gone) == (Departed in kinds or bool(gone))
        if Warned in kinds:
            warned_at = rex.now_s
            assert decision.messages[0].to == "player:ava"
        if Departed in kinds:
            assert warned_at is not None
            assert rex.now_s - warned_at >= WARNING_S
            assert decision.reply["fate"] in ("leaves", "betrays")
            assert decision.messages[0].command.type == f"companion.{decision.reply['fate']}"
        if gone:
            assert LoyaltyMoved not in kinds
        explained = account(rex.state, rex.now_s)
        total = explained.rest + explained.earlier + sum(left for _, left in explained.listed)
        assert total == pytest.approx(explained.value)
        assert len(rex.state.ledger) <= LEDGER_MAX
        assert len(rex.state.noes) <= NOES_MAX


@given(_steps.filter(lambda steps: len(steps) < LEDGER_MAX))
@settings(max_examples=40, deadline=None)
def test_while_nothing_left_the_ledger_only_the_recruiting_is_earlier(steps: list[tuple[Command, float]]) -> None:
    rex = a_companion(loyalty=90, courage=60)
    start = account(rex.state, rex.now_s).earlier
    for command, pause_s in steps:
        rex.wait(pause_s)
        if rex.state.gone:
            return
        rex.do(command, by_for(command))
    expected = start * 2 ** (-(rex.now_s - NOW_S) / LOYALTY_HALF_LIFE_S)
    assert account(rex.state, rex.now_s).earlier == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(0, 60 * DAY_S), max_size=8), st.floats(0, 100), _personalities)
@settings(max_examples=60, deadline=None)
def test_decay_in_many_looks_is_decay_in_one(looks: list[float], start: float, personality: dict[str, int]) -> None:
    rest = loyalty_at_rest(personality)
    value, at_s = start, 0.0
    for pause_s in looks:
        value = faded(value, rest, pause_s, LOYALTY_HALF_LIFE_S)
        at_s += pause_s
    assert value == pytest.approx(faded(start, rest, at_s, LOYALTY_HALF_LIFE_S), abs=1e-6)


@given(st.permutations([("kind", 1), ("kind", 2), ("race", 3), ("walk", 4), ("fight", 5)]))
@settings(max_examples=30, deadline=None)
def test_the_order_of_what_happens_at_one_moment_does_not_matter(order: list[tuple[str, int]]) -> None:
    def played(names: list[tuple[str, int]]) -> Played:
        rex = a_companion(loyalty=60)
        for name, number in names:
            rex.do(Talk("good friend") if name == "kind" else GainExperience(number * 10, name))
        return rex

    one, other = played(sorted(order)), played(order)
    assert loyalty(one) == pytest.approx(loyalty(other))
    assert one.state.experience == other.state.experience
    assert one.view()["skills"] == other.view()["skills"]
    assert sorted(line.what for line in one.state.ledger) == sorted(line.what for line in other.state.ledger)


# ----------------------------------------------------------------------------------------------- warnings and goodbyes


@given(st.floats(0, 100), st.floats(0, 100), _personalities)
@settings(max_examples=200, deadline=None)
def test_less_loyalty_never_means_a_better_fate(one: float, other: float, personality: dict[str, int]) -> None:
    low, high = sorted((one, other))
    worse = get_args(Fate).index
    assert worse(fate_of(low, personality)) >= worse(fate_of(high, personality))
    assert betray_at(personality) <= BETRAY_MAX < WARN_AT < RECOVERED_AT
    assert LEAVE_AT < WARN_AT < loyalty_at_rest(personality)


def worn_down(**personality: int) -> Played:
    """A companion whose owner has been at it for days; it has just given its warning."""
    rex = a_companion(**personality)
    while rex.state.warned_s is None:
        rex.do(Talk("you worthless disgusting liar"))
        rex.wait(20_000)
    return rex


def test_a_companion_warns_first_then_leaves_and_says_why() -> None:
    rex = worn_down(loyalty=50)
    assert loyalty(rex) < WARN_AT
    for _ in range(30):
        rex.wait(20_000)
        decision = rex.do(Talk("you worthless disgusting liar"))
        if rex.state.gone:
            break
    assert rex.state.gone == "left"
    assert decision.reply["act"] == "leave_owner"
    assert "harsh words" in decision.reply["say"]
    assert rex.view()["fate"]["gone"] == "left"
    for command in (Order("wait"), GainExperience(10, "a walk"), Dismiss()):
        with pytest.raises(Refused) as refused:
            rex.do(command)
        assert refused.value.reason == "gone"
    assert "left" in rex.state.mind.memories[-1].text


def test_the_faithless_betray_where_the_faithful_would_leave() -> None:
    rex = worn_down(loyalty=0, greed=100)
    for _ in range(30):
        rex.wait(20_000)
        decision = rex.do(Talk("you worthless disgusting liar"))
        if rex.state.gone:
            break
    assert rex.state.gone == "betrayed"
    assert decision.reply["fate"] == "betrays"
    assert decision.messages[0].command.body["fate"] == "betrays"


def test_making_it_up_to_a_companion_takes_its_warning_back() -> None:
    rex = worn_down(loyalty=50)
    for _ in range(12):
        rex.do(GainExperience(500, "a rescue"))
        rex.wait(DAY_S / 4)
    assert loyalty(rex) >= RECOVERED_AT
    assert rex.state.warned_s is None
    assert rex.view()["fate"]["now"] == "stays"


def test_time_alone_makes_nobody_leave() -> None:
    rex = worn_down(loyalty=50)
    rex.wait(300 * DAY_S)
    assert rex.do(Talk("the bridge is open")).reply.get("fate") is None
    assert not rex.state.gone


def test_a_companion_that_left_comes_back_after_its_grudge_with_all_it_learned() -> None:
    rex = worn_down(loyalty=50)
    rex.do(GainExperience(1000, "one last job"))
    while not rex.state.gone:
        rex.wait(20_000)
        rex.do(Talk("you worthless disgusting liar"))
    again = Recruit("player:ava", "Somebody Else", "medic", {"loyalty": 100})
    with pytest.raises(Refused) as refused:
        rex.do(again)
    assert refused.value.reason == "grudge"
    memories = rex.state.mind.memories
    other = Played(KIND, "companion:rex", mind=ScriptedMind())
    other.state = rex.state
    assert other.do(Recruit("player:bob", "X", "medic", {}), by="player:bob").reply["again"]
    assert (other.state.owner, other.state.name, other.state.ledger) == ("player:bob", "Rex", ())
    rex.wait(GRUDGE_S["left"])
    rex.do(again)
    assert (rex.state.gone, rex.state.name, rex.state.mind.memories) == ("", "Rex", memories)
    assert rex.state.experience == 1000
    assert loyalty(rex) == 25
    with pytest.raises(AlreadyExists):
        rex.do(again)


def test_dismissing_and_taking_back_resets_no_loyalty() -> None:
    rex = a_companion(loyalty=50)
    for _ in range(20):
        rex.do(Talk("you wonderful friend"))
    high = loyalty(rex)
    rex.do(Dismiss())
    rex.do(Recruit("player:ava", "Rex", "bodyguard", {}))
    assert loyalty(rex) == pytest.approx(high)
    assert abs(rex.state.sway) == pytest.approx(SWAY_MAX)


@pytest.mark.parametrize("command", [Suffer(100, "shot it"), Suffer(1, "shot it")])
def test_no_player_reports_what_a_companion_suffers(command: Suffer) -> None:
    rex = a_companion()
    with pytest.raises(Refused) as refused:
        rex.do(command, by="player:ava")
    assert refused.value.reason == "not_allowed"


def test_asked_about_its_loyalty_a_companion_answers_from_its_ledger() -> None:
    rex = a_companion(loyalty=50)
    assert rex.do(Talk("do you trust me?")).reply["act"] == "account"
    rex.do(GainExperience(500, "won the canal race"))
    rex.do(Suffer(60, "left behind at the pier"), by="server:main")
    said = rex.do(Talk("why don't you trust me?")).reply["say"]
    assert "won the canal race" in said
    assert "left behind at the pier" in said


def test_a_journal_from_before_companions_could_leave_still_replays() -> None:
    """The bytes are what the first layout wrote for a recruit, a moved loyalty, a refusal and a deed."""
    old = [
        ["Recruited", "player:ava", "Rex", "bodyguard", {"courage": 80}, "plain", 50.0, 9.0, NOW_S],
        ["LoyaltyMoved", [NOW_S, "harsh words", -2.1, 47.9], -2.1, 0.0],
        ["OrderRefused", "attack", None, 0.4, NOW_S],
        ["ExperienceGained", 120, 120, 2, "a race", NOW_S],
    ]
    stored = msgspec.msgpack.encode([1, NOW_S, old, b"\x80"])
    state: Any = None
    for event in decode_turn(KIND, stored).events:
        state = evolve(state, event)
    assert (state.experience, state.refusals, state.gone, state.warned_s) == (120, 1, "", None)
    assert practice_now(state, NOW_S) == 0
    assert KIND.view(state, NOW_S)["fate"]["now"] == "stays"
