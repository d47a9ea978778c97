"""Work that an NPC offers: as hard as it should be, within what its faction can pay, and open to proposals."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.domain.messages import (
    EndMission,
    HearOfMissionFunds,
    HearOfRecord,
    Offer,
    Progress,
    ShowRecord,
    TakeMission,
)
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import (
    AskForWork,
    OutlineWork,
    ProposedObjective,
    ProposeMission,
    Spawn,
    Talk,
)
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.npc.state import PREPARED_MAX, WORK_COOLDOWN_S
from ganggpt.domain.npc.work import (
    FUNDS_FRESH_S,
    PREPARED_FRESH_S,
    PROPOSAL_FRESH_S,
    place_of_work,
    setting_for,
)
from ganggpt.domain.player import rules as player
from ganggpt.domain.world import ObjectiveSheet
from ganggpt.errors import Refused
from tests.support.builders import (
    DISTRICTS,
    NPCS,
    THINGS,
    WORLD,
    Played,
    a_mission_template,
    a_turn,
    a_world,
    an_npc_sheet,
)
from tests.support.mission_law import broken_laws
from tests.support.played import a_spawn

AVA, MAIN, MODEL = "player:ava", "server:main", "model:gateway"
A_WORLD = a_world(districts=DISTRICTS, npcs=NPCS, things=THINGS)


def mara(world: Any = A_WORLD) -> Played:
    played = Played(KIND, "npc:mara", world=world)
    sheet = an_npc_sheet()
    played.do(Spawn(**{n: getattr(sheet, n) for n in sheet.__struct_fields__ if n != "id"}), MAIN)
    return played


def a_proposal(**fields: Any) -> ProposeMission:
    known: dict[str, Any] = {
        "player": AVA,
        "title": "Up the hill",
        "description": "Bring it to the top.",
        "objectives": (
            ProposedObjective("collect", "parcel", 2, "docks"),
            ProposedObjective("deliver", "parcel", 2, "Sun Hills"),
        ),
        "difficulty": 2,
        "minutes": 30,
        "reward": 900,
    }
    return ProposeMission(**{**known, **fields})


def offer_in(decision: Any) -> Offer:
    (offer,) = [m.command for m in decision.messages if isinstance(m.command, Offer)]
    return offer


def test_a_proposal_of_a_game_server_becomes_a_mission_with_its_repairs_told() -> None:
    decision = mara().do(a_proposal(), MAIN)
    offer = offer_in(decision)
    assert (offer.player, offer.giver, offer.payer, offer.origin) == (AVA, "npc:mara", "harbour", "server")
    assert offer.sheet is not None
    assert [o.district for o in offer.sheet.objectives] == ["docks", "hills"]
    codes = [problem["code"] for problem in decision.reply["problems"]]
    assert codes == ["unknown_place", "impact"]
    assert any(line.startswith("repaired: ") for line in offer.why)


def test_a_proposal_that_cannot_be_used_is_replaced_by_other_work_and_says_why() -> None:
    decision = mara().do(a_proposal(objectives=(ProposedObjective("deliver", "shell", 1, "hills"),)), MAIN)
    offer = offer_in(decision)
    assert offer.origin in ("grammar", "template")
    assert any("instead of a proposal" in line for line in offer.why)
    assert any(problem["fixed"] is None for problem in decision.reply["problems"])


def test_a_game_server_that_wants_its_own_mission_or_none_is_told_what_is_wrong() -> None:
    proposal = a_proposal(objectives=(ProposedObjective("deliver", "shell", 1, "hills"),), or_template=False)
    with pytest.raises(Refused) as no:
        mara().do(proposal, MAIN)
    assert no.value.reason == "mission_rejected"
    assert "nothing is left to do" in str(no.value)


def test_players_propose_nothing() -> None:
    for command in (a_proposal(), OutlineWork(AVA)):
        with pytest.raises(Refused) as no:
            mara().do(command, AVA)
        assert no.value.reason == "not_allowed"


def test_a_proposal_that_comes_too_late_is_dropped() -> None:
    played = mara()
    with pytest.raises(Refused) as no:
        played.do(a_proposal(origin="model", asked_s=played.now_s - PROPOSAL_FRESH_S - 1), MAIN)
    assert no.value.reason == "stale"


def test_what_a_model_proposes_is_kept_and_offered_when_the_player_asks_next() -> None:
    played = mara()
    decision = played.do(a_proposal(origin="model", asked_s=played.now_s), MODEL)
    assert decision.reply["prepared"] == "Up the hill"
    assert not decision.messages
    offer = offer_in(played.do(AskForWork("Ava"), AVA))
    assert offer.sheet is not None
    assert (offer.origin, offer.sheet.title) == ("model", "Up the hill")
    assert not played.state.prepared
    played.wait(WORK_COOLDOWN_S + 1)
    assert offer_in(played.do(AskForWork("Ava"), AVA)).origin != "model"


def test_what_a_model_proposed_is_not_offered_once_it_is_old_or_no_longer_fits() -> None:
    for late_s, funds in ((PREPARED_FRESH_S + 1, 5_000), (0, 800)):
        played = mara()
        played.do(a_proposal(origin="model", asked_s=played.now_s), MODEL)
        played.do(HearOfMissionFunds(funds), "faction:harbour")
        played.wait(late_s)
        assert offer_in(played.do(AskForWork("Ava"), AVA)).origin != "model"


def test_in_the_place_of_a_models_nonsense_other_work_is_kept_that_says_so() -> None:
    played = mara()
    nonsense = a_proposal(objectives=(ProposedObjective("deliver", "shell", 1, "hills"),), origin="model")
    decision = played.do(nonsense, MODEL)
    assert decision.reply["origin"] in ("grammar", "template")
    assert any(problem["fixed"] is None for problem in decision.reply["problems"])
    offer = offer_in(played.do(AskForWork("Ava"), AVA))
    assert offer.origin == decision.reply["origin"]
    assert any(line.startswith("instead of a proposal: ") for line in offer.why)


def test_what_was_left_out_of_a_models_proposal_is_told_with_its_repairs() -> None:
    played = mara()
    played.do(a_proposal(origin="model", notes=("weapon: the rules know nothing of that; left out",)), MODEL)
    offer = offer_in(played.do(AskForWork("Ava"), AVA))
    assert "repaired: weapon: the rules know nothing of that; left out" in offer.why


def test_a_model_is_asked_for_the_next_mission_while_the_player_has_this_one() -> None:
    played = mara()
    turn = a_turn(world=A_WORLD)
    turn.has_model = True
    (request,) = KIND.decide(played.state, AskForWork("Ava", 2), turn).model_requests
    assert (request.name, request.brief.player, request.brief.party) == ("work", AVA, 2)
    assert request.brief.outline["places"]
    turn.has_model = False
    assert not KIND.decide(played.state, AskForWork("Ava"), turn).model_requests


def test_a_mind_keeps_few_prepared_missions() -> None:
    played = mara()
    for no in range(2 * PREPARED_MAX):
        played.do(a_proposal(player=f"player:p{no}", origin="model"), MODEL)
    assert len(played.state.prepared) == PREPARED_MAX
    assert f"player:p{2 * PREPARED_MAX - 1}" in played.state.prepared


def test_the_outline_is_what_a_mind_needs_and_changes_nothing() -> None:
    played = mara()
    before = played.state
    decision = played.do(OutlineWork(AVA, 4), MAIN)
    assert not decision.events
    assert played.state is before
    told = decision.reply
    assert [place["id"] for place in told["places"]] == ["docks", "market", "hills"]
    assert told["places"][1]["people"] == ["npc:otis", "npc:vic"]
    assert "parcel" in told["places"][0]["things"]
    assert told["difficulty"]["best"] > setting_for(played.state, AVA, 1, a_turn(world=A_WORLD)).wanted
    assert told["reward"]["most"] <= 5_000
    assert "ava" not in str(told).replace(AVA, "")


def test_how_hard_the_work_is_follows_the_players_record() -> None:
    played = mara()
    played.do(AskForWork("Ava"), AVA)

    def hard(skill: int, party: int) -> float:
        played.do(HearOfRecord(AVA, skill), AVA)
        found = []
        for _ in range(12):
            played.wait(WORK_COOLDOWN_S + 1)
            decision = played.do(AskForWork(party=party), AVA)
            offer = offer_in(decision)
            job = offer.sheet or A_WORLD.missions[offer.template]
            found.append(job.difficulty)
        return sum(found) / len(found)

    assert hard(0, 1) < hard(60, 1)
    assert hard(10, 1) < hard(10, 8)


def test_whatever_is_offered_is_legal() -> None:
    played = mara()
    for no in range(60):
        played.wait(WORK_COOLDOWN_S + 1)
        decision = played.do(AskForWork("Ava", 1 + no % 8), AVA)
        offer = offer_in(decision)
        if offer.sheet is None:
            assert offer.template in A_WORLD.missions
            continue
        setting = setting_for(played.state, AVA, 1 + no % 8, a_turn(world=A_WORLD, now_s=played.now_s))
        assert not broken_laws(offer.sheet, setting)


def test_an_npc_asks_around_once_and_again_when_it_has_heard_long_ago() -> None:
    played = mara()

    def asked() -> bool:
        played.wait(WORK_COOLDOWN_S + 1)
        return any(isinstance(m.command, ShowRecord) for m in played.do(AskForWork(), AVA).messages)

    assert asked()
    played.do(HearOfRecord(AVA, 40), AVA)
    assert not asked()
    played.wait(3_600)
    assert asked()
    assert played.do(HearOfRecord("player:stranger", 40), AVA).reply == {"heard": False}


def test_a_player_tells_people_who_ask_and_nobody_else() -> None:
    played = Played(player.KIND, AVA)
    played.do(player.Join("Ava", "main"), MAIN)
    (message,) = played.do(ShowRecord(), "npc:mara").messages
    assert (message.to, message.command) == ("npc:mara", HearOfRecord(AVA, 15))
    with pytest.raises(Refused):
        played.do(ShowRecord(), "faction:harbour")


def test_skill_follows_the_missions_that_were_held() -> None:
    played = Played(player.KIND, AVA)
    played.do(player.Join("Ava", "main"), MAIN)
    for outcome, up in (("completed", True), ("failed", False), ("expired", False)):
        before = played.state.skill
        played.do(TakeMission("mission:m1", "Boxes", ()), "mission:m1")
        played.do(EndMission("mission:m1", outcome, 0, 3), "mission:m1")
        assert (played.state.skill > before) is up
        played.do(EndMission("mission:m1", "completed", 0, 9), "mission:m1")
    before = played.state.skill
    played.do(TakeMission("mission:m2", "Boxes", ()), "mission:m2")
    played.do(EndMission("mission:m2", "failed"), "mission:m2")
    assert played.state.skill == before


def test_what_a_giver_hears_of_the_mission_funds_bounds_its_offers_for_a_day() -> None:
    played = mara()
    played.do(HearOfMissionFunds(400), "faction:harbour")
    turn = a_turn(world=A_WORLD, now_s=played.now_s)
    assert setting_for(played.state, AVA, 1, turn).mission_funds == 400
    later = a_turn(world=A_WORLD, now_s=played.now_s + FUNDS_FRESH_S + 1)
    assert setting_for(played.state, AVA, 1, later).mission_funds == 5_000
    for _ in range(10):
        assert played.do(AskForWork(), AVA).reply.get("reward", 0) <= 400
        played.wait(WORK_COOLDOWN_S + 1)


def test_no_mission_funds_means_no_work() -> None:
    played = mara()
    played.do(HearOfMissionFunds(20), "faction:harbour")
    reply = played.do(AskForWork(), AVA).reply
    assert reply["act"] == "no_work"
    assert "mission" not in reply


# ------------------------------------------------------------------------------------- what an order and a deadline do


def a_mission(**fields: Any) -> Played:
    world = a_world(missions={**WORLD.missions, "job": a_mission_template("job", **fields)})
    played = Played(mission.KIND, "mission:m1", world=world)
    played.do(Offer("job", "npc:mara", AVA), "npc:mara")
    played.do(Accept(), AVA)
    return played


IN_ORDER = (
    ObjectiveSheet(verb="collect", target="box", count=2, district="docks"),
    ObjectiveSheet(verb="talk_to", target="npc:otis", district="market", within_minutes=10),
)


def test_in_order_a_later_objective_waits_for_the_earlier_ones() -> None:
    played = a_mission(objectives=IN_ORDER, in_order=True)
    assert played.do(Progress((Deed("talk_to", "npc:otis", "market"),)), AVA).reply["counted"] == 0
    assert played.view()["next"] == 0
    deeds = (Deed("collect", "box", "docks", 2), Deed("talk_to", "npc:otis", "market"))
    assert played.do(Progress(deeds), AVA).reply["status"] == "completed"


def test_an_objective_that_is_due_soon_fails_the_mission_when_it_is_late() -> None:
    played = a_mission(objectives=IN_ORDER, in_order=True)
    played.wait(10 * 60)
    assert played.do(Progress((Deed("collect", "box", "docks", 2),)), AVA).reply["counted"] == 0
    decision = played.do(mission.Expire(), "mission:m1")
    assert decision.reply == {"status": "expired", "reason": "too_slow"}


def test_once_it_is_done_its_deadline_is_over() -> None:
    objectives = (IN_ORDER[1], ObjectiveSheet(verb="collect", target="box", district="docks"))
    played = a_mission(objectives=objectives)
    decision = played.do(Progress((Deed("talk_to", "npc:otis", "market"),)), AVA)
    (reminder,) = decision.reminders
    assert reminder.due_s == played.now_s + 30 * 60
    played.wait(20 * 60)
    assert not played.do(mission.Expire(), "mission:m1").events
    assert played.do(Progress((Deed("collect", "box", "docks"),)), AVA).reply["status"] == "completed"


def test_talk_completes_nothing() -> None:
    assert not {name for name in mission.KIND.commands if "Talk" in name}
    assert npc.KIND.commands["Talk"]
    played = a_mission()
    assert played.view()["objectives"][0]["completed_by"].startswith("the thing leaves")


def test_a_mission_explains_itself() -> None:
    played = Played(mission.KIND, "mission:m1", world=A_WORLD)
    offer = offer_in(mara().do(a_proposal(), MAIN))
    played.do(offer, "npc:mara")
    shown = played.view()["explanation"]
    assert shown["origin"] == "server"
    assert shown["payer"] == "harbour"
    assert shown["promised"] == 900
    assert any("difficulty" in line for line in shown["why"])
    assert played.view()["progress"] == 0


def test_somebody_spawned_in_play_has_work_too() -> None:
    sheet = an_npc_sheet()
    fields = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
    fields["name"] = "A Stranger"
    assert "stranger" not in A_WORLD.npcs
    for seed in range(1, 60):
        played = Played(KIND, "npc:stranger", world=A_WORLD)
        played.do(Spawn(**fields), MAIN)
        assert offer_in(played.do(AskForWork("Ava"), AVA, seed=seed)).giver == "npc:stranger"


def test_a_model_is_told_the_open_offer_with_its_task_its_places_and_its_pay() -> None:
    town = Played(KIND, "npc:mara", has_model=True)
    town.do(a_spawn(missions=("parcel",)), "server:main")
    town.do(AskForWork("Ava"), AVA)
    offer = town.state.work[AVA]
    (request,) = town.do(Talk("Where was that again?"), AVA).model_requests
    told = request.brief.background.offer
    assert all(word in told for word in (offer.title, offer.task, f"It pays ${offer.reward:,}."))
    names = [WORLD.districts[place].name for place in offer.places]
    assert names
    assert f"Where: {', '.join(names)}." in told


def test_work_leads_to_the_district_of_an_objective_or_to_where_the_person_lives() -> None:
    places = [
        place_of_work(ObjectiveSheet(verb="talk_to", target=target, district=district), WORLD)
        for target, district in (("parcel", "hills"), ("npc:otis", None), ("market", None), ("parcel", None))
    ]
    assert places == ["hills", "docks", "market", None]
