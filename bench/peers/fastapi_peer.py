"""Peer (b): FastAPI and asyncpg on uvloop, one process with all NPCs in memory, game servers on a WebSocket.

The NPCs' state moves in memory; each event is committed for itself, as one INSERT, side by side on a pool of
connections; the replies of a frame leave after its commits. ``--insert frame`` makes a frame one transaction (so its
events stand or fall together), ``--insert many`` one INSERT. What it leaves out of ours: one writer at a time,
exactly-once, and waking up after a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.peers.npc import CREATE_TABLE, INSERT, INSERT_MANY, PeerNpc

TABLE = "peer_fastapi"
LIMITS = {"frame_bytes_max": 1 << 20, "commands_max": 1000, "in_flight_max": 10_000, "text_max": 500}
POOL_SIZE = 16
FRAMES_AT_ONCE_MAX = 64

Row = tuple[str, int, UUID, str, int, float]


class Peer:
    """Owns the NPCs and the pool."""

    def __init__(self, dsn: str, insert: str) -> None:
        self._dsn, self._insert = dsn, insert
        self._npcs: defaultdict[str, PeerNpc] = defaultdict(PeerNpc)

    @asynccontextmanager
    async def open(self, _: FastAPI) -> AsyncIterator[None]:
        """The pool and an empty table, as long as the application runs."""
        async with asyncpg.create_pool(self._dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as self._pool:
            await self._pool.execute(CREATE_TABLE.format(table=TABLE))
            yield

    async def serve(self, socket: WebSocket) -> None:
        """One game server, until it leaves."""
        await socket.accept(subprotocol="ganggpt.v1.msgpack")
        room = asyncio.Semaphore(FRAMES_AT_ONCE_MAX)
        try:
            async with asyncio.TaskGroup() as frames:
                while True:
                    frame = msgspec.msgpack.decode(await socket.receive_bytes())
                    if frame["t"] == "commands":
                        await room.acquire()
                        frames.create_task(self._take(socket, frame["c"], room))
                    elif frame["t"] == "hello":
                        now_ms = int(time.time() * 1000)
                        session = {"session": frame["server"], "resumed": False, "now_ms": now_ms, "limits": LIMITS}
                        await socket.send_bytes(msgspec.msgpack.encode({"t": "welcome", **session}))
        except BaseExceptionGroup as group:
            _, others = group.split(WebSocketDisconnect)
            if others is not None:
                raise others from None

    async def _take(self, socket: WebSocket, commands: list[dict[str, Any]], room: asyncio.Semaphore) -> None:
        try:
            rows = [self._observe(command) for command in commands]
            await self._commit(rows)
            replies = [
                {"id": command["id"], "ok": True, "seq": row[1], "reply": {"noticed": True}}
                for command, row in zip(commands, rows, strict=True)
            ]
            await socket.send_bytes(msgspec.msgpack.encode({"t": "replies", "r": replies}))
        finally:
            room.release()

    def _observe(self, command: dict[str, Any]) -> Row:
        npc, seen = self._npcs[command["to"]], command["with"]
        seq = npc.observe(seen["what"], seen["weight"])
        return command["to"], seq, UUID(bytes=command["id"]), seen["what"], seen["weight"], npc.mood

    async def _commit(self, rows: list[Row]) -> None:
        if self._insert == "many":
            await self._pool.execute(INSERT_MANY.format(table=TABLE), *zip(*rows, strict=True))
        elif self._insert == "each":  # one statement is a transaction
            await asyncio.gather(*(self._pool.execute(INSERT.format(table=TABLE), *row) for row in rows))
        else:
            async with self._pool.acquire() as connection, connection.transaction():
                for row in rows:
                    await connection.execute(INSERT.format(table=TABLE), *row)


def build(dsn: str, insert: str) -> FastAPI:
    """The application."""
    peer = Peer(dsn, insert)
    app = FastAPI(lifespan=peer.open)
    app.websocket("/v1/bridge")(peer.serve)

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--insert", choices=["each", "frame", "many"], default="each")
    asked = parser.parse_args()
    uvicorn.run(
        build(asked.dsn, asked.insert),
        host="127.0.0.1",
        port=asked.port,
        loop="uvloop",
        log_level="warning",
        ws_per_message_deflate=False,
    )
