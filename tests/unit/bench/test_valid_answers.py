"""The bench of valid answers judges what was recorded."""

from __future__ import annotations

import pytest

from bench.first_sentence import GOAL_MS, KINDS, SENTENCE, reached
from bench.valid_answers import LINES, Answers, kind_of_answer


@pytest.mark.parametrize(
    ("answer", "finish", "kind"),
    [
        ('{"say": "Fine.", "actions": []}', "stop", "valid"),
        ('{"say": "Fine.", "actions": [{"do": "dance"}]}', "stop", "valid"),
        ('{"say": "Fine.", "actions": [', "length", "no whole JSON object (length)"),
        ("Fine.", "stop", "no whole JSON object (stop)"),
        ('{"say": "", "actions": []}', "stop", "say: String should have at least 1 character"),
    ],
)
def test_an_answer_is_valid_or_told_by_what_is_wrong_with_it(answer: str, finish: str, kind: str) -> None:
    assert kind_of_answer(answer, finish) == kind


def test_the_share_is_of_the_answers_that_came_and_too_few_are_no_measurement() -> None:
    found = Answers()
    found.kinds.update({"valid": 19, "no whole JSON object (length)": 1})
    found.unanswered["model_slow"] = 5
    assert found.as_stats()["valid_share"] == 0.95
    assert found.reached
    found.unanswered["model_slow"] = 6
    assert not found.reached, "an answer too many did not come"
    assert Answers().as_stats()["valid_share"] == 0.0
    assert not Answers().reached


def test_at_least_forty_different_lines_are_said() -> None:
    assert len(set(LINES)) == len(LINES) >= 40


def test_the_first_sentence_is_judged_by_its_median() -> None:
    for first, _ in KINDS.values():
        assert SENTENCE.rstrip(".") in "".join(first)
    assert reached({"alone_p50_ms": GOAL_MS, "alone_p99_ms": 90.0})
    assert not reached({"alone_p50_ms": GOAL_MS + 1, "of_two_p50_ms": 1.0})
