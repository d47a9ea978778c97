"""The kinds of faults: what is broken, which actors that hits, and how it is mended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import psutil

from ganggpt.errors import Unavailable
from ganggpt.persistence.audit import HostProcess
from ganggpt.testing.chaos.world import ChaosWorld, until

MOVED_S: Final = 60.0
"""How long a paused or cut host may keep its shards before the run gives up."""


async def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that happened: at which loop second, to what, and the actors it hit (others may wait, too).

    ``mend`` ends a fault that lasts and returns a word on what it saw; it runs while the probes wait.
    """

    at_s: float
    what: str
    actors: Sequence[str]
    mend: Callable[[], Coroutine[Any, Any, str]] = _nothing


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault is made with: the world, all actors of the crowd, and dice that the seed decides."""

    world: ChaosWorld
    actors: Sequence[str]
    dice: Random


Strike = Callable[[Scene], Awaitable[Struck]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. ``about`` is for people."""

    name: str
    about: str
    strike: Strike


def send_signal(pid: int, number: signal.Signals) -> float:
    """Signal a process; the loop's time of it. Raises Unavailable where it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError as gone:
        raise Unavailable(f"process {pid}") from gone
    return asyncio.get_running_loop().time()


async def _a_host(scene: Scene, kind: str) -> tuple[HostProcess, list[str]]:
    host = scene.dice.choice(await scene.world.hosts(kind))
    return host, await scene.world.actors_on(host.name, scene.actors)


def _kill_host(kind: str) -> Strike:
    async def strike(scene: Scene) -> Struck:
        host, actors = await _a_host(scene, kind)
        return Struck(send_signal(host.pid, signal.SIGKILL), f"{host.name} ({host.pid})", actors)

    return strike


def _pause_host(kind: str) -> Strike:
    """Stopped until its epoch is dead; then it wakes up, and has to end without a commit."""

    async def strike(scene: Scene) -> Struck:
        host, actors = await _a_host(scene, kind)
        at_s = send_signal(host.pid, signal.SIGSTOP)

        async def mend() -> str:
            async def still_owner() -> str | None:
                live = {h.epoch for h in await scene.world.hosts()}
                return f"{host.name} still holds its shards" if host.epoch in live else None

            await until(still_owner, MOVED_S, f"the shards of {host.name} elsewhere")
            held_s = asyncio.get_running_loop().time() - at_s
            return f"moved after {held_s:.1f} s, {await _wake(host.pid)}"

        return Struck(at_s, f"{host.name} ({host.pid})", actors, mend)

    return strike


async def _wake(pid: int) -> str:
    """Let a stopped process go on; a fenced one has to end."""
    try:
        process = psutil.Process(pid)
        woke_s = send_signal(pid, signal.SIGCONT)
    except (psutil.NoSuchProcess, Unavailable):
        return "killed in its sleep"
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [process], 30.0)
    if not gone:
        return f"process {pid} lives on"
    return f"ended {asyncio.get_running_loop().time() - woke_s:.1f} s after it woke"


_ALL: Final = (
    Kind("kill-host", "SIGKILL of a shared host", _kill_host("shared")),
    Kind("kill-own", "SIGKILL of the process of a single actor", _kill_host("own")),
    Kind("pause-host", "SIGSTOP of a shared host until its shards moved, then SIGCONT", _pause_host("shared")),
    Kind("pause-own", "the same with the process of a single actor", _pause_host("own")),
)
KINDS: Final = {kind.name: kind for kind in _ALL}
