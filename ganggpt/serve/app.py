"""The bridge and the model gateway on Ray Serve: the application, and how it is started, deployed and removed.

``app`` is what KubeRay's ``serveConfigV2`` imports (``ganggpt.serve.app:app``); ``ganggpt up`` calls the other three
(``ganggpt.runtime.launch.Front``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ray import serve

from ganggpt.actors.ray.gateway import APP_NAME
from ganggpt.config import read_settings
from ganggpt.runtime.composition import BridgeSpec, GatewaySpec, WorldStart, compose_world
from ganggpt.runtime.sizing import this_machine, world_size
from ganggpt.runtime.world_secrets import SecretSource, secrets_of
from ganggpt.serve.replica import QUIET, Bridge

log = logging.getLogger(__name__)

_DRAIN_S: Final = 10.0


def start_serve(host: str, port: int) -> None:
    """Start Serve in the Ray cluster this process is connected to; it listens on this address and port."""
    serve.start(
        proxy_location="EveryNode",
        http_options={"host": host, "port": port, "request_timeout_s": None},
        logging_config=QUIET,
    )


def deploy_bridge(spec: BridgeSpec, gateway: GatewaySpec | None = None) -> None:
    """Deploy the bridge, with a model gateway where there are models, and wait until their replicas run.

    Raises RuntimeError if they do not start.
    """
    serve.run(_bound(spec, gateway), name=APP_NAME, route_prefix="/")


async def remove_bridge() -> None:
    """Say bye to every session on every replica, then delete the bridge."""
    # In throughput mode a handle lives on the loop of its caller, so this cannot be a plain function in a thread.
    handle = serve.get_deployment_handle("Bridge", APP_NAME)
    try:
        await handle.broadcast("drain").results_async(timeout_s=_DRAIN_S)
    except TimeoutError:
        log.warning("some sessions were not closed within %.0f s", _DRAIN_S)
    await asyncio.to_thread(serve.delete, APP_NAME)


def app(args: Mapping[str, str]) -> serve.Application:
    """Builds the application from the settings of the process that deploys it; ``args`` may name ``replicas``. Its
    replicas also start the world's supervisor: in a cluster nobody runs ``ganggpt up``.

    Raises ConfigInvalid if no database or no token is set: a cluster has no embedded stores and generates no token.
    """
    settings = read_settings()
    has_redis = secrets_of(settings).redis_url is not None
    size = world_size(settings, this_machine(), replicas=int(args.get("replicas", "1")))
    world = compose_world(settings, size, SecretSource(), has_redis=has_redis)
    return _bound(replace(world.bridge, starts=WorldStart(world.host, size)), world.gateway)


def _bound(spec: BridgeSpec, gateway: GatewaySpec | None) -> Any:
    bridge = Bridge.options(num_replicas=spec.replicas)
    if gateway is None:
        return bridge.bind(spec)
    # The SDK of the models costs a process 20 MB, which only one that deploys a gateway has to spend.
    from ganggpt.serve.gateway import bound_gateway

    return bridge.bind(spec, bound_gateway(gateway))
