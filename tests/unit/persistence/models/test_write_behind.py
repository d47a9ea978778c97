"""Write-behind ends when it is closed, whatever the client of its store does with a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ganggpt.persistence.models.write_behind import WriteBehind


async def test_it_closes_though_the_client_swallowed_the_cancellation() -> None:
    begun = asyncio.Event()
    written: list[str] = []

    async def write(some: Sequence[str]) -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            written.extend(some)  # as asyncio.wait_for of Python 3.11 does when the work is done at the same moment

    entries = WriteBehind(write, lambda _: None, every_s=0)
    entries.add("an answer")
    await begun.wait()
    closing = asyncio.create_task(entries.close())
    done, _ = await asyncio.wait([closing], timeout=5)
    assert done
    assert written == ["an answer"]
