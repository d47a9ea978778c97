"""The checkers see: each promise broken on purpose is noticed within 200 seeds, by a checker of that promise."""

from __future__ import annotations

import pytest

from ganggpt.simulation.mutations import MUTATIONS
from ganggpt.simulation.seeds import CHUNK, play_seeds

pytestmark = pytest.mark.slow

WITHIN = 200
SEEN_BY = {
    "ack-before-commit": {"acked is durable"},
    "no-fence": {"one writer"},
    "no-dedupe": {"applied once"},
    "fast-clock": {"only old ids expire"},
    "lost-outbox": {"comes to rest", "messages arrive"},
    "lost-messages": {"messages arrive"},
    "double-hand-over": {"one writer"},
    "early-snapshot": {"replay is state", "numbers without gaps"},
    "lost-flush": {"tables are state"},
    "other-answer": {"same answer"},
}
RARE = {"no-fence": "clusters", "fast-clock": "clocks", "lost-messages": "mixed", "early-snapshot": "mixed"}
"""What shows only where several things go wrong at once, and the scenario where it shows soonest."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_promise_is_noticed(name: str) -> None:
    scenario = RARE.get(name, "small")
    seen: set[str] = set()
    for first in range(0, WITHIN, CHUNK):
        for outcome in play_seeds(range(first, first + CHUNK), scenario, name):
            seen |= {violation.checker for violation in outcome.violations}
            if seen & SEEN_BY[name]:
                return
    pytest.fail(f"{name} went unnoticed in {WITHIN} seeds of {scenario}; seen: {seen or 'nothing'}")


def test_the_runtime_is_whole_again_afterwards() -> None:
    whole = [(owner, name, owner.__dict__[name]) for m in MUTATIONS.values() for owner, name, _ in m._patches]
    for mutation in MUTATIONS.values():
        with mutation.in_force():
            pass
    assert all(owner.__dict__[name] is method for owner, name, method in whole)
