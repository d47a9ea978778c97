"""How NPCs come into the world, change, leave it and come back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ganggpt.domain.ids import WORLD as BY_WORLD
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.messages import HearOfRecord, LosePerson, NeedPerson, Notify, Offer
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import AskForWork, Give, Observe, Revise, Spawn, Talk, Threaten
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join
from ganggpt.domain.retirement import Retire
from ganggpt.domain.sheets import known_in, person_problems
from ganggpt.domain.turn import CancelRequest
from ganggpt.domain.world import ObjectiveSheet
from ganggpt.errors import AlreadyExists, InvalidInput, Refused
from ganggpt.protocol.command_book import CommandBook
from tests.support.builders import WORLD, Played, a_mission_template, an_npc_sheet
from tests.support.played import a_spawn, an_npc
from tests.support.town import Town

AVA, MAIN = "player:ava", "server:main"


def reason_of(played: Played, command: Any, by: str = AVA) -> str:
    with pytest.raises(Refused) as refused:
        played.do(command, by)
    return refused.value.reason


def test_a_revision_changes_the_sheet_and_nothing_else() -> None:
    mara = an_npc()
    mara.do(Give("watch", 300, "Ava"))
    before = mara.state
    reply = mara.do(Revise(role="boss", faction="", traits={"temper": 90}), MAIN).reply
    assert reply == {"npc": "npc:mara", "changed": ["role", "faction", "traits"]}
    sheet = mara.state.sheet
    assert (sheet.role, sheet.faction, sheet.traits) == ("boss", None, {**before.sheet.traits, "temper": 90})
    assert msgspec.structs.replace(mara.state, sheet=before.sheet, mood=before.mood, mood_s=before.mood_s) == before
    assert mara.do(Revise(role="boss"), MAIN).events == ()


def test_only_servers_change_and_retire_people() -> None:
    mara = an_npc()
    for command in (Revise(role="boss"), Retire()):
        assert reason_of(mara, command) == "not_allowed"


@pytest.mark.parametrize("command", [Talk("Hello"), Give("watch", 5), Threaten(), AskForWork(), Observe("a car", 50)])
def test_a_retired_npc_refuses_with_a_clear_reason(command: Any) -> None:
    mara = an_npc()
    mara.do(Retire("moved up the coast"), MAIN)
    assert reason_of(mara, command) == "retired"
    with pytest.raises(Refused, match=r"Mara Voss has left the world \(moved up the coast\)"):
        mara.do(command)
    assert mara.view()["retired"] == {"since_s": mara.now_s, "reason": "moved up the coast"}
    assert mara.do(HearOfRecord(AVA, 30), AVA).events == ()
    assert mara.do(Retire(), MAIN).events == ()


def test_a_retired_npc_comes_back_with_another_sheet_and_its_memories() -> None:
    mara = an_npc()
    mara.do(Give("watch", 300, "Ava"))
    with pytest.raises(AlreadyExists):
        mara.do(a_spawn(), MAIN)
    mara.do(Retire(), MAIN)
    before = mara.state
    assert mara.do(a_spawn(role="boss"), MAIN).reply["returned"] is True
    assert (mara.state.sheet.role, mara.view()["retired"]) == ("boss", None)
    assert (mara.state.mind, mara.state.standings) == (before.mind, before.standings)
    assert mara.do(Talk("Hello again", "Ava")).reply["say"]


def test_who_retires_while_talking_falls_silent_and_keeps_what_was_talked_about() -> None:
    mara = an_npc()
    for line in ("Tell me about the docks", "And who holds them now?", "I will pay you back tomorrow", "Go on"):
        mara.do(Talk(line, "Ava"))
    mara.has_model = True
    mara.do(Talk("What else is there to know about the harbour?", "Ava"))
    assert mara.view()["saying"] is not None
    gone = mara.do(Retire(), MAIN)
    assert mara.view()["saying"] is None
    assert not mara.state.mind.talks
    assert any(memory.kind == "summary" for memory in mara.state.mind.memories)
    hushed = [m.command.type for m in gone.messages if isinstance(m.command, Notify)]
    assert hushed == ["npc.hush"]
    assert {r.name for r in gone.model_requests if isinstance(r, CancelRequest)} == {"talk", "work"}
    assert [push.type for push in gone.pushes] == ["npc.retired"]


def a_town(target: str) -> Town:
    """Ava has a mission of Mara's that is about ``target``."""
    job = a_mission_template("job", objectives=(ObjectiveSheet(verb="talk_to", target=target),))
    world = msgspec.structs.replace(WORLD, missions={**WORLD.missions, "job": job})
    town = Town(mission.KIND, player.KIND, npc.KIND, world=world)
    for actor in ("npc:mara", "npc:otis"):
        sheet = world.npcs[actor[4:]]
        fields = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
        town.do(actor, Spawn(**fields), MAIN)
    town.do(AVA, Join(username="Ava", server="main"), MAIN)
    town.do("mission:m1", Offer("job", "npc:mara", AVA), "npc:mara")
    return town


def test_a_mission_that_needs_who_retires_is_called_off_at_nobodys_cost() -> None:
    town = a_town("npc:otis")
    town.do("mission:m1", Accept(), AVA)
    before = town.view(AVA)
    town.do("npc:otis", Retire(), MAIN)
    assert (town["mission:m1"].status, town["mission:m1"].reason) == ("failed", "person_gone")
    assert not town[AVA].active
    assert town.view(AVA).get("skill") == before.get("skill")
    assert [push.type for push in town.pushes].count("mission.failed") == 1


def test_a_mission_taken_after_somebody_retired_is_called_off_too() -> None:
    town = a_town("npc:otis")
    town.do("npc:otis", Retire(), MAIN)
    town.do("mission:m1", Accept(), AVA)
    assert (town["mission:m1"].status, town["mission:m1"].reason) == ("failed", "person_gone")


def test_the_giver_may_leave_once_the_mission_is_taken_and_an_offer_goes_with_them() -> None:
    town = a_town("npc:otis")
    town.do("mission:m1", LosePerson("Mara Voss"), "npc:mara")
    assert (town["mission:m1"].status, town["mission:m1"].reason) == ("failed", "withdrawn")
    town = a_town("npc:otis")
    town.do("mission:m1", Accept(), AVA)
    town.do("npc:mara", Retire(), MAIN)
    assert town["mission:m1"].status == "accepted"


def test_only_so_many_missions_are_kept_in_mind() -> None:
    mara = an_npc()
    for n in range(70):
        mara.do(NeedPerson(mara.now_s + 100 + n), f"mission:m{n}")
    assert len(mara.state.needed) == 64
    assert "mission:m0" not in mara.state.needed


def test_a_removal_of_somebody_who_never_lived_is_no_mistake() -> None:
    nobody = Played(npc.KIND, "npc:nobody")
    assert nobody.do(Retire(), BY_WORLD).reply == {"retired": None, "since_s": None}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"home": "nowhere"}, "home"),
        ({"faction": "ghosts"}, "faction"),
        ({"missions": ("no-such",)}, "missions.0"),
        ({"name": "Otis Bell"}, "name"),
        ({"name": "otis  bell"}, "name"),
        ({"name": "Оtis Веll"}, "name"),
        ({"name": "Otis\u200d Bell"}, "name"),
    ],
)
def test_spawn_and_revise_refuse_what_world_files_refuse_with_the_same_sentence(
    fields: dict[str, Any], field: str
) -> None:
    (problem,) = person_problems(an_npc_sheet("stranger", **{"name": "A Stranger", **fields}), known_in(WORLD))
    stranger = Played(npc.KIND, "npc:stranger")
    with pytest.raises(InvalidInput) as refused:
        stranger.do(a_spawn(**{"name": "A Stranger", **fields}), MAIN)
    assert (refused.value.field, refused.value.problem) == (field, problem[1])
    stranger.do(a_spawn(name="A Stranger"), MAIN)
    with pytest.raises(InvalidInput) as refused:
        stranger.do(Revise(**fields), MAIN)
    assert (refused.value.field, refused.value.problem) == (field, problem[1])


def test_the_border_knows_the_traits_and_styles_of_the_world_files() -> None:
    spawn = CommandBook(KINDS).find("npc:x", "Spawn")
    sheet = {"name": "X", "role": "r", "home": "docks", "faction": None, "style": "street"}
    traits = {"friendliness": 1, "temper": 1, "greed": 1, "courage": 1}
    for wrong, said in (
        ({"traits": {**traits, "fun": 50}}, "with.traits.fun: is not a known key"),
        ({"traits": {"friendliness": 1, "temper": 50, "greed": 1}}, "with.traits.courage: is missing"),
        ({"style": "plain"}, "with.style: should be 'street', 'polite'"),
    ):
        with pytest.raises(InvalidInput, match=said):
            spawn.read({**sheet, "traits": traits, **wrong})
