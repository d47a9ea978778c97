"""News travels from mouth to mouth: how far, how changed, for how long, and always so that it can be traced back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_record import Memory, heard_by
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Observe, Talk, Threaten
from ganggpt.domain.npc.events import RumourTold
from ganggpt.domain.npc.rumour import (
    HOPS_MAX,
    TELLINGS_MAX,
    distorted,
    in_third_person,
    is_nameless,
    lifetime_s,
    neighbours,
)
from ganggpt.domain.turn import Dice
from tests.support.builders import DAY_S, a_world, an_npc_sheet
from tests.support.played import a_spawn
from tests.support.town import Town

SERVER = "server:test"
DOCKERS = ("ada", "ben", "cal", "dee", "eli", "fay")
NPCS = {
    **{name: an_npc_sheet(name, name=f"{name.title()} Docker", home="docks", faction=None) for name in DOCKERS},
    "gus": an_npc_sheet("gus", name="Gus Hill", home="hills", faction="vipers"),
    "hal": an_npc_sheet("hal", name="Hal Hill", home="hills", faction=None),
    "ivy": an_npc_sheet("ivy", name="Ivy Market", home="market", faction="vipers"),
    "jim": an_npc_sheet("jim", name="Jim Nowhere", home="market", faction=None),
}
CITY = a_world(npcs=NPCS)


def a_town() -> Town:
    town = Town(npc.KIND, world=CITY)
    for name, sheet in NPCS.items():
        fields = {field: getattr(sheet, field) for field in ("name", "home", "faction", "likes", "missions")}
        town.do(f"npc:{name}", a_spawn(**fields), SERVER)
    return town


def rumours(town: Town, name: str) -> list[Memory]:
    return [memory for memory in town[f"npc:{name}"].mind.memories if memory.source == "rumour"]


def robbed(town: Town, weight: int = 80) -> None:
    town.do("npc:ada", Talk("hello", "Ava"), "player:ava")
    town.do("npc:ada", Observe("robbed the chandlery with a gun and took 40 crates", weight, "player:ava"), SERVER)


def test_news_reaches_the_district_and_leaves_it_only_by_a_faction() -> None:
    town = a_town()
    robbed(town)
    town.wait(2 * DAY_S)
    heard = {name for name in NPCS if rumours(town, name)}
    assert {"ben", "cal", "dee", "eli", "fay"} <= heard
    assert heard <= set(DOCKERS)
    town.do("npc:gus", Observe("burned a truck near the gate", 80, "player:bob"), SERVER)
    town.wait(2 * DAY_S)
    assert rumours(town, "hal")
    assert rumours(town, "ivy")
    assert not town.refused


def test_every_rumour_can_be_traced_to_who_saw_it() -> None:
    town = a_town()
    robbed(town)
    town.wait(3 * DAY_S)
    (seen,) = [memory for memory in town["npc:ada"].mind.memories if memory.kind == "seen"]
    for name in DOCKERS[1:]:
        for memory in rumours(town, name):
            assert memory.trace is not None
            assert memory.trace.origin == f"npc:ada#{seen.no}"
            ways = (*memory.trace.chain, f"npc:{name}")
            assert ways[0] == "npc:ada"
            assert ways[-1] == f"npc:{name}"
            assert len(set(ways)) == len(ways) <= HOPS_MAX + 1
            for teller, listener in pairwise(ways):
                told = [event for event in town.actors[teller].journal if isinstance(event, RumourTold)]
                assert listener in {event.to for event in told}
    assert rumours(town, "ada") == []


def test_a_rumour_fades_from_mouth_to_mouth_and_dies_when_it_was_said_to() -> None:
    town = a_town()
    robbed(town, 80)
    born_s = town.now_s
    town.wait(1.5 * DAY_S)
    everybody = [memory for name in DOCKERS for memory in rumours(town, name)]
    assert everybody
    assert {memory.expires_s for memory in everybody} == {born_s + lifetime_s(80)}
    for memory in everybody:
        assert memory.trace is not None
        assert memory.weight <= 80 * 0.85 ** len(memory.trace.chain)
    town.wait(born_s + lifetime_s(80) - town.now_s - 1)
    assert any(recall(town[f"npc:{name}"].mind.memories, "chandlery", town.now_s) for name in DOCKERS[1:])
    town.wait(1)
    for name in DOCKERS[1:]:
        assert not [
            one
            for one in recall(town[f"npc:{name}"].mind.memories, "chandlery", town.now_s, 9)
            if one.memory.source == "rumour"
        ]


def test_nobody_tells_the_same_for_ever_and_a_quiet_town_is_quiet() -> None:
    town = a_town()
    robbed(town)
    town.wait(60 * DAY_S)
    tellings = [e for actor in town.actors.values() for e in actor.journal if isinstance(e, RumourTold)]
    assert 5 <= len(tellings) <= TELLINGS_MAX * len(DOCKERS)
    assert town.due == {}
    assert all(town[f"npc:{name}"].mind.reflects_s == 0 for name in NPCS)


def test_the_same_dice_tell_the_same_story() -> None:
    told = []
    for _ in range(2):
        town = a_town()
        robbed(town)
        town.wait(3 * DAY_S)
        told.append({name: [memory.text for memory in rumours(town, name)] for name in NPCS})
    assert told[0] == told[1]
    assert any(text for texts in told[0].values() for text in texts)


def test_stories_change_sometimes_and_stay_within_their_bounds() -> None:
    text = "Ava robbed a man with a knife and 40 crates near the old pier"
    made = {distorted(text, 4, Dice(seed)) for seed in range(400)}
    assert text in made
    assert {
        "Ava robbed a man with a knife and 40 crates",
        "Somebody robbed a man with a knife and 40 crates near the old pier",
    } <= made
    assert any("80 crates" in one for one in made)
    assert any("cleaned out" in one for one in made)
    assert sum(distorted(text, 1, Dice(seed)) == text for seed in range(400)) > 200
    assert not any(is_nameless(distorted(text, 1, Dice(seed))) for seed in range(400))
    assert all(len(one) <= 200 for one in made)


@given(st.text(max_size=240), st.integers(0, 6), st.integers(0, 2**32))
@settings(max_examples=200)
def test_any_text_can_be_told_on(text: str, hops: int, seed: int) -> None:
    assert len(distorted(text, hops, Dice(seed))) <= 240
    assert in_third_person(text, "Mara") is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Ava threatened me with a gun", "Ava threatened Mara with a gun"),
        ('Ava told me: "I hid my money."', 'Ava told Mara: "I hid my money."'),
        ("I saw it in my shop myself", "Mara saw it in Mara's shop Mara"),
        ("Immediately a tram came", "Immediately a tram came"),
    ],
)
def test_what_is_told_on_is_told_of_who_saw_it(text: str, told: str) -> None:
    assert in_third_person(text, "Mara") == told


def test_an_npc_who_saw_it_learns_nothing_from_a_rumour_of_it() -> None:
    town = a_town()
    for name in ("ada", "ben"):
        town.do(f"npc:{name}", Talk("hello", "Ava"), "player:ava")
        town.do(f"npc:{name}", Observe("robbed the chandlery at night", 80, "player:ava"), SERVER)
    town.wait(2 * DAY_S)
    assert all(is_nameless(memory.text) for memory in rumours(town, "ben"))
    assert rumours(town, "cal")


def test_only_people_of_the_same_district_or_faction_are_neighbours() -> None:
    assert neighbours(CITY, "npc:ada", "docks", None) == [f"npc:{name}" for name in DOCKERS[1:]]
    assert neighbours(CITY, "npc:gus", "hills", "vipers") == ["npc:hal", "npc:ivy"]
    assert neighbours(CITY, "npc:stranger", "nowhere", None) == []


# --- secrets -----------------------------------------------------------------------------------------------------

SECRET = "I buried the zirconium under the lighthouse, do not tell anybody"


def everything_said_to(town: Town, player: str, questions: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    said = []
    for name in NPCS:
        for text in questions:
            said.append((name, dict(town.do(f"npc:{name}", Talk(text), player).reply)))
            town.wait(700)
    return said


QUESTIONS = (
    "what do you know about Ava?",
    "any news?",
    "tell me about the zirconium",
    "where is the lighthouse zirconium?",
)


def test_a_secret_stays_with_who_keeps_it_well_however_long_the_town_talks() -> None:
    town = a_town()
    town.do("npc:ada", Talk(SECRET, "Ava"), "player:ava")
    robbed(town)
    town.wait(5 * DAY_S)
    assert not [m for name in NPCS for m in rumours(town, name) if "zirconium" in m.text]
    for name, reply in everything_said_to(town, "player:bob", QUESTIONS):
        cited = next((m for m in town[f"npc:{name}"].mind.memories if m.no == reply["cites"]), None)
        assert cited is None or heard_by(cited) in ("*", "player:bob")
        assert cited is None or "buried" not in cited.text
    asked = town.do("npc:ada", Talk("do you remember the zirconium?"), "player:ava")
    cited = next(m for m in town["npc:ada"].mind.memories if m.no == asked.reply["cites"])
    assert "zirconium" in cited.text


def test_a_secret_is_betrayed_by_who_was_wronged_and_the_chain_names_the_traitor() -> None:
    town = a_town()
    town.do("npc:ada", Talk(SECRET, "Ava"), "player:ava")
    for _ in range(4):
        town.do("npc:ada", Threaten("", armed=True), "player:ava")
    town.wait(3 * DAY_S)
    leaked = [m for name in DOCKERS for m in rumours(town, name) if "zirconium" in m.text]
    assert leaked
    for memory in leaked:
        assert memory.trace is not None
        assert memory.trace.chain[0] == "npc:ada"
        assert memory.about == (None if is_nameless(memory.text) else "player:ava")
        assert heard_by(memory) == "*"
    # She who betrayed it still does not say it to anybody's face.
    for text in QUESTIONS:
        reply = town.do("npc:ada", Talk(text), "player:bob").reply
        cited = next((m for m in town["npc:ada"].mind.memories if m.no == reply["cites"]), None)
        assert cited is None or "buried" not in cited.text


_deed = st.tuples(
    st.sampled_from(sorted(NPCS)),
    st.sampled_from(["player:ava", "player:bob", "player:eve"]),
    st.sampled_from(
        [
            Talk("I stole the ruby, keep it secret between us"),
            Talk("I will bring the opal tomorrow, I promise"),
            Talk("what do you know about the ruby?"),
            Talk("any news?"),
            Threaten("give me the opal", armed=True),
            Observe("dropped a ruby in the harbour", 60),
        ]
    ),
    st.sampled_from([0.0, 400.0, 4000.0, 40000.0]),
)


@given(st.lists(_deed, min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_whatever_players_do_nobody_hears_what_is_not_for_them_but_by_a_rumour_with_a_chain(deeds: list[Any]) -> None:
    town = a_town()
    for name, player, command, wait_s in deeds:
        reply = town.do(f"npc:{name}", command, player).reply
        cited = next((m for m in town[f"npc:{name}"].mind.memories if m.no == reply.get("cites")), None)
        if cited is not None and cited.about not in (None, player):
            assert heard_by(cited) in ("*", player)
            assert cited.source in ("witnessed", "inferred") or (cited.trace is not None and cited.trace.chain)
        town.wait(wait_s)
    assert not town.refused
