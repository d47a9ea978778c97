"""What the borders of the runtime look like to those outside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ganggpt.actors.envelope import Envelope

ReplySink = Callable[[bytes, bytes], None]
"""Called once for each command with (command id, finished reply map); must not block or raise."""


class CommandPort(Protocol):
    """The way to all actors. The router is the one real implementation."""

    def submit(self, envelopes: Sequence[Envelope], sink: ReplySink) -> None:
        """Send commands on. Every envelope gets exactly one call of ``sink``, in any order, at the latest after the
        command deadline (then with ``unavailable``). What does not fit the bounded queue is answered ``overloaded``
        at once. Must be called on the event loop."""
        ...

    async def ask(self, envelope: Envelope) -> bytes:
        """Send one command (or a read) and wait for its finished reply map."""
        ...
