"""The cache of answers that were given before, and requests in flight: neither is sent to a model twice."""

from __future__ import annotations

import array
import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from ganggpt.ai.gateway.cache_keys import fallback_key
from ganggpt.ai.gateway.structured import AnswerMisshapen, read_shape
from ganggpt.ai.port import Answered, GatewayRequest
from ganggpt.observability.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")
_TEXT_MAX: Final = 16_000
"""Characters; longer answers are not kept."""


class ResponseStore(Protocol):
    """Bytes by key, shared by the replicas. Losing them costs money and nothing else, so a failing store never
    raises."""

    async def get(self, key: str) -> bytes | None:
        """The value under a key, or None."""
        ...

    def put(self, key: str, value: bytes, player: str | None) -> None:
        """Store a value for a while, in the background; never waits. ``player``: whose it is, for ``forget``."""
        ...

    async def forget(self, player: str) -> None:
        """Drop everything of a player's; another process may still serve it for a second. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class _Kept(Struct, frozen=True, array_like=True):
    text: str
    model: str
    repaired: bool


class ResponseCache:
    """Answers by the two keys of ``cache_keys``, and embeddings. A stored answer is checked against its shape again."""

    def __init__(self, store: ResponseStore, metrics: Metrics) -> None:
        self._store = store
        self._count = metrics.counter("ganggpt_ai_cache_total")

    async def exact(self, request: GatewayRequest, key: str) -> Answered | None:
        """The answer to an equal request."""
        found = await self._found(request, _name(key), key) if request.use_cache else None
        self._count.labels("miss" if found is None else "exact").inc()
        return found

    async def fallback(self, request: GatewayRequest, key: str) -> Answered | None:
        """The answer to a request with the same fallback key, for the cached rung."""
        other = fallback_key(request)
        found = await self._found(request, _name(other), key) if other is not None and request.use_cache else None
        if found is not None:
            self._count.labels("meaning").inc()
        return found

    def keep(self, request: GatewayRequest, key: str, answer: Answered) -> None:
        """Store an answer under both keys, unless it was cut or softened."""
        if not request.use_cache or answer.cut or answer.softened or len(answer.text) > _TEXT_MAX:
            return
        raw = msgspec.msgpack.encode(_Kept(answer.text, answer.model, answer.repaired))
        self._store.put(_name(key), raw, request.payers.player)
        other = fallback_key(request)
        if other is not None:
            self._store.put(_name(other), raw, request.payers.player)

    async def vector(self, key: str) -> tuple[float, ...] | None:
        """A stored embedding."""
        raw = await self._store.get(_vector_name(key))
        if raw is None:
            return None
        return tuple(array.array("f", raw))

    def keep_vector(self, key: str, vector: Sequence[float], player: str | None) -> None:
        """Store an embedding, in single precision."""
        self._store.put(_vector_name(key), array.array("f", vector).tobytes(), player)

    async def forget(self, player: str) -> None:
        """Drop everything of a player's. Raises Unavailable."""
        await self._store.forget(player)

    async def _found(self, request: GatewayRequest, name: str, key: str) -> Answered | None:
        raw = await self._store.get(name)
        if raw is None:
            return None
        try:
            kept = msgspec.msgpack.decode(raw, type=_Kept)
            value = None if request.shape is None else read_shape(request.shape, kept.text)
        except (msgspec.DecodeError, UnicodeDecodeError, AnswerMisshapen) as unfit:
            log.warning("a cached answer no longer has the right shape: %s", unfit)
            return None
        return Answered(text=kept.text, value=value, model=kept.model, rung="cached", key=key, repaired=kept.repaired)


class _Flight(Generic[T]):
    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task, self.waiting = task, 0


class SingleFlight(Generic[T]):
    """Requests in flight by key: a second request with the same key waits for the result of the first.

    The work is cancelled when the last caller that waits for it is cancelled.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The result of ``work``, and whether another caller had started it."""
        flight = self._flights.get(key)
        shared = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.get_running_loop().create_task(work()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task), shared
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]


def _name(key: str) -> str:
    return f"ganggpt:ai:response:{key}"


def _vector_name(key: str) -> str:
    return f"ganggpt:ai:embedding:{key}"
