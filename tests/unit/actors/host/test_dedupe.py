"""The dedupe window remembers what it must and never guesses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.actors.host.dedupe import AHEAD_S_MAX, COUNT_MAX, WINDOW_S, DedupeWindow
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import Expired, InvalidInput

NOW = 1_800_000_000.0


def test_an_applied_id_is_known_with_the_turn_it_made() -> None:
    window = DedupeWindow()
    command = new_command_id(NOW)
    window.add(command, 7, NOW)
    assert window.seq_of(command) == 7


def test_an_id_older_than_the_window_is_expired_not_guessed() -> None:
    with pytest.raises(Expired):
        DedupeWindow().check_age(new_command_id(NOW - WINDOW_S - 1), NOW)


def test_an_id_from_the_future_is_invalid() -> None:
    with pytest.raises(InvalidInput):
        DedupeWindow().check_age(new_command_id(NOW + AHEAD_S_MAX + 1), NOW)


def test_the_window_is_bounded_in_count_and_what_it_dropped_is_expired() -> None:
    window = DedupeWindow()
    ids = [new_command_id(NOW + n / 1000) for n in range(COUNT_MAX + 10)]
    for seq, command in enumerate(ids):
        window.add(command, seq, NOW + 5)
    assert len(window) == COUNT_MAX
    for dropped in ids[:10]:
        assert window.seq_of(dropped) is None
        with pytest.raises(Expired):
            window.check_age(dropped, NOW + 5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 900)), max_size=60))
def test_whatever_was_applied_is_either_known_or_expired(steps: list[tuple[int, int]]) -> None:
    """For every id ever added: the window still knows it, or refuses it as expired. It is never taken as new."""
    window, now = DedupeWindow(), NOW
    applied = []
    for advance, age in steps:
        now += advance
        command = new_command_id(now - min(age, WINDOW_S - 1))
        window.add(command, len(applied), now)
        applied.append(command)
        for seq, old in enumerate(applied):
            known = window.seq_of(old)
            if known is None:
                with pytest.raises(Expired):
                    window.check_age(old, now)
            else:
                assert known == seq


def test_a_snapshot_of_the_window_restores_its_knowledge() -> None:
    window = DedupeWindow()
    for n in range(COUNT_MAX + 5):
        window.add(new_command_id(NOW + n / 1000), n, NOW + 5)
    again = DedupeWindow(window.entries(), window.floor_s)
    assert again.entries() == window.entries()
    with pytest.raises(Expired):
        again.check_age(new_command_id(NOW), NOW + 5)
