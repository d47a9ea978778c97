"""``ganggpt world check`` counts what packs add and names their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganggpt.cli.world_commands import check_files
from ganggpt.config import Settings
from ganggpt.errors import WorldRejected
from tests.support.small_world import NINA, a_small_world


def _with_a_pack(path: Path, **files: str) -> Settings:
    pack = a_small_world(path) / "packs" / "divers"
    pack.mkdir(parents=True)
    for name, text in files.items():
        (pack / f"{name}.yaml").write_text(text, encoding="utf-8")
    return Settings(world=path)


def test_a_check_counts_the_records_of_packs(tmp_path: Path) -> None:
    lives = "lives:\n  nina: {past: I dive.}\n  otis: {wish: A chair.}\n"
    found = check_files(_with_a_pack(tmp_path, npcs=NINA, lives=lives, places="places:\n  docks: {about: Wet.}\n"))
    assert {name: found[name] for name in ("npcs", "lives", "places", "creeds")} == {
        "npcs": 3,
        "lives": 2,
        "places": 1,
        "creeds": 0,
    }


def test_a_check_refuses_a_world_for_a_mistake_in_a_pack(tmp_path: Path) -> None:
    settings = _with_a_pack(tmp_path, npcs=NINA.replace("home: docks", "home: moon"))
    with pytest.raises(
        WorldRejected, match=r"^packs/divers/npcs\.yaml:5: npcs\.nina\.home: there is no district 'moon'"
    ):
        check_files(settings)
