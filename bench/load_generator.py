"""The load generator: one process that drives one system with prepared frames and says what came back.

It reads a Plan as JSON from standard input and writes a Measured as JSON to standard output. Everything that costs time
on its side (ids, encoding, masking) is done before the clock starts, and replies are only skimmed, so that the cores of
the machine stay with the system under test. The same program drives the bridge and every peer.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.connections import BridgeConnection, Connection, HttpConnection, masked
from bench.load_run import Course, Measured, Plan, Prepared
from ganggpt.client.wire import MSGPACK, Wire, WireCommand
from ganggpt.domain.ids import CommandId, new_command_id
from ganggpt.errors import GangGPTError, Unavailable

_PREPARED_BYTES_MAX: Final = 512 * 1024 * 1024
_PREPARED_EVENTS_MIN: Final = 2_000
_DRAIN_S: Final = 30.0
_WIRE: Final = Wire(MSGPACK)


def prepare(plan: Plan, events: int) -> list[Prepared]:
    """Frames with so many events (at least), their ids made now."""
    commands = _commands(plan)
    frames: list[Prepared] = []
    size = 0
    for _ in range(-(-events // plan.per_frame)):
        part = [next(commands) for _ in range(plan.per_frame)]
        frames.append(_http_request(plan, *part[0]) if plan.transport == "http" else _bridge_frame(part))
        size += len(frames[-1].data)
        if size > _PREPARED_BYTES_MAX:
            break
    return frames


async def measure(plan: Plan) -> Measured:
    """Connect, warm up, prepare as many frames as the warm-up says, and run against the clock.

    Raises Unavailable when the system cuts a connection, sends something unasked or stops answering.
    """
    connections = await _connect(plan)
    try:
        if plan.events is not None:
            return await _stretch(connections, prepare(plan, plan.events), plan.seconds)
        # A short look says how many frames a warm-up needs, the warm-up how many the measurement needs. All are made
        # only then, so that no id is old when it is sent.
        look = await _stretch(connections, prepare(plan, _PREPARED_EVENTS_MIN), plan.warm_s)
        warm = await _stretch(connections, prepare(plan, _enough(look.per_s, plan.warm_s)), plan.warm_s)
        enough = _enough(max(look.per_s, warm.per_s), plan.seconds)
        return await _stretch(connections, prepare(plan, enough), plan.seconds)
    finally:
        for connection in connections:
            connection.close()


async def _connect(plan: Plan) -> list[Connection]:
    address = urlsplit(plan.url)
    host, port = address.hostname or "", address.port or 80
    loop = asyncio.get_running_loop()
    connections: list[Connection] = []
    for number in range(plan.connections):

        def fresh(number: int = number) -> BridgeConnection | HttpConnection:
            return HttpConnection(plan) if plan.transport == "http" else BridgeConnection(plan, number)

        try:
            async with asyncio.timeout(_DRAIN_S):
                _, connection = await loop.create_connection(fresh, host, port)
                connections.append(connection)
                await connection.ready
        except TimeoutError:
            raise Unavailable(
                f"the bridge at {plan.url}", f"there was no welcome on connection {number} within {_DRAIN_S:g} s"
            ) from None
    return connections


async def _stretch(connections: Sequence[Connection], frames: Sequence[Prepared], seconds: float) -> Measured:
    gc.collect()
    gc.disable()
    try:
        course = Course(frames, seconds)
        course.start()
        for connection in connections:
            connection.run(course)
        try:
            async with asyncio.timeout(seconds + _DRAIN_S):
                await course.over
        except TimeoutError:
            raise Unavailable(
                "the last answer", f"none came {_DRAIN_S:g} s after the end; {course.acked} were acked"
            ) from None
        return course.measured()
    finally:
        gc.enable()


def _enough(rate_per_s: float, seconds: float) -> int:
    return max(_PREPARED_EVENTS_MIN, int(rate_per_s * seconds * 2))


def _commands(plan: Plan) -> Iterator[tuple[CommandId, WireCommand]]:
    turns = ((to, {**plan.arguments, **variant}) for variant in itertools.cycle(plan.variants) for to in plan.to)
    for n, (to, arguments) in enumerate(turns):
        numbered = {k: v.replace("{n}", str(n)) if isinstance(v, str) else v for k, v in arguments.items()}
        yield new_command_id(), WireCommand(to, plan.do, numbered, plan.by)


def _bridge_frame(part: Sequence[tuple[CommandId, WireCommand]]) -> Prepared:
    payload = _WIRE.commands([_WIRE.command(*pair) for pair in part])
    assert isinstance(payload, bytes)
    return Prepared(masked(payload), tuple(command_id for command_id, _ in part))


def _http_request(plan: Plan, command_id: CommandId, command: WireCommand) -> Prepared:
    address = urlsplit(plan.url)
    body = msgspec.json.encode({"id": command_id.hex(), "to": command.to, "do": command.do, "with": command.arguments})
    head = f"POST {address.path or '/'} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    return Prepared(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, ())


def main() -> int:
    """Standard input to standard output; an error as one line on standard error."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    try:
        measured = uvloop.run(measure(plan))
    except (GangGPTError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(measured) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
