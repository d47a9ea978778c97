"""The kinds of faults: what is broken, which actors that hits, and how it is repaired."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import psutil

from ganggpt.chaos.chaos_world import ChaosWorld, until
from ganggpt.chaos.node import SecondNode
from ganggpt.chaos.tap import SocketTap
from ganggpt.errors import Unavailable
from ganggpt.persistence.audit import HostProcess
from ganggpt.persistence.embedded.stores import redis_binary
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.runtime.haproxy import haproxy_binary
from ganggpt.runtime.ray_cluster import GCS_RETURNS

MOVED_S: Final = 60.0
"""How long a paused or cut host may keep its shards before the run fails."""
_ELSEWHERE_S: Final = 3.0
_EVEN_S: Final = 180.0
"""A restarted host gets its shards a few at a time, after the tables were brought up to date."""
_END_S: Final = 30.0
_POSTGRES: Final = "postgres/postmaster.pid"


async def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that happened: at which loop second, to what, and the actors it hit (others may wait, too).

    ``mend`` ends a lasting fault and returns a note about it; it runs while the probes wait.
    """

    at_s: float
    what: str
    actors: Sequence[str]
    mend: Callable[[], Coroutine[Any, Any, str]] = _nothing


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault is made with: the world, a tap in its way to Postgres, a second node of its Ray, all actors of the
    crowd, and dice that the seed decides."""

    world: ChaosWorld
    tap: SocketTap
    node: SecondNode
    actors: Sequence[str]
    dice: Random


Strike = Callable[[Scene], Awaitable[Struck]]


async def _ready(_: Scene) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault. ``about`` is for people; ``prepare`` brings the world into a state the fault can meet, before
    anything is measured."""

    name: str
    about: str
    strike: Strike
    prepare: Callable[[Scene], Awaitable[None]] = _ready


def send_signal(pid: int, number: signal.Signals) -> float:
    """Signal a process; returns the loop time. Raises Unavailable where the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError as gone:
        raise Unavailable(f"process {pid}", "it has ended") from gone
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
    """Stop a host until its epoch is dead; then it goes on, and must end without a commit."""

    async def strike(scene: Scene) -> Struck:
        host, actors = await _a_host(scene, kind)
        at_s = send_signal(host.pid, signal.SIGSTOP)

        async def mend() -> str:
            try:
                moved_s = await _moved(scene.world, host)
            finally:
                woke_s = _wake(host.pid)
            return f"moved after {moved_s - at_s:.1f} s, {await _ended(host.pid, woke_s)}"

        return Struck(at_s, f"{host.name} ({host.pid})", actors, mend)

    return strike


async def _moved(world: ChaosWorld, host: HostProcess) -> float:
    """Wait until an incarnation is dead, and a while longer, so that others write before the old one can try to.
    Returns the loop time of its death."""
    await until(lambda: _still_owner(world, host), MOVED_S, f"another host for the shards of {host.name}")
    moved_s = asyncio.get_running_loop().time()
    await asyncio.sleep(_ELSEWHERE_S)
    return moved_s


async def _still_owner(world: ChaosWorld, host: HostProcess) -> str | None:
    """The flaw that an incarnation is not dead yet, or None."""
    live = {other.epoch for other in await world.hosts()}
    return f"epoch {host.epoch} still lives" if host.epoch in live else None


def _wake(pid: int) -> float:
    """Let a stopped process go on, where it was not killed meanwhile; returns the loop time."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return asyncio.get_running_loop().time()


async def _ended(pid: int, since_s: float) -> str:
    """Wait for the end of a fenced process, and describe it."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return "was killed before"
    _, alive = await asyncio.to_thread(psutil.wait_procs, [process], _END_S)
    if alive:
        return f"process {pid} lives on"
    return f"ended after {asyncio.get_running_loop().time() - since_s:.1f} s"


def _kill(word: str) -> Strike:
    """Break all processes of that name; their owners start new ones."""

    async def strike(scene: Scene) -> Struck:
        processes = scene.world.processes(word)
        at_s = [send_signal(process.pid, signal.SIGKILL) for process in processes]
        return Struck(at_s[0], _named(word, processes), ())

    return strike


def _pause(word: str, pause_s: float) -> Strike:
    async def strike(scene: Scene) -> Struck:
        processes = scene.world.processes(word)
        at_s = [send_signal(process.pid, signal.SIGSTOP) for process in processes]
        return Struck(at_s[0], _named(word, processes), (), lambda: _wake_all(processes, pause_s))

    return strike


async def _wake_all(processes: Sequence[psutil.Process], pause_s: float) -> str:
    try:
        await asyncio.sleep(pause_s)
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    return f"paused for {pause_s:g} s"


def _named(word: str, processes: Sequence[psutil.Process]) -> str:
    return f"{word} ({', '.join(str(process.pid) for process in processes)})"


def _signal_server(pid_file: str, number: signal.Signals) -> Strike:
    async def strike(scene: Scene) -> Struck:
        pid = scene.world.server_process(pid_file).pid
        return Struck(send_signal(pid, number), f"{pid_file} ({pid})", ())

    return strike


async def _flush_redis(scene: Scene) -> Struck:
    client = connect_redis(f"unix://{scene.world.data_dir / 'redis.run' / 'redis.sock'}", 5.0)
    try:
        await client.flushall()
    finally:
        await client.aclose()
    return Struck(asyncio.get_running_loop().time(), "FLUSHALL", ())


async def _replace_a_host(scene: Scene) -> None:
    """Kill a shared host and wait until it is back."""
    process = psutil.Process(scene.dice.choice(await scene.world.hosts("shared")).pid)
    process.kill()
    await asyncio.to_thread(psutil.wait_procs, [process], _END_S)
    await scene.world.whole(_EVEN_S)


async def _tap_a_host(scene: Scene) -> None:
    """Only new connections go through the tap, so a host must restart once before its network can be cut."""
    await scene.tap.open()
    await _replace_a_host(scene)

    async def nobody_tapped() -> str | None:
        return None if await _tapped(scene) else "no host with actors connects through the tap"

    await until(nobody_tapped, MOVED_S, "a host whose network can be cut")


async def _cut_host(scene: Scene) -> Struck:
    """Block all data between a host and Postgres until its shards moved; then all of it passes, late."""
    world, tap = scene.world, scene.tap
    host, actors = scene.dice.choice(await _tapped(scene))
    at_s = tap.cut(host.pid)

    async def mend() -> str:
        try:
            moved_s = await _moved(world, host)
        finally:
            healed_s = asyncio.get_running_loop().time()
            tap.step_aside()
        return f"moved after {moved_s - at_s:.1f} s, {await _ended(host.pid, healed_s)}"

    return Struck(at_s, f"{host.name} ({host.pid})", actors, mend)


async def _tapped(scene: Scene) -> list[tuple[HostProcess, list[str]]]:
    hosts = [host for host in await scene.world.hosts("shared") if host.pid in scene.tap.tapped]
    carried = [(host, await scene.world.actors_on(host.name, scene.actors)) for host in hosts]
    return [(host, actors) for host, actors in carried if actors]


async def _all_ended(pids: Sequence[int], since_s: float) -> str:
    """Wait for the end of the hosts of a lost node, which notice the loss some moments later."""
    return "; ".join([f"host {await _ended(pid, since_s)}" for pid in pids])


async def _fill_second_node(scene: Scene) -> None:
    """Join a second node and restart hosts until a shared one runs there; Ray spreads them."""
    await scene.node.start()
    for _ in range(_MOVES_MAX):
        if any(scene.node.carries(host.pid) for host in await scene.world.hosts("shared")):
            return
        await _replace_a_host(scene)
    raise Unavailable("a shared host on the second node", f"none went there in {_MOVES_MAX} moves")


def _signal_node(number: signal.Signals) -> Strike:
    async def strike(scene: Scene) -> Struck:
        there = [host for host in await scene.world.hosts() if scene.node.carries(host.pid)]
        actors = [actor for host in there for actor in await scene.world.actors_on(host.name, scene.actors)]
        raylet = scene.node.raylet
        what = f"raylet of the second node ({raylet.pid}) with {', '.join(host.name for host in there)}"
        at_s = send_signal(raylet.pid, number)
        if number is signal.SIGKILL:
            return Struck(at_s, what, actors, lambda: _all_ended([host.pid for host in there], at_s))
        return Struck(at_s, what, actors, lambda: _wake_all([raylet], _PAUSE_S))

    return strike


async def _leave_node(scene: Scene) -> Struck:
    """Do what happens to a pod that must go: SIGTERM to ``ray start --block``, which marks the node as draining."""
    there = [host for host in await scene.world.hosts() if scene.node.carries(host.pid)]
    actors = [actor for host in there for actor in await scene.world.actors_on(host.name, scene.actors)]
    at_s = send_signal(scene.node.pid, signal.SIGTERM)
    what = f"the second node ({scene.node.pid}) with {', '.join(host.name for host in there)}"
    return Struck(at_s, what, actors, lambda: scene.node.left(at_s))


_MOVES_MAX: Final = 8
_PAUSE_S: Final = 5.0
_SUPERVISOR, _REPLICA, _PROXY = "ray::SupervisorActor", "ray::ServeReplica:ganggpt", "haproxy"

_ALL: Final = (
    FaultKind("kill-host", "SIGKILL of a shared host", _kill_host("shared")),
    FaultKind("pause-host", "SIGSTOP of a shared host until its shards moved, then SIGCONT", _pause_host("shared")),
    FaultKind("cut-host", "no way between a shared host and Postgres until its shards moved", _cut_host, _tap_a_host),
    FaultKind("kill-own", "SIGKILL of the process of a single actor", _kill_host("own")),
    FaultKind("pause-own", "SIGSTOP of the process of a single actor until it moved, then SIGCONT", _pause_host("own")),
    FaultKind("kill-supervisor", "SIGKILL of the supervisor", _kill(_SUPERVISOR)),
    FaultKind("pause-supervisor", "SIGSTOP of the supervisor for 5 s", _pause(_SUPERVISOR, _PAUSE_S)),
    FaultKind("kill-replica", "SIGKILL of the bridge's replicas", _kill(_REPLICA)),
    FaultKind("pause-replica", "SIGSTOP of the bridge's replicas for 5 s", _pause(_REPLICA, _PAUSE_S)),
    FaultKind("kill-haproxy", "SIGKILL of HAProxy", _kill(_PROXY)),
    FaultKind("pause-haproxy", "SIGSTOP of HAProxy for 5 s", _pause(_PROXY, _PAUSE_S)),
    FaultKind(
        "kill-node",
        "SIGKILL of the raylet of a second node that carries a shared host",
        _signal_node(signal.SIGKILL),
        _fill_second_node,
    ),
    FaultKind("pause-node", "SIGSTOP of that raylet for 5 s", _signal_node(signal.SIGSTOP), _fill_second_node),
    FaultKind("leave-node", "SIGTERM to `ray start --block` of that node", _leave_node, _fill_second_node),
    FaultKind("kill-gcs", "SIGKILL of the GCS, Ray's head", _kill("gcs_server")),
    FaultKind(
        "restart-postgres", "SIGQUIT of the postmaster: an immediate stop", _signal_server(_POSTGRES, signal.SIGQUIT)
    ),
    FaultKind("kill-redis", "SIGKILL of Redis", _signal_server("redis/redis.pid", signal.SIGKILL)),
    FaultKind("flush-redis", "FLUSHALL", _flush_redis),
)
KINDS: Final = {kind.name: kind for kind in _ALL}


def absent_because(name: str, own: int) -> str | None:
    """Why a kind cannot happen here, with the fix, or None where it can. ``own``: processes of single actors."""
    part = name.partition("-")[2]
    if part == "own" and not own:
        return "No actor has a process of its own: set GANGGPT_OWN_ACTORS_MAX to 1 or more."
    if part == "haproxy" and haproxy_binary() is None:
        return "Serve's own proxy is used on this machine: leave the kinds with haproxy out."
    if part == "redis" and redis_binary() is None:
        return "There is no Redis on this machine: install redis-server, or leave the kinds with redis out."
    if part == "gcs" and not GCS_RETURNS:
        return "Ray's GCS keeps its tables on Linux only: leave it out."
    if name == "cut-host" and not hasattr(socket, "SO_PEERCRED"):
        return "Only Linux tells which process is behind a socket: leave it out."
    return None
