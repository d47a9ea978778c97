"""What is wrong with a model: its last error in a row, since when, how often, and the address that was asked.

Shown by ``/health``, which asks for no token. So the sentences are ours: what a server says may repeat a key, or what a
player said; it is in the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from ganggpt.ai.gateway.provider import Cause, ContentFiltered, ModelFailure, ModelSkipped

CAUSES: Final[Mapping[Cause, str]] = {
    "refused": "nothing listens there (connection refused)",
    "dns": "its name is unknown to the DNS",
    "tls": "the TLS handshake failed",
    "unreachable": "it cannot be reached",
    "timeout": "it did not answer in time",
    "cut": "the connection was cut before the whole answer came",
    "key": "the key is refused (401 or 403)",
    "deployment": "there is no such model or deployment (404)",
    "endpoint": "it leads elsewhere (a redirect)",
    "path": "nothing of this protocol is there (404); is the base URL right, with its /v1?",
    "api_version": "the API version is unknown there",
    "rate_limit": "its rate limit is reached (429)",
    "quota": "the quota of the account is used up (429)",
    "server_error": "it has an error of its own (5xx)",
    "rejected": "it refuses what it is asked (4xx)",
    "context": "a prompt is longer than its context; give it 4,096 tokens for each answer it writes at once",
    "unreadable": "what it answers is not of this protocol",
    "thought": "it spent all its tokens on thinking",
    "failed": "the call failed",
}
"""What each cause is, as the end of a sentence that began with the address."""


FAILURES_MIN: Final = 2
"""Calls in a row that have to fail before a model that is still called counts as failing: anything may be late once."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Calls in a row that failed, ``count`` of them from ``since_s`` to ``last_s`` (Unix time). ``code``: of the last
    error."""

    code: str
    cause: Cause
    address: str
    since_s: float
    last_s: float
    count: int

    def shown(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "code": self.code,
            "cause": self.cause,
            "message": f"{self.address}: {CAUSES[self.cause]}",
            "address": self.address,
            "since": _iso(self.since_s),
            "last": _iso(self.last_s),
            "count": self.count,
        }


class Troubles:
    """Owns the trouble of one model: it begins with a failure and ends with an answer."""

    def __init__(self, address: str, clock: Callable[[], float] = time.time) -> None:
        self.address = address
        self.now: Trouble | None = None
        self._clock = clock

    def note(self, failed: ModelFailure) -> None:
        """Note a failure. A filter that refuses, or a call that was never made, says nothing about the model."""
        if isinstance(failed, ContentFiltered):
            self.now = None
            return
        if isinstance(failed, ModelSkipped):
            return
        now_s = self._clock()
        before = self.now or Trouble(failed.code, failed.cause, self.address, now_s, now_s, 0)
        self.now = replace(before, code=failed.code, cause=failed.cause, last_s=now_s, count=before.count + 1)

    def end(self) -> None:
        """The model answered."""
        self.now = None


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
