"""Bodies that arrive slowly, over a real server and real sockets: they are given up, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ganggpt.protocol.limits import Limits
from ganggpt.serve.request_bodies import RequestBodies
from ganggpt.serve.websocket.bridge_socket import Receive, Send
from tests.support.bridge_rig import HEADERS, TOKEN, Rig, served

TALK = "/v1/actors/npc:mara/commands/Talk"
SHORT = replace(Limits(), body_grace_s=0.3, body_timeout_s=0.8, body_rate_min=100_000.0)


class Trickle(asyncio.Protocol):
    """A client that sends the head of a request, the beginning of its body, and then a blank now and then. A protocol,
    because a stream forgets what it has read when the other side resets the connection."""

    def __init__(self, address: str, *, token: str = TOKEN, every_s: float = 0.05, part: bytes = b" ") -> None:
        self._where = urlsplit(address)
        self._token, self._every_s, self._part = token, every_s, part
        self._said = bytearray()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._said += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    async def answer(self) -> tuple[int, Any]:
        """Trickle until the server has closed the connection; the status and the body it said before."""
        loop, where = asyncio.get_running_loop(), self._where
        transport, _ = await loop.create_connection(lambda: self, where.hostname, where.port)
        head = f"POST {TALK} HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer {self._token}\r\n"
        transport.write(f"{head}Content-Length: 50000\r\n\r\n".encode() + b'{"text"')
        async with asyncio.timeout(30):
            while not self._closed.done():
                await asyncio.wait({self._closed}, timeout=self._every_s)
                # What is sent after the answer could have it thrown away unread, with a connection that was reset.
                if not self._said:
                    transport.write(self._part)
        top, _, body = bytes(self._said).partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(body)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with served(Rig(limits=SHORT).app) as where:
        yield f"http://{where}"


async def _talks(address: str) -> bool:
    async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=10) as http:
        return (await http.post(TALK, json={"text": "hello"})).status_code == 200


async def test_a_trickled_body_is_answered_408_and_the_connection_is_closed(address: str) -> None:
    status, body = await Trickle(address).answer()
    assert status == 408
    assert body["error"]["code"] == "too_slow"
    assert body["error"]["retryable"] is True


async def test_a_body_that_keeps_the_least_rate_has_an_end_nevertheless() -> None:
    # 200 bytes each 20 ms are five times the least rate; the body of 50,000 would take five seconds.
    slow = replace(SHORT, body_rate_min=2_000.0, body_timeout_s=0.8)
    async with served(Rig(limits=slow).app) as where:
        address = f"http://{where}"
        status, body = await Trickle(address, every_s=0.02, part=b" " * 200).answer()
    assert (status, body["error"]["code"]) == (408, "too_slow")


async def test_who_is_refused_before_the_end_of_a_body_is_not_listened_to_any_longer(address: str) -> None:
    status, body = await Trickle(address, token="wrong").answer()
    assert (status, body["error"]["code"]) == (401, "unauthorized")


async def test_a_large_body_that_arrives_in_parts_is_read(address: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        text = b'{"text": "hello"' + b" " * 40_000 + b"}"
        for at in range(0, len(text), 8_000):
            yield text[at : at + 8_000]

    async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=10) as http:
        assert (await http.post(TALK, content=parts())).status_code == 200


async def test_an_application_may_wait_for_the_client_to_leave_as_long_as_it_likes() -> None:
    heard: list[str] = []

    async def listens_on(scope: object, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    arrived = asyncio.Queue[dict[str, object]]()
    arrived.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
    scope = {"headers": [(b"content-length", b"2")]}
    listening = asyncio.create_task(RequestBodies(listens_on, SHORT)(scope, arrived.get, arrived.put))
    finished, _ = await asyncio.wait({listening}, timeout=2 * SHORT.body_timeout_s)
    assert not finished
    arrived.put_nowait({"type": "http.disconnect"})
    await listening
    assert heard == ["http.request", "http.disconnect"]


@pytest.mark.slow
async def test_2600_trickled_bodies_keep_no_honest_request_out() -> None:
    """The real bounds of a replica; what the flood meets first is ``bodies_max``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6_000:
        pytest.skip(f"2,600 connections with both ends in one process need 6,000 open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 6_000), hard))
    try:
        async with served(Rig().app) as where:
            address = f"http://{where}"
            flood = [asyncio.create_task(Trickle(address, every_s=1.0).answer()) for _ in range(2_600)]
            served_meanwhile = [await _talks(address) for _ in range(20)]
            answers = await asyncio.gather(*flood)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(served_meanwhile)
    assert {status for status, _ in answers} == {408}
