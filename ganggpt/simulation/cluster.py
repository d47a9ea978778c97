"""The stand-in for one Ray cluster: host processes by name, a supervisor, bridges; started again when they end.

Ray is not trusted by the runtime, and this stand-in earns no trust: it declares processes dead that live on, starts a
second one of the same name, and tells of a death late.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Sequence,
)
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from ganggpt.actors.envelope import decode_batch, encode_replies
from ganggpt.actors.host.host import Host, HostOptions, HostPorts
from ganggpt.actors.host.incarnations import Incarnations
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import RemoteCluster
from ganggpt.actors.routing.table import load_routes
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.domain.turn import Wording
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.simulation.database import ProcessStores, SimDatabase, stores_of
from ganggpt.simulation.network import Network, Process

START_S = 4.0
CALL_S = 3.0
RESTART_S = (0.2, 1.2)
FOREVER_S = 3600.0
"""The limit of calls whose caller sets its own, shorter limit."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The configuration that every process of the cluster receives."""

    plan: Plan
    options: HostOptions
    routing: RouterOptions
    world: World
    cast: dict[str, tuple[str, bytes]]
    mind: Wording
    bridges: int = 2
    deadline_s: float = 5.0


@dataclass(slots=True)
class Running:
    """A host process and what runs in it."""

    process: Process
    kind: str
    incarnations: Incarnations
    peers: Router

    @property
    def host(self) -> Host | None:
        """The incarnation of the host that lives in the process."""
        return self.incarnations._host  # noqa: SLF001 - checkers look inside


@dataclass(slots=True)
class Bridge:
    """A bridge process and its router."""

    process: Process
    router: Router


@dataclass(slots=True)
class Watch:
    """Callbacks through which the invariants observe the cluster."""

    delivered: Callable[[Running, bytes, bytes], None] = field(default=lambda _host, _batch, _replies: None)


class Cluster:
    """Owns the processes of one cluster. ``others``: by name, all clusters that share the world."""

    def __init__(
        self, name: str, network: Network, database: SimDatabase, setup: Setup, dice: Random, others: dict[str, Cluster]
    ) -> None:
        self.name = name
        self.others = others
        self.network = network
        self.database = database
        self.setup = setup
        self.watch = Watch()
        self.hosts: dict[str, Running] = {}
        self.everybody: list[Running] = []
        self.bridges: list[Bridge] = []
        self.supervisor: Process | None = None
        self._stopped: set[str] = set()
        self._dice = dice
        others[name] = self

    def start(self) -> None:
        """Start a supervisor, which starts the hosts, and the bridges."""
        self.start_supervisor()
        for place in range(self.setup.bridges):
            self.bridges.append(self._bridge(f"bridge:{place}"))

    def start_supervisor(self) -> None:
        """Start a supervisor; an older one may still live."""
        process = self.network.spawn("supervisor")
        self.supervisor = process
        stores, setup = stores_of(self.database, process, self.name), self.setup
        answers = partial(self._bridge_answers, process)
        takeover = Takeover(stores.clusters, self.name, answers, setup.plan.lease_s, setup.deadline_s)
        supervisor = Supervisor(stores.hosts, SimFleet(self, process), setup.plan, takeover, _nothing)

        async def live() -> None:
            await supervisor.boot()
            await supervisor.run()

        self._run(process, live(), partial(self._supervisor_ended, process))

    def start_host(self, name: str, kind: str) -> Running:
        """The host process of that name; a new one where none is known to live."""
        known = self.hosts.get(name)
        if known is not None and not known.process.dead:
            return known
        self._stopped.discard(name)
        process = self.network.spawn(name)
        stores = stores_of(self.database, process, self.name)
        setup = self.setup
        peers = self._router(process, stores)
        ports = HostPorts(
            stores.journal,
            stores.hosts,
            stores.flush,
            peers,
            setup.world,
            setup.cast,
            setup.mind,
            _ring,
            _forget,
            stores.archive,
        )
        options = setup.options if kind == "shared" else replace(setup.options, beat_s=2 * setup.options.beat_s)
        incarnations = Incarnations(name, kind, ports, options)
        running = Running(process, kind, incarnations, peers)
        self.hosts[name] = running
        self.everybody.append(running)
        self._run(process, incarnations.run(), partial(self._host_ended, running))
        return running

    def end_host(self, name: str, *, for_good: bool) -> None:
        """Kill a host process by name."""
        if for_good:
            self._stopped.add(name)
        if name in self.hosts:
            self.network.kill(self.hosts[name].process)

    def declare_dead(self, name: str) -> None:
        """Believe that a host process died although it lives; another one is started under its name."""
        running = self.hosts.pop(name, None)
        if running is not None:
            for notify in running.process.on_death:
                notify()
            self._again(running)

    def new_bridge(self, place: int) -> None:
        """A bridge process ended; another one takes its place."""
        self.bridges[place] = self._bridge(f"bridge:{place}")

    async def call_host(self, caller: Process, name: str, batch: bytes) -> bytes:
        """Call a host for a router; implements HostCall."""
        running = self.hosts.get(name)
        if running is None:
            raise Unavailable(f"host {name}")
        deliver = partial(self._deliver, running, batch)
        try:
            replies: bytes = await self.network.ask(
                caller, running.process, deliver, lambda _: Unavailable(f"host {name}"), FOREVER_S
            )
        except GangGPTError as failed:
            raise Unavailable(f"host {name}") from failed
        return replies

    async def _deliver(self, running: Running, batch: bytes) -> bytes:
        replies = await running.incarnations.deliver(batch)
        self.watch.delivered(running, batch, replies)
        return replies

    async def forward(self, caller: Process, remote: RemoteCluster, batch: bytes) -> bytes:
        """The Forward of routers: to some bridge of another cluster."""
        other = self.others[remote.cluster]
        bridge = self._dice.choice(other.bridges)

        async def take() -> bytes:
            return encode_replies(await bridge.router.take_forwarded(decode_batch(batch)))

        lost = Unavailable(f"cluster {remote.cluster}")
        replies: bytes = await self.network.ask(caller, bridge.process, take, lambda _: lost, FOREVER_S)
        return replies

    async def _bridge_answers(self, supervisor: Process, _: str) -> bool:
        if not self.bridges:
            return False
        try:
            process = self._dice.choice(self.bridges).process
            await self.network.ask(supervisor, process, _nothing, lambda _: Unavailable("the bridge"), CALL_S)
        except Unavailable:
            return False
        return True

    def _router(self, process: Process, stores: ProcessStores) -> Router:
        return Router(
            partial(self.call_host, process),
            partial(load_routes, stores.hosts),
            self.setup.routing,
            partial(self.forward, process),
        )

    def _bridge(self, name: str) -> Bridge:
        process = self.network.spawn(name)
        stores = stores_of(self.database, process, self.name)
        router = self._router(process, stores)
        process.loop.start(router.start())
        return Bridge(process, router)

    def _run(self, process: Process, work: Coroutine[Any, Any, None], ended: Callable[[], None]) -> None:
        process.on_death.append(ended)
        task = process.loop.start(work)

        def exit_process(task: asyncio.Task[None]) -> None:
            if not process.dead:
                task.exception()
                # The process is killed from outside of its own callbacks.
                self.network.scheduler.at(self.network.scheduler.now_s, self.network.kill, process)

        task.add_done_callback(exit_process)

    def _host_ended(self, running: Running) -> None:
        if self.hosts.get(running.process.name) is running:
            self._again(running)

    def _again(self, running: Running) -> None:
        name = running.process.name
        if name not in self._stopped:
            self._later(partial(self._restart, name, running.kind))

    def _restart(self, name: str, kind: str) -> None:
        if name not in self._stopped:
            self.start_host(name, kind)

    def _supervisor_ended(self, process: Process) -> None:
        if self.supervisor is process:
            self._later(self._restart_supervisor)

    def _restart_supervisor(self) -> None:
        if self.supervisor is None or self.supervisor.dead:
            self.start_supervisor()

    def _later(self, work: Callable[[], None]) -> None:
        low, high = RESTART_S
        self.network.scheduler.at(self.network.scheduler.now_s + low + (high - low) * self._dice.random(), work)


class SimFleet:
    """The fleet as one supervisor process sees it."""

    def __init__(self, cluster: Cluster, supervisor: Process) -> None:
        self._cluster = cluster
        self._supervisor = supervisor

    async def start(self, name: str, kind: str) -> None:
        """See Fleet."""
        running = self._cluster.start_host(name, kind)
        await self._ask(name, running.incarnations.stats, START_S)

    async def restart(self, name: str, kind: str) -> None:
        """See Fleet."""
        if name in self._cluster.hosts and not self._cluster.hosts[name].process.dead:
            self._cluster.end_host(name, for_good=False)
        else:
            await self.start(name, kind)

    async def stop(self, name: str) -> None:
        """See Fleet."""
        self._cluster.end_host(name, for_good=True)

    async def ended(self, name: str) -> None:
        """See Fleet."""
        running = self._cluster.hosts.get(name)
        if running is None or running.process.dead:
            return
        over = asyncio.Event()
        loop = self._supervisor.loop

        def ended() -> None:
            if not self._supervisor.dead:
                loop.call_soon(over.set)

        running.process.on_death.append(ended)
        await over.wait()

    async def refresh(self, name: str) -> None:
        """See Fleet."""
        await self._tell(name, "refresh")

    async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
        """See Fleet."""
        seconds: float = await self._tell(name, "hand_over", shards, cluster, heir)
        return seconds

    async def promote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._tell(name, "promote", actor)

    async def demote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._tell(name, "demote", actor)

    async def draining_nodes(self) -> frozenset[str]:
        """See Fleet."""
        return frozenset()

    async def _tell(self, name: str, method: str, *arguments: Any) -> Any:
        running = self._cluster.hosts.get(name)
        if running is None:
            raise Unavailable(f"host {name}")
        return await self._ask(name, partial(getattr(running.incarnations, method), *arguments), CALL_S)

    async def _ask(self, name: str, work: Callable[[], Awaitable[Any]], timeout_s: float) -> Any:
        running = self._cluster.hosts.get(name)
        process = None if running is None else running.process
        return await self._cluster.network.ask(
            self._supervisor, process, work, lambda _: Unavailable(f"host {name}"), timeout_s
        )


async def _nothing() -> None:
    return None


async def _ring(_: Sequence[PushRow]) -> None:
    return None


async def _forget(_: Sequence[str]) -> None:
    return None
