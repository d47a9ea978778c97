"""Any world that the loader could have read is written and read back unchanged, as files and as stored bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganggpt.domain.fields import is_clean
from ganggpt.domain.world import (
    DEED_VERBS,
    REWARD_BOUNDS,
    District,
    FactionSheet,
    MissionTemplate,
    NpcSheet,
    ObjectiveSheet,
    World,
    decode_world,
    encode_world,
)
from ganggpt.worldfiles.files import dump_world, load_world, world_folder

slugs = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,11}", fullmatch=True)
tricky = st.sampled_from(
    [
        "null",
        "~",
        "yes",
        "1_000",
        "12:30",
        "0x1f",
        "1e5",
        "1.5e5",
        "- a",
        "a: b",
        "#",
        "'",
        "<<",
        "é – “x”",
        "2026-07-11",
    ]
)
letters = st.characters(exclude_categories=("Cc", "Cs")).filter(is_clean)
worded = st.builds(
    "{}{}{}".format, st.text(letters, max_size=20), st.sampled_from("aZ7é'\"#:-"), st.text(letters, max_size=20)
)
texts = st.one_of(tricky, worded)
percents = st.integers(0, 100)
metres = st.floats(-20_000, 20_000)
ids = st.lists(slugs, min_size=1, max_size=4, unique=True)


def traits(*names: str) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(dict.fromkeys(names, percents))


def some_of(known: list[str], size_max: int = 4) -> st.SearchStrategy[tuple[str, ...]]:
    found = st.lists(st.sampled_from(known), max_size=size_max, unique=True) if known else st.just([])
    return found.map(tuple)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A chain of districts with everything else hung on it."""
    places, sides, people, jobs = draw(ids), draw(ids), draw(ids), draw(ids)
    names = draw(st.lists(texts, min_size=len(people), max_size=len(people), unique=True))
    holder = {place: draw(st.sampled_from([None, *sides])) for place in places}
    districts = {
        place: District(
            id=place, name=draw(texts), kind="docks", x=draw(metres), y=draw(metres), z=draw(metres),
            radius_m=draw(st.floats(10, 5_000)), neighbours=(*places[max(0, n - 1) : n], *places[n + 1 : n + 2]),
        )
        for n, place in enumerate(places)
    }  # fmt: skip
    factions = {
        side: FactionSheet(
            id=side, name=draw(texts), kind="gang", motto=draw(texts), home=draw(st.sampled_from(places)),
            territories=tuple(place for place in places if holder[place] == side),
            influence=draw(percents), treasury=draw(st.integers(0, 1_000_000)),
            traits=draw(traits("aggression", "greed", "loyalty", "cunning")),
            relations={other: draw(st.integers(-100, 100)) for other in draw(some_of([s for s in sides if s != side]))},
        )
        for side in sides
    }  # fmt: skip
    npcs = {
        person: NpcSheet(
            id=person, name=name, role=draw(texts), home=draw(st.sampled_from(places)),
            faction=draw(st.sampled_from([None, *sides])),
            traits=draw(traits("friendliness", "temper", "greed", "courage")),
            style="street", backstory=draw(texts), likes=tuple(draw(st.lists(texts, max_size=2))),
            missions=draw(some_of(jobs)),
        )
        for person, name in zip(people, names, strict=True)
    }  # fmt: skip
    missions = {job: draw(templates(job, places, sides, people)) for job in jobs}
    seed = draw(st.integers(0, 2**63 - 1))
    return World(
        name=draw(slugs),
        title=draw(texts),
        seed=seed,
        districts=districts,
        factions=factions,
        npcs=npcs,
        missions=missions,
    )


@st.composite
def templates(draw: st.DrawFn, job: str, places: list[str], sides: list[str], people: list[str]) -> MissionTemplate:
    difficulty = draw(st.integers(1, 10))
    targets = st.one_of(st.sampled_from(people).map("npc:{}".format), st.sampled_from(sides).map("faction:{}".format))
    objectives: list[Any] = draw(
        st.lists(
            st.builds(
                ObjectiveSheet, verb=st.sampled_from(DEED_VERBS), target=targets, count=st.integers(1, 100),
                district=st.sampled_from([None, *places]),
            ),
            min_size=1,
            max_size=2,
        )
    )  # fmt: skip
    pairs = [f"{one}>{other}" for one in sides for other in sides if one != other]
    steps = st.integers(-20, 20)
    return MissionTemplate(
        id=job, title=draw(texts), description=draw(texts), difficulty=difficulty, minutes=draw(st.integers(1, 1_440)),
        reward=draw(st.integers(*REWARD_BOUNDS[difficulty])), objectives=tuple(objectives),
        impact={side: draw(steps) for side in draw(some_of(sides))},
        frictions={pair: draw(steps) for pair in draw(some_of(pairs))},
    )  # fmt: skip


@given(worlds())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_dumped_world_loads_as_an_equal_world(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        dump_world(world, Path(folder))
        assert load_world(Path(folder)) == world
        assert decode_world(encode_world(world)) == world


@given(texts)
@settings(max_examples=100, deadline=None)
def test_any_clean_text_survives_the_files(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            name="one",
            title=text,
            seed=1,
            districts={
                "a": District(id="a", name=text, kind="docks", x=0.0, y=-0.5, z=1e-7, radius_m=10.0, neighbours=())
            },
        )
        dump_world(world, Path(folder))
        assert load_world(Path(folder)) == world


def test_a_shipped_world_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (world_folder(Path("worlds/los-santos")) / "npcs.yaml").is_file()
    assert world_folder(tmp_path / "nowhere") == tmp_path / "nowhere"
