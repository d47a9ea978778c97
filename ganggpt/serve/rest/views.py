"""Reading actors: through a short-lived cache, then from the actor itself; and where the actor is silent for a moment
(it wakes, or its shard has no host yet), what was last seen of it, marked as stale."""

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
"""How long a read waits for an actor before it takes what was last seen of it."""


class ViewCache(Protocol):
    """A cache of bytes by key. One that is away answers None and forgets; it never raises."""

    async def get(self, key: str) -> bytes | None:
        """What was put there, if it is still there."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        """Keep for ``ttl_s`` seconds."""
        ...


class Seen(NamedTuple):
    """What a read saw: the finished answer, ``{"ok", "seq", "reply"}`` or ``{"ok", "error"}``, how many seconds ago it
    was true, and whether that is because the actor did not answer."""

    answer: dict[str, Any]
    age_s: float = 0.0
    stale: bool = False


class Views:
    """What reads see. ``ttl_s`` bounds how old a view may be while its actor answers; a stale one may be an hour old.

    Owns the questions under way, at most one an actor: each ends after ``timeout_s``, whoever still waits for it.
    """

    def __init__(
        self, port: CommandPort, cache: ViewCache, metrics: Metrics, ttl_s: int = 2, timeout_s: float = 30.0
    ) -> None:
        self._port, self._cache = port, cache
        self._ttl_s, self._timeout_s = ttl_s, timeout_s
        self._asking: dict[str, asyncio.Task[Seen]] = {}
        outcomes = metrics.counter("ganggpt_view_cache_total")
        self._hit, self._miss, self._stale = (outcomes.labels(outcome) for outcome in ("hit", "miss", "stale"))

    async def read(self, actor: str, by: str, fresh: bool = False) -> Seen:
        """Read an actor. ``fresh`` goes past the cache and never sees anything stale.

        Raises Unavailable where no answer comes in time and nothing was ever seen.
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

    def _start(self, actor: str, by: str) -> asyncio.Task[Seen]:
        task = self._asking[actor] = asyncio.create_task(self._ask(actor, by))
        task.add_done_callback(lambda done: self._end(actor, done))
        return task

    def _end(self, actor: str, done: asyncio.Task[Seen]) -> None:
        del self._asking[actor]
        if not done.cancelled():
            done.exception()  # heard, also where everybody took the stale view and left

    async def _ask(self, actor: str, by: str) -> Seen:
        finished = await answered(self._port, wrap_view(new_command_id(), actor, by), self._timeout_s)
        answer: dict[str, Any] = msgspec.msgpack.decode(finished)
        answer.pop("id")
        if answer["ok"]:
            value = msgspec.msgpack.encode((time.time(), answer))
            await self._cache.put(actor_key(actor), value, self._ttl_s)
            await self._cache.put(_last_key(actor), value, TTL_S)
        return Seen(answer)

    async def _cached(self, key: str) -> Seen | None:
        value = await self._cache.get(key)
        if value is None:
            return None
        at_s, answer = msgspec.msgpack.decode(value)
        return Seen(answer, max(0.0, time.time() - at_s))


def _last_key(actor: str) -> str:
    return f"{actor_key(actor)}:last"


def _is_answered(asking: asyncio.Task[Seen]) -> bool:
    """Whether the actor said something final."""
    if not asking.done() or asking.exception() is not None:
        return False
    answer = asking.result().answer
    return bool(answer["ok"] or not answer["error"]["retryable"])


async def answered(port: CommandPort, envelope: Any, timeout_s: float) -> bytes:
    """The port's answer, or Unavailable after ``timeout_s`` (the port's own deadline is meant to come first)."""
    try:
        async with asyncio.timeout(timeout_s):
            return await port.ask(envelope, REST_SOURCE)
    except TimeoutError:
        raise Unavailable("the answer to this command") from None
