"""Does anything get slower as a world gets older? Two worlds in one Postgres, one a day old and one 90 days.

    python -m bench.growth [--quick] [--rounds N] [--json]

Both get the retention a running world gets; then the same things are measured on both in turns, round after round, and
their medians and ratios stand side by side. The numbers mean something only on an otherwise quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.aged import SHARDS, AgedWorld, Size
from bench.growth_result import NUMBERS, OLD, YOUNG, GrowthSamples, conclusion, write
from bench.processes import ROOT
from ganggpt.actors.envelope import Envelope, decode_replies, encode_batch, error_of, wrap, wrap_view
from ganggpt.actors.host.activation import wake
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.routing.table import load_routes
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.npc.commands import Talk
from ganggpt.errors import Unavailable
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.ports.journal import Batch
from ganggpt.persistence.ports.retention import RetentionPolicy
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.world_store import load_world
from ganggpt.runtime.maintenance import housekeeping_of
from ganggpt.testing.fleet import LocalFleet

BULK: Final = 256
DROP_BEFORE_S: Final = 2.0
DAYS_LEFT: Final = 4
"""Days the last measurement leaves in the old world's journal."""


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
        self.crowd = self.awake[:100]
        self._seq = 0
        self._times = 3 if quick else 20

    def steps(self) -> dict[str, Callable[[], Awaitable[float]]]:
        """One measurement of each number."""
        few, some, many = self._times // 4 + 1, self._times // 2 + 1, self._times * 2
        bulk_us = 1e6 / self._bulk
        return {
            "append_1_ms": lambda: self._median(lambda: self._append(1), many, 1e3),
            "append_100_us": lambda: self._median(lambda: self._append(100), some, 1e4),
            "command_us": lambda: self._median(lambda: self._talk_to(self.crowd), some, 1e6 / len(self.crowd)),
            "command_alone_ms": lambda: self._median(lambda: self._talk_to(self.crowd[:1]), many, 1e3),
            "wake_one_ms": lambda: self._median(lambda: self._wake(1), many, 1e3),
            "wake_bulk_us": lambda: self._median(lambda: self._wake(BULK), few, bulk_us),
            "wake_host_us": self._first_views,
            "flush_ms": lambda: self._median(self._flush, few, 1e3),
            "due_ms": lambda: self._median(self._due, some, 1e3),
            "messages_ms": lambda: self._median(self._messages, some, 1e3),
            "pushes_ms": lambda: self._median(self._unacked, some, 1e3),
            "unflushed_ms": lambda: self._median(self._unflushed, some, 1e3),
            "retention_s": lambda: self._median(self._retain, 1, 1.0),
        }

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

    async def _median(self, work: Callable[[], Awaitable[None]], times: int, factor: float) -> float:
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            await work()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * factor

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
            *held, last = old.mind.memories
            memories = (*held, replace(last, weight=41 + (last.weight + 1) % 9))
            new = replace(old, mind=replace(old.mind, memories=memories))
            self.world.states[actor] = new
            changes.append((actor, old, new))
        await self.flush.flush(self.epoch, changes, time.time())

    async def _due(self) -> None:
        await self.journal.due(list(shared_shards(SHARDS)), time.time(), 500)

    async def _messages(self) -> None:
        assert len(await self.journal.messages(list(shared_shards(SHARDS)), 0.0, 10_000)) == 100

    async def _unacked(self) -> None:
        assert await self.pushes.unacked("server-1", 0, 100)

    async def _unflushed(self) -> None:
        await self.hosts.unflushed(self.epoch)

    async def _retain(self) -> None:
        await housekeeping_of(self.pool, self.world.kept).round()

    async def _first_views(self) -> float:
        """First views of NPCs that a real host has just put to sleep, µs each."""
        await self.incarnations.passivate()
        sleepers = self.awake[:BULK]
        began = time.perf_counter()
        await self._deliver([wrap_view(new_command_id(), actor, "server:bench") for actor in sleepers])
        return (time.perf_counter() - began) * 1e6 / len(sleepers)

    async def _talk_to(self, actors: Sequence[str]) -> None:
        """Commands through a real host, whose own loops run meanwhile."""
        await self._deliver([self._talk(actor) for actor in actors])

    def _talk(self, actor: str) -> Envelope:
        return wrap(new_command_id(), actor, "player:p1", Talk("what happened at the harbour?"))

    async def _deliver(self, envelopes: Sequence[Envelope]) -> None:
        replies = decode_replies(await self.incarnations.deliver(encode_batch(envelopes)))
        for reply in replies:
            if (error := error_of(reply)) is not None:
                raise Unavailable("an answer", error["message"])


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


async def run(*, quick: bool, rounds: int | None, results_dir: Path, show_progress: bool = True) -> GrowthSamples:
    """Make both worlds, retain, measure in turns, write the result files. Raises StartFailed, Unavailable."""
    measured = GrowthSamples(quick)
    size, kept = (Size(90, 20) if quick else Size()), RetentionPolicy()
    asked = rounds or (2 if quick else 15)
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
                task = progress.add_task("rounds", total=asked)
                for number in range(asked):
                    await _round(number, probes, measured)
                    progress.advance(task)
                measured.drop = await probes[OLD].drop(DAYS_LEFT)
        finally:
            await asyncio.to_thread(server.stop)
    await asyncio.to_thread(write, measured, results_dir)
    return measured


async def _round(number: int, probes: dict[int, Probe], measured: GrowthSamples) -> None:
    """Every number once, on both worlds right after one another, so that both meet the machine in one mood."""
    steps = {days: probe.steps() for days, probe in probes.items()}
    for name in NUMBERS:
        for days in (YOUNG, OLD) if number % 2 == 0 else (OLD, YOUNG):
            measured.samples[days, name].append(await steps[days][name]())


async def _retain_first(probe: Probe, measured: GrowthSamples) -> None:
    """What the days before would have done one by one; after it, the world as it is found in the morning."""
    began = time.perf_counter()
    done = await housekeeping_of(probe.pool, probe.world.kept).round()
    days = probe.world.days
    measured.facts[days, "first_retention_s"] = time.perf_counter() - began
    measured.facts[days, "days_sealed"] = len(done.sealed)
    measured.facts[days, "days_dropped"] = len(done.dropped)
    if done.held:
        raise Unavailable("a complete retention", f"it held back {done.held}")
    await probe.pool.execute("VACUUM (ANALYZE)")
    await probe.pool.execute("CHECKPOINT")
    for name, value in (await probe.facts()).items():
        measured.facts[days, name] = value


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
