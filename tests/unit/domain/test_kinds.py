"""The registry of kinds, and that what it stores can be read back: today, and after a change of layout."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from ganggpt.domain import kinds
from ganggpt.domain.faction.events import RelationShifted
from ganggpt.domain.faction.moves import TakePoliticalTurn
from ganggpt.domain.ids import KIND_NAMES
from ganggpt.domain.kinds import (
    KINDS,
    VERSION,
    Layouts,
    NewerLayout,
    TurnRecord,
    decode_command,
    decode_state,
    decode_turn,
    encode_command,
    encode_state,
    encode_turn,
    kind_for,
)
from ganggpt.domain.messages import Notify, Progress, ShiftRelation
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join, Report
from ganggpt.domain.turn import Command, Event, Kind
from ganggpt.domain.upcasters import Upcaster
from ganggpt.errors import InvalidInput, UnknownCommand
from ganggpt.protocol.command_book import CommandBook
from tests.support.builders import NOW_S, WORLD, Played
from tests.support.town import (
    AVA,
    MAIN,
    a_played_town,
    found,
)

LAYOUTS = Path(__file__).with_name("layouts.json")


def test_every_kind_of_actor_id_has_its_kind() -> None:
    assert set(KINDS) == set(KIND_NAMES)
    assert all(kind.name == name for name, kind in KINDS.items())
    assert kind_for("player:ava") is KINDS["player"]


def test_commands_are_found_by_their_names_and_creating_ones_exist_in_each_kind() -> None:
    for kind in KINDS.values():
        for name, command in kind.commands.items():
            assert command.tag == name
            assert issubclass(command, Command)
            assert dataclasses.is_dataclass(command)
            assert command.__doc__
        assert any(command.creates for command in kind.commands.values())
    with pytest.raises(UnknownCommand):
        decode_command("player", "Fly", b"\x80")


def test_messages_are_not_for_outside_but_what_players_need_is() -> None:
    public = {(command.kind, command.name) for command in CommandBook(KINDS)}
    assert {("player", "Join"), ("player", "Report"), ("mission", "Accept"), ("mission", "Abandon")} <= public
    assert {("faction", "Found"), ("faction", "ShiftRelation"), ("faction", "ClaimTerritory")} <= public
    hidden = {
        "EndMission",
        "ShiftStanding",
        "TakeMission",
        "Notify",
        "Progress",
        "Offer",
        "Expire",
        "TakePoliticalTurn",
    }
    hidden |= {"ApplyMissionImpact", "LoseTerritory", "SufferRaid", "TakePayment", "Remember"}
    assert hidden.isdisjoint(name for _, name in public)


@pytest.mark.parametrize(
    ("to", "name", "arguments"),
    [
        (AVA, "Join", {"username": "\u200b", "server": "main"}),
        (AVA, "Join", {"username": "A" * 51, "server": "main"}),
        (AVA, "Join", {"username": "Ava\x00Stone", "server": "main"}),
        (AVA, "Join", {"username": "Ava", "server": "Main Server"}),
        (AVA, "Join", {"username": "Ava", "server": "main", "email": "not an address"}),
        (AVA, "Join", {"username": "Ava", "server": "main", "admin": True}),
        (AVA, "Report", {"position": (float("nan"), 0.0, 0.0)}),
        (AVA, "Report", {"position": (float("inf"), 0.0, 0.0)}),
        (AVA, "Report", {"position": (0.0, 0.0)}),
        (AVA, "Report", {"position": (1e9, 0.0, 0.0)}),
        (AVA, "Report", {"deeds": ({"verb": "fly", "target": "x"},)}),
        (AVA, "Report", {"deeds": ({"verb": "race", "target": "x", "count": 0},)}),
        (AVA, "Report", {"deeds": ({"verb": "race", "target": "x", "cheat": 1},)}),
        (AVA, "Report", {"deeds": ({"verb": "race", "target": "x"},) * 17}),
        ("faction:harbour", "ShiftRelation", {"other": "vipers", "delta": 101, "cause": "x"}),
        ("faction:harbour", "ShiftRelation", {"other": "vipers", "delta": 1, "cause": ""}),
        ("faction:harbour", "ClaimTerritory", {"district": "The Docks"}),
        ("mission:m1", "Accept", {"now": True}),
    ],
)
def test_the_border_refuses_what_is_out_of_bounds(to: str, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        CommandBook(KINDS).find(to, name).read(arguments)


def test_the_border_reads_what_is_within_bounds() -> None:
    book = CommandBook(KINDS)
    deeds = ({"verb": "deliver", "target": "parcel", "district": "hills", "count": 2},)
    read = book.find(AVA, "Report").read({"position": (1, 2.5, -3.0), "district": "docks", "deeds": deeds})
    assert read == Report((1.0, 2.5, -3.0), "docks", (Deed("deliver", "parcel", "hills", 2),))
    joined = book.find(AVA, "Join").read({"username": "Ava Stone", "server": "main", "email": "ava@stone.org"})
    assert joined == Join(username="Ava Stone", server="main", email="ava@stone.org")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("player", Report((1.0, 2.0, 3.0), None, (Deed("race", "boat", None, 3),))),
        ("player", Notify("mission.offered", {"title": "Parcel", "reward": 5, "list": [1, None]})),
        ("mission", Progress((Deed("race", "boat"),))),
        ("faction", ShiftRelation("vipers", -7, "an insult")),
        ("faction", TakePoliticalTurn()),
        ("faction", found(WORLD.factions["harbour"])),
    ],
)
def test_a_command_comes_back_from_its_body(kind: str, command: Command) -> None:
    body = encode_command(command)
    assert decode_command(kind, command.tag, body) == command
    assert decode_command(kind, command.tag, msgspec.Raw(body)) == command


def test_a_body_of_another_shape_or_name_is_refused() -> None:
    with pytest.raises(UnknownCommand):
        decode_command("player", "Fly", b"\x80")
    with pytest.raises(msgspec.ValidationError):
        decode_command("faction", "ShiftRelation", encode_command(Report()))


def test_states_and_turns_of_every_kind_come_back_as_they_were() -> None:
    town = a_played_town()
    seen: set[str] = set()
    for played in town.actors.values():
        assert decode_state(played.kind, encode_state(played.state)) == played.state
        assert played.journal
        record = TurnRecord(VERSION, NOW_S, tuple(played.journal), b"\x80")
        back = decode_turn(played.kind, encode_turn(record))
        assert back == record
        state: Any = None
        for event in back.events:
            state = played.kind.evolve(state, event)
        assert state == played.state
        seen |= {type(event).__name__ for event in played.journal}
    assert {"Founded", "PoliticalTurnTaken", "TerritoryLost", "MissionCompleted", "MissionEnded", "Spoke"} <= seen


def test_views_are_json() -> None:
    town = a_played_town()
    for actor in town.actors:
        seen = town.view(actor)
        assert json.loads(json.dumps(seen, allow_nan=False)) == seen
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen)) == seen


def test_what_a_newer_version_stored_is_refused_and_not_guessed_at() -> None:
    newer = Layouts(KINDS, VERSION + 1, {})
    state = Played(player.KIND, AVA)
    state.do(Join(username="Ava", server="main"), MAIN)
    with pytest.raises(NewerLayout):
        decode_state(player.KIND, newer.encode_state(state.state))
    with pytest.raises(NewerLayout):
        decode_turn(player.KIND, encode_turn(TurnRecord(VERSION + 1, NOW_S, tuple(state.journal), b"")))


# ------------------------------------------------------------------------------------- layouts that were, and were left


class OldShifted(Event, frozen=True, tag="RelationMoved"):
    """As if relations had been stored in whole points, under another name, the cause before the points."""

    other: str
    cause: str
    points: int


class OldFaction(Struct, frozen=True, array_like=True):
    """As if a faction had had its name first and money in thousands."""

    name: str
    thousands: int


class NewFaction(Struct, frozen=True, array_like=True):
    treasury: int
    name: str
    motto: str = "none yet"


OLD_KIND = dataclasses.replace(KINDS["faction"], state=OldFaction, events=OldShifted)
NEW_KIND = dataclasses.replace(KINDS["faction"], state=NewFaction)


def lift_event(event: list[Any]) -> list[Any]:
    if event[0] != "RelationMoved":
        return event
    _, other, cause, points = event
    return ["RelationShifted", other, float(points), cause, "server:unknown", 0.0]


UPCASTERS = {("faction", 1): Upcaster(lift_event, lambda state: [state[1] * 1000, state[0]])}


def layouts(kind: Kind, version: int) -> Layouts:
    return Layouts({"faction": kind}, version, UPCASTERS if version > 1 else {})


def test_a_renamed_event_of_an_older_layout_is_lifted_when_it_is_read() -> None:
    old = OldShifted("vipers", "an insult", -4)
    stored = encode_turn(TurnRecord(1, NOW_S, (old,), b"\x80"))
    assert layouts(OLD_KIND, 1).decode_turn(OLD_KIND, stored).events == (old,)
    lifted = layouts(NEW_KIND, 2).decode_turn(NEW_KIND, stored)
    assert lifted.events == (RelationShifted("vipers", -4.0, "an insult", "server:unknown", 0.0),)
    assert (lifted.version, lifted.at_s, lifted.reply) == (2, NOW_S, b"\x80")


def test_a_reordered_state_of_an_older_layout_is_lifted_and_appended_fields_take_their_defaults() -> None:
    stored = layouts(OLD_KIND, 1).encode_state(OldFaction("Harbour Crew", 12))
    assert layouts(NEW_KIND, 2).decode_state(NEW_KIND, stored) == NewFaction(12_000, "Harbour Crew", "none yet")


def test_layouts_are_lifted_one_version_at_a_time() -> None:
    steps = {
        ("faction", 1): Upcaster(lift_event),
        ("faction", 3): Upcaster(lambda event: [*event[:2], 1.5, *event[3:]]),
    }
    stored = encode_turn(TurnRecord(1, NOW_S, (OldShifted("vipers", "an insult", -4),), b""))
    lifted = Layouts({"faction": NEW_KIND}, 4, steps).decode_turn(NEW_KIND, stored)
    assert lifted.events == (RelationShifted("vipers", 1.5, "an insult", "server:unknown", 0.0),)


# ---------------------------------------------------------------------------------------- what is stored stays readable


def stored_structs() -> dict[str, list[str]]:
    """The fields of every array-like record that is stored, by kind and name, in their order."""
    found_fields: dict[str, list[str]] = {}

    def visit(shape: Any, kind: str) -> None:
        if isinstance(shape, type) and issubclass(shape, Struct):
            name = f"{kind}.{shape.__name__}"
            if name in found_fields:
                return
            if shape.__struct_config__.array_like:
                found_fields[name] = list(shape.__struct_fields__)
            for hint in typing.get_type_hints(shape).values():
                visit(hint, kind)
        for part in typing.get_args(shape):
            visit(part, kind)

    for kind in KINDS.values():
        visit(kind.state, kind.name)
        visit(kind.events, kind.name)
    return dict(sorted(found_fields.items()))


def test_stored_records_only_ever_grow_at_their_end() -> None:
    """Fails where a stored field was renamed, moved or dropped. Then: raise VERSION, write an upcaster, and write
    ``layouts.json`` anew (it holds VERSION and what ``stored_structs`` returns)."""
    known = json.loads(LAYOUTS.read_text())
    assert known["version"] == VERSION
    now = stored_structs()
    for name, fields in known["records"].items():
        assert now[name][: len(fields)] == fields, name
    assert kinds.UPCASTERS.keys() <= {(kind, version) for kind in KINDS for version in range(1, VERSION)}
