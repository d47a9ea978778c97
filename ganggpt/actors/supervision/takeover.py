"""Two clusters on one world: which of them takes the shards, and when it stops waiting for the other.

A new cluster becomes the owner once its bridge answers, and again whenever an operator says so. The other cluster hands
its shards over. After a deadline the owner fences the hosts that still hold some.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from ganggpt.actors.clock import loop_s
from ganggpt.persistence.ports.clusters import Clusters, ClusterStanding
from ganggpt.persistence.ports.hosts import LiveHost

log = logging.getLogger(__name__)

DEADLINE_S: Final = 60.0
"""How long the owner waits for another cluster to hand over before it fences its hosts."""


class Role(Struct, frozen=True):
    """What this cluster has to do, as a poll found.

    ``adopts``: it assigns shards without a host. ``heirs``: hosts of the owner to which its own hosts should hand over
    (empty: it keeps its shards). ``overdue``: hosts of other clusters whose deadline has passed.
    """

    adopts: bool
    heirs: tuple[LiveHost, ...] = ()
    overdue: tuple[LiveHost, ...] = ()


class Takeover:
    """Decides whether this cluster takes over. Call ``begin`` once at boot, then ``poll`` every round.

    ``answers`` says whether a bridge answers at an address. Until the bridge of this cluster does, nothing is taken
    from a cluster whose bridge answers, because that one will forward commands here.
    """

    def __init__(
        self,
        clusters: Clusters,
        bridge: str | None,
        answers: Callable[[str], Awaitable[bool]],
        lease_s: float,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._clusters = clusters
        self._bridge = bridge
        self._answers = answers
        self._lease_s = lease_s
        self._deadline_s = deadline_s
        self._wanted_since_s: float | None = None

    async def begin(self) -> None:
        """Register this cluster. It becomes the owner at once where no other cluster holds the world; otherwise a new
        cluster waits until its bridge answers."""
        fresh = await self._clusters.enter(self._bridge)
        standing = await self._clusters.standing()
        if self._is_vacant(standing):
            await self._claim(standing)
        elif fresh:
            self._wanted_since_s = loop_s()

    async def poll(self, alive: Sequence[LiveHost]) -> Role:
        """What this cluster should do now. ``alive``: the live hosts of all clusters. Raises Unavailable."""
        await self._clusters.beat()
        standing = await self._clusters.standing()
        if self._wanted_since_s is not None and await self._is_ready(self._wanted_since_s):
            await self._claim(standing)
            standing = await self._clusters.standing()
        ours = self._clusters.cluster
        if standing.owner in (None, ours):
            late = standing.owner == ours and standing.since_s > self._deadline_s
            return Role(adopts=True, overdue=tuple(h for h in alive if h.cluster != ours) if late else ())
        heirs = tuple(h for h in alive if h.cluster == standing.owner and h.kind == "shared")
        return Role(adopts=not heirs and self._is_vacant(standing), heirs=heirs)

    async def _claim(self, standing: ClusterStanding) -> None:
        self._wanted_since_s = None
        if await self._clusters.claim():
            log.info("cluster %s becomes the owner of the world (it was %s)", self._clusters.cluster, standing.owner)

    async def _is_ready(self, wanted_since_s: float) -> bool:
        if self._bridge is None or await self._answers(self._bridge):
            return True
        if loop_s() - wanted_since_s < self._deadline_s:
            return False
        log.warning(
            "%s does not answer; taking over although the other bridge cannot forward to it",
            self._bridge,
        )
        return True

    def _is_vacant(self, standing: ClusterStanding) -> bool:
        """Whether the owner is gone: no host of it lives and its supervisor is silent."""
        silent = standing.silent_s is None or standing.silent_s > self._lease_s
        return standing.owner is None or (silent and not standing.has_hosts)
