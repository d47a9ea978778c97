"""The money of a mission: kept from the treasury when it is taken, paid once, or given back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.events import RewardPaid, RewardReleased, RewardReserved
from ganggpt.domain.faction.treasury import GRACE_S
from ganggpt.domain.messages import (
    Abandon,
    FundMission,
    HearOfMissionFunds,
    PayReward,
    TakeFunding,
)
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.mission_design.difficulty import MISSION_FUNDS_SHARE, mission_funds_of
from ganggpt.domain.npc.commands import AskForWork
from ganggpt.domain.player.rules import Report
from ganggpt.domain.world import ObjectiveSheet, World
from ganggpt.errors import GangGPTError
from tests.support.builders import (
    WORLD,
    Played,
    a_faction_sheet,
    a_mission_template,
    a_world,
)
from tests.support.town import (
    AVA,
    HARBOUR,
    MAIN,
    MARA,
    Town,
    a_town,
    offered,
)

DELIVERED = Deed("deliver", "parcel", "hills")


def with_treasury(treasury: int, **template: Any) -> World:
    sheet = a_faction_sheet("harbour", relations={"vipers": -60, "council": 40}, name="Harbour Crew", treasury=treasury)
    missions = {**WORLD.missions, "parcel": a_mission_template("parcel", **template)}
    return a_world(factions={**WORLD.factions, "harbour": sheet}, missions=missions)


def accepted(town: Town, ref: str = "mission:m1") -> str:
    town.do(offered(town, ref), Accept(), AVA)
    return ref


def all_money(town: Town) -> int:
    """Treasuries, what is kept of them, and cash."""
    states = [town[f"faction:{name}"] for name in town.world.factions]
    kept = sum(reserve.dollars for state in states for reserve in state.reserves.values())
    return sum(state.treasury for state in states) + kept + int(town[AVA].cash)


def test_an_offer_costs_nothing_and_an_accepted_mission_is_paid_for_in_advance() -> None:
    town = a_town()
    offered(town)
    assert town[HARBOUR].treasury == 50_000
    town.do("mission:m1", Accept(), AVA)
    assert town[HARBOUR].treasury == 48_500
    assert town.view(HARBOUR)["reserved"] == 1_500
    assert town.view("mission:m1")["explanation"]["kept_for_it"] == 1_500


def test_a_done_mission_pays_exactly_what_was_kept_and_the_player_hears_it_from_the_payer() -> None:
    town = a_town()
    before = all_money(town)
    accepted(town)
    town.do(AVA, Report(deeds=(DELIVERED,)), MAIN)
    assert town[AVA].cash == 1_500
    assert town[AVA].completed == 1
    assert not town[AVA].active
    assert town[HARBOUR].treasury == 48_500
    assert town.view(HARBOUR)["reserved"] == 0
    assert town.view(HARBOUR)["paid"] == 1_500
    assert all_money(town) == before
    town.do(AVA, Report(deeds=(DELIVERED,) * 3), MAIN)
    assert town[AVA].cash == 1_500


@pytest.mark.parametrize("end", ["abandoned", "out_of_time"])
def test_a_mission_that_was_not_done_gives_the_money_back(end: str) -> None:
    town = a_town()
    accepted(town)
    if end == "abandoned":
        town.do("mission:m1", Abandon(), AVA)
    else:
        town.wait(31 * 60)
    assert town["mission:m1"].reason == end
    assert town[HARBOUR].treasury == 50_000
    assert not town[HARBOUR].reserves
    assert town[AVA].cash == 0


def test_an_offer_that_nobody_takes_never_touches_the_treasury() -> None:
    town = a_town()
    offered(town)
    town.wait(700)
    assert town["mission:m1"].status == "expired"
    assert town[HARBOUR].treasury == 50_000


def test_a_faction_that_cannot_pay_calls_the_mission_off_and_nobody_is_blamed() -> None:
    town = a_town(with_treasury(4_000))
    skill = town[AVA].skill
    accepted(town)
    assert (town["mission:m1"].status, town["mission:m1"].reason) == ("failed", "unfunded")
    assert not town[AVA].active
    assert town[AVA].skill == skill
    assert town[HARBOUR].treasury == 4_000
    assert town[MARA].mission_funds == mission_funds_of(4_000)


def test_a_faction_that_can_pay_most_of_it_pays_that_and_says_so_before_the_work_is_done() -> None:
    town = a_town(with_treasury(12_000))
    accepted(town)
    assert town.view("mission:m1")["reward"] == 1_200
    assert "mission.reward" in [push.type for push in town.pushes]
    town.do(AVA, Report(deeds=(DELIVERED,)), MAIN)
    assert town[AVA].cash == 1_200
    assert town[HARBOUR].treasury == 10_800


def test_a_giver_without_a_faction_pays_from_their_own_pocket() -> None:
    town = a_town()
    town.do(offered(town, payer=None), Accept(), AVA)
    town.do(AVA, Report(deeds=(DELIVERED,)), MAIN)
    assert town[AVA].cash == 1_500
    assert town[HARBOUR].treasury == 50_000


def test_no_mission_costs_more_than_the_share_of_a_treasury() -> None:
    played = Played(faction.KIND, HARBOUR)
    town = a_town()
    played.state = town[HARBOUR]
    decision = played.do(FundMission("mission:m1", AVA, MARA, 40_000, 100, 0.0), "mission:m1")
    assert decision.reply["kept"] == 50_000 // MISSION_FUNDS_SHARE
    assert [message.command for message in decision.messages] == [HearOfMissionFunds(5_000), TakeFunding(5_000)]


def test_what_is_kept_for_a_mission_that_never_tells_its_end_comes_back_by_itself() -> None:
    town = a_town()
    town.do(HARBOUR, FundMission("mission:lost", AVA, MARA, 1_000, 100, town.now_s), "mission:lost")
    assert town[HARBOUR].reserves
    town.wait(GRACE_S + 60)
    town.do(HARBOUR, faction.TakePoliticalTurn(), HARBOUR)
    assert not town[HARBOUR].reserves


def test_a_payment_that_comes_after_that_is_still_paid_once_out_of_the_treasury() -> None:
    town = a_town()
    accepted(town)
    played = town.actors[HARBOUR]
    before = played.state.treasury + 1_500
    played.do(faction.ReleaseReward("mission:m1", "overdue"), HARBOUR)
    decision = played.do(PayReward("mission:m1", AVA, 1_500, 3), "mission:m1")
    assert decision.reply == {"paid": 1_500}
    assert played.state.treasury == before - 1_500


def test_a_treasury_that_was_emptied_meanwhile_pays_what_it_has_and_never_goes_below_nothing() -> None:
    world = with_treasury(600)
    played = Played(faction.KIND, HARBOUR, world=world)
    town = a_town(world)
    played.state = town[HARBOUR]
    assert played.do(PayReward("mission:m1", AVA, 1_500, 3), "mission:m1").reply == {"paid": 600}
    assert played.state.treasury == 0


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["offer", "accept", "abandon", "deed", "deed", "wait"]),
        st.integers(1, 1_900),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(500, 60_000))
def test_whatever_players_do_no_dollar_is_made_or_lost_and_each_mission_pays_at_most_once(
    steps: list[tuple[int, str, int]], treasury: int
) -> None:
    town = a_town(with_treasury(treasury, objectives=(ObjectiveSheet(verb="deliver", target="parcel", count=2),)))
    before = all_money(town)
    for no, what, pause_s in steps:
        ref = f"mission:m{no}"
        try:
            if what == "offer":
                offered(town, ref)
            elif what == "deed":
                town.do(AVA, Report(deeds=(DELIVERED,)), MAIN)
            elif what == "wait":
                town.wait(float(pause_s))
            else:
                town.do(ref, Accept() if what == "accept" else Abandon(), AVA)
        except GangGPTError:
            continue
        assert all_money(town) == before
        assert town[HARBOUR].treasury >= 0
    town.wait(2 * 3600)
    town.due.clear()
    assert all_money(town) == before
    told = Counter(
        (type(event), event.mission)
        for event in town.actors[HARBOUR].journal
        if isinstance(event, RewardReserved | RewardPaid | RewardReleased)
    )
    for (kind, ref), times in told.items():
        assert times == 1
        if kind is RewardReserved:
            assert told[RewardPaid, ref] + told[RewardReleased, ref] == 1
    completed = sum(town[a].status == "completed" for a in town.actors if a.startswith("mission:"))
    assert town[AVA].completed == completed == sum(kind is RewardPaid for kind, _ in told)


def test_the_giver_offers_what_its_faction_can_pay() -> None:
    town = a_town(with_treasury(9_000))
    for _ in range(30):
        reply = town.do(MARA, AskForWork(), AVA).reply
        assert reply.get("reward", 0) <= 900
        town.wait(200)
