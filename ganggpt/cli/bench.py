"""``bench``: the benchmark of a checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ganggpt.errors import StartFailed

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def run_bench(options: Sequence[str]) -> None:
    """Become the benchmark, which is a part of a checkout and not of the installed package. Raises StartFailed."""
    if not (_CHECKOUT / "bench" / "run.py").is_file():
        raise StartFailed("The benchmark is not part of an installed package.", "Run it in a checkout.")
    os.chdir(_CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "bench.run", *options])  # noqa: S606 - our own words only
