"""The Ray clusters that share one world, and how many hosts each of them should run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct


class ClusterStanding(Struct, frozen=True):
    """Which cluster should hold the world (None: any), for how many seconds this has been so, how long its supervisor
    has been silent (None: it has no row) and whether it has live hosts."""

    owner: str | None
    since_s: float
    silent_s: float | None
    has_hosts: bool


class ClusterRow(Struct, frozen=True):
    """A cluster that shares the world, as shown to an operator."""

    name: str
    bridge: str | None
    silent_s: float
    owner: bool
    hosts: int
    shards: int


class Clusters(Protocol):
    """The clusters of a world, seen from one of them; ``PostgresClusters`` is the real adapter."""

    cluster: str

    async def enter(self, bridge: str | None) -> bool:
        """Register this cluster; returns whether it is new. Raises Unavailable."""
        ...

    async def beat(self) -> None:
        """Record a heartbeat of this cluster's supervisor. Raises Unavailable."""
        ...

    async def standing(self) -> ClusterStanding:
        """Which cluster should hold the world. Raises Unavailable."""
        ...

    async def claim(self) -> bool:
        """Make this cluster the owner. Raises Unavailable."""
        ...


class WantedHosts(Struct, frozen=True):
    """How many hosts a cluster should have. ``now``: what its supervisor decided last (0: nothing yet). The others were
    set by an operator, or are None."""

    now: int = 0
    least: int | None = None
    most: int | None = None
    fixed: int | None = None


class HostShown(Struct, frozen=True):
    """A live host, as shown to an operator. ``silent_s``: seconds since its last heartbeat."""

    name: str
    kind: str
    state: str
    node: str | None
    address: str
    silent_s: float
    shards: int


class LoadShown(Struct, frozen=True):
    """What a supervisor last reported of its cluster, and how many seconds ago."""

    report: Mapping[str, Any]
    age_s: float


class ScaleTable(Protocol):
    """The size of one cluster, as its supervisor sees it; ``PostgresScale`` is the real adapter."""

    async def wanted(self) -> WantedHosts:
        """How many hosts are wanted. Raises Unavailable."""
        ...

    async def report(self, now: int, load: Mapping[str, Any]) -> None:
        """Store how many shared hosts are wanted now, and the measured load (JSON-able). Raises Unavailable."""
        ...
