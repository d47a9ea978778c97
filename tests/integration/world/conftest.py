"""A whole world as its owner runs it: real Ray, real stores, the real bridge, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from ganggpt.actors.routing.shards import shared_shard
from ganggpt.client.game_server import GameServer
from ganggpt.persistence.audit import holder_of, promises_kept, shard_count
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of

OWN_ACTORS = 2
ORIGIN = "https://admin.ganggpt.example"


@dataclass
class LiveWorld:
    """A running world and the ways to look at it."""

    process: WorldProcess
    run: Run
    pool: asyncpg.Pool
    rest: httpx.AsyncClient

    def game_server(self, name: str, **options: str) -> GameServer:
        return GameServer(self.run.bridge, token_of(self.run), name, **options)

    async def pid_of(self, actor: str) -> int:
        """The process that carries an actor now."""
        held = await holder_of(self.pool, [actor, shared_shard(actor, await shard_count(self.pool))])
        assert held is not None
        return int(held[1].rpartition("/")[2])

    async def kept(self, *servers: GameServer) -> bool:
        """Whether the journal has every acked command of these servers exactly once."""
        promises = await promises_kept(self.pool, [command for server in servers for command in server.acked])
        assert promises.acked > 0
        return promises.lost == 0 and promises.doubled == 0


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveWorld]:
    process = WorldProcess(
        tmp_path_factory.mktemp("world"),
        "--port", "0", "--dashboard-port", "0",
        environment={"GANGGPT_OWN_ACTORS_MAX": str(OWN_ACTORS), "CORS_ORIGINS": ORIGIN},
    )  # fmt: skip
    run = await process.start()
    headers = {"Authorization": f"Bearer {token_of(run)}"}
    async with (
        asyncpg.create_pool(run.database, min_size=1, max_size=4) as pool,
        httpx.AsyncClient(base_url=run.health.removesuffix("/health"), headers=headers, timeout=30) as rest,
    ):
        yield LiveWorld(process, run, pool, rest)
    await process.stop()
