"""What the bridge of another cluster answers is bounded, and never unpacked."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ganggpt.actors.routing import forwarder as module
from ganggpt.actors.routing.forwarder import FORWARD_PATH, Forwarder
from ganggpt.actors.routing.shards import RemoteCluster
from ganggpt.errors import Unavailable


@pytest.fixture
async def remote() -> AsyncIterator[RemoteCluster]:
    """A bridge that answers as the batch says."""

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.read()
        assert request.headers["Accept-Encoding"] == "identity"
        if wanted == b"bomb":
            return web.Response(body=gzip.compress(bytes(1 << 22)), headers={"Content-Encoding": "gzip"})
        if wanted == b"no":
            return web.Response(status=401)
        return web.Response(body=bytes(1 << 20) if wanted == b"much" else b"replies")

    app = web.Application()
    app.router.add_post(FORWARD_PATH, answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield RemoteCluster("green", f"ws://127.0.0.1:{runner.addresses[0][1]}/v1/bridge")
    await runner.cleanup()


async def key_of(_: str) -> str:
    return "key"


async def test_a_plain_answer_comes_back_and_every_other_is_an_outage_of_that_bridge(
    remote: RemoteCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLIES_BYTES_MAX", 1 << 19)
    forward = Forwarder(key_of, 5.0)
    try:
        assert await forward(remote, b"batch") == b"replies"
        for wrong in (b"bomb", b"much", b"no"):
            with pytest.raises(Unavailable, match="green"):
                await forward(remote, wrong)
        assert await forward(remote, b"batch") == b"replies"
    finally:
        await forward.close()
