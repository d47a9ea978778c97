"""A model's server cannot fill our memory: by no small body that unpacks to a huge one, and by none without end."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
from aiohttp import web
from openai import DefaultAioHttpClient

from ganggpt.ai.gateway import bounded_response
from ganggpt.ai.gateway.bounded_response import bound_responses
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import ModelFailure, ProviderCall
from ganggpt.ai.port import PromptMessage

BOMB = gzip.compress(bytes(1 << 26))


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server of bombs, of bodies without end, and of what it was asked to accept."""

    async def bomb(_: web.Request) -> web.Response:
        return web.Response(body=BOMB, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    async def accepts(request: web.Request) -> web.Response:
        return web.json_response({"accepts": request.headers["Accept-Encoding"]})

    app = web.Application()
    app.router.add_get("/bomb", bomb)
    app.router.add_post("/bomb/chat/completions", bomb)
    app.router.add_post("/endless/chat/completions", endless)
    app.router.add_get("/endless", endless)
    app.router.add_get("/accepts", accepts)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_plain_body_is_asked_for_and_read(server: str) -> None:
    async with bound_responses(DefaultAioHttpClient()) as client:
        assert (await client.get(f"{server}/accepts")).json() == {"accepts": "identity"}


async def test_a_compressed_body_is_refused_unread(server: str) -> None:
    async with bound_responses(DefaultAioHttpClient()) as client:
        with pytest.raises(httpx2.DecodingError, match="compressed"):
            await client.get(f"{server}/bomb")


async def test_a_body_without_end_is_read_up_to_a_bound(server: str) -> None:
    async with bound_responses(DefaultAioHttpClient(), bytes_max=1 << 20) as client:
        with pytest.raises(httpx2.ReadError, match="more than 1048576 bytes"):
            await client.get(f"{server}/endless")


@pytest.mark.parametrize("path", ["bomb", "endless"])
async def test_such_an_answer_of_a_model_is_a_failure_of_the_model(
    server: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_response.bound_responses, "__defaults__", (1 << 20,))
    provider = OpenAIProvider(Endpoint("compatible", "fake", f"{server}/{path}", "key"))
    call = ProviderCall("model", (PromptMessage("user", "hello"),), 10)
    try:
        with pytest.raises(ModelFailure):
            await provider.complete(call)
    finally:
        await provider.close()
