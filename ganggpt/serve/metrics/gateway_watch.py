"""The metrics of the model gateway on the bridge's /metrics, and its state for /health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ganggpt.ai.port import NotAnswered
from ganggpt.errors import Unavailable
from ganggpt.serve.metrics.expositions import Samples, families, together

POLL_S: Final = 2.0
_PREFIX: Final = "ganggpt_ai_"
_MEANWHILE: Final = "The scripted mind speaks meanwhile"

Expositions = Callable[[], Awaitable[Sequence[bytes]]]


class GatewayState(Protocol):
    """The part of the gateway that /health needs."""

    async def state(self) -> dict[str, Any] | NotAnswered:
        """See ModelGateway."""
        ...


class GatewayWatch(Collector):
    """Owns the last metrics of all gateway replicas together. ``run`` polls for ever."""

    def __init__(self, expositions: Expositions) -> None:
        self._expositions = expositions
        self._seen: dict[str, Samples] = {}

    async def run(self) -> None:
        """Poll again and again."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Poll all replicas once; where one does not answer, its last numbers are kept."""
        told = await self._expositions()
        if told:
            self._seen = together(told, _PREFIX)

    def collect(self) -> Iterable[Metric]:
        """The metrics for a scrape."""
        return families(self._seen)


def ai_probe(gateway: GatewayState | None, because: str = "no model is configured") -> Callable[[], Awaitable[Any]]:
    """The ``ai`` check of /health. Without a model the scripted mind speaks, which is healthy; with models, it is
    unhealthy when all of them fail."""

    async def check() -> Mapping[str, Any]:
        if gateway is None:
            return {"mind": "scripted", "because": because}
        found = await gateway.state()
        if isinstance(found, NotAnswered):
            raise Unavailable("the model gateway", f"{found.detail.rstrip('.')}. {_MEANWHILE}")
        if found["on"] is None:
            raise Unavailable("the spending record of the model gateway", f"it cannot be read. {_MEANWHILE}")
        if not found["on"]:
            return {"mind": "scripted", "because": "switched off", "models": found["models"]}
        if not any(state == "ready" for state in found["models"].values()):
            states = ", ".join(f"{name} is {state}" for name, state in found["models"].items())
            raise Unavailable("a language model", f"{states}. {_MEANWHILE}")
        return {"mind": "model", "models": found["models"]}

    return check
