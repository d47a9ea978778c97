"""A Python client of the bridge, written against docs/BRIDGE.md alone.

It owns one session: it makes command ids from the clock of the bridge, sends gathered commands as one frame, re-sends
unanswered commands with the same ids after a cut or a retryable error, and takes every push once. It records which
commands were acknowledged, so that a test can look up each of them in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ganggpt.client.waiting import CommandReply, Patience, WaitingCommand
from ganggpt.client.wire import (
    MSGPACK,
    Bye,
    FrameError,
    FromBridge,
    Push,
    Pushes,
    Refused,
    Replies,
    Reply,
    Welcome,
    WelcomeLimits,
    Wire,
    WireCommand,
    WireError,
)
from ganggpt.domain.ids import CommandId, new_command_id
from ganggpt.errors import GangGPTError, InvalidInput, Unauthorized, Unavailable

_CUT: Final = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake)
_UNAUTHORIZED: Final = 4401
_SUPERSEDED: Final = 4409
_FRAME_ROOM_BYTES: Final = 64
"""The bytes of a frame besides its commands."""
_ACKS_PER_FRAME: Final = 1000
_SEEN_MAX: Final = 100_000
"""Push numbers kept so that no push is shown twice; far more than a bridge keeps unacked."""


class GameServer:
    """Owns one session with the bridge; an async context manager.

    ``name`` is the name of the server in hello. ``in_flight_max`` bounds the commands without a reply; further senders
    wait. ``acked`` maps the id of every acknowledged command to (actor, seq). ``contradictions`` holds ids that got two
    different replies, ``complaints`` the last frame errors of either side; both stay empty in a healthy run.
    """

    def __init__(
        self,
        url: str,
        token: str,
        name: str,
        *,
        subprotocol: str = MSGPACK,
        in_flight_max: int = 1024,
        pushes_max: int = 10_000,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.session: str | None = None
        self.resumed = False
        self.limits: WelcomeLimits | None = None
        self.connections = 0
        self.acked: dict[CommandId, tuple[str, int]] = {}
        self.contradictions: list[CommandId] = []
        self.complaints: deque[WireError] = deque(maxlen=100)
        self._url, self._token, self._subprotocol = url, token, subprotocol
        self._patience = patience or Patience()
        self._wire = Wire(subprotocol)
        self._clock_offset_s = 0.0
        self._slots = asyncio.Semaphore(in_flight_max)
        self._waiting: dict[CommandId, WaitingCommand] = {}
        self._outgoing: deque[CommandId] = deque()
        self._on_wire: set[CommandId] = set()
        self._acks: deque[int] = deque()
        self._pushes: asyncio.Queue[Push] = asyncio.Queue(pushes_max)
        self._seen: dict[int, bool] = {}
        self._to_write = asyncio.Event()
        self._welcomed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._life: asyncio.Task[None] | None = None
        self._ended: GangGPTError | None = None

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live(), name=f"game server {self.name}")
        try:
            await self._welcomed.wait()
        except BaseException:
            await self._stop()
            raise
        if self._ended is not None:
            await self._stop()
            raise self._ended
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            with contextlib.suppress(*_CUT):
                async with asyncio.timeout(self._patience.close_s):
                    await self._connection.send(self._wire.bye())
                    await self._connection.close()
        await self._stop()

    @property
    def now_s(self) -> float:
        """The Unix time of the bridge, by its last welcome."""
        return time.time() + self._clock_offset_s

    async def send(
        self,
        to: str,
        do: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        by: str | None = None,
        command_id: CommandId | None = None,
        within_s: float | None = None,
    ) -> CommandReply:
        """Send one command and wait for its final reply (ok or not).

        Raises Unavailable where none comes in time: the outcome is then unknown, and the same id may be sent again.
        """
        wait_s = self._patience.answer_s if within_s is None else within_s
        until_s = asyncio.get_running_loop().time() + wait_s
        waiting: WaitingCommand | None = None
        try:
            async with asyncio.timeout_at(until_s), self._slots:
                if self._ended is not None:
                    raise self._ended
                fresh_id = command_id or new_command_id(self.now_s)
                waiting = self._enqueue(fresh_id, WireCommand(to, do, arguments or {}, by), until_s)
                return await asyncio.shield(waiting.answer)
        except TimeoutError:
            raise self._silence(to, do, wait_s, waiting) from None
        finally:
            if waiting is not None:
                self._let_go(waiting)

    async def send_all(self, commands: Sequence[WireCommand], within_s: float | None = None) -> list[CommandReply]:
        """Send many commands at once, in as few frames as possible, and wait for all replies; they have the same order.

        Raises an ExceptionGroup of what ``send`` raises.
        """
        async with asyncio.TaskGroup() as tasks:
            sending = [
                tasks.create_task(self.send(c.to, c.do, c.arguments, by=c.by, command_id=c.id, within_s=within_s))
                for c in commands
            ]
        return [task.result() for task in sending]

    async def next_push(self, within_s: float = 10.0) -> Push:
        """Take the next push, which acknowledges it. Raises Unavailable where none comes in time."""
        try:
            async with asyncio.timeout(within_s):
                push = await self._pushes.get()
        except TimeoutError:
            raise Unavailable(f"a push for {self.name}", f"none came within {within_s:g} s") from None
        self._acknowledge(push.no)
        return push

    def cut(self) -> None:
        """Break the connection without a bye, as a network does; the session reconnects by itself."""
        if self._connection is not None:
            self._connection.transport.abort()

    # The life of the session: connect, talk until the cut, connect again.

    async def _live(self) -> None:
        end: GangGPTError = Unavailable(f"the session of {self.name}", "it was closed")
        try:
            while True:
                connection = await self._open()
                self._welcomed.set()
                pause_s = await self._talk(connection)
                await asyncio.sleep(pause_s)
        except GangGPTError as failed:
            end = failed
        except _CUT as cut:
            end = Unavailable(
                f"the bridge at {self._url}", f"for {self._patience.reconnect_s:g} s every attempt ended with {cut!r}"
            )
        except (msgspec.DecodeError, UnicodeDecodeError) as unreadable:
            end = InvalidInput("welcome", str(unreadable))
        finally:
            self._end(end)

    async def _open(self) -> ClientConnection:
        patience = self._patience
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_CUT),
            wait=wait_random_exponential(multiplier=patience.backoff_first_s, max=patience.backoff_max_s),
            stop=stop_after_delay(patience.reconnect_s),
            reraise=True,
        )
        return await retrying(self._shake_hands)

    async def _shake_hands(self) -> ClientConnection:
        try:
            connection = await connect(
                self._url,
                subprotocols=[Subprotocol(self._subprotocol)],
                additional_headers={"Authorization": f"Bearer {self._token}"},
                open_timeout=self._patience.open_s,
                close_timeout=self._patience.close_s,
                max_size=None,  # the bridge bounds what it sends
                compression=None,
                proxy=None,
            )
        except InvalidStatus as refused:
            if refused.response.status_code in (401, 403):
                raise Unauthorized from refused
            raise
        try:
            async with asyncio.timeout(self._patience.open_s):
                await connection.send(self._wire.hello(self.name, self.session))
                self._take_welcome(self._wire.read(await connection.recv()))
        except BaseException:
            connection.transport.abort()
            raise
        self.connections += 1
        self._send_unanswered_again()
        return connection

    def _take_welcome(self, frame: FromBridge) -> None:
        match frame:
            case Welcome():
                self.session, self.resumed, self.limits = frame.session, frame.resumed, frame.limits
                self._clock_offset_s = frame.now_ms / 1000 - time.time()
            case FrameError() if not frame.error.retryable:
                raise InvalidInput("hello", frame.error.message)
            case _:
                raise ConnectionError(f"the bridge answered hello with {frame}")

    async def _talk(self, connection: ClientConnection) -> float:
        """Read and write until the connection ends; returns the pause before the next one, in seconds."""
        self._connection = connection
        writer = asyncio.create_task(self._write(connection), name=f"writer of {self.name}")
        try:
            return await self._read(connection, writer)
        finally:
            self._connection = None
            connection.transport.abort()
            writer.cancel()
            await asyncio.wait([writer], timeout=self._patience.close_s)

    async def _read(self, connection: ClientConnection, writer: asyncio.Task[None]) -> float:
        pause_s = self._patience.backoff_first_s
        with contextlib.suppress(ConnectionClosed):
            async for data in connection:
                try:
                    frame = self._wire.read(data)
                except (msgspec.DecodeError, UnicodeDecodeError) as unreadable:
                    self.complaints.append(WireError("unreadable", str(unreadable), retryable=False))
                    continue
                if isinstance(frame, Bye):  # commands in flight are still answered, new ones are not taken
                    writer.cancel()
                    pause_s = (frame.retry_after_ms or 0) / 1000 or pause_s
                else:
                    self._take(frame)
        if connection.close_code == _SUPERSEDED:
            raise Unavailable(f"the name {self.name}", "a newer connection took it")
        if connection.close_code == _UNAUTHORIZED:
            raise Unauthorized
        return pause_s

    async def _write(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader notices it too, and ends the connection
            while True:
                await self._to_write.wait()
                self._to_write.clear()
                while (frame := self._next_frame()) is not None:
                    await connection.send(frame)

    # Sending.

    def _enqueue(self, command_id: CommandId, command: WireCommand, until_s: float) -> WaitingCommand:
        waiting = self._waiting.get(command_id)
        if waiting is None:
            encoded = self._wire.command(command_id, command)
            waiting = self._waiting[command_id] = WaitingCommand(command_id, command.to, encoded, until_s)
        waiting.senders += 1
        self._send_again(command_id)
        return waiting

    def _send_again(self, command_id: CommandId) -> None:
        self._outgoing.append(command_id)
        self._to_write.set()

    def _send_unanswered_again(self) -> None:
        self._on_wire.clear()
        for waiting in self._waiting.values():
            if waiting.again is not None:
                waiting.again.cancel()
        self._outgoing = deque(self._waiting)
        self._to_write.set()

    def _next_frame(self) -> bytes | str | None:
        if self._acks:
            return self._wire.ack([self._acks.popleft() for _ in range(min(len(self._acks), _ACKS_PER_FRAME))])
        limits = self.limits
        assert limits is not None
        room = limits.frame_bytes_max - _FRAME_ROOM_BYTES
        commands: list[msgspec.Raw] = []
        while self._outgoing and len(commands) < limits.commands_max and len(self._on_wire) < limits.in_flight_max:
            waiting = self._waiting.get(self._outgoing[0])
            if waiting is not None:
                room -= len(memoryview(waiting.encoded)) + 1
                if commands and room < 0:
                    break
                waiting.sent += 1
                commands.append(waiting.encoded)
                self._on_wire.add(waiting.id)
            self._outgoing.popleft()
        return self._wire.commands(commands) if commands else None

    # Receiving.

    def _take(self, frame: FromBridge) -> None:
        match frame:
            case Replies():
                for reply in frame.r:
                    self._take_reply(reply)
                self._to_write.set()
            case Refused():
                for command_id in frame.ids:
                    self._take_reply(Reply(command_id, False, error=frame.error))
                self._to_write.set()
            case Pushes():
                for push in frame.p:
                    self._take_push(push)
            case FrameError():
                self.complaints.append(frame.error)
            case _:
                self.complaints.append(WireError("unexpected", f"in a running session: {frame}", retryable=False))

    def _take_reply(self, reply: Reply) -> None:
        if reply.id is None:
            self.complaints.append(reply.error or WireError("unexpected", "an answer to nothing", retryable=False))
            return
        command_id = CommandId(reply.id.bytes)
        self._on_wire.discard(command_id)
        waiting = self._waiting.get(command_id)
        if reply.ok:
            if self.acked.get(command_id, ("", reply.seq))[1] != reply.seq:
                self.contradictions.append(command_id)
            if waiting is not None:
                self.acked.setdefault(command_id, (waiting.to, reply.seq))
                waiting.finish(True, reply)
        elif waiting is not None:
            error = waiting.error = reply.error
            assert error is not None
            pause_s = self._patience.retry_s if error.retry_after_ms is None else error.retry_after_ms / 1000
            loop = asyncio.get_running_loop()
            if error.retryable and loop.time() + pause_s < waiting.until_s:
                waiting.again = loop.call_later(pause_s, self._send_again, command_id)
            else:
                waiting.finish(False, reply)

    def _take_push(self, push: Push) -> None:
        taken = self._seen.get(push.no)
        if taken:  # shown before the cut, and the ack was lost
            self._acknowledge(push.no)
        elif taken is None and not self._pushes.full():  # a push that finds no room stays unacked and is sent again
            if len(self._seen) >= _SEEN_MAX:
                del self._seen[next(iter(self._seen))]
            self._seen[push.no] = False
            self._pushes.put_nowait(push)

    def _acknowledge(self, no: int) -> None:
        self._seen[no] = True
        self._acks.append(no)
        self._to_write.set()

    # The end of waiting.

    def _let_go(self, waiting: WaitingCommand) -> None:
        """End the wait of one sender; the command is dropped with its last sender."""
        waiting.senders -= 1
        if waiting.senders == 0 and self._waiting.pop(waiting.id, None) is not None:
            self._on_wire.discard(waiting.id)
            if waiting.again is not None:
                waiting.again.cancel()

    def _silence(self, to: str, do: str, wait_s: float, waiting: WaitingCommand | None) -> Unavailable:
        if waiting is None:
            waits = f"{len(self._waiting)} commands wait, and none ended in {wait_s:g} s"
            return Unavailable(f"a free slot for {do} to {to}", waits)
        state = "connected" if self._connection is not None else "not connected"
        last = waiting.error or (self.complaints[-1] if self.complaints else "nothing")
        sent = f"the command was sent {waiting.sent} times in {wait_s:g} s, the session is {state}, last heard: {last}"
        return Unavailable(f"the answer to {do} for {to}", sent)

    def _end(self, error: GangGPTError) -> None:
        self._ended = error
        self._welcomed.set()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(error)

    async def _stop(self) -> None:
        if self._life is not None:
            self._life.cancel()
            done, _ = await asyncio.wait([self._life], timeout=self._patience.close_s)
            for life in done:
                if not life.cancelled():
                    life.result()  # a bug of this class must not be hidden
