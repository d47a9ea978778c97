"""REST under /v1, its errors, and what schema-driven fuzzing finds (no 5xx)."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.domain.npc.commands import Revise, Talk
from ganggpt.domain.retirement import Retire
from ganggpt.errors import (
    AlreadyExists,
    CommitUnknown,
    Expired,
    Fenced,
    GangGPTError,
    Moved,
    Overloaded,
    Refused,
    Unavailable,
    WrongCluster,
)
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import HEADERS, Rig
from tests.support.bridge_rig import kind as a_kind

TALK = "/v1/actors/npc:mara/commands/Talk"


@pytest.fixture
async def rig() -> Rig:
    return Rig()


@pytest.fixture
async def http(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(rig) as client:
        yield client


def _code(answer: httpx.Response) -> str:
    body = answer.json()
    assert set(body) == {"error"}
    assert {"code", "message", "retryable"} <= set(body["error"])
    return str(body["error"]["code"])


async def test_a_command_by_rest_is_a_command(rig: Rig, http: httpx.AsyncClient) -> None:
    key = command_id_text(new_command_id())
    answer = await http.post(
        TALK, json={"text": "hello"}, headers={"Idempotency-Key": key, "X-Acting-As": "player:bob"}
    )
    assert answer.status_code == 200
    assert answer.json() == {"id": key, "ok": True, "seq": 1, "reply": {"said": "hello"}}
    assert answer.headers["Idempotency-Key"] == key
    envelope = rig.port.seen[0]
    assert (command_id_text(envelope.id), envelope.to, envelope.by) == (key, "npc:mara", "player:bob")
    assert msgspec.msgpack.decode(envelope.body, type=Talk) == Talk("hello")


@pytest.mark.parametrize(
    ("method", "body", "command"),
    [("PATCH", {"role": "boss", "faction": ""}, Revise(role="boss", faction="")), ("DELETE", None, Retire())],
)
async def test_an_npc_is_changed_and_retired_by_the_methods_of_rest(
    method: str, body: Any, command: Revise | Retire
) -> None:
    rig = Rig(kinds={"npc": a_kind("npc", Talk, Revise, Retire)})
    key = command_id_text(new_command_id())
    async with client_of(rig) as http:
        answer = await http.request(method, "/v1/npcs/mara", json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["id"]) == (200, key)
        assert _code(await http.request(method, "/v1/npcs/Mara%20Voss", json=body)) == "invalid_input"
        assert _code(await http.request(method, "/v1/npcs/mara", json={"wings": 2})) == "invalid_input"
    (envelope,) = rig.port.seen
    assert (envelope.to, envelope.by, envelope.name) == ("npc:mara", "server:rest", command.tag)
    assert msgspec.msgpack.decode(envelope.body, type=type(command)) == command


async def test_without_a_key_each_request_is_a_new_command_of_the_border(rig: Rig, http: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await http.post(TALK, json={"text": "hello"})).status_code == 200
    first, second = rig.port.seen
    assert first.id != second.id
    assert first.by == "server:rest"


@pytest.mark.parametrize(
    ("path", "arguments", "headers", "status", "code"),
    [
        (TALK, {"text": ""}, {}, 422, "invalid_input"),
        (TALK, {"text": "\x00"}, {}, 422, "invalid_input"),
        (TALK, {}, {}, 422, "invalid_input"),
        (TALK, [], {}, 422, "invalid_input"),
        (TALK, {"text": "hi", "more": 1}, {}, 422, "invalid_input"),
        (TALK, {"text": "hi"}, {"Idempotency-Key": "no"}, 422, "invalid_input"),
        (TALK, {"text": "hi"}, {"Idempotency-Key": str(uuid.uuid4())}, 422, "invalid_input"),
        (TALK, {"text": "hi"}, {"X-Acting-As": "npc:mara"}, 422, "invalid_input"),
        (TALK, {"text": "x" * 100_000}, {}, 413, "too_large"),
        ("/v1/actors/npc:mara/commands/Dance", {}, {}, 404, "unknown_command"),
        ("/v1/actors/npc:mara/commands/Remember", {"text": "x"}, {}, 404, "unknown_command"),
        ("/v1/actors/mara/commands/Talk", {"text": "x"}, {}, 422, "invalid_input"),
        ("/v1/actors/npc:MARA/commands/Talk", {"text": "x"}, {}, 422, "invalid_input"),
        ("/v1/actors/npc:%00/commands/Talk", {"text": "x"}, {}, 422, "invalid_input"),
        ("/v1/nothing", {}, {}, 404, "not_found"),
        ("/v1/actors/", {}, {}, 404, "not_found"),
        ("/v1/factions", {}, {}, 405, "method_not_allowed"),
    ],
)
async def test_bad_requests_are_answered_in_the_shape_of_errors(
    rig: Rig, http: httpx.AsyncClient, path: str, arguments: Any, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await http.post(path, json=arguments, headers=headers)
    assert (answer.status_code, _code(answer)) == (status, code)
    assert rig.port.seen == []


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b"NaN", b'{"text":"\\ud800"}', b"\x00"])
async def test_a_body_that_is_not_json_is_invalid_input(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(TALK, content=body)
    assert (answer.status_code, _code(answer)) == (422, "invalid_input")


async def test_a_body_without_an_end_is_cut_off_at_the_limit(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * 65_536:
            sent += 16_384
            yield b" " * 16_384

    answer = await http.post(TALK, content=endless())
    assert (answer.status_code, _code(answer)) == (413, "too_large")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("asleep", "she sleeps"), 409),
        (AlreadyExists("npc:mara"), 409),
        (Expired("x", 5.0), 410),
        (Overloaded("the mailbox", 10, 1500), 429),
        (Unavailable("a host"), 503),
        (Moved("npc:mara"), 503),
        (WrongCluster("npc:mara", "green", "ws://green/v1/bridge"), 503),
        (Fenced("h", 1), 503),
        (CommitUnknown("h", 1, "cut"), 503),
    ],
)
async def test_an_error_of_the_runtime_has_its_status(
    rig: Rig, http: httpx.AsyncClient, error: GangGPTError, status: int
) -> None:
    rig.port.refusal = error
    answer = await http.post(TALK, json={"text": "hi"})
    assert (answer.status_code, _code(answer)) == (status, error.code)
    assert ("Retry-After" in answer.headers) == (error.retry_after_ms is not None)
    if isinstance(error, Overloaded):
        assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("path", ["/v1/npcs/mara", "/v1/factions", TALK, "/", "/nothing", "/v1/bridge"])
@pytest.mark.parametrize("token", [None, b"Bearer wrong", b"Bearer", b"Basic abc", b"Bearer \xe9"])
async def test_nothing_but_health_metrics_and_docs_is_shown_without_the_token(
    rig: Rig, path: str, token: bytes | None
) -> None:
    headers = [] if token is None else [(b"Authorization", token)]
    async with client_of(rig) as client:
        del client.headers["Authorization"]
        for method in ("GET", "POST"):
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, _code(answer)) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for open_path in ("/docs", "/openapi.json", "/metrics", "/health", "/health/live", "/health/ready"):
            assert (await client.get(open_path)).status_code == 200


async def test_reads_come_from_the_actor_and_then_from_the_cache(rig: Rig, http: httpx.AsyncClient) -> None:
    for kind, plural in (("npc", "npcs"), ("faction", "factions"), ("companion", "companions")):
        first = await http.get(f"/v1/{plural}/mara")
        assert first.json() == {"id": f"{kind}:mara", "memories": []}
        asked = len(rig.port.seen)
        assert (await http.get(f"/v1/{plural}/mara")).json() == first.json()
        assert len(rig.port.seen) == asked
        await http.get(f"/v1/{plural}/mara", headers={"Cache-Control": "no-cache"})
        assert len(rig.port.seen) == asked + 1
    assert "ganggpt:npc:mara:memory" in rig.cache.values
    assert (await http.get("/v1/npcs/mara/memories")).json() == {"id": "mara", "memories": []}
    for plural in ("missions", "players"):
        assert (await http.get(f"/v1/{plural}/one")).status_code == 200


async def test_an_actor_that_is_not_there_is_not_found_and_not_cached(rig: Rig, http: httpx.AsyncClient) -> None:
    rig.port.missing.add("npc:nobody")
    answer = await http.get("/v1/npcs/nobody")
    assert (answer.status_code, _code(answer)) == (404, "unknown_actor")
    assert rig.cache.values == {}
    assert _code(await http.get("/v1/npcs/No%20Body")) == "invalid_input"


async def test_all_factions_are_listed_and_the_silent_ones_counted(rig: Rig, http: httpx.AsyncClient) -> None:
    rig.port.missing.add("faction:vipers")
    answer = (await http.get("/v1/factions")).json()
    assert [faction["id"] for faction in answer["factions"]] == ["faction:harbour", "faction:council"]
    assert answer["unanswered"] == 1


async def test_openapi_has_every_public_command_with_its_arguments(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    talk = paths["/v1/actors/npc:{name}/commands/Talk"]["post"]
    schema = talk["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["text"]["maxLength"] == 500
    assert "/v1/actors/npc:{name}/commands/Remember" not in paths
    assert "/v1/actors/{actor}/commands/{command}" in paths
    assert "$ref" not in json.dumps(schema)


HEADER_NAMES = st.sampled_from(
    ["Idempotency-Key", "X-Acting-As", "Content-Length", "Content-Type", "Host", "Cache-Control"]
)
HEADER_VALUES = st.text(st.characters(min_codepoint=1, max_codepoint=255, blacklist_characters="\r\n"), max_size=40)
PATHS = st.one_of(
    st.sampled_from(["/v1/npcs/", "/v1/actors/npc:mara/commands/", "/v1/players/", "/", "//", "/v1/actors/"]),
    st.just("/v1/actors/npc:mara/commands/Talk"),
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"]),
    PATHS,
    st.text(max_size=10),
    st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=3),
    st.binary(max_size=60),
)
@settings(max_examples=200, deadline=None)
async def test_no_request_of_any_shape_is_our_fault(
    method: str, path: str, tail: str, headers: dict[str, str], body: bytes
) -> None:
    rig = Rig.bare()
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    given_headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path + tail,
        "raw_path": b"/",
        "root_path": "",
        "scheme": "http",
        "query_string": tail.encode("utf-8", "replace"),
        "headers": [(b"authorization", HEADERS["Authorization"].encode()), *given_headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    async with asyncio.timeout(5):
        await rig.app(scope, receive, send)  # type: ignore[arg-type]
    assert len(status) == 1
    assert status[0] < 500
