"""The control loop of scaling: asks the shared hosts for their load, decides, and stores the decision in Postgres."""

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
    """Asks hosts for their counts."""

    async def stats(self, name: str) -> Mapping[str, Any]:
        """The counts of a host. Raises Unavailable."""
        ...


class Scaler:
    """Owns the number of shared hosts that are wanted. The number is stored in Postgres; how long the load has been low
    or high is not, so a restarted scaler waits again before it changes anything."""

    def __init__(self, table: ScaleTable, stats: Stats, scale: Scale) -> None:
        self._table = table
        self._stats = stats
        self._scale = scale
        self._pace = Pace(scale.least)
        self._polled_s = float("-inf")

    @property
    def wanted(self) -> int:
        """How many shared hosts the cluster should have."""
        return self._pace.wanted

    @property
    def due(self) -> bool:
        """Whether it is time to poll again."""
        return loop_s() - self._polled_s >= self._scale.poll_s

    async def recall(self) -> None:
        """Go on from the number an earlier supervisor stored. Raises Unavailable."""
        now = (await self._table.wanted()).now
        if now:
            self._pace = Pace(now)

    async def poll(self, live: Sequence[str], chosen: Sequence[str]) -> None:
        """Ask the hosts once and decide. ``live``: the shared hosts there are; ``chosen``: those to have. Raises
        Unavailable."""
        self._polled_s = loop_s()
        set_by_hand = await self._table.wanted()
        limits = limits_of(self._scale, set_by_hand.least, set_by_hand.most, set_by_hand.fixed)
        answers = await asyncio.gather(*map(self._sample, live))
        samples = [sample for sample in answers if sample is not None]
        before = self._pace.wanted
        self._pace = decide(self._pace, self._scale, limits, samples, len(live) - len(samples), loop_s())
        if self._pace.wanted != before:
            log.info("%d shared hosts are wanted instead of %d: %s", self._pace.wanted, before, samples)
        await self._table.report(
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
