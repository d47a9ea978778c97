"""Reading actors: from a short-lived cache, then from the actor itself. While the actor does not answer (it wakes, or
its shard has no host yet), a read gets its last known view, marked as stale."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from ganggpt.actors.envelope import wrap_view
from ganggpt.actors.ports import REST_SOURCE, CommandPort
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.cache import TTL_S, actor_key

PATIENCE_S: Final = 0.25
"""How long a read waits for an actor before it takes its last known view."""


class ViewCache(Protocol):
    """A cache of bytes by key. While it is unavailable it answers None and stores nothing; it never raises."""

    async def get(self, key: str) -> bytes | None:
        """The stored value, if it is still there."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        """Store a value for ``ttl_s`` seconds."""
        ...


class ReadView(NamedTuple):
    """The result of a read: the finished answer, ``{"ok", "seq", "reply"}`` or ``{"ok", "error"}``, its age in seconds,
    and whether it is stale because the actor did not answer."""

    answer: dict[str, Any]
    age_s: float = 0.0
    stale: bool = False


class Views:
    """Reads actors. ``ttl_s`` bounds the age of a view while its actor answers; a stale one may be an hour old.

    Owns the reads under way, at most one for each actor; each ends after ``timeout_s``.
    """

    def __init__(
        self, port: CommandPort, cache: ViewCache, metrics: Metrics, ttl_s: int = 2, timeout_s: float = 30.0
    ) -> None:
        self._port, self._cache = port, cache
        self._ttl_s, self._timeout_s = ttl_s, timeout_s
        self._asking: dict[str, asyncio.Task[ReadView]] = {}
        outcomes = metrics.counter("ganggpt_view_cache_total")
        self._hit, self._miss, self._stale = (outcomes.labels(outcome) for outcome in ("hit", "miss", "stale"))

    async def read(self, actor: str, by: str, fresh: bool = False) -> ReadView:
        """Read an actor. ``fresh`` bypasses the cache and never returns a stale view.

        Raises Unavailable where no answer comes in time and no view is known.
        """
        if fresh:
            self._miss.inc()
            return await self._ask(actor, by)
        cached = await self._cached(actor_key(actor))
        if cached is not None:
            self._hit.inc()
            return cached
        self._miss.inc()
        asking = self._asking.get(actor) or self._start(actor, by)
        await asyncio.wait((asking,), timeout=PATIENCE_S)
        if not _is_answered(asking) and (last := await self._cached(_last_key(actor))) is not None:
            self._stale.inc()
            return last._replace(stale=True)
        return await asyncio.shield(asking)

    def _start(self, actor: str, by: str) -> asyncio.Task[ReadView]:
        task = self._asking[actor] = asyncio.create_task(self._ask(actor, by))
        task.add_done_callback(lambda done: self._end(actor, done))
        return task

    def _end(self, actor: str, done: asyncio.Task[ReadView]) -> None:
        del self._asking[actor]
        if not done.cancelled():
            done.exception()  # retrieved, also where all readers took the stale view

    async def _ask(self, actor: str, by: str) -> ReadView:
        finished = await answered(self._port, wrap_view(new_command_id(), actor, by), self._timeout_s)
        answer: dict[str, Any] = msgspec.msgpack.decode(finished)
        answer.pop("id")
        if answer["ok"]:
            value = msgspec.msgpack.encode((time.time(), answer))
            await self._cache.put(actor_key(actor), value, self._ttl_s)
            await self._cache.put(_last_key(actor), value, TTL_S)
        return ReadView(answer)

    async def _cached(self, key: str) -> ReadView | None:
        value = await self._cache.get(key)
        if value is None:
            return None
        at_s, answer = msgspec.msgpack.decode(value)
        return ReadView(answer, max(0.0, time.time() - at_s))


def _last_key(actor: str) -> str:
    return f"{actor_key(actor)}:last"


def _is_answered(asking: asyncio.Task[ReadView]) -> bool:
    """Whether the actor gave a final answer."""
    if not asking.done() or asking.exception() is not None:
        return False
    answer = asking.result().answer
    return bool(answer["ok"] or not answer["error"]["retryable"])


async def answered(port: CommandPort, envelope: Any, timeout_s: float) -> bytes:
    """The answer of the port. Raises Unavailable after ``timeout_s`` (the deadline of the port should come first)."""
    try:
        async with asyncio.timeout(timeout_s):
            return await port.ask(envelope, REST_SOURCE)
    except TimeoutError:
        raise Unavailable("the answer to this command") from None
