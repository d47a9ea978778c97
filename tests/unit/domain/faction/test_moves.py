"""The moves of a political turn: which are legal, what each does to both sides, and who may choose one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ganggpt.domain.faction import politics
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.moves import ListMoves, MakeMove
from ganggpt.domain.faction.state import Bond, bond_now, relation_now, strength_now
from ganggpt.domain.messages import (
    AnswerBond,
    DeclareWar,
    OfferBond,
    OfferTrade,
    SettleTrade,
    SufferRaid,
)
from ganggpt.domain.world import World
from ganggpt.errors import Refused
from tests.support.builders import NOW_S, WORLD, a_faction_sheet, a_world
from tests.support.town import Town

MASTER = "server:master"


def a_town(world: World = WORLD) -> Town:
    town = Town(faction.KIND, world=world)
    town.found_all()
    town.due.clear()
    town.pushes.clear()
    return town


def at_odds(value: int, **traits: int) -> World:
    """Harbour and Vipers think ``value`` of each other."""
    sheets = {
        name: a_faction_sheet(name, relations={other: value}, home=home, territories=(home,), traits=traits)
        for name, other, home in (("harbour", "vipers", "docks"), ("vipers", "harbour", "market"))
    }
    return a_world(factions=sheets)


def legal(town: Town, name: str = "harbour") -> set[tuple[str, str | None]]:
    state = town[f"faction:{name}"]
    return {(move.name, move.other) for move in politics.legal_moves(state, town.world, town.now_s)}


def bound(town: Town, kind: Any) -> None:
    """Put a pact or war between the two for an hour."""
    for name, other in (("harbour", "vipers"), ("vipers", "harbour")):
        played = town.actors[f"faction:{name}"]
        played.state = replace(played.state, bonds={other: Bond(kind, town.now_s, town.now_s + 3600)})


def moved(town: Town, move: Any, other: str | None = "vipers", **fields: Any) -> Any:
    return town.do("faction:harbour", MakeMove(move, other, **fields), MASTER).reply


@pytest.mark.parametrize(
    ("value", "is_legal", "is_not"),
    [
        (60, {"trade", "pact"}, {"insult", "raid", "war", "truce", "tribute", "betray"}),
        (0, {"trade", "insult"}, {"pact", "raid", "war", "truce", "tribute", "betray"}),
        (-40, {"insult", "raid", "tribute"}, {"trade", "pact", "war", "betray"}),
        (-80, {"insult", "raid", "war", "tribute"}, {"trade", "pact", "betray"}),
    ],
)
def test_what_is_legal_depends_on_how_the_sides_stand(value: int, is_legal: set[str], is_not: set[str]) -> None:
    found = {move for move, other in legal(a_town(at_odds(value))) if other == "vipers"}
    assert is_legal <= found
    assert is_not.isdisjoint(found)


def test_in_a_pact_nobody_raids_or_insults_but_may_betray() -> None:
    town = a_town(at_odds(40))
    bound(town, "pact")
    found = {move for move, other in legal(town) if other == "vipers"}
    assert "betray" in found
    assert found.isdisjoint({"insult", "raid", "war", "pact"})


def test_a_deal_brings_either_side_the_same_and_warms_both() -> None:
    town = a_town(at_odds(30, greed=100))
    before = [town[f"faction:{name}"].treasury for name in ("harbour", "vipers")]
    for _ in range(20):
        moved(town, "trade")
        if town["faction:harbour"].traded:
            break
        town.wait(3600)
    after = [town[f"faction:{name}"].treasury for name in ("harbour", "vipers")]
    assert after[1] - before[1] == politics.TRADE_PROFIT
    assert after[0] > before[0]
    assert relation_now(town["faction:vipers"], "harbour", town.now_s) > 30
    assert ("trade", "vipers") not in legal(town)


def test_a_pact_needs_both_and_ends_by_itself() -> None:
    town = a_town(at_odds(80, loyalty=100))
    for _ in range(20):
        moved(town, "pact")
        if town["faction:harbour"].bonds:
            break
        town.wait(3600)
    for name, other in (("harbour", "vipers"), ("vipers", "harbour")):
        assert bond_now(town[f"faction:{name}"], other, town.now_s) == "pact"
        assert bond_now(town[f"faction:{name}"], other, town.now_s + politics.PACT_S + 1) is None


def test_a_side_that_hates_us_turns_a_pact_down_and_we_take_it_ill() -> None:
    town = a_town(at_odds(20))
    vipers = town.actors["faction:vipers"]
    vipers.state = replace(vipers.state, relations={"harbour": replace(vipers.state.relations["harbour"], value=-50.0)})
    moved(town, "pact")
    assert not town["faction:harbour"].bonds
    assert relation_now(town["faction:harbour"], "vipers", town.now_s) == pytest.approx(19.0, abs=0.3)


def test_war_is_declared_by_one_side_costs_and_is_known_to_both() -> None:
    town = a_town(at_odds(-80))
    before = town["faction:harbour"].treasury
    assert moved(town, "war")["move"] == "war"
    assert town["faction:harbour"].treasury == before - politics.WAR_COST
    for name, other in (("harbour", "vipers"), ("vipers", "harbour")):
        assert bond_now(town[f"faction:{name}"], other, town.now_s) == "war"
        assert relation_now(town[f"faction:{name}"], other, town.now_s) < -80
    assert "faction.war" in [push.type for push in town.pushes]
    assert town.view("faction:vipers")["relations"]["harbour"]["bond"] == "war"
    later_s = town.now_s + politics.WAR_S + 1
    assert bond_now(town["faction:vipers"], "harbour", later_s) is None


def test_a_truce_ends_a_war_on_both_sides() -> None:
    town = a_town(at_odds(-60, aggression=0))
    for _ in range(30):
        bound(town, "war")
        moved(town, "truce")
        if not town["faction:harbour"].bonds:
            break
        town.wait(3600)
    assert not town["faction:harbour"].bonds
    assert not town["faction:vipers"].bonds


def test_a_pact_that_is_agreed_on_after_we_went_to_war_is_none() -> None:
    town = a_town(at_odds(40))
    bound(town, "war")
    town.do("faction:harbour", AnswerBond("vipers", "pact", town.now_s + 60, True), "faction:vipers")
    assert bond_now(town["faction:harbour"], "vipers", town.now_s) == "war"


def test_betrayal_ends_the_pact_takes_money_and_is_not_forgiven() -> None:
    town = a_town(at_odds(40))
    bound(town, "pact")
    together = sum(town[f"faction:{name}"].treasury for name in ("harbour", "vipers"))
    moved(town, "betray")
    assert not town["faction:harbour"].bonds
    assert not town["faction:vipers"].bonds
    assert town["faction:vipers"].treasury < 50_000 < town["faction:harbour"].treasury
    assert sum(town[f"faction:{name}"].treasury for name in ("harbour", "vipers")) == together
    assert relation_now(town["faction:vipers"], "harbour", town.now_s) < 15


@pytest.mark.parametrize(("ours", "theirs", "more"), [(20, 100, True), (100, 10, False)])
def test_a_stronger_raider_takes_more(ours: int, theirs: int, more: bool) -> None:
    even = politics.loot(10_000, 500, 50, 50)
    assert even == 500
    assert politics.loot(10_000, 500, theirs, ours) == (500 if more else pytest.approx(90, abs=2))
    assert politics.loot(0, 500, theirs, ours) == 0


def test_recruits_cost_money_and_make_strong_and_strength_fades_to_its_rest() -> None:
    town = a_town()
    before = town["faction:harbour"].treasury
    moved(town, "recruit", None)
    state = town["faction:harbour"]
    assert state.treasury == before - politics.RECRUIT_COST
    assert 55 < strength_now(state, town.now_s) <= 56
    assert strength_now(state, town.now_s + 30 * 86_400) == pytest.approx(50, abs=0.01)


def test_a_raid_weakens_whoever_suffers_it() -> None:
    town = a_town()
    town.do("faction:vipers", SufferRaid("harbour", 600, "raid", 50), "faction:harbour")
    assert strength_now(town["faction:vipers"], town.now_s) < 50


def test_offers_from_nobody_change_nothing_but_an_answer_goes_out() -> None:
    town = a_town()
    state = town["faction:harbour"]
    for message in (
        OfferBond("nobody", "pact", NOW_S + 60),
        OfferTrade("nobody", 100),
        DeclareWar("nobody", NOW_S + 60),
        AnswerBond("nobody", "pact", NOW_S + 60, True),
        SettleTrade("nobody", 100),
    ):
        town.do("faction:harbour", message, "faction:nobody")
    assert town["faction:harbour"] == state


# ------------------------------------------------------------------------------------------- somebody else chooses


def test_the_list_of_moves_is_what_a_mind_needs_and_changes_nothing() -> None:
    town = a_town(at_odds(-80))
    state = town["faction:harbour"]
    decision = town.do("faction:harbour", ListMoves(), MASTER)
    assert not decision.events
    assert town["faction:harbour"] is state
    told = decision.reply
    assert {(move["move"], move["other"]) for move in told["moves"]} == legal(town)
    assert [move["worth"] for move in told["moves"]] == sorted((m["worth"] for m in told["moves"]), reverse=True)
    assert told["for_turn"] == 0


def refused(town: Town, command: Any, by: str = MASTER) -> str:
    with pytest.raises(Refused) as no:
        town.do("faction:harbour", command, by)
    return no.value.reason


def test_only_a_legal_move_is_made() -> None:
    town = a_town(at_odds(-80))
    state = town["faction:harbour"]
    for command in (
        MakeMove("pact", "vipers"),
        MakeMove("raid", "council"),
        MakeMove("raid"),
        MakeMove("expand", None, "hills"),
        MakeMove("betray", "vipers"),
        MakeMove("insult", "vipers", "docks"),
    ):
        assert refused(town, command) == "illegal_move"
    assert refused(town, MakeMove("raid", "vipers"), "player:ava") == "not_allowed"
    assert refused(town, ListMoves(), "player:ava") == "not_allowed"
    assert town["faction:harbour"] is state


def test_a_choice_for_another_turn_is_stale_and_two_at_once_are_one_too_many() -> None:
    town = a_town(at_odds(-80))
    assert refused(town, MakeMove("insult", "vipers", for_turn=3)) == "stale"
    moved(town, "insult", for_turn=0)
    assert refused(town, MakeMove("insult", "vipers", for_turn=1)) == "too_soon"
    assert refused(town, MakeMove("insult", "vipers", for_turn=0)) == "stale"
    town.wait(61)
    moved(town, "insult", for_turn=1)


def test_a_chosen_move_takes_the_place_of_the_political_turn_and_keeps_its_words() -> None:
    town = a_town(at_odds(-80))
    before_s = town.now_s
    moved(town, "insult", words="Your boats stink.")
    due = town.due["faction:harbour", "politics"]
    assert due.due_s - before_s >= politics.TURN_EVERY_S * (1 - politics.TURN_JITTER)
    last = town.view("faction:harbour")["moves"][0]
    assert (last["move"], last["other"], last["words"], last["by"]) == ("insult", "vipers", "Your boats stink.", MASTER)
    (news,) = [push for push in town.pushes if push.type == "faction.turn"]
    assert news.body["words"] == "Your boats stink."
