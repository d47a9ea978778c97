"""One budget of database connections for all processes of a world: hosts, actors of their own, the supervisor, bridges,
model gateways, and what an operator runs beside them (a job, a command).

A pool opens connections only when it needs them, so the budget counts what every process may open, with as many
processes of each kind as may run at the same time. A host that was just replaced has ended before the next one starts.

Behind PgBouncer (GANGGPT_PGBOUNCER) these are connections to it: two clusters need a budget each, together within its
``max_client_conn``, while Postgres sees its ``max_db_connections`` and no more. On Kubernetes that is the only way.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.pool import PoolOptions

CONNECTIONS: Final = 20
"""The budget where DATABASE_POOL_SIZE is not set and no more is needed."""
COMMAND_MIN: Final = 3
"""Kept for jobs and commands: a verification reads, repairs and beats at the same time."""
_COMMAND_SHARE: Final = 8
"""Of a larger budget, jobs and commands get one connection of so many."""


@dataclass(frozen=True, slots=True)
class Processes:
    """How many processes of each kind may run at the same time."""

    host: int
    own: int
    bridge: int
    gateway: int
    supervisor: int = 1


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """How many connections one process of each kind may open."""

    host: int
    own: int
    bridge: int
    gateway: int
    supervisor: int


_LEAST: Final = PoolSizes(host=2, own=1, bridge=2, gateway=2, supervisor=3)
"""A host commits while it reads; an actor of its own does one thing after the other; the supervisor fences the silent
while retention and an erasure each have a statement under way."""
_MOST: Final = PoolSizes(host=8, own=2, bridge=8, gateway=8, supervisor=4)
_NAMES: Final = {
    "host": "shared hosts",
    "bridge": "bridges",
    "own": "actors of their own",
    "gateway": "model gateways",
    "supervisor": "supervisor",
}
_GROWTH: Final = ("host", "host", "bridge", "own", "gateway", "supervisor")
"""Who gets what is left, round by round. Every turn and every wake of a host goes through its connections."""


def command_connections(settings: Settings) -> int:
    """How many connections a job or a command may open beside the running world."""
    return _for_commands(settings.database_pool_size or CONNECTIONS)


def connections_min(processes: Processes) -> int:
    """The smallest budget with which these processes work."""
    needed = _sum(processes, _LEAST)
    return next(n for n in itertools.count(needed) if n - _for_commands(n) >= needed)


def connections_of(settings: Settings, processes: Processes) -> int:
    """The budget: as set, else CONNECTIONS, or more where these processes need more. Raises ConfigInvalid where what is
    set is too small."""
    least, chosen = connections_min(processes), settings.database_pool_size
    if chosen is None:
        return max(CONNECTIONS, least)
    if chosen < least:
        counted = ", ".join(f"{name}: {getattr(processes, kind)}" for kind, name in _NAMES.items())
        problem = f"{chosen} connections are too few for the processes of this world ({counted})"
        fix = f"Set it to {least} or more, or lower GANGGPT_HOSTS_MAX or GANGGPT_OWN_ACTORS_MAX."
        raise ConfigInvalid("DATABASE_POOL_SIZE", problem, fix)
    return chosen


def pool_sizes(connections: int, processes: Processes) -> PoolSizes:
    """Divide a budget. Everyone gets the least they need; what is left is handed out round by round, one
    connection for each process of a kind."""
    sizes = {kind: getattr(_LEAST, kind) for kind in _NAMES}
    left = connections - _for_commands(connections) - _sum(processes, _LEAST)
    growing = {kind for kind in _GROWTH if getattr(processes, kind)}
    while growing:
        for kind in _GROWTH:
            count = getattr(processes, kind)
            if kind in growing and sizes[kind] < getattr(_MOST, kind) and count <= left:
                sizes[kind] += 1
                left -= count
            else:
                growing.discard(kind)
    return PoolSizes(**sizes)


def pool_options(settings: Settings, process: str, max_size: int) -> PoolOptions:
    """How a process of that kind uses the database; an operator finds it by ``application_name``."""
    return PoolOptions(
        max_size=max_size,
        pgbouncer=settings.pgbouncer,
        command_timeout_s=settings.database_timeout_ms / 1000,
        application_name=f"ganggpt {process}",
    )


def command_pool(settings: Settings) -> PoolOptions:
    """How a job or a command uses the database."""
    return pool_options(settings, "command", command_connections(settings))


def _for_commands(connections: int) -> int:
    return max(COMMAND_MIN, connections // _COMMAND_SHARE)


def _sum(processes: Processes, sizes: PoolSizes) -> int:
    return sum(getattr(processes, kind) * getattr(sizes, kind) for kind in _NAMES)
