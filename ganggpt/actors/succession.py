"""Two clusters on one world: which of them takes the shards, and when it no longer waits for the other.

A new cluster becomes the owner when it first appears, and again whenever an operator says so. The one that is not the
owner gives its shards away; after a deadline the owner fences what did not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from ganggpt.persistence.clusters import Standing
from ganggpt.persistence.hosts import LiveHost

log = logging.getLogger(__name__)

DEADLINE_S: Final = 60.0
"""How long the owner waits for another cluster to hand over before it fences its hosts."""


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


class Role(Struct, frozen=True):
    """What a look found for this cluster to do.

    ``adopts``: it gives a home to orphans. ``heirs``: hosts of the owner that its own hosts should hand over to (empty:
    it keeps what it has). ``overdue``: hosts of other clusters that had their time.
    """

    adopts: bool
    heirs: tuple[LiveHost, ...] = ()
    overdue: tuple[LiveHost, ...] = ()


class Succession:
    """Owns nothing; ``begin`` once at boot, then ``look`` every round."""

    def __init__(self, clusters: Clusters, bridge: str | None, lease_s: float, deadline_s: float = DEADLINE_S) -> None:
        self._clusters = clusters
        self._bridge = bridge
        self._lease_s = lease_s
        self._deadline_s = deadline_s

    async def begin(self) -> None:
        """Enter, and become the owner where this cluster is new here or nobody else holds the world."""
        fresh = await self._clusters.enter(self._bridge)
        standing = await self._clusters.standing()
        if (fresh or self._is_vacant(standing)) and await self._clusters.claim():
            log.info("cluster %s becomes the owner of the world (it was %s)", self._clusters.cluster, standing.owner)

    async def look(self, alive: Sequence[LiveHost]) -> Role:
        """What this cluster should do now. ``alive``: the live hosts of all clusters."""
        await self._clusters.beat()
        standing = await self._clusters.standing()
        ours = self._clusters.cluster
        if standing.owner in (None, ours):
            late = standing.owner == ours and standing.since_s > self._deadline_s
            return Role(adopts=True, overdue=tuple(h for h in alive if h.cluster != ours) if late else ())
        heirs = tuple(h for h in alive if h.cluster == standing.owner and h.kind == "shared")
        return Role(adopts=not heirs and self._is_vacant(standing), heirs=heirs)

    def _is_vacant(self, standing: Standing) -> bool:
        """Whether the owner is gone: no host of it lives and its supervisor is silent."""
        silent = standing.silent_s is None or standing.silent_s > self._lease_s
        return standing.owner is None or (silent and not standing.has_hosts)
