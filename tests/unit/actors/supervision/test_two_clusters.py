"""Two clusters on one world: the new one takes over shard by shard while both bridges answer, and gives back too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from ganggpt.actors.envelope import decode_batch, encode_replies, wrap
from ganggpt.actors.host.host import HostPorts
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import RemoteCluster, shared_shards
from ganggpt.actors.routing.table import load_routes
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Give
from ganggpt.domain.turn import Command
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import MemoryClusters, MemoryDatabase, MemoryFlush, MemoryHosts, MemoryJournal
from tests.support.builders import PlainMind, a_world
from tests.support.eventually import eventually
from tests.support.runtime import FAST, MARA

PLAN = Plan(hosts=2, own=(), lease_s=5.0, round_s=0.01)
QUICK = RouterOptions(retry_s=0.002, retry_max_s=0.01, deadline_s=10.0)
SHARDS = 16


async def nothing(*_: object) -> None:
    """Neither upkeep nor a cache to clear."""


@dataclass
class Cluster:
    """One Ray cluster's part of the world, without Ray."""

    name: str
    database: MemoryDatabase
    bridges: dict[str, Router]
    deadline_s: float = 60.0
    is_reachable: bool = True

    def __post_init__(self) -> None:
        self.hosts = MemoryHosts(self.database, self.name)
        self.clusters = MemoryClusters(self.database, self.name)
        self.fleet = LocalFleet(self.open_ports, FAST)
        self.router = self.new_router()
        self.bridges[self.name] = self.router
        takeover = Takeover(self.clusters, f"ws://{self.name}", self.answers, PLAN.lease_s, self.deadline_s)
        self.supervisor = Supervisor(self.hosts, self.fleet, PLAN, takeover, nothing)
        self.running: asyncio.Task[None] | None = None

    def new_router(self) -> Router:
        return Router(self.fleet.call, lambda: load_routes(self.hosts), QUICK, self.forward)

    def open_ports(self, name: str) -> HostPorts:
        flush = MemoryFlush(self.database)
        journal = MemoryJournal(self.database)
        return HostPorts(journal, self.hosts, flush, self.new_router(), a_world(), {}, PlainMind(), ring, nothing)

    async def forward(self, remote: RemoteCluster, batch: bytes) -> bytes:
        return encode_replies(await self.bridges[remote.cluster].take_forwarded(decode_batch(batch)))

    async def answers(self, bridge: str) -> bool:
        return self.is_reachable

    async def start(self) -> None:
        await self.router.start()
        await self.supervisor.boot()
        self.running = asyncio.create_task(self.supervisor.run())

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.wait([self.running])
        await self.router.close()
        await self.fleet.close()

    async def ask(self, to: str, command: Command, by: str = "player:a") -> dict[str, Any]:
        return msgspec.msgpack.decode(await self.router.ask(wrap(new_command_id(), to, by, command)))

    async def until_holder(self) -> None:
        """Until every shard is held by this cluster."""

        async def so() -> bool:
            return {row.cluster for row in await self.hosts.routes()} == {self.name}

        await eventually(so, f"{self.name} holds every shard")


async def ring(rows: Sequence[PushRow]) -> None:
    """Nobody listens."""


@pytest.fixture
async def blue() -> AsyncIterator[Cluster]:
    database = MemoryDatabase(time.time, dict.fromkeys(shared_shards(SHARDS), "shared"))
    database.bridges = {"blue": "ws://blue", "green": "ws://green"}
    cluster = Cluster("blue", database, {})
    await cluster.start()
    for n in range(SHARDS):
        assert (await cluster.ask(f"npc:n{n}", replace(MARA, name=f"N{n}"), by="server:ls"))["ok"]
    yield cluster
    await cluster.stop()


@pytest.fixture
async def green(blue: Cluster) -> AsyncIterator[Cluster]:
    cluster = Cluster("green", blue.database, blue.bridges)
    yield cluster
    await cluster.stop()


async def talk_until(cluster: Cluster, stop: asyncio.Event) -> list[dict[str, Any]]:
    """A game server that keeps giving coins to everybody and waits for each answer."""
    answers = []
    while not stop.is_set():
        answers += await asyncio.gather(*(cluster.ask(f"npc:n{n}", Give("coin", 1)) for n in range(SHARDS)))
    return answers


def each_once(database: MemoryDatabase, answers: Sequence[dict[str, Any]]) -> None:
    assert answers
    assert all(answer["ok"] for answer in answers), [a for a in answers if not a["ok"]][:3]
    journaled = [command_id for n in range(SHARDS) for command_id in database.journaled(f"npc:n{n}")]
    assert len(journaled) == len(set(journaled))
    assert {answer["id"] for answer in answers} <= set(journaled)


async def test_a_new_cluster_takes_over_while_both_bridges_answer_and_gives_back_on_demand(
    blue: Cluster, green: Cluster
) -> None:
    stop = asyncio.Event()
    at_blue = asyncio.create_task(talk_until(blue, stop))
    await green.start()
    at_green = asyncio.create_task(talk_until(green, stop))
    await green.until_holder()
    await blue.clusters.claim("blue")
    await blue.until_holder()
    stop.set()
    each_once(blue.database, [*await at_blue, *await at_green])


async def test_a_new_cluster_waits_until_its_bridge_answers(blue: Cluster, green: Cluster) -> None:
    green.is_reachable = False
    await green.start()
    for _ in range(5):
        await green.supervisor.round()
    assert {row.cluster for row in await green.hosts.routes()} == {"blue"}
    green.is_reachable = True
    await green.until_holder()


async def test_hosts_that_do_not_hand_over_in_time_are_fenced(blue: Cluster) -> None:
    assert blue.running is not None
    blue.running.cancel()
    await asyncio.wait([blue.running])
    green = Cluster("green", blue.database, blue.bridges, deadline_s=0.2)
    await green.start()
    await green.until_holder()
    assert (await green.ask("npc:n0", Give("coin", 1)))["ok"]
    await green.stop()


async def test_a_cluster_that_comes_back_does_not_take_the_world_from_a_living_owner(
    blue: Cluster, green: Cluster
) -> None:
    await green.start()
    await green.until_holder()
    await blue.supervisor.boot()
    assert blue.database.owner[0] == "green"
    assert {row.cluster for row in await green.hosts.routes()} == {"green"}


async def test_orphans_of_a_vanished_owner_are_adopted_by_the_other_cluster(blue: Cluster) -> None:
    green = Cluster("green", blue.database, blue.bridges)
    await green.start()
    await green.until_holder()
    await green.stop()
    for epoch, host in blue.database.hosts.items():
        if host.cluster == "green":
            blue.database.dead.add(epoch)
    blue.database.clusters["green"] -= PLAN.lease_s + 1
    await blue.until_holder()
    assert (await blue.ask("npc:n0", Give("coin", 1)))["ok"]


async def test_without_a_way_there_the_answer_says_where_the_actor_is(blue: Cluster, green: Cluster) -> None:
    await green.start()
    await green.until_holder()
    alone = Router(blue.fleet.call, lambda: load_routes(blue.hosts), QUICK)
    await alone.start()
    reply = msgspec.msgpack.decode(await alone.ask(wrap(new_command_id(), "npc:n0", "player:a", Give("coin", 1))))
    await alone.close()
    assert reply["error"]["code"] == "wrong_cluster"
    assert reply["error"]["retryable"]
    assert reply["error"]["bridge"] == "ws://green"


async def test_hosts_that_hold_nothing_any_more_are_left_alone_after_the_deadline(
    blue: Cluster, green: Cluster
) -> None:
    await green.start()
    await green.until_holder()
    blue.database.owner = ("green", blue.database.clock() - 2 * green.deadline_s)
    before = {epoch for epoch, host in blue.database.hosts.items() if host.cluster == "blue"} - blue.database.dead
    for _ in range(3):
        await green.supervisor.round()
    assert before
    assert not before & blue.database.dead
