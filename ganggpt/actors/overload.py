"""Why a command was refused for overload, and the reply that says so."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from ganggpt.actors.envelope import REPLY_HEAD, error_tail
from ganggpt.errors import Overloaded

_SPREAD: Final = 16
"""The number of different hints, half to one and a half times their mean, so that callers do not return at once."""


class Shed(StrEnum):
    """Why a command was refused; the label of the metric."""

    TOTAL = "total"
    LANE = "lane"
    SHARE = "share"
    ACTOR = "actor"
    LATE = "late"
    IN_FLIGHT = "in_flight"


_WHAT: Final = {
    Shed.TOTAL: "the bridge",
    Shed.LANE: "the queue for the host of this actor",
    Shed.SHARE: "this game server's fair share of the host of this actor",
    Shed.ACTOR: "the mailbox of this actor",
    Shed.LATE: "the wait for the host of this actor, in milliseconds,",
    Shed.IN_FLIGHT: "this connection's number of commands in flight",
}


class OverloadReply:
    """The reply to commands that are refused for one reason, encoded once. ``count``: how many got it."""

    __slots__ = ("_errors", "_tails", "count", "why")

    def __init__(self, why: Shed, limit: int, mean_ms: int) -> None:
        self.why = why
        self.count = 0
        hints = [mean_ms // 2 + n * 7 % _SPREAD * mean_ms // _SPREAD for n in range(_SPREAD)]
        self._errors = [Overloaded(_WHAT[why], limit, hint) for hint in hints]
        self._tails: Sequence[bytes] = [error_tail(error) for error in self._errors]

    def reply(self, command_id: bytes) -> bytes:
        """The finished reply map for one command: ``overloaded`` with a hint."""
        self.count += 1
        return REPLY_HEAD + command_id + self._tails[self.count % _SPREAD]

    def of_many(self, commands: int) -> Overloaded:
        """The error for several commands at once."""
        self.count += commands
        return self._errors[self.count % _SPREAD]
