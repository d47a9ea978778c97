"""The heartbeat of an incarnation: keeps its row alive, follows the database's clock, notices new shards and newly
loaded world files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ganggpt.actors.clock import loop_s
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.hosts import HostTable

log = logging.getLogger(__name__)


class Heartbeat:
    """Owns the times of the newest shard and of the world files it has seen. After ``stop`` there is no further beat.
    ``renew`` reads the world again; it was last read as it was at ``world_at_s``."""

    def __init__(
        self,
        identity: Identity,
        hosts: HostTable,
        shards: Shards,
        renew: Callable[[], Awaitable[None]] | None = None,
        world_at_s: float = 0.0,
    ) -> None:
        self._identity = identity
        self._hosts = hosts
        self._shards = shards
        self._shards_at_s = 0.0
        self._renew = renew
        self._world_at_s = world_at_s
        self._stopped = False

    def stop(self) -> None:
        """End ``run`` before its next beat."""
        self._stopped = True

    async def run(self, every_s: float) -> None:
        """Beat until stopped. Raises Fenced."""
        while not self._stopped:
            began_s = loop_s()
            try:
                pulse = await self._hosts.beat(self._identity.epoch)
                self._identity.clock.correct(pulse.now_s)
                if pulse.shards_at_s > self._shards_at_s:
                    await self._shards.refresh()
                    self._shards_at_s = pulse.shards_at_s
                if self._renew is not None and pulse.world_at_s > self._world_at_s:
                    await self._renew()
                    self._world_at_s = pulse.world_at_s
            except Unavailable:
                log.warning("%s: the database cannot be reached; the heartbeat is tried again", self._identity.name)
            await asyncio.sleep(max(0.0, every_s - (loop_s() - began_s)))
