"""The simulated database keeps what the fence rests on, as Postgres does."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from ganggpt.domain.ids import derived_command_id
from ganggpt.errors import CommitUnknown, Fenced, GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import Batch
from ganggpt.simulation.database import STATEMENT_S, SimDatabase, Stores, Work, stores_of
from ganggpt.testing.stores import MemoryDatabase
from tests.support.simulated_place import Place

NPC = "npc:a"


class World(Place):
    """A database and two processes that use it."""

    def __init__(self) -> None:
        super().__init__()
        tables = MemoryDatabase(lambda: 1_800_000_000.0 + self.scheduler.now_s, {"s:0": "shared"})
        self.database = SimDatabase(self.network, tables, Random("database"))
        self.database.start()
        self.one, self.other = self.network.spawn("host:0"), self.network.spawn("host:1")

    def of(self, process: Any) -> Stores:
        return stores_of(self.database, process, "local")


def batch(seq: int = 1) -> Batch:
    made = Batch()
    made.add_turn(NPC, seq, 1_800_000_000.0, derived_command_id(1_800_000_000.0, seq), "player:p", "Talk", b"")
    return made


@pytest.fixture
def world() -> World:
    return World()


async def outcome(work: Any) -> Any:
    try:
        return await work
    except GangGPTError as error:
        return error


def test_a_take_over_waits_for_the_commit_in_flight(world: World) -> None:
    stores, others = world.of(world.one), world.of(world.other)
    told: list[str] = []

    async def commits() -> None:
        epoch = (await stores.hosts.register("host:0", "shared")).epoch
        world.database.work = Work(slow=1.0, slow_s=1.5)
        commit = asyncio.ensure_future(stores.journal.append(epoch, batch()))
        await asyncio.sleep(0.1)
        world.database.work = Work()
        taking = asyncio.ensure_future(stores.hosts.fence(epoch))
        commit.add_done_callback(lambda _: told.append("committed"))
        taking.add_done_callback(lambda _: told.append("fenced"))
        await asyncio.gather(commit, taking)
        assert isinstance(await outcome(stores.journal.append(epoch, batch(2))), Fenced)

    world.run(world.one, commits())
    assert told == ["committed", "fenced"]
    assert len(world.database.tables.journaled(NPC)) == 1
    assert others is not stores


@pytest.mark.parametrize("fenced_first", [False, True])
def test_a_late_statement_has_its_effect_unless_its_host_was_fenced_first(world: World, fenced_first: bool) -> None:
    stores, others = world.of(world.one), world.of(world.other)

    async def gives_up() -> int:
        epoch: int = (await stores.hosts.register("host:0", "shared")).epoch
        world.network.weather.slow, world.network.weather.slow_s = 1.0, 60.0
        commit = asyncio.ensure_future(outcome(stores.journal.append(epoch, batch())))
        await asyncio.sleep(0.001)
        world.network.weather.slow = 0.0
        assert isinstance(await commit, CommitUnknown)
        return epoch

    epoch = world.run(world.one, gives_up())
    assert world.database.tables.journaled(NPC) == []
    if fenced_first:
        world.run(world.other, others.hosts.fence(epoch))
    world.scheduler.run(world.scheduler.now_s + 60.0)
    assert len(world.database.tables.journaled(NPC)) == (0 if fenced_first else 1)


def test_a_transaction_whose_client_gave_up_is_rolled_back(world: World) -> None:
    stores = world.of(world.one)

    async def registers() -> None:
        world.database.work = Work(slow=1.0, slow_s=60.0)
        assert isinstance(await outcome(stores.hosts.register("host:0", "shared")), Unavailable)

    world.run(world.one, registers())
    world.scheduler.run(world.scheduler.now_s + 100.0)
    assert world.database.tables.hosts == {}


def test_a_crash_of_the_database_takes_back_what_was_not_committed(world: World) -> None:
    stores = world.of(world.one)

    async def commits() -> Any:
        epoch = (await stores.hosts.register("host:0", "shared")).epoch
        world.database.work = Work(slow=1.0, slow_s=1.5)
        world.scheduler.at(world.scheduler.now_s + 0.05, world.database.crash)
        world.scheduler.at(world.scheduler.now_s + 0.06, world.database.start)
        lost = await outcome(stores.journal.append(epoch, batch()))
        world.database.work = Work()
        await stores.hosts.beat(epoch)
        return lost

    assert isinstance(world.run(world.one, commits()), CommitUnknown)
    world.scheduler.run(world.scheduler.now_s + 2 * STATEMENT_S)
    assert world.database.tables.journaled(NPC) == []
