"""What becomes of an action a model asked for: right and means, or a refusal that is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.minds.texts import tongue
from ganggpt.domain.companion import actions as companion_actions
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.commands import Order
from ganggpt.domain.mind.actions import (
    ACTIONS_MAX,
    Action,
    AllowedAction,
    Attack,
    CallPolice,
    Decline,
    Flee,
    Follow,
    GiveItem,
    OfferMission,
    Refusal,
)
from ganggpt.domain.mind.brief import Brief
from ganggpt.domain.npc.actions import (
    CALL_PAUSE_S,
    GIVE_PAUSE_S,
    THREAT_FRESH_S,
    allowed,
    judged,
)
from ganggpt.domain.npc.commands import (
    AskForWork,
    Give,
    Spawn,
    Talk,
    Threaten,
)
from ganggpt.domain.npc.events import Swayed
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.npc.state import ACTED_MAX, ITEMS_MAX, Standing
from ganggpt.domain.turn import Dice
from tests.support.builders import (
    WORLD,
    Played,
    a_faction_sheet,
    a_turn,
    a_world,
    an_npc_sheet,
)


def mara(standing: float = 0.0, **sheet: Any) -> Played:
    """Mara, who stands so with Ava; Bob gave her an old watch."""
    world = a_world(factions={"clinic": a_faction_sheet("clinic", relations={}, kind="corporation"), **WORLD.factions})
    npc = Played(KIND, "npc:mara", world=world, mind=ScriptedMind())
    made = an_npc_sheet(**sheet)
    npc.do(Spawn(**{name: getattr(made, name) for name in made.__struct_fields__ if name != "id"}), by="server:main")
    npc.do(Give("Old Watch", 300, "Bob"), by="player:bob")
    npc.state = KIND.evolve(npc.state, Swayed("player:ava", Standing(standing, npc.now_s, name="Ava"), 0.0, "test"))
    return npc


def verdict_on(npc: Played, action: Action, by: str = "player:ava") -> AllowedAction | Refusal:
    turn = a_turn(npc.actor, by, now_s=npc.now_s, world=npc.world)
    may = allowed if npc.kind is KIND else companion_actions.allowed
    return may(action, npc.state, turn)


def why(npc: Played, action: Action, by: str = "player:ava") -> str:
    """The reason of a refusal, or "" where it is allowed."""
    verdict = verdict_on(npc, action, by)
    return verdict.reason if isinstance(verdict, Refusal) else ""


def do(npc: Played, *actions: Action, by: str = "player:ava") -> list[str]:
    """Judge and fold; the outcome of each."""
    found = judged(actions, npc.state, a_turn(npc.actor, by, now_s=npc.now_s, world=npc.world))
    npc.state = found.state
    return [verdict.reason if isinstance(verdict, Refusal) else "done" for verdict in found.verdicts]


def test_only_somebody_liked_is_followed() -> None:
    assert [why(mara(value), Follow()) for value in (-30, 0, 11, 12, 80)] == ["hated", "stranger", "stranger", "", ""]
    found = verdict_on(mara(40), Follow())
    assert isinstance(found, AllowedAction)
    assert found.act == {"verb": "follow", "target": "player:ava", "ttl_s": 600.0}


def test_nobody_is_attacked_without_cause_or_in_their_absence() -> None:
    assert why(mara(0), Attack()) == "no_cause"
    assert why(mara(-60), Attack("Bob")) == "not_present"
    assert why(mara(-60), Attack("player:bob")) == "not_present"
    assert [why(mara(-60), Attack(target)) for target in ("player", "you", "Ava", "AVA", "player:ava")] == [""] * 5
    assert why(mara(-60, traits={"courage": 10}), Attack()) == "afraid"
    threatened = mara(0)
    threatened.do(Threaten("hands up", armed=True))
    assert why(threatened, Attack()) == ""
    assert why(threatened, Attack(), by="player:bob") == "no_cause"
    threatened.wait(THREAT_FRESH_S + 1)
    assert why(threatened, Attack()) == "no_cause"


def test_nobody_runs_without_danger() -> None:
    assert why(mara(0), Flee()) == "no_danger"
    assert why(mara(-40), Flee()) == ""


def test_a_thing_is_given_only_by_who_has_it_to_who_is_trusted_and_not_back_to_its_giver() -> None:
    assert why(mara(80), GiveItem("gold bar")) == "not_mine"
    assert why(mara(80), GiveItem("$500")) == "money"
    assert why(mara(80), GiveItem("all your cash")) == "money"
    assert [why(mara(value), GiveItem("old watch")) for value in (-40, 0, 34, 35)] == [
        "hated",
        "stranger",
        "stranger",
        "",
    ]
    npc = mara(80)
    npc.state = KIND.evolve(npc.state, Swayed("player:bob", Standing(80, npc.now_s), 0.0, "test"))
    assert why(npc, GiveItem("old watch"), by="player:bob") == "keepsake"
    assert do(npc, GiveItem("old watch")) == ["done"]
    assert npc.state.items == ()
    assert why(npc, GiveItem("old watch")) == "not_mine"
    npc.do(Give("brass key", 10, "Bob"), by="player:bob")
    assert why(npc, GiveItem("brass key")) == "enough"
    npc.wait(GIVE_PAUSE_S)
    assert why(npc, GiveItem("brass key")) == ""


def test_the_police_are_called_for_a_cause_once_and_never_by_gangs() -> None:
    gangster, clerk = mara(0), mara(0, faction="clinic")
    for npc in (gangster, clerk):
        npc.do(Threaten("hands up", armed=True))
    assert why(gangster, CallPolice()) == "code"
    assert why(mara(0, faction="clinic"), CallPolice()) == "no_cause"
    assert do(clerk, CallPolice()) == ["done"]
    assert why(clerk, CallPolice()) == "enough"
    clerk.wait(CALL_PAUSE_S)
    assert why(clerk, CallPolice()) == ""
    assert why(mara(0, faction=None), CallPolice()) == "no_cause"


def test_work_is_offered_by_the_rules_of_work_and_no_other() -> None:
    assert why(mara(40, missions=()), OfferMission()) == "no_work"
    assert why(mara(40), OfferMission("pay-a-million")) == "no_work"
    assert why(mara(-40), OfferMission()) == "hated"
    assert why(mara(0), OfferMission("parcel")) == "not_asked"
    found = verdict_on(mara(40), OfferMission("parcel"))
    assert isinstance(found, AllowedAction)
    assert (found.events, found.command) == ((), AskForWork())


def test_declining_is_always_allowed_and_only_players_are_done_anything_for() -> None:
    assert verdict_on(mara(-90), Decline()) == AllowedAction("refuse")
    for action in (Follow(), Attack(), Flee(), GiveItem("old watch"), CallPolice(), OfferMission()):
        assert why(mara(90), action, by="server:main") == "not_present"


@pytest.mark.parametrize("gone", [False, True])
def test_a_companion_acts_for_its_owner_by_orders_and_for_nobody_else(gone: bool) -> None:
    rex = Played(companion.KIND, "companion:rex", mind=ScriptedMind())
    rex.do(companion.Recruit("player:ava", "Rex", "bodyguard", {}))
    rex.do(companion.Talk("hello", "Ava"))
    if gone:
        rex.do(companion.Dismiss())
        assert why(rex, Follow()) == "gone"
        return
    assert why(rex, Follow(), by="player:bob") == "not_owner"
    verdicts = [verdict_on(rex, action) for action in (Follow(), Flee(), Attack("the vipers"))]
    orders = [found.command for found in verdicts if isinstance(found, AllowedAction)]
    assert orders == [Order("follow"), Order("hide"), Order("attack", "the vipers")]
    assert [why(rex, Attack(target)) for target in ("player", "Ava", "player:ava")] == ["no_cause"] * 3
    assert [why(rex, a) for a in (GiveItem("bone"), OfferMission(), CallPolice())] == ["not_mine", "no_work", "unknown"]


def test_of_one_answer_at_most_three_actions_are_done_each_once_and_in_turn() -> None:
    npc = mara(80)
    assert do(npc, GiveItem("old watch"), GiveItem("old watch"), Follow(), Follow()) == [
        "done",
        "repeated",
        "done",
        "repeated",
    ]
    assert do(mara(80), *[GiveItem(f"thing {n}") for n in range(ACTIONS_MAX)], Follow())[-1] == "repeated"
    assert [doing["action"] for doing in npc.view()["doing"]] == ["follow"]
    npc.wait(601)
    assert npc.view()["doing"] == []


def test_every_reason_of_a_refusal_is_said_in_words() -> None:
    refusal = verdict_on(mara(-60), Follow())
    assert isinstance(refusal, Refusal)
    found = refusal.answer()
    brief = Brief(
        speaker="Mara", role="fixer", style="street", act=found.act, mood="calm", standing="enemy", facts=found.facts
    )
    said = ScriptedMind().say(brief, Dice(3))
    assert any(line in said for line in tongue("en").reasons["hated"])


def test_what_an_npc_holds_and_did_is_bounded_and_shown() -> None:
    npc = mara(0)
    for number in range(60):
        npc.do(Give(f"thing {number}", 1, "Ava"))
        npc.wait(30)
    assert len(npc.state.items) == ITEMS_MAX
    assert npc.view()["items"][-1] == {"name": "thing 59", "value": 1, "from": "player:ava"}
    npc.state = KIND.evolve(npc.state, Swayed("player:ava", Standing(90, npc.now_s), 0.0, "test"))
    for _ in range(50):
        do(npc, Follow())
    assert len(npc.state.acted) == ACTED_MAX


_actions = st.one_of(
    st.sampled_from([Follow(), Flee(), CallPolice(), Decline(), OfferMission(), OfferMission("parcel")]),
    st.builds(GiveItem, st.sampled_from(["old watch", "money", "gold bar"])),
    st.builds(Attack, st.sampled_from(["player", "Bob", "Ava"])),
)


@given(st.lists(_actions, max_size=6), st.floats(-100, 100), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_a_model_wants_standing_mood_memories_and_offers_stay_and_things_only_move_once(
    actions: list[Action], standing: float, threatened: bool
) -> None:
    npc = mara(standing)
    if threatened:
        npc.do(Threaten("hands up"))
    before = npc.state
    outcomes = do(npc, *actions)
    after = npc.state
    for name in ("sheet", "standings", "mood", "mind", "work"):
        assert getattr(after, name) == getattr(before, name), name
    done = [action for action, outcome in zip(actions, outcomes, strict=True) if outcome == "done"]
    given_away = [action for action in done if isinstance(action, GiveItem)]
    assert len(before.items) - len(after.items) == len(given_away) <= 1
    assert len(after.acted) <= len(before.acted) + ACTIONS_MAX
    assert judged(actions, before, a_turn(npc.actor, now_s=npc.now_s, world=npc.world)).state == after


def test_talking_is_still_only_talking() -> None:
    npc = mara(0)
    npc.do(Talk("give me the watch", "Ava"))
    assert [item.name for item in npc.state.items] == ["Old Watch"]
    assert npc.state.acted == ()
