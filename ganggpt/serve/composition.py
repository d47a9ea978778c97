"""The composition of a bridge replica: where its ports meet the real adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from ganggpt.actors.host.composition import HostSpec
from ganggpt.actors.ray.actors import RayCalls, start_supervisor
from ganggpt.actors.ray.gateway import RayGateway
from ganggpt.actors.routing.forward import Forwarder
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.table import load_routes
from ganggpt.actors.supervision.scaling import Scale
from ganggpt.actors.supervision.supervisor import plan_for
from ganggpt.config import Settings
from ganggpt.domain.kinds import KINDS
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.reader import PostgresTurns
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.probes import database_look, redis_look
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.world_store import load_world
from ganggpt.protocol.commands import CommandBook
from ganggpt.protocol.limits import Limits
from ganggpt.runtime.stores import pool_options
from ganggpt.serve.forward import Forwarded
from ganggpt.serve.health import disk_probe, memory_probe
from ganggpt.serve.metrics.gateway_watch import GatewayWatch, ai_probe
from ganggpt.serve.metrics.host_watch import HostWatch
from ganggpt.serve.metrics.router_watch import RouterWatch
from ganggpt.serve.parts import BridgeParts


@dataclass(frozen=True, slots=True)
class WorldStart:
    """What a replica needs to start the world itself, where no ``ganggpt up`` does: what hosts are told, and the plan
    but for the cast, which stands in the database."""

    host: HostSpec
    hosts: int
    residence: str
    own_actors_max: int
    lease_s: float
    scale: Scale


@dataclass(frozen=True, slots=True)
class BridgeSpec:
    """What a replica is told when it starts; picklable, holds secrets, so it never goes into a log."""

    dsn: str = field(repr=False)
    token: str = field(repr=False)
    redis_url: str | None = field(repr=False, default=None)
    cluster: str = LOCAL
    data_dir: str = "."
    replicas: int = 1
    pool: PoolOptions = field(default_factory=PoolOptions)
    router: RouterOptions = field(default_factory=RouterOptions)
    limits: Limits = field(default_factory=Limits)
    cors_origins: tuple[str, ...] = ()
    starts: WorldStart | None = None
    no_model: str = "no model is configured"
    log_level: str = "INFO"


@asynccontextmanager
async def open_bridge(spec: BridgeSpec, gateway: RayGateway | None = None) -> AsyncIterator[BridgeParts]:
    """Everything a replica stands on, closed again at the end. ``gateway``: None where no model is configured."""
    pool = await open_pool(spec.dsn, spec.pool)
    hosts = PostgresHosts(pool, cluster=spec.cluster)
    world, cast = await load_world(pool)
    if spec.starts is not None:
        _start_world(spec.starts, list(cast))
    calls = RayCalls()
    clusters = PostgresClusters(pool, spec.cluster)
    forward = Forwarder(clusters.key_of, spec.router.call_s)
    router = Router(calls.call, lambda: load_routes(hosts), spec.router, forward)
    await router.start()
    metrics = Metrics()
    watch = HostWatch(partial(_host_names, hosts), calls.stats)
    metrics.registry.register(watch)
    metrics.registry.register(RouterWatch(router))
    watching = [asyncio.create_task(watch.run())]
    if gateway is not None:
        models = GatewayWatch(gateway.expositions)
        metrics.registry.register(models)
        watching.append(asyncio.create_task(models.run()))
    cache = open_cache(spec.redis_url)
    pushes = PostgresPushes(pool, spec.redis_url)
    try:
        yield BridgeParts(
            port=router,
            pushes=pushes,
            turns=PostgresTurns(pool),
            cache=cache,
            book=CommandBook(KINDS),
            token=SecretStr(spec.token),
            probes={
                "database": database_look(pool),
                "redis": redis_look(spec.redis_url),
                "ai": ai_probe(gateway, spec.no_model),
                "memory": memory_probe(),
                "disk": disk_probe(Path(spec.data_dir)),
            },
            world=world,
            metrics=metrics,
            limits=spec.limits,
            forwarded=Forwarded(router.take_forwarded, partial(clusters.key_of, spec.cluster)),
        )
    finally:
        for task in watching:
            task.cancel()
        await router.close()
        await forward.close()
        await pushes.close()
        await cache.close()
        await pool.close()


def bridge_spec(
    settings: Settings, dsn: str, cache_url: str | None, token: str, *, replicas: int, processes: int
) -> BridgeSpec:
    """What the settings say about a replica. ``processes``: among how many the database connections are shared."""
    return BridgeSpec(
        dsn=dsn,
        token=token,
        redis_url=cache_url,
        cluster=settings.cluster,
        data_dir=str(settings.data_dir),
        replicas=replicas,
        pool=pool_options(settings, processes),
        router=RouterOptions(deadline_s=settings.command_timeout_s, call_s=settings.command_timeout_s * 0.9),
        cors_origins=settings.cors_origins,
        no_model="GANGGPT_AI is off" if settings.ai == "off" else "no model is configured",
        log_level=settings.log_level.upper(),
    )


def _start_world(starts: WorldStart, cast: Sequence[str]) -> None:
    """Start the supervisor, or find the one another replica started; hosts come up behind it. Nobody waits: a bridge is
    well without them, and commands wait in its router."""
    plan = plan_for(
        starts.residence,
        cast,
        hosts=starts.hosts,
        own_actors_max=starts.own_actors_max,
        lease_s=starts.lease_s,
        scale=starts.scale,
    )
    start_supervisor(starts.host, plan)


async def _host_names(hosts: PostgresHosts) -> list[str]:
    return [host.name for host in await hosts.alive() if host.cluster == hosts.cluster]
