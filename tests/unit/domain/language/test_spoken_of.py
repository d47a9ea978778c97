"""The people, places, factions, wares and trades of a world are found in a line, masked, and told apart from words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ganggpt.domain.language.spoken_of import MASKS, Named, masked, names_of, stems_of
from ganggpt.domain.lore import Life, PlaceLore, Ware
from tests.support.builders import a_district, a_faction_sheet, a_world, an_npc_sheet
from tests.support.talks import los_santos

FINE = Ware(name="pressed shirt, white", price=20, least=15)
WORLD = a_world(
    npcs={
        "mara": an_npc_sheet(backstory="Ran numbers for her uncle and kept her mouth shut."),
        "otis": an_npc_sheet("otis", name="Otis Bell", role="night watchman", backstory="Walks his round alone."),
        "ivy-bell": an_npc_sheet("ivy-bell", name="Ivy Bell", role="cook", backstory="Cooks."),
    },
    districts={
        id_: a_district(id_, name=name)
        for id_, name in (("salt-terminal", "Salt Terminal"), ("kestrel-cape", "Kestrel Cape"))
    },
    factions={
        "vipers": a_faction_sheet("vipers", relations={}, name="Glass Vipers"),
        "force": a_faction_sheet("force", relations={}, name="Shore Guard", kind="police"),
    },
    lives={"otis": Life(id="otis", opinions={"npc:ivy-bell": "She feeds me."}, wares=(FINE,))},
    places={"salt-terminal": PlaceLore(id="salt-terminal", sold=("lamp oil",))},
)
NAMES = names_of(WORLD)


def found(text: str) -> set[tuple[str, str]]:
    return {(one.what, one.id) for one in NAMES.found(text)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Where is Mara Voss?", {("npc", "mara")}),
        ("where is mara", {("npc", "mara")}),
        ("MARA VOSS!", {("npc", "mara")}),
        ("is this Mara's coat", {("npc", "mara")}),
        ("Mára said so", {("npc", "mara")}),
        ("I know otis and voss", {("npc", "otis"), ("npc", "mara")}),
        ("how far is Salt Terminal", {("district", "salt-terminal")}),
        ("go to salt-terminal", {("district", "salt-terminal")}),
        ("the terminal is closed", {("district", "salt-terminal")}),
        ("who leads the Glass Vipers", {("faction", "vipers")}),
        ("those vipers again", {("faction", "vipers")}),
        ("call the cops", {("faction", "force")}),
        ("ruf die Polizei", {("faction", "force")}),
        ("I need a pressed shirt", {("ware", "pressed shirt, white")}),
        ("got lamp oil?", {("ware", "lamp oil")}),
        ("ask the night watchman", {("role", "night watchman")}),
        ("nice weather today", set()),
        ("", set()),
    ],
)
def test_what_a_line_names_is_found(text: str, meant: set[tuple[str, str]]) -> None:
    assert found(text) == meant


def test_a_part_of_a_name_that_two_people_share_means_neither() -> None:
    assert found("where is Bell") == set()
    assert found("where is Ivy Bell") == {("npc", "ivy-bell")}


def test_a_name_stands_where_it_is_written() -> None:
    text = "So, Mara Voss's boat at Salt Terminal."
    assert {text[one.start : one.end] for one in NAMES.found(text)} >= {"Mara Voss", "Salt Terminal"}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Where is Mara Voss?", "Where is xperson?"),
        ("Mara's boat is at Salt Terminal", "xperson's boat is at xplace"),
        ("do vipers sell lamp oil", "do xfaction sell xware"),
        ("ask the night watchman", "ask the xperson"),
        ("nice weather", "nice weather"),
    ],
)
def test_only_the_form_of_a_line_is_left(text: str, form: str) -> None:
    assert masked(text, NAMES.found(text)) == form


@pytest.mark.parametrize(
    ("text", "is_sure"),
    [
        ("a glass of water", False),
        ("I bought it from Glass", True),
        ("Glass is expensive", False),
        ("I am a night watchman", False),
        ("ask the night watchman", True),
    ],
)
def test_a_name_that_is_a_word_counts_where_it_is_written_like_a_name(text: str, is_sure: bool) -> None:
    seen = NAMES.found(text)
    assert [one.is_sure for one in seen[:1]] == [is_sure]
    assert (masked(text, seen) != text) is is_sure


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("where is Kestrell", [("district", "kestrel-cape")]),
        ("the vippers are here", [("faction", "vipers")]),
        ("nothing is misspelt here", []),
        ("mraa", []),
    ],
)
def test_a_misspelt_name_is_found_and_a_short_one_is_not(text: str, meant: list[tuple[str, str]]) -> None:
    assert [(one.what, one.id) for one in NAMES.misspelt(text)] == meant


def test_he_and_she_are_who_sheets_and_others_say() -> None:
    assert NAMES.is_she == {"mara": True, "otis": False, "ivy-bell": True}
    silent = replace(WORLD, lives={})
    assert "ivy-bell" not in names_of(silent).is_she


def test_it_is_known_of_everybody_in_the_shipped_world_whether_they_are_he_or_she() -> None:
    names = names_of(los_santos())
    assert set(names.is_she) == set(los_santos().npcs)
    assert (names.is_she["mara"], names.is_she["redd"]) == (True, False)


@pytest.mark.parametrize(("what", "section"), [("npc", "npcs"), ("district", "districts"), ("faction", "factions")])
def test_every_name_of_the_shipped_world_is_found_by_name_and_by_id(what: str, section: str) -> None:
    names = names_of(los_santos())
    for id_, sheet in getattr(los_santos(), section).items():
        for text in (f"tell me about {sheet.name}", f"tell me about {id_}"):
            assert (what, id_) in {(one.what, one.id) for one in names.found(text)}, text


_PIECES = st.sampled_from(
    [
        "Mara Voss",
        "otis",
        "Salt Terminal",
        "the Vipers",
        "lamp oil",
        "the night watchman",
        "glass",
        "who",
        "is",
        ", ",
        "…",
        "é",
    ]
)


@given(st.lists(st.one_of(_PIECES, st.text(max_size=8)), max_size=10).map(" ".join))
def test_whatever_is_said_names_lie_within_it_in_order(text: str) -> None:
    seen = NAMES.found(text)
    assert all(0 <= one.start < one.end <= len(text) for one in seen)
    assert [one.start for one in seen] == sorted(one.start for one in seen)
    assert {(one.what, one.id) for one in seen} == found(text)
    if not any(one.is_sure for one in seen):
        assert masked(text, seen) == text


def test_masks_are_put_where_names_stand_and_only_once() -> None:
    whole, part = Named("npc", "mara", 0, 9), Named("npc", "mara", 5, 9)
    assert masked("Mara Voss lies", (whole, part)) == "xperson lies"
    assert masked("Mara Voss lies", (Named("npc", "mara", 0, 9, False),)) == "Mara Voss lies"
    assert set(MASKS.values()) == {"xperson", "xplace", "xfaction", "xware"}


def test_names_are_compared_by_their_stems() -> None:
    assert stems_of("Pressed Shirts") == stems_of("pressed shirt")
    assert stems_of("lamp oil").isdisjoint(stems_of("pressed shirt"))
