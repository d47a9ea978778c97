"""The faction: founding, relations, ground, raids, payments, impact of missions, political turns."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from ganggpt.domain.faction import politics
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.moves import TakePoliticalTurn
from ganggpt.domain.faction.rules import ClaimTerritory
from ganggpt.domain.faction.state import relation_now
from ganggpt.domain.messages import ApplyMissionImpact, LoseTerritory, ShiftRelation, SufferRaid, TakePayment
from ganggpt.domain.turn import Dice, Remind
from ganggpt.domain.world import District
from ganggpt.errors import AlreadyExists, InvalidInput, Refused, UnknownActor
from tests.support.builders import NOW_S, WORLD, Played, a_district, a_faction_sheet, a_world
from tests.support.explained import why_related
from tests.support.played import SERVER, a_faction
from tests.support.town import Town, found


def test_a_founded_faction_is_its_sheet_and_takes_its_first_turn_within_one_interval() -> None:
    played = Played(faction.KIND, "faction:harbour")
    decision = played.do(found(WORLD.factions["harbour"]), SERVER)
    (reminder,) = decision.reminders
    assert isinstance(reminder, Remind)
    assert NOW_S <= reminder.due_s <= NOW_S + politics.TURN_EVERY_S
    assert reminder.command == TakePoliticalTurn()
    seen = played.view()
    assert seen["name"] == "Harbour Crew"
    assert seen["territories"] == ["docks"]
    assert seen["relations"]["vipers"]["value"] == -60
    with pytest.raises(AlreadyExists):
        played.do(found(WORLD.factions["harbour"]), SERVER)


def test_nothing_but_founding_reaches_a_faction_that_is_not_there() -> None:
    with pytest.raises(UnknownActor):
        Played(faction.KIND, "faction:harbour").do(ShiftRelation("vipers", 5, "a favour"), SERVER)


def test_nobody_founds_a_faction_on_ground_of_others_or_off_the_map() -> None:
    with pytest.raises(Refused) as refused:
        a_faction(territories=("market",))
    assert refused.value.reason == "contested"
    with pytest.raises(InvalidInput, match="home: there is no district 'atlantis'"):
        a_faction(home="atlantis")


def test_a_shift_moves_the_relation_with_a_cause_and_tells_every_game_server() -> None:
    played = a_faction()
    decision = played.do(ShiftRelation("vipers", 20, "they returned the boat"), SERVER)
    assert decision.reply == {"from": -60.0, "to": -40.0, "applied": 20.0}
    (news,) = [p for p in decision.pushes if p.body["b"] == "vipers"]
    assert (news.server, news.type) == ("*", "faction.relation")
    assert news.body == {"a": "harbour", "b": "vipers", "from": -60.0, "to": -40.0, "cause": "they returned the boat"}
    value, causes = why_related(played.state, "vipers", played.now_s)
    assert value == pytest.approx(-40.0)
    assert [(c.cause, c.by) for c in causes] == [("they returned the boat", SERVER)]


def test_a_shift_ripples_one_hop_to_friends_and_enemies_of_the_other_side() -> None:
    world = a_world()
    played = a_faction("council", world)
    before = relation_now(played.state, "vipers", NOW_S)
    played.do(ShiftRelation("harbour", -30, "they sank our boat"), SERVER)
    # The Vipers are enemies of the Harbour Crew: whoever falls out with the crew warms to them.
    assert relation_now(played.state, "vipers", NOW_S) > before
    assert "enemies of Harbour Crew: they sank our boat" in [entry.cause for entry in played.state.ledger]


@pytest.mark.parametrize(("other", "reason"), [("harbour", "same_faction"), ("nobody", "unknown_faction")])
def test_a_relation_needs_another_faction_of_this_world(other: str, reason: str) -> None:
    played = a_faction()
    with pytest.raises(Refused) as refused:
        played.do(ShiftRelation(other, 5, "whatever"), SERVER)
    assert refused.value.reason == reason


@pytest.mark.parametrize("command", [ShiftRelation("vipers", 5, "please"), ClaimTerritory("market")])
def test_players_move_no_faction_by_command(command: Any) -> None:
    played = a_faction()
    with pytest.raises(Refused) as refused:
        played.do(command, "player:ava")
    assert refused.value.reason == "not_allowed"


def test_a_claim_needs_ground_next_door_and_the_money_for_it() -> None:
    played = a_faction(treasury=4_000)
    with pytest.raises(Refused) as refused:
        played.do(ClaimTerritory("hills"), SERVER)
    assert refused.value.reason == "not_adjacent"
    with pytest.raises(Refused) as refused:
        played.do(ClaimTerritory("market"), SERVER)
    assert refused.value.reason == "too_poor"
    with pytest.raises(Refused) as refused:
        played.do(ClaimTerritory("atlantis"), SERVER)
    assert refused.value.reason == "unknown_district"
    decision = played.do(ClaimTerritory("docks"), SERVER)
    assert decision.reply["cost"] == 0
    assert not decision.events


def test_a_claim_is_paid_for_and_takes_the_ground_from_its_holder() -> None:
    town = Town(faction.KIND)
    town.found_all()
    before = town["faction:harbour"].treasury
    cost = town.do("faction:harbour", ClaimTerritory("market"), SERVER).reply["cost"]
    assert cost > 0
    assert town["faction:harbour"].treasury == before - cost
    assert set(town["faction:harbour"].territories) == {"docks", "market"}
    assert not town["faction:vipers"].territories
    assert relation_now(town["faction:vipers"], "harbour", town.now_s) < -60
    assert {"district": "market", "from": "vipers", "to": "harbour"} in [push.body for push in town.pushes]
    assert not town.refused


def test_the_later_of_two_claims_holds_the_ground_whatever_the_order_of_messages() -> None:
    for first in ("harbour", "vipers"):
        world = a_world(districts={**WORLD.districts, "pier": a_district("pier", "docks", "market"), **_with_pier()})
        harbour, vipers = a_faction("harbour", world), a_faction("vipers", world)
        harbour.do(ClaimTerritory("pier"), SERVER)
        vipers.now_s += 5
        vipers.do(ClaimTerritory("pier"), SERVER)
        messages = {
            "harbour": (harbour, LoseTerritory("pier", "vipers", vipers.now_s)),
            "vipers": (vipers, LoseTerritory("pier", "harbour", harbour.now_s)),
        }
        for name in (first, *(messages.keys() - {first})):
            played, message = messages[name]
            played.do(message, "faction:other")
        assert "pier" not in harbour.state.territories
        assert "pier" in vipers.state.territories


def _with_pier() -> dict[str, District]:
    return {
        "docks": a_district("docks", "market", "pier"),
        "market": a_district("market", "docks", "hills", "pier"),
    }


def test_a_faction_without_ground_may_come_home() -> None:
    played = a_faction(territories=())
    with pytest.raises(Refused):
        played.do(ClaimTerritory("market"), SERVER)
    played.do(ClaimTerritory("docks"), SERVER)
    assert set(played.state.territories) == {"docks"}


def test_a_raid_moves_money_from_one_treasury_into_one_other() -> None:
    town = Town(faction.KIND)
    town.found_all()
    together = town["faction:harbour"].treasury + town["faction:vipers"].treasury
    lost = town.do("faction:vipers", SufferRaid("harbour", 1_000), "faction:harbour").reply["lost"]
    assert lost > 0
    assert town["faction:harbour"].treasury + town["faction:vipers"].treasury == together
    assert relation_now(town["faction:vipers"], "harbour", town.now_s) < -60


def test_a_raid_on_an_empty_treasury_takes_nothing() -> None:
    played = a_faction(treasury=0)
    decision = played.do(SufferRaid("vipers", 1_000), "faction:vipers")
    assert decision.reply == {"lost": 0}
    assert not decision.messages
    assert played.state.treasury == 0


def test_the_impact_of_a_mission_raises_influence_and_moves_the_relations_it_names() -> None:
    played = a_faction()
    impact = ApplyMissionImpact("mission:m1", "player:ava", 10, {"vipers": -8, "nobody": 5})
    decision = played.do(impact, "mission:m1")
    assert played.view()["influence"] == 42
    assert set(decision.reply["applied"]) == {"vipers"}
    assert relation_now(played.state, "vipers", NOW_S) < -60
    _, causes = why_related(played.state, "vipers", NOW_S)
    assert (causes[-1].cause, causes[-1].by) == ("a job that was done", "mission:m1")


def test_a_payment_reaches_the_treasury() -> None:
    played = a_faction(treasury=100)
    assert played.do(TakePayment("vipers", 250, "tribute"), "faction:vipers").reply == {"treasury": 350}


def test_a_political_turn_arms_the_next_one_and_brings_income() -> None:
    played = a_faction()
    before = played.state.treasury
    played.wait(3600)
    decision = played.do(TakePoliticalTurn(), "faction:harbour")
    (reminder,) = decision.reminders
    assert isinstance(reminder, Remind)
    assert abs(reminder.due_s - played.now_s - politics.TURN_EVERY_S) <= politics.TURN_EVERY_S * politics.TURN_JITTER
    taken = decision.events[0]
    assert taken.income == politics.INCOME_PER_HOUR + politics.INCOME_PER_DISTRICT
    assert played.state.turns == 1
    assert played.state.treasury >= before + taken.income - 2_000 - politics.claim_cost(played.state, WORLD, "market")


def test_income_of_a_year_nobody_looked_is_that_of_a_day() -> None:
    played = a_faction()
    assert politics.income(played.state, NOW_S + 365 * 86_400) == politics.income(played.state, NOW_S + 86_400)


def test_three_days_of_politics_keep_rivals_rivals_and_friends_friends() -> None:
    town = Town(faction.KIND)
    town.found_all()
    moves: set[str] = set()
    for _ in range(3 * 24):
        town.wait(3600)
        moves |= {push.body["move"] for push in town.pushes if push.type == "faction.turn"}
        town.pushes.clear()
    assert len(moves) >= 4
    assert not town.refused
    held = [district for actor in town.actors for district in town[actor].territories]
    assert len(held) == len(set(held))
    for actor, played in town.actors.items():
        assert played.state.turns > 700
        assert played.state.treasury >= 0
        for other, rest in WORLD.factions[actor.partition(":")[2]].relations.items():
            value = relation_now(played.state, other, town.now_s)
            assert abs(value) < 98
            assert abs(value - rest) < 60
            assert why_related(played.state, other, town.now_s)[0] == pytest.approx(value, abs=1e-6)


def test_hot_blood_raids_more_than_cool_heads_do() -> None:
    def raids(aggression: int) -> int:
        traits = {"aggression": aggression, "greed": 50, "loyalty": 50, "cunning": 50}
        sheet = a_faction_sheet("harbour", relations={"vipers": -60}, traits=traits)
        world = a_world(factions={**WORLD.factions, "harbour": sheet})
        state = a_faction("harbour", world).state
        return sum(politics.choose(state, world, NOW_S, Dice(seed)).name == "raid" for seed in range(400))

    assert raids(95) > 2 * raids(5)


def test_a_relation_far_under_its_rest_brings_truces_and_one_far_above_it_insults() -> None:
    def choices(value: float, rest: int) -> Counter[str]:
        sheet = a_faction_sheet("harbour", relations={"vipers": rest})
        world = a_world(factions={**WORLD.factions, "harbour": sheet})
        played = a_faction("harbour", world)
        relation = replace_struct(played.state.relations["vipers"], value=value)
        state = replace_struct(played.state, relations={"vipers": relation})
        return Counter(politics.choose(state, world, NOW_S, Dice(seed)).name for seed in range(400))

    assert choices(-80.0, -30)["truce"] > 2 * choices(-80.0, -80)["truce"]
    assert choices(0.0, -60)["insult"] > 2 * choices(0.0, 0)["insult"]
    assert choices(-60.0, -60)["rest"] > 200
