"""The fleet of hosts as detached Ray actors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import ray
from ray._private.state import state
from ray.exceptions import RayError, RayTaskError

from ganggpt.actors.ray.calls import NAMESPACE, RayCalls, as_future
from ganggpt.actors.ray.hosts import OWN_CLASSES, SharedHost
from ganggpt.actors.ray.ports import HostFleet, ProcessSpec
from ganggpt.domain.ids import kind_of
from ganggpt.errors import GangGPTError, Unavailable

log = logging.getLogger(__name__)

START_S: Final = 60.0
CALL_S: Final = 20.0
POLL_S: Final = 2.0


class RayFleet(HostFleet):
    """Starts hosts as detached Ray actors that Ray restarts wherever there is room."""

    def __init__(self, spec: ProcessSpec, calls: RayCalls) -> None:
        self._spec = spec
        self._calls = calls
        self._asked: asyncio.Future[Any] | None = None
        self._draining: frozenset[str] = frozenset()

    async def start(self, name: str, kind: str) -> None:
        """See Fleet."""
        cls: Any = SharedHost if kind == "shared" else OWN_CLASSES[kind_of(name)]
        cpus = self._spec.shared_cpus if kind == "shared" else self._spec.own_cpus
        handle = cls.options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1000,
            num_cpus=cpus,
            scheduling_strategy="SPREAD",
            # A record of every call in the GCS would cost more than the call; actors themselves stay listed.
            enable_task_events=False,
        ).remote(self._spec.named(name, kind))
        try:
            await asyncio.wait_for(as_future(handle.ready.remote()), START_S)
        except (RayError, TimeoutError) as failed:
            raise Unavailable(f"host {name}") from failed

    async def restart(self, name: str, kind: str) -> None:
        """See Fleet."""
        try:
            ray.kill(await self._calls.handle(name), no_restart=False)
        except Unavailable:
            await self.start(name, kind)

    async def refresh(self, name: str) -> None:
        """See Fleet."""
        await self._ask(name, "refresh")

    async def stop(self, name: str) -> None:
        """See Fleet."""
        with suppress(Unavailable):
            ray.kill(await self._calls.handle(name))
        self._calls.drop(name)

    async def ended(self, name: str) -> None:
        """See Fleet."""
        with suppress(RayError, Unavailable):
            await as_future((await self._calls.handle(name)).ended.remote())

    async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
        """See Fleet."""
        frozen_s: float = await self._ask(name, "hand_over", list(shards), cluster, heir)
        return frozen_s

    async def promote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._ask(name, "promote", actor)

    async def demote(self, name: str, actor: str) -> None:
        """See Fleet."""
        await self._ask(name, "demote", actor)

    async def stats(self, name: str) -> Mapping[str, Any]:
        """See Stats."""
        return await self._calls.stats(name)

    async def draining_nodes(self) -> frozenset[str]:
        """See Fleet."""
        # Not a public API: Ray tells nobody else that a node is draining, and a node must be left before it is gone.
        # One question at a time: an unreachable GCS may never answer an old one. Meanwhile the last answer counts.
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().run_in_executor(None, state.get_draining_nodes)
        answered, _ = await asyncio.wait((self._asked,), timeout=POLL_S)
        try:
            self._draining = frozenset(self._asked.result()) if answered else self._draining
        except (RayError, RuntimeError) as failed:
            log.warning("Ray did not say which nodes are draining: %s", failed)
        return self._draining

    async def _ask(self, name: str, method: str, *arguments: Any) -> Any:
        handle = await self._calls.handle(name)
        try:
            return await asyncio.wait_for(as_future(getattr(handle, method).remote(*arguments)), CALL_S)
        except RayTaskError as refused:
            # What the host itself said comes as the cause.
            if isinstance(refused.cause, GangGPTError):
                raise refused.cause from None
            raise Unavailable(f"host {name}") from refused
        except (RayError, TimeoutError) as failed:
            raise Unavailable(f"host {name}") from failed
