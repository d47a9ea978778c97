"""Bounds what a model's server may send: a small compressed body can unpack to gigabytes, a plain one may never end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx2

RESPONSE_BYTES_MAX: Final = 64 << 20
"""Several times the largest answer there is: a batch of embeddings, as numbers in JSON."""


def bound_responses(client: httpx2.AsyncClient, bytes_max: int = RESPONSE_BYTES_MAX) -> httpx2.AsyncClient:
    """Let this client ask for plain bodies, and read ``bytes_max`` of each at most. A compressed one is an
    httpx2.DecodingError, one that is larger an httpx2.ReadError, as if the connection had broken."""

    async def bound(response: httpx2.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            await response.aclose()
            message = f"the answer is compressed ({encoding[:40]}), although a plain one was asked for"
            raise httpx2.DecodingError(message, request=response.request)
        response.stream = _Bounded(response, bytes_max)

    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], bound]}
    return client


class _Bounded(httpx2.AsyncByteStream):
    """The body of a response, up to a size."""

    def __init__(self, response: httpx2.Response, bytes_max: int) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._stream, self._request, self._bytes_max = response.stream, response.request, bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for part in self._stream:
            seen += len(part)
            if seen > self._bytes_max:
                raise httpx2.ReadError(f"the answer has more than {self._bytes_max} bytes", request=self._request)
            yield part

    async def aclose(self) -> None:
        """Close the response."""
        await self._stream.aclose()
