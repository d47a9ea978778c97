"""Processes and the network between them: messages take time, get lost, and do not pass where a link is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from ganggpt.errors import GangGPTError
from ganggpt.simulation.loop import ProcessLoop, Scheduler

DETECT_S: Final = (0.02, 0.4)
"""How long it takes until callers notice that a process died."""


@dataclass(slots=True)
class Weather:
    """How bad the network is, in probabilities of one message and in seconds.

    ``broken``: the message is lost and its connection breaks, which the caller notices soon. ``silent``: it is lost and
    nobody notices. ``slow``: it takes up to ``slow_s`` instead of about a millisecond.
    """

    broken: float = 0.0
    silent: float = 0.0
    slow: float = 0.0
    slow_s: float = 1.0


class Process:
    """One simulated process: a loop, and the calls others have open to it. ``direct``: what it receives is dealt with
    as it arrives, not by a callback of its loop."""

    def __init__(self, name: str, number: int, loop: ProcessLoop) -> None:
        self.direct = False
        self.name = name
        self.number = number
        self.place = f"{name}#{number}"
        self.loop = loop
        self.dead = False
        self.calls: dict[PendingCall, None] = {}
        self.on_death: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return self.place


class PendingCall:
    """A question of one process to another and the way of its answer."""

    __slots__ = ("dst", "future", "lost", "src", "timer")

    def __init__(self, src: Process, dst: Process, lost: Callable[[str], GangGPTError]) -> None:
        self.src, self.dst, self.lost = src, dst, lost
        self.future: asyncio.Future[Any] = src.loop.create_future()
        self.timer: Any = None

    def answer(self, value: Any, error: GangGPTError | None) -> None:
        """The caller hears."""
        if not self.future.done():
            if error is None:
                self.future.set_result(value)
            else:
                self.future.set_exception(error)

    def fail(self, why: str) -> None:
        """The caller hears that it will not hear."""
        if not self.future.done():
            self.future.set_exception(self.lost(why))


class Network:
    """Owns the processes that live and every message on its way."""

    def __init__(self, scheduler: Scheduler, dice: Random, on_mistake: Callable[[str], None]) -> None:
        self.scheduler = scheduler
        self.weather = Weather()
        self.processes: dict[Process, None] = {}
        self.messages = 0
        self._dice = dice
        self._draw = dice.random
        self._on_mistake = on_mistake
        self._cut: dict[frozenset[str], str] = {}
        self._born = 0

    def spawn(self, name: str) -> Process:
        """A new process. Its monotonic clock begins anywhere."""
        self._born += 1
        zero_s = self._draw() * 1e5
        # The abstract methods are those of real sockets and processes.
        loop = ProcessLoop(self.scheduler, name, -zero_s, self._on_mistake)  # type: ignore[abstract]
        process = Process(name, self._born, loop)
        self.processes[process] = None
        return process

    def kill(self, process: Process) -> None:
        """End a process at once. What it sent is on its way; what it was doing is never finished."""
        if process.dead:
            return
        process.dead = True
        self.processes.pop(process, None)
        process.loop.kill()
        calls, process.calls = list(process.calls), {}
        for call in calls:
            self._later(call.src, self._between(*DETECT_S), call.fail, f"{process} ended")
        for notify in process.on_death:
            notify()

    def cut(self, one: str, other: str, how: str) -> None:
        """No message passes between two places any more; ``how``: ``silent`` or ``broken``."""
        self._cut[frozenset((one, other))] = how

    def heal(self, one: str | None = None, other: str | None = None) -> None:
        """Undo a cut, or all of them."""
        if one is None or other is None:
            self._cut.clear()
        else:
            self._cut.pop(frozenset((one, other)), None)

    async def ask(
        self,
        src: Process,
        dst: Process | None,
        work: Callable[[], Awaitable[Any]],
        lost: Callable[[str], GangGPTError],
        timeout_s: float,
    ) -> Any:
        """Let another process do something in a task of its own and hear its answer. Errors of the work come back;
        ``lost`` makes the error for an answer that does not come, whatever became of the work."""
        return await self.request(src, dst, lambda call: self._begin(call, work), lost, timeout_s)

    async def request(
        self,
        src: Process,
        dst: Process | None,
        serve: Callable[[PendingCall], None],
        lost: Callable[[str], GangGPTError],
        timeout_s: float,
    ) -> Any:
        """Send something that the other process deals with by ``serve``, which leads to ``reply``."""
        if dst is None or dst.dead:
            await asyncio.sleep(self._between(0.001, 0.02))
            raise lost("no such process")
        call = PendingCall(src, dst, lost)
        call.timer = src.loop.call_later(timeout_s, call.fail, "no answer in time")
        dst.calls[call] = None
        self._send(src, dst, call, serve, call)
        try:
            return await call.future
        finally:
            call.timer.cancel()
            dst.calls.pop(call, None)

    def reply(self, call: PendingCall, value: Any, error: GangGPTError | None) -> None:
        """Send the answer."""
        self._send(call.dst, call.src, call, call.answer, value, error)

    def _begin(self, call: PendingCall, work: Callable[[], Awaitable[Any]]) -> None:
        call.dst.loop.create_task(self._serve(call, work))

    async def _serve(self, call: PendingCall, work: Callable[[], Awaitable[Any]]) -> None:
        value, error = None, None
        try:
            value = await work()
        except GangGPTError as failed:
            error = failed
        self.reply(call, value, error)

    def _send(self, src: Process, dst: Process, call: PendingCall, deliver: Callable[..., object], *args: Any) -> None:
        """Put a message on its way, or lose it."""
        if src.dead or dst.dead:
            return
        self.messages += 1
        weather, chance = self.weather, self._draw()
        how = self._cut.get(frozenset((src.place, dst.place))) if self._cut else None
        if how is None and chance < weather.broken + weather.silent:
            how = "broken" if chance < weather.broken else "silent"
        if how is not None:
            if how == "broken":
                self._later(call.src, self._between(0.001, 0.05), call.fail, "the connection broke")
            return
        delay_s = 0.0003 + 0.002 * self._draw() ** 3
        if weather.slow and self._draw() < weather.slow:
            delay_s += weather.slow_s * self._draw() ** 2
        self._later(dst, delay_s, deliver, *args)

    def _later(self, process: Process, delay_s: float, deliver: Callable[..., object], *args: Any) -> None:
        self.scheduler.at(self.scheduler.now_s + delay_s, self._arrive, process, deliver, args)

    def _arrive(self, process: Process, deliver: Callable[..., object], args: tuple[Any, ...]) -> None:
        if process.dead:
            return
        if process.direct:
            deliver(*args)
        else:
            process.loop.call_soon(deliver, *args)

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._draw()
