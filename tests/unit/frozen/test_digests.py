"""Simulated worlds run as they did before the code was rearranged: the same turns in the same schedule.

A change that is meant to alter behaviour, or what a host awaits, records them anew
(``python -m tests.support.frozen digests``) and says so in its commit.
"""

from __future__ import annotations

import sys

import pytest

from tests.support.frozen.digests import PLAYED, PYTHON, SEEDS, differences, play, play_all, read

pytestmark = pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason="recorded with another version of Python")
FIRST = 20


@pytest.mark.parametrize("scenario", PLAYED)
def test_the_first_seeds_run_as_recorded(scenario: str) -> None:
    assert differences(read()[scenario][:FIRST], play(range(FIRST), scenario)) == []


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_all_seeds_run_as_recorded() -> None:
    recorded, played = read(), play_all()
    assert [len(recorded[scenario]) for scenario in PLAYED] == [SEEDS] * len(PLAYED)
    assert {scenario: differences(recorded[scenario], played[scenario]) for scenario in PLAYED} == {
        scenario: [] for scenario in PLAYED
    }
