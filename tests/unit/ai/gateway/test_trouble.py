"""A dead model is known by its last error: what, since when, how often, at which address; and never a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.gateway_config import SlotEntry
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Cause
from ganggpt.ai.gateway.trouble import CAUSES
from ganggpt.testing.fake_model import (
    API_VERSION,
    KEY,
    CutOff,
    Fault,
    Garbage,
    Hang,
    Says,
    Status,
    out_of_quota,
    rate_limited,
)
from tests.support.eventually import eventually
from tests.support.gateway_rig import Rig, rigged, talk

LARGE = SlotEntry(large=("large",), small=())
ONCE: dict[str, Any] = {"tries": 1}
IMPATIENT = {**ONCE, "timeout_s": 0.3}
"""For a server that never answers: one that does must never be too late for it on a busy machine."""


def _says(status: int, message: str) -> Status:
    return Status(status, {"error": {"message": message, "code": str(status)}})


async def _errors(rig: Rig) -> dict[str, Any]:
    errors: dict[str, Any] = (await rig.gateway.state())["errors"]
    return errors


@pytest.mark.parametrize(
    ("fault", "code", "cause"),
    [
        (_says(401, f"Incorrect API key provided: {KEY}. You can find yours at …"), "model_misconfigured", "key"),
        (_says(403, "Bearer sk-proj-abcdefghijk is not allowed"), "model_misconfigured", "key"),
        (_says(404, "The API deployment for this resource does not exist."), "model_misconfigured", "deployment"),
        (_says(404, "Resource not found"), "model_misconfigured", "path"),
        (_says(400, "API version not supported"), "model_misconfigured", "api_version"),
        (Status(308, {}, {"Location": "http://elsewhere"}), "model_misconfigured", "endpoint"),
        (rate_limited(30.0), "model_busy", "rate_limit"),
        (out_of_quota(), "quota_exhausted", "quota"),
        (_says(500, "it broke"), "model_away", "server_error"),
        (_says(422, "no such option"), "model_rejected", "rejected"),
        (_says(400, "This model's maximum context length is 2048 tokens."), "model_rejected", "context"),
        (_says(400, "request (2146 tokens) exceeds the available context size"), "model_rejected", "context"),
        (Hang(), "model_slow", "timeout"),
        (CutOff(), "model_slow", "cut"),
        (Garbage(), "answer_unreadable", "unreadable"),
        (Says("", finish="length"), "model_thought_too_long", "thought"),
    ],
)
async def test_each_failure_of_a_server_is_told_by_its_cause(fault: Fault, code: str, cause: Cause) -> None:
    async with rigged(slots=LARGE, entry=IMPATIENT if isinstance(fault, Hang) else ONCE) as rig:
        rig.server.faults.extend([fault] * 5)
        await rig.gateway.answer(talk())
        error = (await _errors(rig))["large"]
        assert (error["code"], error["cause"], error["count"]) == (code, cause, 1)
        assert error["address"] == f"{rig.server.url}/openai/deployments/large"
        assert error["message"] == f"{error['address']}: {CAUSES[cause]}"
        assert error["since"] == error["last"]
        told = json.dumps(await rig.gateway.state())
        assert KEY not in told
        assert "sk-proj" not in told


@asynccontextmanager
async def _elsewhere(url: str) -> AsyncIterator[Rig]:
    async with rigged() as rig:
        provider = OpenAIProvider(Endpoint("compatible", "rack", url, KEY, API_VERSION, timeout_s=1.0))
        rig.build(slots=LARGE, entry=ONCE, provider=provider)
        for name, one in rig.deployments.items():
            one.troubles.address = provider._endpoint.address(name)
        yield rig
        await rig.gateway.close()


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:{closed}/v1?key=secret-in-a-query", "refused"),
        ("http://no-such-host.invalid/v1?key=secret-in-a-query", "dns"),
    ],
)
async def test_a_server_that_is_not_there_is_told_by_its_cause_and_without_what_is_secret_in_its_address(
    url: str, cause: Cause
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = url.format(closed=probe.getsockname()[1])
    async with _elsewhere(url) as rig:
        await rig.gateway.answer(talk())
        error = (await _errors(rig))["large"]
        assert (error["code"], error["cause"]) == ("model_away", cause)
        assert "secret" not in json.dumps(error)
        assert error["address"].endswith("/v1")


def test_an_address_is_shown_without_its_secrets() -> None:
    url = "https://user:secret@west.example:8443/base/?key=secret#secret"
    shown = {
        ("azure", API_VERSION): "https://west.example:8443/base/openai/deployments/gpt",
        ("azure", "v1"): "https://west.example:8443/base/openai/v1",
        ("compatible", API_VERSION): "https://west.example:8443/base",
    }
    for (kind, version), address in shown.items():
        assert Endpoint(kind, "west", url, KEY, version).address("gpt") == address  # type: ignore[arg-type]


async def test_a_server_that_speaks_no_tls_is_told_so() -> None:
    async with rigged() as rig:
        url = rig.server.url.replace("http://", "https://")
        async with _elsewhere(f"{url}/v1") as other:
            await other.gateway.answer(talk())
            assert (await _errors(other))["large"]["cause"] == "tls"


async def test_failures_in_a_row_are_counted_from_the_first_one_and_an_answer_ends_them() -> None:
    now_s = 1_800_000_000.0
    async with rigged(slots=LARGE, entry=ONCE) as rig:
        rig.deployments["large"].troubles._clock = lambda: now_s
        rig.server.faults.extend([_says(500, "it broke"), Hang(), _says(500, "again")])
        for n in range(3):
            await rig.gateway.answer(talk(f"line {n}"))
            now_s += 60
        error = (await _errors(rig))["large"]
        assert (error["count"], error["cause"]) == (3, "server_error")
        # Its breaker is closed, so it is still called; that does not make it look well.
        assert (await rig.gateway.state())["models"]["large"] == "fails: it has an error of its own (5xx)"
        assert (error["since"], error["last"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:02:00Z")
        await rig.gateway.answer(talk("and now"))
        assert await _errors(rig) == {}
        assert (await rig.gateway.state())["models"]["large"] == "ready"


async def test_at_the_start_every_model_is_asked_and_the_dead_ones_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rigged(entry=ONCE) as rig:
        rig.server.always["small"] = _says(404, f"no deployment; {KEY}")
        checks = rig.gateway.checks
        with caplog.at_level(logging.WARNING, "ganggpt.ai.gateway.model_checks"):
            await checks.check(rig.deployments)
            await checks.check(["small"])
        told = [r.getMessage() for r in caplog.records if r.name == "ganggpt.ai.gateway.model_checks"]
        address = f"{rig.server.url}/openai/deployments/small"
        assert told == [f"the model small cannot be asked at {address}: there is no such model or deployment (404)"]
        assert set(await _errors(rig)) == {"small"}
        assert rig.records.nano_usd > 0, "a check is paid for like every call"
        assert {spend.purpose for spend in rig.records.spends} == {"check"}


async def test_a_model_that_heals_is_noticed_without_a_player(caplog: pytest.LogCaptureFixture) -> None:
    async with rigged(entry=ONCE) as rig:
        rig.server.always["large"] = _says(500, "it broke")
        checks = rig.gateway.checks
        checks._again_s = 0.01
        running = asyncio.create_task(checks.run())
        try:
            await eventually(lambda: checks.done)
            assert "large" in await _errors(rig)
            del rig.server.always["large"]
            with caplog.at_level(logging.WARNING):
                await eventually(lambda: "the model large answers again" in caplog.text)
            assert await _errors(rig) == {}
        finally:
            running.cancel()
        asked = rig.server.count
        await checks.check([])
        assert rig.server.count == asked


async def test_while_models_are_switched_off_none_is_checked() -> None:
    async with rigged(entry=ONCE) as rig:
        rig.on = False
        await rig.gateway.checks.check(rig.deployments)
        assert rig.server.count == 0
        assert await _errors(rig) == {}
