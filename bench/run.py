"""The benchmark: ours and the peers, one at a time, several rounds in turn, on the same machine with the same load.

``ganggpt bench`` calls ``run``; ``python -m bench.run`` does the same without the command line around it.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.load import cases_of, load
from bench.memory import measure_hot, measure_idle, measure_wake
from bench.processes import ROOT
from bench.raw_limit import RawLimit
from bench.result import FRAMES100, LIMIT, BenchResult
from bench.systems import BENCH_NPCS, GangGPT, NaiveRayPeer, NodeInstall, System, spawn, websocket_peers
from ganggpt.errors import GangGPTError
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.migrate import migrate

OURS: Final = "ganggpt"
PARTS: Final = (OURS, "node", "fastapi", "naive-ray", LIMIT, "memory", "wake")
"""What ``only`` may name. ``memory`` and ``wake`` measure ours."""
_READY: Final = ("ready_s", "idle_bytes", "own_actor_bytes")


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """``quick``: one short round, to see that everything works; its numbers mean little. ``only``: names of PARTS."""

    quick: bool = False
    only: Sequence[str] = ()
    rounds: int | None = None
    world: Path = ROOT / "worlds" / "los-santos"
    work_dir: Path = ROOT / ".ganggpt" / "bench"
    results_dir: Path = ROOT / "bench" / "results"
    show_progress: bool = True

    def wants(self, part: str) -> bool:
        """Whether a part is to be measured."""
        return not self.only or part in self.only

    @property
    def rounds_asked(self) -> int:
        """How often each system gets its turn."""
        return self.rounds or (1 if self.quick else 3)


@dataclass(slots=True)
class _Bench:
    """One run."""

    options: BenchOptions
    result: BenchResult
    progress: Progress
    home: Path
    dsn: str
    node: NodeInstall
    ours: GangGPT = field(init=False)

    def __post_init__(self) -> None:
        logs = self.options.work_dir / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        self.ours = GangGPT(self.options.world, self.home / "world", logs)

    def systems(self) -> list[System]:
        """What was asked for and can run here; the reasons of the others go into the result."""
        logs = self.options.work_dir / "logs"
        naive = NaiveRayPeer(self.dsn, self.home / "ray", logs)
        known: list[System] = [self.ours, *websocket_peers(self.dsn, self.node, logs), naive]
        asked = [system for system in known if self.options.wants(_part_of(system.name))]
        for system in asked:
            if system.absent_because is not None:
                self._excuse(system.name, system.absent_because)
        return [system for system in asked if system.absent_because is None]

    async def rounds(self) -> None:
        """Every system in turn, a different one first each time."""
        systems = self.systems()
        asked = self.options.rounds_asked
        with_limit = self.options.wants(LIMIT)
        task = self.progress.add_task("rounds", total=asked * (len(systems) + with_limit))
        for number in range(asked):
            for system in [*systems[number % len(systems) :], *systems[: number % len(systems)]] if systems else []:
                self.progress.update(task, description=f"round {number + 1}: {system.name}")
                await self._turn(system, number)
                self.progress.advance(task)
            if with_limit:
                self.progress.update(task, description=f"round {number + 1}: raw limit")
                self.result.add(LIMIT, FRAMES100, await RawLimit(self.dsn).measure(2 if self.options.quick else 5))
                self.progress.advance(task)

    async def _turn(self, system: System, number: int) -> None:
        try:
            address = await system.start()
            if system is self.ours:
                await self._look_at_ours(number)
                await spawn(address, BENCH_NPCS)
            for case in cases_of(system.name, self.options.quick):
                self.result.add(system.name, case.name, await load(case.plan(address, BENCH_NPCS)))
        except GangGPTError as failed:
            self._excuse(system.name, str(failed))
        finally:
            await system.stop()

    async def _look_at_ours(self, number: int) -> None:
        """What only the first start of a world shows."""
        if number > 0:
            self.result.facts["ready_again_s"].append(self.ours.ready_s)
            return
        self.result.facts["ready_s"].append(self.ours.ready_s)
        if self.options.wants("memory"):
            await measure_idle(self.ours.child, self.result, settle_s=2 if self.options.quick else 15)

    async def sleepers(self) -> None:
        """Waking and hot memory, in the world the rounds left behind."""
        if self.options.wants("wake"):
            await self._alone("wake_p50_ms", measure_wake)
        if self.options.wants("memory"):
            if "idle_bytes" not in self.result.facts:
                await self._alone("idle_bytes", self._only_look)
            await self._alone("hot_npc_bytes", measure_hot)

    async def _only_look(self, ours: GangGPT, result: BenchResult, quick: bool) -> None:
        await ours.start()
        await measure_idle(ours.child, result, settle_s=2 if quick else 15)

    async def _alone(self, number: str, measure: Callable[[GangGPT, BenchResult, bool], Awaitable[None]]) -> None:
        task = self.progress.add_task(number, total=1)
        try:
            await measure(self.ours, self.result, self.options.quick)
        except GangGPTError as failed:
            self.result.reasons[number] = str(failed)
        finally:
            await self.ours.stop()
        self.progress.advance(task)

    def _excuse(self, system: str, why: str) -> None:
        self.progress.console.print(f"[yellow]{system} is left out: {why}[/]")
        names = {
            OURS: ("frames100_per_s", "single_per_s", "alone_p50_ms", *_READY),
            "node": ("frames100_vs_node", "single_vs_node"),
            "fastapi": ("frames100_vs_fastapi",),
            "naive-ray": ("frames100_vs_naive",),
        }
        for name in names.get(system, ()):
            self.result.reasons.setdefault(name, f"{system}: {why}")


def _part_of(system: str) -> str:
    """Under which name a system is asked for: variants of a peer go by the peer's."""
    return system if system in PARTS else system.partition("-")[0]


async def run(options: BenchOptions) -> BenchResult:
    """Measure what ``options`` ask for, print nothing but progress (to standard error), write the result files.

    Raises StartFailed where the peers' database does not start; a system that fails is left out and says why.
    """
    result = BenchResult(options.quick)
    console = Console(stderr=True, quiet=not options.show_progress)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        async with _peer_database(options) as (home, dsn):
            node = NodeInstall(options.work_dir / "node")
            if options.wants("node"):
                await node.prepare()
            bench = _Bench(options, result, progress, home, dsn, node)
            await bench.rounds()
            await bench.sleepers()
    await asyncio.to_thread(write_result, result, options.results_dir)
    return result


@asynccontextmanager
async def _peer_database(options: BenchOptions) -> AsyncIterator[tuple[Path, str]]:
    """A directory for this run and, in it, the peers' Postgres: the same program and settings as ours."""
    options.work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.work_dir, ignore_cleanup_errors=True) as home:
        postgres = EmbeddedPostgres(Path(home) / "peers")
        try:
            dsn = await asyncio.to_thread(postgres.start)
            await migrate(dsn)
            yield Path(home), dsn
        finally:
            await asyncio.to_thread(postgres.stop)


def write_result(result: BenchResult, results_dir: Path) -> tuple[Path, Path]:
    """Write ``<date>.json`` and ``<date>.md``; a quick run writes ``quick.json`` and ``quick.md`` instead."""
    results_dir.mkdir(parents=True, exist_ok=True)
    name = "quick" if result.quick else result.started_at.strftime("%Y-%m-%dT%H%MZ")
    as_json, as_text = results_dir / f"{name}.json", results_dir / f"{name}.md"
    as_json.write_text(json.dumps(result.as_json(), indent=2, ensure_ascii=False) + "\n")
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(result.throughput_table(), result.goal_table())
    heading = (
        f"# Benchmark of {result.started_at:%Y-%m-%d %H:%M} UTC{' (quick: not a measurement)' if result.quick else ''}"
    )
    as_text.write_text(f"{heading}\n\n```\n{console.export_text()}```\n\nMachine: `{result.as_json()['machine']}`\n")
    return as_json, as_text


def main() -> int:
    """The benchmark without ``ganggpt``'s command line."""
    parser = argparse.ArgumentParser(description="ours and the peers side by side")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--only", action="append", default=[], choices=PARTS, help="measure only this (repeatable)")
    parser.add_argument("--rounds", type=int)
    asked = parser.parse_args()
    options = BenchOptions(quick=asked.quick, only=tuple(asked.only), rounds=asked.rounds)
    try:
        result = asyncio.run(run(options))
    except GangGPTError as failed:
        print(failed, file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        Console().print(result.throughput_table(), result.goal_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
