"""Some hundred simulated worlds keep every promise, and one seed is one run in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ganggpt.actors.host import dedupe
from ganggpt.errors import InvalidInput, Overloaded
from ganggpt.simulation.seeds import play_seeds, seeds_from

pytestmark = pytest.mark.slow

FOUND = {
    "small": (29, 91, 99, 111, 116, 120, 186, 190, 380, 536, 579, 744, 833),
    "mixed": (351, 386),
    "clusters": (2,),
}
"""Seeds that found a mistake of the runtime when it was there (CHANGELOG and the commits tell which)."""

DIGESTS = """
from ganggpt.simulation.run import run_seed
from ganggpt.simulation.scenario import SCENARIOS
for name in ("small", "mixed", "clusters"):
    print(name, run_seed(11, SCENARIOS[name], traced=True).digest)
"""


@pytest.mark.parametrize(
    ("scenario", "first", "count"), [("small", 0, 150), ("mixed", 0, 15), ("clusters", 0, 15), ("clocks", 0, 15)]
)
def test_no_promise_is_broken(scenario: str, first: int, count: int) -> None:
    outcomes = list(play_seeds(seeds_from(first, count), scenario))
    assert [outcome for outcome in outcomes if outcome.violations] == []
    assert len(outcomes) == count
    assert sum(outcome.commands for outcome in outcomes) > 20 * count
    assert any(outcome.story for outcome in outcomes)


def test_clocks_that_are_ahead_are_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario reaches the bound it is there for."""
    waits: list[int] = []

    def full(what: str, limit: int, wait_ms: int) -> Overloaded:
        waits.append(wait_ms)
        return Overloaded(what, limit, wait_ms)

    monkeypatch.setattr(dedupe, "Overloaded", full)
    (outcome,) = play_seeds(range(1), "clocks")
    assert not outcome.violations
    assert len(waits) > 5


@pytest.mark.parametrize("scenario", FOUND)
def test_seeds_that_found_a_mistake_find_none_now(scenario: str) -> None:
    broken = [o for seed in FOUND[scenario] for o in play_seeds(range(seed, seed + 1), scenario) if o.violations]
    assert broken == []


def test_a_seed_is_the_same_run_in_every_process() -> None:
    """Neither the hashes of texts nor the addresses of objects may decide anything."""
    told = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
    assert "None" not in told.pop()


def test_several_processes_play_the_same_seeds() -> None:
    alone = {o.seed: (o.commands, o.counts) for o in play_seeds(range(60), "small")}
    together = {o.seed: (o.commands, o.counts) for o in play_seeds(range(60), "small", jobs=2)}
    assert alone == together


@pytest.mark.parametrize(
    ("seeds", "scenario", "mutation", "jobs", "field"),
    [
        ((-1, 1), "small", None, 1, "--seed"),
        ((0, 0), "small", None, 1, "--seeds"),
        ((0, 10**9), "small", None, 1, "--seeds"),
        ((0, 1), "tiny", None, 1, "--scenario"),
        ((0, 1), "small", "no-such", 1, "--mutation"),
        ((0, 1), "small", None, 0, "--jobs"),
    ],
)
def test_bad_input_names_the_option(
    seeds: tuple[int, int], scenario: str, mutation: str | None, jobs: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        next(play_seeds(seeds_from(*seeds), scenario, mutation, jobs))
    assert refused.value.field == field
