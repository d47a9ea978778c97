"""Many seeds: played one after the other, or by several processes at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final

from ganggpt.errors import InvalidInput
from ganggpt.simulation.mutations import MUTATIONS
from ganggpt.simulation.run import Outcome, history, run_seed
from ganggpt.simulation.scenario import SCENARIOS

SEEDS_MAX: Final = 10_000_000
JOBS_MAX: Final = 256
CHUNK: Final = 50
"""Seeds between two collections of garbage, and of one task of a process."""


def seeds_from(first: int, count: int) -> range:
    """So many seeds. Raises InvalidInput."""
    if first < 0:
        raise InvalidInput("--seed", f"{first} is no seed; a seed is a number from 0 on")
    if not 1 <= count <= SEEDS_MAX:
        raise InvalidInput("--seeds", f"{count} seeds cannot be played; give a number from 1 to {SEEDS_MAX:,}")
    return range(first, first + count)


def play_seeds(seeds: range, scenario: str, mutation: str | None = None, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of every seed, in no order where several ``jobs`` play. Raises InvalidInput."""
    if scenario not in SCENARIOS:
        raise InvalidInput("--scenario", f"there is no {scenario!r}; there are {', '.join(SCENARIOS)}")
    if mutation is not None and mutation not in MUTATIONS:
        raise InvalidInput("--mutation", f"there is no {mutation!r}; there are {', '.join(MUTATIONS)}")
    if not 1 <= jobs <= JOBS_MAX:
        raise InvalidInput("--jobs", f"{jobs} processes cannot play; give a number from 1 to {JOBS_MAX}")
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from play_chunk(chunk, scenario, mutation)
        return
    with ProcessPoolExecutor(jobs) as pool:
        asked = [pool.submit(_played, chunk, scenario, mutation) for chunk in chunks]
        try:
            for done in as_completed(asked):
                yield from done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def play_chunk(seeds: Sequence[int], scenario: str, mutation: str | None = None) -> Iterator[Outcome]:
    """Play some seeds here. Garbage is collected after them, and only what they left behind."""
    history()
    collects = gc.isenabled()
    gc.disable()
    try:
        with MUTATIONS[mutation].in_force() if mutation is not None else contextlib.nullcontext():
            for seed in seeds:
                yield run_seed(seed, SCENARIOS[scenario])
    finally:
        gc.collect(0)
        if collects:
            gc.enable()


def _played(seeds: Sequence[int], scenario: str, mutation: str | None) -> list[Outcome]:
    return list(play_chunk(seeds, scenario, mutation))
