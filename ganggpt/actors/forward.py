"""The way to actors that another cluster of the world holds: through its bridge, while shards change hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from ganggpt.actors.shards import Away
from ganggpt.errors import Unavailable

FORWARD_PATH: Final = "/v1/forward"
KeyOf = Callable[[str], Awaitable[str | None]]
"""The key of a cluster, from the database both share."""


class Forwarder:
    """Owns the HTTP connections to other clusters' bridges. ``key_of`` reads what proves that we may use them."""

    def __init__(self, key_of: KeyOf, timeout_s: float) -> None:
        self._key_of = key_of
        self._keys: dict[str, str] = {}
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    async def __call__(self, away: Away, batch: bytes) -> bytes:
        """Deliver an encoded batch there; its encoded replies. Raises Unavailable."""
        there = Unavailable(f"the bridge of cluster {away.cluster}")
        key = self._keys.get(away.cluster) or await self._key_of(away.cluster)
        if key is None or away.bridge is None:
            raise there
        self._keys[away.cluster] = key
        try:
            headers = {"Authorization": f"Bearer {key}"}
            answer = await self._client.post(forward_url(away.bridge), content=batch, headers=headers)
        except httpx.HTTPError as failed:
            raise there from failed
        if answer.status_code != httpx.codes.OK:
            del self._keys[away.cluster]
            raise there
        return answer.content

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def forward_url(bridge: str) -> str:
    """Where a bridge takes forwarded batches: the same server as its WebSocket."""
    parts = urlsplit(bridge)
    return urlunsplit((parts.scheme.replace("ws", "http", 1), parts.netloc, FORWARD_PATH, "", ""))
