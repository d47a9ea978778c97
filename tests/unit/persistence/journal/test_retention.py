"""What may still be asked for holds a day back, and the settings never allow less than the runtime needs."""

from __future__ import annotations

import dataclasses
from datetime import (
    UTC,
    date,
    datetime,
    timedelta,
)

import pytest
from annotated_types import Ge

from ganggpt.actors.host.dedupe import AHEAD_S_MAX, WINDOW_S
from ganggpt.config import Settings
from ganggpt.persistence.ports.retention import (
    SEAL_AFTER,
    SLACK,
    OldestWaiting,
    RetentionPolicy,
)
from ganggpt.runtime.composition import kept_of

DAY = date(2026, 11, 10)
MIDNIGHT = datetime(2026, 11, 11, tzinfo=UTC)
"""The end of DAY."""


@pytest.mark.parametrize("what", ["message", "reminder", "flushed"])
def test_whatever_may_belong_to_a_day_holds_it_back(what: str) -> None:
    nothing = {"message": None, "reminder": None, "flushed": None}

    def held(at: datetime) -> str | None:
        return OldestWaiting(**{**nothing, what: at}).held_by(MIDNIGHT.date())

    assert held(MIDNIGHT - timedelta(days=40)) is not None
    assert held(MIDNIGHT - timedelta(seconds=1)) is not None
    assert held(MIDNIGHT + SLACK - timedelta(seconds=1)) is not None
    assert held(MIDNIGHT + SLACK) is None
    assert held(MIDNIGHT + timedelta(days=3)) is None


def test_where_nothing_waits_nothing_is_held_back() -> None:
    assert OldestWaiting(None, None, None).held_by(MIDNIGHT.date()) is None


def test_the_least_setting_keeps_what_dedupe_needs() -> None:
    """A turn the window knows is at most WINDOW_S + AHEAD_S_MAX old; only days that are over and sealed are dropped."""
    (least,) = [rule.ge for rule in Settings.model_fields["journal_days"].metadata if isinstance(rule, Ge)]
    kept = timedelta(days=float(str(least)))
    assert kept - SEAL_AFTER > timedelta(seconds=WINDOW_S + AHEAD_S_MAX)
    assert timedelta(seconds=AHEAD_S_MAX) < SLACK
    assert timedelta(seconds=WINDOW_S + AHEAD_S_MAX) < SEAL_AFTER


def test_the_settings_say_what_is_kept() -> None:
    settings = Settings(_env_file=None, journal_days=5, memory_months=6, mission_days=7, away_days=8)
    assert dataclasses.astuple(kept_of(settings)) == (5, 6, 7, 8)
    assert kept_of(Settings(_env_file=None)) == RetentionPolicy()
