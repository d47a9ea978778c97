"""Open-loop load: game servers that send so many commands a second whether they are answered or not.

A process of its own; a ``Flood`` as JSON on standard input, a ``Flooded`` as JSON on standard output. Ten times a
machine's capacity must come from the cores it shares with the system, so a frame costs next to nothing here: it is cut
from a template, only the ids are new, and an id carries the number of its frame, so that no table of ids is needed.
What the socket does not take (its buffer is full) is not sent and does not count as offered.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from array import array
from collections import Counter
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bench.connections import masked
from ganggpt.client.wire import MSGPACK, Wire, WireCommand
from ganggpt.errors import GangGPTError, Unavailable

TICK_S: Final = 0.02
"""A game server gathers what happened in a tick (50 a second) into frames."""
FRAME_MAX: Final = 250
BUCKET_S: Final = 0.25
_UNSENT_MAX: Final = 1024 * 1024
_DRAIN_S: Final = 30.0
_HEAD: Final = b"\x82\xa1t\xa8commands\xa1c\xdc"


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """``servers`` game servers send together ``per_s`` commands a second for ``seconds``, to the actors ``to`` in turn;
    they connect at once and begin after ``wait_s``."""

    url: str
    token: str
    name: str
    servers: int
    per_s: float
    seconds: float
    to: tuple[str, ...]
    wait_s: float = 0.0


class Bucket(msgspec.Struct, kw_only=True):
    """A quarter of a second, by the time of sending."""

    sent: int = 0
    ok: int = 0
    refused: int = 0
    p99_ms: float | None = None


class Flooded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latency of what was let in, from the tick to the answer. ``unhinted``: refusals that are not
    ``overloaded`` with a ``retry_after_ms``; ``doubled``: more answers than commands; ``lost``: fewer."""

    seconds: float
    sent: int
    ok: int
    refused: dict[str, int]
    unhinted: int
    doubled: int
    lost: int
    per_s: float
    p50_ms: float | None
    p99_ms: float | None
    late_ms: float
    hint_ms: tuple[int, int]
    buckets: list[Bucket]

    @property
    def shed(self) -> float:
        """Share that was refused."""
        return sum(self.refused.values()) / max(1, self.sent)


class _Error(msgspec.Struct, frozen=True, gc=False):
    code: str
    retry_after_ms: int = 0


class _Reply(msgspec.Struct, frozen=True, gc=False):
    id: bytes
    ok: bool
    error: _Error | None = None


class _FrameIn(msgspec.Struct, frozen=True, gc=False):
    t: str
    r: list[_Reply] = []
    ids: list[bytes] = []
    error: _Error | None = None
    p: list[dict[str, Any]] = []


class Template:
    """Commands of equal length, so that ids can be put in where they belong."""

    def __init__(self, to: tuple[str, ...], first: int) -> None:
        wire = Wire(MSGPACK)
        arguments = {"what": "somebody ran past the pier", "weight": 5, "about": None}
        encoded = [
            bytes(wire.command(bytes(16), WireCommand(to[(first + n) % len(to)], "Observe", arguments)))  # type: ignore[arg-type]
            for n in range(FRAME_MAX)
        ]
        self.size = len(encoded[0])
        assert {len(one) for one in encoded} == {self.size}, "actors' names have one length"
        self._body = b"".join(encoded)
        self._id_at = encoded[0].index(bytes(16))

    def frame(self, number: int, count: int) -> bytes:
        """A masked WebSocket frame; its mask is zero, which leaves the payload as it is."""
        body = bytearray(self._body[: count * self.size])
        head = int(time.time() * 1000).to_bytes(6, "big") + b"\x70\x00\x80" + number.to_bytes(4, "big")
        fresh = os.urandom(3)
        at = self._id_at
        for n in range(count):
            body[at : at + 16] = head[:7] + bytes((n,)) + head[8:] + fresh
            at += self.size
        length = len(_HEAD) + 2 + len(body)
        return b"".join(
            (b"\x82\xff", length.to_bytes(8, "big"), bytes(4), _HEAD, count.to_bytes(2, "big"), body)
            if length > 65_535
            else (b"\x82\xfe", length.to_bytes(2, "big"), bytes(4), _HEAD, count.to_bytes(2, "big"), body)
        )


class Tally:
    """What all connections of this process see together."""

    def __init__(self, plan: Flood) -> None:
        self.plan = plan
        self.began_s = 0.0
        self.sent_at: list[float] = []
        self.open: list[int] = []
        self.missing = 0
        self.ok = 0
        self.refused: Counter[str] = Counter()
        self.unhinted = self.doubled = 0
        self.late_s = 0.0
        self.hints = [10**9, 0]
        self.latencies = array("d")
        self.buckets = [Bucket() for _ in range(int(plan.seconds / BUCKET_S) + 2)]
        self.of_bucket: list[array[float]] = [array("d") for _ in self.buckets]
        self.over = asyncio.Event()

    def send(self, count: int) -> int:
        """A frame of so many leaves now; its number."""
        now_s = time.perf_counter()
        self.sent_at.append(now_s)
        self.open.append(count)
        self.missing += count
        self._bucket(now_s).sent += count
        return len(self.open) - 1

    def take(self, replies: list[_Reply]) -> None:
        """Answers."""
        now_s = time.perf_counter()
        for reply in replies:
            number = int.from_bytes(reply.id[9:13], "big")
            if not reply.ok:
                self._count_refused(number, 1, reply.error or _Error("none"))
                continue
            self._count(number, 1)
            took_s = now_s - self.sent_at[number]
            self.ok += 1
            self.latencies.append(took_s)
            self.of_bucket[self._index(self.sent_at[number])].append(took_s)
        self._look_for_the_end(now_s)

    def take_refused(self, ids: list[bytes], error: _Error) -> None:
        """One reason for many commands."""
        for number, count in Counter([command_id[9:13] for command_id in ids]).items():
            self._count_refused(int.from_bytes(number, "big"), count, error)
        self._look_for_the_end(time.perf_counter())

    def _count_refused(self, number: int, count: int, error: _Error) -> None:
        self._count(number, count)
        self.refused[error.code] += count
        self._bucket(self.sent_at[number]).refused += count
        hint = error.retry_after_ms
        if error.code != "overloaded" or not hint:
            self.unhinted += count
        else:
            self.hints[0], self.hints[1] = min(self.hints[0], hint), max(self.hints[1], hint)

    def _count(self, number: int, count: int) -> None:
        self.open[number] -= count
        self.missing -= count
        if self.open[number] < 0:
            self.doubled += 1

    def _look_for_the_end(self, now_s: float) -> None:
        if self.missing == 0 and now_s - self.began_s > self.plan.seconds:
            self.over.set()

    def _bucket(self, at_s: float) -> Bucket:
        return self.buckets[self._index(at_s)]

    def _index(self, at_s: float) -> int:
        return int((at_s - self.began_s) / BUCKET_S)

    def flooded(self) -> Flooded:
        """The result."""
        for bucket, found in zip(self.buckets, self.of_bucket, strict=True):
            bucket.ok, bucket.p99_ms = len(found), _at(found, 0.99)
        sent = sum(bucket.sent for bucket in self.buckets)
        low, high = self.hints
        return Flooded(
            seconds=self.plan.seconds,
            sent=sent,
            ok=self.ok,
            refused=dict(self.refused),
            unhinted=self.unhinted,
            doubled=self.doubled,
            lost=self.missing,
            per_s=sent / self.plan.seconds,
            p50_ms=_at(self.latencies, 0.5),
            p99_ms=_at(self.latencies, 0.99),
            late_ms=self.late_s * 1000,
            hint_ms=(low if high else 0, high),
            buckets=self.buckets,
        )


class FloodConnection(asyncio.Protocol):
    """One game server."""

    def __init__(self, tally: Tally, number: int) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failed: Exception | None = None
        self._tally, self._plan, self._number = tally, tally.plan, number
        self._template = Template(tally.plan.to, number * 7)
        self._websocket = ClientProtocol(parse_uri(self._plan.url), subprotocols=[Subprotocol(MSGPACK)], max_size=None)
        self._decode = msgspec.msgpack.Decoder(_FrameIn).decode
        self._wire = Wire(MSGPACK)
        self._offered = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self._transport = cast(asyncio.WriteTransport, transport)
        request = self._websocket.connect()
        request.headers["Authorization"] = f"Bearer {self._plan.token}"
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Count answers."""
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                if self._websocket.handshake_exc is not None:
                    self._fail(
                        Unavailable(f"the bridge at {self._plan.url}", f"it answered with status {event.status_code}")
                    )
                    return
                self._say(self._wire.hello(f"{self._plan.name}-{self._number}", None))
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                frame = self._decode(event.data)
                if frame.t == "replies":
                    self._tally.take(frame.r)
                elif frame.t == "refused":
                    self._tally.take_refused(frame.ids, frame.error or _Error("none"))
                elif frame.t == "welcome":
                    self.ready.set_result(None)
                elif frame.t == "pushes":
                    self._say(self._wire.ack([push["no"] for push in frame.p]))
                else:
                    self._fail(Unavailable(f"the bridge at {self._plan.url}", f"it sent {event.data[:200]!r}"))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """A cut ends the run: nobody is cut for sending too much."""
        self._fail(
            Unavailable(
                f"the bridge at {self._plan.url}", f"the connection was cut: {exc or self._websocket.close_reason}"
            )
        )

    def tick(self, due: float) -> None:
        """Send what gathered since the last tick, as far as the socket takes it."""
        self._offered += due
        while self._offered >= 1 and self._transport.get_write_buffer_size() < _UNSENT_MAX:
            count = min(FRAME_MAX, int(self._offered))
            self._offered -= count
            self._transport.write(self._template.frame(self._tally.send(count), count))
        self._offered = min(self._offered, 1.0)

    def close(self) -> None:
        """Hang up."""
        self._say(self._wire.bye())
        self._transport.close()

    def _say(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self._transport.write(masked(data))

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        self.failed = error
        if not self.ready.done():
            self.ready.set_exception(error)
        self._tally.over.set()


async def flood(plan: Flood) -> Flooded:
    """Run the load. Raises Unavailable where a connection is cut."""
    tally = Tally(plan)
    address = urlsplit(plan.url)
    loop = asyncio.get_running_loop()
    connections: list[FloodConnection] = []
    for number in range(plan.servers):
        async with asyncio.timeout(_DRAIN_S):
            _, connection = await loop.create_connection(
                lambda number=number: FloodConnection(tally, number), address.hostname, address.port
            )  # type: ignore[misc]
            await connection.ready
        connections.append(connection)
    await asyncio.sleep(plan.wait_s)
    gc.collect()
    gc.disable()
    began_s = tally.began_s = time.perf_counter()
    number = 0
    try:
        while (now_s := time.perf_counter()) - began_s < plan.seconds and not tally.over.is_set():
            tally.late_s = max(tally.late_s, now_s - began_s - number * TICK_S / plan.servers)
            connections[number % plan.servers].tick(plan.per_s / plan.servers * TICK_S)
            number += 1
            await asyncio.sleep(max(0.0, began_s + number * TICK_S / plan.servers - time.perf_counter()))
        try:
            async with asyncio.timeout(_DRAIN_S):
                if tally.missing:
                    await tally.over.wait()
        except TimeoutError:
            pass  # what is missing is counted as lost
        for connection in connections:
            if connection.failed is not None:
                raise connection.failed
        return tally.flooded()
    finally:
        for connection in connections:
            connection.close()


def _at(values: array[float], fraction: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] * 1000 if ordered else None


def main() -> int:
    """Standard input to standard output; an error as one line on standard error."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Flood)
    try:
        flooded = uvloop.run(flood(plan))
    except (GangGPTError, OSError, TimeoutError) as error:
        sys.stderr.write(f"{error!r}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(flooded) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
