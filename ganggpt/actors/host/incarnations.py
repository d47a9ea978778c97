"""The life of one host process: incarnation after incarnation, each with a fresh epoch.

A commit of unknown outcome ends an incarnation, not the process: the next one fences it, so that whatever was still
in flight is decided before anybody reads. Being fenced by somebody else ends the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Sequence
from typing import Any

from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_random_exponential

from ganggpt.actors.envelope import decode_batch, encode_replies
from ganggpt.actors.host.host import Host, HostOptions, HostPorts
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import residences_of
from ganggpt.errors import CommitUnknown, Unavailable, first_error
from ganggpt.persistence.ports.hosts import Registration

log = logging.getLogger(__name__)


class Incarnations:
    """Owns the current incarnation of a host. ``run`` ends by cancellation, or with Fenced."""

    def __init__(self, name: str, kind: str, ports: HostPorts, options: HostOptions, node: str | None = None) -> None:
        self.name = name
        self._kind = kind
        self._ports = ports
        self._options = options
        self._node = node
        self._host: Host | None = None
        self._live = asyncio.Event()

    async def run(self) -> None:
        """Run incarnations until cancelled. Raises Fenced when another process took over the name."""
        last: int | None = None
        while True:
            registration, residences = await self._register(last)
            last = registration.epoch
            host = Host(self.name, registration, residences, self._ports, self._options)
            try:
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(host.run())
                    await host.ready.wait()
                    self._host = host
                    self._live.set()
                    await running
            except BaseExceptionGroup as group:
                _, others = group.split((CommitUnknown, Unavailable))
                if others is not None:
                    raise first_error(others) from None
                log.warning("%s: incarnation %d ended: %s", self.name, registration.epoch, first_error(group))
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # Before Python 3.13 the errors of a group hide that it was cancelled while it ended.
                    raise asyncio.CancelledError from None
            finally:
                self._host = None
                self._live.clear()

    async def deliver(self, batch: bytes) -> bytes:
        """Run an encoded batch and return encoded replies. Raises Unavailable, Fenced or CommitUnknown."""
        host = await self._current()
        return encode_replies(await host.deliver(decode_batch(batch)))

    async def refresh(self) -> None:
        """Read the shards of this host again, because the supervisor changed them."""
        await (await self._current()).shards.refresh()

    async def drain(self) -> None:
        """Stop, make everything durable and give the shards back."""
        if self._host is not None:
            await self._host.drain()

    async def hand_over(self, shards: Sequence[str], cluster: str, heir: str) -> float:
        """Give shards to another host; returns how long they were frozen. Raises the errors of ``HandOver.give``."""
        return await (await self._current()).handover.give(shards, cluster, heir)

    async def promote(self, actor: str) -> None:
        """Make an actor a shard of its own."""
        await (await self._current()).handover.promote(actor)

    async def demote(self, actor: str) -> None:
        """Put an actor that is a shard of its own back into its hash shard."""
        await (await self._current()).handover.demote(actor)

    async def passivate(self) -> int:
        """Put all actors to sleep now; returns how many. For tests and benchmarks of waking."""
        host = await self._current()
        await host.committer.drain()
        await host.flusher.flush()
        return await host.passivation.passivate(list(host.activations.values()))

    async def stats(self) -> dict[str, Any]:
        """Counts and depths of the live incarnation, JSON-able."""
        return (await self._current()).stats()

    async def _current(self) -> Host:
        if self._host is not None:
            return self._host
        try:
            async with asyncio.timeout(self._options.delivery_s):
                await self._live.wait()
        except TimeoutError:
            raise Unavailable(f"host {self.name}") from None
        assert self._host is not None
        return self._host

    async def _register(self, last: int | None) -> tuple[Registration, Residences]:
        """Take a fresh epoch. Raises Fenced where another process fenced the last one: that process may carry the name
        already, and would be fenced in turn."""
        hosts, here = self._ports.hosts, f"{platform.node()}/{os.getpid()}"
        if last is not None:
            async for attempt in _while_away():
                with attempt:
                    await hosts.beat(last)
        async for attempt in _while_away():
            with attempt:
                registration = await hosts.register(self.name, self._kind, here, self._node)
                return registration, residences_of(await hosts.routes())
        raise AssertionError("retries without end have ended")


def _while_away() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(multiplier=0.1, max=1),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
