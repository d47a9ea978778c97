"""The way to actors that another cluster of the world holds: through its bridge, while shards change hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from ganggpt.actors.routing.shards import RemoteCluster
from ganggpt.errors import Unavailable

FORWARD_PATH: Final = "/v1/forward"
_PROBE_S: Final = 2.0
KeyOf = Callable[[str], Awaitable[str | None]]
"""The key of a cluster, from the database both share."""


class Forwarder:
    """Owns the HTTP connections to other clusters' bridges. ``key_of`` reads what proves that we may use them."""

    def __init__(self, key_of: KeyOf, timeout_s: float) -> None:
        self._key_of = key_of
        self._keys: dict[str, str] = {}
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    async def __call__(self, remote: RemoteCluster, batch: bytes) -> bytes:
        """Deliver an encoded batch there; its encoded replies. Raises Unavailable."""
        there = Unavailable(f"the bridge of cluster {remote.cluster}")
        key = self._keys.get(remote.cluster) or await self._key_of(remote.cluster)
        if key is None or remote.bridge is None:
            raise there
        self._keys[remote.cluster] = key
        try:
            headers = {"Authorization": f"Bearer {key}"}
            answer = await self._client.post(_http_url(remote.bridge, FORWARD_PATH), content=batch, headers=headers)
        except httpx.HTTPError as failed:
            raise there from failed
        if answer.status_code != httpx.codes.OK:
            self._keys.pop(remote.cluster, None)
            raise there
        return answer.content

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def bridge_answers(bridge: str) -> bool:
    """Whether the bridge at this WebSocket address lives."""
    try:
        async with httpx.AsyncClient(timeout=_PROBE_S, trust_env=False) as client:
            return (await client.get(_http_url(bridge, "/health/live"))).is_success
    except httpx.HTTPError:
        return False


def _http_url(bridge: str, path: str) -> str:
    """Another page of the server of a bridge's WebSocket."""
    parts = urlsplit(bridge)
    return urlunsplit((parts.scheme.replace("ws", "http", 1), parts.netloc, path, "", ""))
