"""A broken world file is named by file, line and field; nothing is half loaded and nothing can blow up."""

# ruff: noqa: E501 - a table reads best with one case a line

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.errors import WorldRejected
from ganggpt.worldfiles.files import PROBLEMS_MAX, load_world
from ganggpt.worldfiles.yaml import DEPTH_MAX, FILE_BYTES_MAX
from tests.support.small_world import SMALL, Broken, a_small_world, problems_in

BROKEN = (
    # values
    Broken("a number out of range", "npcs", "greed: 60", "greed: 101", ("7: npcs.mara.traits.greed: less than or equal to 100",)),
    Broken("a text for a number", "missions", "reward: 1500", "reward: '1500'", ("7: missions.parcel.reward: valid integer; here: the text '1500'",)),
    Broken("a float for an integer", "world", "seed: 7", "seed: 7.5", ("4: world.seed: valid integer",)),
    Broken("a boolean for an integer", "factions", "influence: 40", "influence: true", ("8: factions.harbour.influence: valid integer; here: True",)),
    Broken("a number for a text", "npcs", "role: barber", "role: 12", ("16: npcs.otis.role: valid string; here: 12",)),
    Broken("a list for a text", "npcs", "role: barber", "role: [a]", ("16: npcs.otis.role: valid string; here: a list",)),
    Broken("nothing for a text", "npcs", "role: barber", "role:", ("16: npcs.otis.role: valid string; here: nothing",)),
    Broken("a text for a list", "districts", "[docks, hills]", "docks", ("10: districts.market.neighbours: should be a list, not the text 'docks'",)),
    Broken("an unknown style", "npcs", "style: gruff", "style: loud", ("20: npcs.otis.style: 'oldtimer' or 'cheerful'",)),
    Broken("an unknown verb", "missions", "verb: talk_to", "verb: eat", ("10: missions.parcel.objectives.1.verb: 'hack' or 'reach'; here: the text 'eat'",)),
    Broken("all objectives broken", "missions", SMALL["missions.yaml"][SMALL["missions.yaml"].index("    - {"):SMALL["missions.yaml"].index("    impact")], "    - {verb: eat, target: parcel}\n", ("9: missions.parcel.objectives.0.verb: 'hack' or 'reach'",)),
    Broken("an empty backstory", "npcs", "Cuts hair and asks nothing.", "'  '", ("21: npcs.otis.backstory: must have words",)),
    Broken("a backstory of two lines", "npcs", "Cuts hair and asks nothing.", "|\n      Cuts hair.\n      Asks nothing.", ("21: npcs.otis.backstory: a block starts with >-",)),
    Broken("an infinite place", "districts", "x: 500", "x: .inf", ("6: districts.market.x: valid number",)),
    Broken("a place off the map", "districts", "x: 500", "x: 50000", ("6: districts.market.x: less than or equal to 20000",)),
    Broken("a huge number", "world", "seed: 7", "seed: " + "9" * 5000, ("4: world.seed: valid integer",)),
    Broken("an impact out of bounds", "missions", "    impact: {harbour: 5}", "    impact: {harbour: 21}", ("12: missions.parcel.impact.harbour: less than or equal to 20",)),
    # keys
    Broken("a missing key", "npcs", "    faction: null\n", "", ("14: npcs.otis.faction: is missing",)),
    Broken("an unknown key", "npcs", "role: barber", "role: barber\n    shoes: red", ("17: npcs.otis.shoes: is not a known key",)),
    Broken("a trait too many", "factions", "cunning: 50}\n    relations: {", "cunning: 50, luck: 9}\n    relations: {", ("10: factions.harbour.traits.luck: is not a known key",)),
    Broken("a key twice", "npcs", "role: barber", "role: barber\n    role: banker", ("17: npcs.otis.role: the key stands twice, first on line 16",)),
    Broken("an id twice", "npcs", "  otis:", "  mara:", ("14: npcs.mara: the key stands twice, first on line 2",)),
    Broken("a bad id", "npcs", "  otis:", "  Otis Bell:", ("14: npcs.Otis Bell: an id is lower case",)),
    Broken("a wrong top key", "npcs", "npcs:", "people:", ("1: npcs: is missing", "1: people: is not a known key")),
    Broken("a friction without >", "missions", "vipers>harbour", "vipers-harbour", ("14: missions.parcel.frictions.vipers-harbour: should match pattern",)),
    # between records
    Broken("an unknown neighbour", "districts", "[docks, hills]", "[docks, hills, moon]", ("10: districts.market.neighbours.2: there is no district 'moon'",)),
    Broken("a neighbour one way", "districts", "[docks, hills]", "[docks]", ("11: districts.hills.neighbours.0: 'market' does not name 'hills'",)),
    Broken("a neighbour twice", "districts", "[docks, hills]", "[docks, hills, docks]", ("10: districts.market.neighbours.2: 'docks' stands twice",)),
    Broken("its own neighbour", "districts", "[docks, hills]", "[docks, hills, market]", ("10: districts.market.neighbours.2: not its own neighbour",)),
    Broken("an island", "districts", "radius_m: 300, neighbours: [market]}\n  market", "radius_m: 300, neighbours: []}\n  market", ("10: districts.market.neighbours.0: 'docks' does not name 'market'",)),
    Broken("an unknown home", "npcs", "home: market", "home: moon", ("17: npcs.otis.home: there is no district 'moon'",)),
    Broken("an unknown faction", "npcs", "faction: harbour", "faction: moon", ("6: npcs.mara.faction: there is no faction 'moon'",)),
    Broken("an unknown mission", "npcs", "[parcel]", "[parcel, moon]", ("13: npcs.mara.missions.1: there is no mission 'moon'",)),
    Broken("two people of one name", "npcs", "Otis Bell", "Mara Voss", ("3: npcs.mara.name: npc:otis is called 'Mara Voss' too", "15: npcs.otis.name: npc:mara is called 'Mara Voss' too")),
    Broken("an unknown seat", "factions", "home: market", "home: moon", ("16: factions.vipers.home: there is no district 'moon'",)),
    Broken("unknown ground", "factions", "[market, hills]", "[market, moon]", ("17: factions.vipers.territories.1: there is no district 'moon'",)),
    Broken("ground held by two", "factions", "[market, hills]", "[docks, hills]", ("17: factions.vipers.territories.0: 'docks' is already held by 'harbour'",)),
    Broken("a relation to nobody", "factions", "      harbour: -70", "      moon: -70", ("22: factions.vipers.relations.moon: there is no faction 'moon'",)),
    Broken("a relation to itself", "factions", "      harbour: -70", "      vipers: -70", ("22: factions.vipers.relations.vipers: no relation to itself",)),
    Broken("a relation out of bounds", "factions", "      harbour: -70", "      harbour: -101", ("22: factions.vipers.relations.harbour: greater than or equal to -100",)),
    Broken("a reward too high", "missions", "reward: 1500", "reward: 6001", ("7: missions.parcel.reward: difficulty 3 pays 500 to 6000, not 6001",)),
    Broken("a reward too low", "missions", "reward: 1500", "reward: 499", ("7: missions.parcel.reward: difficulty 3 pays 500 to 6000, not 499",)),
    Broken("an unknown person to talk to", "missions", "npc:otis", "npc:moon", ("11: missions.parcel.objectives.1.target: there is no npc 'moon'",)),
    Broken("a person written as a thing", "missions", "npc:otis", "otis", ("11: missions.parcel.objectives.1.target: a person is written 'npc:otis'",)),
    Broken("a player as a target", "missions", "npc:otis", "player:ava", ("11: missions.parcel.objectives.1.target: a player cannot be",)),
    Broken("an unknown faction as a target", "missions", "npc:otis", "faction:moon", ("11: missions.parcel.objectives.1.target: there is no faction 'moon'",)),
    Broken("an unknown place of a deed", "missions", "district: hills", "district: moon", ("9: missions.parcel.objectives.0.district: there is no district 'moon'",)),
    Broken("an impact on nobody", "missions", "{harbour: 5}", "{moon: 5}", ("12: missions.parcel.impact.moon: there is no faction 'moon'",)),
    Broken("a friction with nobody", "missions", "vipers>harbour", "vipers>moon", ("14: missions.parcel.frictions.vipers>moon: there is no faction 'moon'",)),
    Broken("a friction with itself", "missions", "vipers>harbour", "vipers>vipers", ("14: missions.parcel.frictions.vipers>vipers: no relation to itself",)),
    # YAML
    Broken("a tab", "npcs", "    role: barber", "\trole: barber", ("16: (file): a tab in the indentation",)),
    Broken("a control character", "npcs", "barber", "bar\x07ber", ("16: (file): a control character",)),
    Broken("an open list", "npcs", "[parcel]", "[parcel", ("14: (syntax): flow sequence",)),
    Broken("an open quote", "npcs", "role: barber", "role: 'barber", ("22: (syntax): quoted scalar",)),
    Broken("an anchor", "npcs", "role: barber", "role: &r barber", ("16: npcs.otis.role: anchors and aliases are not allowed",)),
    Broken("an alias", "npcs", "role: barber", "role: *r", ("16: npcs.otis.role: anchors and aliases are not allowed",)),
    Broken("a merge key", "npcs", "    role: barber", "    <<: {role: barber}", ("14: npcs.otis.role: is missing", "16: npcs.otis.<<: is not a known key")),
    Broken("a tag", "npcs", "role: barber", "role: !!python/object:os.system barber", ("16: npcs.otis.role: the tag tag:yaml.org,2002:python/object:os.system is",)),
    Broken("a key that is a list", "npcs", "    role: barber", "    ? [role]\n    : barber", ("16: npcs.otis: a key is a plain word",)),
    Broken("a second document", "world", "seed: 7\n", "seed: 7\n---\nworld: {}\n", ("5: (file): a second document",)),
    Broken("a list at the top", "world", SMALL["world.yaml"], "- world\n", ("1: (file): should be keys and values, not a list",)),
    Broken("a text at the top", "world", SMALL["world.yaml"], "world", ("1: (file): should be keys and values, not the text 'world'",)),
    Broken("only a comment", "world", SMALL["world.yaml"], "# a world\n", ("1: (file): the file is empty",)),
    Broken("nothing at all", "world", SMALL["world.yaml"], "", ("1: (file): the file is empty",)),
    Broken("an empty section", "districts", SMALL["districts.yaml"], "districts: {}\n", ("1: districts: should have at least 1 item",)),
    Broken("a null section", "factions", SMALL["factions.yaml"], "factions:\n", ("1: factions: should be keys and values, not nothing",)),
    Broken("a byte order mark", "world", "world:", "\ufeffworld:", ("1: (file): byte order mark",)),
    Broken("deep nesting", "world", "seed: 7", "seed: " + "[" * 5000, (f"4: world.seed{'.0' * (DEPTH_MAX - 1)}: nested more than {DEPTH_MAX} deep",)),
)  # fmt: skip


def test_the_small_world_loads(tmp_path: Path) -> None:
    assert problems_in(a_small_world(tmp_path)) == ()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_mistake_is_named_by_file_line_and_field(broken: Broken, tmp_path: Path) -> None:
    file = a_small_world(tmp_path) / f"{broken.file}.yaml"
    text = file.read_text(encoding="utf-8")
    assert broken.old in text
    file.write_text(text.replace(broken.old, broken.new, 1), encoding="utf-8")
    seen = [problem for problem in problems_in(tmp_path) if problem.file == file.name]
    assert len(seen) == len(broken.said), [str(problem) for problem in seen]
    for problem, expected in zip(seen, broken.said, strict=True):
        line, field, words = expected.split(": ", 2)
        assert (problem.line, problem.field) == (int(line), field), str(problem)
        assert words in problem.problem


def test_an_island_of_two_is_one_problem(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    with (tmp_path / "districts.yaml").open("a", encoding="utf-8") as file:
        file.write("  cape: {name: Cape, kind: coast, x: 1, y: 1, z: 1, radius_m: 50, neighbours: [isle]}\n")
        file.write("  isle: {name: Isle, kind: coast, x: 2, y: 2, z: 1, radius_m: 50, neighbours: [cape]}\n")
    assert [str(problem) for problem in problems_in(tmp_path)] == [
        "districts.yaml:12: districts.cape: no way leads here from 'docks'"
    ]


def test_all_mistakes_of_all_files_are_reported_in_order(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    for name, old, new in (
        ("world.yaml", "seed: 7", "seed: -1"),
        ("districts.yaml", "kind: docks", "kind: moon"),
        ("npcs.yaml", "home: market", "home: moon"),
        ("npcs.yaml", "greed: 60", "greed: lots"),
        ("missions.yaml", "reward: 1500", "reward: 1"),
    ):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
    (tmp_path / "npc.yaml").touch()
    assert [(problem.file, problem.line, problem.field) for problem in problems_in(tmp_path)] == [
        ("world.yaml", 4, "world.seed"),
        ("districts.yaml", 2, "districts.docks.kind"),
        ("npcs.yaml", 7, "npcs.mara.traits.greed"),
        ("npcs.yaml", 17, "npcs.otis.home"),
        ("missions.yaml", 7, "missions.parcel.reward"),
        ("npc.yaml", 1, "(file)"),
    ]


def test_a_broken_record_does_not_accuse_those_who_name_it(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    text = (tmp_path / "districts.yaml").read_text(encoding="utf-8")
    (tmp_path / "districts.yaml").write_text(text.replace("kind: commercial", "kind: moon"), encoding="utf-8")
    assert [problem.field for problem in problems_in(tmp_path)] == ["districts.market.kind"]


def test_missing_files_are_named_one_by_one_and_accuse_nobody_else(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    for name in ("districts.yaml", "npcs.yaml"):
        (tmp_path / name).unlink()
    assert [str(problem) for problem in problems_in(tmp_path)] == [
        "districts.yaml:1: (file): the file is missing",
        "npcs.yaml:1: (file): the file is missing",
    ]


def test_a_missing_folder_is_one_mistake_that_names_the_worlds_there_are(tmp_path: Path) -> None:
    (problem,) = problems_in(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(problem)
    assert "there is no such folder" in str(problem)
    assert "los-santos" in str(problem)


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    (tmp_path / "npcs.yaml").unlink()
    (tmp_path / "npcs.yaml").mkdir()
    assert [problem.file for problem in problems_in(tmp_path)] == ["npcs.yaml"]


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path) -> None:
    (a_small_world(tmp_path) / "npcs.yaml").write_bytes(
        SMALL["npcs.yaml"].replace("barber", "barb\xe9r").encode("latin-1")
    )
    (problem,) = problems_in(tmp_path)
    assert (problem.file, problem.line, problem.field) == ("npcs.yaml", 16, "(file)")
    assert "not UTF-8" in problem.problem


def test_a_file_over_the_size_limit_is_not_parsed(tmp_path: Path) -> None:
    a_small_world(tmp_path)
    with (tmp_path / "npcs.yaml").open("a", encoding="utf-8") as file:
        file.write("#" * FILE_BYTES_MAX)
    (problem,) = problems_in(tmp_path)
    assert f"larger than {FILE_BYTES_MAX} bytes" in problem.problem


def test_laughs_by_the_billion_are_refused_at_the_first_anchor(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (a_small_world(tmp_path) / "npcs.yaml").write_text(bomb, encoding="utf-8")
    (problem,) = problems_in(tmp_path)
    assert (problem.line, problem.field) == (1, "a")


def test_words_that_other_yaml_readers_take_for_values_stay_words(tmp_path: Path) -> None:
    text = (
        SMALL["npcs.yaml"]
        .replace("role: barber", "role: no")
        .replace("- watches", "- 12:30")
        .replace("Otis Bell", "1.5e5")
    )
    (a_small_world(tmp_path) / "npcs.yaml").write_text(text, encoding="utf-8")
    world = load_world(tmp_path)
    assert (world.npcs["otis"].role, world.npcs["otis"].name, world.npcs["mara"].likes[0]) == ("no", "1.5e5", "12:30")


def test_endless_mistakes_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    with (a_small_world(tmp_path) / "missions.yaml").open("a", encoding="utf-8") as file:
        file.write("    minutes: 1\n" * 2_000)
    problems = problems_in(tmp_path)
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].problem == f"and {2_000 - PROBLEMS_MAX} more problems from here on"


@given(
    name=st.sampled_from(sorted(SMALL)),
    place=st.floats(0, 1),
    cut=st.integers(0, 40),
    put=st.one_of(
        st.binary(max_size=12),
        st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from(
            [b'"\\ud800"', b"\xef\xbf\xbe", b"[[{", b"? ", b"&a ", b"%YAML 9.9\n---\n", b"\xc2\x85", b"1e999", b"\n"]
        ),
    ),
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds_it_loads_or_is_rejected_with_a_printable_text(
    name: str, place: float, cut: int, put: bytes
) -> None:
    raw = SMALL[name].encode()
    at = int(place * len(raw))
    with tempfile.TemporaryDirectory() as folder:
        path = a_small_world(Path(folder))
        (path / name).write_bytes(raw[:at] + put + raw[at + cut :])
        for problem in problems_in(path):
            assert problem.file in SMALL
            assert 1 <= problem.line <= SMALL[problem.file].count("\n") + len(put) + 2
            assert str(problem).isprintable(), str(problem)


def test_a_rejection_prints_one_problem_a_line_and_crosses_processes(tmp_path: Path) -> None:
    with pytest.raises(WorldRejected) as caught:
        load_world(tmp_path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert caught.value.as_wire()["code"] == "world_invalid"
