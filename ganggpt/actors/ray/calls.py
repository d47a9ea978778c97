"""Calls of hosts by name, from any process of the cluster."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import ray
from ray.actor import ActorHandle
from ray.exceptions import ActorDiedError, RayError

from ganggpt.errors import Unavailable

NAMESPACE: Final = "ganggpt"


class RayCalls:
    """Calls hosts by name. Handles are looked up once and again only after the actor died for good."""

    def __init__(self) -> None:
        self._handles: dict[str, ActorHandle] = {}

    async def call(self, host: str, batch: bytes) -> bytes:
        """Deliver an encoded batch. Raises Unavailable when the call failed in any way: it goes again."""
        try:
            reply: bytes = await (await self.handle(host)).deliver.remote(batch)
        except ActorDiedError as dead:
            self._handles.pop(host, None)
            raise Unavailable(f"host {host}") from dead
        except RayError as failed:
            raise Unavailable(f"host {host}") from failed
        return reply

    def drop(self, host: str) -> None:
        """Forget a handle: the actor was ended on purpose."""
        self._handles.pop(host, None)

    async def stats(self, host: str) -> dict[str, Any]:
        """What a host counts. Raises Unavailable."""
        try:
            counts: dict[str, Any] = await (await self.handle(host)).stats.remote()
        except RayError as failed:
            raise Unavailable(f"host {host}") from failed
        return counts

    async def handle(self, host: str) -> ActorHandle:
        """The handle of a host. Raises Unavailable when no such actor runs."""
        handle = self._handles.get(host)
        if handle is None:
            try:
                handle = await asyncio.to_thread(ray.get_actor, host, NAMESPACE)
            except ValueError as missing:
                raise Unavailable(f"host {host}") from missing
            self._handles[host] = handle
        return handle


async def as_future(reference: Any) -> Any:
    """What a Ray call returns, as something ``wait_for`` takes."""
    return await reference
