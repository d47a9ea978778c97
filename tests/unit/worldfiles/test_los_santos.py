"""The shipped world: complete, consistent, playable, and free of other people's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from ganggpt.ai.minds.texts import ALIASES, VOICES
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.messages import Offer, Progress
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.turn import Command
from ganggpt.domain.world import DEED_VERBS, World, decode_world, encode_world
from ganggpt.errors import WorldInvalid
from ganggpt.protocol.command_book import CommandBook
from ganggpt.worldfiles.files import cast_of, dump_world, load_world
from ganggpt.worldfiles.schema import Style, schema_text
from tests.support.builders import Played, a_turn
from tests.support.paths import ROOT

WORLDS = ROOT / "worlds"
VERBS_MIN = 9

BANNED = re.compile(
    r"""\b(
    toyota|honda|nissan|mazda|subaru|mitsubishi|bmw|mercedes|audi|porsche|volkswagen|ferrari|lamborghini|maserati|
    bugatti|chevrolet|chevy|cadillac|tesla|jeep|harley|yamaha|kawasaki|ducati|
    glock|beretta|colt|remington|winchester|kalashnikov|uzi|ruger|taser|
    iphone|ipad|android|samsung|nokia|google|facebook|instagram|twitter|youtube|tiktok|uber|netflix|
    pepsi|coke|sprite|starbucks|mcdonald|kfc|burger\ king|nutella|heineken|budweiser|marlboro|oreo|
    rolex|gucci|prada|nike|adidas|
    trevor|franklin|de\ santa|lamar|lester|niko|bellic|carl\ johnson|big\ smoke|vercetti|
    grove\ street|the\ ballas|vagos|aztecas|merryweather|vinewood|vespucci|rockford
    )('?s)?\b""",
    re.IGNORECASE | re.VERBOSE,
)


@pytest.fixture(scope="module")
def world() -> World:
    return load_world(WORLDS / "los-santos")


def shown_texts(value: Any) -> Iterator[str]:
    """Every text of a world that a player may read: values, not ids."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from shown_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from shown_texts(inner)


def test_the_shipped_world_has_its_full_cast(world: World) -> None:
    sizes = (len(world.districts), len(world.factions), len(world.npcs), len(world.missions))
    assert sizes == (45, 11, 54, 28)
    assert world.name == "los-santos"
    assert "ballas" in world.factions
    assert world.npcs["mara"].faction == "ballas"


def test_missions_ask_for_many_different_deeds(world: World) -> None:
    verbs = {objective.verb for mission in world.missions.values() for objective in mission.objectives}
    assert verbs <= set(DEED_VERBS)
    assert len(verbs) >= VERBS_MIN


def test_every_mission_is_offered_by_somebody_and_mara_has_work(world: World) -> None:
    offered = {mission for sheet in world.npcs.values() for mission in sheet.missions}
    assert offered == set(world.missions)
    assert len(world.npcs["mara"].missions) >= 3


def test_every_faction_has_people_ground_and_opinions(world: World) -> None:
    for sheet in world.factions.values():
        members = [npc_sheet for npc_sheet in world.npcs.values() if npc_sheet.faction == sheet.id]
        assert len(members) >= 3, sheet.id
        assert sheet.home in sheet.territories, sheet.id
        assert set(sheet.relations) == set(world.factions) - {sheet.id}


def test_districts_do_not_lie_on_top_of_each_other(world: World) -> None:
    districts = list(world.districts.values())
    for place, one in enumerate(districts):
        for other in districts[place + 1 :]:
            apart_m = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
            assert apart_m > max(one.radius_m, other.radius_m) * 0.6, (one.id, other.id)


def test_neighbours_are_near(world: World) -> None:
    for one in world.districts.values():
        for other in (world.districts[neighbour] for neighbour in one.neighbours):
            gap_m = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5 - one.radius_m - other.radius_m
            assert gap_m < 2_500, (one.id, other.id)


def test_no_real_brand_and_no_character_of_another_game_appears(world: World) -> None:
    assert [text for text in shown_texts(msgspec.to_builtins(world)) if BANNED.search(text)] == []


@pytest.mark.parametrize("text", ["He drives a Toyota.", "Two Glocks", "meet me at Grove Street", "KFC's best"])
def test_the_list_of_banned_words_finds_them_in_a_sentence(text: str) -> None:
    assert BANNED.search(text)


def test_every_backstory_is_one_to_three_whole_sentences(world: World) -> None:
    for sheet in world.npcs.values():
        sentences = re.findall(r"[.!?](?:\s|$)", sheet.backstory)
        assert 1 <= len(sentences) <= 3, sheet.id
        assert sheet.backstory.endswith("."), sheet.id
        assert len(sheet.likes) >= 2, sheet.id


def test_every_style_is_a_voice_of_the_scripted_mind() -> None:
    assert [style for style in get_args(Style) if ALIASES.get(style, style) not in VOICES] == []


def test_asking_for_anybody_by_name_finds_them_and_nobody_else(world: World) -> None:
    for sheet in world.npcs.values():
        assert (said_of(world, sheet.name, None) or "").startswith(sheet.name), sheet.name


def test_every_mission_is_completed_by_reporting_its_deeds(world: World) -> None:
    for template in world.missions.values():
        giver = next(f"npc:{sheet.id}" for sheet in world.npcs.values() if template.id in sheet.missions)
        played = Played(KINDS["mission"], "mission:m1", world=world)
        played.do(Offer(template.id, giver, "player:ava"), giver)
        played.do(KINDS["mission"].commands["Accept"](), "player:ava")
        deeds = tuple(Deed(o.verb, o.target, o.district, o.count) for o in template.objectives)  # type: ignore[arg-type]
        assert played.do(Progress(deeds), "player:ava").reply["status"] == "completed", template.id


def test_the_cast_can_be_brought_to_life_in_its_order(world: World) -> None:
    cast = cast_of(world)
    assert [name for _, name, _ in cast] == ["Found"] * len(world.factions) + ["Spawn"] * len(world.npcs)
    for actor, name, command in cast:
        kind = KINDS[actor.partition(":")[0]]
        assert kind.commands[name] is type(command)
        decision = kind.decide(None, command, a_turn(actor, "server:loader", world=world))
        state = None
        for event in decision.events:
            state = kind.evolve(state, event)
        sheets: dict[str, Any] = {**world.factions, **world.npcs}
        assert state.sheet == sheets[actor.partition(":")[2]]


def test_every_command_of_the_cast_passes_the_border(world: World) -> None:
    book = CommandBook(KINDS)
    for actor, name, command in cast_of(world):
        assert isinstance(command, Command)
        assert book.find(actor, name).read(asdict(command)) == command  # type: ignore[call-overload]


def test_the_world_survives_its_way_through_the_database(world: World) -> None:
    assert decode_world(encode_world(world)) == world


def test_stored_bytes_that_are_no_world_are_refused() -> None:
    for stored in (b"", b"\xff", b"\x80", encode_world(World(name="a", title="b", seed=1))[:-3]):
        with pytest.raises(WorldInvalid):
            decode_world(stored)


def test_exporting_the_shipped_world_changes_no_byte(world: World, tmp_path: Path) -> None:
    dump_world(world, tmp_path)
    for fresh in tmp_path.iterdir():
        assert fresh.read_bytes() == (WORLDS / "los-santos" / fresh.name).read_bytes(), fresh.name


def test_the_schema_for_editors_is_fresh() -> None:
    assert (WORLDS / "schema.json").read_text(encoding="utf-8") == schema_text(), (
        "run: python -m ganggpt.worldfiles.schema > worlds/schema.json"
    )
