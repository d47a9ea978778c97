"""Memory of the runtime, and the time a sleeping NPC needs to answer."""

from __future__ import annotations

import asyncio
import itertools
import statistics
from typing import Final

import httpx
import psutil
from msgspec.structs import replace

from bench.load import load
from bench.load_run import Plan
from bench.processes import Child, proportional_bytes, resident_bytes, title_of, unique_bytes
from bench.result import BenchResult
from bench.systems import BENCH_NPCS, Address, GangGPT, spawn
from ganggpt.domain.ids import name_of
from ganggpt.errors import StartFailed, Unavailable

MEMORIES: Final = 64
_WHO: Final = (
    "an old sailor",
    "two mechanics",
    "the baker",
    "a courier",
    "somebody masked",
    "twins",
    "a nurse",
    "Rosa",
)
_DID: Final = (
    "carried crate {n} behind the third crane and waited there",
    "argued over ticket {n} at the tram stop until sunrise",
    "painted number {n} across the shutters of the chandlery",
    "counted {n} coins twice on the church steps and smiled",
    "dragged engine {n} through the puddles towards the yard",
    "whispered code {n} into the phone outside the laundry",
    "burned letter {n} in a barrel under the motorway bridge",
    "swapped van {n} for a boat with the harbour master",
)
SEEN: Final = tuple(
    {"what": f"{who} {did}", "about": f"player:witness-{n % 8}" if n % 2 else None}
    for n, (who, did) in enumerate(itertools.product(_WHO, _DID))
)
"""64 things worth remembering, different enough that a mind does not take two of them for the same."""
_WEIGHT: Final = 40
_SHARED: Final = "ray::SharedHost"
_OWN: Final = ("ray::NpcActor", "ray::FactionActor", "ray::CompanionActor")
_SETTLE_S: Final = 10.0


async def measure_idle(up: Child, result: BenchResult, settle_s: float) -> None:
    """The demo world while nobody talks: ``idle_bytes`` of its whole process tree (PSS), ``own_actor_bytes`` (USS)."""
    await asyncio.sleep(settle_s)  # what is measured is the state after the start has died down
    tree = await asyncio.to_thread(up.tree)
    result.facts["idle_bytes"].append(await asyncio.to_thread(proportional_bytes, tree))
    own = [unique_bytes(process) for process in tree if title_of(process).startswith(_OWN)]
    if own:
        result.facts["own_actor_bytes"].append(statistics.median(own))
        result.facts["own_actors"].append(len(own))
    else:
        result.reasons["own_actor_bytes"] = "no own actor ran on this machine (see own_actors_max)"


async def measure_wake(ours: GangGPT, result: BenchResult, quick: bool) -> None:
    """``wake_p50_ms``: NPCs with memories are put to sleep by a stop of the world; after the start each is talked to
    once, one after the other. The connection and the code are warm, the NPCs are not."""
    sleepers = [f"npc:sleeper-{n:04d}" for n in range(50 if quick else 300)]
    address = await ours.start()
    await spawn(address, [*BENCH_NPCS, *sleepers])
    await remember(address, sleepers)
    await ours.stop()
    address = await ours.start()
    talk = Plan(
        url=address.url,
        token=address.token,
        server="bench",
        to=BENCH_NPCS,
        do="Talk",
        arguments={"text": "what happened at the harbour?"},
        by="player:bench",
        connections=1,
        window=1,
        per_frame=1,
        events=200,
        seconds=60,
    )
    await load(talk)
    measured = await load(replace(talk, to=tuple(sleepers), events=len(sleepers)))
    if measured.acked != len(sleepers) or measured.p50_ms is None or measured.p99_ms is None:
        raise Unavailable(
            "an answer of every sleeper", f"{measured.acked} of {len(sleepers)} answered: {measured.refused}"
        )
    result.facts["wake_p50_ms"].append(measured.p50_ms)
    result.facts["wake_p99_ms"].append(measured.p99_ms)


async def measure_hot(ours: GangGPT, result: BenchResult, quick: bool) -> None:
    """``hot_npc_bytes``: what the shared hosts' resident memory grows by per NPC with 64 memories.

    A few NPCs go first, so that buffers and code that every load needs are already there.
    """
    address = await ours.start()
    first = [f"npc:hot-first-{n:04d}" for n in range(100)]
    await spawn(address, first)
    await remember(address, first)
    before = await _hosts_bytes(ours.child)
    crowd = [f"npc:hot-{n:05d}" for n in range(500 if quick else 5000)]
    await spawn(address, crowd)
    await remember(address, crowd)
    result.facts["hot_npc_bytes"].append((await _hosts_bytes(ours.child) - before) / len(crowd))


async def remember(address: Address, actors: list[str]) -> None:
    """Give every actor its memories. Raises Unavailable where one was refused or not kept."""
    events = MEMORIES * len(actors)
    plan = Plan(
        url=address.url,
        token=address.token,
        server="bench",
        to=tuple(actors),
        do="Observe",
        arguments={"weight": _WEIGHT},
        variants=SEEN,
        connections=4,
        window=4,
        per_frame=100,
        events=events,
        seconds=600,
    )
    measured = await load(plan)
    if measured.acked < events:
        raise Unavailable("the memory of every event", f"{measured.acked} of {events} were taken: {measured.refused}")
    held = await _memories_of(address, actors[-1])
    if held != MEMORIES:
        raise Unavailable("the memory of every event", f"{actors[-1]} keeps {held} of {MEMORIES}")


async def _memories_of(address: Address, actor: str) -> int:
    url = address.url.replace("ws://", "http://").replace("/v1/bridge", f"/v1/npcs/{name_of(actor)}/memories")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.get(url, headers={"Authorization": f"Bearer {address.token}"})
    if not answer.is_success:
        raise Unavailable(f"a look at the memories of {actor}", f"the bridge answered with status {answer.status_code}")
    return len(answer.json()["memories"])


async def _hosts_bytes(up: Child) -> int:
    await asyncio.sleep(_SETTLE_S)  # commits, flushes and their buffers come and go
    hosts: list[psutil.Process] = [p for p in await asyncio.to_thread(up.tree) if title_of(p).startswith(_SHARED)]
    if not hosts:
        raise StartFailed("No process is called ray::SharedHost.", "Look at `ganggpt status`.")
    return resident_bytes(hosts)


if __name__ == "__main__":
    import sys

    from bench.recall import main

    sys.exit(main())
