"""Errors as HTTP responses: one status for each code, one shape of body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from ganggpt.protocol.codec import write_json

STATUS: Final[Mapping[str, int]] = {
    "invalid_input": 422,
    "too_large": 413,
    "too_slow": 408,
    "unknown_actor": 404,
    "unknown_command": 404,
    "unknown_utterance": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "already_exists": 409,
    "refused": 409,
    "expired": 410,
    "unauthorized": 401,
    "overloaded": 429,
    "unavailable": 503,
    "wrong_cluster": 503,
    "moved": 503,
    "commit_unknown": 503,
    "fenced": 503,
}
"""HTTP status by error code; every other code is an error of the program (500)."""


def error_response(wire: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The HTTP response for an error in its wire form, with ``Retry-After`` in whole seconds where it has a hint."""
    status = STATUS.get(str(wire["code"]), 500)
    more = dict(headers or {})
    if wire.get("retry_after_ms") is not None:
        more["Retry-After"] = str(max(1, -(-int(wire["retry_after_ms"]) // 1000)))
    if status == 401:
        more["WWW-Authenticate"] = "Bearer"
    return Response(write_json({"error": wire}), status, more, "application/json")
