"""Azure OpenAI, OpenAI and compatible servers, through the official SDK. No other file imports the SDK.

The SDK's own retries are off, because a retry has to pass the budget, the switch, the rate limit and the deadline
again. Its aiohttp transport is used: with 1,000 open streams the default one spends three times the CPU.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import httpx2
import openai
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ganggpt.ai.gateway.bounded_response import bound_responses
from ganggpt.ai.gateway.dialect import Dialect, dialect_of, refusal_words
from ganggpt.ai.gateway.endpoint import V1, Endpoint
from ganggpt.ai.gateway.provider import (
    AnswerUnreadable,
    Cause,
    Completion,
    ContentFiltered,
    Counted,
    Delta,
    ModelBusy,
    ModelFailure,
    ModelMisconfigured,
    ModelRejected,
    ModelSlow,
    ModelThoughtTooLong,
    ModelUnreachable,
    ProviderCall,
    QuotaExhausted,
    Vectors,
)
from ganggpt.ai.gateway.structured import is_whole
from ganggpt.errors import StartFailed
from ganggpt.store_urls import is_on_this_machine

log = logging.getLogger(__name__)

TokenSource = Callable[[], Awaitable[str]]
_ENTRA_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_CONNECT_S: Final = 5.0
_PROBLEM_MAX: Final = 300
_ANSWER_CHARS_MAX: Final = 64_000
"""A longer answer is cut, whatever limit the model was given."""
_RETRY_S_MAX: Final = 3600.0
_KEY_LIKE: Final = re.compile(r"\b(?:sk|pk|rk|key|Bearer)[-_ ][\w.*-]{6,}|\w*\*{3,}[\w*]*")
_WRONG: Final[Mapping[str, Cause]] = {
    "key": "key",
    "deployment": "deployment",
    "endpoint": "endpoint",
    "API version": "api_version",
    "path": "path",
}
_OF_A_MODEL: Final = re.compile(r"model|deployment", re.IGNORECASE)
_OF_CONTEXT: Final = re.compile(r"context[ _](?:length|size|window)", re.IGNORECASE)


class OpenAIProvider:
    """Implements ``provider.Provider``. Owns the SDK's client and its connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._credential: Any = None
        self._client = self._connected(endpoint)
        self._dialects: dict[str, Dialect] = {}
        """How each model is asked, with what was learned from its refusals."""

    async def complete(self, call: ProviderCall) -> Completion:
        """See Provider."""
        with _failing(self._endpoint, call.model):
            return self._read(call, await self._begun(call))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """See Provider."""
        with _failing(self._endpoint, call.model):
            async with await self._begun(call, stream=True) as pieces:
                async for delta in self._pieces(call, pieces):
                    yield delta

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """See Provider."""
        with _failing(self._endpoint, model):
            answer = await self._client.embeddings.create(model=model, input=list(texts), encoding_format="float")
            found = sorted(answer.data or (), key=lambda row: row.index)
            if [row.index for row in found] != list(range(len(texts))):
                problem = f"{len(found)} vectors for {len(texts)} texts"
                raise AnswerUnreadable(model, problem, cause="unreadable")
            return Vectors(tuple(tuple(row.embedding) for row in found), answer.usage.prompt_tokens)

    async def close(self) -> None:
        """See Provider."""
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()

    def _connected(self, endpoint: Endpoint) -> AsyncOpenAI:
        limits = httpx2.Limits(
            max_connections=endpoint.connections_max, max_keepalive_connections=endpoint.connections_max
        )
        timeout = httpx2.Timeout(endpoint.timeout_s, connect=_CONNECT_S)
        client = DefaultAioHttpClient(
            limits=limits,
            timeout=timeout,
            follow_redirects=False,
            # A proxy of the environment leads to far models only.
            trust_env=not is_on_this_machine(endpoint.url),
        )
        common: dict[str, Any] = {"timeout": timeout, "max_retries": 0, "http_client": bound_responses(client)}
        if endpoint.kind == "compatible" and urlsplit(endpoint.url).scheme == "http":
            # llama.cpp announces keep-alive and closes after every stream, so that the next call may be written into a
            # dead connection. Without TLS a new one costs next to nothing.
            common["default_headers"] = {"Connection": "close"}
        if endpoint.kind == "azure" and endpoint.api_version != V1:
            token = self._entra_token() if endpoint.entra else None
            return AsyncAzureOpenAI(
                azure_endpoint=endpoint.url,
                api_version=endpoint.api_version,
                api_key=None if endpoint.entra else endpoint.key,
                azure_ad_token_provider=token,
                **common,
            )
        url = f"{endpoint.url.rstrip('/')}/openai/v1/" if endpoint.kind == "azure" else endpoint.url
        key: Any = self._entra_token() if endpoint.entra else (endpoint.key or "none")
        return AsyncOpenAI(base_url=url, api_key=key, **common)

    def _entra_token(self) -> TokenSource:
        try:
            from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider
        except ImportError:
            fix = "Install ganggpt[entra], or set AZURE_OPENAI_KEY."
            raise StartFailed(
                "The sign-in by Entra ID needs the package azure-identity, which is missing.", fix
            ) from None
        self._credential = DefaultAzureCredential()
        return cast("TokenSource", get_bearer_token_provider(self._credential, _ENTRA_SCOPE))

    async def _begun(self, call: ProviderCall, *, stream: bool = False) -> Any:
        """What the SDK returns for a call. It is repeated where the model turns out to take another form of it: that is
        learned once."""
        while True:
            dialect = self._dialect(call)
            try:
                return await self._sent(call, dialect, stream=stream)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as refused:
                # Another call may have learned it meanwhile.
                if self._dialect(call) == dialect and not self._learned(call, refused):
                    raise

    async def _sent(self, call: ProviderCall, dialect: Dialect, *, stream: bool) -> Any:
        create: Callable[..., Awaitable[Any]] = self._client.chat.completions.create
        # Given as it goes over the wire: the SDK walks through typed arguments again for every message, which costs a
        # fifth of the CPU of a call.
        body = dialect.body(call, stream=stream)
        return await create(model=call.model, messages=(), extra_body=body, **({"stream": True} if stream else {}))

    def _dialect(self, call: ProviderCall) -> Dialect:
        known = self._dialects.get(call.model)
        if known is None:
            known = dialect_of(
                call.family or call.model, self._endpoint.token_field, call.effort, call.reasoning_tokens
            )
            self._dialects[call.model] = known
        return known

    def _learned(self, call: ProviderCall, refused: openai.APIStatusError) -> bool:
        """Whether the refusal says that the model takes another form of the call, so that it is worth repeating."""
        body = refused.body if isinstance(refused.body, Mapping) else {}
        if body.get("code") == "content_filter":
            return False
        found = self._dialect(call).after(refusal_words(body, refused.message, getattr(refused, "param", None)))
        if found is None:
            return False
        log.info("the model %s of %s is asked differently from now on: %s", call.model, self._endpoint.name, found)
        self._dialects[call.model] = found
        return True

    def _read(self, call: ProviderCall, answer: ChatCompletion) -> Completion:
        if not getattr(answer, "choices", None) or answer.choices[0].message is None:
            raise AnswerUnreadable(call.model, "it answered without a choice", cause="unreadable")
        choice = answer.choices[0]
        text = _text_of(choice.message.content)
        finish = _finish(choice.finish_reason) or "stop"
        categories = _categories(choice.model_extra)
        if finish != "filter" and "content_filter_error" in categories:
            # The filter did not run, so the text is not checked.
            finish, text = "filter", ""
        if finish != "filter" and choice.message.refusal and not text:
            finish, categories = "filter", ("refusal",)
        if finish == "length" and not text.strip():
            raise self._thought_too_long(call)
        return Completion(text[:_ANSWER_CHARS_MAX], finish, _counted(answer.usage), categories)

    async def _pieces(self, call: ProviderCall, pieces: Any) -> AsyncGenerator[Delta, None]:
        """Azure sends a first piece without choices, and with the asynchronous filter pieces without a delta."""
        finish, said = None, ""
        async for piece in pieces:
            delta = _delta(piece)
            said += delta.text
            finish = finish or delta.finish
            yield delta
            if len(said) > _ANSWER_CHARS_MAX:
                yield Delta(finish="length")
                return
        if finish == "length" and not said.strip():
            raise self._thought_too_long(call)
        if finish is None:
            # Some servers close the stream without a reason; where all of the answer is there, it counts.
            if call.shape is None or not is_whole(said):
                raise ModelSlow(call.model, "the stream was cut in the middle of the answer", cause="cut")
            yield Delta(finish="stop")

    def _thought_too_long(self, call: ProviderCall) -> ModelThoughtTooLong:
        room = self._dialect(call).reasoning_tokens
        return ModelThoughtTooLong(call.model, call.tokens_max + room)


def _delta(piece: ChatCompletionChunk) -> Delta:
    counted = _counted(piece.usage)
    if not piece.choices:
        return Delta(counted=counted)
    choice = piece.choices[0]
    delta = getattr(choice, "delta", None)
    if getattr(delta, "refusal", None):
        return Delta(finish="filter", counted=counted, categories=("refusal",))
    text = _text_of(getattr(delta, "content", None))
    finish = _finish(getattr(choice, "finish_reason", None))
    categories = _categories(choice.model_extra)
    blocked = finish == "filter" or "content_filter_error" in categories
    return Delta("" if blocked else text, "filter" if blocked else finish, counted, categories if blocked else ())


def _text_of(content: Any) -> str:
    """The text of an answer: a string, or the texts of a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    return "".join(
        _text_of(part.get("text") if isinstance(part, Mapping) else getattr(part, "text", None)) for part in parts
    )


def _finish(reason: str | None) -> Literal["stop", "length", "filter"] | None:
    if reason is None:
        return None
    return {"length": "length", "content_filter": "filter"}.get(reason, "stop")  # type: ignore[return-value]


def _counted(usage: Any) -> Counted | None:
    if usage is None or usage.prompt_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details is not None and details.cached_tokens else 0
    return Counted(usage.prompt_tokens, usage.completion_tokens or 0, cached)


def _categories(extra: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The categories that Azure's filter named, in an answer or in the body of an error."""
    if not extra:
        return ()
    if "content_filter_error" in extra:
        return ("content_filter_error",)
    inner = extra.get("innererror")
    results = extra.get("content_filter_results") or (inner or {}).get("content_filter_result") or {}
    if "error" in results:
        return ("content_filter_error",)
    found = [name for name, says in results.items() if isinstance(says, Mapping) and says.get("filtered")]
    return tuple(sorted(found))


@contextmanager
def _failing(endpoint: Endpoint, model: str) -> Iterator[None]:
    """Turns errors of the SDK into failures of the port."""
    try:
        yield
    except openai.APIConnectionError as outage:
        raise _unconnected(endpoint, model, outage) from outage
    except openai.APIStatusError as refused:
        raise _failure_of(endpoint, model, refused) from refused
    except (openai.APIResponseValidationError, ValueError, AttributeError, TypeError) as unreadable:
        # The SDK does not check the records it builds, so a body of another shape raises one of these.
        problem = f"no answer of this protocol: {_short(unreadable)}"
        raise AnswerUnreadable(model, problem, cause="unreadable") from unreadable
    except (openai.APIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError) as cut:
        raise ModelSlow(model, f"the answer was cut: {_short(cut)}", cause="cut") from cut


def _unconnected(endpoint: Endpoint, model: str, failed: openai.APIConnectionError) -> ModelFailure:
    """The failure of a lost connection: the server was never reached, which costs nothing; or it was, which may
    cost."""
    causes: list[BaseException] = [failed]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    lost = any(isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError) for cause in causes)
    if not lost and any(isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout) for cause in causes):
        problem = f"{endpoint.name} cannot be reached at {endpoint.address(model)}: {_short(causes[-1])}"
        return ModelUnreachable(model, problem, cause=_cause_of(causes))
    slow = isinstance(failed, openai.APITimeoutError)
    problem = f"the connection broke before the whole answer came: {_short(causes[-1])}"
    return ModelSlow(model, problem, cause="timeout" if slow else "cut")


def _cause_of(causes: Sequence[BaseException]) -> Cause:
    """Why a server was never reached."""
    if any(isinstance(cause, aiohttp.ClientConnectorDNSError | socket.gaierror) for cause in causes):
        return "dns"
    if any(isinstance(cause, aiohttp.ClientSSLError | ssl.SSLError) for cause in causes):
        return "tls"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "refused"
    return "timeout" if any(isinstance(cause, TimeoutError) for cause in causes) else "unreachable"


def _failure_of(endpoint: Endpoint, model: str, refused: openai.APIStatusError) -> ModelFailure:
    status, body = refused.status_code, refused.body if isinstance(refused.body, Mapping) else {}
    said, wait_s = _without_keys(_short(refused.message), endpoint.key), _wait_s(refused.response.headers)
    if status == 400 and body.get("code") == "content_filter":
        return ContentFiltered(model, "prompt", _categories(body) or ("unnamed",))
    if status == 429 and "insufficient_quota" in {body.get("code"), body.get("type")}:
        return QuotaExhausted(model, f"the quota of {endpoint.name} is used up: {said}", cause="quota")
    if status == 429:
        return ModelBusy(model, said, 1.0 if wait_s is None else wait_s, "rate_limit")
    wrong = {401: "key", 403: "key"}.get(status)
    if status == 404:
        # Servers name the model they do not have; a path they do not have is a page of some other kind.
        wrong = "deployment" if _OF_A_MODEL.search(f"{said} {body.get('code')}") else "path"
    if 300 <= status < 400:
        wrong = "endpoint"
    elif status == 400 and re.search(r"api.version", said, re.IGNORECASE):
        wrong = "API version"
    if wrong is not None:
        told = _no_path(endpoint, refused, said) if wrong == "path" else _fix(endpoint, wrong, said)
        return ModelMisconfigured(model, told, cause=_WRONG[wrong])
    if status in {408, 409} or status >= 500:
        return ModelUnreachable(model, f"status {status}: {said}", wait_s, "server_error")
    is_too_long = _OF_CONTEXT.search(f"{said} {body.get('code')} {body.get('type')}")
    return ModelRejected(model, f"status {status}: {said}", cause="context" if is_too_long else "rejected")


def _no_path(endpoint: Endpoint, refused: openai.APIStatusError, said: str) -> str:
    """A 404 that speaks of no model: the address that was asked is not one of this protocol."""
    asked = urlsplit(str(refused.request.url))
    address = urlunsplit((asked.scheme, asked.netloc.rpartition("@")[2], asked.path, "", ""))
    is_bare = endpoint.kind != "azure" and not urlsplit(endpoint.url).path.rstrip("/").endswith("/v1")
    hint = "; most servers want an address that ends with /v1" if is_bare else ""
    return f"nothing of this protocol answers at {address} ({said}). Check {_place_of(endpoint, 'endpoint')}{hint}"


def _fix(endpoint: Endpoint, what: str, said: str) -> str:
    return f"the {what} is refused ({said}). Check it in {_place_of(endpoint, what)}"


def _place_of(endpoint: Endpoint, what: str) -> str:
    """Where something of a provider is set."""
    names = {
        "key": "KEY" if endpoint.kind == "azure" else "API_KEY",
        "deployment": "DEPLOYMENT" if endpoint.kind == "azure" else "MODEL",
        "API version": "API_VERSION",
        "endpoint": "ENDPOINT" if endpoint.kind == "azure" else "BASE_URL",
    }
    prefix = "AZURE_OPENAI" if endpoint.kind == "azure" else "OPENAI"
    return f"provider {endpoint.name!r} of the models file (or {prefix}_{names[what]})"


def _without_keys(said: str, key: str | None) -> str:
    """What a server said, without our key and without what looks like one: some servers repeat it."""
    if key:
        said = said.replace(key, "(the key)")
    return _KEY_LIKE.sub("(a key)", said)


def _wait_s(headers: httpx2.Headers) -> float | None:
    """Retry-After in seconds: Azure's ``retry-after-ms`` first. A date is not read: no such server sends one."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if wait_s >= 0:
            return min(wait_s, _RETRY_S_MAX)
    return None


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text[:_PROBLEM_MAX]
