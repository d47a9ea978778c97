"""How long a client of the bridge waits, what it waits for, and what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ganggpt.client.wire import Reply, WireError
from ganggpt.domain.ids import CommandId


class Patience(msgspec.Struct, frozen=True):
    """The longest wait of each kind, in seconds. ``retry_s``: pause before a retryable command is sent again
    where the error names none."""

    open_s: float = 10.0
    answer_s: float = 30.0
    reconnect_s: float = 60.0
    backoff_first_s: float = 0.05
    backoff_max_s: float = 2.0
    retry_s: float = 0.25
    close_s: float = 5.0


class CommandReply(msgspec.Struct, frozen=True):
    """The reply to one command. Where not ``ok``, ``seq`` is 0 and ``error`` set; ``sent``: how often it was sent."""

    id: CommandId
    to: str
    ok: bool
    seq: int
    reply: Mapping[str, Any]
    error: WireError | None
    sent: int


class WaitingCommand:
    """A command without a final reply, and the number of senders that wait for it."""

    __slots__ = ("again", "answer", "encoded", "error", "id", "senders", "sent", "to", "until_s")

    def __init__(self, command_id: CommandId, to: str, encoded: msgspec.Raw, until_s: float) -> None:
        self.id, self.to, self.encoded, self.until_s = command_id, to, encoded, until_s
        self.answer: asyncio.Future[CommandReply] = asyncio.get_running_loop().create_future()
        self.sent = 0
        self.senders = 0
        self.error: WireError | None = None
        self.again: asyncio.TimerHandle | None = None

    def finish(self, ok: bool, reply: Reply) -> None:
        """Give the reply to all senders."""
        if not self.answer.done():
            answer = CommandReply(self.id, self.to, ok, reply.seq, reply.reply, reply.error, self.sent)
            self.answer.set_result(answer)
