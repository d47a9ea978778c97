"""What the bridge of a running world says of its language models."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx

from ganggpt.errors import Unavailable

_ASK_S: Final = 5.0
_AGAIN_S: Final = 0.5


async def ai_check(health_url: str) -> dict[str, Any]:
    """The ``ai`` check of a world's health. Raises Unavailable where the world does not answer."""
    try:
        # It is on this machine, whatever proxy the environment names.
        async with httpx.AsyncClient(timeout=_ASK_S, trust_env=False) as client:
            checks = (await client.get(health_url)).json()["checks"]
        check: dict[str, Any] = next(check for check in checks if check["name"] == "ai")
    except (httpx.HTTPError, ValueError, KeyError, StopIteration) as outage:
        raise Unavailable("the health of the world", str(outage)) from outage
    return check


async def warning_at_start(health_url: str, within_s: float) -> str | None:
    """What is wrong with the models once each of them was asked, in one line; None where all is well or that cannot be
    told ``within_s``."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                check = await _asked(health_url)
                if check is not None and check["details"].get("checked", True):
                    return check["details"]["reason"] if check["status"] != "fulfilled" else None
                await asyncio.sleep(_AGAIN_S)
    except TimeoutError:
        return None


async def _asked(health_url: str) -> dict[str, Any] | None:
    try:
        return await ai_check(health_url)
    except Unavailable:
        return None  # busy just now; it is asked again
