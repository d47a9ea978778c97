"""Snapshots and passivation: idle actors are put to sleep, busy ones get a snapshot now and then."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from typing import Final

from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.identity import Identity
from ganggpt.domain.kinds import VERSION
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.journal import Journal

log = logging.getLogger(__name__)

CHUNK: Final = 200
"""Snapshots per statement."""


class Passivation:
    """Owns the sweep over the activations. ``owes`` tells whether an actor's last turn still has to be flushed; such an
    actor stays awake."""

    def __init__(
        self,
        identity: Identity,
        journal: Journal,
        activations: Activations,
        committer: Committer,
        owes: Callable[[str], bool],
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._activations = activations
        self._committer = committer
        self._owes = owes
        self.passivated = 0

    async def run(self, every_s: float, idle_s: float, hot_max: int) -> None:
        """Sweep every ``every_s`` seconds: put actors to sleep that were idle for ``idle_s``, and the least recently
        used ones over ``hot_max``."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.snapshot(self._activations.ripe())
                self._activations.clear_ripe()
                await self.passivate(self._sleepy(idle_s, hot_max))
            except Unavailable:
                log.warning("%s: the database cannot be reached; snapshots are tried again", self._identity.name)

    async def passivate(self, activations: Sequence[Activation]) -> int:
        """Snapshot activations and drop those without a turn meanwhile. Returns how many were put to sleep."""
        gone = 0
        for start in range(0, len(activations), CHUNK):
            chunk = activations[start : start + CHUNK]
            seqs = [a.seq for a in chunk]
            await self.snapshot([a for a in chunk if a.seq > a.snapshot_seq])
            for activation, seq in zip(chunk, seqs, strict=True):
                here = self._activations.get(activation.actor) is activation
                if here and activation.seq == seq and not self._owes(activation.actor):
                    self._activations.drop(activation.actor)
                    gone += 1
        self.passivated += gone
        return gone

    async def snapshot(self, activations: Sequence[Activation]) -> None:
        """Store snapshots once the turns in them are durable. Actors that ceased to exist get none."""
        for start in range(0, len(activations), CHUNK):
            chunk = activations[start : start + CHUNK]
            there = [a for a in chunk if a.state is not None]
            rows = [(a.actor, a.seq, a.snapshot()) for a in there]
            await self._committer.durable(max(a.written for a in chunk))
            if rows:
                await self._journal.save_snapshots(self._identity.epoch, VERSION, rows)
            for activation, (_, seq, _) in zip(there, rows, strict=True):
                activation.snapshot_seq = seq

    def _sleepy(self, idle_s: float, hot_max: int) -> list[Activation]:
        """The activations to put to sleep: idle for too long, or least recently used and over the bound."""
        now_s = self._identity.clock.now_s()
        horizon_s = now_s - idle_s
        idle = [a for a in self._activations.values() if a.touched_s < horizon_s]
        over = len(self._activations) - len(idle) - hot_max
        if over > 0:
            awake = (a for a in self._activations.values() if a.touched_s >= horizon_s)
            idle += heapq.nsmallest(over, awake, key=lambda a: a.touched_s)
        for activation in idle:
            activation.window.prune(now_s)
        return idle
