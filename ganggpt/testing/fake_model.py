"""A language model that is none: an HTTP server in the shapes of OpenAI and Azure OpenAI which fails on command.

Both routes: ``/openai/deployments/{deployment}/chat/completions?api-version=…`` with an ``api-key`` header, and
``/v1/chat/completions`` (also below ``/openai``) with a bearer token; embeddings as well. It counts what arrives and
keeps the last requests. As a program: ``python -m ganggpt.testing.fake_model --port 18080``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from aiohttp import web

KEY: Final = "fake-key"
API_VERSION: Final = "2024-10-21"
VECTOR_SIZE: Final = 16
_SEEN_MAX: Final = 4096

Answer = Callable[[Mapping[str, Any]], str]
"""The text for a request body."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Base of what may go wrong with one request."""


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """An HTTP error. ``headers``: for example Retry-After. ``body``: JSON, or text that is not."""

    status: int
    body: Mapping[str, Any] | str = field(default_factory=lambda: {"error": {"message": "it broke", "code": "broken"}})
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """Takes the request and never answers. ``after``: so many pieces of a stream come first (0: not even headers)."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class CutOff(Fault):
    """Closes the connection after so many pieces of the stream, or of half a body."""

    after: int = 2


@dataclass(frozen=True, slots=True)
class Says(Fault):
    """Answers with this text whatever was asked: a wrong schema, JSON that is none, absurd lengths."""

    text: str
    finish: str = "stop"


@dataclass(frozen=True, slots=True)
class Garbage(Fault):
    """Status 200 with a body that is not of this protocol."""

    body: str = '{"choices": [{"mess'


@dataclass(frozen=True, slots=True)
class FilteredAnswer(Fault):
    """The model answers and Azure's filter takes it away: after so many pieces of a stream, or at once."""

    after: int = 2
    category: str = "sexual"


@dataclass(frozen=True, slots=True)
class StreamsPieces(Fault):
    """Streams these pieces as they are, each with the fields of its ``delta``, and the reason at the end (None: the
    stream just closes). ``hangs``: nothing comes after the pieces, not even an end."""

    deltas: tuple[Mapping[str, Any], ...]
    finish: str | None = "stop"
    hangs: bool = False


@dataclass(frozen=True, slots=True)
class Refuses(Fault):
    """Refuses a request that has one of these fields (``response_format.json_schema`` for one inside; ``role:system``
    for a message of that role) with this status and message; answers any other. The message may name the field by
    ``{}``."""

    fields: tuple[str, ...]
    text: str = "Fine. Come in."
    status: int = 400
    message: str = "Unsupported parameter: '{}' is not supported with this model."


def rate_limited(wait_s: float, *, in_ms: bool = False) -> Status:
    """429 with Retry-After."""
    headers = {"retry-after-ms": f"{wait_s * 1000:.0f}"} if in_ms else {"retry-after": f"{wait_s:g}"}
    return Status(429, {"error": {"message": "rate limit reached", "code": "429", "type": "requests"}}, headers)


def out_of_quota() -> Status:
    """429 that no waiting helps against."""
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota", "type": "insufficient_quota"}
    return Status(429, {"error": error})


def filtered_prompt(category: str = "jailbreak") -> Status:
    """The 400 of Azure's content filter."""
    results: dict[str, Any] = {
        name: {"filtered": name == category, "severity": "medium" if name == category else "safe"}
        for name in ("hate", "self_harm", "sexual", "violence")
    }
    results["jailbreak"] = {"detected": category == "jailbreak", "filtered": category == "jailbreak"}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results}
    message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    error = {"message": message, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return Status(400, {"error": {**error, "innererror": inner}})


def no_json_schema() -> Status:
    """The 400 of a model that is older than JSON schemas."""
    message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
    return Status(400, {"error": {"message": message, "param": "response_format", "code": None}})


@dataclass(slots=True)
class SeenRequest:
    """One request as it arrived."""

    path: str
    model: str
    body: Mapping[str, Any]


class FakeModel:
    """Owns the server. ``faults`` says what happens to the next requests (None: nothing), ``always`` to all others, by
    deployment. ``delay_s``: before the answer; ``piece_s``: between two pieces of a stream."""

    def __init__(self, answer: Answer | None = None, *, delay_s: float = 0.0, piece_s: float = 0.0) -> None:
        self.faults: deque[Fault | None] = deque()
        self.always: dict[str, Fault] = {}
        self.on_text: dict[str, Fault] = {}
        """What happens to requests whose last message is this text."""
        self.deployments: frozenset[str] | None = None
        """Names that exist; None: all do."""
        self.delay_s, self.piece_s = delay_s, piece_s
        self.seen: deque[SeenRequest] = deque(maxlen=_SEEN_MAX)
        self.count = 0
        self.open_streams = 0
        self.most_streams = 0
        self.broken_off = 0
        """Requests whose client went away before the end."""
        self.changed = asyncio.Condition()
        self._answer = answer or pleasantry
        self.vector: Callable[[str], list[float]] = vector_of
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address: an Azure endpoint; for OpenAI add ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen on localhost."""
        app = web.Application(client_max_size=1 << 24)
        for prefix in ("/openai/deployments/{deployment}", "/openai/v1", "/v1"):
            app.router.add_post(f"{prefix}/chat/completions", self._chat)
            app.router.add_post(f"{prefix}/embeddings", self._embeddings)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=2048)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close everything at once."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, true: Callable[[], bool], within_s: float = 5.0) -> None:
        """Wait until something of this server is so."""
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(true)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body, model, fault = await self._taken(request)
        if isinstance(fault, Refuses):
            named = next((name for name in fault.fields if _has(body, name)), None)
            if named is not None:
                error = {"message": fault.message.format(named), "param": named, "type": "invalid_request_error"}
                fault = Status(fault.status, {"error": error})
            else:
                fault = Says(fault.text)
        if fault is None or not isinstance(fault, Status | Garbage | Hang) or (isinstance(fault, Hang) and fault.after):
            refused = None
        else:
            refused = await self._plain_fault(fault)
        if refused is not None:
            return refused
        if self.delay_s:
            await self._unless_gone(asyncio.sleep(self.delay_s))
        text = fault.text if isinstance(fault, Says) else self._answer(body)
        finish = fault.finish if isinstance(fault, Says) else "stop"
        if body.get("stream"):
            return await self._streamed(request, body, model, (text, finish), fault)
        return await self._whole(request, body, model, (text, finish), fault)

    async def _whole(
        self, request: web.Request, body: Mapping[str, Any], model: str, said: tuple[str, str], fault: Fault | None
    ) -> web.StreamResponse:
        text, finish = said
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
        if isinstance(fault, FilteredAnswer):
            choice["message"]["content"], finish = None, "content_filter"
            choice["content_filter_results"] = {fault.category: {"filtered": True, "severity": "medium"}}
        choice["finish_reason"] = finish
        answer = {**_head(model, "chat.completion"), "choices": [choice], "usage": _usage(body, text)}
        if not isinstance(fault, CutOff | Hang):
            return web.json_response(answer)
        raw = json.dumps(answer).encode()
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(raw))})
        await response.prepare(request)
        await response.write(raw[: len(raw) // 2])
        await self._broken(request, fault)
        return response

    async def _streamed(
        self, request: web.Request, body: Mapping[str, Any], model: str, said: tuple[str, str], fault: Fault | None
    ) -> web.StreamResponse:
        text, finish = said
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        self.open_streams += 1
        self.most_streams = max(self.most_streams, self.open_streams)
        await self._notify()
        head = _head(model, "chat.completion.chunk")
        after = getattr(fault, "after", -1)
        try:
            # Azure's first piece: no choices, only what its filter thought of the prompt.
            await response.write(_event({**head, "choices": [], "prompt_filter_results": []}))
            if isinstance(fault, StreamsPieces):
                await self._as_given(response, head, fault)
                return response
            for n, piece in enumerate(re.findall(r"\s*\S+\s*$|\s*\S+", text)):
                if n == after:
                    if not isinstance(fault, FilteredAnswer):
                        await self._broken(request, fault)
                        return response
                    finish = "content_filter"
                    break
                if self.piece_s:
                    await asyncio.sleep(self.piece_s)
                choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
                await response.write(_event({**head, "choices": [choice]}))
            # The asynchronous filter annotates with pieces that have no delta.
            note = {"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 0}}
            await response.write(_event({**head, "choices": [note]}))
            await response.write(_event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}))
            if (body.get("stream_options") or {}).get("include_usage"):
                await response.write(_event({**head, "choices": [], "usage": _usage(body, text)}))
            await response.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.broken_off += 1
            raise
        finally:
            self.open_streams -= 1
            await asyncio.shield(self._notify())
        return response

    async def _as_given(self, response: web.StreamResponse, head: Mapping[str, Any], fault: StreamsPieces) -> None:
        for delta in fault.deltas:
            await response.write(_event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
        if fault.hangs:
            await self._unless_gone(asyncio.Event().wait())
        if fault.finish is not None:
            choice = {"index": 0, "delta": {}, "finish_reason": fault.finish}
            await response.write(_event({**head, "choices": [choice]}))
            await response.write(b"data: [DONE]\n\n")

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body, model, fault = await self._taken(request)
        if fault is not None and (refused := await self._plain_fault(fault)) is not None:
            return refused
        texts = body["input"]
        rows = [{"object": "embedding", "index": n, "embedding": self.vector(t)} for n, t in enumerate(texts)]
        tokens = sum(len(text) // 4 + 1 for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "model": model, "data": rows, "usage": usage})

    async def _taken(self, request: web.Request) -> tuple[Mapping[str, Any], str, Fault | None]:
        """Count a request and say what is to happen to it."""
        body = await request.json()
        model = request.match_info.get("deployment") or str(body.get("model"))
        self.count += 1
        self.seen.append(SeenRequest(request.path, model, body))
        await self._notify()
        refused = self._refused(request, model)
        if refused is not None:
            return body, model, refused
        fault = self.faults.popleft() if self.faults else None
        said = body["messages"][-1]["content"] if body.get("messages") else ""
        return body, model, fault or self.on_text.get(said) or self.always.get(model)

    def _refused(self, request: web.Request, model: str) -> Status | None:
        key = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        azure = "/deployments/" in request.path
        if key != KEY:
            return _error(401, "401" if azure else "invalid_api_key", "Access denied due to invalid subscription key.")
        if azure and request.query.get("api-version") != API_VERSION:
            return _error(400, "BadRequest", "API version not supported")
        if self.deployments is not None and model not in self.deployments:
            code, message = ("DeploymentNotFound", "The API deployment for this resource does not exist.")
            return _error(404, code if azure else "model_not_found", message)
        return None

    async def _plain_fault(self, fault: Fault) -> web.Response | None:
        if isinstance(fault, Status):
            text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
            return web.Response(
                status=fault.status, text=text, content_type="application/json", headers=dict(fault.headers)
            )
        if isinstance(fault, Garbage):
            return web.Response(text=fault.body, content_type="application/json")
        if isinstance(fault, Hang):
            await self._unless_gone(asyncio.Event().wait())
        return None

    async def _broken(self, request: web.Request, fault: Fault | None) -> None:
        if isinstance(fault, Hang):
            await self._unless_gone(asyncio.Event().wait())
        if request.transport is not None:
            request.transport.abort()

    async def _unless_gone(self, wait: Any) -> None:
        try:
            await wait
        except asyncio.CancelledError:
            self.broken_off += 1
            await asyncio.shield(self._notify())
            raise


@asynccontextmanager
async def fake_model(answer: Answer | None = None, **options: Any) -> AsyncIterator[FakeModel]:
    """A running server, stopped at the end."""
    server = FakeModel(answer, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def pleasantry(body: Mapping[str, Any]) -> str:
    """What it says by default: some sentences, the same for the same question."""
    said = body["messages"][-1]["content"]
    mark = blake2b(said.encode(), digest_size=2).hexdigest()
    return f"I hear you, friend. They call this street number {mark}. Mr. Vance owes me $3.50, so what do you want?"


def actor_of_prompts(body: Mapping[str, Any]) -> str:
    """Plays the role it is prompted with, as well as a few lines of code can: it answers in the shape that is asked for
    and says what it was told to remember. It shows that a prompt carries what an answer needs, and nothing more."""
    told = body["messages"][-1]["content"]
    memories = re.findall(r"^memory: \"\([^)]*\) (.*)\"$|^cause: \"(.*) \([^)]*\)\"$", told, re.MULTILINE)
    heard = re.search(r"^heard: \"(.*)\"$", told, re.MULTILINE)
    asked = set() if heard is None else set(re.findall(r"\w+", heard.group(1).lower()))
    kept = [memory or cause for memory, cause in memories]
    best = max(kept, key=lambda text: len(asked & set(re.findall(r"\w+", text.lower()))), default=None)
    words = "I have a lot on my mind tonight." if best is None else f"I keep this in mind: {best}"
    echo = "" if heard is None else f"You say {heard.group(1)!r}, and I heard you. "
    said = f"{echo}{words} That is how it is around here."
    return json.dumps({"say": said, "actions": []}) if "response_format" in body else said


def variables_for(server: FakeModel) -> dict[str, str]:
    """The settings of a world whose Azure endpoint is this server."""
    return {
        "AZURE_OPENAI_ENDPOINT": server.url,
        "AZURE_OPENAI_KEY": KEY,
        "AZURE_OPENAI_API_VERSION": API_VERSION,
        "AZURE_OPENAI_DEPLOYMENT": "gpt-4o",
    }


def vector_of(text: str) -> list[float]:
    """A vector by letters: the same for the same text, near for texts with the same letters."""
    counts = [0.0] * VECTOR_SIZE
    for letter in text.lower():
        counts[ord(letter) % VECTOR_SIZE] += 1.0
    length = sum(value * value for value in counts) ** 0.5 or 1.0
    return [value / length for value in counts]


def _has(body: Mapping[str, Any], name: str) -> bool:
    """Whether a request has a field, by a path with dots; ``role:system``: a message of that role."""
    if name.startswith("role:"):
        return any(said["role"] == name.removeprefix("role:") for said in body["messages"])
    found: Any = body
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _error(status: int, code: str, message: str) -> Status:
    return Status(status, {"error": {"code": code, "message": message}})


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1_700_000_000, "model": model}


def _usage(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    asked = sum(len(said["content"]) // 4 + 4 for said in body["messages"])
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 1 << 30
    told = min(len(text) // 4 + 1, limit)
    details = {"cached_tokens": 0}
    return {
        "prompt_tokens": asked, "completion_tokens": told, "total_tokens": asked + told,
        "prompt_tokens_details": details,
    }  # fmt: skip


def _event(piece: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(piece).encode() + b"\n\n"


async def _serve(port: int, delay_s: float, piece_s: float) -> None:
    async with asyncio.TaskGroup():
        server = FakeModel(delay_s=delay_s, piece_s=piece_s)
        await server.start(port)
        print(json.dumps({"url": server.url}), flush=True)  # noqa: T201 - this is its output
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description="An OpenAI-shaped server without a model behind it.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--piece", type=float, default=0.0, help="seconds between two pieces of a stream")
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.delay, options.piece))


if __name__ == "__main__":
    main()
