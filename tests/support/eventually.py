"""Waits for a fact instead of some time, and says what it waited for and what it saw when the fact does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Final

LOOK_S: Final = 0.005


async def eventually(
    fact: Callable[[], Any | Awaitable[Any]],
    what: str,
    *,
    within_s: float = 10.0,
    seen: Callable[[], object] | None = None,
) -> Any:
    """Ask ``fact`` again and again until it is true, and return what it gave then.

    ``what``: the fact in words, after "until"; ``seen``: tells what there is when it did not come true within
    ``within_s``, otherwise the last answer is told. Raises AssertionError.
    """
    answer: Any = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = fact()
                if isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        told = answer if seen is None else seen()
        raise AssertionError(f"waited {within_s} s in vain until {what}; seen: {told!r}") from None
