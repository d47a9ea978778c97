"""The load generator's connections: a game server's WebSocket and a keep-alive HTTP connection, with little overhead.

They write prepared bytes to the socket and skim what comes back; the WebSocket handshake, control frames and frame
boundaries are left to the ``websockets`` library without its connection classes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, cast

import msgspec
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bench.load_run import Course, Plan, Sent
from ganggpt.client.wire import MSGPACK, Wire
from ganggpt.errors import Unavailable


class _Error(msgspec.Struct, frozen=True):
    code: str


class _Reply(msgspec.Struct, frozen=True, gc=False):
    """Just enough of a reply."""

    id: bytes | None
    ok: bool
    error: _Error | None = None


class _Push(msgspec.Struct, frozen=True, gc=False):
    no: int


class _FrameIn(msgspec.Struct, frozen=True, gc=False):
    """Just enough of any frame of the bridge."""

    t: str
    r: list[_Reply] = []
    p: list[_Push] = []
    ids: list[bytes] = []
    error: _Error | None = None


class Connection(Protocol):
    """One connection to the system under test."""

    ready: asyncio.Future[None]

    def run(self, course: Course) -> None:
        """Keep the window full until the course is over."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class BridgeConnection(asyncio.Protocol):
    """A game server's WebSocket, msgpack sub-protocol. Prepared frames go to the socket as they are."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._plan = plan
        self._server = f"{plan.server}-{number}"
        self._websocket = ClientProtocol(
            parse_uri(plan.url), subprotocols=[Subprotocol(MSGPACK)], max_size=64 * 1024 * 1024
        )
        self._decode = msgspec.msgpack.Decoder(_FrameIn).decode
        self._wire = Wire(MSGPACK)
        self._course: Course | None = None
        self._sent: dict[bytes, Sent] = {}
        self._in_flight = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the WebSocket handshake."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's class does not derive from asyncio's
        request = self._websocket.connect()
        request.headers["Authorization"] = f"Bearer {self._plan.token}"
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Skim what came."""
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                if self._websocket.handshake_exc is not None:
                    self._fail(
                        Unavailable(f"the bridge at {self._plan.url}", f"it answered with status {event.status_code}")
                    )
                    return
                self._say(self._wire.hello(self._server, None))
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                self._take(self._decode(event.data))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """A cut is the end of the measurement: a benchmark that loses answers measures nothing."""
        self._fail(
            Unavailable(
                f"the bridge at {self._plan.url}", f"the connection was cut: {exc or self._websocket.close_reason}"
            )
        )

    def run(self, course: Course) -> None:
        """See Connection."""
        self._course = course
        self._fill()

    def close(self) -> None:
        """See Connection."""
        self._course = None
        self._say(self._wire.bye())
        self._transport.close()

    def _take(self, frame: _FrameIn) -> None:
        if frame.t == "replies":
            self._take_replies(frame.r)
        elif frame.t == "refused":
            self._take_replies([_Reply(command_id, False, frame.error) for command_id in frame.ids])
        elif frame.t == "pushes":
            self._say(self._wire.ack([push.no for push in frame.p]))
        elif frame.t == "welcome":
            self.ready.set_result(None)
        else:
            self._fail(Unavailable(f"the bridge at {self._plan.url}", f"it sent {frame}"))

    def _take_replies(self, replies: list[_Reply]) -> None:
        course = self._course
        if course is None:
            return
        now_s = time.perf_counter()
        ok = 0
        for reply in replies:
            if reply.ok:
                ok += 1
            elif reply.error is not None:
                course.refused[reply.error.code] += 1
            sent = self._sent.pop(reply.id or b"", None)
            if sent is None:
                course.fail(
                    Unavailable(f"the bridge at {self._plan.url}", f"it answered a command nobody waits for: {reply}")
                )
                return
            sent.open -= 1
            if sent.open == 0:
                self._in_flight -= 1
                course.finished(sent, now_s)
        course.answered(now_s, ok)
        self._fill()

    def _fill(self) -> None:
        course = self._course
        if course is None:
            return
        while self._in_flight < self._plan.window:
            prepared = course.take()
            if prepared is None:
                return
            self._in_flight += 1
            sent = Sent(len(prepared.ids), time.perf_counter())
            self._sent.update(dict.fromkeys(prepared.ids, sent))
            self._transport.write(prepared.data)

    def _say(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._transport.write(masked(data))

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
        if self._course is not None:
            self._course.fail(error)


class HttpConnection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 connection with one POST at a time."""

    def __init__(self, plan: Plan) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._plan = plan
        self._course: Course | None = None
        self._received = bytearray()
        self._sent: Sent | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready at once."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's class does not derive from asyncio's
        self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Wait for one whole response, count it, send the next request."""
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        course, sent = self._course, self._sent
        if head_end < 0 or course is None or sent is None:
            return
        head = _headers(bytes(self._received[:head_end]))
        if len(self._received) < head_end + 4 + int(head["content-length"]):
            return
        status = self._received[9:12].decode()
        self._received.clear()
        now_s = time.perf_counter()
        if status != "200":
            course.refused[status] += 1
        course.answered(now_s, int(status == "200"))
        course.finished(sent, now_s)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """A cut is the end of the measurement."""
        if self._course is not None:
            self._course.fail(Unavailable(f"the bridge at {self._plan.url}", f"the connection was cut: {exc}"))

    def run(self, course: Course) -> None:
        """See Connection."""
        self._course = course
        self._next()

    def close(self) -> None:
        """See Connection."""
        self._course = None
        self._transport.close()

    def _next(self) -> None:
        prepared = self._course.take() if self._course is not None else None
        if prepared is not None:
            self._sent = Sent(1, time.perf_counter())
            self._transport.write(prepared.data)


def masked(payload: bytes) -> bytes:
    """A binary WebSocket frame from a client."""
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


def _headers(head: bytes) -> Headers:
    headers = Headers()
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name] = value.strip()
    return headers
