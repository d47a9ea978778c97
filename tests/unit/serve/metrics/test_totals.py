"""Values of processes that come and go become values of the world: counters never fall, gauges are of the living."""

from __future__ import annotations

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.observability.metrics import SEPARATOR, ProcessReport
from ganggpt.serve.metrics import totals as module
from ganggpt.serve.metrics.totals import (
    FOLD_S,
    KEPT,
    LIVE_S,
    Totals,
    decode_totals,
    encode_totals,
    families_of,
)

COMMITS = SEPARATOR.join(("ganggpt_host_commits_total", "ganggpt_host_commits_total", "host", "host:0"))
LAG = SEPARATOR.join(("ganggpt_host_lag_seconds", "ganggpt_host_lag_seconds", "host", "own"))
HOT = SEPARATOR.join(("ganggpt_host_hot", "ganggpt_host_hot", "host", "own"))
AI_ON = SEPARATOR.join(("ganggpt_ai_on", "ganggpt_ai_on"))


def told(source: str, count: float, **gauges: float) -> ProcessReport:
    names = {"lag": LAG, "hot": HOT, "ai_on": AI_ON}
    return ProcessReport(source, {COMMITS: count}, {names[name]: value for name, value in gauges.items()})


heard = st.tuples(st.integers(0, 200), st.integers(0, 50), st.floats(0, 1e5))


@given(st.lists(heard, max_size=300), st.integers(0, 300), st.booleans())
def test_counters_never_fall_whoever_comes_and_ends_in_whatever_order(
    reports: list[tuple[int, int, float]], split: int, folds: bool
) -> None:
    """Of each process several reports arrive, in any order and twice, at any time."""
    totals, shown, newest = Totals(), 0.0, dict[int, int]()
    for n, (process, count, at_s) in enumerate(reports):
        totals.add([(told(str(process), count), at_s)])
        newest[process] = max(count, newest.get(process, 0))
        if folds and n == split:
            totals = decode_totals(encode_totals(totals))
        now = totals.joined(1e5)[COMMITS]
        assert now >= shown
        shown = now
    assert shown == sum(newest.values())


def test_the_oldest_of_the_ended_become_one_sum_and_the_number_of_sources_stays_small() -> None:
    totals = Totals()
    totals.add((told(f"old/{n}", n, lag=1.0), float(n)) for n in range(300))
    totals.add([(told("living", 7), FOLD_S + 300)])
    before = totals.joined(FOLD_S + 300)
    totals.fold(FOLD_S + 300)
    assert len(totals.sources) == KEPT + 1
    assert "living" in totals.sources
    assert "old/299" in totals.sources, "it may only have been stopped"
    assert totals.joined(FOLD_S + 300) == before


def test_a_thousand_crashes_in_an_hour_do_not_grow_the_totals() -> None:
    totals = Totals()
    for n in range(3 * module.KEPT_MAX):
        totals.add([(told(f"crashed/{n}", 1), float(n))])
        totals.fold(float(n))
    assert len(totals.sources) <= module.KEPT_MAX + LIVE_S + 1
    assert totals.joined(0)[COMMITS] == 3 * module.KEPT_MAX


def test_a_gauge_is_summed_or_the_worst_of_the_living() -> None:
    totals = Totals()
    totals.add([(told("a", 1, lag=0.1, hot=3, ai_on=1), 100.0), (told("b", 1, lag=0.4, hot=4, ai_on=0), 100.0)])
    totals.add([(told("ended", 5, lag=9.0, hot=100), 10.0)])
    values = totals.joined(100.0)
    assert (values[LAG], values[HOT], values[AI_ON], values[COMMITS]) == (0.4, 7, 0, 7)
    assert LAG not in totals.joined(100.0 + LIVE_S + 1)
    totals.add([(told("b", 1), 101.0)])
    assert totals.joined(101.0)[HOT] == 3, "a process that tells no gauge has none"


def test_an_older_report_does_not_bring_a_gauge_back() -> None:
    totals = Totals()
    totals.add([(told("a", 5, hot=1), 20.0)])
    totals.add([(told("a", 3, hot=9), 10.0)])
    assert (totals.joined(20.0)[HOT], totals.joined(20.0)[COMMITS]) == (1, 5)


def test_what_another_version_counts_is_kept_but_not_shown() -> None:
    strange = SEPARATOR.join(("ganggpt_of_tomorrow_total", "ganggpt_of_tomorrow_total"))
    totals = Totals()
    totals.add([(ProcessReport("a", {strange: 3.0}, {strange.replace("_total", ""): 1.0}), 1.0)])
    totals = decode_totals(encode_totals(totals))
    assert totals.joined(1.0)[strange] == 3
    assert {family.name for family in families_of(totals.joined(1.0))} == {"ganggpt_hosts"}


def test_no_host_at_all_is_a_zero_that_an_alert_can_compare() -> None:
    hosts = next(family for family in families_of({}) if family.name == "ganggpt_hosts")
    assert {(sample.labels["residence"], sample.value) for sample in hosts.samples} == {("own", 0.0), ("shared", 0.0)}


@pytest.mark.parametrize("stored", [b"", b"\x00\x01", zstd.compress(b"\xc1"), encode_totals(Totals())[:-1]])
def test_damaged_totals_are_an_error(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_totals(stored)


def test_totals_that_unpack_to_more_than_they_may_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORED_BYTES_MAX", 1 << 20)
    with pytest.raises(ValueError, match="unpack to more"):
        decode_totals(zstd.compress(bytes(1 << 24)))
