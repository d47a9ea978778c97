"""What a part of a host is built from in its own test: real owners over stores in memory, small fakes for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import DatabaseClock, Identity
from ganggpt.actors.routing.shards import shared_shard, shared_shards
from ganggpt.actors.routing.table import residences_of
from ganggpt.domain.ids import ActorId
from ganggpt.errors import GangGPTError
from ganggpt.testing.memory_stores import MemoryDatabase, MemoryHosts, MemoryJournal
from tests.support.builders import NOW_S

SHARDS = 4
HOST = "host:0"


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task of the part under test, for as long as the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


class Peers:
    """The way to other actors: ``sent`` is what went out; nothing is answered before the test does it."""

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.replies: list[GangGPTError | dict[str, Any]] = []
        self._sinks: dict[bytes, Callable[[bytes, bytes], None]] = {}

    def gate(self, source: str) -> None:
        return None

    def submit(self, envelopes: Sequence[Envelope], sink: Callable[[bytes, bytes], None], source: str = "") -> None:
        for envelope in envelopes:
            self.sent.append(envelope)
            self._sinks[envelope.id] = sink

    def answer(self, command_id: bytes, error: GangGPTError | None = None) -> None:
        reply = reply_ok(command_id, 1, {}) if error is None else reply_error(command_id, error)
        self._sinks.pop(command_id)(command_id, reply)

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """Answers with the next of ``replies``, or with nothing in particular."""
        self.sent.append(envelope)
        reply = self.replies.pop(0) if self.replies else {}
        if isinstance(reply, GangGPTError):
            return reply_error(envelope.id, reply)
        return reply_ok(envelope.id, 1, reply)


class Commits:
    """The committer as others see it: ``held`` is cleared by a test that wants them to wait."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.held.set()
        self.waited: list[int] = []

    async def durable(self, ticket: int) -> None:
        self.waited.append(ticket)
        await self.held.wait()

    async def drain(self) -> None:
        await self.held.wait()


@dataclass
class Rig:
    """The owners of one incarnation that holds every shard."""

    database: MemoryDatabase
    hosts: MemoryHosts
    journal: MemoryJournal
    identity: Identity
    shards: Shards
    gained: list[Collection[str]]
    activations: Activations = field(default_factory=Activations)
    commits: Commits = field(default_factory=Commits)
    peers: Peers = field(default_factory=Peers)

    @property
    def clock(self) -> DatabaseClock:
        return self.identity.clock

    def awake(self, actor: str) -> Activation:
        """An actor without a state that is awake."""
        activation = wake(ActorId(actor), shared_shard(actor, SHARDS), None, self.clock.now_s())
        self.activations.add(activation)
        return activation


async def a_rig() -> Rig:
    """An incarnation of ``HOST`` that has just read what it holds."""
    database = MemoryDatabase(lambda: NOW_S, dict.fromkeys(shared_shards(SHARDS), "shared"))
    hosts = MemoryHosts(database)
    registration = await hosts.register(HOST, "shared")
    await hosts.assign(dict.fromkeys(database.shards, HOST))
    identity = Identity(HOST, registration.epoch, DatabaseClock(registration.now_s))
    gained: list[Collection[str]] = []
    shards = Shards(identity, hosts, residences_of(await hosts.routes()), gained.append)
    await shards.refresh()
    return Rig(database, hosts, MemoryJournal(database), identity, shards, gained)


def told(reply: bytes) -> dict[str, Any]:
    """A finished reply, decoded."""
    found: dict[str, Any] = msgspec.msgpack.decode(reply)
    return found
