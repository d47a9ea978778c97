"""Lives, places and creeds: what they name exists, their mistakes are named by file, line and field, and packs add."""

# ruff: noqa: E501 - a table reads best with one case a line

from __future__ import annotations

from pathlib import Path

import pytest

from ganggpt.domain.lore import Stop
from ganggpt.domain.world import decode_world, encode_world
from ganggpt.worldfiles.files import dump_world, load_world
from tests.support.small_world import NINA, Broken, a_small_world, problems_in
from tests.support.talks import los_santos

LORE = {
    "lives.yaml": """\
lives:
  mara:
    past: I grew up between the cranes.
    stories: [Once the crane fell.]
    ties: {otis: the man who cuts her hair}
    opinions:
      npc:otis: He listens.
      police: They come late.
    wares:
    - {name: a favour, price: 50, least: 40}
    knows: {docks: Mind the crane.}
    secrets:
    - {text: I hid the key., standing: 60, hint: Ask me later.}
    day:
    - {at: '06:00', district: docks, spot: the crane, doing: working, posture: work, company: [otis]}
    - {at: '22:00', district: market, spot: her bed, doing: sleeping, posture: sleep, x: 1, y: 2, z: 3}
    lines:
      greet: [You again.]
  otis:
    wish: A chair by the window.
""",
    "places.yaml": """\
places:
  market:
    landmarks: [the clock]
    dangers: [Pickpockets.]
    hours: Nine to five.
    sold: [bread]
    roads: {docks: Salt Street}
""",
    "creeds.yaml": """\
creeds:
  harbour:
    creed: We hold.
    rules: [Nobody talks.]
    quarrels: {vipers: They burned a boat.}
""",
}
"""What is added to the small world."""

BROKEN = (
    # lives: who and what they name
    Broken("a life of nobody", "lives", "  otis:\n", "  moon:\n", ("19: lives.moon: there is no npc 'moon'; there are mara, otis",)),
    Broken("a tie to nobody", "lives", "ties: {otis", "ties: {otys", ("5: lives.mara.ties.otys: there is no npc 'otys'; did you mean 'otis'?",)),
    Broken("a tie to oneself", "lives", "ties: {otis", "ties: {mara", ("5: lives.mara.ties.mara: leave it out",)),
    Broken("an opinion of nobody", "lives", "npc:otis: ", "npc:moon: ", ("7: lives.mara.opinions.npc:moon: there is no npc 'moon'",)),
    Broken("an opinion of no faction", "lives", "npc:otis: ", "faction:harbor: ", ("7: lives.mara.opinions.faction:harbor: there is no faction 'harbor'; did you mean 'harbour'?",)),
    Broken("an opinion of no district", "lives", "npc:otis: ", "district:moon: ", ("7: lives.mara.opinions.district:moon: there is no district 'moon'; there are docks, hills, market",)),
    Broken("an opinion of oneself", "lives", "npc:otis: ", "npc:mara: ", ("7: lives.mara.opinions.npc:mara: nobody has an opinion of themselves; leave it out",)),
    Broken("an opinion of an unknown word", "lives", "police: They", "weather: They", ("8: lives.mara.opinions.weather: should match pattern",)),
    Broken("an opinion of a mission", "lives", "police: They", "mission:parcel: They", ("8: lives.mara.opinions.mission:parcel: should match pattern",)),
    Broken("knowledge of nowhere", "lives", "knows: {docks", "knows: {dock", ("11: lives.mara.knows.dock: there is no district 'dock'; did you mean 'docks'?",)),
    # lives: wares, secrets, lines
    Broken("a lowest price above the price", "lives", "least: 40", "least: 51", ("10: lives.mara.wares.0.least: the lowest price is above the price of 50",)),
    Broken("a ware for nothing", "lives", "price: 50", "price: 0", ("10: lives.mara.wares.0.price: greater than or equal to 1; here: 0",)),
    Broken("a ware in a language nobody answers in", "lives", "least: 40", "least: 40, names: {it: favore}", ("10: lives.mara.wares.0.names.it: 'pt' or 'ru'; here: the text 'it'",)),
    Broken("a secret nobody can be told", "lives", "standing: 60", "standing: 101", ("13: lives.mara.secrets.0.standing: less than or equal to 100; here: 101",)),
    Broken("a secret for enemies", "lives", "standing: 60", "standing: -1", ("13: lives.mara.secrets.0.standing: greater than or equal to 0; here: -1",)),
    Broken("a secret without a hint", "lives", ", hint: Ask me later.", "", ("13: lives.mara.secrets.0.hint: is missing",)),
    Broken("a line for an unknown act", "lives", "greet:", "shout:", ("18: lives.mara.lines.shout: 'greet', 'bye'",)),
    Broken("an act without lines", "lives", "[You again.]", "[]", ("18: lives.mara.lines.greet: at least 1 item",)),
    Broken("a story that is no list", "lives", "[Once the crane fell.]", "Once the crane fell.", ("4: lives.mara.stories: should be a list, not the text 'Once the crane fell.'",)),
    Broken("too many stories", "lives", "[Once the crane fell.]", f"[{', '.join('abcdefghi')}]", ("4: lives.mara.stories: at most 8 items",)),
    Broken("an unknown key of a life", "lives", "past: I", "pats: I", ("3: lives.mara.pats: is not a known key",)),
    # lives: the day
    Broken("a stop nowhere", "lives", "district: docks, spot", "district: moon, spot", ("15: lives.mara.day.0.district: there is no district 'moon'",)),
    Broken("a stop with nobody", "lives", "[otis]}", "[otis, moon]}", ("15: lives.mara.day.0.company: there is no npc 'moon'",)),
    Broken("a stop with oneself", "lives", "[otis]}", "[mara]}", ("15: lives.mara.day.0.company: nobody is their own company; leave it out",)),
    Broken("a stop before the one above", "lives", "'22:00'", "'05:59'", ("16: lives.mara.day.1.at: not after 06:00; write the stops in the order of the day",)),
    Broken("two stops at once", "lives", "'22:00'", "'06:00'", ("16: lives.mara.day.1.at: not after 06:00; write the stops in the order of the day",)),
    Broken("a time after midnight", "lives", "'22:00'", "'24:00'", ("16: lives.mara.day.1.at: should match pattern",)),
    Broken("a time without its zero", "lives", "'06:00'", "'6:00'", ("15: lives.mara.day.0.at: should match pattern",)),
    Broken("a time in minutes", "lives", "'22:00'", "1320", ("16: lives.mara.day.1.at: valid string; here: 1320",)),
    Broken("half a position", "lives", ", z: 3", "", ("16: lives.mara.day.1: give x, y and z, or none of them",)),
    Broken("a position off the map", "lives", "z: 3", "z: 30000", ("16: lives.mara.day.1.z: less than or equal to 20000",)),
    Broken("a heading beyond the circle", "lives", "z: 3", "z: 3, heading: 361", ("16: lives.mara.day.1.heading: less than or equal to 360; here: 361",)),
    Broken("an unknown posture", "lives", "posture: sleep", "posture: fly", ("16: lives.mara.day.1.posture: 'drive' or 'sleep'; here: the text 'fly'",)),
    # places
    Broken("lore of no district", "places", "  market:\n", "  markets:\n", ("2: places.markets: there is no district 'markets'; did you mean 'market'?",)),
    Broken("a road to nowhere", "places", "{docks: Salt", "{moon: Salt", ("7: places.market.roads.moon: there is no district 'moon'",)),
    Broken("a road to oneself", "places", "{docks: Salt", "{market: Salt", ("7: places.market.roads.market: 'market' is no neighbour of 'market'; roads lead to neighbours",)),
    Broken("a road past the neighbours", "places", "  market:\n", "  hills:\n", ("7: places.hills.roads.docks: 'docks' is no neighbour of 'hills'; roads lead to neighbours",)),
    Broken("a landmark that is no list", "places", "[the clock]", "the clock", ("3: places.market.landmarks: should be a list, not the text 'the clock'",)),
    Broken("an unknown key of a place", "places", "hours:", "hour:", ("5: places.market.hour: is not a known key",)),
    # creeds
    Broken("a creed of no faction", "creeds", "  harbour:\n", "  harbor:\n", ("2: creeds.harbor: there is no faction 'harbor'; did you mean 'harbour'?",)),
    Broken("a quarrel with nobody", "creeds", "{vipers", "{moon", ("5: creeds.harbour.quarrels.moon: there is no faction 'moon'; there are harbour, vipers",)),
    Broken("a quarrel with oneself", "creeds", "{vipers", "{harbour", ("5: creeds.harbour.quarrels.harbour: a faction has no quarrel with itself; leave it out",)),
    Broken("a rule that is no list", "creeds", "[Nobody talks.]", "Nobody talks.", ("4: creeds.harbour.rules: should be a list, not the text 'Nobody talks.'",)),
)  # fmt: skip

PACK_FAULTS = (
    ("npcs.yaml", NINA.replace("home: docks", "home: moon"), "packs/divers/npcs.yaml:5: npcs.nina.home: there is no district 'moon'; there are docks, hills, market"),
    ("npcs.yaml", NINA.replace("role: diver", "role: 5"), "packs/divers/npcs.yaml:4: npcs.nina.role: should be a valid string; here: 5"),
    ("npcs.yaml", NINA.replace("nina:", "mara:"), "packs/divers/npcs.yaml:2: npcs.mara: npcs.yaml has 'mara' already; a pack only adds"),
    ("npcs.yaml", "", "packs/divers/npcs.yaml:1: (file): the file is empty"),
    ("lives.yaml", "lives:\n  moon: {past: I dive.}\n", "packs/divers/lives.yaml:2: lives.moon: there is no npc 'moon'; there are mara, otis"),
    ("lives.yaml", "lives:\n  mara:\n    ties: {moon: a friend}\n", "packs/divers/lives.yaml:3: lives.mara.ties.moon: there is no npc 'moon'; there are mara, otis"),
    ("places.yaml", "places:\n  docks: {roads: {hills: Up Road}}\n", "packs/divers/places.yaml:2: places.docks.roads.hills: 'hills' is no neighbour of 'docks'; roads lead to neighbours"),
    ("creeds.yaml", "creeds:\n  vipers:\n    quarrels: {vipers: Pride.}\n", "packs/divers/creeds.yaml:3: creeds.vipers.quarrels.vipers: a faction has no quarrel with itself; leave it out"),
    ("world.yaml", "world: {name: sea, title: Sea, seed: 1}\n", "packs/divers/world.yaml:1: (file): a world pack adds to a world; leave this file out"),
    ("divers.yaml", "npcs: {}\n", "packs/divers/divers.yaml:1: (file): no such world file; there are world.yaml"),
)  # fmt: skip


def a_told_world(path: Path, packs: dict[str, str] | None = None) -> Path:
    """The small world with its lore, and with files of packs by ``<pack>/<file>``."""
    a_small_world(path)
    for name, text in LORE.items():
        (path / name).write_text(text, encoding="utf-8")
    for name, text in (packs or {}).items():
        file = path / "packs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path


def test_a_world_with_lore_loads_and_knows_it(tmp_path: Path) -> None:
    world = load_world(a_told_world(tmp_path))
    mara = world.lives["mara"]
    assert (mara.past, mara.ties["otis"]) == ("I grew up between the cranes.", "the man who cuts her hair")
    assert mara.opinions == {"npc:otis": "He listens.", "police": "They come late."}
    assert (mara.secrets[0].standing, mara.wares[0].least, mara.lines["greet"]) == (60, 40, ("You again.",))
    assert [stop.minute for stop in mara.day] == [360, 1320]
    assert mara.day[1] == Stop(
        at="22:00", district="market", spot="her bed", doing="sleeping", posture="sleep", x=1.0, y=2.0, z=3.0
    )
    assert world.places["market"].roads == {"docks": "Salt Street"}
    assert world.creeds["harbour"].rules == ("Nobody talks.",)


def test_lore_survives_the_files_and_the_database(tmp_path: Path) -> None:
    world = load_world(a_told_world(tmp_path))
    dump_world(world, tmp_path / "written")
    assert load_world(tmp_path / "written") == world
    assert decode_world(encode_world(world)) == world


def test_a_world_without_lore_loads_and_writes_no_files_of_it(tmp_path: Path) -> None:
    world = load_world(a_small_world(tmp_path))
    assert (world.lives, world.places, world.creeds) == ({}, {}, {})
    dump_world(world, tmp_path / "written")
    assert not {"lives.yaml", "places.yaml", "creeds.yaml"} & {file.name for file in (tmp_path / "written").iterdir()}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_mistake_of_lore_is_named_by_file_line_and_field(broken: Broken, tmp_path: Path) -> None:
    file = a_told_world(tmp_path) / f"{broken.file}.yaml"
    text = file.read_text(encoding="utf-8")
    assert broken.old in text
    file.write_text(text.replace(broken.old, broken.new, 1), encoding="utf-8")
    seen = problems_in(tmp_path)
    assert len(seen) == len(broken.said), [str(problem) for problem in seen]
    for problem, expected in zip(seen, broken.said, strict=True):
        line, field, words = expected.split(": ", 2)
        assert (problem.file, problem.line, problem.field) == (file.name, int(line), field), str(problem)
        assert words in problem.problem


def test_lore_of_a_section_that_cannot_be_read_accuses_nobody(tmp_path: Path) -> None:
    (a_told_world(tmp_path) / "npcs.yaml").write_text("npcs: [", encoding="utf-8")
    assert {problem.file for problem in problems_in(tmp_path)} == {"npcs.yaml"}


def test_everybody_of_the_shipped_world_has_a_life_to_tell_of() -> None:
    world = los_santos()
    assert set(world.lives) == set(world.npcs)
    short = [
        (id_, what)
        for id_, life in world.lives.items()
        for what, is_enough in (
            ("aims", len(world.npcs[id_].aims) >= 1),
            ("stories", len(life.stories) >= 2),
            ("opinions", len(life.opinions) >= 6),
            ("secrets", len(life.secrets) >= 1),
            ("day", len(life.day) >= 2),
            ("lines", sum(map(len, life.lines.values())) >= 5),
        )
        if not is_enough
    ]
    assert short == []


def test_every_district_of_the_shipped_world_is_known_for_something() -> None:
    world = los_santos()
    assert set(world.places) == set(world.districts)
    bare = [one.id for one in world.places.values() if not (one.landmarks and one.dangers and one.hours and one.sold)]
    assert bare == []


def test_every_faction_of_the_shipped_world_has_a_creed() -> None:
    world = los_santos()
    assert set(world.creeds) == set(world.factions)
    bare = [one.id for one in world.creeds.values() if not (one.creed and one.colours and one.rules and one.quarrels)]
    assert bare == []


def test_a_pack_adds_a_person_with_a_life(tmp_path: Path) -> None:
    life = "lives:\n  nina: {past: I dive., ties: {mara: her banker}}\n"
    world = load_world(a_told_world(tmp_path, {"divers/npcs.yaml": NINA, "divers/lives.yaml": life}))
    assert list(world.npcs) == ["mara", "otis", "nina"]
    assert (world.npcs["nina"].name, world.lives["nina"].past) == ("Nina Salt", "I dive.")
    assert world.lives["nina"].ties == {"mara": "her banker"}
    assert world.lives["mara"] == load_world(a_told_world(_folder(tmp_path, "plain"))).lives["mara"]


def test_a_pack_may_speak_of_people_of_another_pack_whatever_their_order(tmp_path: Path) -> None:
    life = "lives:\n  nina: {past: I dive.}\n  otis: {ties: {nina: a customer}}\n"
    world = load_world(a_told_world(tmp_path, {"b/npcs.yaml": NINA, "a/lives.yaml": life}))
    assert (world.lives["nina"].past, world.lives["otis"].ties) == ("I dive.", {"nina": "a customer"})


def test_a_pack_lengthens_lists_and_maps_and_fills_what_was_empty(tmp_path: Path) -> None:
    packs = {
        "a/places.yaml": "places:\n  market: {about: Loud., landmarks: [the clock, the well], hours: never, roads: {hills: Up Road, docks: Other}}\n",
        "a/creeds.yaml": "creeds:\n  harbour: {creed: We let go., colours: blue, rules: [Nobody swims.]}\n",
        "a/lives.yaml": "lives:\n  mara: {past: Elsewhere., wish: A boat., opinions: {npc:otis: He snores., town: Too loud.}}\n",
        "b/places.yaml": "places:\n  market: {about: Quiet., landmarks: [the arch]}\n  hills: {about: Steep.}\n",
    }
    world = load_world(a_told_world(tmp_path, packs))
    market, harbour, mara = world.places["market"], world.creeds["harbour"], world.lives["mara"]
    assert (market.about, market.hours) == ("Loud.", "Nine to five.")
    assert market.landmarks == ("the clock", "the well", "the arch")
    assert market.roads == {"docks": "Salt Street", "hills": "Up Road"}
    assert world.places["hills"].about == "Steep."
    assert (harbour.creed, harbour.colours) == ("We hold.", "blue")
    assert harbour.rules == ("Nobody talks.", "Nobody swims.")
    assert (mara.past, mara.wish) == ("I grew up between the cranes.", "A boat.")
    assert mara.opinions == {"npc:otis": "He listens.", "police": "They come late.", "town": "Too loud."}


def test_stops_of_a_pack_come_in_the_order_of_the_day_and_give_way_to_those_that_are_there(tmp_path: Path) -> None:
    night = "{at: '03:00', district: hills, spot: the wall, doing: looking down}"
    morning = "{at: '06:00', district: hills, spot: elsewhere, doing: nothing}"
    pack = f"lives:\n  mara:\n    day: [{night}, {morning}]\n"
    day = load_world(a_told_world(tmp_path, {"a/lives.yaml": pack})).lives["mara"].day
    assert [stop.at for stop in day] == ["03:00", "06:00", "22:00"]
    assert day[1].spot != "elsewhere"


def test_a_life_with_what_packs_add_keeps_the_bounds_of_one_life(tmp_path: Path) -> None:
    stories = ", ".join(f"Story {number}." for number in range(8))
    a_told_world(tmp_path, {"a/lives.yaml": f"lives:\n  mara: {{stories: [{stories}]}}\n"})
    (problem,) = problems_in(tmp_path)
    assert problem.file == "packs/a/lives.yaml"
    assert "with what is there already: should have at most 8 items" in str(problem)


def test_a_world_without_lore_leaves_none_of_an_older_export_behind(tmp_path: Path) -> None:
    for name in ("told", "plain"):
        (tmp_path / name).mkdir()
    dump_world(load_world(a_told_world(tmp_path / "told")), tmp_path / "out")
    dump_world(load_world(a_small_world(tmp_path / "plain")), tmp_path / "out")
    assert load_world(tmp_path / "out").lives == {}


def test_two_packs_with_the_same_id_are_refused_by_the_names_of_both_files(tmp_path: Path) -> None:
    a_told_world(tmp_path, {"a/npcs.yaml": NINA, "b/npcs.yaml": NINA})
    assert [str(problem) for problem in problems_in(tmp_path)] == [
        "packs/b/npcs.yaml:2: npcs.nina: packs/a/npcs.yaml has 'nina' already; a pack only adds"
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"), PACK_FAULTS, ids=[f"{n}-{at}" for at, (n, _, _) in enumerate(PACK_FAULTS)]
)
def test_a_mistake_of_a_pack_is_named_by_the_file_of_the_pack(name: str, text: str, said: str, tmp_path: Path) -> None:
    (problem,) = problems_in(a_told_world(tmp_path, {f"divers/{name}": text}))
    assert str(problem).startswith(said)


def test_two_people_of_one_name_are_named_in_the_file_of_each(tmp_path: Path) -> None:
    a_told_world(tmp_path, {"divers/npcs.yaml": NINA.replace("Nina Salt", "Mara Voss")})
    assert [(problem.file, problem.line, problem.field) for problem in problems_in(tmp_path)] == [
        ("npcs.yaml", 3, "npcs.mara.name"),
        ("packs/divers/npcs.yaml", 3, "npcs.nina.name"),
    ]


def test_mistakes_of_the_world_come_before_those_of_its_packs_in_their_order(tmp_path: Path) -> None:
    bad = "lives:\n  moon: {past: I dive.}\n"
    a_told_world(
        tmp_path, {"b/lives.yaml": bad, "a/places.yaml": "places:\n  moon: {about: Wet.}\n", "a/lives.yaml": bad}
    )
    creeds = tmp_path / "creeds.yaml"
    creeds.write_text(creeds.read_text(encoding="utf-8").replace("  harbour:", "  moon:"), encoding="utf-8")
    assert [problem.file for problem in problems_in(tmp_path)] == [
        "creeds.yaml",
        "packs/a/lives.yaml",
        "packs/a/places.yaml",
        "packs/b/lives.yaml",
    ]


def test_a_hidden_folder_is_no_pack(tmp_path: Path) -> None:
    world = load_world(a_told_world(tmp_path, {".git/npcs.yaml": "npcs: [", "divers/npcs.yaml": NINA}))
    assert list(world.npcs) == ["mara", "otis", "nina"]


def test_a_pack_too_many_is_refused_and_the_limit_is_told(tmp_path: Path) -> None:
    a_told_world(tmp_path, {f"p{no:02}/things.yaml": "things: {}\n" for no in range(65)})
    (problem,) = problems_in(tmp_path)
    assert (problem.file, problem.problem) == ("packs", "65 world packs; there may be 64")


def test_a_world_with_packs_is_written_as_one_folder_without_them(tmp_path: Path) -> None:
    packs = {"divers/npcs.yaml": NINA, "divers/places.yaml": "places:\n  market: {landmarks: [the well]}\n"}
    world = load_world(a_told_world(tmp_path, packs))
    dump_world(world, tmp_path / "written")
    assert not (tmp_path / "written" / "packs").exists()
    again = load_world(tmp_path / "written")
    assert again == world
    assert again.places["market"].landmarks == ("the clock", "the well")


def _folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name
