"""The bounds of command fields hold at the border that pydantic makes of them, for every command of people."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from ganggpt.domain.companion import rules as companion
from ganggpt.domain.erasure import ForgetPlayer
from ganggpt.domain.fields import is_clean, is_player, is_slug, is_worded
from ganggpt.domain.messages import HearOfMissionFunds, HearOfRecord, HearOfSides, NeedPerson, Witness
from ganggpt.domain.mind.commands import (
    ArchiveMemories,
    Conclude,
    Condense,
    Embed,
    Hush,
    Recollect,
    Reflect,
    Remember,
    SayScripted,
    SearchArchive,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.npc import commands
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Hear
from ganggpt.domain.retirement import Retire
from ganggpt.domain.turn import Command

FITTING: dict[type[Command], dict[str, Any]] = {
    npc.Spawn: {
        "name": "Mara",
        "role": "fixer",
        "home": "docks",
        "faction": None,
        "traits": {"temper": 1, "friendliness": 2, "greed": 3, "courage": 4},
        "style": "street",
    },
    npc.Revise: {"role": "barber", "faction": "", "traits": {"temper": 1}, "likes": ("tea",), "aims": ("to sleep",)},
    Retire: {"reason": "moved away"},
    NeedPerson: {"until_s": 5.0},
    npc.Talk: {"text": "hello", "name": "Ava", "scene": {"place": "the pier", "minute": 5, "near": ("Otis",)}},
    HearOfSides: {"friends": ("harbour",), "enemies": ("vipers",), "wars": {"vipers": 9.0}},
    npc.Observe: {"what": "a car", "weight": 3, "about": "player:ava"},
    npc.Give: {"item": "watch", "value": 500, "name": None},
    npc.Threaten: {"text": "", "armed": True},
    npc.AskForWork: {"name": "Ava"},
    Remember: {"text": "x", "kind": "note", "weight": 5, "about": None, "source": "told", "expires_s": 5.0},
    Hear: {
        "text": "Ava robbed the bank",
        "weight": 40,
        "about": "player:ava",
        "origin": "npc:otis#7",
        "chain": ("npc:otis",),
        "born_s": 5.0,
        "expires_s": 9.0,
    },
    Reflect: {},
    Hush: {"heard": 2, "utterance": "npc:mara#17"},
    Utter: {"utterance": "npc:mara#17", "no": 0, "text": "Evening."},
    Condense: {"no": 3, "text": "We talked about the bank"},
    commands.OutlineWork: {"player": "player:ava", "party": 2},
    commands.ProposeMission: {
        "player": "player:ava",
        "title": "A parcel",
        "description": "Bring it.",
        "objectives": ({"verb": "deliver", "target": "parcel", "district": "hills"},),
        "impact": {"harbour": 3},
        "frictions": {"harbour>vipers": -2},
    },
    HearOfMissionFunds: {"dollars": 500},
    HearOfRecord: {"player": "player:ava", "skill": 30},
    Witness: {
        "deed": "ava.1.0",
        "player": "player:ava",
        "what": {"verb": "sabotage", "target": "crane", "district": "docks"},
        "against": "harbour",
        "weight": 5,
    },
    companion.Recruit: {
        "owner": "player:ava",
        "name": "Rex",
        "companion_type": "driver",
        "personality": {"courage": 5},
    },
    companion.Talk: {"text": "hello"},
    companion.Order: {"order": "attack", "target": "the bank"},
    companion.GainExperience: {"amount": 5, "cause": "a race"},
    companion.Suffer: {"harm": 40, "cause": "left behind"},
    companion.Dismiss: {},
}
BAD: list[tuple[type[Command], dict[str, Any]]] = [
    (npc.Talk, {"text": ""}),
    (npc.Talk, {"text": "   "}),
    (npc.Talk, {"text": "x" * 501}),
    (npc.Talk, {"text": "a\x00b"}),
    (npc.Talk, {"text": "line\nbreak"}),
    (npc.Talk, {"text": "evil\u202egnp.exe"}),
    (npc.Talk, {"text": "\ud800"}),
    (npc.Talk, {"name": ""}),
    (npc.Talk, {"name": "x" * 51}),
    (npc.Talk, {"shout": True}),
    (npc.Observe, {"weight": 101}),
    (npc.Observe, {"weight": -1}),
    (npc.Observe, {"about": "npc:mara"}),
    (npc.Observe, {"about": "player:"}),
    (npc.Observe, {"about": "player:license:"}),
    (npc.Observe, {"about": "player:player:ava"}),
    (npc.Observe, {"about": "player:a/b"}),
    (npc.Observe, {"about": "player:" + "a" * 129}),
    (npc.Talk, {"name": "\u200b\u3164"}),
    (npc.Talk, {"name": "\u0301"}),
    (npc.Talk, {"name": "Ava\u200f"}),
    (npc.Talk, {"text": "\u2800\u200d"}),
    (npc.Observe, {"about": "player:ava\n"}),
    (npc.Give, {"value": 1_000_001}),
    (npc.Give, {"value": -1}),
    (npc.Give, {"value": float("nan")}),
    (npc.Threaten, {"text": "\x07"}),
    (npc.AskForWork, {"party": 0}),
    (npc.AskForWork, {"party": 9}),
    (commands.ProposeMission, {"objectives": ()}),
    (commands.ProposeMission, {"objectives": ({"verb": "eat", "target": "parcel"},)}),
    (commands.ProposeMission, {"reward": 1_000_001}),
    (commands.ProposeMission, {"difficulty": 11}),
    (commands.ProposeMission, {"impact": {"harbour": 21}}),
    (commands.ProposeMission, {"items": ("a rocket",)}),
    (Witness, {"hops": 4}),
    (npc.Spawn, {"traits": {"temper": 101}}),
    (npc.Spawn, {"traits": {"Bad Key": 1}}),
    (npc.Spawn, {"traits": {f"t{n}": 1 for n in range(17)}}),
    (npc.Spawn, {"traits": {"temper": 1}}),
    (npc.Spawn, {"traits": {"fun": 50}}),
    (npc.Spawn, {"style": "plain"}),
    (npc.Spawn, {"name": "x" * 51}),
    (npc.Spawn, {"home": "../etc"}),
    (npc.Revise, {"traits": {"fun": 50}}),
    (npc.Revise, {"style": "plain"}),
    (npc.Revise, {"faction": "No Such"}),
    (npc.Revise, {"name": ""}),
    (Retire, {"reason": "x" * 201}),
    (npc.Spawn, {"likes": ("x",) * 17}),
    (Remember, {"kind": "anything"}),
    (Remember, {"expires_s": float("inf")}),
    (npc.Spawn, {"room": 5001}),
    (Hear, {"chain": ("npc:a",) * 9}),
    (Hear, {"text": "line\nbreak"}),
    (Condense, {"text": "x" * 241}),
    (Condense, {"no": 0}),
    (Hush, {"heard": 9}),
    (Utter, {"no": -1}),
    (companion.Order, {"order": "dance"}),
    (companion.GainExperience, {"amount": 0}),
    (companion.GainExperience, {"amount": 1001}),
    (companion.Suffer, {"harm": 0}),
    (companion.Suffer, {"harm": 101}),
    (companion.Recruit, {"owner": "server:main"}),
]


RECORDS: set[type[Command]] = {
    SearchArchive,
    Conclude,
    Embed,
    ForgetPlayer,
    ArchiveMemories,
    Recollect,
    SayScripted,
    ThinkAgain,
}
"""They carry whole records between our own processes, and nobody outside can send them."""


def test_every_command_of_people_is_covered_here() -> None:
    assert {*FITTING, *RECORDS} == {*npc.KIND.commands.values(), *companion.KIND.commands.values()}
    assert all(command.internal for command in RECORDS)


@pytest.mark.parametrize("command", FITTING)
def test_a_fitting_command_passes_the_border_and_travels_unchanged(command: type[Command]) -> None:
    made = TypeAdapter(command).validate_python(FITTING[command])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=command) == made
    assert TypeAdapter(command).json_schema()["additionalProperties"] is False


@pytest.mark.parametrize(("command", "wrong"), BAD)
def test_a_field_out_of_bounds_is_refused_at_the_border(command: type[Command], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(command).validate_python({**FITTING[command], **wrong})


@pytest.mark.parametrize("command", FITTING)
def test_every_text_and_number_of_a_command_has_a_bound(command: type[Command]) -> None:
    bare = [
        field.name for field in dataclasses.fields(command) if field.type in ("str", "int", "float", str, int, float)
    ]
    assert bare == []


def test_people_may_write_in_any_script() -> None:
    for text in ("Grüß Gott", "こんにちは", "مرحبا", "👨‍👩‍👧 hi", "naïve café"):
        assert is_worded(text)
    assert not is_clean("a\u2028b")
    assert is_player("player:a")
    assert not is_player("player:")
    assert not is_slug("a" * 64)
