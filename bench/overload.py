"""What happens at ten times the capacity: who is turned away and how, what the others wait, and how soon it is over.

``python -m bench.overload [--quick] [--json] [--record]`` starts a world of its own and sends it, through real
WebSockets from processes of their own:

``normal``    half of the measured capacity, from four game servers, before and after the rest: the mean of both p99
              is what *normal* means below
``flood``     ten times the capacity, open loop
``recovery``  normal load again, the moment the flood ends
``hot npc``   a quarter of the capacity, and ten times the capacity for one single NPC
``greedy``    three game servers with a sixteenth of the capacity each, alone and beside one that sends ten times it

Exit status 1 only where something is wrong: an answer missing or doubled, an ack that the journal does not know, a
refusal without a hint, memory that grows without bound. Times and rates are reported, never judged by the exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from bench.flood import BUCKET_S, Flood, Flooded
from bench.load import OBSERVE, load
from bench.load_run import Plan
from bench.processes import ROOT, python, title_of
from bench.result import machine
from bench.systems import Address, GangGPT, spawn
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.persistence.audit import turns_by
from ganggpt.persistence.pool import open_pool
from ganggpt.runtime.run_file import read_run

ACTORS: Final = tuple(f"npc:crowd-{n:04d}" for n in range(256))
HOT: Final = ("npc:crowd-0000",)
TIMES: Final = 10
SERVERS: Final = 4
GROWTH_MAX_BYTES: Final = 512 * 1024**2
"""Above this the memory of a process is not bounded by what its queues may hold."""
_SLACK_S: Final = 90.0
_PARTS: Final = {"bridge": "ray::ServeReplica", "hosts": "ray::SharedHost", "haproxy": "haproxy"}


@dataclass(slots=True)
class Found:
    """Everything one run found. Rates a second, times in the unit of their name, shares from 0 to 1."""

    quick: bool
    capacity_per_s: float = 0.0
    runs: dict[str, Flooded] = field(default_factory=dict)
    bytes_before: dict[str, int] = field(default_factory=dict)
    bytes_peak: dict[str, int] = field(default_factory=dict)
    recovered_s: float | None = None
    others_cpus: float = 0.0
    acked: int = 0
    journaled: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def rows(self) -> list[tuple[str, str, str, bool | None]]:
        """What was asked for, measured, the goal, and whether it is met."""
        runs = self.runs
        normal = self.normal_ms
        alone = runs["polite alone"].p99_ms or 0.0
        rows: list[tuple[str, str, str, bool | None]] = [
            ("capacity, frames of 100 in a closed loop", f"{self.capacity_per_s:,.0f}/s", "", None),
            ("normal: offered", f"{runs['normal'].per_s:,.0f}/s", "half of it", None),
            ("normal: p50 / p99 before", _times(runs["normal"]), "", None),
            ("normal: p50 / p99 after", _times(runs["normal after"]), "", None),
            ("flood: really offered", self._offered("flood"), f"{TIMES} ×", None),
            ("flood: let in", f"{runs['flood'].ok / runs['flood'].seconds:,.0f}/s", "", None),
            ("flood: turned away", f"{runs['flood'].shed:.1%}", "", None),
            ("flood: hints", "{} to {} ms".format(*runs["flood"].hint_ms), "", None),
            _at_most("flood: p99 of what is let in", runs["flood"].p99_ms, 2 * normal),
            ("recovery: normal again after", f"{self.recovered_s} s", "5 s", (self.recovered_s or 9e9) <= 5),
            ("hot NPC: really offered", self._offered("hot npc"), f"{TIMES} ×", None),
            _at_most("hot NPC: p99 of the others", runs["beside the hot npc"].p99_ms, 2 * normal),
            _share("hot NPC: others turned away", runs["beside the hot npc"].shed),
            ("greedy server: really offered", self._offered("greedy"), f"{TIMES} ×", None),
            ("greedy server: the others alone", _times(runs["polite alone"]), "", None),
            _at_most("greedy server: p99 of the others", runs["polite"].p99_ms, 2 * alone),
            _share("greedy server: others turned away", runs["polite"].shed),
        ]
        for part, before in self.bytes_before.items():
            peak = self.bytes_peak[part]
            grown = f"{before / 2**20:.0f} → {peak / 2**20:.0f} MiB"
            rows.append((f"memory of {part}", grown, "bounded", peak - before < GROWTH_MAX_BYTES))
        rows.append(("CPU others took in the flood", f"{self.others_cpus:.2f} of {psutil.cpu_count()}", "", None))
        rows.append(("acked / in the journal", f"{self.acked:,} / {self.journaled:,}", "equal", not self.lost()))
        return rows

    @property
    def normal_ms(self) -> float:
        """The p99 that counts as normal."""
        return ((self.runs["normal"].p99_ms or 0.0) + (self.runs["normal after"].p99_ms or 0.0)) / 2

    def lost(self) -> bool:
        """An ack the journal does not know, or a turn of a command that was turned away."""
        return self.acked != self.journaled

    def wrong(self) -> list[str]:
        """Wrong behaviour, in words."""
        found = []
        for name, run in self.runs.items():
            if run.lost or run.doubled or run.unhinted:
                found.append(f"{name}: {run.lost} lost, {run.doubled} doubled, {run.unhinted} without a hint")
        if self.lost():
            found.append(f"{self.acked} acked, {self.journaled} in the journal")
        for part, before in self.bytes_before.items():
            if self.bytes_peak[part] - before >= GROWTH_MAX_BYTES:
                found.append(f"memory of {part} grew from {before} to {self.bytes_peak[part]}")
        if self.recovered_s is None:
            found.append("the latency did not become normal again")
        return found

    def table(self) -> Table:
        """For people."""
        table = Table(title=f"Overload: {TIMES} × the capacity (2 cores shared with the load)")
        for column in ("number", "measured", "goal", ""):
            table.add_column(column, justify="right" if column == "measured" else "left")
        for name, measured, goal, met in self.rows():
            table.add_row(name, measured, goal, "" if met is None else "✓" if met else "missed")
        return table

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "capacity_per_s": round(self.capacity_per_s, 1),
            "normal_p99_ms": round(self.normal_ms, 2),
            "recovered_s": self.recovered_s,
            "others_cpus": round(self.others_cpus, 2),
            "goals_missed": [name for name, _, _, met in self.rows() if met is False],
            "wrong": self.wrong(),
            "acked": self.acked,
            "journaled": self.journaled,
            "bytes_before": self.bytes_before,
            "bytes_peak": self.bytes_peak,
            "runs": {name: {**msgspec.to_builtins(run), "shed": round(run.shed, 4)} for name, run in self.runs.items()},
            "quick": self.quick,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "machine": machine(),
        }

    def _offered(self, name: str) -> str:
        per_s = self.runs[name].per_s
        return f"{per_s:,.0f}/s ({per_s / self.capacity_per_s:.1f} ×)"


@dataclass(slots=True)
class Overload:
    """One run against one world."""

    address: Address
    world: GangGPT
    found: Found

    async def measure(self) -> None:
        """All phases, one after the other."""
        quick, found = self.found.quick, self.found
        await spawn(self.address, ACTORS)
        found.capacity_per_s = await self._capacity(2.0 if quick else 4.0)
        seconds = 3.0 if quick else 8.0
        half, times = found.capacity_per_s / 2, found.capacity_per_s * TIMES
        normal = self._flood("normal", SERVERS, half, seconds)
        await run(replace(normal, name="warm", seconds=2.0))
        found.runs["normal"] = await run(normal)
        async with self._memory():
            flood = self._flood("flood", SERVERS, times, 4.0 if quick else 12.0)
            after = replace(normal, name="recovery", seconds=6.0, wait_s=flood.seconds)
            found.runs["flood"], found.runs["recovery"], found.others_cpus = await asyncio.gather(
                run(flood), run(after), self._others_cpus(flood.seconds)
            )
            hot = self._flood("hot", 1, times, seconds, HOT)
            aside = replace(normal, name="aside", per_s=half / 2, to=ACTORS[1:])
            found.runs["hot npc"], found.runs["beside the hot npc"] = await asyncio.gather(run(hot), run(aside))
            polite = self._flood("polite", SERVERS - 1, found.capacity_per_s * 3 / 16, seconds)
            found.runs["polite alone"] = await run(replace(polite, name="alone"))
            greedy = self._flood("greedy", 1, times, seconds)
            found.runs["greedy"], found.runs["polite"] = await asyncio.gather(run(greedy), run(polite))
        found.runs["normal after"] = await run(replace(normal, name="after"))
        found.recovered_s = recovered_s(found.runs["recovery"], found.normal_ms)
        names = ("normal", "after", "flood", "recovery", "hot", "aside", "polite", "alone", "greedy")
        found.acked = sum(one.ok for one in found.runs.values())
        found.journaled = await self._journaled([f"server:{name}-{n}" for name in names for n in range(SERVERS)])

    def _flood(self, name: str, servers: int, per_s: float, seconds: float, to: tuple[str, ...] = ACTORS) -> Flood:
        address = self.address
        return Flood(
            url=address.url, token=address.token, name=name, servers=servers, per_s=per_s, seconds=seconds, to=to
        )

    async def _capacity(self, seconds: float) -> float:
        plan = Plan(
            url=self.address.url,
            token=self.address.token,
            server="capacity",
            to=ACTORS,
            do="Observe",
            arguments=OBSERVE,
            connections=4,
            window=4,
            per_frame=100,
            warm_s=2.0,
            seconds=seconds,
        )
        measured = await load(plan)
        return measured.per_s

    @asynccontextmanager
    async def _memory(self) -> AsyncIterator[None]:
        """Watch the resident memory of the processes between the load and the database."""
        tree = await asyncio.to_thread(self.world.child.tree)
        titles = {process: title_of(process) for process in tree}
        parts = {part: [p for p, title in titles.items() if mark in title] for part, mark in _PARTS.items()}
        before, peak = self.found.bytes_before, self.found.bytes_peak
        before.update({part: _resident(processes) for part, processes in parts.items()})
        peak.update(before)

        async def watch() -> None:
            while True:
                await asyncio.sleep(0.5)
                for part, processes in parts.items():
                    peak[part] = max(peak[part], _resident(processes))

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _others_cpus(self, seconds: float) -> float:
        """CPUs that neither this world nor its load took: on a shared machine the flood is only as fair as this."""
        await asyncio.sleep(1.0)  # the generators have started
        mine = [*await asyncio.to_thread(self.world.child.tree), psutil.Process(), *psutil.Process().children()]
        before, busy = _cpu_s(mine), psutil.cpu_times()
        await asyncio.sleep(seconds - 2.0)
        total = psutil.cpu_times()
        took_s = _cpu_s(mine) - before
        return max(0.0, (total.user + total.system - busy.user - busy.system - took_s) / (seconds - 2.0))

    async def _journaled(self, senders: Sequence[str]) -> int:
        running = read_run(self.world.data_dir)
        assert running is not None, "the world runs"
        pool = await open_pool(running.database)
        try:
            return await turns_by(pool, senders)
        finally:
            await pool.close()


async def run(plan: Flood) -> Flooded:
    """Run a load in a process of its own. Raises Unavailable with what it said where it failed."""
    generator = await asyncio.create_subprocess_exec(
        *python("bench.flood"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(plan.wait_s + plan.seconds + _SLACK_S):
            said, complained = await generator.communicate(msgspec.json.encode(plan))
    except TimeoutError:
        generator.kill()
        raise Unavailable(f"the load {plan.name}", "it did not end") from None
    if generator.returncode != 0:
        raise Unavailable(f"the load {plan.name}", complained.decode(errors="replace").strip()[-500:])
    return msgspec.json.decode(said, type=Flooded)


def recovered_s(after: Flooded, normal_ms: float) -> float | None:
    """From when on nobody is turned away and no quarter of a second has a p99 over twice the normal one."""
    bound_ms = 2 * normal_ms
    good_from = len(after.buckets)
    for index in reversed(range(len(after.buckets))):
        bucket = after.buckets[index]
        if bucket.refused or (bucket.p99_ms or 0.0) > bound_ms:
            break
        good_from = index
    return None if good_from * BUCKET_S >= after.seconds else good_from * BUCKET_S


def _resident(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # HAProxy leaves old processes behind, which end
            total += process.memory_info().rss
    return total


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _times(run: Flooded) -> str:
    return f"{run.p50_ms or 0:.1f} / {run.p99_ms or 0:.1f} ms"


def _at_most(name: str, value_ms: float | None, bound_ms: float) -> tuple[str, str, str, bool | None]:
    return name, f"{value_ms or 0:.1f} ms", f"{bound_ms:.1f} ms", value_ms is not None and value_ms <= bound_ms


def _share(name: str, share: float) -> tuple[str, str, str, bool | None]:
    return name, f"{share:.2%}", "1 %", share <= 0.01


async def measure(quick: bool) -> Found:
    """Start a world, measure, stop it. Raises GangGPTError where it does not start or a load cannot run."""
    found = Found(quick)
    work = ROOT / ".ganggpt" / "bench"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="overload-", dir=work, ignore_cleanup_errors=True) as home:
        world = GangGPT(ROOT / "worlds" / "los-santos", Path(home) / "world", work / "logs")
        try:
            address = await world.start()
            await Overload(address, world, found).measure()
        finally:
            await world.stop()
    return found


def write(found: Found, results_dir: Path) -> Path:
    """Write ``overload-<date>.json`` and ``.md``."""
    name = f"overload-{found.started_at:%Y-%m-%dT%H%MZ}"
    as_json = found.as_json()
    for one in as_json["runs"].values():
        del one["buckets"]
    (results_dir / f"{name}.json").write_text(json.dumps(as_json, indent=2, ensure_ascii=False) + "\n")
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(found.table())
    text = f"# Overload of {found.started_at:%Y-%m-%d %H:%M} UTC\n\n```\n{console.export_text()}```\n"
    path = results_dir / f"{name}.md"
    path.write_text(f"{text}\nMachine: `{as_json['machine']}`\n")
    return path


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short phases: shows that everything works")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--record", action="store_true", help="write the result to bench/results")
    asked = parser.parse_args()
    try:
        found = asyncio.run(measure(asked.quick))
    except GangGPTError as failed:
        print(failed, file=sys.stderr)
        return 2
    if asked.record:
        write(found, ROOT / "bench" / "results")
    if asked.json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        Console().print(found.table())
    for wrong in found.wrong():
        print(wrong, file=sys.stderr)
    return 1 if found.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
