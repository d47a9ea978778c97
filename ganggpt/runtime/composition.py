"""The composition root: derives the specification of every process of a world from the settings.

``ganggpt up`` and the application that KubeRay imports (``ganggpt.serve.app``) both start from ``compose_world``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ganggpt.actors.routing.router import RouterOptions
from ganggpt.ai.gateway.gateway_config import GatewayConfig
from ganggpt.ai.minds.prompt_files import Prompts, read_prompts
from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid
from ganggpt.observability.log_file import LogOptions
from ganggpt.persistence.pool import PoolOptions
from ganggpt.persistence.ports.cache import TTL_S
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.retention import RetentionPolicy
from ganggpt.protocol.limits import Limits
from ganggpt.runtime.connections import Processes, connections_of, pool_options, pool_sizes
from ganggpt.runtime.hosts import HostSpec
from ganggpt.runtime.model_plan import mind_plan, model_plan
from ganggpt.runtime.sizing import WorldSize
from ganggpt.runtime.world_secrets import SecretSource


@dataclass(frozen=True, slots=True)
class WorldStart:
    """With what a replica starts the world itself, where no ``ganggpt up`` does. The cast is read from the database."""

    host: HostSpec
    size: WorldSize


@dataclass(frozen=True, slots=True)
class BridgeSpec:
    """With what a replica of the bridge starts. Picklable, and holds no secret: Ray keeps it in its tables."""

    secrets: SecretSource
    cluster: str = LOCAL
    data_dir: str = "."
    replicas: int = 1
    pool: PoolOptions = field(default_factory=PoolOptions)
    router: RouterOptions = field(default_factory=RouterOptions)
    limits: Limits = field(default_factory=Limits)
    cors_origins: tuple[str, ...] = ()
    starts: WorldStart | None = None
    no_model: str = "no model is configured"
    logs: LogOptions = field(default_factory=LogOptions)


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """With what a replica of the model gateway starts. Picklable, and holds no secret: Ray keeps it in its tables.
    ``plan``: without keys, see ``GatewayConfig.without_keys``."""

    secrets: SecretSource
    plan: GatewayConfig = field(repr=False)
    prompts: Prompts = field(repr=False)
    pool: PoolOptions = field(default_factory=PoolOptions)
    replicas: int = 1
    ttl_s: int = TTL_S
    record_days: int = 0
    logs: LogOptions = field(default_factory=LogOptions)


@dataclass(frozen=True, slots=True)
class WorldSpecs:
    """The specification of every kind of process of a world. ``gateway``: None if no model is configured."""

    host: HostSpec
    bridge: BridgeSpec
    gateway: GatewaySpec | None


def kept_of(settings: Settings) -> RetentionPolicy:
    """How long each kind of data is kept."""
    return RetentionPolicy(settings.journal_days, settings.memory_months, settings.mission_days, settings.away_days)


def world_connections(settings: Settings, size: WorldSize) -> int:
    """The database connections all processes of a world may open together. Raises ConfigRejected, ConfigInvalid."""
    return connections_of(settings, _processes(settings, size))


def compose_world(
    settings: Settings, size: WorldSize, secrets: SecretSource, *, has_redis: bool, logs: LogOptions | None = None
) -> WorldSpecs:
    """Derive the specification of every process. ``secrets``: where they find theirs; ``has_redis``: whether those name
    a Redis; ``logs``: by default standard error. Raises ConfigRejected, ConfigInvalid."""
    processes = _processes(settings, size)
    pools = pool_sizes(connections_of(settings, processes), processes)
    logs = logs or log_options(settings)
    host = HostSpec(
        secrets=secrets,
        cluster=settings.cluster,
        bridge=settings.bridge_url,
        pool=pool_options(settings, "host", pools.host),
        own_pool=pool_options(settings, "own", pools.own),
        supervisor_pool=pool_options(settings, "supervisor", pools.supervisor),
        shared_cpus=settings.host_cpus,
        kept=kept_of(settings),
        logs=logs,
        mind=mind_plan(settings),
    )
    bridge = BridgeSpec(
        secrets=secrets,
        cluster=settings.cluster,
        data_dir=str(settings.data_dir),
        replicas=size.bridges,
        pool=pool_options(settings, "bridge", pools.bridge),
        router=RouterOptions(deadline_s=settings.command_timeout_s, call_s=settings.command_timeout_s * 0.9),
        limits=Limits(new_actors_per_s=settings.new_actors_per_s / size.bridges),
        cors_origins=settings.cors_origins,
        no_model="GANGGPT_AI is off" if settings.ai == "off" else "no model is configured",
        logs=logs,
    )
    if settings.ai_replicas > 1 and not has_redis and processes.gateway:
        problem = f"{settings.ai_replicas} gateways cannot share their budgets without Redis"
        raise ConfigInvalid("GANGGPT_AI_REPLICAS", problem, "Set REDIS_URL, or use one.")
    gateway = _gateway_spec(settings, secrets, pool_options(settings, "gateway", pools.gateway), logs)
    return WorldSpecs(host, bridge, gateway)


def log_options(settings: Settings, world: str = "", directory: Path | None = None) -> LogOptions:
    """How processes of a world write their log. ``world``: its name, by default that of the folder of its files."""
    place = None if directory is None else str(directory)
    return LogOptions(settings.log_level.upper(), world or settings.world.name, place)


def _gateway_spec(settings: Settings, secrets: SecretSource, pool: PoolOptions, logs: LogOptions) -> GatewaySpec | None:
    plan = model_plan(settings)
    if plan is None:
        return None
    return GatewaySpec(
        secrets=secrets,
        plan=plan.without_keys(),
        prompts=read_prompts(settings.prompts_dir),
        pool=pool,
        replicas=settings.ai_replicas,
        ttl_s=settings.redis_ttl_s,
        record_days=settings.ai_record_days,
        logs=logs,
    )


def _processes(settings: Settings, size: WorldSize) -> Processes:
    gateways = 0 if model_plan(settings) is None else settings.ai_replicas
    return Processes(host=size.scale.most, own=size.own_max, bridge=size.bridges_max, gateway=gateways)
