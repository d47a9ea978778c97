"""A model of sentences from a folder: the vectors it makes, and every way a folder can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.minilm import minilm_folder
from ganggpt.ai.gateway import sentence_model
from ganggpt.ai.gateway.sentence_model import MODEL_NAMES, SentenceModel, find_model, try_model
from ganggpt.errors import ConfigInvalid
from tests.support.onnx_models import SIDES, tiny_model, tiny_tokenizer
from tests.support.paths import ROOT

FULL: dict[str, Any] = json.loads((ROOT / "tests/data/minilm_full_weights.json").read_text(encoding="utf-8"))
"""What the model with its full weights makes of some texts; the file says how that was found."""


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> SentenceModel:
    return SentenceModel(find_model(minilm_folder(tmp_path_factory.mktemp("models") / "minilm")))


def loaded(folder: Path) -> SentenceModel:
    return SentenceModel(find_model(folder))


def cosine(model: SentenceModel, one: str, other: str) -> float:
    return float(np.dot(model.vector(one), model.vector(other)))


@pytest.mark.parametrize(("text", "full"), FULL["vectors"])
def test_the_small_weights_make_the_vectors_of_the_full_ones(minilm: SentenceModel, text: str, full: Any) -> None:
    assert np.dot(minilm.unit_vector(text), full) / np.linalg.norm(full) > 0.999


@pytest.mark.parametrize(("one", "other", "full"), FULL["cosines"])
def test_two_texts_are_as_near_as_with_the_full_weights(
    minilm: SentenceModel, one: str, other: str, full: float
) -> None:
    assert float(np.dot(minilm.unit_vector(one), minilm.unit_vector(other))) == pytest.approx(full, abs=0.015)


def test_a_vector_depends_on_its_text_alone_and_has_length_one(minilm: SentenceModel) -> None:
    alone = minilm.vector("the boat")
    minilm.vector("something quite different, and much longer than the other one")
    assert minilm.vector("the boat") == alone
    assert np.linalg.norm(alone) == pytest.approx(1)
    assert len(alone) == minilm.sides == 384


def test_what_all_sentences_share_is_taken_out(minilm: SentenceModel) -> None:
    texts = ("He buys a boat.", "The moon is full.", "Who stole my car?", "Bread is cheap today.", "I am tired.")
    centred = [cosine(minilm, *pair) for pair in combinations(texts, 2)]
    raw = [float(np.dot(*map(minilm.unit_vector, pair))) for pair in combinations(texts, 2)]
    assert sum(centred) < sum(raw)
    assert abs(sum(centred) / len(centred)) < 0.1
    assert cosine(minilm, "Nico owes Otis four hundred dollars", "is he in debt to somebody?") > 0.3


def test_a_text_may_be_of_any_length_and_script(minilm: SentenceModel) -> None:
    for text in ("x", "?!", "\u200b", "word " * 2000, "где здесь аптека?", "北京", "🙂", "\x00"):
        assert np.isfinite(minilm.vector(text)).all()


def test_a_model_that_wants_no_mask_and_no_types_is_not_given_any(tmp_path: Path) -> None:
    bare = loaded(tiny_model(tmp_path / "bare", mask=False))
    full = loaded(tiny_model(tmp_path / "full", types=True))
    assert bare.vector("the boat") == full.vector("the boat")
    assert bare.sides == SIDES


def test_tokens_are_pooled_by_their_mean_unless_the_folder_says_the_first_one(tmp_path: Path) -> None:
    mean = loaded(tiny_model(tmp_path / "mean"))
    assert float(mean.unit_vector("boat gun") @ mean.unit_vector("gun boat")) == pytest.approx(1)
    folder = tiny_model(tmp_path / "first")
    pools(folder, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    first = loaded(folder)
    assert float(first.unit_vector("boat gun") @ first.unit_vector("boat dock")) == pytest.approx(1)
    assert float(first.unit_vector("boat gun") @ first.unit_vector("gun boat")) < 0.9
    assert mean.name != first.name


def test_an_output_that_is_pooled_already_is_taken_as_it_is(tmp_path: Path) -> None:
    model = loaded(tiny_model(tmp_path, "sentence"))
    vector = model.unit_vector("boat dock")
    assert vector.tolist() == pytest.approx(np.array([0.1, 0.1, 1.1, 1.1]) / np.linalg.norm([0.1, 0.1, 1.1, 1.1]))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_is_found_under_its_usual_names(tmp_path: Path, name: str) -> None:
    assert find_model(tiny_model(tmp_path, name=name)).model == tmp_path / name


def test_a_model_is_named_by_what_decides_about_its_vectors(tmp_path: Path) -> None:
    one, same = loaded(tiny_model(tmp_path / "one")), loaded(tiny_model(tmp_path / "moved" / "elsewhere"))
    other = loaded(tiny_model(tmp_path / "other", scale=2.0))
    assert one.name == same.name != other.name


def pools(folder: Path, **modes: Any) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 4, **modes}))


def written(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        tiny_model(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return write


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "there is no folder"),
        (lambda folder: folder.write_text("x"), "there is no folder"),
        (lambda folder: folder.mkdir(), "holds no model"),
        (lambda folder: (tiny_model(folder) / "tokenizer.json").unlink(), "holds no tokenizer.json"),
        (lambda folder: pools(tiny_model(folder), pooling_mode_max_tokens=True), "it wants pooling_mode_max_tokens"),
        (written("1_Pooling/config.json", "{"), "it cannot be read"),
        (written("1_Pooling/config.json", "[]"), "it cannot be read"),
        (written("model.onnx", "version https://git-lfs"), "it cannot be loaded"),
        (written("tokenizer.json", "{}"), "it is no tokenizer"),
        (lambda folder: tiny_model(folder, "numbers"), "no output is a matrix of numbers"),
        (lambda folder: tiny_model(folder, "one number"), "no output is a matrix of numbers"),
        (lambda folder: tiny_model(folder, other="pixels"), "it wants the input 'pixels'"),
        (lambda folder: tiny_model(folder, rows=3), "it cannot embed a sentence"),
        (lambda folder: tiny_model(folder, scale=0.0), "zero or not finite"),
        (lambda folder: tiny_model(folder, scale=float("nan")), "zero or not finite"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path, make: Callable[[Path], Any], said: str) -> None:
    make(tmp_path / "model")
    with pytest.raises(ConfigInvalid, match=said) as told:
        try_model(tmp_path / "model")
    assert told.value.variable == "GANGGPT_EMBEDDINGS"
    assert told.value.fix


def test_a_vector_with_more_sides_than_a_memory_keeps_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_model, "DIMENSIONS_MAX", SIDES - 1)
    with pytest.raises(ConfigInvalid, match="a vector of the shape"):
        try_model(tiny_model(tmp_path))


def test_without_the_extra_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_model, "find_spec", lambda package: None if package == "tokenizers" else object())
    with pytest.raises(ConfigInvalid, match=r"needs the package tokenizers.*Install ganggpt\[embeddings\]"):
        find_model(tiny_model(tmp_path))


def test_a_tokenizer_alone_is_no_model(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path)
    with pytest.raises(ConfigInvalid, match=r"as model.onnx or model_quantized.onnx .* onnx/model.onnx"):
        find_model(tmp_path)
