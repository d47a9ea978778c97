"""The bench of talking judges by its goals, and says the median."""

from __future__ import annotations

import pytest

from bench.load_run import LoadResult
from bench.talk import BARK_P99_MS, TALKS_PER_S, TalkRates, quantile, reached


def measured(per_s: float) -> LoadResult:
    return LoadResult(acked=1, seconds=1.0, per_s=per_s, each_second=[1], p50_ms=1.0, p99_ms=2.0, refused={})


def found(talks: tuple[float, ...], bark_ms: float) -> TalkRates:
    one = TalkRates(barks_ms=[1.0, 2.0, bark_ms], sentences_ms=[900.0])
    for rate in talks:
        for case in ("observe_32", "talk_32", "observe_1500", "talk_1500"):
            one.add(case, measured(rate))
    return one


def test_the_median_over_the_rounds_is_told() -> None:
    told = found((1000.0, 5000.0, 4000.0), 3.0).as_stats()
    assert told["talk_32_per_s"] == 4000
    assert told["talk_32_p99_ms"] == 2.0
    assert told["sentence_p50_ms"] == 900.0


@pytest.mark.parametrize(
    ("per_s", "bark_ms", "met"),
    [(TALKS_PER_S, BARK_P99_MS - 1, True), (TALKS_PER_S - 1, 1.0, False), (TALKS_PER_S, BARK_P99_MS, False)],
)
def test_goals_are_met_or_missed(per_s: float, bark_ms: float, met: bool) -> None:
    one = found((per_s,), bark_ms)
    one.barks_ms = [bark_ms] * 100
    assert reached(one.as_stats()) is met


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0] * 99 + [50.0], 0.99) == 1.0
