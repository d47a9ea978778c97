"""The benchmark of growth runs, and its worlds are what they claim to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.growth import run
from bench.growth_result import FACTS, NUMBERS, OLD, YOUNG, GrowthSamples, conclusion

pytestmark = pytest.mark.integration


async def test_a_quick_run_measures_everything_on_both_worlds(tmp_path: Path) -> None:
    measured = await run(quick=True, rounds=1, results_dir=tmp_path, show_progress=False)
    shown = json.loads((tmp_path / "quick.growth.json").read_text())
    assert set(shown["numbers"]) == set(NUMBERS)
    assert set(shown["facts"]) == set(FACTS)
    assert all(number["young"] > 0 and number["old"] > 0 for number in shown["numbers"].values())
    assert measured.facts[OLD, "days_dropped"] >= 1
    assert measured.facts[OLD, "turns_kept"] > 5 * measured.facts[YOUNG, "turns_kept"]
    assert "Growth" in (tmp_path / "quick.growth.md").read_text()


def test_what_costs_more_in_the_old_world_is_named() -> None:
    measured = GrowthSamples(quick=True)
    for name in NUMBERS:
        measured.samples[YOUNG, name] = [1.0, 2.0, 3.0]
        measured.samples[OLD, name] = [9.0, 2.4, 3.0]
    assert measured.growing() == []
    measured.samples[OLD, "flush_ms"] = [3.0, 3.0, 3.0]
    assert measured.growing() == ["flush_ms"]
    assert "flush_ms" in conclusion(measured)
