"""The control loop of scaling: asks the shared hosts for their load, decides, and keeps the decision in Postgres."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.supervision.scaling import Pace, Sample, Scale, decide, limits_of, sample_of
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.clusters import ScaleTable

log = logging.getLogger(__name__)

ANSWER_S: Final = 1.5


class Stats(Protocol):
    """Whoever can ask a host for its counts."""

    async def stats(self, name: str) -> Mapping[str, Any]:
        """The counts of a host. Raises Unavailable."""
        ...


class Scaler:
    """Owns the number of shared hosts that are wanted. What it wanted last survives it in Postgres; how long it has
    been calm or busy does not, so a restarted one waits again before it changes anything."""

    def __init__(self, table: ScaleTable, stats: Stats, scale: Scale) -> None:
        self._table = table
        self._stats = stats
        self._scale = scale
        self._pace = Pace(scale.least)
        self._looked_s = float("-inf")

    @property
    def wanted(self) -> int:
        """Shared hosts the cluster should have."""
        return self._pace.wanted

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return loop_s() - self._looked_s >= self._scale.look_s

    async def recall(self) -> None:
        """Go on from what an earlier supervisor wanted. Raises Unavailable."""
        now = (await self._table.wishes()).now
        if now:
            self._pace = Pace(now)

    async def look(self, live: Sequence[str], chosen: Sequence[str]) -> None:
        """Look once. ``live``: the shared hosts there are; ``chosen``: those to have. Raises Unavailable where the
        database is away."""
        self._looked_s = loop_s()
        wishes = await self._table.wishes()
        limits = limits_of(self._scale, wishes.least, wishes.most, wishes.fixed)
        answers = await asyncio.gather(*map(self._sample, live))
        samples = [sample for sample in answers if sample is not None]
        before = self._pace.wanted
        self._pace = decide(self._pace, self._scale, limits, samples, len(live) - len(samples), loop_s())
        if self._pace.wanted != before:
            log.info("%d shared hosts are wanted instead of %d: %s", self._pace.wanted, before, samples)
        await self._table.tell(
            self._pace.wanted,
            {
                "least": limits.least,
                "most": limits.most,
                "starting": [name for name in chosen if name not in live],
                "leaving": [name for name in live if name not in chosen],
                "hosts": {sample.host: msgspec.to_builtins(sample) for sample in samples},
            },
        )

    async def _sample(self, host: str) -> Sample | None:
        try:
            return sample_of(host, await asyncio.wait_for(self._stats.stats(host), ANSWER_S))
        except (Unavailable, TimeoutError):
            return None
