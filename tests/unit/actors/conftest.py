"""A runtime without Ray: hosts as tasks, stores in memory, the real rules."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import pytest

from ganggpt.actors.host.host import HostPorts
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.routing.table import load_routes
from ganggpt.domain.kinds import encode_command
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.testing.faulty_stores import FaultyHosts, FaultyJournal
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import (
    InMemoryArchive,
    MemoryDatabase,
    MemoryFlush,
    MemoryHosts,
    MemoryJournal,
)
from tests.support.builders import PlainMind, a_world
from tests.support.runtime import (
    FAST,
    MARA,
    SHARDS,
    Prompter,
    Runtime,
)


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    database = MemoryDatabase(time.time, dict.fromkeys(shared_shards(SHARDS), "shared"))
    hosts, flush = FaultyHosts(MemoryHosts(database)), MemoryFlush(database)
    journal = FaultyJournal(MemoryJournal(database))
    archive = InMemoryArchive(database)
    cast = {"npc:mara": ("Spawn", encode_command(MARA))}
    heard: list[PushRow] = []
    world, model = a_world(), Prompter()

    async def ring(rows: Sequence[PushRow]) -> None:
        heard.extend(rows)

    async def forget(actors: Sequence[str]) -> None:
        return None

    def open_ports(name: str) -> HostPorts:
        peers = Router(fleet.call, lambda: load_routes(hosts), RouterOptions(retry_s=0.001, retry_max_s=0.01))
        return HostPorts(journal, hosts, flush, peers, world, cast, PlainMind(), ring, forget, archive, model)

    fleet = LocalFleet(open_ports, FAST)
    await fleet.start("host:0", "shared")
    await hosts.assign(dict.fromkeys(shared_shards(SHARDS), "host:0"))
    await fleet.refresh("host:0")
    router = Router(fleet.call, lambda: load_routes(hosts), RouterOptions(retry_s=0.001, retry_max_s=0.01))
    await router.start()
    yield Runtime(database, journal, flush, hosts, fleet, router, archive, heard, model)
    await router.close()
    await fleet.close()
