"""Hosts and a supervisor over a Postgres and a Redis that a test may kill."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from ganggpt.actors.envelope import Envelope, wrap
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.table import load_routes
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.domain.ids import CommandId, new_command_id
from ganggpt.domain.npc.commands import Observe
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.embedded.child_server import process_lives
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.runtime.hosts import HostSpec
from ganggpt.testing.fleet import LocalFleet
from tests.support.eventually import eventually

DEADLINE_S = 2.0
"""A command is answered at the latest after this."""


LEASE_S = 3.0


PEOPLE = ("npc:mara", "npc:tobias", "npc:sgt-ogden", "npc:detective-abara")


@dataclass
class World:
    """Two hosts and a supervisor as tasks, a router before them, and servers that die on command."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    router: Router
    fleet: LocalFleet
    hosts: PostgresHosts

    async def ask(self, actor: str, what: str, command_id: CommandId) -> dict[str, Any]:
        """The answer to one durable command."""
        envelope = wrap(command_id, actor, "server:test", Observe(what, 50))
        return await self.send(envelope)

    async def send(self, envelope: Envelope) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.msgpack.decode(await self.router.ask(envelope))
        return answer

    async def ask_until_ok(self, actor: str, what: str, command_id: CommandId) -> dict[str, Any]:
        """Send a command under its id again and again, as a game server does."""
        async with asyncio.timeout(30):
            while not (answer := await self.ask(actor, what, command_id))["ok"]:
                assert answer["error"]["retryable"], answer
        return answer

    async def turns_of(self, ids: Sequence[CommandId]) -> list[int]:
        """How often each of these ids stands in the journal."""
        connection = await asyncpg.connect(self.postgres.dsn, timeout=10)
        try:
            query = "SELECT count(*) FROM journal WHERE command_id = $1"
            return [await connection.fetchval(query, asyncpg.pgproto.pgproto.UUID(i)) for i in ids]
        finally:
            await connection.close()

    async def kill_postgres(self) -> None:
        """An immediate stop, as after a crash of the machine it ran on."""
        await _end(self.postgres.pid, signal.SIGQUIT)

    async def kill_redis(self) -> None:
        await _end(self.redis.pid, signal.SIGKILL)


async def _end(pid: int | None, number: signal.Signals) -> None:
    assert pid is not None
    os.kill(pid, number)
    await eventually(lambda: not process_lives(pid), f"process {pid} ends")


def fresh_ids(count: int) -> list[CommandId]:
    return [new_command_id() for _ in range(count)]


async def _nothing() -> None:
    """No house to keep."""


async def _nowhere(_: str) -> bool:
    """No bridge answers."""
    return False


class running:  # noqa: N801 - a context manager
    """Hosts, supervisor and router over two servers, for the time of a block."""

    def __init__(self, postgres: EmbeddedPostgres, redis: EmbeddedRedis, spec: HostSpec) -> None:
        self._servers = postgres, redis
        self._spec = spec

    async def __aenter__(self) -> World:
        opened: dict[str, HostPorts] = {}
        options = HostOptions(beat_s=0.2, sweep_s=0.5, flush_s=0.2)
        self._fleet = fleet = LocalFleet(opened.__getitem__, options)
        for name in ("host:0", "host:1"):
            opened[name] = await self._spec.named(name, "shared").open_host(fleet.call)
        self._pool = await open_pool(self._spec.secrets.read().dsn, PoolOptions(min_size=1, max_size=4))
        hosts = PostgresHosts(self._pool, timeout_s=2.0)
        succession = Takeover(PostgresClusters(self._pool, hosts.cluster), None, _nowhere, LEASE_S)
        plan = Plan(2, (), lease_s=LEASE_S, round_s=0.1)
        supervisor = Supervisor(hosts, fleet, plan, succession, _nothing)
        await supervisor.boot()
        self._supervising = asyncio.create_task(supervisor.run())
        limits = RouterOptions(deadline_s=DEADLINE_S, call_s=DEADLINE_S * 0.9)
        self._router = Router(fleet.call, lambda: load_routes(hosts), limits)
        await self._router.start()
        return World(*self._servers, self._router, fleet, hosts)

    async def __aexit__(self, *_: object) -> None:
        self._supervising.cancel()
        await asyncio.wait([self._supervising])
        await self._router.close()
        await self._fleet.close()
        self._pool.terminate()
