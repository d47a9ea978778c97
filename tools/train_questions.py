"""Trains the model of ``ganggpt.domain.language.questions`` and writes ``questions.npz`` beside it.

    python -m tools.train_questions [--check]

It learns from ``tests/data/questions``: ``lines-*.tsv``, a topic and a line a row. ``<person>``, ``<place>``,
``<faction>`` and ``<ware>`` stand for names; each such line is learned with the mask that stands for a known name, and
once more with a name nobody knows. Languages are learned from the same lines, those of ``tests/data/speech_acts``
and some of others. What is in ``held-*.tsv`` was written by others and is never learned from. Linear support vector
machines (scikit-learn: ``pip install scikit-learn``), rounded to whole numbers. ``--check`` writes nothing, learns from
four fifths of the lines and prints how many of the others are heard right.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse
from rich.console import Console
from rich.table import Table
from sklearn.svm import LinearSVC

from ganggpt.domain.language import questions
from ganggpt.domain.language.questions import COLUMNS, LANGUAGES, OTHER_LANGUAGE, ROWS, TOPICS, rows_of
from ganggpt.domain.language.speech_acts import tokens_of

DATA: Final = Path(__file__).parents[1] / "tests" / "data" / "questions"
SPEECH_ACTS: Final = DATA.with_name("speech_acts")
MODEL: Final = Path(questions.__file__).with_name("questions.npz")
C: Final = 1.0
SHARPNESS: Final = 7.0
"""What margins are multiplied with before the softmax, so that a confidence of 0.7 is right in about 7 of 10 lines."""
TOP: Final = 127
_SLOT: Final = re.compile(r"<(person|place|faction|ware)>")
_STRANGE: Final = {
    "person": "Johnny Silva|Ray|Big Tommy|Natasha|Miguel|Frankie|the guy with the scar|old Jenkins|Lena|Bruno K",
    "place": "Vespucci|the docks|downtown|Rosewood|the market|the old mill|Grove|Hillcrest|the north side",
    "faction": "the Reds|the Kings|those bikers|the Bratva|the Saints|the Dragons|the Syndicate|the Vipers",
    "ware": "a gun|bread|a bike|cigarettes|medicine|a phone|bullets|beer|a jacket|fish|tires|a burger",
}
"""Names that nobody knows."""


class Labelled(NamedTuple):
    """A line with its topic and its language."""

    topic: str
    language: str
    text: str


def labelled(kind: str) -> list[Labelled]:
    """The lines of one kind (lines, held) with the language of their file."""
    rows = []
    for path in sorted(DATA.glob(f"{kind}-*.tsv")):
        language = path.stem.split("-")[1]
        for row in path.read_text(encoding="utf-8").splitlines():
            topic, text = row.split("\t")
            rows.append(Labelled(topic, language, text))
    return rows


def learned(rows: Sequence[Labelled]) -> Iterator[Labelled]:
    """What is learned of each line: with masks, and with names nobody knows."""
    for row in rows:
        yield row._replace(text=_SLOT.sub(lambda found: f"x{found[1]}", row.text))
        if _SLOT.search(row.text):
            yield row._replace(text=_SLOT.sub(partial(_strange, Random(row.text)), row.text))  # noqa: S311 - the same


def _strange(dice: Random, slot: re.Match[str]) -> str:
    return dice.choice(_STRANGE[slot[1]].split("|"))


def spoken() -> Iterator[tuple[str, str]]:
    """Lines of which only the language counts."""
    for path in sorted(SPEECH_ACTS.glob("lines-*.tsv")):
        language = path.stem.split("-")[1]
        rows = path.read_text(encoding="utf-8").splitlines()
        Random(3).shuffle(rows)  # noqa: S311 - a choice
        for row in rows[:2500]:
            yield language, row.split("\t")[1]


def matrix(texts: Sequence[str]) -> Any:
    """A row for each text, its features of equal size and unit length together."""
    starts, columns, values = [0], [], []
    for text in texts:
        found = sorted(rows_of(tokens_of(text)))
        columns += found
        values += [len(found) ** -0.5] * len(found)
        starts.append(len(columns))
    return scipy.sparse.csr_matrix((values, columns, starts), shape=(len(texts), ROWS), dtype=np.float32)


def trained(rows: Sequence[Labelled]) -> dict[str, Any]:
    """The parts of the model, as ``questions`` reads them."""
    every = list(learned(rows))
    topics = LinearSVC(C=C, random_state=1)
    topics.fit(matrix([row.text for row in every]), [TOPICS.index(row.topic) for row in every])
    tongues = [(row.language, row.text) for row in every] + list(spoken())
    known = (*LANGUAGES, OTHER_LANGUAGE)
    languages = LinearSVC(C=C, random_state=1)
    languages.fit(matrix([text for _, text in tongues]), [known.index(language) for language, _ in tongues])
    weights = np.hstack([topics.coef_.T, languages.coef_.T])
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9995)) / TOP
    rounded = np.ascontiguousarray(np.clip(np.rint(weights / scale), -TOP, TOP).astype(np.int8))
    assert rounded.shape == (ROWS, len(COLUMNS))
    return {
        "rows": rounded,
        "bias": (SHARPNESS * np.concatenate([topics.intercept_, languages.intercept_])).astype(np.float32),
        "scale": np.float32(SHARPNESS * scale),
    }


def main(arguments: Sequence[str]) -> None:
    """Train, and show what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    lines, apart = labelled("lines"), labelled("held")
    if check:
        Random(2).shuffle(lines)  # noqa: S311 - a split
        fifth = len(lines) // 5
        apart += [row._replace(language=f"{row.language} (a fifth)") for row in lines[:fifth]]
        lines = lines[fifth:]
    parts = trained(lines)
    if not check:
        np.savez_compressed(MODEL, **parts)
    questions.use(parts)
    table = Table("lines", "count", "right", "one of two", "sure", "right of the sure", "language")
    for language in sorted({row.language for row in apart}):
        table.add_row(language, *_shown([row for row in apart if row.language == language]))
    Console().print(f"learned from {len(lines):,} lines", table)


def _shown(rows: Sequence[Labelled]) -> Iterator[str]:
    heard = [questions.topics_of_line(_SLOT.sub(lambda found: f"x{found[1]}", row.text)) for row in rows]
    right = [row.topic == two[0].topic for row, two in zip(rows, heard, strict=True)]
    either = [row.topic in (two[0].topic, two[1].topic) for row, two in zip(rows, heard, strict=True)]
    sure = [was for was, two in zip(right, heard, strict=True) if two[0].confidence >= questions.SURE]
    spoken_right = [questions.language_shares(row.text)[0] == row.language.split()[0] for row in rows]
    yield from (str(len(rows)), f"{np.mean(right):.3f}", f"{np.mean(either):.3f}", str(len(sure)))
    yield from (f"{np.mean(sure):.3f}", f"{np.mean(spoken_right):.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
