"""The one clock the runtime waits by: the event loop's, so that a simulation with a virtual loop owns all of time."""

from __future__ import annotations

import asyncio


def loop_s() -> float:
    """Seconds of the running loop's monotonic clock; its zero means nothing."""
    return asyncio.get_running_loop().time()
