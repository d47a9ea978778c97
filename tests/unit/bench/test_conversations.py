"""The conversations of the bench are well formed, and an NPC finds more of them than plain BM25 does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.conversations import OWN, conversations, curve_svg, fitted, measured, reliability
from ganggpt.domain.mind.finding import SURE_FROM
from tests.support.builders import WORLD


def _share(points: list[tuple[float, int]]) -> float:
    return sum(right * count for right, count in points) / sum(count for _, count in points)


FILES = sorted(OWN.glob("*.jsonl"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_question_has_evidence_among_the_turns(path: Path) -> None:
    for one in conversations(path):
        ids = {line.id for line in one.lines}
        assert len(one.lines) >= 100
        assert len(one.questions) == 30
        assert all(asked.evidence <= ids for asked in one.questions)


def test_more_is_found_than_by_plain_words_and_a_quarter_is_told_to_the_face() -> None:
    found = measured([one for path in FILES for one in conversations(path)], WORLD)
    assert found.ours >= 0.6
    assert found.ours > found.plain + 0.1
    assert found.ours > found.stemmed + 0.05
    assert found.face >= 0.25


def test_what_is_told_for_sure_is_right_more_often_than_what_is_guessed() -> None:
    found = measured([one for path in FILES for one in conversations(path)], WORLD)
    points = reliability(found.sure)
    guessed = [(right, count) for sure, right, count in points if sure < SURE_FROM]
    firm = [(right, count) for sure, right, count in points if sure >= SURE_FROM]
    assert _share(firm) > _share(guessed) + 0.2
    assert "<svg" in curve_svg(points)
    assert fitted(found.sure)[0] > 0
