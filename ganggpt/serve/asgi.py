"""The one ASGI application of a bridge replica: WebSocket, REST, health and metrics behind one port.

The token protects everything but health, metrics and the description of the API. A bad request is always answered with
an error in the one shape, never with a stack trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ganggpt.actors.routing.forwarder import FORWARD_PATH
from ganggpt.errors import GangGPTError
from ganggpt.observability.metrics import CONTENT_TYPE, Metrics
from ganggpt.protocol.codec import write_json
from ganggpt.serve.auth import BearerToken
from ganggpt.serve.forward_endpoint import Forwarded
from ganggpt.serve.health import Health
from ganggpt.serve.request_bodies import App
from ganggpt.serve.rest import docs_page
from ganggpt.serve.rest.error_response import error_response
from ganggpt.serve.rest.streams import Streams
from ganggpt.serve.websocket.bridge_socket import BridgeSocket, Message, Receive, Scope, Send
from ganggpt.serve.websocket.sessions import Sessions

BRIDGE_PATH: Final = "/v1/bridge"
OPEN_PATHS: Final = frozenset({docs_page.PATH, "/openapi.json"}) | docs_page.FILE_PATHS


class Authenticated:
    """Lets a request pass with its key: REST with the token, ``/v1/forward`` with the key of the cluster."""

    def __init__(self, rest: Any, token: BearerToken, forwarded: Forwarded | None) -> None:
        self._rest, self._token, self._forwarded = rest, token, forwarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point for HTTP."""
        path = _path(scope)
        answer = self._rest
        try:
            if path == FORWARD_PATH and scope["method"] == "POST" and self._forwarded is not None:
                answer = await self._forwarded.answer(Request(scope, receive))
            elif path not in OPEN_PATHS:
                self._token.check(scope["headers"])
        except GangGPTError as error:
            answer = error_response(error.as_wire())
        await answer(scope, receive, send)


class Observed(NamedTuple):
    """What a replica tells about itself. ``scrape``: makes what /metrics shows."""

    health: Health
    metrics: Metrics
    scrape: Callable[[], Awaitable[bytes]]


class BridgeApp:
    """Dispatches each connection. ``close`` releases what the replica uses, after the last session has ended."""

    def __init__(
        self,
        socket: BridgeSocket,
        rest: App,
        observed: Observed,
        sessions: Sessions,
        streams: Streams,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._close = close
        self._socket, self._rest, self._health = socket, rest, observed.health
        self.sessions, self._streams = sessions, streams
        self._scrape = observed.scrape
        requests = observed.metrics.counter("ganggpt_rest_requests_total")
        self._requests = {status: requests.labels(f"{status}xx") for status in range(1, 6)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] == "http":
            await self._http(_without_last_slash(scope), receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(_without_last_slash(scope), receive, send)
        else:
            await self._lifespan(receive, send)

    async def drain(self) -> None:
        """Accept no new connections, end the streams and say bye to every session."""
        async with asyncio.TaskGroup() as leaving:
            leaving.create_task(self._streams.drain())
            leaving.create_task(self.sessions.drain())

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _path(scope) == BRIDGE_PATH:
            await self._socket(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 4404, "reason": f"the bridge is at {BRIDGE_PATH}"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests[message["status"] // 100].inc()
            await send(message)

        own = await self._own(_path(scope), scope["method"])
        await (self._rest if own is None else own)(scope, receive, counted)

    async def _own(self, path: str, method: str) -> Response | None:
        """The response to health and metrics requests; None for all other paths."""
        if path not in ("/health", "/health/live", "/health/ready", "/metrics"):
            return None
        if method not in ("GET", "HEAD"):
            wire = {"code": "method_not_allowed", "message": f"{path} is only read", "retryable": False}
            return error_response(wire, {"Allow": "GET, HEAD"})
        if path == "/metrics":
            return Response(await self._scrape(), media_type=CONTENT_TYPE)
        if path == "/health/live":
            return _json(200, {"status": "live"})
        return _json(*await (self._health.ready() if path == "/health/ready" else self._health.report()))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.drain()
                await self._close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _without_last_slash(scope: Scope) -> Scope:
    """The scope of the same path without a slash at its end, which is forgiven. Not by a redirect: it would lose the
    body. A slash that is written ``%2F`` is part of a name."""
    raw: bytes = scope.get("raw_path") or b""
    path: str = scope["path"]
    if len(path) < 2 or not path.endswith("/") or not raw.endswith(b"/"):
        return scope
    return {**scope, "path": path[:-1], "raw_path": raw[:-1]}


def _path(scope: Scope) -> str:
    """The path below the mount point."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path") or "")


def _json(status: int, body: Mapping[str, Any]) -> Response:
    return Response(write_json(body), status, {"Cache-Control": "no-store"}, "application/json")
