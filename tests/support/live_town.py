"""A world that lives in this process over a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from ganggpt.actors.envelope import error_of, wrap
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.ports import ModelPort, NoModel
from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.table import load_routes
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.turn import Command
from ganggpt.domain.world import World
from ganggpt.operations.journal_replay import replay_actor
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.persistence.projections.memory_archive import PostgresMemoryArchive
from ganggpt.persistence.projections.verify import VerifyReads
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.world_store import load_world as stored_world
from ganggpt.testing.fleet import LocalFleet
from ganggpt.worldfiles.files import load_world
from tests.support.eventually import eventually
from tests.support.paths import ROOT

LOS_SANTOS = load_world(ROOT / "worlds" / "los-santos")


SHARDS = 16


@dataclass
class LiveTown:
    """A running world in this process."""

    dsn: str
    pool: asyncpg.Pool
    fleet: LocalFleet
    router: Router

    async def ask(self, to: str, command: Command, by: str = "server:ls-1", command_id: bytes | None = None) -> Any:
        """Send a command and return its reply; an error reply raises AssertionError."""
        envelope = wrap(command_id or new_command_id(), to, by, command)
        async with asyncio.timeout(30):
            reply = await self.router.ask(envelope)
        assert error_of(reply) is None, msgspec.msgpack.decode(reply)
        return msgspec.msgpack.decode(reply)


@asynccontextmanager
async def living(
    dsn: str,
    *,
    reminder_s: float = 3600.0,
    model: Callable[[World], ModelPort] = lambda _: NoModel(),
    notify_pushes: Callable[[Sequence[PushRow]], Awaitable[None]] | None = None,
) -> AsyncIterator[LiveTown]:
    """Let the world of a database live on one shared host until the end, which drains it. By default no reminder fires
    but those that are due at the start: politics move money. ``model`` makes what answers requests to a model;
    ``notify_pushes`` is told of pushes."""
    name = "host:0"
    async with asyncpg.create_pool(dsn, min_size=1, max_size=8, command_timeout=20) as pool:
        hosts = PostgresHosts(pool)
        world, cast = await stored_world(pool)

        async def nothing(_: Any) -> None:
            """Nothing is cached, and by default nobody waits for pushes."""

        def ports(host: str) -> HostPorts:
            return HostPorts(
                PostgresJournal(pool, host), hosts, PostgresFlush(pool), router, world, cast, ScriptedMind(),
                notify_pushes or nothing, nothing, PostgresMemoryArchive(pool), model(world),
                read_world=lambda: stored_world(pool),
            )  # fmt: skip

        options = HostOptions(flush_s=0.05, reminder_s=reminder_s, beat_s=0.2, sweep_s=0.5, snapshot_every=8)
        fleet = LocalFleet(ports, options)
        router = Router(fleet.call, lambda: load_routes(hosts))
        try:
            await fleet.start(name, "shared")
            await hosts.assign({row.shard: name for row in await hosts.routes()})
            await fleet.refresh(name)
            yield LiveTown(dsn, pool, fleet, router)
            await fleet.host(name).drain()
        finally:
            await fleet.close()
            await router.close()


async def states_of(dsn: str) -> dict[str, tuple[int, Any]]:
    """Number of turns and state of every actor, as a wake would find them."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        reads = VerifyReads(connection)
        actors = await reads.actors()
        kept = await reads.kept(actors)
    finally:
        await connection.close()
    lives = {actor: replay_actor(actor, kept[actor]) for actor in actors}
    assert [life.findings for life in lives.values() if life.findings] == []
    return {actor: (life.seq, life.state) for actor, life in lives.items()}


async def fetch(dsn: str, query: str, *args: Any) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return [tuple(row) for row in await connection.fetch(query, *args)]
    finally:
        await connection.close()


async def until_delivered(dsn: str) -> None:
    """Wait until no message is on its way."""

    async def delivered() -> bool:
        return not await fetch(dsn, "SELECT 1 FROM outbox LIMIT 1")

    await eventually(delivered, "no message is on its way", 60)


async def without_politics(dsn: str) -> str:
    """The same database, where no faction earns or spends by itself any more; while nobody lives there."""
    await fetch(dsn, "DELETE FROM reminders WHERE name = 'politics'")
    return dsn
