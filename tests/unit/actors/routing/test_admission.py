"""Admission by delay: calm until a burst is too long, then short queues, fair parts and hints, then calm again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.actors.envelope import error_of
from ganggpt.actors.host.host import HostOptions
from ganggpt.actors.overload import OverloadReply, Shed
from ganggpt.actors.routing.admission import Admission, AdmissionOptions, FrameGate
from ganggpt.actors.routing.router import RouterOptions
from ganggpt.domain.ids import new_command_id
from ganggpt.protocol.limits import Limits

SMALL = AdmissionOptions(burst_max=100, limit_min=20, rate_first_per_s=1000.0, call_first_s=0.01)


def fill(admission: Admission, count: int, source: str = "a", now_s: float = 0.0) -> int:
    """Offer so many to actors of their own; how many were let in."""
    let_in = 0
    for n in range(count):
        refusal = admission.refusal(source, f"npc:{source}-{n}", now_s)
        if refusal is None:
            admission.enter(source, f"npc:{source}-{n}")
            let_in += 1
        else:
            refusal.reply(new_command_id())
    return let_in


def why(admission: Admission, source: str, actor: str, now_s: float) -> Shed | None:
    refusal = admission.refusal(source, actor, now_s)
    return None if refusal is None else refusal.why


def test_a_calm_lane_takes_a_burst_and_then_keeps_its_queue_short() -> None:
    admission = Admission(SMALL)
    assert fill(admission, 100) == 100
    assert not admission.shedding
    assert why(admission, "a", "npc:one-more", 0.0) is Shed.LANE
    assert admission.shedding
    assert admission.limit == 20
    assert admission.late_s == pytest.approx(0.03)


def test_a_source_with_nothing_in_a_full_lane_is_let_in_on_what_it_earns() -> None:
    admission = Admission(SMALL)
    fill(admission, 101, "greedy")
    assert why(admission, "modest", "npc:x", 0.0) is Shed.SHARE
    assert why(admission, "modest", "npc:x", 0.1) is None
    assert why(admission, "greedy", "npc:y", 0.1) is None
    for n in range(20):
        admission.enter("greedy", f"npc:more-{n}")
    assert why(admission, "greedy", "npc:y", 0.1) is Shed.SHARE
    assert why(admission, "modest", "npc:x", 0.1) is None


def test_an_actor_holds_at_most_half_of_a_lane() -> None:
    admission = Admission(SMALL)
    for _ in range(50):
        assert admission.refusal("a", "npc:hot", 0.0) is None
        admission.enter("a", "npc:hot")
    assert why(admission, "a", "npc:hot", 0.0) is Shed.ACTOR
    assert why(admission, "b", "npc:hot", 0.0) is Shed.ACTOR


def test_a_lane_becomes_calm_once_hardly_anybody_is_turned_away() -> None:
    admission = Admission(SMALL)
    fill(admission, 101)
    for n in range(100):
        admission.leave(f"npc:a-{n}")
    now_s = 0.0
    widths = []
    for _ in range(12):
        now_s += 0.25
        assert admission.refusal("a", "npc:x", now_s) is None
        widths.append(admission.limit)
    assert widths == sorted(widths)
    assert not admission.shedding
    assert admission.limit == 100


def test_the_rate_is_learnt_from_a_busy_lane_and_not_from_an_idle_one() -> None:
    admission = Admission(SMALL)
    admission.started(0.0)
    for n in range(1, 40):
        admission.served(10, 0.1, n * 0.1, queued=0)
    assert admission.rate_per_s == 1000.0
    for n in range(40, 80):
        admission.served(10, 0.1, n * 0.1, queued=5)
    assert admission.rate_per_s == pytest.approx(100.0, rel=0.05)
    admission.idle()
    admission.started(1000.0)
    admission.served(500, 0.1, 1000.1, queued=0)
    assert admission.rate_per_s > 1000.0


def test_the_hint_grows_with_what_is_turned_away_and_has_bounds() -> None:
    admission = Admission(SMALL)
    for look in range(1, 5):
        fill(admission, 2000, now_s=look * 0.3)
    refusal = admission.turn_away(Shed.LANE)
    hints = []
    for _ in range(64):
        reply = refusal.reply(new_command_id())
        error = error_of(reply)
        assert error is not None
        hints.append(error["retry_after_ms"])
    assert min(hints) >= 50
    assert 1000 < max(hints) <= 3000
    assert len(set(hints)) == 16


def test_a_refusal_is_the_error_of_its_command_and_counts() -> None:
    refusal, command_id = OverloadReply(Shed.IN_FLIGHT, 64, 250), new_command_id()
    reply = msgspec.msgpack.decode(refusal.reply(command_id))
    assert reply["id"] == command_id
    assert reply["ok"] is False
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("overloaded", True)
    assert "64" in reply["error"]["message"]
    assert refusal.count == 1


class Way:
    def __init__(self) -> None:
        self.admission = Admission(SMALL)


def test_a_gate_asks_a_full_lane_once() -> None:
    full, calm = Way(), Way()
    fill(full.admission, 101)
    gate = FrameGate("a", 0.0, lambda actor: full if actor.startswith("npc:full") else calm)
    first = gate.admit("npc:full-1")
    assert first is not None
    assert gate.admit("npc:full-2") is first
    assert gate.admit("npc:calm") is None


def test_what_a_gate_lets_in_has_its_place_and_what_is_not_used_is_given_back() -> None:
    way = Way()
    gate = FrameGate("a", 0.0, lambda _: way)
    assert [gate.admit("npc:x") for _ in range(3)] == [None] * 3
    assert way.admission.outstanding == 3
    assert gate.use("npc:x")
    assert not gate.use("npc:y")
    gate.close()
    assert way.admission.outstanding == 1
    assert not gate.use("npc:x")


def test_a_place_that_is_given_back_costs_its_source_nothing() -> None:
    way = Way()
    fill(way.admission, 101, "greedy")
    assert why(way.admission, "modest", "npc:x", 0.0) is Shed.SHARE
    for _ in range(5):
        gate = FrameGate("modest", 0.1, lambda _: way)
        assert gate.admit("npc:x") is None
        gate.close()
    assert way.admission.outstanding == 100
    assert why(way.admission, "modest", "npc:x", 0.1) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.floats(0, 0.2), st.booleans()), min_size=1, max_size=300
    )
)
def test_whatever_happens_the_count_is_right_and_bounded(steps: list[tuple[str, int, float, bool]]) -> None:
    admission = Admission(SMALL)
    inside: list[str] = []
    now_s = 0.0
    for source, n, passed_s, answer in steps:
        now_s += passed_s
        if answer and inside:
            admission.leave(inside.pop())
            admission.served(1, passed_s, now_s, len(inside))
            continue
        for _ in range(20):
            actor = f"npc:{n}"
            refusal = admission.refusal(source, actor, now_s)
            if refusal is None:
                admission.enter(source, actor)
                inside.append(actor)
            else:
                refusal.reply(new_command_id())
        assert admission.outstanding == len(inside) <= 2 * SMALL.burst_max
        assert admission.limit >= SMALL.limit_min
    for actor in inside:
        admission.leave(actor)
    assert admission.outstanding == 0


def test_who_waits_waits_longer_than_whom_it_waits_for() -> None:
    """Each bound is inside the next one, so that the one who knows most says what happened."""
    router, host = RouterOptions(), HostOptions()
    assert host.delivery_s < router.call_s < router.deadline_s < Limits().answer_timeout_s
    assert router.calls_max * router.admission.batch_max < router.admission.burst_max <= router.queue_max
