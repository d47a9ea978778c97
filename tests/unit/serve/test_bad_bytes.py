"""Bytes that are no text, in every place where a request may have them: an error of the caller, never one of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from ganggpt.actors.envelope import Envelope, decode_replies, encode_batch
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import KINDS
from ganggpt.observability.metrics import Metrics
from ganggpt.serve.composition import bridge_app
from ganggpt.serve.forward_endpoint import Forwarded
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import TOKEN, Rig, served

BAD = b"\xff\xfe\xc3\x28"
HEADERS = (b"Authorization", b"Idempotency-Key", b"X-Acting-As", b"Last-Event-ID", b"Cache-Control", b"Accept")
KEY = "the-key-of-this-cluster"


@pytest.fixture(scope="module")
async def served_rig() -> AsyncIterator[tuple[str, Rig]]:
    rig = Rig(kinds=KINDS)
    async with served(rig.app) as address:
        yield address, rig


async def _status(address: str, request: bytes) -> int:
    """The status of the answer to a request that is sent as it stands."""
    host, _, port = address.partition(":")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            line = await reader.readline()
        finally:
            writer.close()
    assert line.startswith(b"HTTP/1.1 "), line
    return int(line.split()[1])


def _request(method: str, path: bytes, *headers: tuple[bytes, bytes], body: bytes = b"") -> bytes:
    sent = {b"Host": b"bridge", b"Authorization": b"Bearer " + TOKEN.encode(), b"Connection": b"close", **dict(headers)}
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in sent.items())
    length = b"Content-Length: %d\r\n" % len(body)
    return method.encode() + b" " + path + b" HTTP/1.1\r\n" + lines + length + b"\r\n" + body


def _paths(described: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, method.upper()) for path, methods in described["paths"].items() for method in methods]


@pytest.mark.slow
async def test_no_route_has_a_place_where_bad_bytes_are_our_fault(served_rig: tuple[str, Rig]) -> None:
    address, rig = served_rig
    async with client_of(rig) as http:
        routes = _paths((await http.get("/openapi.json")).json())
    assert len(routes) > 30
    for path, method in routes:
        parts = path.replace("}", "{").split("{")
        good = "".join(part if n % 2 == 0 else "mara" for n, part in enumerate(parts)).encode()
        written = "".join(part if n % 2 == 0 else "%ff%fe%c3%28" for n, part in enumerate(parts)).encode()
        for request in (
            _request(method, written),
            _request(method, good + b"?limit=%ff&cursor=%ff%fe&district=%c3%28&%ff=%fe"),
            _request(method, good, body=BAD),
            _request(method, good, body=b'{"text": "' + BAD + b'"}'),
            *(_request(method, good, (name, BAD)) for name in HEADERS),
        ):
            status = await _status(address, request)
            assert status < 500, (request, status)


@pytest.mark.parametrize("name", [b"Sec-WebSocket-Protocol", b"Authorization"])
async def test_bad_bytes_in_a_handshake_are_the_callers_fault(served_rig: tuple[str, Rig], name: bytes) -> None:
    address, _ = served_rig
    upgrade = (
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Sec-WebSocket-Protocol", b"ganggpt.v1.json"),
    )
    assert 400 <= await _status(address, _request("GET", b"/v1/bridge", *upgrade, (name, BAD))) < 500


class _Cluster:
    """What stands behind ``/v1/forward``."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def take(self, envelopes: Any) -> list[bytes]:
        self.taken += envelopes
        return [b"answered" for _ in envelopes]

    async def key(self) -> str | None:
        return KEY


async def _forward(cluster: _Cluster, body: bytes) -> httpx.Response:
    rig = Rig()
    ports = replace(rig.ports, forwarded=Forwarded(cluster.take, cluster.key), metrics=Metrics())
    rig.app = bridge_app(ports, rig._close)
    async with client_of(rig) as http:
        return await http.post("/v1/forward", content=body, headers={"Authorization": f"Bearer {KEY}"})


def _batch(**changes: Any) -> bytes:
    one = Envelope(new_command_id(), "npc:mara", "server:a", "Talk", msgspec.Raw(b"\xc0"))
    return encode_batch([msgspec.structs.replace(one, **changes)])


_NO_BATCHES = {
    "bad bytes": BAD,
    "nothing": b"",
    "too deep": b"\x91" * 5000,
    "a receiver of bad bytes": _batch().replace(b"npc:mara", b"npc:\xff\xfe\xfd\xfc"),
    "a sender of bad bytes": _batch().replace(b"server:a", b"server:\xff"),
    "no actor": _batch(to="no actor"),
    "no kind": _batch(to="mara"),
    "a short id": _batch(id=b"short"),
}


@pytest.mark.parametrize("body", _NO_BATCHES.values(), ids=_NO_BATCHES.keys())
async def test_what_is_no_batch_is_refused_where_clusters_forward(body: bytes) -> None:
    cluster = _Cluster()
    answer = await _forward(cluster, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")
    assert cluster.taken == []


async def test_a_batch_of_another_cluster_is_taken() -> None:
    cluster = _Cluster()
    answer = await _forward(cluster, _batch())
    assert (answer.status_code, decode_replies(answer.content)) == (200, [b"answered"])
    assert [envelope.to for envelope in cluster.taken] == ["npc:mara"]


@pytest.mark.parametrize("path", ["/v1/npcs/", "/v1/npcs/mara/", "/health/", "/metrics/", "/openapi.json/", "/docs/"])
async def test_a_slash_at_the_end_is_forgiven(path: str) -> None:
    async with client_of(Rig()) as http:
        assert (await http.get(path, follow_redirects=False)).status_code == 200


async def test_a_command_with_a_slash_at_its_end_keeps_its_body() -> None:
    rig = Rig()
    async with client_of(rig) as http:
        answer = await http.post("/v1/actors/npc:mara/commands/Talk/", json={"text": "hello"}, follow_redirects=False)
    assert answer.status_code == 200
    assert rig.port.seen[0].name == "Talk"


async def test_the_token_is_asked_for_with_a_slash_at_the_end_too() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Rig().app), base_url="http://bridge") as stranger:
        assert (await stranger.get("/v1/npcs/")).status_code == 401
