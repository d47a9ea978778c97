"""The results of a fault run: of a round, of each kind, of the whole run; and the table of them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ganggpt.persistence.audit import Verdict


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One fault and its effects.

    ``rto_s``: for each probed actor the longest that a command had to wait for its ack, from the fault on, sorted; the
    first one is sent in the moment of the fault. ``p99_*_ms``: latency of the load before and after the fault.
    ``late_commits``: turns an epoch wrote after it was dead.
    ``unanswered``: commands that got no answer or a final no.
    """

    round: int
    kind: str
    what: str
    acked: int
    lost: int
    doubled: int
    double_writers: int
    holes: int
    contradictions: int
    late_commits: int
    unanswered: int
    rto_s: list[float]
    p99_before_ms: float
    p99_during_ms: float
    note: str

    @property
    def broken(self) -> int:
        """Promises that were not kept."""
        kept = self.lost + self.doubled + self.double_writers + self.holes
        return kept + self.contradictions + self.late_commits + self.unanswered

    def line(self) -> dict[str, object]:
        """The round as one flat line, with quantiles instead of the times."""
        told = {name: value for name, value in msgspec.to_builtins(self).items() if name != "rto_s"}
        return {**told, "probes": len(self.rto_s), **_rto(self.rto_s)}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run. The counts are of the whole journal and record, not sums of rounds."""

    rounds: int
    seed: int
    acked: int
    turns: int
    lost: int
    doubled: int
    double_writers: int
    holes: int
    contradictions: int
    late_commits: int
    unanswered: int
    rto_p50_s: dict[str, float]
    rto_p99_s: dict[str, float]
    passed: bool


def summed(seed: int, rounds: Sequence[Round], whole: Verdict) -> Summary:
    """The summary of a run, from its rounds and the final verdict."""
    contradictions, late_commits, unanswered = (
        sum(getattr(done, name) for done in rounds) for name in ("contradictions", "late_commits", "unanswered")
    )
    rto = {kind: _rto(_all_rto(part)) for kind, part in by_kind(rounds).items()}
    broken = whole.lost + whole.doubled + whole.double_writers + whole.holes
    return Summary(
        rounds=len(rounds),
        seed=seed,
        acked=whole.acked,
        turns=whole.turns,
        lost=whole.lost,
        doubled=whole.doubled,
        double_writers=whole.double_writers,
        holes=whole.holes,
        contradictions=contradictions,
        late_commits=late_commits,
        unanswered=unanswered,
        rto_p50_s={kind: times["rto_p50_s"] for kind, times in rto.items()},
        rto_p99_s={kind: times["rto_p99_s"] for kind, times in rto.items()},
        passed=not broken and not any(done.broken for done in rounds),
    )


COLUMNS: Final = (
    "fault", "rounds", "acked", "lost", "doubled", "double writers", "RTO p50 s", "RTO p99 s", "load p99 before ms",
    "load p99 after ms",
)  # fmt: skip


def table(rounds: Sequence[Round], summary: Summary) -> list[tuple[str, ...]]:
    """Rows for ``COLUMNS``: one for each kind, then the whole run."""
    rows = [_row(kind, part) for kind, part in by_kind(rounds).items()]
    whole = (summary.rounds, summary.acked, summary.lost, summary.doubled, summary.double_writers)
    return [*rows, ("all", *(f"{number:,}" for number in whole), "", "", "", "")]


def markdown(rounds: Sequence[Round], summary: Summary, command: str) -> str:
    """The section of docs/RELIABILITY.md that a run adds."""
    said = (
        f"`{command}` on {_machine()}: {'passed' if summary.passed else '**failed**'}; contradictions "
        f"{summary.contradictions}, commits of dead epochs {summary.late_commits}, missing turns {summary.holes}, "
        f"commands without a yes {summary.unanswered}."
    )
    title = f"### {datetime.now(UTC):%Y-%m-%d}: {summary.rounds} rounds, seed {summary.seed}"
    head = [_line(COLUMNS), _line(["---", *["---:"] * (len(COLUMNS) - 1)])]
    lines = [title, "", said, "", *head, *map(_line, table(rounds, summary)), ""]
    return "\n".join(lines)


def append(file: Path, section: str) -> None:
    """Add a section to a Markdown file."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"\n{section}")


def by_kind(rounds: Iterable[Round]) -> Mapping[str, list[Round]]:
    """The rounds of each kind, kinds in order of their names."""
    found: dict[str, list[Round]] = {}
    for done in rounds:
        found.setdefault(done.kind, []).append(done)
    return dict(sorted(found.items()))


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """A quantile of sorted numbers; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else 0.0


def _row(kind: str, part: Sequence[Round]) -> tuple[str, ...]:
    counts = (len(part), *(sum(getattr(done, name) for done in part) for name in _COUNTED))
    rto = _rto(_all_rto(part))
    before, after = (max(getattr(done, name) for done in part) for name in ("p99_before_ms", "p99_during_ms"))
    numbers = [f"{number:,}" for number in counts]
    return (kind, *numbers, f"{rto['rto_p50_s']:.2f}", f"{rto['rto_p99_s']:.2f}", f"{before:,.0f}", f"{after:,.0f}")


_COUNTED: Final = ("acked", "lost", "doubled", "double_writers")


def _all_rto(rounds: Iterable[Round]) -> list[float]:
    return sorted(seconds for done in rounds for seconds in done.rto_s)


def _rto(ordered_s: Sequence[float]) -> dict[str, float]:
    return {"rto_p50_s": round(quantile(ordered_s, 0.5), 3), "rto_p99_s": round(quantile(ordered_s, 0.99), 3)}


def _machine() -> str:
    from ganggpt.runtime.sizing import this_machine

    machine = this_machine()
    return f"{machine.cpus} CPUs, {machine.memory_bytes >> 30} GiB, {platform.system()}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
