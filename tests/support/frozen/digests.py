"""Two digests of each of many simulated worlds: of the journal alone, and of the schedule and the journal.

Where only the second differs, the same things happened in another order. The version byte of a stored turn is left
out, so that a new layout of the same events changes nothing. How many callbacks asyncio needs for a task depends on
Python, so the record holds for one version of it.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import random
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from ganggpt.simulation.run import Trial, history
from ganggpt.simulation.scenario import SCENARIOS

RECORD: Final = Path(__file__).parents[2] / "data" / "digests.txt"
SEEDS: Final = 300
PLAYED: Final = ("small", "mixed", "clusters")
PROCESSES: Final = 2
PYTHON: Final = (3, 11)
"""The version that the record was written with."""

_CHUNK: Final = 25


class Digests(NamedTuple):
    """Of one seed."""

    journal: str
    whole: str


def digests_of(seed: int, scenario: str) -> Digests:
    """Play one seed as ``run_seed`` does, and hash what ran and what the journal says in the end."""
    past, dice = history(), random.getstate()
    whole, journal = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    try:
        trial = Trial(seed, SCENARIOS[scenario], past)
        scheduler = trial.scheduler
        scheduler.trace = lambda name, callbacks: whole.update(f"{scheduler.now_s!r} {name} {callbacks}\n".encode())
        trial.play()
    finally:
        random.setstate(dice)
    for actor, turns in trial.database.tables.turns.items():
        for seq, command_id, body, epoch in turns:
            journal.update(f"{actor} {seq} {epoch} {len(body)} ".encode() + command_id + body[:1] + body[2:])
    whole.update(journal.digest())
    return Digests(journal.hexdigest(), whole.hexdigest())


def play(seeds: Iterable[int], scenario: str) -> list[Digests]:
    """Play some seeds here, quietly. Garbage is collected after them, as ``play_chunk`` does."""
    logger, collects = logging.getLogger("ganggpt.actors"), gc.isenabled()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    gc.disable()
    try:
        with warnings.catch_warnings():
            # A process that is killed leaves coroutines that were never awaited, as real ones do.
            warnings.simplefilter("ignore", RuntimeWarning)
            return [digests_of(seed, scenario) for seed in seeds]
    finally:
        logger.setLevel(level)
        gc.collect(0)
        if collects:
            gc.enable()


def play_all(seeds: Sequence[int] = range(SEEDS)) -> dict[str, list[Digests]]:
    """Play the seeds in every scenario, in several processes."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        asked = {name: [pool.submit(play, chunk, name) for chunk in chunks] for name in PLAYED}
        return {name: [digests for done in asked[name] for digests in done.result()] for name in PLAYED}


def read() -> dict[str, list[Digests]]:
    """What is recorded, by scenario; the place in the list is the seed."""
    recorded: dict[str, list[Digests]] = {name: [] for name in PLAYED}
    for line in RECORD.read_text().splitlines():
        scenario, seed, journal, whole = line.split()
        assert int(seed) == len(recorded[scenario]), line
        recorded[scenario].append(Digests(journal, whole))
    return recorded


def write() -> None:
    """Record them anew: a line for each seed with scenario, seed, the journal's digest and the whole one."""
    played = play_all()
    lines = [f"{name} {seed} {d.journal} {d.whole}\n" for name in PLAYED for seed, d in enumerate(played[name])]
    RECORD.write_text("".join(lines))


def differences(recorded: Sequence[Digests], played: Sequence[Digests]) -> list[str]:
    """Which seeds were played otherwise than recorded, and whether something else happened or only the order is new."""
    return [
        f"seed {seed}: " + ("another journal" if was.journal != now.journal else "another schedule, the same journal")
        for seed, (was, now) in enumerate(zip(recorded, played, strict=True))
        if was != now
    ]
