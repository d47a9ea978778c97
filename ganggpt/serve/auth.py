"""Who is on the other end of the bridge: the static bearer token, and the player a game server acts for."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pydantic import SecretStr

from ganggpt.domain import fields
from ganggpt.errors import InvalidInput, Unauthorized

_is_player: Final = lru_cache(16_384)(fields.is_player)


class BearerToken:
    """Checks ``Authorization: Bearer <token>`` in constant time."""

    def __init__(self, token: SecretStr) -> None:
        self._expected = token.get_secret_value().encode()

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises Unauthorized unless the ASGI headers carry the token, once."""
        given = [value for name, value in headers if name.lower() == b"authorization"]
        scheme, _, credentials = (given[0] if len(given) == 1 else b"").partition(b" ")
        # compare_digest comes first, so that a wrong scheme takes as long as a wrong token
        same = hmac.compare_digest(credentials.strip(), self._expected)
        if not same or scheme.lower() != b"bearer" or not self._expected:
            raise Unauthorized


def acting_player(by: object) -> str:
    """Check that the actor a game server names as sender is a player. Raises InvalidInput."""
    if type(by) is str and _is_player(by):
        return by
    raise InvalidInput(
        "by",
        "who acts is player:<id of the game>, or left out where the game server itself acts",
    )
