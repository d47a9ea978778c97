"""A tiny bridge for the tests of its client: docs/BRIDGE.md in a few lines, with every fault at the test's command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ganggpt.client.wire import JSON, MSGPACK

TOKEN = "test-token"
LIMITS = {"frame_bytes_max": 4096, "commands_max": 8, "in_flight_max": 16, "text_max": 500}

Answering = Callable[[dict[str, Any], int], dict[str, Any] | None]


def say_yes(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
    """Answer every command at once."""
    return {"id": command["id"], "ok": True, "seq": 1, "reply": {"echo": command["with"], "times_seen": times_seen}}


class FarEnd:
    """Owns a WebSocket server. ``answering(command, times_seen)`` returns the reply, or None for silence.

    ``seen``: command ids in order of arrival, with repeats. ``hellos``, ``acks``, ``frames`` (commands per frame): what
    clients sent. ``pushes``: sent after every welcome, except those acked.
    """

    def __init__(self, answering: Answering = say_yes) -> None:
        self.answering = answering
        self.greeting: Callable[[ServerConnection], Awaitable[bool]] | None = None
        self.clock_ahead_ms = 0
        self.seen: list[UUID] = []
        self.hellos: list[dict[str, Any]] = []
        self.acks: list[int] = []
        self.frames: list[int] = []
        self.pushes: list[dict[str, Any]] = []
        self.on_wire_max = 0
        self.arrived = asyncio.Condition()
        self.connection: ServerConnection | None = None
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        subprotocols: Any = [MSGPACK, JSON]
        self._server = await serve(
            self._serve, "127.0.0.1", 0, subprotocols=subprotocols, process_request=self._check, compression=None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/bridge"

    async def until(self, fact: Callable[[], bool], what: str) -> None:
        """Wait for something to have arrived."""
        try:
            async with asyncio.timeout(10), self.arrived:
                await self.arrived.wait_for(fact)
        except TimeoutError:
            raise AssertionError(f"{what} did not come; hellos {self.hellos}, seen {len(self.seen)}") from None

    async def send(self, frame: dict[str, Any]) -> None:
        """Send any frame to the client that connected last."""
        assert self.connection is not None
        await self.connection.send(self._encode(self.connection, frame))

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self.connection = connection
        if self.greeting is not None and not await self.greeting(connection):
            return
        try:
            async for data in connection:
                await self._take(connection, self._decode(connection, data))
                async with self.arrived:
                    self.arrived.notify_all()
        except ConnectionClosed:
            return

    async def _take(self, connection: ServerConnection, frame: dict[str, Any]) -> None:
        match frame["t"]:
            case "hello":
                resumed = bool(self.hellos) and frame["session"] == "s1"
                self.hellos.append(frame)
                now_ms = int(time.time() * 1000) + self.clock_ahead_ms
                welcome = {"t": "welcome", "session": "s1", "resumed": resumed, "now_ms": now_ms, "limits": LIMITS}
                await connection.send(self._encode(connection, welcome))
                unshown = [p for p in self.pushes if p["no"] not in self.acks]
                if unshown:
                    await connection.send(self._encode(connection, {"t": "pushes", "p": unshown}))
            case "commands":
                self.frames.append(len(frame["c"]))
                replies = [r for c in frame["c"] if (r := self._answer(c)) is not None]
                if replies:
                    await connection.send(self._encode(connection, {"t": "replies", "r": replies}))
            case "ack":
                self.acks += frame["p"]

    def _answer(self, command: dict[str, Any]) -> dict[str, Any] | None:
        raw = command["id"]
        command_id = UUID(bytes=raw) if isinstance(raw, bytes) else UUID(raw)
        self.seen.append(command_id)
        return self.answering(command, self.seen.count(command_id))

    @staticmethod
    def _encode(connection: ServerConnection, frame: dict[str, Any]) -> bytes | str:
        if connection.subprotocol == MSGPACK:
            return msgspec.msgpack.encode(frame)
        return msgspec.json.encode(frame).decode()

    @staticmethod
    def _decode(connection: ServerConnection, data: bytes | str) -> dict[str, Any]:
        codec: Any = msgspec.msgpack if connection.subprotocol == MSGPACK else msgspec.json
        assert isinstance(data, bytes if connection.subprotocol == MSGPACK else str)
        frame: dict[str, Any] = codec.decode(data)
        return frame
