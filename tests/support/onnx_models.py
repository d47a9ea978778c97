"""Tiny models in ONNX form: what a folder may hold instead of a model of sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ("[UNK]", "the", "boat", "dock", "gun")
SIDES = 4
OUTPUTS = {
    "tokens": ("vectors", TensorProto.FLOAT, ["batch", "sequence", SIDES]),
    "sentence": ("pooled", TensorProto.FLOAT, ["batch", SIDES]),
    "numbers": ("input_ids_again", TensorProto.INT64, ["batch", "sequence"]),
    "one number": ("total", TensorProto.FLOAT, ["one"]),
}


def tiny_model(
    folder: Path,
    output: str = "tokens",
    *,
    name: str = "model.onnx",
    types: bool = False,
    mask: bool = True,
    other: str = "",
    rows: int = len(WORDS),
    scale: float = 1.0,
) -> Path:
    """A folder with a model that gives each token a vector of its own. ``output``: of OUTPUTS; ``types`` and ``mask``:
    whether it wants those inputs, ``other``: one more; ``rows``: tokens that it knows."""
    wanted = ["input_ids", *(["attention_mask"] if mask else []), *(["token_type_ids"] if types else [])]
    wanted += [other] if other else []
    inputs = [helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", "sequence"]) for each in wanted]
    table = np.eye(rows, SIDES, dtype=np.float32) * scale + np.float32(0.1) * np.float32(scale)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMax", ["vectors"], ["pooled"], axes=[1], keepdims=0),
        helper.make_node("Identity", ["input_ids"], ["input_ids_again"]),
        helper.make_node("ReduceSum", ["vectors", "axes"], ["total"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([0, 1, 2], np.int64), "axes"),
    ]
    given = helper.make_tensor_value_info(*OUTPUTS[output])
    graph = helper.make_graph(nodes, "tiny", inputs, [given], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / name))
    tiny_tokenizer(folder)
    return folder


def tiny_tokenizer(folder: Path) -> None:
    """A tokenizer of a few words, without marks at the ends of a text."""
    tokenizer = Tokenizer(models.WordLevel({word: no for no, word in enumerate(WORDS)}, unk_token=WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
