"""How a host process opens everything it needs; the one place where the ports meet their real adapters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ganggpt.actors.clock import loop_s
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.ports import NoModel
from ganggpt.actors.routing.forward import Forwarder
from ganggpt.actors.routing.router import HostCall, Router, RouterOptions
from ganggpt.actors.routing.table import load_routes
from ganggpt.ai.minds.model import MindSpec, ModelMind
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.port import Gateway
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.retention import Kept
from ganggpt.persistence.projections.memory_archive import PostgresTail
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.world_store import load_world

SILENT_S_MAX: Final = 5.0
"""How long a transaction that holds rows of ownership may wait for its client."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host process is told when it starts; picklable, secrets included, so it never goes into a log."""

    dsn: str = field(repr=False)
    redis_url: str | None = field(repr=False, default=None)
    name: str = ""
    cluster: str = LOCAL
    bridge: str | None = None
    kind: str = "shared"
    pool: PoolOptions = field(default_factory=PoolOptions)
    options: HostOptions = field(default_factory=HostOptions)
    kept: Kept = field(default_factory=Kept)
    shared_cpus: float = 0.5
    own_cpus: float = 0.01
    log_level: str = "INFO"
    mind: MindSpec | None = field(repr=False, default=None)

    def named(self, name: str, kind: str) -> HostSpec:
        """The same for another host. An own host is one of many: it takes one connection and looks around less."""
        if kind == "shared":
            return replace(self, name=name, kind=kind)
        pool = replace(self.pool, min_size=0, max_size=2)
        options = replace(self.options, reminder_s=2.0, beat_s=2.0, sweep_s=15.0, look_s=2.0)
        return replace(self, name=name, kind=kind, pool=pool, options=options)


async def open_host_ports(spec: HostSpec, call: HostCall, gateway: Gateway | None = None) -> HostPorts:
    """Connect to the stores and read the world. Without a ``gateway`` nobody is asked for words. A shared host is given
    thousands of actors as soon as it lives, so its connections are open and warm by then."""
    shared = spec.kind == "shared"
    open_now = spec.pool.max_size if shared else spec.pool.min_size
    # A host that froze inside a transaction holds its own row: without a bound nobody could take over from it.
    pool = await open_pool(spec.dsn, replace(spec.pool, min_size=open_now, idle_in_transaction_s=SILENT_S_MAX))
    hosts = PostgresHosts(pool, cluster=spec.cluster)
    world, cast = await load_world(pool)
    cache = open_cache(spec.redis_url)
    pushes = PostgresPushes(pool, spec.redis_url)
    forward = Forwarder(PostgresClusters(pool, spec.cluster).key_of, RouterOptions().call_s)
    peers = Router(call, lambda: load_routes(hosts), forward=forward)
    journal = PostgresJournal(pool, spec.name)
    if shared:
        await journal.warm()
    return HostPorts(
        journal=journal,
        hosts=hosts,
        flush=PostgresFlush(pool),
        peers=peers,
        world=world,
        cast=cast,
        mind=ScriptedMind(),
        ring=pushes.ring,
        forget_cached=cache.forget_actors,
        tail=PostgresTail(pool),
        model=NoModel() if spec.mind is None or gateway is None else ModelMind(spec.mind, gateway, world, loop_s),
    )
