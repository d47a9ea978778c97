"""Bounds how long the bodies of requests may take to arrive, and how many may be on their way at the same time.

A request occupies one of the few places of a replica until it is answered, so one that sends a byte now and then keeps
others out. Clients send a body at once or nearly so: nobody honest notices these bounds. Headers are not seen here;
they are the business of the proxy in front, and so is who a client is: to a replica all of them are that proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ganggpt.errors import TooSlow
from ganggpt.protocol.limits import Limits
from ganggpt.serve.websocket.bridge_socket import Message, Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_CLOSE: Final = (b"connection", b"close")
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})


class RequestBodies:
    """Stands before an ASGI application and owns the bodies that are on their way to it. With too many of them the
    oldest is given up: it had the most time, and a flood of slow ones pushes out itself."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._arriving: dict[RequestBody, asyncio.Timeout] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point for HTTP."""
        body = RequestBody(self, scope, receive, send)
        await self._app(scope, body.receive, body.send)

    def allowed_s(self, received: int) -> float:
        """How long a body may have taken of which so many bytes are here."""
        limits = self._limits
        return min(limits.body_timeout_s, limits.body_grace_s + received / limits.body_rate_min)

    async def next_part(self, body: RequestBody, receive: Receive, until_s: float) -> Message:
        """The next part of a body. Raises TooSlow at ``until_s``, or earlier where there is no room for it any more."""
        try:
            async with asyncio.timeout_at(until_s) as timeout:
                self._arriving[body] = timeout
                if len(self._arriving) > self._limits.bodies_max:
                    self._give_up_oldest()
                return await receive()
        except TimeoutError:
            raise TooSlow("body", body.received) from None
        finally:
            self._arriving.pop(body, None)

    def _give_up_oldest(self) -> None:
        oldest = min(self._arriving, key=lambda each: each.began_s)
        timeout = self._arriving.pop(oldest)
        if not timeout.expired():
            timeout.reschedule(asyncio.get_running_loop().time())


class RequestBody:
    """One request as its application sees it."""

    def __init__(self, bodies: RequestBodies, scope: Scope, receive: Receive, send: Send) -> None:
        self._bodies, self._receive, self._send = bodies, receive, send
        self.began_s = asyncio.get_running_loop().time()
        self.received = 0
        self._complete = all(name not in _LENGTHS for name, _ in scope["headers"])

    async def receive(self) -> Message:
        """See ASGI. Raises TooSlow while the body is on its way; the wait for the client's leaving has no bound."""
        if self._complete:
            return await self._receive()
        until_s = self.began_s + self._bodies.allowed_s(self.received)
        message = await self._bodies.next_part(self, self._receive, until_s)
        self.received += len(message.get("body", b""))
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """See ASGI. An answer before the end of the body closes the connection, or the rest would keep it open."""
        if message["type"] == "http.response.start" and not self._complete:
            message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        await self._send(message)
