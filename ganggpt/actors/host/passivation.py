"""Snapshots and passivation: idle actors go to sleep in Postgres, busy ones are snapshot now and then."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ganggpt.actors.host.activation import Activation
from ganggpt.domain.kinds import VERSION
from ganggpt.errors import Unavailable

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

log = logging.getLogger(__name__)

CHUNK: Final = 200
"""Snapshots per statement."""


class Passivation:
    """Owns the sweep over hot activations."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def run(self) -> None:
        """Sweep for ever."""
        host = self._host
        while True:
            await asyncio.sleep(host.options.sweep_s)
            try:
                await self.snapshot(host.activations.ripe())
                host.activations.clear_ripe()
                await self.passivate(self._sleepy())
            except Unavailable:
                log.warning("%s: snapshots wait, the database is away", host.identity.name)

    async def passivate(self, activations: Sequence[Activation]) -> int:
        """Snapshot activations and drop those nobody touched meanwhile; returns how many went to sleep."""
        host = self._host
        gone = 0
        for start in range(0, len(activations), CHUNK):
            chunk = activations[start : start + CHUNK]
            seqs = [a.seq for a in chunk]
            await self.snapshot([a for a in chunk if a.seq > a.snapshot_seq])
            for activation, seq in zip(chunk, seqs, strict=True):
                here = host.activations.get(activation.actor) is activation
                if here and activation.seq == seq and not host.flusher.owes(activation.actor):
                    host.activations.drop(activation.actor)
                    gone += 1
        host.counts.passivated += gone
        return gone

    async def snapshot(self, activations: Sequence[Activation]) -> None:
        """Store where these activations are, once that is durable; what ceased to exist only becomes durable."""
        host = self._host
        for start in range(0, len(activations), CHUNK):
            chunk = activations[start : start + CHUNK]
            there = [a for a in chunk if a.state is not None]
            rows = [(a.actor, a.seq, a.snapshot()) for a in there]
            await host.committer.durable(max(a.written for a in chunk))
            if rows:
                await host.ports.journal.save_snapshots(host.identity.epoch, VERSION, rows)
            for activation, (_, seq, _) in zip(there, rows, strict=True):
                activation.snapshot_seq = seq

    def _sleepy(self) -> list[Activation]:
        """Activations idle for too long, and the least recently touched ones over the bound."""
        host = self._host
        now_s = host.identity.clock.now_s()
        horizon_s = now_s - host.options.idle_s
        idle = [a for a in host.activations.values() if a.touched_s < horizon_s]
        over = len(host.activations) - len(idle) - host.options.hot_max
        if over > 0:
            awake = (a for a in host.activations.values() if a.touched_s >= horizon_s)
            idle += heapq.nsmallest(over, awake, key=lambda a: a.touched_s)
        for activation in idle:
            activation.window.prune(now_s)
        return idle
