"""Virtual time: one scheduler for a whole world, and one asyncio event loop for each process in it.

Nothing waits for a clock on a wall: when no process has anything to run, time jumps to the next timer. Which of the
processes that could run runs next is drawn from the seed; inside a process callbacks keep asyncio's order. Processes
share nothing but the scheduler, so a seed is a run.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

_TASKS_MIN: Final = 64
_GIVE_UP: Final = 64
"""How often the tasks of a killed process are cancelled before it is a mistake of the simulation."""


def _nothing() -> None:
    return None


class Handle(asyncio.TimerHandle):
    """A scheduled callback with the part of the interface of asyncio's handles that asyncio uses."""

    __slots__ = ("args", "callback", "context", "gone", "when_s")

    def __init__(  # pyright: ignore[reportMissingSuperCall] - the base only gives its type
        self, when_s: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self.when_s = when_s
        self.callback = callback
        self.args = args
        self.context = context
        self.gone = False

    def cancel(self) -> None:
        """Cancel the callback and drop its references at once, since a timer stays in the heap until it is due."""
        self.gone = True
        self.callback = _nothing
        self.args = ()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.gone

    def when(self) -> float:
        """When it is due, by the clock of its loop."""
        return self.when_s


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number, so that sets of tasks are iterated alike in every run."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self.number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self.number


class Scheduler:
    """Owns time, all timers and the order in which processes run."""

    def __init__(self, dice: Random) -> None:
        self.now_s = 0.0
        self.batches = 0
        self.stop = False
        self.running: ProcessLoop | None = None
        self.trace: Callable[[str, int], None] | None = None
        self.order = itertools.count()
        self.runnable: list[ProcessLoop] = []
        self.timers: list[tuple[float, int, ProcessLoop | None, Any, Any]] = []
        self._draw = dice.random

    def at(self, when_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Schedule a call outside of all processes."""
        heapq.heappush(self.timers, (when_s, next(self.order), None, callback, args))

    def run(self, end_s: float) -> bool:
        """Run the world until ``stop`` is set or the time is over; returns whether it was stopped."""
        runnable, timers, draw = self.runnable, self.timers, self._draw
        outer = events._get_running_loop()  # noqa: SLF001 - asyncio's own way for loops
        self.stop = False
        try:
            while True:
                while runnable:
                    count = len(runnable)
                    place = int(draw() * count) if count > 1 else 0
                    loop = runnable[place]
                    runnable[place] = runnable[-1]
                    runnable.pop()
                    self.batches += 1
                    loop.turn()
                if self.stop:
                    return True
                if not timers or timers[0][0] > end_s:
                    self.now_s = end_s
                    return False
                when_s, _, owner, what, args = heapq.heappop(timers)
                if owner is None:
                    self.now_s = max(self.now_s, when_s)
                    what(*args)
                elif not what.gone:
                    self.now_s = max(self.now_s, when_s)
                    owner.due(what)
        finally:
            self.running = None
            events._set_running_loop(outer)  # noqa: SLF001

    def enter(self, loop: ProcessLoop) -> None:
        """Make a process the running one."""
        self.running = loop
        events._set_running_loop(loop)  # noqa: SLF001


class ProcessLoop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process. Its clock has a zero of its own.

    ``fuse``: how many more callbacks it runs before ``blow`` is called, which may end it in the middle of its work.
    """

    def __init__(self, scheduler: Scheduler, name: str, zero_s: float, on_mistake: Callable[[str], None]) -> None:
        self.name = name
        self.closed = False
        self.paused = False
        self.fuse: int | None = None
        self.blow: Callable[[], None] | None = None
        self._scheduler = scheduler
        self._zero_s = zero_s
        self._on_mistake = on_mistake
        self._ready: deque[Handle] = deque()
        self._tasks: list[SimTask] = []
        self._tasks_max = _TASKS_MIN
        self._queued = False

    def time(self) -> float:
        """Virtual seconds since the zero of this process."""
        return self._scheduler.now_s - self._zero_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        """See asyncio."""
        handle = Handle(0.0, callback, args, context)
        if not self.closed:
            self._ready.append(handle)
            if not self._queued and not self.paused:
                self._queued = True
                self._scheduler.runnable.append(self)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        """See asyncio."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        """See asyncio."""
        handle = Handle(when, callback, args, context)
        if not self.closed:
            scheduler = self._scheduler
            heapq.heappush(scheduler.timers, (when + self._zero_s, next(scheduler.order), self, handle, None))
        return handle

    def due(self, handle: Handle) -> None:
        """A timer of this process is due."""
        if not self.closed:
            self._ready.append(handle)
            self._wake()

    def turn(self) -> None:
        """Run what is ready now, as one pass of asyncio's loop does."""
        self._queued = False
        if self.closed or self.paused or self.fuse == 0:
            return
        count = len(self._ready)
        if self.fuse is not None:
            count = min(count, self.fuse)
            self.fuse -= count
        if self._scheduler.trace is not None:
            self._scheduler.trace(self.name, count)
        self._run(count)
        if self.fuse == 0:
            if self.blow is not None:
                self.blow()
        elif self._ready:
            self._wake()

    def pause(self) -> None:
        """Stop as by SIGSTOP: no callback runs, and what arrives waits."""
        self.paused = True

    def resume(self) -> None:
        """Continue as by SIGCONT: what waited runs; the clock was not stopped."""
        self.paused = False
        if self._ready:
            self._wake()

    def kill(self) -> None:
        """As SIGKILL. Its tasks are unwound here and now; what they do meanwhile reaches nobody, because the caller has
        cut this process off before."""
        outer = events._get_running_loop()  # noqa: SLF001 - asyncio's own way for loops
        try:
            for _ in range(_GIVE_UP):
                open_tasks = [task for task in self._tasks if not task.done()]
                if not open_tasks:
                    break
                for task in open_tasks:
                    task.cancel()
                while self._ready:
                    self._run(len(self._ready))
            else:
                self._on_mistake(f"{self.name} has tasks that cannot be cancelled: {open_tasks}")
        finally:
            self._scheduler.running = outer if isinstance(outer, ProcessLoop) else None
            events._set_running_loop(outer)  # noqa: SLF001
        self.closed = True
        self._tasks.clear()
        self._ready.clear()

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None) -> Any:
        """See asyncio."""
        task = SimTask(next(self._scheduler.order), coro, loop=self, name=name, context=context)
        tasks = self._tasks
        tasks.append(task)
        if len(tasks) > self._tasks_max:
            self._tasks = [task for task in tasks if not task.done()]
            self._tasks_max = _TASKS_MIN + 2 * len(self._tasks)
        return task

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task from outside the process."""
        task: asyncio.Task[Any] = self.create_task(work)
        return task

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def is_running(self) -> bool:
        """See asyncio."""
        return not self.closed

    def is_closed(self) -> bool:
        """See asyncio."""
        return self.closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report as a mistake what asyncio would log."""
        if not self.closed:
            task = context.get("task") or context.get("future")
            where = f" in {task.get_coro()!r}" if isinstance(task, asyncio.Task) else ""
            self._on_mistake(f"{self.name}: {context.get('message')}{where}: {context.get('exception')!r}")

    def _wake(self) -> None:
        if not self._queued and not self.paused:
            self._queued = True
            self._scheduler.runnable.append(self)

    def _run(self, count: int) -> None:
        ready = self._ready
        if self._scheduler.running is not self:
            self._scheduler.enter(self)
        for _ in range(count):
            handle = ready.popleft()
            if handle.gone:
                continue
            context = handle.context
            try:
                if context is None:
                    handle.callback(*handle.args)
                else:
                    context.run(handle.callback, *handle.args)
            except Exception as mistake:  # noqa: BLE001 - as asyncio does: one callback must not end the loop
                self._on_mistake(f"{self.name}: {handle.callback!r} raised {mistake!r}")
