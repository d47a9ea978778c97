"""Trains the model of ``ganggpt.domain.language.speech_acts`` and writes ``speech_acts.npz`` beside it.

    python -m tools.train_speech_acts [--check]

It learns from ``tests/data/speech_acts/cues-*.tsv`` (short pieces by which an act is recognised) and ``lines-*.tsv``
(whole lines); what is in ``held-*.tsv`` was written by others and is never learned from. A linear support vector
machine for each act (scikit-learn, which only this script needs: ``pip install scikit-learn``), rounded to whole
numbers, and a temperature that turns margins into probabilities. ``--check`` writes nothing, learns from four fifths of
the lines and prints how many of the others are heard right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse
from rich.console import Console
from rich.table import Table
from sklearn.svm import LinearSVC

from ganggpt.domain.language import speech_acts
from ganggpt.domain.language.speech_acts import ACTS, ROWS, features

DATA: Final = Path(__file__).parents[1] / "tests" / "data" / "speech_acts"
MODEL: Final = Path(speech_acts.__file__).with_name("speech_acts.npz")
C: Final = 1.0
"""Of 0.03 to 3, what heard a fifth of the lines best that was not learned from."""
SHARPNESS: Final = 6.0
"""What margins are multiplied with before the softmax, so that a confidence of 0.7 is right in about 7 of 10 lines."""
TOP: Final = 127


class Labelled(NamedTuple):
    """A line and the acts it does, the first one first."""

    acts: tuple[str, ...]
    text: str


def labelled(kind: str) -> dict[str, list[Labelled]]:
    """The lines of one kind (cues, lines, held) by language."""
    return {path.stem.split("-")[1]: list(_read(path)) for path in sorted(DATA.glob(f"{kind}-*.tsv"))}


def _read(path: Path) -> Iterator[Labelled]:
    for row in path.read_text(encoding="utf-8").splitlines():
        acts, text = row.split("\t")
        texts = text.split("|") if path.stem.startswith("cues") else (text,)
        yield from (Labelled(tuple(acts.split("+")), one) for one in texts)


def matrix(rows: Sequence[Labelled]) -> Any:
    """A row for each text, its features of equal size and unit length together."""
    starts, columns, values = [0], [], []
    for row in rows:
        found = sorted(features(row.text))
        columns += found
        values += [len(found) ** -0.5] * len(found)
        starts.append(len(columns))
    return scipy.sparse.csr_matrix((values, columns, starts), shape=(len(rows), ROWS), dtype=np.float32)


def trained(rows: Sequence[Labelled]) -> dict[str, Any]:
    """The parts of the model, as ``speech_acts`` reads them."""
    model = LinearSVC(C=C, random_state=1)
    model.fit(matrix(rows), [ACTS.index(row.acts[0]) for row in rows])
    weights = model.coef_.T
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9995)) / TOP
    rounded = np.ascontiguousarray(np.clip(np.rint(weights / scale), -TOP, TOP).astype(np.int8))
    return {
        "rows": rounded,
        "bias": (SHARPNESS * model.intercept_).astype(np.float32),
        "scale": np.float32(SHARPNESS * scale),
    }


def right(rows: Sequence[Labelled]) -> float:
    """The share of lines whose act is one of those they do."""
    return sum(speech_acts.hear(row.text).main.act in row.acts for row in rows) / max(1, len(rows))


def main(arguments: Sequence[str]) -> None:
    """Train, and show what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    lines, apart = labelled("lines"), labelled("held")
    learned = [row for rows in labelled("cues").values() for row in rows]
    if check:
        for language, rows in lines.items():
            Random(2).shuffle(rows)  # noqa: S311 - a split
            apart.setdefault(f"{language} (a fifth)", rows[: len(rows) // 5])
            del rows[: len(rows) // 5]
    learned += [row for rows in lines.values() for row in rows]
    parts = trained(learned)
    if not check:
        np.savez_compressed(MODEL, **parts)
    speech_acts.use(parts)
    table = Table("lines", "count", "right", "sure", "right of the sure")
    for language, rows in apart.items():
        sure = [row for row in rows if speech_acts.hear(row.text).main.confidence >= speech_acts.SURE]
        table.add_row(language, str(len(rows)), f"{right(rows):.3f}", str(len(sure)), f"{right(sure):.3f}")
    Console().print(f"learned from {len(learned):,} texts", table)


if __name__ == "__main__":
    main(sys.argv[1:])
