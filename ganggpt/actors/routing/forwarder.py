"""Forwards commands for actors that another cluster of the world holds to its bridge, while shards move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from ganggpt.actors.routing.shards import RemoteCluster
from ganggpt.errors import Unavailable

FORWARD_PATH: Final = "/v1/forward"
REPLIES_BYTES_MAX: Final = 64 << 20
"""The most that another bridge may answer to one batch; it answers far less."""
_PROBE_S: Final = 2.0
KeyOf = Callable[[str], Awaitable[str | None]]
"""Reads the key of a cluster from the database that both share."""


class Forwarder:
    """Owns the HTTP connections to the bridges of other clusters. ``key_of`` reads the key that each demands."""

    def __init__(self, key_of: KeyOf, timeout_s: float) -> None:
        self._key_of = key_of
        self._keys: dict[str, str] = {}
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    async def __call__(self, remote: RemoteCluster, batch: bytes) -> bytes:
        """Deliver an encoded batch to a cluster; returns the encoded replies. Raises Unavailable."""
        there = Unavailable(f"the bridge of cluster {remote.cluster}")
        key = self._keys.get(remote.cluster) or await self._key_of(remote.cluster)
        if key is None or remote.bridge is None:
            raise there
        self._keys[remote.cluster] = key
        try:
            headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
            url = _http_url(remote.bridge, FORWARD_PATH)
            async with self._client.stream("POST", url, content=batch, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    self._keys.pop(remote.cluster, None)
                    raise there
                return await _plain_body(answer, there)
        except httpx.HTTPError as failed:
            raise there from failed

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def bridge_answers(bridge: str) -> bool:
    """Whether the bridge at this WebSocket address is alive."""
    try:
        async with httpx.AsyncClient(timeout=_PROBE_S, trust_env=False) as client:
            return (await client.get(_http_url(bridge, "/health/live"))).is_success
    except httpx.HTTPError:
        return False


async def _plain_body(answer: httpx.Response, there: Unavailable) -> bytes:
    """The body, as it was sent: bridges compress none. Raises ``there`` where it is compressed or too large."""
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > REPLIES_BYTES_MAX:
            raise there
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise there
    return bytes(body)


def _http_url(bridge: str, path: str) -> str:
    """The HTTP URL of a path on the server of a bridge's WebSocket."""
    parts = urlsplit(bridge)
    return urlunsplit((parts.scheme.replace("ws", "http", 1), parts.netloc, path, "", ""))
