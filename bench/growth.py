"""Does anything get slower as a world gets older? Two worlds in one Postgres, one a day old and one 90 days.

    python -m bench.growth [--quick] [--rounds N] [--json]

Both get the retention a running world gets; then the same things are measured on both in turns, round after round, and
their medians and ratios stand side by side. The numbers mean something only on an otherwise quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import io
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.aged import SHARDS, AgedWorld, Size
from bench.processes import ROOT
from bench.result import machine
from ganggpt.actors.activation import wake
from ganggpt.actors.envelope import Envelope, decode_replies, encode_batch, error_of, wrap, wrap_view
from ganggpt.actors.host import HostOptions, HostPorts
from ganggpt.actors.housekeeping import housekeeping_of
from ganggpt.actors.router import Router
from ganggpt.actors.routing import load_routes
from ganggpt.actors.shards import shared_shards
from ganggpt.ai.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.npc import Talk
from ganggpt.errors import Unavailable
from ganggpt.persistence.embedded import EmbeddedPostgres
from ganggpt.persistence.flush_store import PostgresFlush
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal import Batch, PostgresJournal
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.retention import Kept
from ganggpt.persistence.world_store import load_world
from ganggpt.testing.fleet import LocalFleet

YOUNG, OLD = 1, 90
GROWS_FROM: Final = 1.25
"""From this ratio on a cost counts as growing: rounds of one and the same world differ by up to a fifth here."""
BULK: Final = 256
DROP_BEFORE_S: Final = 2.0
DAYS_LEFT: Final = 4
"""Days the last measurement leaves in the old world's journal."""
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
    "letters_ms": "scan for unsettled letters, ms",
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
class Measured:
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
        """Old against young."""
        return self.median(OLD, number) / self.median(YOUNG, number)

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
        table = Table(title="Cost by the age of the world (medians of rounds in turn)")
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


class Probe:
    """Measures one world. ``awake`` NPCs belong to the host and are talked to; ``asleep`` ones are never written."""

    def __init__(self, world: AgedWorld, pool: asyncpg.Pool[Any], incarnations: Any, quick: bool) -> None:
        self.world = world
        self.pool = pool
        self.journal = PostgresJournal(pool, "bench")
        self.flush = PostgresFlush(pool)
        self.hosts = PostgresHosts(pool)
        self.pushes = PostgresPushes(pool, None)
        self.incarnations = incarnations
        self.epoch = 0
        third = len(world.actors) // 3
        self.awake = world.actors[:third]
        self.asleep = world.actors[third : 2 * third]
        self.flushed = world.actors[2 * third :]
        self._seq = 0
        self._round = 0
        self._times = 3 if quick else 20

    async def round(self) -> dict[str, float]:
        """One round of everything."""
        self._round += 1
        found = {
            "append_1_ms": await self._median_s(lambda: self._append(1), self._times * 5) * 1e3,
            "append_100_us": await self._median_s(lambda: self._append(100), self._times) * 1e4,
            **await self._host(),
            "wake_one_ms": await self._median_s(lambda: self._wake(1), self._times * 5) * 1e3,
            "wake_bulk_us": await self._median_s(lambda: self._wake(BULK), self._times // 2 + 1) * 1e6 / self._bulk,
            "flush_ms": await self._median_s(self._flush, self._times // 2 + 1) * 1e3,
            "due_ms": await self._median_s(self._due, self._times) * 1e3,
            "letters_ms": await self._median_s(self._letters, self._times) * 1e3,
            "pushes_ms": await self._median_s(self._unacked, self._times) * 1e3,
            "unflushed_ms": await self._median_s(self._unflushed, self._times) * 1e3,
        }
        began = time.perf_counter()
        await housekeeping_of(self.pool, self.world.kept).round()
        found["retention_s"] = time.perf_counter() - began
        return found

    async def drop(self, days: int) -> dict[str, float]:
        """What commits notice while all but ``days`` days are dropped under them: the longest one then, and the
        longest one in the same time and load before."""
        kept = dataclasses.replace(self.world.kept, journal_days=days)
        longest_s: list[float] = []
        over = asyncio.Event()

        async def commit() -> None:
            while not over.is_set():
                began = time.perf_counter()
                await self._append(1)
                longest_s[-1] = max(longest_s[-1], time.perf_counter() - began)

        async def wakes() -> None:
            while not over.is_set():
                await self._wake(self._bulk)

        async with asyncio.TaskGroup() as tasks:
            longest_s.append(0.0)
            for work in (commit, wakes):
                tasks.create_task(work())
            await asyncio.sleep(DROP_BEFORE_S)  # the load alone, for comparison
            longest_s.append(0.0)
            began = time.perf_counter()
            done = await housekeeping_of(self.pool, kept).round()
            took_s = time.perf_counter() - began
            over.set()
        return {
            "days": len(done.dropped),
            "freed_mib": done.freed_bytes / 2**20,
            "took_s": took_s,
            "longest_commit_before_ms": longest_s[0] * 1e3,
            "longest_commit_ms": longest_s[1] * 1e3,
        }

    async def facts(self) -> dict[str, float]:
        """Sizes."""
        row = await self.pool.fetchrow(_SIZES)
        return {name: float(value) for name, value in row.items()}

    @property
    def _bulk(self) -> int:
        return min(BULK, len(self.asleep))

    async def _median_s(self, work: Callable[[], Awaitable[None]], times: int) -> float:
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            await work()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    async def _append(self, count: int) -> None:
        batch, now_s = Batch(), time.time()
        for n in range(count):
            self._seq += 1
            actor = f"npc:appended-{n}"
            batch.add_turn(actor, self._seq, now_s, new_command_id(now_s), "server:bench", "Observe", b"\x00" * 300)
        await self.journal.append(self.epoch, batch)

    async def _wake(self, count: int) -> None:
        self._seq += 7
        start = self._seq % max(1, len(self.asleep) - count)
        actors = self.asleep[start : start + count]
        stored = await self.journal.load(actors)
        now_s = time.time()
        for actor in actors:
            woken = wake(ActorId(actor), "s:0", stored[actor], now_s)
            assert woken.seq == self.world.days * self.world.size.turns_a_day

    async def _flush(self) -> None:
        changes = []
        for actor in self.flushed[:100]:
            old = self.world.states[actor]
            weight = 41 + (old.memories[-1].weight + 1) % 9
            new = replace(old, memories=(*old.memories[:-1], replace(old.memories[-1], weight=weight)))
            self.world.states[actor] = new
            changes.append((actor, old, new))
        await self.flush.flush(self.epoch, changes, time.time())

    async def _due(self) -> None:
        await self.journal.due(list(shared_shards(SHARDS)), time.time(), 500)

    async def _letters(self) -> None:
        assert len(await self.journal.letters(list(shared_shards(SHARDS)), 0.0, 10_000)) == 100

    async def _unacked(self) -> None:
        assert await self.pushes.unacked("server-1", 0, 100)

    async def _unflushed(self) -> None:
        await self.hosts.unflushed(self.epoch)

    async def _host(self) -> dict[str, float]:
        """Commands and first views through a real host, whose own loops run meanwhile."""
        await self.incarnations.passivate()
        sleepers = self.awake[:BULK]
        began = time.perf_counter()
        await self._deliver([wrap_view(new_command_id(), actor, "server:bench") for actor in sleepers])
        wake_s = time.perf_counter() - began
        crowd = self.awake[: min(100, len(self.awake))]
        batches = []
        for _ in range(self._times):
            began = time.perf_counter()
            await self._deliver([self._talk(actor) for actor in crowd])
            batches.append(time.perf_counter() - began)
        alone = []
        for n in range(self._times * 3):
            began = time.perf_counter()
            await self._deliver([self._talk(crowd[n % len(crowd)])])
            alone.append(time.perf_counter() - began)
        return {
            "wake_host_us": wake_s * 1e6 / len(sleepers),
            "command_us": statistics.median(batches) * 1e6 / len(crowd),
            "command_alone_ms": statistics.median(alone) * 1e3,
        }

    def _talk(self, actor: str) -> Envelope:
        return wrap(new_command_id(), actor, "player:p1", Talk("what happened at the harbour?"))

    async def _deliver(self, envelopes: Sequence[Envelope]) -> None:
        replies = decode_replies(await self.incarnations.deliver(encode_batch(envelopes)))
        for reply in replies:
            if (error := error_of(reply)) is not None:
                raise Unavailable(f"an answer ({error['message']})")


_SIZES: Final = """
SELECT (SELECT count(*) FROM journal) AS turns_kept,
  (SELECT count(DISTINCT day) FROM journal) AS days_kept,
  (SELECT sum(pg_total_relation_size(inhrelid)) / 1048576.0 FROM pg_inherits WHERE inhparent = 'journal'::regclass)
    AS journal_mib,
  pg_database_size(current_database()) / 1048576.0 AS database_mib
"""


@asynccontextmanager
async def _probe(server: EmbeddedPostgres, world: AgedWorld, folder: Path, quick: bool) -> AsyncIterator[Probe]:
    """A filled world with one host that carries all its shards."""
    async with world.made(server, folder) as pool:
        sheet, cast = await load_world(pool)

        async def nobody(_: Any) -> None:
            return None

        hosts = PostgresHosts(pool)

        def open_ports(name: str) -> HostPorts:
            journal, flush = PostgresJournal(pool, name), PostgresFlush(pool)
            return HostPorts(journal, hosts, flush, peers, sheet, cast, ScriptedMind(), nobody, nobody)

        fleet = LocalFleet(open_ports, HostOptions())
        peers = Router(fleet.call, lambda: load_routes(hosts))
        await fleet.start("host:0", "shared")
        await hosts.assign(dict.fromkeys(shared_shards(SHARDS), "host:0"))
        await fleet.refresh("host:0")
        probe = Probe(world, pool, fleet.host("host:0"), quick)
        probe.epoch = (await probe.hosts.register("bench", "shared")).epoch
        try:
            yield probe
        finally:
            await fleet.close()
            await peers.close()


async def run(*, quick: bool, rounds: int | None, results_dir: Path, show_progress: bool = True) -> Measured:
    """Make both worlds, retain, measure in turns, write the result files. Raises StartFailed, Unavailable."""
    measured = Measured(quick)
    size, kept = (Size(90, 20) if quick else Size()), Kept()
    asked = rounds or (2 if quick else 7)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True, quiet=not show_progress)
    with tempfile.TemporaryDirectory(prefix="growth-") as home, Progress(*columns, console=console) as progress:
        making = progress.add_task("making worlds", total=2)
        server = EmbeddedPostgres(Path(home))
        await asyncio.to_thread(server.start)
        try:
            async with AsyncExitStack() as stack:
                probes = {}
                for days in (YOUNG, OLD):
                    world = AgedWorld(f"aged_{days}", days, size, kept)
                    folder = ROOT / "worlds" / "los-santos"
                    probes[days] = await stack.enter_async_context(_probe(server, world, folder, quick))
                    await _retain_first(probes[days], measured)
                    progress.advance(making)
                task = progress.add_task("rounds", total=asked * 2)
                for number in range(asked):
                    for days in (YOUNG, OLD) if number % 2 == 0 else (OLD, YOUNG):
                        progress.update(task, description=f"round {number + 1}: {days} d")
                        for name, value in (await probes[days].round()).items():
                            measured.samples[days, name].append(value)
                        progress.advance(task)
                measured.drop = await probes[OLD].drop(DAYS_LEFT)
        finally:
            await asyncio.to_thread(server.stop)
    await asyncio.to_thread(write, measured, results_dir)
    return measured


async def _retain_first(probe: Probe, measured: Measured) -> None:
    """What the days before would have done one by one; after it, the world as it is found in the morning."""
    began = time.perf_counter()
    done = await housekeeping_of(probe.pool, probe.world.kept).round()
    days = probe.world.days
    measured.facts[days, "first_retention_s"] = time.perf_counter() - began
    measured.facts[days, "days_sealed"] = len(done.sealed)
    measured.facts[days, "days_dropped"] = len(done.dropped)
    if done.held:
        raise Unavailable(f"a retention that holds nothing back ({done.held})")
    await probe.pool.execute("VACUUM (ANALYZE)")
    await probe.pool.execute("CHECKPOINT")
    for name, value in (await probe.facts()).items():
        measured.facts[days, name] = value


def write(measured: Measured, results_dir: Path) -> None:
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


def conclusion(measured: Measured) -> str:
    """The answer in a sentence."""
    growing, drop = measured.growing(), measured.drop
    under = (
        f"\n{drop['days']:.0f} days ({drop['freed_mib']:.0f} MiB) were dropped in {drop['took_s']:.2f} s under commits "
        f"and bulk wakes without pause: the longest commit then {drop['longest_commit_ms']:.0f} ms, "
        f"in the {DROP_BEFORE_S:.0f} s before {drop['longest_commit_before_ms']:.0f} ms."
        if drop
        else ""
    )
    if not growing:
        return f"Nothing costs {GROWS_FROM} times as much or more in the world of {OLD} days.{under}"
    return f"These cost {GROWS_FROM} times as much or more in the world of {OLD} days: {', '.join(growing)}.{under}"


def main() -> int:
    """The benchmark from the command line."""
    parser = argparse.ArgumentParser(description="cost by the age of a world")
    parser.add_argument("--quick", action="store_true", help="small worlds, to see that everything works")
    parser.add_argument("--rounds", type=int, help="how often each world gets its turn")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    asked = parser.parse_args()
    measured = asyncio.run(run(quick=asked.quick, rounds=asked.rounds, results_dir=ROOT / "bench" / "results"))
    if asked.json:
        print(json.dumps(measured.as_json(), ensure_ascii=False))
    else:
        Console().print(measured.table())
        print(conclusion(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
