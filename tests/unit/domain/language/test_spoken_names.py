"""Nobody says an id of a game or of this program aloud."""

from __future__ import annotations

import re

import pytest

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.language.spoken_names import without_ids
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Give, Observe, Talk
from tests.support.builders import WORLD, Played
from tests.support.played import a_spawn, los_santos

_ID = re.compile(r"\b(?:npc|player|faction|mission|companion|server|license|steam):\w|\w_\w")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("npc:otis took a silver_watch", "Otis Bell took a silver watch"),
        ("player:ava hit player:bob", "Ava Stone hit somebody"),
        ("license:0a1b2c left, char1:0a1b came", "somebody left, somebody came"),
        ("a fight with faction:vipers", f"a fight with {WORLD.factions['vipers'].name}"),
        ("a well-known face at 10:30, note: nobody else", "a well-known face at 10:30, note: nobody else"),
        ("mission:m1 is done", "a job is done"),
    ],
)
def test_ids_become_names_and_other_words_stay(written: str, said: str) -> None:
    assert without_ids(written, WORLD, {"player:ava": "Ava Stone"}) == said


def test_ids_of_the_world_become_its_names() -> None:
    assert without_ids("the cement-mixer in cinder-flats", los_santos()) == (
        f"the {los_santos().things['cement-mixer'].name} in {los_santos().districts['cinder-flats'].name}"
    )


def test_what_an_npc_was_given_and_saw_is_told_without_ids() -> None:
    mara = Played(npc.KIND, "npc:mara", mind=ScriptedMind())
    mara.do(a_spawn(), by="server:test")
    told = [mara.do(Give(item, 50, "Ava")).reply for item in ("silver_watch", "weapon_pistol", "vehicle_coupe")]
    mara.do(Observe("player:bob stole a blue_drum from npc:otis", 80, "player:ava"), by="server:test")
    for line in ("What did I give you?", "Do you remember me?", "What happened here lately?", "Hello"):
        mara.wait(60)
        told.append(mara.do(Talk(line, "Ava")).reply)
    assert [reply["say"] for reply in told if _ID.search(reply["say"])] == []
    assert any("silver watch" in reply["say"] for reply in told)
    assert mara.state.items[0].name == "silver_watch", "the game gets its own word back"
