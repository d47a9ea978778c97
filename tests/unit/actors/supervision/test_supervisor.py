"""Whatever ends, every shard has a live host again, and nobody waits for a lease who need not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.domain.npc.commands import Give
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.hosts import Ownership
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import MemoryClusters, MemoryHosts
from tests.support.eventually import eventually
from tests.support.runtime import (
    SHARDS,
    Runtime,
    nothing,
    nowhere,
)

MARA = "npc:mara"
PLAN = Plan(hosts=2, own=(), lease_s=60.0, round_s=0.01)


class Watch:
    """A supervisor that runs beside the runtime."""

    def __init__(self, runtime: Runtime, plan: Plan) -> None:
        self.runtime = runtime
        takeover = Takeover(MemoryClusters(runtime.database), None, nowhere, plan.lease_s)
        self.supervisor = Supervisor(runtime.hosts, runtime.fleet, plan, takeover, nothing)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.supervisor.boot()
        self._running = asyncio.create_task(self.supervisor.run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def until(self, fact: Callable[[dict[str, str | None]], bool]) -> dict[str, str | None]:
        held: dict[str, str | None] = {}

        async def so() -> bool:
            held.clear()
            held.update({row.shard: row.host for row in await self.runtime.hosts.routes()})
            return fact(held)

        await eventually(so, seen=lambda: held)
        return held


@pytest.fixture
async def watch(runtime: Runtime) -> AsyncIterator[Watch]:
    watching = Watch(runtime, PLAN)
    await watching.start()
    yield watching
    await watching.stop()


async def test_a_boot_gives_every_shard_a_host_and_evens_out(watch: Watch) -> None:
    holders = await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})
    assert len(holders) == SHARDS


async def test_shards_of_a_dead_process_go_to_the_living_long_before_its_lease_ends(watch: Watch) -> None:
    runtime = watch.runtime
    await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})
    assert (await runtime.ask(MARA, Give("watch", 100)))["ok"]
    holder = next(name for name in ("host:0", "host:1") if MARA in runtime.host(name).activations)
    other = "host:1" if holder == "host:0" else "host:0"
    async with asyncio.timeout(10):  # the lease is a minute
        await runtime.fleet.kill(holder)
        assert (await runtime.ask(MARA, Give("ring", 100)))["ok"]
    assert MARA in runtime.host(other).activations or MARA in runtime.host(holder).activations
    assert len(runtime.database.journaled(MARA)) == 3
    await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})


async def test_an_own_actor_is_carried_by_a_shared_host_while_its_process_is_unreachable(runtime: Runtime) -> None:
    await runtime.fleet.kill("host:0")
    await runtime.hosts.fence(1)
    watch = Watch(runtime, replace(PLAN, own=(MARA,)))
    await watch.supervisor.boot()
    assert (await watch.until(lambda held: None not in held.values()))[MARA] in ("host:0", "host:1")
    assert (await runtime.ask(MARA, Give("watch", 100)))["ok"]
    await watch.start()
    await watch.until(lambda held: held[MARA] == MARA)
    await runtime.fleet.kill(MARA)
    assert (await runtime.ask(MARA, Give("ring", 100)))["ok"]
    await watch.until(lambda held: held[MARA] == MARA)
    assert len(runtime.database.journaled(MARA)) == 3
    await watch.stop()


async def test_hosts_over_the_plan_are_emptied_and_ended(watch: Watch) -> None:
    runtime = watch.runtime
    await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})
    await watch.stop()
    smaller = Watch(runtime, replace(PLAN, hosts=1))
    await smaller.start()
    await smaller.until(lambda held: set(held.values()) == {"host:0"})

    async def one_left() -> bool:
        return len(await runtime.hosts.alive()) == 1

    await eventually(one_left)
    await smaller.stop()


async def test_a_companion_at_play_gets_a_process_of_its_own_and_goes_back_after(runtime: Runtime) -> None:
    rex = "companion:rex"
    watch = Watch(runtime, replace(PLAN, companions_max=1))
    await watch.start()
    runtime.database.companions_at_play = [rex]
    await watch.until(lambda held: held.get(rex) == rex)
    runtime.database.companions_at_play = []
    await watch.until(lambda held: rex not in held)
    assert set(await watch.until(lambda held: len(held) == SHARDS)) == set(shared_shards(SHARDS))
    await watch.stop()


async def test_a_silent_host_is_fenced_after_its_lease_and_its_shards_move(watch: Watch) -> None:
    runtime = watch.runtime
    await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})
    (epoch,) = [e for e, h in runtime.database.hosts.items() if h.name == "host:0" and runtime.database.is_live(e)]
    silent = runtime.database.hosts[epoch]
    runtime.host("host:0").heartbeat.stop()  # its process lives
    silent.seen_s -= PLAN.lease_s + 1
    async with asyncio.timeout(10):
        while runtime.database.is_live(epoch):
            silent.seen_s = min(silent.seen_s, runtime.database.clock() - PLAN.lease_s - 1)
            await asyncio.sleep(0.005)
    await watch.until(lambda held: None not in held.values())


class ShakyHosts:
    """The host table behind a database that may be away. ``looked`` counts the whole looks at the table."""

    def __init__(self, hosts: MemoryHosts) -> None:
        self.hosts = hosts
        self.outage = False
        self.missed = asyncio.Event()
        self.looked = 0

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self.hosts, name)

        async def ask(*arguments: object) -> object:
            if self.outage:
                self.missed.set()
                raise Unavailable("the database")
            self.looked += name == "routes"
            return await asked(*arguments)

        return ask if asyncio.iscoroutinefunction(asked) else asked


async def test_after_an_outage_of_the_database_nobody_is_fenced_for_a_silence_that_was_its_own(
    runtime: Runtime,
) -> None:
    shaky = ShakyHosts(runtime.hosts)
    watch = Watch(runtime, PLAN)
    takeover = Takeover(MemoryClusters(runtime.database), None, nowhere, PLAN.lease_s)
    watch.supervisor = Supervisor(cast(Ownership, shaky), runtime.fleet, PLAN, takeover, nothing)
    await watch.start()
    await watch.until(lambda held: set(held.values()) == {"host:0", "host:1"})
    before = {host.epoch for host in await runtime.hosts.alive()}
    shaky.outage = True
    await asyncio.wait_for(shaky.missed.wait(), 10)
    for epoch in before:
        host = runtime.database.hosts[epoch]
        runtime.host(host.name).heartbeat.stop()  # its heartbeats, too, find no database
        host.seen_s -= 2 * PLAN.lease_s
    shaky.outage, shaky.looked = False, 0
    await eventually(lambda: shaky.looked >= 3)
    assert {host.epoch for host in await runtime.hosts.alive()} == before
    await watch.stop()


async def test_a_silent_host_is_fenced_also_while_a_round_waits_for_it(runtime: Runtime) -> None:
    asked = asyncio.Event()

    class Stuck(LocalFleet):
        async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

    stuck = Stuck(runtime.fleet._open_ports, runtime.fleet._options)
    stuck._hosts = runtime.fleet._hosts
    watch = Watch(runtime, PLAN)
    takeover = Takeover(MemoryClusters(runtime.database), None, nowhere, PLAN.lease_s)
    watch.supervisor = Supervisor(runtime.hosts, stuck, PLAN, takeover, nothing)
    await watch.start()
    await asyncio.wait_for(asked.wait(), 10)  # evening out: host:0 holds everything
    (epoch,) = [host.epoch for host in await runtime.hosts.alive() if host.name == "host:0"]
    runtime.host("host:0").heartbeat.stop()
    async with asyncio.timeout(10):
        while runtime.database.is_live(epoch):
            runtime.database.hosts[epoch].seen_s = runtime.database.clock() - 2 * PLAN.lease_s
            await asyncio.sleep(0.005)
    await watch.until(lambda held: None not in held.values())
    await watch.stop()
