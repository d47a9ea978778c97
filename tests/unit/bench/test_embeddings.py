"""What a small model finds that words do not, and what it does not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.embeddings import follow_ups, recalls
from bench.minilm import minilm_folder
from ganggpt.ai.gateway.sentence_model import SentenceModel, find_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SentenceModel:
    folder: Path = minilm_folder(tmp_path_factory.mktemp("models") / "minilm")
    return SentenceModel(find_model(folder))


def test_what_shares_no_word_with_its_question_is_found_by_its_meaning(model: SentenceModel) -> None:
    found = recalls(model, count=40, questions=2)
    assert found["recall@5 paraphrase, words"] < 0.7
    assert found["recall@5 paraphrase, words and meaning"] > 0.9
    assert found["recall@5 all of these, words and meaning"] >= found["recall@5 all of these, words"]


def test_the_scripted_mind_adds_the_right_thing_or_nothing(model: SentenceModel) -> None:
    found = follow_ups(model)
    assert found["said later, right"] > 0.25
    assert found["said later, wrong"] == 0
    assert found["said later, nothing to be found"] == 0
