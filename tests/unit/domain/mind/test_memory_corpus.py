"""How well long histories are remembered: recall@k over a generated corpus, printed beside what was there before and
beside a plain BM25, and held to a floor."""

from __future__ import annotations

import re

import pytest
from rank_bm25 import BM25Okapi

from bench.corpus import STYLES, Asked, CorpusHistory, history
from ganggpt.domain.mind.memory import MemoryStore, recall
from tests.support.recall import OverlapBefore, measure, table

pytestmark = pytest.mark.slow

_WORD = re.compile(r"\w+")
FLOOR = {
    "plain": {1: 0.97, 3: 0.99, 5: 0.99, 10: 1.0},
    "inflected": {1: 0.95, 3: 0.98, 5: 0.99, 10: 0.99},
    "misspelt": {1: 0.75, 3: 0.85, 5: 0.88, 10: 0.94},
    "reworded": {1: 0.40, 3: 0.55, 5: 0.65, 10: 0.82},
    "loose": {1: 0.60, 3: 0.85, 5: 0.92, 10: 0.96},
}


class PlainBm25:
    """The peer: BM25 over whole words, scanned."""

    def __init__(self, past: CorpusHistory) -> None:
        self._numbers = [memory.no for memory in past.memories]
        self._index = BM25Okapi([_WORD.findall(memory.text.lower()) for memory in past.memories])

    def find(self, asked: Asked, k: int) -> list[int]:
        scores = self._index.get_scores(_WORD.findall(asked.text.lower()))
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        return [self._numbers[place] for place in order[:k]]


@pytest.mark.parametrize("seed", [7, 21])
def test_a_year_of_three_thousand_memories_is_remembered(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    past = history(3000, 60, seed)

    def ours(asked: Asked, k: int) -> list[int]:
        return [one.memory.no for one in recall(past.memories, asked.text, past.now_s, k)]

    results = {
        "before": measure(past.asked, OverlapBefore(past.memories, past.now_s).find),
        "plain BM25": measure(past.asked, PlainBm25(past).find),
        "now": measure(past.asked, ours),
    }
    with capsys.disabled():
        print(  # noqa: T201 - what this test is for
            f"\n\n3,000 memories, {len(past.asked)} questions, seed {seed}\n{table(results)}"
        )
    now, before = results["now"], results["before"]
    for style in STYLES:
        for k, floor in FLOOR[style].items():
            assert now.by_style[style][k] >= floor, (style, k)
            assert now.by_style[style][k] >= before.by_style[style][k], (style, k)
    assert now.all[1] >= results["plain BM25"].all[1]
    assert now.all[5] >= results["plain BM25"].all[5]


def test_a_store_that_was_told_one_after_the_other_remembers_the_same() -> None:
    past = history(800, 20, 3)
    store = MemoryStore()
    numbers = {}
    for memory in past.memories:
        numbers[store.take(memory, memory.created_s)] = memory.no

    def found(asked: Asked, k: int) -> list[int]:
        return [numbers[one.memory.no] for one in store.recall(asked.text, past.now_s, k)]

    def whole(asked: Asked, k: int) -> list[int]:
        return [one.memory.no for one in recall(past.memories, asked.text, past.now_s, k)]

    assert len(store) == 800
    assert measure(past.asked, found) == measure(past.asked, whole)


def test_a_seed_makes_one_history_and_every_question_has_its_answer() -> None:
    assert history(300, 10, 5) == history(300, 10, 5)
    assert history(300, 10, 5) != history(300, 10, 6)
    past = history(300, 10, 5)
    assert {one.answer for one in past.asked} <= {memory.no for memory in past.memories}
    assert len({memory.text for memory in past.memories}) == 300
