"""The supervisor adds hosts under load and ends them after; nodes that will be gone are left; nothing acked is lost."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from typing import Any

import pytest

from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.scaler import Scaler
from ganggpt.actors.supervision.scaling import Goals, Scale
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.domain.npc.commands import Give
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.clusters import WantedHosts
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import MemoryClusters, MemoryShard
from tests.support.eventually import eventually
from tests.support.runtime import (
    SHARDS,
    Runtime,
    nothing,
    nowhere,
)

MARA = "npc:mara"
SCALE = Scale(least=2, most=4, goals=Goals(turns_per_s=100), idle_s=0.05, bad_polls=2, poll_s=0.01)
PLAN = Plan(hosts=2, own=(), lease_s=60.0, round_s=0.01, scale=SCALE)


class MemoryScale:
    """The size of a cluster; a test sets what an operator would."""

    def __init__(self) -> None:
        self.now = 0
        self.least: int | None = None
        self.most: int | None = None
        self.fixed: int | None = None
        self.told: dict[str, Any] = {}

    async def wanted(self) -> WantedHosts:
        return WantedHosts(self.now, self.least, self.most, self.fixed)

    async def report(self, now: int, load: Mapping[str, Any]) -> None:
        self.now, self.told = now, dict(load)


class Pretending(LocalFleet):
    """A fleet whose hosts say they have the load a test wants, and that has room for only so many."""

    turns_per_s = 0.0
    room: set[str] | None = None
    mute: frozenset[str] = frozenset()

    async def stats(self, name: str) -> Mapping[str, Any]:
        if name in self.mute:
            raise Unavailable(f"host {name}")
        return {**await super().stats(name), "turns_per_s": self.turns_per_s}

    async def start(self, name: str, kind: str) -> None:
        while self.room is not None and name not in self.room:
            await asyncio.sleep(0.005)
        await super().start(name, kind)


class World:
    """A supervisor with a scaler beside the runtime."""

    def __init__(self, runtime: Runtime, scale: MemoryScale) -> None:
        self.runtime, self.table = runtime, scale
        self.fleet: Pretending = runtime.fleet  # type: ignore[assignment]
        self.scaler = Scaler(scale, self.fleet, SCALE)
        takeover = Takeover(MemoryClusters(runtime.database), None, nowhere, PLAN.lease_s)
        self.supervisor = Supervisor(runtime.hosts, self.fleet, PLAN, takeover, nothing, self.scaler)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.supervisor.boot()
        self._running = asyncio.create_task(self.supervisor.run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def holders(self) -> dict[str, str | None]:
        return {row.shard: row.host for row in await self.runtime.hosts.routes()}

    async def until(self, fact: Callable[[set[str | None]], bool]) -> None:
        """Wait until the set of shard holders is as wanted, and only live hosts are left of it."""
        held: set[str | None] = set()

        async def so() -> bool:
            held.clear()
            held.update((await self.holders()).values())
            return fact(held)

        await eventually(so, seen=lambda: (held, f"wanted {self.scaler.wanted}"))

    async def until_alive(self, names: Sequence[str]) -> None:
        async def so() -> bool:
            return sorted(host.name for host in await self.runtime.hosts.alive()) == sorted(names)

        await eventually(so, f"the hosts alive are {names}")


@pytest.fixture
async def world(runtime: Runtime) -> AsyncIterator[World]:
    runtime.fleet.__class__ = Pretending
    for shard in list(shared_shards(16))[SHARDS:]:
        runtime.database.shards[shard] = MemoryShard("shared", None, 0.0)
    await runtime.router.start()
    world = World(runtime, MemoryScale())
    await world.start()
    yield world
    await world.stop()


async def test_load_brings_hosts_and_calm_ends_them_and_nothing_acked_is_lost(world: World) -> None:
    acked = 0
    await world.until(lambda held: held == {"host:0", "host:1"})
    world.fleet.turns_per_s = 350
    await world.until(lambda held: held == {"host:0", "host:1", "host:2", "host:3"})
    for n in range(20):
        acked += (await world.runtime.ask(MARA, Give(f"coin {n}", n)))["ok"]
    world.fleet.turns_per_s = 0
    gifts = [asyncio.create_task(world.runtime.ask(MARA, Give(f"ring {n}", n))) for n in range(20)]
    await world.until(lambda held: held == {"host:0", "host:1"})
    acked += sum(answer["ok"] for answer in await asyncio.gather(*gifts))
    await world.until_alive(["host:0", "host:1"])
    assert acked == 40
    assert len(world.runtime.database.journaled(MARA)) == 41


async def test_a_host_that_waits_for_a_node_keeps_nobody_waiting_and_is_forgotten_when_it_is_not_wanted(
    world: World,
) -> None:
    await world.until(lambda held: held == {"host:0", "host:1"})
    world.fleet.room = {"host:0", "host:1", "host:3"}
    world.table.fixed = 4
    await world.until(lambda held: held == {"host:0", "host:1", "host:3"})
    assert "start host:2" in world.supervisor._tasks
    await world.fleet.kill("host:1")
    assert (await world.runtime.ask(MARA, Give("watch", 1)))["ok"]
    await world.until(lambda held: held == {"host:0", "host:1", "host:3"})
    world.table.fixed = 2
    await world.until(lambda held: held == {"host:0", "host:1"})
    await eventually(lambda: "start host:2" not in world.supervisor._tasks)


async def test_what_was_wanted_survives_the_supervisor(world: World) -> None:
    world.fleet.turns_per_s = 350
    await world.until(lambda held: len(held) == 4)
    await world.stop()
    world.fleet.mute = frozenset({"host:0", "host:1", "host:2", "host:3"})
    other = World(world.runtime, world.table)
    await other.start()
    looks = other.table.told
    await eventually(lambda: other.table.told is not looks)
    assert other.scaler.wanted == 4
    await other.until(lambda held: len(held) == 4)
    await other.stop()


async def test_a_node_that_will_be_gone_is_left_and_another_host_takes_the_place(world: World) -> None:
    await world.until(lambda held: held == {"host:0", "host:1"})
    world.table.fixed = 2
    epoch = world.runtime.host("host:0").identity.epoch
    world.runtime.database.hosts[epoch].node = "doomed"
    world.fleet.draining = {"doomed"}
    await world.until(lambda held: held == {"host:1", "host:2"})
    await world.until_alive(["host:1", "host:2"])
    assert (await world.runtime.ask(MARA, Give("watch", 1)))["ok"]
    assert not world.runtime.database.is_live(epoch)


async def test_when_all_nodes_will_be_gone_hosts_stay_until_others_are_there(world: World) -> None:
    await world.until(lambda held: held == {"host:0", "host:1"})
    world.fleet.room = set()
    for name in ("host:0", "host:1"):
        world.runtime.database.hosts[world.runtime.host(name).identity.epoch].node = "doomed"
    world.fleet.draining = {"doomed"}
    await eventually(lambda: {"start host:2", "start host:3"} <= world.supervisor._tasks.keys())
    assert set((await world.holders()).values()) == {"host:0", "host:1"}
    world.fleet.room = {"host:2", "host:3"}
    await world.until(lambda held: held == {"host:2", "host:3"})
    await world.until_alive(["host:2", "host:3"])


async def test_a_look_is_told_for_operators(world: World) -> None:
    world.table.most = 3
    await eventually(lambda: world.table.told.get("most") == 3 and len(world.table.told["hosts"]) == 2)
    told = world.table.told
    assert (told["least"], told["starting"], told["leaving"]) == (2, [], [])
    assert set(told["hosts"]) == {"host:0", "host:1"}
    assert {"turns_per_s", "lag_s", "delay_p99_s", "hot", "shards"} <= told["hosts"]["host:0"].keys()
