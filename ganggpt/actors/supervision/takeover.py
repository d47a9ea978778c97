"""Two clusters on one world: which of them takes the shards, and when it no longer waits for the other.

A new cluster becomes the owner once its bridge answers, and again whenever an operator says so. The one that is not the
owner gives its shards away; after a deadline the owner fences what did not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from ganggpt.actors.clock import loop_s
from ganggpt.persistence.ports.clusters import Clusters, Standing
from ganggpt.persistence.ports.hosts import LiveHost

log = logging.getLogger(__name__)

DEADLINE_S: Final = 60.0
"""How long the owner waits for another cluster to hand over before it fences its hosts."""


class Role(Struct, frozen=True):
    """What a look found for this cluster to do.

    ``adopts``: it gives a home to orphans. ``heirs``: hosts of the owner that its own hosts should hand over to (empty:
    it keeps what it has). ``overdue``: hosts of other clusters that had their time.
    """

    adopts: bool
    heirs: tuple[LiveHost, ...] = ()
    overdue: tuple[LiveHost, ...] = ()


class Succession:
    """Owns the wish of a new cluster to take over; ``begin`` once at boot, then ``look`` every round.

    ``answers`` says whether the bridge can be reached at an address: before that nothing is taken from a cluster whose
    bridge can, because it will forward commands here.
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
        """Enter. Become the owner at once where nobody else holds the world; where somebody does and this cluster is
        new, want to be."""
        fresh = await self._clusters.enter(self._bridge)
        standing = await self._clusters.standing()
        if self._is_vacant(standing):
            await self._claim(standing)
        elif fresh:
            self._wanted_since_s = loop_s()

    async def look(self, alive: Sequence[LiveHost]) -> Role:
        """What this cluster should do now. ``alive``: the live hosts of all clusters."""
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

    async def _claim(self, standing: Standing) -> None:
        self._wanted_since_s = None
        if await self._clusters.claim():
            log.info("cluster %s becomes the owner of the world (it was %s)", self._clusters.cluster, standing.owner)

    async def _is_ready(self, wanted_since_s: float) -> bool:
        if self._bridge is None or await self._answers(self._bridge):
            return True
        if loop_s() - wanted_since_s < self._deadline_s:
            return False
        log.warning("%s does not answer; taking over all the same, the other bridge cannot forward", self._bridge)
        return True

    def _is_vacant(self, standing: Standing) -> bool:
        """Whether the owner is gone: no host of it lives and its supervisor is silent."""
        silent = standing.silent_s is None or standing.silent_s > self._lease_s
        return standing.owner is None or (silent and not standing.has_hosts)
