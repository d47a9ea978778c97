"""A whole world as its owner runs it, and the ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import httpx

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
