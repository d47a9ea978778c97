"""The state of the model gateway for /health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from ganggpt.ai.port import NotAnswered
from ganggpt.serve.health import Degraded

ASK_S: Final = 1.5
"""How long the gateway is waited for: less than a check of /health may take, because its silence is no outage."""
_MEANWHILE: Final = "The scripted mind speaks meanwhile"


class GatewayState(Protocol):
    """The part of the gateway that /health needs."""

    async def state(self) -> dict[str, Any] | NotAnswered:
        """See ModelGateway."""
        ...


def ai_probe(gateway: GatewayState | None, because: str = "no model is configured") -> Callable[[], Awaitable[Any]]:
    """The ``ai`` check of /health. Without a model the scripted mind speaks, which is healthy. Where a configured model
    fails or the gateway cannot be asked, the world is degraded: somebody always speaks. Raises Degraded."""

    async def check() -> Mapping[str, Any]:
        if gateway is None:
            return {"mind": "scripted", "because": because}
        try:
            async with asyncio.timeout(ASK_S):
                found = await gateway.state()
        except TimeoutError:
            found = NotAnswered(reason="late", detail=f"it said nothing within {ASK_S:g} s")
        scripted: dict[str, Any] = {"mind": "scripted"}
        if isinstance(found, NotAnswered):
            raise Degraded(f"The model gateway is not available: {found.detail.rstrip('.')}. {_MEANWHILE}.", scripted)
        if not found["models"]:
            return {**scripted, "because": because, "embedding": found.get("embedding", [])}
        if found["on"] is None:
            raise Degraded(f"The spending record of the models cannot be read. {_MEANWHILE}.", scripted)
        models, errors, checked = found["models"], found.get("errors", {}), found.get("checked", True)
        if not found["on"]:
            return {**scripted, "because": "switched off", "models": models}
        failing = {name: why for name, state in models.items() if (why := _failing(state, errors.get(name)))}
        mind = "scripted" if len(failing) == len(models) else "model"
        details = {"mind": mind, "models": models, "errors": errors, "checked": checked}
        if failing:
            told = "; ".join(f"{name}: {why}" for name, why in failing.items())
            raise Degraded(f"{told}. {_MEANWHILE if mind == 'scripted' else 'Other models answer'}.", details)
        return details

    return check


def _failing(state: str, error: Mapping[str, Any] | None) -> str | None:
    """Why a model counts as failing, with the address that was asked; None where it is ready."""
    if state == "ready" or error is None:
        return None if state == "ready" else state
    times = f"{error['count']} times since {error['since']}" if error["count"] > 1 else f"at {error['last']}"
    return f"{error['message']} ({times})"
