"""What the borders of the runtime look like to those outside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ganggpt.actors.admission import Gate
from ganggpt.actors.envelope import Envelope

ReplySink = Callable[[bytes, bytes], None]
"""Called once for each command with (command id, finished reply map); must not block or raise."""


REST_SOURCE: Final = "rest"
"""All requests by REST together are one source."""

CLUSTER_SOURCE: Final = "cluster"
"""So is everything another cluster sends on."""


class CommandPort(Protocol):
    """The way to all actors. The router is the one real implementation."""

    def gate(self, source: str) -> Gate | None:
        """Whom to ask, before a command is even read, whether it could be taken; None while everybody is let in. Good
        until the next command of this source is submitted by somebody else."""
        ...

    def submit(self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "") -> None:
        """Send commands on. Every envelope gets exactly one call of ``sink``, in any order, at the latest after the
        command deadline (then with ``unavailable``). What cannot be served soon is answered ``overloaded``. Sources
        (game servers) share what there is fairly. Must be called on the event loop."""
        ...

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """Send one command (or a read) and wait for its finished reply map."""
        ...
