"""The Ray clusters that share one world, and how many hosts each of them should run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct


class Standing(Struct, frozen=True):
    """Which cluster should hold the world (None: whoever is there), for how many seconds it has been so, how long its
    supervisor was silent (None: it has no row) and whether it has live hosts."""

    owner: str | None
    since_s: float
    silent_s: float | None
    has_hosts: bool


class ClusterRow(Struct, frozen=True):
    """A cluster that shares the world, as an operator sees it."""

    name: str
    bridge: str | None
    silent_s: float
    owner: bool
    hosts: int
    shards: int


class Clusters(Protocol):
    """The port of succession; ``PostgresClusters`` is the real adapter."""

    cluster: str

    async def enter(self, bridge: str | None) -> bool:
        """Say that this cluster is there; whether it was never seen before. Raises Unavailable."""
        ...

    async def beat(self) -> None:
        """Say that this cluster's supervisor lives. Raises Unavailable."""
        ...

    async def standing(self) -> Standing:
        """Which cluster should hold the world. Raises Unavailable."""
        ...

    async def claim(self) -> bool:
        """Make this cluster the owner. Raises Unavailable."""
        ...


class Wishes(Struct, frozen=True):
    """What is wanted of a cluster: ``now`` is what its supervisor wants at the moment (0: it has not said yet); the
    others were set by an operator, or are None."""

    now: int = 0
    least: int | None = None
    most: int | None = None
    fixed: int | None = None


class HostShown(Struct, frozen=True):
    """A live host as an operator sees it. ``silent_s``: since its last heartbeat."""

    name: str
    kind: str
    state: str
    node: str | None
    address: str
    silent_s: float
    shards: int


class LoadShown(Struct, frozen=True):
    """What a supervisor last told of its cluster, and how many seconds ago."""

    told: Mapping[str, Any]
    age_s: float


class ScaleTable(Protocol):
    """The supervisor's side of its cluster's size; ``PostgresScale`` is the real adapter."""

    async def wishes(self) -> Wishes:
        """What is wanted of this cluster. Raises Unavailable."""
        ...

    async def tell(self, now: int, load: Mapping[str, Any]) -> None:
        """Keep how many shared hosts are wanted now, and the load that was seen (JSON-able). Raises Unavailable."""
        ...
