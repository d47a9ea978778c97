"""A linear model of lines as it is shipped: a row of small whole numbers for each feature, a column for each answer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class LinearModel(NamedTuple):
    """Rows (features × columns), the bias of each column, and what a whole number of the rows stands for."""

    rows: NDArray[np.int8]
    bias: NDArray[np.float64]
    scale: float


def made_of(parts: Mapping[str, Any]) -> LinearModel:
    """A model of its arrays ``rows``, ``bias`` and ``scale``."""
    return LinearModel(np.ascontiguousarray(parts["rows"]), parts["bias"].astype(np.float64), float(parts["scale"]))


def shipped(name: str) -> LinearModel:
    """The model that ships with the program under a file name."""
    with files(__package__).joinpath(name).open("rb") as file, np.load(file) as data:
        return made_of(data)
