"""Trains the classifier of speech acts on labelled lines: ``python -m tools.speech_acts.train``.

Multinomial logistic regression over the features of ``ganggpt.domain.language.acts``, with L2 and without randomness, so
that the same lines give the same weights. Prints how it does on lines it was never trained on (``held_out-*.tsv``) and, by
five-fold cross-validation, on its own.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ganggpt.domain.language.acts.features import features

LINES: Final = Path("tests/data/speech_acts")
WEIGHTS: Final = Path("ganggpt/domain/language/acts/weights.msgpack")
SEEN_MIN: Final = 2
ROUNDS: Final = 300
L2: Final = 0.4
SCALE: Final = 32


class Labelled(NamedTuple):
    """A line with its acts: all of ``acts`` hold, or, where ``either``, any of them."""

    language: str
    acts: tuple[str, ...]
    either: bool
    text: str


def read(kind: str) -> list[Labelled]:
    """All labelled lines of a kind (train, held_out)."""
    found = []
    for path in sorted(LINES.glob(f"{kind}-*.tsv")):
        for line in path.read_text("utf-8").splitlines():
            language, acts, text = line.split("\t")
            found.append(Labelled(language, tuple(acts.replace("|", "+").split("+")), "|" in acts, text))
    return found


class Model(NamedTuple):
    """Weights by feature and act."""

    acts: tuple[str, ...]
    rows: dict[str, int]
    weights: np.ndarray

    def scores(self, text: str) -> np.ndarray:
        """The probability of each act."""
        seen = [self.rows[name] for name in features(text) if name in self.rows]
        return softmax(self.weights[seen].sum(axis=0)[None, :])[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit(lines: Sequence[Labelled], l2: float = L2, rounds: int = ROUNDS) -> Model:
    """Weights by full-batch Adam."""
    acts = tuple(sorted({act for line in lines for act in line.acts}))
    seen = [features(line.text) for line in lines]
    counts = Counter(name for names in seen for name in names)
    rows = {name: at for at, name in enumerate(name for name, count in counts.items() if count >= SEEN_MIN)}
    index = [np.array([rows[name] for name in names if name in rows]) for names in seen]
    flat, starts = np.concatenate(index), np.concatenate(([0], np.cumsum([len(one) for one in index])[:-1]))
    owner = np.repeat(np.arange(len(index)), [len(one) for one in index])
    order = np.argsort(flat, kind="stable")
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(flat[order]) > 0)))
    wanted = np.zeros((len(lines), len(acts)), np.float32)
    for at, line in enumerate(lines):
        for act in line.acts:
            wanted[at, acts.index(act)] = 1 / len(line.acts)
    weights = np.zeros((len(rows), len(acts)), np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, rounds + 1):
        logits = np.add.reduceat(weights[flat], starts, axis=0)
        error = softmax(logits) - wanted
        slope = np.add.reduceat(error[owner[order]], firsts, axis=0) + l2 * weights
        mean += 0.1 * (slope - mean)
        square += 0.001 * (slope**2 - square)
        rate = 0.05 * (1 - step / (rounds + 1)) + 0.001
        weights -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return Model(acts, rows, weights)


def right(model: Model, line: Labelled) -> bool:
    """Whether the likeliest act is one of the line's."""
    return model.acts[int(model.scores(line.text).argmax())] in line.acts


def report(name: str, tried: Iterable[tuple[Labelled, Model]], *, show: bool = False) -> None:
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line, model in tried:
        total[line.language] += 1
        if right(model, line):
            good[line.language] += 1
        elif show:
            scores = model.scores(line.text)
            print(f"  {line.language} {'+'.join(line.acts):24} {model.acts[int(scores.argmax())]:14} {line.text}")
    shares = "  ".join(
        f"{language} {good[language] / total[language]:.3f} ({total[language]})" for language in sorted(total)
    )
    print(f"{name}: {shares}")


def folds(lines: Sequence[Labelled], count: int = 5) -> Iterable[tuple[Labelled, Model]]:
    for part in range(count):
        model = fit([line for at, line in enumerate(lines) if at % count != part])
        yield from ((line, model) for at, line in enumerate(lines) if at % count == part)


def save(model: Model) -> None:
    """Write what ``acts.speech_act`` reads: whole numbers of 1/SCALE, weights near 0 left out."""
    small = np.rint(model.weights * SCALE).astype(int)
    kept = {
        name: [(int(act), int(small[row, act])) for act in np.flatnonzero(small[row])]
        for name, row in model.rows.items()
    }
    kept = {name: weights for name, weights in kept.items() if weights}
    WEIGHTS.write_bytes(msgspec.msgpack.encode({"acts": model.acts, "scale": SCALE, "features": kept}))
    print(f"{WEIGHTS}: {len(kept)} features, {WEIGHTS.stat().st_size:,} bytes")


def main() -> None:
    """Train, report, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print every line that is misread")
    parser.add_argument("--folds", action="store_true", help="cross-validate on the training lines")
    asked = parser.parse_args()
    lines = read("train")
    if asked.folds:
        report("cross-validated", folds(lines), show=asked.show)
    model = fit(lines)
    report("trained on", ((line, model) for line in lines))
    held_out = read("held_out")
    if held_out:
        report("held out", ((line, model) for line in held_out), show=asked.show and not asked.folds)
    save(model)


if __name__ == "__main__":
    main()
