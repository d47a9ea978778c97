"""What players notice when shards move: the longest wait for an answer of each actor while its shard changes hosts.

A real world with two shared hosts under load through the bridge. ``ganggpt scale`` takes one host away and gives it
back, so that half of all shards move each time; then, as the peer in the same run, the same shards change hosts because
their process is killed. Run with ``python -m bench.handover [--quick] [--json]``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from bench.processes import ROOT
from bench.systems import Address, GangGPT, spawn
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.client.game_server import GameServer
from ganggpt.errors import GangGPTError, StartFailed, Unavailable, first_error
from ganggpt.persistence.audit import promises_kept, shard_count
from ganggpt.persistence.scale import PostgresScale
from ganggpt.runtime.run_file import read_run

GOAL_MS: Final = 100.0
PROBES: Final = 48
"""Actors that always have one command on its way or about to leave."""
PAUSE_S: Final = 0.03
CROWD: Final = 1024
CROWD_FRAME: Final = 20
CROWD_PER_S: Final = 600
AROUND_S: Final = 0.15
"""Commands that were open so long before or after a shard changed hands are looked at; a freeze is far shorter."""
_WAIT_S: Final = 90.0
_POLL_S: Final = 0.1
_HOLDERS: Final = """
SELECT s.shard, h.name AS host, extract(epoch FROM s.since)::float8 AS since_s
FROM shards s JOIN hosts h ON h.epoch = s.epoch AND h.state <> 'dead'
"""


@dataclass(slots=True)
class CommandWaits:
    """Commands as game servers saw them: when each was sent (Unix time) and how long its answer took, by actor."""

    by_actor: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, actor: str, sent_s: float, took_s: float) -> None:
        """One answered command."""
        self.by_actor[actor].append((sent_s, took_s))

    def longest(self, actor: str, from_s: float, to_s: float) -> float | None:
        """The longest wait of an actor among commands that were open at some time in between."""
        return max((took for sent, took in self.by_actor[actor] if sent < to_s and sent + took > from_s), default=None)

    def all_between(self, from_s: float, to_s: float) -> list[float]:
        """Waits of all commands sent in between."""
        return [took for waits in self.by_actor.values() for sent, took in waits if from_s <= sent < to_s]


@dataclass(slots=True)
class Handovers:
    """What was measured, in seconds: waits in calm (``still``: the longest of an actor in a while as long as the one
    that is looked at round a move), and for each actor and change of hosts the longest one."""

    calm: list[float] = field(default_factory=list)
    still: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    killed: list[float] = field(default_factory=list)
    shards_moved: int = 0
    acked: int = 0
    lost: int = 0
    doubled: int = 0

    def numbers(self) -> dict[str, float | int | None]:
        """By name, times in milliseconds."""
        found: dict[str, float | int | None] = {}
        for name, waits in (("calm", self.calm), ("still", self.still), ("moved", self.moved), ("killed", self.killed)):
            ordered = sorted(waits)
            for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
                found[f"{name}_{label}_ms"] = _at(ordered, share)
            found[f"{name}_samples"] = len(ordered)
        return {**found, **{name: getattr(self, name) for name in ("shards_moved", "acked", "lost", "doubled")}}


class Players:
    """Owns the load: probes that never pause for long, and a crowd."""

    def __init__(self, address: Address, probes: Sequence[str], crowd: Sequence[str]) -> None:
        self.waits = CommandWaits()
        self._probes, self._crowd = probes, crowd
        self._servers = [GameServer(address.url, address.token, f"bench-{n}") for n in range(2)]

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Load runs meanwhile. Raises what a command failed with."""
        async with self._servers[0], self._servers[1]:
            over = asyncio.Event()
            try:
                async with asyncio.TaskGroup() as tasks:
                    for actor in self._probes:
                        tasks.create_task(self._probe(actor, over))
                    tasks.create_task(self._crowds(over))
                    try:
                        yield
                    finally:
                        over.set()
            except BaseExceptionGroup as group:
                raise first_error(group) from None

    @property
    def acked(self) -> list[bytes]:
        """Ids of all commands that were acknowledged."""
        return [command for server in self._servers for command in server.acked]

    async def _probe(self, actor: str, over: asyncio.Event) -> None:
        n = 0
        while not over.is_set():
            n += 1
            await self._send(self._servers[0], actor, n)
            await asyncio.sleep(PAUSE_S)

    async def _crowds(self, over: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        n, due_s = 0, loop.time()
        async with asyncio.TaskGroup() as frames:
            while not over.is_set():
                for _ in range(CROWD_FRAME):
                    n += 1
                    frames.create_task(self._send(self._servers[1], self._crowd[n % len(self._crowd)], n))
                due_s = max(due_s + CROWD_FRAME / CROWD_PER_S, loop.time())
                await asyncio.sleep(due_s - loop.time())

    async def _send(self, server: GameServer, actor: str, n: int) -> None:
        sent_s, began_s = time.time(), time.perf_counter()
        answer = await server.send(actor, "Observe", {"what": f"crate {n} was carried past", "weight": 5}, within_s=60)
        if not answer.ok:
            raise Unavailable(f"an answer of {actor}", str(answer.error))
        self.waits.add(actor, sent_s, time.perf_counter() - began_s)


class WatchedWorld:
    """The world under test as its database shows it."""

    def __init__(self, pool: asyncpg.Pool[Any], shards: int) -> None:
        self.pool = pool
        self.scale = PostgresScale(pool)
        self._shards = shards

    def shard_of(self, actor: str) -> str:
        """The hash shard of an actor; no actor has one of its own here."""
        return shared_shard(actor, self._shards)

    async def holders(self) -> dict[str, tuple[str, float]]:
        """The host of every shard that has one, and since when (Unix time)."""
        return {r["shard"]: (r["host"], r["since_s"]) for r in await self.pool.fetch(_HOLDERS)}

    async def until_even(self, hosts: int) -> dict[str, tuple[str, float]]:
        """Wait until so many hosts hold all shards evenly and no other host lives. Raises Unavailable."""
        found: Mapping[str, tuple[str, float]] = {}
        counts: dict[str, int] = {}
        for _ in range(int(_WAIT_S / _POLL_S)):
            found, live = await self.holders(), await self.scale.hosts()
            counts = defaultdict(int)
            for host, _since_s in found.values():
                counts[host] += 1
            even = len(counts) == hosts and max(counts.values()) - min(counts.values()) <= self._shards // 10
            if even and sum(counts.values()) == self._shards and len(live) == hosts:
                return dict(found)
            await asyncio.sleep(_POLL_S)
        raise Unavailable(
            f"an even division of all shards over {hosts} hosts", f"after {_WAIT_S:g} s it is {dict(counts)}"
        )

    async def pid_of(self, host: str) -> int:
        """The process of a host."""
        return next(int(h.address.rpartition("/")[2]) for h in await self.scale.hosts() if h.name == host)


async def measure(logs: Path, rounds: int, tell: Callable[[str], None]) -> Handovers:
    """Start a world, move its shards to and fro, kill its hosts, and count. Raises GangGPTError."""
    result = Handovers()
    with tempfile.TemporaryDirectory(prefix="ganggpt-handover-", ignore_cleanup_errors=True) as home:
        settings = {"GANGGPT_HOSTS": "2", "GANGGPT_HOSTS_MAX": "2", "GANGGPT_RESIDENCE": "shared"}
        ours = GangGPT(ROOT / "worlds" / "los-santos", Path(home) / "world", logs, settings)
        try:
            tell("starting a world")
            address = await ours.start()
            run = read_run(Path(home) / "world")
            if run is None:
                raise StartFailed("The world left no run file.", f"Its log is under {logs}.")
            async with asyncpg.create_pool(run.database, min_size=1, max_size=2) as pool:
                await _in_world(WatchedWorld(pool, await shard_count(pool)), address, rounds, result, tell)
        finally:
            await ours.stop()
    return result


async def _in_world(
    world: WatchedWorld, address: Address, rounds: int, result: Handovers, tell: Callable[[str], None]
) -> None:
    probes = [f"npc:probe-{n:03d}" for n in range(PROBES)]
    crowd = [f"npc:crowd-{n:04d}" for n in range(CROWD)]
    await spawn(address, [*probes, *crowd])
    await world.until_even(2)
    players = Players(address, probes, crowd)
    gc.collect()
    gc.disable()  # a collection over all that is remembered here would be seen as a wait of the players
    async with players.playing():
        tell("calm")
        await asyncio.sleep(3)  # connections and caches settle
        began_s = time.time()
        await asyncio.sleep(10 if rounds > 1 else 5)  # what is measured is calm
        result.calm = players.waits.all_between(began_s, time.time())
        calm_at = {world.shard_of(actor): began_s + 1 for actor in probes}
        result.still = _longest(world, players.waits, probes, calm_at, AROUND_S)
        for n in range(rounds):
            for count in (1, 2):
                tell(f"round {n + 1} of {rounds}: `ganggpt scale {count}`")
                moved = await _changed(world, lambda count=count: world.scale.set_limits(None, None, count), count)
                await asyncio.sleep(1)  # so that waits that began meanwhile have ended
                result.shards_moved += len(moved)
                result.moved += _longest(world, players.waits, probes, moved, AROUND_S)
            await asyncio.sleep(2)  # so that rounds do not overlap
        for n in range(rounds):
            tell(f"round {n + 1} of {rounds}: kill -9 of a host")
            victim = f"host:{n % 2}"
            held = {s for s, (host, _) in (await world.holders()).items() if host == victim}
            at_s = time.time()
            os.kill(await world.pid_of(victim), signal.SIGKILL)
            await asyncio.sleep(1)  # the table still shows it alive
            await world.until_even(2)
            await asyncio.sleep(2)
            for actor in (a for a in probes if world.shard_of(a) in held):
                longest = players.waits.longest(actor, at_s, at_s + 20)
                result.killed += [] if longest is None else [longest]
    promises = await promises_kept(world.pool, players.acked)
    result.acked, result.lost, result.doubled = promises.acked, promises.lost, promises.doubled


async def _changed(world: WatchedWorld, change: Callable[[], Awaitable[None]], hosts: int) -> dict[str, float]:
    """Change the number of hosts and wait until that is so; the shards that moved, and when (Unix time)."""
    before = await world.holders()
    await change()
    after = await world.until_even(hosts)
    return {shard: since_s for shard, (host, since_s) in after.items() if before[shard][0] != host}


def _longest(
    world: WatchedWorld, waits: CommandWaits, probes: Sequence[str], moved: Mapping[str, float], around_s: float
) -> list[float]:
    found = []
    for actor in probes:
        at_s = moved.get(world.shard_of(actor))
        if at_s is not None:
            longest = waits.longest(actor, at_s - around_s, at_s + around_s)
            found += [] if longest is None else [longest]
    return found


def _at(ordered_s: Sequence[float], share: float) -> float | None:
    return round(ordered_s[min(len(ordered_s) - 1, int(len(ordered_s) * share))] * 1000, 1) if ordered_s else None


def report(numbers: Mapping[str, float | int | None]) -> Table:
    """The numbers for people."""
    table = Table("", "samples", "p50 ms", "p99 ms", "max ms", title="waits for a durable answer", title_justify="left")
    rows = (
        ("calm", "every command in calm"),
        ("still", "longest of an actor in 0.3 s of calm"),
        ("moved", "longest of an actor in 0.3 s round the move of its shard"),
        ("killed", "longest of an actor whose host is killed"),
    )
    for name, words in rows:
        table.add_row(words, *(str(numbers[f"{name}_{what}"]) for what in ("samples", "p50_ms", "p99_ms", "max_ms")))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit status 1 where an acknowledged command was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m bench.handover", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, to see that everything works")
    parser.add_argument("--rounds", type=int, default=4, help="how often each is done")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory(prefix="ganggpt-handover-logs-") as logs:
            result = asyncio.run(measure(Path(logs), 1 if chosen.quick else max(1, chosen.rounds), console.print))
    except (GangGPTError, OSError) as failed:
        console.print(f"[red]{failed}[/]")
        return 2
    numbers = result.numbers()
    if chosen.json:
        print(json.dumps({**numbers, "goal_ms": GOAL_MS}))
    else:
        out = Console()
        out.print(report(numbers))
        out.print(
            f"{result.shards_moved} shards moved; {result.acked} acked, {result.lost} lost, {result.doubled} doubled"
        )
    return int(result.lost > 0 or result.doubled > 0)


if __name__ == "__main__":
    sys.exit(main())
