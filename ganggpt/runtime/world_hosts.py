"""The hosts of a world as ``ganggpt up`` starts and ends them."""

from __future__ import annotations

from ganggpt.actors.ray.supervisor import boot_supervisor, drain_hosts
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.supervisor import refuse_second_run
from ganggpt.config import Settings
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.pool import open_pool
from ganggpt.runtime.connections import command_pool
from ganggpt.runtime.hosts import HostSpec


async def start_hosts(settings: Settings, dsn: str, spec: HostSpec, plan: Plan) -> None:
    """Start what a plan wants on this cluster; returns once every shard has a host. Raises StartFailed, Unavailable."""
    pool = await open_pool(dsn, command_pool(settings))
    try:
        await refuse_second_run(PostgresHosts(pool, cluster=spec.cluster))
    finally:
        await pool.close()
    await boot_supervisor(spec, plan)


async def stop_hosts(settings: Settings, dsn: str) -> list[str]:
    """Drain every live host of this cluster and end it and the supervisor; returns the hosts that were not drained in
    time."""
    pool = await open_pool(dsn, command_pool(settings))
    try:
        names = [host.name for host in await PostgresHosts(pool).alive() if host.cluster == settings.cluster]
        await PostgresClusters(pool, settings.cluster).leave()
    finally:
        await pool.close()
    return await drain_hosts(names, settings.drain_timeout_s)
