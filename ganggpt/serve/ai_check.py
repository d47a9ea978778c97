"""The state of the model gateway for /health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from ganggpt.ai.port import NotAnswered
from ganggpt.errors import Unavailable

_MEANWHILE: Final = "The scripted mind speaks meanwhile"


class GatewayState(Protocol):
    """The part of the gateway that /health needs."""

    async def state(self) -> dict[str, Any] | NotAnswered:
        """See ModelGateway."""
        ...


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
