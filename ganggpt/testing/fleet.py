"""Hosts as tasks of this process: the runtime's own code without Ray, for tests and simulations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.host.incarnations import Incarnations
from ganggpt.errors import Unavailable


class LocalFleet:
    """Owns host tasks by name. ``kill`` ends one at once, as SIGKILL would: nothing is drained or flushed."""

    def __init__(self, open_ports: Callable[[str], HostPorts], options: HostOptions) -> None:
        self._open_ports = open_ports
        self._options = options
        self._hosts: dict[str, tuple[Incarnations, asyncio.Task[None]]] = {}
        self.draining: set[str] = set()

    async def start(self, name: str, kind: str) -> None:
        """See Fleet."""
        if name not in self._hosts or self._hosts[name][1].done():
            incarnations = Incarnations(name, kind, self._open_ports(name), self._options)
            self._hosts[name] = (incarnations, asyncio.create_task(incarnations.run()))
        await self._hosts[name][0].stats()

    async def restart(self, name: str, kind: str) -> None:
        """See Fleet."""
        await self.kill(name)
        await self.start(name, kind)

    async def refresh(self, name: str) -> None:
        """See Fleet."""
        await self.host(name).refresh()

    async def stop(self, name: str) -> None:
        """See Fleet."""
        await self.kill(name)

    async def ended(self, name: str) -> None:
        """See Fleet."""
        if name in self._hosts:
            await asyncio.wait([self._hosts[name][1]])

    async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
        """See Fleet."""
        return await self.host(name).hand_over(shards, cluster, heir)

    async def promote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self.host(name).promote(actor)

    async def demote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self.host(name).demote(actor)

    async def stats(self, name: str) -> Mapping[str, Any]:
        """What a host counts. Raises Unavailable."""
        return await self.host(name).stats()

    async def draining_nodes(self) -> frozenset[str]:
        """See Fleet."""
        return frozenset(self.draining)

    def host(self, name: str) -> Incarnations:
        """The incarnations of a running host. Raises Unavailable."""
        if name not in self._hosts or self._hosts[name][1].done():
            raise Unavailable(f"host {name}")
        return self._hosts[name][0]

    async def call(self, name: str, batch: bytes) -> bytes:
        """The HostCall of routers."""
        return await self.host(name).deliver(batch)

    async def kill(self, name: str) -> None:
        """End a host without letting it finish anything."""
        if name in self._hosts:
            _, task = self._hosts.pop(name)
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """End all hosts."""
        for name in list(self._hosts):
            await self.kill(name)
