"""What the benchmark of growth found: samples in pairs, medians, ratios, and the files they are kept in."""

from __future__ import annotations

import io
import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.result import machine

YOUNG, OLD = 1, 90
GROWS_FROM: Final = 1.25
"""From this ratio on a cost counts as growing: rounds of one and the same world differ by up to a fifth here."""
NUMBERS: Final = {
    "append_1_ms": "group commit of one turn, ms",
    "append_100_us": "group commit of 100 turns, µs a turn",
    "command_us": "commands through a host in batches of 100, µs each",
    "command_alone_ms": "one command alone through a host, ms",
    "wake_one_ms": "waking one NPC with a suffix of five turns, ms",
    "wake_bulk_us": "waking 256 NPCs at once, µs each",
    "wake_host_us": "first view of 256 sleeping NPCs through a host, µs each",
    "flush_ms": "flush of 100 NPCs with a changed memory, ms",
    "due_ms": "scan for due reminders, ms",
    "messages_ms": "scan for unsettled messages, ms",
    "pushes_ms": "unacked pushes of a server, ms",
    "unflushed_ms": "what a successor has to flush, ms",
    "retention_s": "hourly retention, s",
}
FACTS: Final = {
    "turns_kept": "turns in the journal",
    "days_kept": "days of the journal",
    "journal_mib": "journal, MiB",
    "database_mib": "database, MiB",
    "first_retention_s": "first retention (all days at once), s",
    "days_sealed": "days it sealed",
    "days_dropped": "days it dropped",
}


@dataclass(slots=True)
class GrowthSamples:
    """Samples by age and number, in rounds; and what is so once."""

    quick: bool
    samples: dict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[tuple[int, str], float] = field(default_factory=dict)
    drop: dict[str, float] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def median(self, days: int, number: str) -> float:
        """Over the rounds."""
        return statistics.median(self.samples[days, number])

    def ratio(self, number: str) -> float:
        """Old against young: the median of the rounds' ratios, because both were measured right after one another."""
        pairs = zip(self.samples[OLD, number], self.samples[YOUNG, number], strict=True)
        return statistics.median(old / young for old, young in pairs)

    def growing(self) -> list[str]:
        """What costs more in the old world."""
        return [number for number in NUMBERS if self.ratio(number) >= GROWS_FROM]

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        numbers = {
            name: {
                "young": self.median(YOUNG, name),
                "old": self.median(OLD, name),
                "ratio": round(self.ratio(name), 3),
            }
            for name in NUMBERS
        }
        facts = {name: {"young": self.facts[YOUNG, name], "old": self.facts[OLD, name]} for name in FACTS}
        return {
            "quick": self.quick,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "days": {"young": YOUNG, "old": OLD},
            "numbers": numbers,
            "facts": facts,
            "drop": self.drop,
            "growing": self.growing(),
            "machine": machine(),
        }

    def table(self) -> Table:
        """Side by side."""
        table = Table(title="Cost by the age of the world (medians of rounds; ratio: median of each round's own)")
        for column in ("number", f"{YOUNG} day", f"{OLD} days", "ratio", ""):
            table.add_column(column, justify="left" if column in {"number", ""} else "right")
        for name, words in NUMBERS.items():
            young, old, ratio = self.median(YOUNG, name), self.median(OLD, name), self.ratio(name)
            table.add_row(words, f"{young:.3g}", f"{old:.3g}", f"{ratio:.2f}", "grows" if ratio >= GROWS_FROM else "")
        table.add_section()
        for name, words in FACTS.items():
            young, old = self.facts[YOUNG, name], self.facts[OLD, name]
            table.add_row(words, f"{young:,.4g}", f"{old:,.4g}", "", "")
        return table


def write(measured: GrowthSamples, results_dir: Path) -> None:
    """Write ``growth-<date>.json`` and ``.md``; a quick run writes ``quick.growth.*`` instead."""
    results_dir.mkdir(parents=True, exist_ok=True)
    name = "quick.growth" if measured.quick else f"growth-{measured.started_at:%Y-%m-%dT%H%MZ}"
    shown = measured.as_json()
    (results_dir / f"{name}.json").write_text(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(measured.table())
    heading = f"# Growth, {measured.started_at:%Y-%m-%d %H:%M} UTC{' (quick: not a measurement)' * measured.quick}"
    text = f"{heading}\n\n```\n{console.export_text()}```\n\n{conclusion(measured)}\n\nMachine: `{shown['machine']}`\n"
    (results_dir / f"{name}.md").write_text(text)


def conclusion(measured: GrowthSamples) -> str:
    """The answer in a sentence."""
    growing, drop = measured.growing(), measured.drop
    under = (
        f"\n{drop['days']:.0f} days ({drop['freed_mib']:.0f} MiB) were dropped in {drop['took_s']:.2f} s under commits "
        f"and bulk wakes without pause: the longest commit then {drop['longest_commit_ms']:.0f} ms, "
        f"in the time before {drop['longest_commit_before_ms']:.0f} ms."
        if drop
        else ""
    )
    if not growing:
        return f"Nothing costs {GROWS_FROM} times as much or more in the world of {OLD} days.{under}"
    return f"These cost {GROWS_FROM} times as much or more in the world of {OLD} days: {', '.join(growing)}.{under}"
