"""The specification of hosts and the supervisor, and how they open their ports with the real adapters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.ports import NoModel
from ganggpt.actors.ray.ports import HostFleet
from ganggpt.actors.routing.forwarder import Forwarder, bridge_answers
from ganggpt.actors.routing.router import HostCall, Router, RouterOptions
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import load_routes, residences_of
from ganggpt.actors.supervision.background_task import BackgroundTask
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.scaler import Scaler
from ganggpt.actors.supervision.supervisor import Supervisor
from ganggpt.actors.supervision.takeover import Takeover
from ganggpt.ai.minds.model import ModelMind
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.port import Gateway
from ganggpt.observability.log_file import LogOptions
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.retention import RetentionPolicy
from ganggpt.persistence.projections.memory_archive import PostgresMemoryArchive
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.scale import PostgresScale
from ganggpt.persistence.world_store import load_world, loaded_s
from ganggpt.runtime.maintenance import erasing_of, upkeep_of
from ganggpt.runtime.model_plan import MindPlan
from ganggpt.runtime.world_secrets import SecretSource

SILENT_S_MAX: Final = 5.0
"""How long a transaction that holds rows of ownership may wait for its client."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """With what hosts and the supervisor start. Picklable, and holds no secret: Ray keeps it in its tables.
    ``pool``: of a shared host; ``own_pool``: of a host of one actor."""

    secrets: SecretSource
    name: str = ""
    cluster: str = LOCAL
    bridge: str | None = None
    kind: str = "shared"
    pool: PoolOptions = field(default_factory=PoolOptions)
    own_pool: PoolOptions = field(default_factory=lambda: PoolOptions(max_size=2))
    supervisor_pool: PoolOptions = field(default_factory=PoolOptions)
    options: HostOptions = field(default_factory=HostOptions)
    kept: RetentionPolicy = field(default_factory=RetentionPolicy)
    shared_cpus: float = 0.5
    own_cpus: float = 0.01
    logs: LogOptions = field(default_factory=LogOptions)
    mind: MindPlan | None = field(repr=False, default=None)

    @property
    def uses_models(self) -> bool:
        """See ProcessSpec."""
        return self.mind is not None

    def named(self, name: str, kind: str) -> HostSpec:
        """The same for another host. A host of one actor is one of many: it looks around less."""
        if kind == "shared":
            return replace(self, name=name, kind=kind)
        options = replace(self.options, reminder_s=2.0, beat_s=2.0, sweep_s=15.0, poll_s=2.0)
        return replace(self, name=name, kind=kind, options=options)

    async def open_host(self, call: HostCall, gateway: Gateway | None = None) -> HostPorts:
        """Connect to the stores and read the world. Without a ``gateway`` no model is asked. A shared host is given
        thousands of actors as soon as it lives, so its connections are open and warm by then. Raises Unavailable."""
        secrets = await asyncio.to_thread(self.secrets.read)
        shared = self.kind == "shared"
        chosen = replace(self.pool, min_size=self.pool.max_size) if shared else replace(self.own_pool, min_size=0)
        # A host that froze inside a transaction holds its own row: without a bound nobody could take over from it.
        metrics = Metrics("host" if shared else "own")
        pool = await open_pool(secrets.dsn, replace(chosen, idle_in_transaction_s=SILENT_S_MAX), metrics)
        hosts = PostgresHosts(pool, cluster=self.cluster)
        world_at_s = await loaded_s(pool)
        world, cast = await load_world(pool)
        cache = open_cache(secrets.redis_url, metrics=metrics)
        pushes = PostgresPushes(pool, secrets.redis_url, metrics=metrics)
        forward = Forwarder(PostgresClusters(pool, self.cluster).key_of, RouterOptions().call_s)
        peers = Router(call, lambda: load_routes(hosts), forward=forward)
        journal = PostgresJournal(pool, self.name)
        if shared:
            await journal.warm()
        mind = None if self.mind is None else self.mind.spec(secrets.token)
        return HostPorts(
            journal=journal,
            hosts=hosts,
            flush=PostgresFlush(pool),
            peers=peers,
            world=world,
            cast=cast,
            mind=ScriptedMind(),
            notify_pushes=pushes.notify_pushes,
            forget_cached=cache.forget_actors,
            archive=PostgresMemoryArchive(pool),
            model=NoModel() if mind is None or gateway is None else ModelMind(mind, gateway, world, loop_s, metrics),
            metrics=metrics,
            read_world=lambda: load_world(pool),
            world_at_s=world_at_s,
        )

    async def open_supervisor(self, fleet: HostFleet, plan: Plan, metrics: Metrics) -> Supervisor:
        """Connect to the stores and read the world. Raises Unavailable, and StartFailed where there is no world."""
        secrets = await asyncio.to_thread(self.secrets.read)
        options = replace(self.supervisor_pool, idle_in_transaction_s=SILENT_S_MAX)
        pool = await open_pool(secrets.dsn, options, metrics)
        hosts = PostgresHosts(pool, cluster=self.cluster)
        world, _ = await load_world(pool)

        async def residences() -> Residences:
            return residences_of(await hosts.routes())

        return Supervisor(
            hosts,
            fleet,
            plan,
            Takeover(PostgresClusters(pool, self.cluster), self.bridge, bridge_answers, plan.lease_s),
            upkeep_of(pool, self.kept).keep,
            None if plan.scale is None else Scaler(PostgresScale(pool, self.cluster), fleet, plan.scale),
            BackgroundTask("erasure", erasing_of(pool, secrets.redis_url, residences, world).carry_out_all),
        )
