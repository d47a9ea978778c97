"""Bridge and model gateway on Ray Serve: the application, and how it is started, deployed and closed.

``app`` is what KubeRay's ``serveConfigV2`` imports (``ganggpt.serve.app:app``); ``ganggpt up`` calls the other three.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from ganggpt.actors.host.composition import HostSpec
from ganggpt.actors.ray.gateway import APP_NAME, RayGateway
from ganggpt.config import read_settings
from ganggpt.errors import ConfigInvalid
from ganggpt.protocol.limits import Limits
from ganggpt.runtime.model_plan import mind_spec
from ganggpt.runtime.retention_policy import kept_of
from ganggpt.runtime.sizing import own_actors_max, scale_of, this_machine
from ganggpt.runtime.stores import redis_url
from ganggpt.serve.asgi import BridgeApp
from ganggpt.serve.composition import BridgeSpec, WorldStart, bridge_spec, open_bridge
from ganggpt.serve.gateway import GatewaySpec, bound_gateway, gateway_spec
from ganggpt.serve.parts import bridge_app

log = logging.getLogger(__name__)

REST_AT_ONCE: Final = 512
"""Requests a replica works on besides its WebSockets."""
_DRAIN_S: Final = 10.0
_QUIET: Final = LoggingConfig(enable_access_log=False)


class BridgeReplica:
    """One replica. Opens its stores when Serve asks for the application, closes them when Serve ends the replica."""

    def __init__(self, spec: BridgeSpec, gateway: Any = None) -> None:
        logging.basicConfig(level=spec.log_level)
        self._spec = spec
        self._gateway = None if gateway is None else RayGateway(gateway)
        self._opened = AsyncExitStack()
        self._bridge: BridgeApp | None = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """The ASGI application of this replica."""
        parts = await self._opened.enter_async_context(open_bridge(self._spec, self._gateway))
        self._bridge = bridge_app(parts, self._opened.aclose)
        if not self._spec.cors_origins:
            return self._bridge
        # Outermost, because a browser asks for permission before it shows its token.
        return CORSMiddleware(
            self._bridge,
            allow_origins=self._spec.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "X-Acting-As", "Last-Event-ID"),
        )

    async def drain(self) -> None:
        """Say bye to everybody and take nobody new."""
        assert self._bridge is not None, "Serve builds the application before it calls methods"
        await self._bridge.drain()


Bridge: Final[Any] = serve.deployment(
    name="Bridge",
    max_ongoing_requests=Limits().sessions_max + REST_AT_ONCE,
    graceful_shutdown_wait_loop_s=0.2,
    max_surge_percent=100,
    # Also how long a dead replica goes unnoticed.
    health_check_period_s=1.0,
    logging_config=_QUIET,
)(serve.ingress()(BridgeReplica))
"""The deployment. A roll-out starts new replicas before it stops old ones."""


def start_serve(port: int) -> None:
    """Start Serve in the Ray cluster this process is connected to; its front door listens on ``port``."""
    serve.start(
        proxy_location="EveryNode",
        http_options={"host": "0.0.0.0", "port": port, "request_timeout_s": None},  # noqa: S104 - the token guards it
        logging_config=_QUIET,
    )


def deploy_bridge(spec: BridgeSpec, gateway: GatewaySpec | None = None) -> None:
    """Deploy the bridge, with a model gateway where there are models, and wait until their replicas run.

    Raises RuntimeError where they do not come up.
    """
    serve.run(_bound(spec, gateway), name=APP_NAME, route_prefix="/")


async def remove_bridge() -> None:
    """Say bye to every session on every replica, then take the bridge away."""
    # In throughput mode a handle lives on the loop of its caller, so this cannot be a plain function in a thread.
    handle = serve.get_deployment_handle("Bridge", APP_NAME)
    try:
        await handle.broadcast("drain").results_async(timeout_s=_DRAIN_S)
    except TimeoutError:
        log.warning("some sessions were not let go within %.0f s", _DRAIN_S)
    await asyncio.to_thread(serve.delete, APP_NAME)


def app(args: Mapping[str, str]) -> serve.Application:
    """Builds the application from the settings of the process that deploys it; ``args`` may name ``replicas``. Its
    replicas also start the world's supervisor: in a cluster nobody runs ``ganggpt up``.

    Raises ConfigInvalid: in a cluster there are no embedded stores and no token made on the spot.
    """
    settings = read_settings()
    if settings.database_url is None:
        raise ConfigInvalid("DATABASE_URL", "it is not set", "A cluster needs a Postgres of its own.")
    if settings.token is None:
        raise ConfigInvalid("GANGGPT_TOKEN", "it is not set", "Give the bridge its token as a secret.")
    replicas = int(args.get("replicas", "1"))
    machine = this_machine()
    scale = scale_of(settings, machine)
    dsn, cache_url = settings.database_url.get_secret_value(), redis_url(settings)
    token = settings.token.get_secret_value()
    processes = replicas + scale.most + 1 + settings.ai_replicas
    spec = bridge_spec(settings, dsn, cache_url, token, replicas=replicas, processes=processes)
    host = HostSpec(
        dsn,
        cache_url,
        cluster=settings.cluster,
        bridge=settings.bridge_url,
        pool=spec.pool,
        shared_cpus=settings.host_cpus,
        kept=kept_of(settings),
        log_level=spec.log_level,
        mind=mind_spec(settings, token),
    )
    own = own_actors_max(settings, machine)
    starts = WorldStart(host, scale.least, settings.residence, own, settings.lease_s, scale)
    return _bound(replace(spec, starts=starts), gateway_spec(settings, dsn, cache_url, processes=processes))


def _bound(spec: BridgeSpec, gateway: GatewaySpec | None) -> Any:
    bridge = Bridge.options(num_replicas=spec.replicas)
    return bridge.bind(spec) if gateway is None else bridge.bind(spec, bound_gateway(gateway))
