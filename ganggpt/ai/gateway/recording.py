"""Recorded exchanges with models: every call and its answer, recorded while it happens and replayed later.

``RecordingProvider`` wraps a real provider. ``ReplayProvider`` takes its place, so that everything above it (ladder,
filter, repair, guards) runs again exactly as it did, without a network and at no cost.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from ganggpt.ai.gateway.cache_keys import call_key
from ganggpt.ai.gateway.provider import (
    Completion,
    Counted,
    Delta,
    ModelFailure,
    ModelRejected,
    Provider,
    ProviderCall,
    Vectors,
)

_PIECE: Final = 24
"""Characters of each piece of a replayed stream."""


class ModelExchange(Struct, frozen=True, kw_only=True):
    """One call to a model and its result. ``key``: the hash of the call; ``request_key``: of the request it was made
    for; ``request``: the call as JSON.

    ``failure``: the code of the error, empty where the model answered. ``at_s``: Unix time.
    """

    key: str
    request_key: str = ""
    at_s: float
    model: str
    request: str
    answer: str = ""
    finish: str = "stop"
    categories: tuple[str, ...] = ()
    failure: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    known: bool = True
    took_ms: int = 0
    player: str | None = None


class ExchangeLog(Protocol):
    """Records exchanges. Never waits."""

    def keep(self, exchange: ModelExchange) -> None:
        """Record one exchange."""
        ...


Find = Callable[[str], Awaitable[ModelExchange | None]]
"""The exchange with a key, or None."""


class RecordingProvider:
    """A provider that records the calls it passes on."""

    def __init__(self, inner: Provider, log: ExchangeLog, clock: Callable[[], float] = time.time) -> None:
        self._inner, self._log, self._clock = inner, log, clock

    async def complete(self, call: ProviderCall) -> Completion:
        """See Provider."""
        began_s = self._clock()
        try:
            completion = await self._inner.complete(call)
        except ModelFailure as failed:
            self._kept(call, began_s, failure=failed)
            raise
        self._kept(call, began_s, completion=completion)
        return completion

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """See Provider. A stream that is not read to its end is not recorded, because its answer is not known."""
        began_s = self._clock()
        text: list[str] = []
        end, counted = None, None
        try:
            async with aclosing(self._inner.stream(call)) as pieces:
                async for delta in pieces:
                    text.append(delta.text)
                    counted = delta.counted or counted
                    end = delta if delta.finish is not None else end
                    yield delta
        except ModelFailure as failed:
            self._kept(call, began_s, failure=failed)
            raise
        finally:
            # The caller stops reading at a filter's refusal, so that is the end of the stream too.
            if end is not None and end.finish is not None:
                self._kept(call, began_s, completion=Completion("".join(text), end.finish, counted, end.categories))

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """See Provider. Vectors are not recorded."""
        return await self._inner.embed(model, texts)

    async def close(self) -> None:
        """See Provider."""
        await self._inner.close()

    def _kept(
        self,
        call: ProviderCall,
        began_s: float,
        *,
        completion: Completion | None = None,
        failure: ModelFailure | None = None,
    ) -> None:
        counted = completion.counted if completion is not None else None
        tokens = counted or Counted(0, 0)
        self._log.keep(
            ModelExchange(
                key=call_key(call),
                request_key=call.request_key,
                at_s=began_s,
                model=call.model,
                request=call_text(call),
                answer="" if completion is None else completion.text,
                finish="stop" if completion is None else completion.finish,
                categories=getattr(failure, "categories", ()) if completion is None else completion.categories,
                failure="" if failure is None else failure.code,
                tokens_in=tokens.tokens_in,
                tokens_out=tokens.tokens_out,
                tokens_cached=tokens.tokens_cached,
                known=counted is not None,
                took_ms=round((self._clock() - began_s) * 1000),
                player=call.player,
            )
        )


class ReplayProvider:
    """A provider that answers from recorded exchanges and fails as they did. A call that was not recorded is
    rejected."""

    def __init__(self, name: str, find: Find, failures: Iterable[type[ModelFailure]] = ()) -> None:
        self._name, self._find = name, find
        self._failures = {cls.code: cls for cls in (*_subclasses(ModelFailure), *failures)}

    async def complete(self, call: ProviderCall) -> Completion:
        """See Provider."""
        found = await self._find(call_key(call))
        if found is None:
            raise ModelRejected(self._name, "no exchange with this exact prompt was recorded")
        if found.failure:
            raise self._failure(found)
        counted = Counted(found.tokens_in, found.tokens_out, found.tokens_cached) if found.known else None
        finish = found.finish if found.finish in {"length", "filter"} else "stop"
        return Completion(found.answer, finish, counted, found.categories)  # type: ignore[arg-type]

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """See Provider."""
        whole = await self.complete(call)
        for start in range(0, len(whole.text), _PIECE):
            yield Delta(whole.text[start : start + _PIECE])
        yield Delta(finish=whole.finish, counted=whole.counted, categories=whole.categories)

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:  # noqa: ARG002 - see Provider
        """Vectors are not recorded."""
        raise ModelRejected(self._name, "vectors are not recorded")

    async def close(self) -> None:
        """There is nothing to close."""

    def _failure(self, found: ModelExchange) -> ModelFailure:
        cls = self._failures.get(found.failure, ModelRejected)
        if cls.code == "content_filtered":
            return cls(self._name, "prompt", found.categories)  # type: ignore[arg-type]
        return cls(self._name, f"it failed in the same way when it was recorded ({found.failure})")


def call_text(call: ProviderCall) -> str:
    """A call as JSON for people to read."""
    shape = None if call.shape is None else {"name": call.shape.name, "schema": call.shape.schema}
    said = [{"role": message.role, "content": message.text} for message in call.messages]
    limits = {"tokens_max": call.tokens_max, "temperature": call.temperature}
    return msgspec.json.encode({"model": call.model, "messages": said, "shape": shape, **limits}).decode()


def _subclasses(cls: type[ModelFailure]) -> list[type[ModelFailure]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]
