"""``sim``: many simulated worlds, with progress; the violations that were found, and how to repeat them."""

from __future__ import annotations

import os
import shlex
import time
from typing import Any, Final

import msgspec
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganggpt.cli.screen import screen
from ganggpt.simulation.mutations import MUTATIONS
from ganggpt.simulation.run import SeedOutcome, run_seed
from ganggpt.simulation.scenario import SCENARIOS
from ganggpt.simulation.seeds import play_seeds, seeds_from

TOLD_MAX: Final = 10
"""Seeds with violations that are shown in full; all are counted."""


def run_sim(first: int, count: int, scenario: str, mutation: str | None, jobs: int | None) -> bool:
    """Play seeds from ``first`` on and show their result; True when no promise was broken. Raises InvalidInput."""
    seeds = seeds_from(first, count)
    violations = commands = played = told = 0
    began_s = time.perf_counter()
    with _progress() as progress:
        shown = progress.add_task("seeds", total=count)
        for outcome in play_seeds(seeds, scenario, mutation, jobs or os.cpu_count() or 1):
            played += 1
            commands += outcome.commands
            progress.update(shown, completed=played, description=f"{violations} violations")
            if outcome.violations:
                violations += len(outcome.violations)
                told += 1
                if told <= TOLD_MAX:
                    _tell(outcome, scenario, mutation)
    seconds = time.perf_counter() - began_s
    result = {
        "seeds": played,
        "violations": violations,
        "seeds_per_s": round(played / seconds, 1),
        "commands": commands,
    }
    if mutation is not None:
        screen.say(f"the runtime was broken on purpose: {MUTATIONS[mutation].tells}")
    screen.result(result, f"what {played:,} seeds of the {scenario} scenario found")
    return not violations


def replay(seed: int, scenario: str, mutation: str | None) -> bool:
    """Play one seed and tell its whole story; True when no promise was broken. Raises InvalidInput."""
    seeds_from(seed, 1)
    if mutation is None and scenario in SCENARIOS:
        outcome = run_seed(seed, SCENARIOS[scenario], traced=True)
    else:
        (outcome,) = play_seeds(range(seed, seed + 1), scenario, mutation)
    for line in outcome.story:
        screen.say(f"[dim]{escape(line)}[/]")
    if outcome.violations:
        _tell(outcome, scenario, mutation)
    facts: dict[str, Any] = {"seed": seed, "violations": len(outcome.violations), "commands": outcome.commands}
    facts |= {"virtual_s": round(outcome.virtual_s, 3), "digest": outcome.digest, **outcome.counts}
    screen.result(facts, f"seed {seed} of the {scenario} scenario")
    return not outcome.violations


def _tell(outcome: SeedOutcome, scenario: str, mutation: str | None) -> None:
    words = ["ganggpt", "sim", "--seed", str(outcome.seed), "--scenario", scenario]
    words += ["--mutation", mutation] if mutation is not None else []
    again = shlex.join(words)
    if screen.as_json:
        screen.json_line({"seed": outcome.seed, "broken": msgspec.to_builtins(outcome.violations), "again": again})
        return
    screen.say(f"[red]seed {outcome.seed}[/]: repeat it with [bold]{escape(again)}[/]")
    for violation in outcome.violations:
        screen.say(f"  [bold]{escape(violation.checker)}[/]: {escape(violation.facts)}")


def _progress() -> Progress:
    return screen.progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
