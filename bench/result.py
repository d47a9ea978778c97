"""What a benchmark run found: every sample, the numbers derived from them, and why a number is missing."""

from __future__ import annotations

import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import psutil
from rich.table import Table

from bench.load_run import LoadResult

FRAMES100: Final = "frames100"
SINGLE: Final = "single"
ALONE: Final = "alone"
LIMIT: Final = "limit"

GOALS: Final[dict[str, tuple[str, float]]] = {
    "frames100_vs_node": ("at least", 2.5),
    "frames100_vs_fastapi": ("at least", 5.0),
    "frames100_vs_naive": ("at least", 100.0),
    "frames100_vs_limit": ("at least", 0.2),
    "single_vs_node": ("at least", 0.8),
    "alone_p50_ms": ("at most", 6.0),
    "hot_npc_bytes": ("at most", 40 * 1024.0),
    "own_actor_bytes": ("at most", 75 * 1024.0 * 1024.0),
    "ready_s": ("at most", 30.0),
    "wake_p50_ms": ("at most", 15.0),
    "idle_bytes": ("at most", 3 * 1024.0**3),
}
"""The goals of the benchmark, on 2 cores."""

NUMBERS: Final = ("frames100_per_s", "single_per_s", *GOALS)


@dataclass(slots=True)
class BenchResult:
    """Samples by (system, case), single numbers by name, and reasons for what was not measured."""

    quick: bool
    samples: dict[tuple[str, str], list[LoadResult]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    reasons: dict[str, str] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, system: str, case: str, measured: LoadResult) -> None:
        """One more round of a case."""
        self.samples[system, case].append(measured)

    def per_s(self, system: str, case: str) -> float | None:
        """Median of the acknowledged events per second over the rounds."""
        return _median([m.per_s for m in self.samples.get((system, case), ())])

    def p50_ms(self, system: str, case: str) -> float | None:
        """Median of the median latencies."""
        return _median([m.p50_ms for m in self.samples.get((system, case), ()) if m.p50_ms is not None])

    def p99_ms(self, system: str, case: str) -> float | None:
        """Median of the 99th percentiles."""
        return _median([m.p99_ms for m in self.samples.get((system, case), ()) if m.p99_ms is not None])

    def numbers(self) -> dict[str, float | None]:
        """The numbers of the benchmark by name; None where something was not measured."""
        frames, single = self.per_s("ganggpt", FRAMES100), self.per_s("ganggpt", SINGLE)
        found = {
            "frames100_per_s": frames,
            "single_per_s": single,
            "frames100_vs_node": _ratio(frames, self.per_s("node", FRAMES100)),
            "frames100_vs_fastapi": _ratio(frames, self.per_s("fastapi", FRAMES100)),
            "frames100_vs_naive": _ratio(frames, self.per_s("naive-ray", FRAMES100)),
            "frames100_vs_limit": _ratio(frames, self.per_s(LIMIT, FRAMES100)),
            "single_vs_node": _ratio(single, self.per_s("node", SINGLE)),
            "alone_p50_ms": self.p50_ms("ganggpt", ALONE),
            **{name: _median(values) for name, values in self.facts.items()},
        }
        return {name: found.get(name) for name in NUMBERS} | {n: v for n, v in found.items() if n not in NUMBERS}

    def refused(self) -> dict[str, int]:
        """Events that were answered with an error, by system and code; a healthy run has none."""
        total: dict[str, int] = defaultdict(int)
        for (system, _), measured in self.samples.items():
            for one in measured:
                for code, count in one.refused.items():
                    total[f"{system}:{code}"] += count
        return dict(total)

    def as_json(self) -> dict[str, Any]:
        """Numbers first, then what they were made of."""
        rows = {
            f"{system}/{case}": {
                "per_s": [round(m.per_s, 1) for m in measured],
                "p50_ms": [m.p50_ms for m in measured],
                "p99_ms": [m.p99_ms for m in measured],
            }
            for (system, case), measured in self.samples.items()
        }
        numbers = {name: None if value is None else round(value, 3) for name, value in self.numbers().items()}
        reasons = {n: self.reasons.get(n, "not measured in this run") for n, v in numbers.items() if v is None}
        return {
            **numbers,
            "reasons": reasons,
            "goals_missed": self.goals_missed(),
            "refused": self.refused(),
            "rows": rows,
            "quick": self.quick,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "machine": machine(),
        }

    def goals_missed(self) -> list[str]:
        """Numbers that are measured and not what was asked for."""
        return [name for name, value in self.numbers().items() if value is not None and not meets(name, value)]

    def throughput_table(self) -> Table:
        """Systems side by side, with the ratio of ours to each."""
        table = Table(title="Events per second (median of rounds), each committed with fsync before its answer")
        for column in (
            "system",
            "frames of 100",
            "ours ×",
            "single, 128 in flight",
            "ours ×",
            "one alone p50 / p99 ms",
        ):
            table.add_column(column, justify="left" if column == "system" else "right")
        ours = self.per_s("ganggpt", FRAMES100), self.per_s("ganggpt", SINGLE)
        for system in dict.fromkeys(system for system, _ in self.samples):
            frames, single = self.per_s(system, FRAMES100), self.per_s(system, SINGLE)
            alone = f"{_shown(self.p50_ms(system, ALONE))} / {_shown(self.p99_ms(system, ALONE))}"
            ratios = _shown(_ratio(ours[0], frames)), _shown(_ratio(ours[1], single))
            table.add_row(system, _shown(frames), ratios[0], _shown(single), ratios[1], alone)
        return table

    def goal_table(self) -> Table:
        """Every number with what was asked for."""
        table = Table(title="Numbers and goals (2 cores)")
        for column in ("number", "measured", "goal", ""):
            table.add_column(column, justify="right" if column == "measured" else "left")
        for name, value in self.numbers().items():
            bound = f"{GOALS[name][0]} {_shown(GOALS[name][1])}" if name in GOALS else ""
            if value is None:
                table.add_row(name, "–", bound, self.reasons.get(name, "not measured in this run"))
            else:
                table.add_row(name, _shown(value), bound, "" if not bound else "✓" if meets(name, value) else "missed")
        return table


def meets(name: str, value: float) -> bool:
    """Whether a number is what was asked for; one without a goal is."""
    if name not in GOALS:
        return True
    direction, bound = GOALS[name]
    return value >= bound if direction == "at least" else value <= bound


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_1min_at_end": round(psutil.getloadavg()[0], 2),
    }


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
