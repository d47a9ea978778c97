"""The bench that counts calls: everybody is answered, budgets hold, and an hour is the same hour again."""

from __future__ import annotations

from typing import Any

from bench.calls import Hours
from ganggpt.ai.gateway.budget import Limit
from ganggpt.worldfiles.files import load_world
from tests.support.paths import ROOT

WORLD = load_world(ROOT / "worlds" / "los-santos")


def played(limit: int | None) -> dict[str, Any]:
    budgets = ("some", [] if limit is None else [Limit("npc", "hour", "calls", limit)])
    found = Hours(WORLD, players=3, budgets=budgets, span_s=600).play().as_stats()
    del found["seconds_to_compute"]
    return found


def test_everybody_is_answered_whether_or_not_a_model_may_be_asked() -> None:
    free, none = played(None), played(0)
    for hour in (free, none):
        assert hour["unanswered"] == 0
        assert hour["talks"] > 10
    assert free["by_model"] > 0
    assert free["by_purpose"]["dialogue/talk"]["calls"] <= free["talks"] - free["answered_at_once"]
    assert none["most_of_one_npc"] == 0
    assert none["refused_by_budget"] > 0


def test_an_hour_is_the_same_hour_again() -> None:
    assert played(2) == played(2)
