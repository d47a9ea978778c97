"""The WebSocket of the game servers, ``/v1/bridge``, as a plain ASGI callable.

A connection has a handshake (token, sub-protocol, room), a hello in time, then four tasks that end together:
reading, writing, pushes, and timeouts. The client may be cut at any moment; it re-sends what got no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ganggpt.actors.ports import CommandPort
from ganggpt.errors import GangGPTError, InvalidInput, Unauthorized
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.codec import CODECS, Codec
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.frames import Hello, read_small_frame
from ganggpt.protocol.limits import Limits
from ganggpt.serve.auth import BearerToken
from ganggpt.serve.rest.error_response import error_response
from ganggpt.serve.websocket.push_pump import PushPump, PushStore
from ganggpt.serve.websocket.session import CloseCode, Ending, Session
from ganggpt.serve.websocket.sessions import Sessions, new_session_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_REASON_BYTES_MAX: Final = 123
"""The room for a reason in a WebSocket close frame."""


class BridgeSocket:
    """Serves one WebSocket connection with each call."""

    def __init__(
        self,
        port: CommandPort,
        pushes: PushStore,
        book: CommandBook,
        sessions: Sessions,
        token: BearerToken,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._port, self._pushes, self._book = port, pushes, book
        self._sessions, self._token = sessions, token
        self._limits, self._metrics = limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection from handshake to close."""
        await receive()  # websocket.connect
        try:
            self._token.check(scope["headers"])
            codec = _chosen(scope)
            with self._sessions.admitted():
                await send({"type": "websocket.accept", "subprotocol": codec.subprotocol})
                await self._converse(codec, receive, send)
        except GangGPTError as error:
            await _refuse_handshake(scope, send, error)
        except OSError:
            return  # the client left while something was sent to it

    async def _converse(self, codec: Codec, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._limits.hello_timeout_s):
                hello = _hello(codec, await receive(), self._limits)
        except TimeoutError:
            await self._close(send, Ending(CloseCode.TOO_SLOW, "no hello in time"))
            return
        except GangGPTError as error:
            await send(_message(codec, codec.encode({"t": "error", "error": error.as_wire()})))
            await self._close(send, Ending(CloseCode.BAD_FRAMES, "the first frame has to be hello"))
            return
        if hello is None:
            return
        session = Session(
            hello.server, new_session_id(), codec, self._port, self._book, self._sessions.traffic, self._limits
        )
        try:
            resumed = await self._sessions.register(session, hello.session)
            session.pump = PushPump(self._pushes, session.server, session.deliver_pushes, self._limits, self._metrics)
            session.send(self._welcome(session, resumed))
            ending = await self._run(session, session.pump, receive, send)
            if ending.code is not CloseCode.GONE:
                await self._close(send, ending)
        finally:
            self._sessions.remove(session)

    async def _run(self, session: Session, pump: PushPump, receive: Receive, send: Send) -> Ending:
        """Run all tasks of a session until it ends; what is gathered by then is still sent, with a timeout."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(session, send))
            others = (
                tasks.create_task(_read(session, receive)),
                tasks.create_task(pump.run()),
                tasks.create_task(self._sessions.keep(session)),
            )
            ending = await asyncio.shield(session.ended)
            for task in others:
                task.cancel()
            if ending.code not in (CloseCode.GONE, CloseCode.TOO_SLOW):
                await asyncio.wait((writing,), timeout=self._limits.close_timeout_s)
            writing.cancel()
        return ending

    async def _write(self, session: Session, send: Send) -> None:
        key = session.codec.message_key
        count = self._sessions.traffic.bytes_out
        try:
            while not session.ended.done():
                await session.wake.wait()
                session.wake.clear()
                for frame in session.outgoing():
                    count.inc(len(frame))
                    await send({"type": "websocket.send", key: frame})
        except OSError:
            session.end(CloseCode.GONE, "the client went away")

    async def _close(self, send: Send, ending: Ending) -> None:
        """Send a close frame; a client that does not read does not get it and is disconnected."""
        reason = ending.reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        try:
            async with asyncio.timeout(self._limits.close_timeout_s):
                await send({"type": "websocket.close", "code": int(ending.code), "reason": reason})
        except TimeoutError:
            return

    def _welcome(self, session: Session, resumed: bool) -> dict[str, Any]:
        limits = self._limits
        return {
            "t": "welcome",
            "session": session.id,
            "resumed": resumed,
            "now_ms": int(time.time() * 1000),
            "limits": {
                "frame_bytes_max": limits.frame_bytes_max,
                "commands_max": limits.commands_max,
                "in_flight_max": limits.in_flight_max,
                "text_max": limits.text_max,
            },
        }


async def _read(session: Session, receive: Receive) -> None:
    """Pass every frame to the session. Waits for nothing but the client, so no frames pile up."""
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            session.end(CloseCode.GONE, f"the client closed ({message.get('code')})")
            return
        session.take(_payload(message))


def _hello(codec: Codec, message: Message, limits: Limits) -> Hello | None:
    """The first frame, or None where the client left. Raises InvalidInput or TooLarge."""
    if message["type"] != "websocket.receive":
        return None
    frame = codec.decode(_payload(message), limits.frame_bytes_max)
    if frame["t"] != "hello":
        raise InvalidInput("t", "the first frame has to be hello")
    hello = read_small_frame(frame)
    assert isinstance(hello, Hello)
    return hello


def _payload(message: Message) -> bytes | str:
    binary: bytes | None = message.get("bytes")
    return str(message["text"]) if binary is None else binary


def _message(codec: Codec, frame: bytes | str) -> Message:
    return {"type": "websocket.send", codec.message_key: frame}


def _chosen(scope: Scope) -> Codec:
    """The first sub-protocol offered that the bridge speaks. Raises InvalidInput."""
    for offered in scope.get("subprotocols", ()):
        if offered in CODECS:
            return CODECS[offered]
    raise InvalidInput("Sec-WebSocket-Protocol", f"offer one of {', '.join(CODECS)}")


async def _refuse_handshake(scope: Scope, send: Send, error: GangGPTError) -> None:
    """Answer the handshake with the HTTP status of the error, or close it where the server cannot do that."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        code = CloseCode.UNAUTHORIZED if isinstance(error, Unauthorized) else CloseCode.GOING_AWAY
        await send({"type": "websocket.close", "code": int(code), "reason": str(error)[:100]})
        return
    answer = error_response(error.as_wire())
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
