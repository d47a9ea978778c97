"""Waits for a fact instead of some time, and says what it waited for and what it saw when the fact does not come."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def eventually(
    fact: Callable[[], Any],
    what: str | None = None,
    within_s: float = 10.0,
    *,
    every_s: float = 0.005,
    seen: Callable[[], object] | None = None,
) -> Any:
    """Ask ``fact``, which may be a coroutine function, again and again until it is true; what it gave then.

    ``what`` says the fact in words, otherwise its source does; ``seen`` tells what there is when the fact did not come
    ``within_s``, otherwise the last answer does. Raises AssertionError.
    """
    answer: Any = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = fact()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(every_s)
    except TimeoutError:
        wanted = what or inspect.getsource(fact).strip()
        found = answer if seen is None else seen()
        raise AssertionError(f"waited {within_s:g} s in vain for: {wanted}; seen: {found!r}") from None
