"""Peer (a): Ray as one would first reach for it. One Ray actor for each NPC, one Serve HTTP call and one INSERT for
each event, Serve's default proxy, Ray's defaults.

The Ray it starts is its own (``--ray-dir``), not reachable from other machines and stopped with the process.
"""

import argparse
import asyncio
import signal
import threading
from typing import Any, Literal
from uuid import UUID

import asyncpg
import ray
from fastapi import FastAPI
from pydantic import BaseModel, Field
from ray import serve
from ray.actor import ActorHandle

from bench.peers.npc import CREATE_TABLE, INSERT, PeerNpc

TABLE = "peer_naive_ray"
app = FastAPI()


class NaiveArguments(BaseModel):
    """What happened."""

    what: str
    weight: int
    about: str | None = None


class NaiveEvent(BaseModel):
    """One event for one NPC, in the shape of the bridge's command."""

    id: UUID
    to: str
    do: Literal["Observe"]
    seen: NaiveArguments = Field(alias="with")


@ray.remote(num_cpus=0)
class NaiveNpc:
    """One NPC with its own connection to Postgres."""

    def __init__(self, name: str, dsn: str) -> None:
        self._name, self._dsn = name, dsn
        self._npc = PeerNpc()
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect."""
        self._connection = await asyncpg.connect(self._dsn)

    async def observe(self, command_id: UUID, what: str, weight: int) -> int:
        """One event: state, INSERT (which commits), answer."""
        async with self._turn:
            seq = self._npc.observe(what, weight)
            row = (self._name, seq, command_id, what, weight, self._npc.mood)
            await self._connection.execute(INSERT.format(table=TABLE), *row)
            return seq


@serve.deployment
@serve.ingress(app)
class Api:
    """The HTTP door."""

    def __init__(self, npcs: dict[str, ActorHandle[Any]]) -> None:
        self._npcs = npcs

    @app.get("/ready")
    async def ready(self) -> dict[str, bool]:
        """Deployed."""
        return {"ready": True}

    @app.post("/event")
    async def event(self, event: NaiveEvent) -> dict[str, Any]:
        """One event for one NPC."""
        seen = event.seen
        seq = await self._npcs[event.to].observe.remote(event.id, seen.what, seen.weight)
        return {"ok": True, "seq": seq}


async def create_table(dsn: str) -> None:
    """An empty table."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(CREATE_TABLE.format(table=TABLE))
    await connection.close()


def main() -> None:
    """Start everything and wait for the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ray-dir", required=True)
    parser.add_argument("--npcs", type=int, required=True)
    asked = parser.parse_args()
    asyncio.run(create_table(asked.dsn))
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100_000_000,
        _temp_dir=asked.ray_dir,
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # after init, which sets its own
    try:
        names = [f"npc:bench-{n:04d}" for n in range(asked.npcs)]
        npcs = {
            name: NaiveNpc.options(name=name).remote(name, asked.dsn)  # type: ignore[attr-defined]
            for name in names
        }
        ray.get([npc.open.remote() for npc in npcs.values()], timeout=180)
        serve.start(http_options={"host": "127.0.0.1", "port": asked.port})
        serve.run(Api.bind(npcs), blocking=False)  # type: ignore[attr-defined]
        stop.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
