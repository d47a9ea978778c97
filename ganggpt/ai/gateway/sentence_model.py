"""A sentence-embedding model in ONNX form: one text in, one vector of length 1 out, in this process.

The only file that knows onnxruntime and tokenizers, which come with the extra ``ganggpt[embeddings]``. A folder holds
the model as it is usually published: ``model.onnx``, ``tokenizer.json``, and how its tokens become one vector.

Each text is run by itself: on one core that is as fast as a padded batch, and the vector depends on nothing but the
text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from ganggpt.domain.mind.embedding import DIMENSIONS_MAX
from ganggpt.errors import ConfigInvalid

SETTING: Final = "GANGGPT_EMBEDDINGS"
MODEL_NAMES: Final = tuple(
    f"{folder}{name}.onnx" for folder in ("", "onnx/") for name in ("model", "model_quantized", "model_int8")
)
"""Where in the folder a model may be, the first that is there counts."""
TOKENIZER: Final = "tokenizer.json"
TOKENS_MAX: Final = 256
"""Tokens of a text that count; a memory has at most 240 letters."""
_POOLING: Final = "1_Pooling/config.json"
_PACKAGES: Final = ("onnxruntime", "tokenizers")
_FED: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_POOLED: Final = "sentence_embedding"
"""The name of an output that is one vector already, as the model's authors pool."""
_LENGTH_MIN: Final = 1e-6
_EVERYDAY: Final = (
    *("The train leaves at nine.", "I like coffee in the morning.", "He repaired the roof last week."),
    *("What time is it?", "The river flooded the village.", "She sings in a choir.", "Prices went up again."),
    *("Where did you put the keys?", "My neighbour has three cats.", "The meeting was cancelled."),
    *("They crossed the border at night.", "I forgot my umbrella.", "The engine makes a strange noise."),
    *("Who told you that?", "We ate bread and cheese.", "The doctor gave me some pills.", "He lost a lot of money."),
    *("It will snow tomorrow.", "The children play in the yard.", "I do not trust him.", "The gun was never found."),
    *("She paid in cash.", "Tell me about your family.", "Nobody lives there any more."),
)
"""Sentences that have nothing in common but that they are sentences. Another set makes other vectors."""

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model that was found. ``pooling``: the vector is the mean of all tokens, or that of the first one."""

    folder: Path
    model: Path
    tokenizer: Path
    pooling: Pooling


def find_model(folder: Path) -> ModelFiles:
    """The files of the model in a folder, which are not read yet. Raises ConfigInvalid."""
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        problem = f"a local model needs the package {' and '.join(missing)}, which this installation does not have"
        raise ConfigInvalid(SETTING, problem, "Install ganggpt[embeddings].")
    if not folder.is_dir():
        raise ConfigInvalid(SETTING, f"there is no folder {folder}", "Name the folder that holds the model.")
    model = next((folder / name for name in MODEL_NAMES if (folder / name).is_file()), None)
    if model is None:
        raise ConfigInvalid(SETTING, f"{folder} holds no model", f"Put it there as {' or '.join(MODEL_NAMES)}.")
    tokenizer = folder / TOKENIZER
    if not tokenizer.is_file():
        raise ConfigInvalid(SETTING, f"{folder} holds no {TOKENIZER}", "Put the tokenizer of the model there.")
    return ModelFiles(folder, model, tokenizer, _pooling_of(folder))


def try_model(folder: Path) -> None:
    """Load the model of a folder once and embed with it. Raises ConfigInvalid."""
    SentenceModel(find_model(folder.expanduser().resolve()))


class SentenceModel:
    """A loaded model, which was tried. ``name``: made of its files, so that two models never share one; ``sides``:
    dimensions of its vectors. For use by any thread. Raises ConfigInvalid where the files are no such model."""

    def __init__(self, files: ModelFiles) -> None:
        import numpy as np

        self._numpy, self._pooling = np, files.pooling
        self._tokenizer = _tokenizer_of(files)
        self._session = _session_of(files)
        self._inputs = {given.name: np.dtype(_whole_number(files, given)) for given in self._session.get_inputs()}
        self._output, self._is_pooled = _output_of(files, self._session.get_outputs())
        self.name = f"onnx:{_digest(files)}"
        try:
            self.sides = self._tried()
        except Exception as failed:  # noqa: BLE001 - the libraries raise nothing narrower
            raise _unfit(files.model, f"it cannot embed a sentence: {failed}") from None
        self._common = sum(map(self.unit_vector, _EVERYDAY)) / len(_EVERYDAY)

    def vector(self, text: str) -> tuple[float, ...]:
        """The vector of a text as it is compared: without what the model gives to every sentence (Mu and Viswanath
        2018, "All-but-the-Top"). Some models put all sentences near each other; without this their cosines would say
        little, and no threshold would fit two models."""
        own = self.unit_vector(text)
        rest = own - self._common
        length = float(self._numpy.linalg.norm(rest))
        return tuple((rest / length if length > _LENGTH_MIN else own).tolist())

    def unit_vector(self, text: str) -> Any:
        """The vector of a text as the model makes it, of length 1: an array of ``sides`` floats."""
        # Not every model can take a text without any token; token 0 is known to all.
        return self._of_tokens(self._tokenizer.encode(text).ids or [0])

    def _of_tokens(self, ids: list[int]) -> Any:
        np = self._numpy
        tokens = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
        feed = {name: np.array([tokens[name]], kind) for name, kind in self._inputs.items()}
        (found,) = self._session.run([self._output], feed)
        vector = found[0].astype(np.float32)
        if not self._is_pooled:
            # All tokens are the text's own: without padding the mask is 1 everywhere.
            vector = vector[0] if self._pooling == "cls" else vector.mean(axis=0)
        return vector / max(float(np.linalg.norm(vector)), _LENGTH_MIN)

    def _tried(self) -> int:
        """Dimensions of the vectors of a short text, a very long one and the last token there is. Raises ValueError."""
        shapes = set()
        long, last = " ".join(_EVERYDAY * 8), self._tokenizer.get_vocab_size() - 1
        for vector in (self.unit_vector(_EVERYDAY[0]), self.unit_vector(long), self._of_tokens([last])):
            if vector.ndim != 1 or not 1 <= len(vector) <= DIMENSIONS_MAX:
                raise ValueError(f"a vector of the shape {vector.shape}, wanted are 1 to {DIMENSIONS_MAX} numbers")
            if not self._numpy.isfinite(vector).all() or not vector.any():
                raise ValueError("its vector is zero or not finite")
            shapes.add(len(vector))
        if len(shapes) > 1:
            raise ValueError(f"vectors of {sorted(shapes)} dimensions")
        return shapes.pop()


def _pooling_of(folder: Path) -> Pooling:
    """How the tokens become one vector, as the folder says; without a word it is their mean. Raises ConfigInvalid."""
    path = folder / _POOLING
    if not path.is_file():
        return "mean"
    try:
        chosen = {name for name, value in json.loads(path.read_text(encoding="utf-8")).items() if value is True}
    except (OSError, ValueError, AttributeError) as broken:
        raise _unfit(path, f"it cannot be read: {broken}") from None
    modes = {name for name in chosen if name.startswith("pooling_mode_")}
    if modes == {"pooling_mode_cls_token"}:
        return "cls"
    if modes <= {"pooling_mode_mean_tokens"}:
        return "mean"
    raise _unfit(path, f"it wants {', '.join(sorted(modes))}; known are the mean of the tokens and the first token")


def _tokenizer_of(files: ModelFiles) -> Any:
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(files.tokenizer))
    except Exception as broken:  # noqa: BLE001 - the library raises nothing narrower
        raise _unfit(files.tokenizer, f"it is no tokenizer: {broken}") from None
    own = tokenizer.truncation
    tokenizer.enable_truncation(min(TOKENS_MAX, TOKENS_MAX if own is None else own["max_length"]))
    tokenizer.no_padding()
    return tokenizer


def _session_of(files: ModelFiles) -> Any:
    """The model, ready to run on one core: its process has other work, and so have the other cores."""
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(files.model), options, providers=["CPUExecutionProvider"])
    except Exception as broken:  # noqa: BLE001 - the library raises nothing narrower
        raise _unfit(files.model, f"it cannot be loaded: {broken}") from None


def _whole_number(files: ModelFiles, given: Any) -> str:
    """The type of an input, int64 or int32. Raises ConfigInvalid."""
    kind: str = given.type.removeprefix("tensor(").removesuffix(")")
    if given.name not in _FED or kind not in ("int64", "int32"):
        known = ", ".join(sorted(_FED))
        raise _unfit(files.model, f"it wants the input {given.name!r} of type {kind}; known are {known}")
    return kind


def _output_of(files: ModelFiles, outputs: Any) -> tuple[str, bool]:
    """The output to read, and whether it is one vector a text already: what is named so, else vectors of tokens, else
    the first matrix. Raises ConfigInvalid."""
    ranks = {found.name: len(found.shape) for found in outputs if "float" in found.type}
    if ranks.get(_POOLED) == 2:
        return _POOLED, True
    for wanted in (3, 2):
        for name, rank in ranks.items():
            if rank == wanted:
                return name, rank == 2
    told = ", ".join(f"{found.name} {found.type} {found.shape}" for found in outputs)
    raise _unfit(files.model, f"no output is a matrix of numbers, neither of tokens nor of sentences: {told}")


def _digest(files: ModelFiles) -> str:
    """A short hash of everything that decides about the vectors."""
    digest = hashlib.blake2b(files.pooling.encode(), digest_size=6)
    # Large models keep their weights beside them: model.onnx_data, model.onnx.data.
    for path in (*sorted(files.model.parent.glob(f"{files.model.name}*")), files.tokenizer):
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def _unfit(path: Path, problem: str) -> ConfigInvalid:
    fix = "Take a sentence-embedding model as ONNX with its tokenizer.json, see docs/MODELS.md."
    return ConfigInvalid(SETTING, f"{path}: {problem[:500]}", fix)
