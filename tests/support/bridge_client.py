"""A game server for tests: a real WebSocket client that speaks the bridge's frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ganggpt.domain.ids import command_id_text, new_command_id
from tests.support.bridge_rig import HEADERS, Rig

PATIENCE_S = 10.0


class GameServer:
    """One connection. Frames are dicts; ids of commands are the sub-protocol's own."""

    def __init__(self, socket: ClientConnection, binary: bool) -> None:
        self.socket = socket
        self.binary = binary

    def new_id(self) -> Any:
        raw = new_command_id()
        return raw if self.binary else command_id_text(raw)

    def talk(self, text: str = "hi", to: str = "npc:mara", **more: Any) -> dict[str, Any]:
        """A command."""
        return {"id": self.new_id(), "to": to, "do": "Talk", "with": {"text": text}, "by": "player:bob", **more}

    async def send(self, frame: Any) -> None:
        await self.socket.send(msgpack.packb(frame) if self.binary else json.dumps(frame))

    async def hear(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(PATIENCE_S):
            data = await self.socket.recv()
        frame: dict[str, Any] = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
        return frame

    async def replies(self, count: int) -> dict[Any, dict[str, Any]]:
        """That many replies by id, those of a ``refused`` frame each; other frames in between are a failure."""
        heard: dict[Any, dict[str, Any]] = {}
        while len(heard) < count:
            frame = await self.hear()
            if frame["t"] == "refused":
                frame["r"] = [{"id": one, "ok": False, "error": frame["error"]} for one in frame["ids"]]
            assert frame["t"] in ("replies", "refused"), frame
            for reply in frame["r"]:
                assert reply["id"] not in heard, "answered twice"
                heard[reply["id"]] = reply
        return heard

    async def closed(self) -> tuple[int | None, str]:
        """Read until the server closes; its code and reason."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as over:
            return (over.rcvd.code, over.rcvd.reason) if over.rcvd else (None, "")


@asynccontextmanager
async def opened(
    address: str, binary: bool = True, headers: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[GameServer]:
    """A connection before its hello."""
    name = Subprotocol("ganggpt.v1.msgpack" if binary else "ganggpt.v1.json")
    async with connect(
        f"ws://{address}/v1/bridge",
        subprotocols=[name],
        additional_headers=HEADERS if headers is None else headers,
        compression=None,
        close_timeout=1,
        proxy=None,
        **more,
    ) as socket:
        yield GameServer(socket, binary)


@asynccontextmanager
async def greeted(
    address: str, server: str = "los-santos-1", binary: bool = True, session: str | None = None, **more: Any
) -> AsyncIterator[tuple[GameServer, dict[str, Any]]]:
    """A connection after hello and welcome."""
    async with opened(address, binary, **more) as game:
        await game.send({"t": "hello", "server": server, "session": session})
        welcome = await game.hear()
        assert welcome["t"] == "welcome", welcome
        yield game, welcome


def client_of(rig: Rig) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=rig.app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://bridge", headers=HEADERS)
