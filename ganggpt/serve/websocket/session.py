"""The state of a game server's connection from its hello to its end: commands in, commands in flight, frames out.

Nothing here awaits. ``take`` gets frames, ``deliver`` gets replies, and ``outgoing`` returns everything gathered since
its last call, so that a busy session sends many replies at once. Every buffer is bounded: commands over the in-flight
limit are refused one by one, and too many unread bytes end the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from time import perf_counter
from typing import Any, Final, NamedTuple

import msgspec

from ganggpt.actors.envelope import Envelope, outcome_of, reply_error
from ganggpt.actors.overload import OverloadReply
from ganggpt.actors.ports import CommandPort, Gate
from ganggpt.domain.ids import ID_BYTES, CommandId
from ganggpt.errors import GangGPTError, InvalidInput, TooLarge, Unavailable, UnknownCommand
from ganggpt.protocol.codec import Codec, Head
from ganggpt.protocol.command_book import CommandBook, PublicCommand
from ganggpt.protocol.frames import Ack, Hello, printable, read_small_frame
from ganggpt.protocol.limits import Limits
from ganggpt.serve.auth import acting_player
from ganggpt.serve.websocket.push_pump import PushPump
from ganggpt.serve.websocket.traffic_totals import TrafficTotals

_encode: Final = msgspec.msgpack.Encoder().encode


class CloseCode(int, Enum):
    """Why the server closed a WebSocket. ``GONE`` is never sent: there is nobody to send it to."""

    LEFT = 1000
    GONE = 1005
    BAD_FRAMES = 4400
    UNAUTHORIZED = 4401
    TOO_SLOW = 4408
    SUPERSEDED = 4409
    GOING_AWAY = 4410


class Ending(NamedTuple):
    """The close frame of a session."""

    code: CloseCode
    reason: str


class Session:
    """The state of one connection. All methods run on the event loop."""

    def __init__(
        self,
        server: str,
        session_id: str,
        codec: Codec,
        port: CommandPort,
        book: CommandBook,
        traffic: TrafficTotals,
        limits: Limits,
    ) -> None:
        self.server = server
        self.id = session_id
        self.by = f"server:{server}"
        self.codec = codec
        self.pump: PushPump | None = None
        self.in_flight: dict[bytes, tuple[float, PublicCommand]] = {}
        self.last_heard_s = asyncio.get_running_loop().time()
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.wake = asyncio.Event()
        self._port, self._book, self._traffic, self._limits = port, book, traffic, limits
        self._frames: list[bytes | str] = []
        self._replies: list[bytes] = []
        self._pushes: list[bytes] = []
        self._out_bytes = 0
        self._bad_frames = 0
        self._leaving = False
        self._settled = asyncio.Event()

    # -- in ---------------------------------------------------------------------------------------------------------

    def take(self, data: bytes | str) -> None:
        """Take one frame from the client. Never raises: an error is answered."""
        if self.ended.done():
            return
        traffic = self._traffic
        traffic.bytes_in.inc(len(data))
        gate = self._port.gate(self.by)
        try:
            heads = self._heads_to_decide(data, gate)
            refused = self._turn_away(heads, gate) if heads else ()
            if heads and len(refused) == len(heads):
                self.last_heard_s = asyncio.get_running_loop().time()
                traffic.frames_commands.inc()
            else:
                frame = self.codec.decode(data, self._limits.frame_bytes_max)
                if frame["t"] == "commands":
                    self._take_commands(frame, gate, refused, is_decided=bool(heads))
                    traffic.frames_commands.inc()
                else:
                    self._take_small(frame)
                    traffic.frames_other.inc()
        except GangGPTError as error:
            self._refuse_frame(error)
        else:
            self._bad_frames = 0
        finally:
            if gate is not None:
                gate.close()

    def _heads_to_decide(self, data: bytes | str, gate: Gate | None) -> Sequence[Head]:
        """Ids and addresses of the commands of a frame, where some may have to be refused before they are read; else
        none. In an overload nearly all commands are refused, so a refusal must cost next to nothing."""
        full = gate is not None or len(self.in_flight) >= self._traffic.in_flight_limit()
        if not full or self._leaving or len(data) > self._limits.frame_bytes_max:
            return ()
        heads = self.codec.heads(data) or ()
        return heads if len(heads) <= self._limits.commands_max else ()

    def _turn_away(self, heads: Sequence[Head], gate: Gate | None) -> Collection[int]:
        """Answer ``overloaded`` to the commands for which there is no room; returns their positions in the frame."""
        traffic, in_flight = self._traffic, self.in_flight
        limit = traffic.in_flight_limit()
        over_limit = traffic.over_limit(limit) if len(in_flight) >= limit else None
        refused: dict[OverloadReply, list[bytes]] = {}
        places: list[int] = []
        for place, head in enumerate(heads):
            if len(head.id) != ID_BYTES or head.id in in_flight:
                continue
            refusal = gate.admit(head.to) if over_limit is None and gate is not None else over_limit
            if refusal is not None:
                refused.setdefault(refusal, []).append(head.id)
                places.append(place)
        for refusal, ids in refused.items():
            self.send({"t": "refused", "ids": ids, "error": refusal.of_many(len(ids)).as_wire()})
        traffic.overloaded.inc(len(places))
        return frozenset(places)

    def _take_commands(
        self, frame: dict[str, Any], gate: Gate | None, refused: Collection[int], *, is_decided: bool
    ) -> None:
        """Read the commands that were not ``refused`` and send them on. ``is_decided``: the gate was asked already."""
        commands = frame.get("c")
        if type(commands) is not tuple or not commands or len(frame) != 2:
            raise InvalidInput("c", "a commands frame has the field c, a list of 1 or more commands, and no other")
        if len(commands) > self._limits.commands_max:
            raise TooLarge("c", len(commands), self._limits.commands_max)
        self.last_heard_s = asyncio.get_running_loop().time()
        limit = self._traffic.in_flight_limit()
        in_flight = self.in_flight
        started_s = perf_counter()
        accepted: list[Envelope] = []
        asked = None if is_decided else gate
        placed = enumerate(commands)
        for position, raw in ((place, raw) for place, raw in placed if place not in refused) if refused else placed:
            command_id: CommandId | None = None
            try:
                if type(raw) is not dict:
                    raise InvalidInput("", "a command is a map")
                command_id = self.codec.command_id(raw.get("id"))
                if command_id in in_flight:
                    _check_resent(command_id, accepted)
                    continue
                if self._leaving:
                    raise Unavailable("this connection", "the server said bye on it")
                refusal = self._full(raw, limit, asked)
                if refusal is not None:
                    self._traffic.overloaded.inc()
                    self._reply(refusal.reply(command_id))
                    continue
                command, envelope = self._read(command_id, raw)
            except GangGPTError as error:
                self._refuse(command_id, _placed(error, position))
            else:
                in_flight[command_id] = (started_s, command)
                self._traffic.in_flight += 1
                accepted.append(envelope)
        if accepted:
            self._port.submit(accepted, self.deliver, self.by, gate)

    def _full(self, raw: dict[str, Any], limit: int, gate: Gate | None) -> OverloadReply | None:
        """The refusal where there is no room for a command, before any more time is spent on it."""
        if len(self.in_flight) >= limit:
            return self._traffic.over_limit(limit)
        return None if gate is None else gate.admit(str(raw.get("to")))

    def _read(self, command_id: CommandId, raw: dict[str, Any]) -> tuple[PublicCommand, Envelope]:
        """Check one command and address it. Raises InvalidInput, UnknownCommand or Overloaded."""
        to, do, by = raw.get("to"), raw.get("do"), raw.get("by")
        if type(to) is not str:
            raise InvalidInput("to", "to whom: the id of an actor")
        if type(do) is not str:
            raise InvalidInput("do", "do what: the name of a command")
        if len(raw) != 3 + ("with" in raw) + ("by" in raw):
            raise _unknown_field(raw)
        command = self._book.commands_for(to).get(do)
        if command is None:
            raise UnknownCommand(to.partition(":")[0], printable(do, 60))
        if by is None:
            by = self.by
        elif by != self.by:
            by = acting_player(by)
        body = msgspec.Raw(_encode(command.read(raw.get("with"))))
        if command.creates:
            self._traffic.new_actors.admit(command.kind)
        return command, Envelope(command_id, to, by, do, body)

    def _take_small(self, frame: dict[str, Any]) -> None:
        if frame["t"] not in ("hello", "ack", "bye"):
            raise InvalidInput("t", f"no frame is called {printable(frame['t'], 40)!r}")
        small = read_small_frame(frame)
        self.last_heard_s = asyncio.get_running_loop().time()
        if isinstance(small, Ack):
            if self.pump is not None:
                self.pump.ack(small.p)
        elif isinstance(small, Hello):
            raise InvalidInput("t", "hello was already said on this connection")
        else:
            self.end(CloseCode.LEFT, "bye")

    def _refuse(self, command_id: CommandId | None, error: GangGPTError) -> None:
        self._traffic.refused.labels(error.code).inc()
        if command_id is None:
            reply = _encode({"id": None, "ok": False, "error": error.as_wire()})
        else:
            reply = reply_error(command_id, error)
        self._reply(reply)

    def _reply(self, reply: bytes) -> None:
        self._replies.append(reply)
        self._gathered(len(reply))

    def _refuse_frame(self, error: GangGPTError) -> None:
        self._traffic.frames_bad.inc()
        self._bad_frames += 1
        self.send({"t": "error", "error": error.as_wire()})
        if self._bad_frames >= self._limits.bad_frames_max:
            self.end(CloseCode.BAD_FRAMES, f"{self._bad_frames} unreadable frames in a row")

    # -- out --------------------------------------------------------------------------------------------------------

    def deliver(self, command_id: bytes, reply: bytes) -> None:
        """Send the finished reply map of a command in flight. A reply that is no longer waited for is dropped."""
        waiting = self.in_flight.pop(command_id, None)
        if waiting is None:
            return
        self._traffic.in_flight -= 1
        started_s, command = waiting
        self._traffic.tally.add(command.kind, command.name, outcome_of(reply), perf_counter() - started_s)
        self._reply(reply)
        if self._leaving and not self.in_flight:
            self._settled.set()

    def deliver_pushes(self, finished: Sequence[bytes]) -> None:
        """Send finished push maps."""
        self._pushes.extend(finished)
        self._gathered(sum(map(len, finished)))

    def send(self, frame: dict[str, Any]) -> None:
        """Send a frame that is neither replies nor pushes."""
        encoded = self.codec.encode(frame)
        self._frames.append(encoded)
        self._gathered(len(encoded))

    def outgoing(self) -> Iterator[bytes | str]:
        """All frames gathered so far. A frame counts as unread until the next one is asked for."""
        while self._frames or self._replies or self._pushes:
            frames, self._frames = self._frames, []
            replies, self._replies = self._replies, []
            pushes, self._pushes = self._pushes, []
            for frame in frames:
                yield frame
                self._out_bytes -= len(frame)
            for chunk in _chunks(replies, self._limits.frame_bytes_max):
                yield self.codec.replies(chunk)
                self._out_bytes -= sum(map(len, chunk))
            for chunk in _chunks(pushes, self._limits.frame_bytes_max):
                yield self.codec.pushes(chunk)
                self._out_bytes -= sum(map(len, chunk))

    def _gathered(self, size: int) -> None:
        self._out_bytes += size
        self.wake.set()
        if self._out_bytes > self._limits.out_bytes_max:
            self.end(CloseCode.TOO_SLOW, f"{self._limits.out_bytes_max} bytes are waiting to be read")

    # -- the end ----------------------------------------------------------------------------------------------------

    def say_bye(self, reason: str, retry_after_ms: int) -> None:
        """Announce the end and refuse new commands; replies to those in flight are still sent."""
        if self._leaving:
            return
        self._leaving = True
        self.send({"t": "bye", "reason": reason, "retry_after_ms": retry_after_ms})
        if not self.in_flight:
            self._settled.set()

    async def leave(self, reason: str, retry_after_ms: int) -> None:
        """Say bye, wait for the replies in flight (``leave_grace_s`` at most), and end."""
        self.say_bye(reason, retry_after_ms)
        try:
            async with asyncio.timeout(self._limits.leave_grace_s):
                await self._settled.wait()
        except TimeoutError:
            pass  # the client re-sends what it got no answer to
        self.end(CloseCode.GOING_AWAY, reason)

    def end(self, code: CloseCode, reason: str) -> None:
        """End the session; the first reason counts."""
        if not self.ended.done():
            self.ended.set_result(Ending(code, reason))
            self.wake.set()

    def forget_in_flight(self) -> None:
        """Drop the commands in flight: their replies are no longer waited for."""
        self._traffic.in_flight -= len(self.in_flight)
        self.in_flight.clear()


def _check_resent(command_id: CommandId, accepted: Sequence[Envelope]) -> None:
    """A command in flight may be re-sent and is answered once; the same id twice in a frame is an error."""
    if any(envelope.id == command_id for envelope in accepted):
        raise InvalidInput("id", "the id stands twice in this frame; the first one counts")


def _placed(error: GangGPTError, position: int) -> GangGPTError:
    """The error with the path of its field from the root of the frame."""
    if isinstance(error, InvalidInput):
        return InvalidInput(f"c.{position}.{error.field}".rstrip("."), error.problem)
    return error


def _unknown_field(raw: dict[str, Any]) -> InvalidInput:
    unknown = next((key for key in raw if key not in ("id", "to", "do", "with", "by")), "")
    return InvalidInput(printable(str(unknown), 40), "a command has the fields id, to, do, with, by and no other")


def _chunks(finished: list[bytes], bytes_max: int) -> Iterator[list[bytes]]:
    """Split a list of finished maps into parts that fit a frame; a map over the limit is a part of its own."""
    if sum(map(len, finished)) <= bytes_max:
        if finished:
            yield finished
        return
    part: list[bytes] = []
    size = 0
    for item in finished:
        if part and size + len(item) > bytes_max:
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item)
    yield part
