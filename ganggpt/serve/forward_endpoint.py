"""The endpoint to which other clusters of the world forward commands for actors that this cluster holds."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ganggpt.actors.envelope import Envelope, decode_batch, encode_replies
from ganggpt.domain.ids import actor_id, checked_command_id
from ganggpt.errors import InvalidInput, Unauthorized
from ganggpt.protocol.frames import printable
from ganggpt.serve.rest.rest_app import read_body

BATCH_BYTES_MAX: Final = 1 << 20
Take = Callable[[Sequence[Envelope]], Awaitable[list[bytes]]]
"""Runs commands for actors this cluster holds; those for other actors are answered ``moved``."""


class Forwarded:
    """Answers ``POST /v1/forward``. ``key`` reads the key of this cluster, which only readers of the database know; the
    token of the bridge is not enough, because a batch may hold messages that only actors may send to each other."""

    def __init__(self, take: Take, key: Callable[[], Awaitable[str | None]]) -> None:
        self._take = take
        self._read_key = key
        self._key: str | None = None

    async def answer(self, request: Request) -> Response:
        """Encoded replies for an encoded batch. Raises Unauthorized, TooLarge and InvalidInput."""
        if self._key is None:
            self._key = await self._read_key()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._key is None or not hmac.compare_digest(given.encode(), self._key.encode()):
            raise Unauthorized
        body = await read_body(request, BATCH_BYTES_MAX)
        try:
            envelopes = decode_batch(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as broken:
            raise InvalidInput("body", printable(str(broken), 200)) from None
        for envelope in envelopes:
            checked_command_id(envelope.id)
            actor_id(envelope.to)
        return Response(encode_replies(await self._take(envelopes)), media_type="application/msgpack")
