"""Claims on ports, so that worlds that start at the same time do not choose the same ones.

A port that was found free is taken only seconds later, by Ray, Serve or HAProxy. Until a world ends, it therefore holds
a name for each port (or block of ports) that it chose: an abstract socket, which all users of a machine share, and
which the kernel releases when its process ends. Other systems than Linux have none; there, what was found free counts.
"""

from __future__ import annotations

import socket
import sys


class PortClaims:
    """Owns the claims of one world."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, port: int) -> bool:
        """Claim a port; whether it is ours now. False where another world has claimed it."""
        if sys.platform != "linux" or port in self._held:
            return True
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0ganggpt/port/{port}")
        except OSError:
            claim.close()
            return False
        self._held[port] = claim
        return True

    def release(self) -> None:
        """Give up all claims. Does nothing where there are none."""
        while self._held:
            self._held.popitem()[1].close()
