"""Hosts as Ray actors: the classes an operator sees in the dashboard.

They differ in name only, so that the dashboard tells a faction from a host of thousands; all of them wrap
``Incarnations`` in a few lines. State never lives in Ray: a restarted process finds everything in Postgres.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import psutil
import ray

from ganggpt.actors.host.incarnations import Incarnations
from ganggpt.actors.host.load import WINDOW_S
from ganggpt.actors.ray.calls import RayCalls
from ganggpt.actors.ray.ports import ProcessSpec
from ganggpt.ai.port import Gateway
from ganggpt.observability.log_file import start_logs
from ganggpt.private_files import keep_private

log = logging.getLogger(__name__)


class ProcessUse:
    """Measures this process: its share of one CPU over the last seconds, and its resident memory."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque([(time.monotonic(), time.process_time())])

    def as_stats(self) -> dict[str, float]:
        """Both values by name."""
        now_s, cpu_s = time.monotonic(), time.process_time()
        marks = self._marks
        while len(marks) > 1 and now_s - marks[1][0] >= WINDOW_S:
            marks.popleft()
        since_s, before_s = marks[0]
        if now_s - marks[-1][0] >= 1.0:  # whoever asks more often gets the share since the same moment
            marks.append((now_s, cpu_s))
        share = (cpu_s - before_s) / (now_s - since_s) if now_s > since_s else 0.0
        return {"cpu": share, "memory_bytes": psutil.Process().memory_info().rss}


class _HostProcess:
    """What every host class does: run incarnations, and end the process when fenced."""

    def __init__(self, spec: ProcessSpec) -> None:
        keep_private()
        start_logs(spec.logs, f"host/{spec.name}")
        # Ray runs the constructor of an async actor on its loop, so a restarted host lives before anybody calls it.
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Incarnations] = loop.create_future()
        self._process = ProcessUse()
        self._life = loop.create_task(self._live(spec))

    async def deliver(self, batch: bytes) -> bytes:
        """Handle a batch of commands."""
        return await (await self._opened).deliver(batch)

    async def ready(self) -> dict[str, Any]:
        """Return the stats once the first incarnation runs."""
        return await (await self._opened).stats()

    async def stats(self) -> dict[str, Any]:
        """The counters of this host and of its process."""
        return {**await (await self._opened).stats(), **self._process.as_stats()}

    async def refresh(self) -> None:
        """The supervisor changed this host's shards."""
        await (await self._opened).refresh()

    async def drain(self) -> None:
        """Make everything durable and release the shards. The caller ends the process."""
        await (await self._opened).drain()

    async def hand_over(self, shards: Sequence[str], cluster: str, heir: str) -> float:
        """Give shards to another host; returns for how many seconds they were frozen."""
        return await (await self._opened).hand_over(shards, cluster, heir)

    async def promote(self, actor: str) -> None:
        """Make an actor a shard of its own."""
        await (await self._opened).promote(actor)

    async def demote(self, actor: str) -> None:
        """Put an actor that is a shard of its own back into its hash shard."""
        await (await self._opened).demote(actor)

    async def ended(self) -> None:
        """Never return: the call fails when the process ends, and Ray tells the caller at once."""
        await asyncio.Event().wait()

    async def passivate(self) -> int:
        """Passivate every activation."""
        return await (await self._opened).passivate()

    async def pid(self) -> int:
        """The process number, for operators and fault runs."""
        return os.getpid()

    async def _live(self, spec: ProcessSpec) -> None:
        """Run incarnations. When that ends, the process ends too: a fenced host must not answer, and
        Ray starts a new one."""
        try:
            ports = await spec.open_host(RayCalls().call, _gateway() if spec.uses_models else None)
            node = ray.get_runtime_context().get_node_id()
            incarnations = Incarnations(spec.name, spec.kind, ports, spec.options, node)
            self._opened.set_result(incarnations)
            await incarnations.run()
        except BaseException:
            log.exception("%s ends", spec.name)
            raise
        finally:
            os._exit(1)


def _gateway() -> Gateway:
    # Serve costs a process 15 MB, which only one that asks models has to spend.
    from ganggpt.actors.ray.gateway import RayGateway

    return RayGateway()


@ray.remote
class SharedHost(_HostProcess):
    """Carries thousands of actors."""


@ray.remote
class NpcActor(_HostProcess):
    """One NPC in a process of its own."""


@ray.remote
class FactionActor(_HostProcess):
    """One faction in a process of its own."""


@ray.remote
class CompanionActor(_HostProcess):
    """One companion in a process of its own."""


# Ray's decorator turns a class into something with ``options`` and ``remote``, which its types do not tell.
OWN_CLASSES: Final[dict[str, Any]] = {"npc": NpcActor, "faction": FactionActor, "companion": CompanionActor}
