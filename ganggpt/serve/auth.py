"""The static bearer token that protects the bridge."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from pydantic import SecretStr

from ganggpt.errors import Unauthorized


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
