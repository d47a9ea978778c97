"""Who is on the other end of the bridge: the static bearer token, and the player a game server acts for."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pydantic import SecretStr

from ganggpt.config import tokens_of
from ganggpt.domain import fields
from ganggpt.errors import InvalidInput, Unauthorized

_is_player: Final = lru_cache(16_384)(fields.is_player)


class BearerToken:
    """Checks ``Authorization: Bearer <token>`` in constant time. While a token is replaced there are several."""

    def __init__(self, tokens: SecretStr) -> None:
        self._accepted = [token.encode() for token in tokens_of(tokens.get_secret_value())]

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises Unauthorized unless the ASGI headers carry one of the tokens, once."""
        given = [value for name, value in headers if name.lower() == b"authorization"]
        scheme, _, credentials = (given[0] if len(given) == 1 else b"").partition(b" ")
        # All are compared, and before the scheme, so that every refusal takes equally long.
        same = [hmac.compare_digest(credentials.strip(), accepted) for accepted in self._accepted]
        if not any(same) or scheme.lower() != b"bearer":
            raise Unauthorized


def acting_player(by: object) -> str:
    """Check that the actor a game server names as sender is a player. Raises InvalidInput."""
    if type(by) is str and _is_player(by):
        return by
    raise InvalidInput(
        "by",
        "who acts is player:<id of the game>, or left out where the game server itself acts",
    )
