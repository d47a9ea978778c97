"""The heartbeat of an incarnation: it tells the database that it lives, and hears the time and of new shards."""

from __future__ import annotations

import asyncio
import logging

from ganggpt.actors.clock import loop_s
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.errors import Unavailable
from ganggpt.persistence.hosts import HostTable

log = logging.getLogger(__name__)


class Heartbeat:
    """Owns when the shards were last read because of a heartbeat. After ``stop`` there is no further beat."""

    def __init__(self, identity: Identity, hosts: HostTable, shards: Shards) -> None:
        self._identity = identity
        self._hosts = hosts
        self._shards = shards
        self._shards_at_s = 0.0
        self._stopped = False

    def stop(self) -> None:
        """The incarnation retires."""
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
            except Unavailable:
                log.warning("%s: no heartbeat, the database is away", self._identity.name)
            await asyncio.sleep(max(0.0, every_s - (loop_s() - began_s)))
