"""Ray, in one place: the actor classes an operator sees in the dashboard, and how they are started and called.

The classes differ in name only, so that the dashboard tells a faction from a host of thousands; all of them wrap
``Incarnations`` in a few lines. State never lives in Ray: a restarted process finds everything in Postgres.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import psutil
import ray
from ray._private.state import state
from ray.actor import ActorHandle
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from ganggpt.actors.host.composition import SILENT_S_MAX, HostSpec, open_host_ports
from ganggpt.actors.host.incarnations import Incarnations
from ganggpt.actors.host.load import WINDOW_S
from ganggpt.actors.routing.forward import bridge_answers
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import residences_of
from ganggpt.actors.supervision.background_task import Beside
from ganggpt.actors.supervision.scaler import Scaler
from ganggpt.actors.supervision.supervisor import Fleet, Plan, Supervisor, refuse_second_run
from ganggpt.actors.supervision.takeover import Succession
from ganggpt.ai.port import Gateway
from ganggpt.domain.ids import kind_of
from ganggpt.errors import GangGPTError, StartFailed, Unavailable
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.scale import PostgresScale
from ganggpt.persistence.world_store import load_world
from ganggpt.runtime.maintenance import erasing_of, house_of

log = logging.getLogger(__name__)

NAMESPACE: Final = "ganggpt"
SUPERVISOR: Final = "supervisor"
START_S: Final = 60.0
CALL_S: Final = 20.0
LOOK_S: Final = 2.0


class ProcessUse:
    """What this process uses: the share of one CPU since some seconds, and its resident memory."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque([(time.monotonic(), time.process_time())])

    def told(self) -> dict[str, float]:
        """Both by name."""
        now_s, cpu_s = time.monotonic(), time.process_time()
        marks = self._marks
        while len(marks) > 1 and now_s - marks[1][0] >= WINDOW_S:
            marks.popleft()
        since_s, before_s = marks[0]
        if now_s - marks[-1][0] >= 1.0:  # whoever asks more often gets the share since the same moment
            marks.append((now_s, cpu_s))
        share = (cpu_s - before_s) / (now_s - since_s) if now_s > since_s else 0.0
        return {"cpu": share, "memory_bytes": psutil.Process().memory_info().rss}


class _HostProcess:
    """What every host class does: carry incarnations, and end the process when fenced."""

    def __init__(self, spec: HostSpec) -> None:
        logging.basicConfig(level=spec.log_level)
        # Ray runs the constructor of an async actor on its loop, so a restarted host lives before anybody calls it.
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Incarnations] = loop.create_future()
        self._process = ProcessUse()
        self._life = loop.create_task(self._live(spec))

    async def deliver(self, batch: bytes) -> bytes:
        """A batch of commands."""
        return await (await self._opened).deliver(batch)

    async def ready(self) -> dict[str, Any]:
        """Answers once the first incarnation lives."""
        return await (await self._opened).stats()

    async def stats(self) -> dict[str, Any]:
        """Counts of this host, and what its process uses."""
        return {**await (await self._opened).stats(), **self._process.told()}

    async def refresh(self) -> None:
        """The supervisor changed this host's shards."""
        await (await self._opened).refresh()

    async def drain(self) -> None:
        """Make everything durable and release the shards; the process ends by the caller's hand."""
        await (await self._opened).drain()

    async def hand_over(self, shards: Sequence[str], cluster: str, heir: str) -> float:
        """Give shards to another host; seconds they stood still."""
        return await (await self._opened).hand_over(shards, cluster, heir)

    async def carve_out(self, actor: str) -> None:
        """Make an actor a shard of its own."""
        await (await self._opened).carve_out(actor)

    async def take_back(self, actor: str) -> None:
        """Put an actor that is a shard of its own back into its hash shard."""
        await (await self._opened).take_back(actor)

    async def ended(self) -> None:
        """Never answers: the call fails when the process ends, and Ray tells its caller at once."""
        await asyncio.Event().wait()

    async def passivate(self) -> int:
        """Put every activation to sleep."""
        return await (await self._opened).passivate()

    async def pid(self) -> int:
        """The process an operator (or a fault run) may look at."""
        return os.getpid()

    async def _live(self, spec: HostSpec) -> None:
        """Carry incarnations. However that ends, the process ends with it: a fenced one must not answer anything any
        more, and Ray starts a fresh one."""
        try:
            ports = await open_host_ports(spec, RayCalls().call, None if spec.mind is None else _gateway())
            node = ray.get_runtime_context().get_node_id()
            incarnations = Incarnations(spec.name, spec.kind, ports, spec.options, node)
            self._opened.set_result(incarnations)
            await incarnations.run()
        except BaseException:
            log.exception("%s ends", spec.name)
            raise
        finally:
            os._exit(1)


def _gateway() -> Gateway:
    # Serve costs a process 15 MB, which only one that asks models has to spend.
    from ganggpt.actors.ray.gateway import RayGateway

    return RayGateway()


@ray.remote
class SharedHost(_HostProcess):
    """Carries thousands of actors."""


@ray.remote
class NpcActor(_HostProcess):
    """One NPC in a process of its own."""


@ray.remote
class FactionActor(_HostProcess):
    """One faction in a process of its own."""


@ray.remote
class CompanionActor(_HostProcess):
    """One companion in a process of its own."""


# Ray's decorator turns a class into something with ``options`` and ``remote``, which its types do not tell.
_OWN_CLASSES: Final[dict[str, Any]] = {"npc": NpcActor, "faction": FactionActor, "companion": CompanionActor}


class RayCalls:
    """Calls hosts by name. Handles are looked up once and again only after the actor died for good."""

    def __init__(self) -> None:
        self._handles: dict[str, ActorHandle] = {}

    async def call(self, host: str, batch: bytes) -> bytes:
        """Deliver an encoded batch. Raises Unavailable when the call failed in any way: it goes again."""
        try:
            reply: bytes = await (await self.handle(host)).deliver.remote(batch)
        except ActorDiedError as dead:
            self._handles.pop(host, None)
            raise Unavailable(f"host {host}") from dead
        except RayError as failed:
            raise Unavailable(f"host {host}") from failed
        return reply

    def drop(self, host: str) -> None:
        """Forget a handle: the actor was ended on purpose."""
        self._handles.pop(host, None)

    async def stats(self, host: str) -> dict[str, Any]:
        """What a host counts. Raises Unavailable."""
        try:
            counts: dict[str, Any] = await (await self.handle(host)).stats.remote()
        except RayError as failed:
            raise Unavailable(f"host {host}") from failed
        return counts

    async def handle(self, host: str) -> ActorHandle:
        """The handle of a host. Raises Unavailable when no such actor runs."""
        handle = self._handles.get(host)
        if handle is None:
            try:
                handle = await asyncio.to_thread(ray.get_actor, host, NAMESPACE)
            except ValueError as missing:
                raise Unavailable(f"host {host}") from missing
            self._handles[host] = handle
        return handle


class RayFleet(Fleet):
    """Starts hosts as detached Ray actors that Ray restarts wherever there is room."""

    def __init__(self, spec: HostSpec, calls: RayCalls) -> None:
        self._spec = spec
        self._calls = calls
        self._asked: asyncio.Future[Any] | None = None
        self._draining: frozenset[str] = frozenset()

    async def start(self, name: str, kind: str) -> None:
        """See Fleet."""
        cls: Any = SharedHost if kind == "shared" else _OWN_CLASSES[kind_of(name)]
        cpus = self._spec.shared_cpus if kind == "shared" else self._spec.own_cpus
        handle = cls.options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1000,
            num_cpus=cpus,
            scheduling_strategy="SPREAD",
            # A record of every call in the GCS would cost more than the call; actors themselves stay listed.
            enable_task_events=False,
        ).remote(self._spec.named(name, kind))
        try:
            await asyncio.wait_for(_as_future(handle.ready.remote()), START_S)
        except (RayError, TimeoutError) as failed:
            raise Unavailable(f"host {name}") from failed

    async def restart(self, name: str, kind: str) -> None:
        """See Fleet."""
        try:
            ray.kill(await self._calls.handle(name), no_restart=False)
        except Unavailable:
            await self.start(name, kind)

    async def refresh(self, name: str) -> None:
        """See Fleet."""
        await self._ask(name, "refresh")

    async def stop(self, name: str) -> None:
        """See Fleet."""
        with suppress(Unavailable):
            ray.kill(await self._calls.handle(name))
        self._calls.drop(name)

    async def ended(self, name: str) -> None:
        """See Fleet."""
        with suppress(RayError, Unavailable):
            await _as_future((await self._calls.handle(name)).ended.remote())

    async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
        """See Fleet."""
        frozen_s: float = await self._ask(name, "hand_over", list(shards), cluster, heir)
        return frozen_s

    async def carve_out(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._ask(name, "carve_out", actor)

    async def take_back(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._ask(name, "take_back", actor)

    async def stats(self, name: str) -> Mapping[str, Any]:
        """What a host counts. Raises Unavailable."""
        return await self._calls.stats(name)

    async def draining_nodes(self) -> frozenset[str]:
        """See Fleet."""
        # Not a public API: Ray tells nobody else that a node is draining, and a node must be left before it is gone.
        # One question at a time, and what was known last while the GCS is away: it may never answer an old question.
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().run_in_executor(None, state.get_draining_nodes)
        answered, _ = await asyncio.wait((self._asked,), timeout=LOOK_S)
        try:
            self._draining = frozenset(self._asked.result()) if answered else self._draining
        except (RayError, RuntimeError) as failed:
            log.warning("nobody knows which nodes are draining: %s", failed)
        return self._draining

    async def _ask(self, name: str, method: str, *arguments: Any) -> Any:
        handle = await self._calls.handle(name)
        try:
            return await asyncio.wait_for(_as_future(getattr(handle, method).remote(*arguments)), CALL_S)
        except RayTaskError as refused:
            # What the host itself said comes as the cause.
            if isinstance(refused.cause, GangGPTError):
                raise refused.cause from None
            raise Unavailable(f"host {name}") from refused
        except (RayError, TimeoutError) as failed:
            raise Unavailable(f"host {name}") from failed


async def _residences(hosts: PostgresHosts) -> Residences:
    return residences_of(await hosts.routes())


@ray.remote
class SupervisorActor:
    """The supervisor as a detached Ray actor; its plan comes with its constructor, all else from Postgres."""

    def __init__(self, spec: HostSpec, plan: Plan) -> None:
        logging.basicConfig(level=spec.log_level)
        loop = asyncio.get_running_loop()
        self._booted: asyncio.Future[None] = loop.create_future()
        self._life = loop.create_task(self._live(spec, plan))

    async def boot(self) -> None:
        """Returns once the plan is true. Raises what kept it from becoming so."""
        await asyncio.shield(self._booted)

    async def _live(self, spec: HostSpec, plan: Plan) -> None:
        try:
            pool = await open_pool(spec.dsn, replace(spec.pool, idle_in_transaction_s=SILENT_S_MAX))
            succession = Succession(PostgresClusters(pool, spec.cluster), spec.bridge, bridge_answers, plan.lease_s)
            house = house_of(pool, spec.kept).keep
            hosts = PostgresHosts(pool, cluster=spec.cluster)
            fleet = RayFleet(spec, RayCalls())
            scaler = None if plan.scale is None else Scaler(PostgresScale(pool, spec.cluster), fleet, plan.scale)
            world, _ = await load_world(pool)
            erasing = erasing_of(pool, spec.redis_url, lambda: _residences(hosts), world)
            orders = Beside("erasure", erasing.carry_out_all)
            supervisor = Supervisor(hosts, fleet, plan, succession, house, scaler, orders)
            await supervisor.boot()
            self._booted.set_result(None)
            await supervisor.run()
        except GangGPTError as failed:
            if not self._booted.done():
                self._booted.set_exception(failed)
                await asyncio.sleep(plan.lease_s)  # so that whoever waits hears why
        finally:
            log.error("the supervisor ends; Ray starts another")
            os._exit(1)


async def _as_future(reference: Any) -> Any:
    return await reference


def start_supervisor(spec: HostSpec, plan: Plan) -> ActorHandle:
    """Start the supervisor, or find the one that runs."""
    actor: Any = SupervisorActor
    return actor.options(
        name=SUPERVISOR,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=-1,
        num_cpus=0,
    ).remote(spec, plan)


async def start_world(spec: HostSpec, plan: Plan) -> None:
    """Make a plan true on this cluster; returns once every shard has a host. Raises StartFailed, Unavailable."""
    pool = await open_pool(spec.dsn, replace(spec.pool, min_size=0, max_size=2))
    try:
        await refuse_second_run(PostgresHosts(pool, cluster=spec.cluster))
    finally:
        await pool.close()
    try:
        await asyncio.wait_for(_as_future(start_supervisor(spec, plan).boot.remote()), START_S * 2)
    except (RayError, TimeoutError) as failed:
        if isinstance(failed, GangGPTError):
            raise
        raise StartFailed(
            "the hosts", str(failed)[:500], "The Ray dashboard shows which actor died and why."
        ) from failed


async def drain_world(dsn: str, cluster: str, pool_options: PoolOptions, within_s: float) -> list[str]:
    """Drain every live host of this cluster and end the supervisor and the host processes; returns the hosts that did
    not make it in time (they lose nothing that was acked: the journal has it)."""
    calls = RayCalls()
    pool = await open_pool(dsn, pool_options)
    names = [host.name for host in await PostgresHosts(pool).alive() if host.cluster == cluster]
    await PostgresClusters(pool, cluster).leave()
    await pool.close()
    try:
        ray.kill(await asyncio.to_thread(ray.get_actor, SUPERVISOR, NAMESPACE))
    except ValueError:
        log.info("no supervisor to stop")

    async def drain(name: str) -> str | None:
        try:
            handle = await calls.handle(name)
            await asyncio.wait_for(_as_future(handle.drain.remote()), within_s)
        except (RayError, Unavailable, TimeoutError) as failed:
            log.warning("host %s was not drained: %s", name, failed)
            return name
        ray.kill(handle)
        return None

    return [name for name in await asyncio.gather(*map(drain, names)) if name is not None]
