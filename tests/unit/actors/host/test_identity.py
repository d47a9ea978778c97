"""An incarnation has the database's time, and it never runs backwards."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.actors.host.identity import DatabaseClock
from tests.support.virtual_time import run_virtual


def test_the_clock_goes_on_by_itself_from_what_the_database_said() -> None:
    async def scene() -> None:
        clock = DatabaseClock(5000.0)
        assert clock.now_s() == pytest.approx(5000.0)
        await asyncio.sleep(7)
        assert clock.now_s() == pytest.approx(5007.0)

    run_virtual(scene())


def test_a_database_that_is_ahead_is_followed() -> None:
    async def scene() -> None:
        clock = DatabaseClock(5000.0)
        clock.correct(5030.0)
        assert clock.now_s() == pytest.approx(5030.0)

    run_virtual(scene())


def test_a_database_whose_clock_was_set_back_does_not_turn_time_back() -> None:
    async def scene() -> None:
        clock = DatabaseClock(5000.0)
        clock.correct(4000.0)
        assert clock.now_s() == pytest.approx(5000.0)

    run_virtual(scene())
