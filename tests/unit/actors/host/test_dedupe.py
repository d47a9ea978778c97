"""The dedupe window remembers what it must, never guesses, and lets nobody's clock expire the present."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.actors.host.dedupe import AHEAD_S_MAX, LIMITS, WINDOW_S, DedupeWindow, WindowLimits
from ganggpt.domain.ids import CommandId, command_id_time_s, derived_command_id, new_command_id
from ganggpt.errors import Expired, InvalidInput, Overloaded

NOW = 1_800_000_000.0
TIGHT = WindowLimits(count_max=6, recent_max=16, ahead_max=3, slack_s=10.0)


def filled(limits: WindowLimits, count: int, at_s: float = NOW, now_s: float = NOW) -> DedupeWindow:
    window = DedupeWindow(limits=limits)
    for n in range(count):
        window.add(derived_command_id(at_s, n), n, now_s)
    return window


def test_an_applied_id_is_known_with_the_turn_it_made() -> None:
    window = DedupeWindow()
    command = new_command_id(NOW)
    window.add(command, 7, NOW)
    assert window.seq_of(command) == 7


def test_an_id_older_than_the_window_is_expired_not_guessed() -> None:
    with pytest.raises(Expired):
        DedupeWindow().check(new_command_id(NOW - WINDOW_S - 1), NOW)


def test_an_id_too_far_ahead_is_invalid() -> None:
    with pytest.raises(InvalidInput):
        DedupeWindow().check(new_command_id(NOW + AHEAD_S_MAX + 1), NOW)


def test_a_derived_id_too_far_ahead_waits_for_its_time() -> None:
    """It comes from a clock of ours. A refusal for good would lose a message between actors."""
    message = new_command_id(NOW + 100)
    with pytest.raises(Overloaded) as waits:
        DedupeWindow().check(message, NOW, derived=True)
    DedupeWindow().check(message, NOW + waits.value.wait_ms / 1000, derived=True)


def test_the_window_is_bounded_in_count_and_what_it_dropped_is_expired() -> None:
    window, surplus = DedupeWindow(), 10
    ids = [new_command_id(NOW + n / 1000) for n in range(LIMITS.count_max + surplus)]
    for seq, command in enumerate(ids):
        window.add(command, seq, NOW + 60)
    assert len(window) == LIMITS.count_max
    for dropped in ids[:surplus]:
        assert window.seq_of(dropped) is None
        with pytest.raises(Expired):
            window.check(dropped, NOW + 60)


def test_ids_ahead_fill_only_their_own_room() -> None:
    window = filled(TIGHT, TIGHT.ahead_max, at_s=NOW + 59)
    with pytest.raises(Overloaded) as waits:
        window.check(new_command_id(NOW + 58), NOW)
    assert waits.value.retryable
    assert "(now_ms)" in str(waits.value)
    window.check(new_command_id(NOW), NOW)
    window.check(new_command_id(NOW + 58), NOW + waits.value.wait_ms / 1000)


def test_a_window_full_of_the_present_asks_for_patience_and_forgets_nothing() -> None:
    window = filled(TIGHT, TIGHT.recent_max)
    with pytest.raises(Overloaded) as waits:
        window.check(new_command_id(NOW + 1), NOW + 1)
    assert len(window) == TIGHT.recent_max
    window.check(new_command_id(NOW + 1), NOW + 1 + waits.value.wait_ms / 1000)


def test_an_id_that_came_first_from_ahead_does_not_hold_back_older_ones() -> None:
    window = filled(TIGHT, 1, at_s=NOW + 50)
    for n in range(TIGHT.count_max + 4):
        window.add(derived_command_id(NOW + n, "present", n), n, NOW + 30)
    assert window.seq_of(derived_command_id(NOW + 50, 0)) == 0
    assert window.floor_s == NOW + 4


@dataclass
class Actor:
    """A window, and every id that was ever applied to it. ``waiting``: refused ids and when they may come again."""

    window: DedupeWindow
    now_s: float = NOW
    applied: list[CommandId] = field(default_factory=list)
    waiting: list[tuple[float, CommandId]] = field(default_factory=list)

    def take(self, command: CommandId) -> None:
        at_s = command_id_time_s(command)
        try:
            self.window.check(command, self.now_s)
        except Expired:
            assert at_s < self.now_s - TIGHT.slack_s + 0.002
        except InvalidInput:
            assert at_s > self.now_s + AHEAD_S_MAX - 0.002
        except Overloaded as full:
            self.waiting.append((self.now_s + full.wait_ms / 1000, command))
            full_of_ahead = at_s > self.now_s + TIGHT.slack_s
            assert full_of_ahead or len(self.window) == TIGHT.recent_max
        else:
            self.window.add(command, len(self.applied), self.now_s)
            self.applied.append(command)

    def check(self) -> None:
        assert len(self.window) <= TIGHT.recent_max
        assert self.window.floor_s <= self.now_s - TIGHT.slack_s
        for seq, command in enumerate(self.applied):
            known = self.window.seq_of(command)
            if known is None:
                with pytest.raises(Expired):
                    self.window.check(command, self.now_s)
            else:
                assert known == seq


ADVANCE_S = st.sampled_from((0.0, 0.0, 0.0, 0.1, 0.1, 3.0, 40.0, 300.0))
AHEAD_S = st.one_of(st.sampled_from((-9, 0, 0, 9, 11, 59)), st.integers(-620, 65))
STEPS = st.integers(0, 120).flatmap(lambda n: st.lists(st.tuples(ADVANCE_S, AHEAD_S), min_size=n, max_size=n))
"""Time that passes before a command, and how far the clock is ahead that its id was made by."""


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_was_applied_is_known_or_expired_and_no_clock_expires_the_present(
    steps: list[tuple[float, int]],
) -> None:
    """Clocks from ten minutes behind to a minute ahead. Every applied id is known, or refused as expired, never taken
    as new; the floor stays behind the present; the window is bounded."""
    actor = Actor(DedupeWindow(limits=TIGHT))
    for n, (advance_s, ahead_s) in enumerate(steps):
        actor.now_s += advance_s
        actor.take(derived_command_id(actor.now_s + ahead_s, n))
        actor.check()


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_a_refused_id_is_taken_when_its_sender_waits_as_long_as_it_was_told(steps: list[tuple[float, int]]) -> None:
    actor = Actor(DedupeWindow(limits=TIGHT))
    for n, (advance_s, ahead_s) in enumerate(steps):
        actor.now_s += advance_s
        actor.take(derived_command_id(actor.now_s + ahead_s, n))
    for _ in range(len(actor.waiting)):
        # The senders come again one after the other, each when it was told to.
        at_s, command = actor.waiting.pop(0)
        actor.now_s = max(actor.now_s, at_s)
        if command_id_time_s(command) > actor.now_s - TIGHT.slack_s:
            refused = len(actor.waiting)
            actor.take(command)
            assert command in actor.applied or len(actor.waiting) > refused
        actor.check()


@settings(max_examples=100, deadline=None)
@given(STEPS, st.data())
def test_an_actor_that_wakes_knows_what_it_knew(steps: list[tuple[float, int]], data: st.DataObject) -> None:
    """From a snapshot at any turn and the turns after it, as from the first turn on."""
    actor = Actor(DedupeWindow(limits=TIGHT))
    cut = data.draw(st.integers(0, len(steps)))
    entries: list[tuple[bytes, int]] = []
    floor_s, turns = 0.0, 0
    for n, (advance_s, ahead_s) in enumerate(steps):
        if n == cut:
            entries, floor_s, turns = actor.window.entries(), actor.window.floor_s, len(actor.applied)
        actor.now_s += advance_s
        actor.take(derived_command_id(actor.now_s + ahead_s, n))
    again = DedupeWindow(entries, floor_s, TIGHT)
    for seq in range(turns, len(actor.applied)):
        again.add(actor.applied[seq], seq, actor.now_s)
    Actor(again, actor.now_s, actor.applied).check()


def test_a_snapshot_of_the_window_restores_its_knowledge() -> None:
    window = DedupeWindow()
    for n in range(LIMITS.count_max + 5):
        window.add(new_command_id(NOW + n / 1000), n, NOW + 60)
    again = DedupeWindow(window.entries(), window.floor_s)
    assert again.entries() == window.entries()
    with pytest.raises(Expired):
        again.check(new_command_id(NOW), NOW + 60)


def test_a_window_that_was_stored_with_ids_in_any_order_is_read() -> None:
    """Older snapshots hold the ids in the order in which they came, whatever their times."""
    ids = [derived_command_id(NOW + ahead_s, ahead_s) for ahead_s in (59, 0, 30)]
    window = DedupeWindow([(command, seq) for seq, command in enumerate(ids)], 0.0, TIGHT)
    assert [window.seq_of(command) for command in ids] == [0, 1, 2]
    window.prune(NOW + WINDOW_S + 31)
    assert [window.seq_of(command) for command in ids] == [0, None, None]
