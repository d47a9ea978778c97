"""A replica of the bridge on Ray Serve, and how it opens its ports with the real adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from ganggpt.actors.ray.calls import RayCalls
from ganggpt.actors.ray.gateway import RayGateway, ask_replicas
from ganggpt.actors.ray.supervisor import start_supervisor, supervisor_reports
from ganggpt.actors.routing.forwarder import Forwarder
from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.table import load_routes
from ganggpt.domain.kinds import KINDS
from ganggpt.observability.log_file import start_logs
from ganggpt.observability.metrics import Metrics, ProcessReport
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.reader import PostgresTurns
from ganggpt.persistence.metric_totals import PostgresMetricTotals
from ganggpt.persistence.online_names import online_names
from ganggpt.persistence.pool import open_pool
from ganggpt.persistence.probes import database_probe, redis_probe
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.world_lists import PostgresLists
from ganggpt.persistence.world_store import LiveWorld
from ganggpt.private_files import keep_private
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.limits import Limits
from ganggpt.runtime.composition import BridgeSpec
from ganggpt.serve.ai_check import ai_probe
from ganggpt.serve.asgi import BridgeApp
from ganggpt.serve.composition import BridgePorts, bridge_app
from ganggpt.serve.forward_endpoint import Forwarded
from ganggpt.serve.health import disk_probe, memory_probe
from ganggpt.serve.loopback import stay_on_loopback
from ganggpt.serve.metrics.host_watch import HostWatch
from ganggpt.serve.metrics.router_watch import RouterWatch
from ganggpt.serve.metrics.world_metrics import Ask, WorldMetrics
from ganggpt.serve.present_names import PresentNames

REST_AT_ONCE: Final = 512
"""Requests a replica works on besides its WebSockets."""
BRIDGE: Final = "Bridge"
"""The name of the deployment."""
QUIET: Final = LoggingConfig(enable_access_log=False)


class BridgeReplica:
    """One replica. Opens its stores when Serve asks for the application, closes them when Serve ends the replica."""

    def __init__(self, spec: BridgeSpec, gateway: Any = None) -> None:
        keep_private()
        stay_on_loopback()
        start_logs(spec.logs, "bridge")
        self._spec = spec
        self._gateway = None if gateway is None else RayGateway(gateway)
        self._opened = AsyncExitStack()
        self._world_metrics: WorldMetrics | None = None
        self._bridge: BridgeApp | None = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """The ASGI application of this replica."""
        ports = await self._opened.enter_async_context(open_bridge(self._spec, self._gateway))
        self._world_metrics = ports.world_metrics
        self._bridge = bridge_app(ports, self._opened.aclose)
        if not self._spec.cors_origins:
            return self._bridge
        # Outermost, because a browser asks for permission before it shows its token.
        return CORSMiddleware(
            self._bridge,
            allow_origins=self._spec.cors_origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "X-Acting-As", "Last-Event-ID"),
        )

    async def report(self, everything: bool) -> Sequence[ProcessReport]:
        """See ``WorldMetrics.reports``. Nothing while the replica opens its stores."""
        return () if self._world_metrics is None else self._world_metrics.reports(everything=everything)

    async def drain(self) -> None:
        """Say bye to every session and accept no new one."""
        assert self._bridge is not None, "Serve builds the application before it calls methods"
        await self._bridge.drain()


Bridge: Final[Any] = serve.deployment(
    name=BRIDGE,
    max_ongoing_requests=Limits().sessions_max + REST_AT_ONCE,
    graceful_shutdown_wait_loop_s=0.2,
    max_surge_percent=100,
    # Also how long a dead replica goes unnoticed.
    health_check_period_s=1.0,
    logging_config=QUIET,
)(serve.ingress()(BridgeReplica))
"""The deployment. A roll-out starts new replicas before it stops old ones."""


@asynccontextmanager
async def open_bridge(spec: BridgeSpec, gateway: RayGateway | None = None) -> AsyncIterator[BridgePorts]:
    """Open everything a replica needs; it is closed at the end. ``gateway``: None if no model is configured."""
    secrets = await asyncio.to_thread(spec.secrets.read)
    metrics = Metrics("bridge")
    pool = await open_pool(secrets.dsn, spec.pool, metrics)
    hosts = PostgresHosts(pool, cluster=spec.cluster)
    sheet = LiveWorld(pool)
    world, cast = await sheet.read()
    if spec.starts is not None:
        # Or finds the supervisor that another replica started; hosts come up behind it. Nobody waits: a bridge is well
        # without them, and commands wait in its router.
        start_supervisor(spec.starts.host, spec.starts.size.plan(list(cast)))
    calls = RayCalls()
    clusters = PostgresClusters(pool, spec.cluster)
    forward = Forwarder(clusters.key_of, spec.router.call_s)
    router = Router(calls.call, lambda: load_routes(hosts), spec.router, forward)
    await router.start()
    metrics.registry.register(RouterWatch(router))
    names = PresentNames(partial(online_names, pool))
    asked: list[Ask] = [HostWatch(partial(_host_names, hosts), calls.stats).reports, partial(supervisor_reports, calls)]
    if gateway is not None:
        asked.append(gateway.reports)
    world_metrics = WorldMetrics(metrics, asked, _peers, PostgresMetricTotals(pool))
    watching = [asyncio.create_task(work) for work in (world_metrics.run(), names.run(), sheet.follow())]
    cache = open_cache(secrets.redis_url, metrics=metrics)
    pushes = PostgresPushes(pool, secrets.redis_url, metrics=metrics)
    try:
        yield BridgePorts(
            port=router,
            pushes=pushes,
            turns=PostgresTurns(pool),
            lists=PostgresLists(pool),
            cache=cache,
            book=CommandBook(KINDS),
            token=SecretStr(secrets.token),
            probes={
                "database": database_probe(pool),
                "redis": redis_probe(secrets.redis_url),
                "ai": ai_probe(gateway, spec.no_model),
                "memory": memory_probe(),
                "disk": disk_probe(Path(spec.data_dir)),
            },
            world=world,
            metrics=metrics,
            limits=spec.limits,
            names=names,
            world_now=lambda: sheet.world,
            forwarded=Forwarded(router.take_forwarded, partial(clusters.key_of, spec.cluster)),
            world_metrics=world_metrics,
        )
    finally:
        for task in watching:
            task.cancel()
        await world_metrics.close()
        await router.close()
        await forward.close()
        await pushes.close()
        await cache.close()
        await pool.close()


async def _peers(*, everything: bool) -> Sequence[ProcessReport]:
    """What every replica of the bridge reports, this one included."""
    return [report for reports in await ask_replicas(BRIDGE, "report", everything) for report in reports]


async def _host_names(hosts: PostgresHosts) -> list[str]:
    return [host.name for host in await hosts.alive() if host.cluster == hosts.cluster]
