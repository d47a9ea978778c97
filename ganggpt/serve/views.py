"""Reading actors: through a short-lived cache, then from the actor itself."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import msgspec

from ganggpt.actors.envelope import wrap_view
from ganggpt.actors.ports import REST_SOURCE, CommandPort
from ganggpt.domain.ids import kind_of, name_of, new_command_id
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics

_KEYS: Final = {
    "player": "ganggpt:player:{}:profile",
    "npc": "ganggpt:npc:{}:memory",
    "faction": "ganggpt:faction:{}:state",
    "mission": "ganggpt:mission:{}:details",
    "companion": "ganggpt:companion:{}:state",
}
"""The cache key of a kind's view."""


class ViewCache(Protocol):
    """A cache of bytes by key. One that is away answers None and forgets; it never raises."""

    async def get(self, key: str) -> bytes | None:
        """What was put there, if it is still there."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        """Keep for ``ttl_s`` seconds."""
        ...


class Views:
    """What reads see. ``ttl_s`` bounds how old a view may be."""

    def __init__(
        self, port: CommandPort, cache: ViewCache, metrics: Metrics, ttl_s: int = 2, timeout_s: float = 30.0
    ) -> None:
        self._port, self._cache = port, cache
        self._ttl_s, self._timeout_s = ttl_s, timeout_s
        outcomes = metrics.counter("ganggpt_view_cache_total")
        self._hit, self._miss = outcomes.labels("hit"), outcomes.labels("miss")

    async def read(self, actor: str, by: str, fresh: bool = False) -> dict[str, Any]:
        """The finished answer to a read, ``{"ok", "seq", "reply"}`` or ``{"ok", "error"}``.

        ``fresh`` goes past the cache. Raises Unavailable where no answer comes in time.
        """
        key = _KEYS[kind_of(actor)].format(name_of(actor))
        if not fresh:
            cached = await self._cache.get(key)
            if cached is not None:
                self._hit.inc()
                return _read(cached)
        self._miss.inc()
        finished = await answered(self._port, wrap_view(new_command_id(), actor, by), self._timeout_s)
        answer: dict[str, Any] = msgspec.msgpack.decode(finished)
        answer.pop("id")
        if answer["ok"]:
            await self._cache.put(key, msgspec.msgpack.encode(answer), self._ttl_s)
        return answer


async def answered(port: CommandPort, envelope: Any, timeout_s: float) -> bytes:
    """The port's answer, or Unavailable after ``timeout_s`` (the port's own deadline is meant to come first)."""
    try:
        async with asyncio.timeout(timeout_s):
            return await port.ask(envelope, REST_SOURCE)
    except TimeoutError:
        raise Unavailable("the answer to this command") from None


def _read(cached: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.msgpack.decode(cached)
    return answer
