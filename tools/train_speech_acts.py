"""Trains the model of ``ganggpt.domain.language.speech_acts`` and writes ``speech_acts.npz`` beside it.

    python -m tools.train_speech_acts [--check]

It learns from ``tests/data/speech_acts``: ``cues-*.tsv`` (short pieces by which an act is recognised), ``lines-*.tsv``
(whole lines) and ``patterns-*.tsv`` (lines with alternatives, of each of which some are made up), and what a threat is
also from ``menace-*.tsv``; what is in ``held-*.tsv``, ``threats.tsv`` and ``harmless.tsv`` was written by others and is
never learned from. A linear support vector machine for each act and one for threats and robberies (scikit-learn, which
only this script needs: ``pip install scikit-learn``), rounded to whole numbers, and a temperature that turns margins
into probabilities. ``--check`` writes nothing, learns from four fifths of the lines and prints how many of the others
are heard right.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse
from rich.console import Console
from rich.table import Table
from sklearn.svm import LinearSVC

from ganggpt.domain.language import speech_acts
from ganggpt.domain.language.speech_acts import ACTS, HOSTILE, ROWS, features, tokens_of

DATA: Final = Path(__file__).parents[1] / "tests" / "data" / "speech_acts"
MODEL: Final = Path(speech_acts.__file__).with_name("speech_acts.npz")
C: Final = 1.0
"""Of 0.03 to 3, what heard a fifth of the lines best that was not learned from."""
SHARPNESS: Final = 6.0
"""What margins are multiplied with before the softmax, so that a confidence of 0.7 is right in about 7 of 10 lines."""
MENACE_C: Final = 0.15
MENACE_WEIGHT: Final = 5.0
"""The same for threats and robberies against all else, and how much a line counts that was written for that."""
MENACE_FROM: Final = 0.1
"""Margin from which a line is a menace: with less, more threats are found, and more harmless lines mistaken."""
TOP: Final = 127
MADE: Final = 16
"""Lines made of a pattern, at most."""
_ALTERNATIVES: Final = re.compile(r"\(([^()]*)\)")


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
        yield from (Labelled(tuple(acts.split("+")), one) for one in _texts(path.stem.partition("-")[0], text))


def _texts(kind: str, text: str) -> Iterable[str]:
    if kind == "cues":
        return text.split("|")
    if kind == "patterns":
        dice = Random(text)  # noqa: S311 - the same lines each time
        return {_ALTERNATIVES.sub(lambda found: dice.choice(found[1].split("|")), text) for _ in range(MADE)}
    return (text,)


def matrix(rows: Sequence[Labelled]) -> Any:
    """A row for each text, its features of equal size and unit length together."""
    starts, columns, values = [0], [], []
    for row in rows:
        found = sorted(features(tokens_of(row.text)))
        columns += found
        values += [len(found) ** -0.5] * len(found)
        starts.append(len(columns))
    return scipy.sparse.csr_matrix((values, columns, starts), shape=(len(rows), ROWS), dtype=np.float32)


def trained(rows: Sequence[Labelled]) -> dict[str, Any]:
    """The parts of the model, as ``speech_acts`` reads them."""
    model = LinearSVC(C=C, random_state=1)
    model.fit(matrix(rows), [ACTS.index(row.acts[0]) for row in rows])
    menace = _menace_of(rows)
    weights = np.hstack([model.coef_.T, menace.coef_.T])
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9995)) / TOP
    rounded = np.ascontiguousarray(np.clip(np.rint(weights / scale), -TOP, TOP).astype(np.int8))
    return {
        "rows": rounded,
        "bias": (SHARPNESS * np.append(model.intercept_, menace.intercept_ - MENACE_FROM)).astype(np.float32),
        "scale": np.float32(SHARPNESS * scale),
    }


def _menace_of(rows: Sequence[Labelled]) -> Any:
    """What tells a threat or a robbery from all else."""
    apart = [row for kind in ("threats", "harmless") for row in _read(DATA / f"menace-{kind}.tsv")]
    hostile = [bool(HOSTILE.intersection(row.acts)) for row in rows]
    every = [*rows, *apart]
    model = LinearSVC(C=MENACE_C, random_state=1)
    model.fit(
        matrix(every),
        [*hostile, *(row.acts[0] == "threat" for row in apart)],
        sample_weight=[1.0] * len(rows) + [MENACE_WEIGHT] * len(apart),
    )
    return model


def right(rows: Sequence[Labelled]) -> float:
    """The share of lines whose act is one of those they do."""
    return sum(speech_acts.hear(row.text).main.act in row.acts for row in rows) / max(1, len(rows))


def main(arguments: Sequence[str]) -> None:
    """Train, and show what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    lines, apart = labelled("lines"), labelled("held")
    learned = [row for kind in ("cues", "patterns") for rows in labelled(kind).values() for row in rows]
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
