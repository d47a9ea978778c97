"""A server of somebody's own is asked once before the demo starts, and a mistake is told with what to change."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ganggpt.config import read_settings
from ganggpt.demo.model_server import ModelServer
from ganggpt.errors import StartFailed
from ganggpt.runtime.model_plan import model_plan
from ganggpt.testing.fake_model import KEY, Fault, Garbage, Says, Status, fake_model


async def told(server: ModelServer) -> str:
    """What is said of a server that cannot be used."""
    with pytest.raises(StartFailed) as failed:
        await server.check()
    return str(failed.value)


@asynccontextmanager
async def web_server(handler: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_server_that_answers_is_fine_and_its_time_is_told() -> None:
    async with fake_model() as server:
        assert await ModelServer(f"{server.url}/v1", "any", KEY).check() > 0
        (asked,) = server.seen
    assert asked.model == "any"


async def test_a_model_that_only_thinks_at_first_is_fine() -> None:
    async with fake_model() as server:
        server.faults.append(Says("", finish="length"))
        await ModelServer(f"{server.url}/v1", "any", KEY).check()


async def test_where_nothing_listens_it_is_said_with_the_option() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        said = await told(ModelServer(url, "any"))
    assert f"The model any cannot be asked at {url}: nothing listens there (connection refused)." in said
    assert "Start the server, or check --model-url." in said


async def test_an_unknown_model_is_told_with_those_that_there_are() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "qwen3:4b"}, {"id": "gemma3"}]})
        return web.json_response({"error": {"message": "model 'qwen' not found", "code": 404}}, status=404)

    async with web_server(answer) as url:
        said = await told(ModelServer(f"{url}/v1", "qwen"))
    assert "the server has no model of that name. It has qwen3:4b, gemma3. Choose one with --model." in said


async def test_a_list_of_models_that_is_none_is_no_second_error() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.Response(text="<html>")
        return web.json_response({"error": {"message": "model 'qwen' not found", "code": 404}}, status=404)

    async with web_server(answer) as url:
        said = await told(ModelServer(f"{url}/v1", "qwen"))
    assert "Ask the server for the names of its models." in said


@pytest.mark.parametrize(
    ("fault", "problem", "fix"),
    [
        (Status(404, "<html>Not here</html>"), "nothing of this protocol is there (404)", "--model-url the address"),
        (Garbage("<html>Welcome!</html>"), "what it answers is not of this protocol", "a server with OpenAI"),
        (Status(308, "", {"Location": "http://elsewhere"}), "it leads elsewhere", "the address that it leads to"),
        (Status(500, {"error": {"message": "out of memory"}}), "out of memory", "See the log of the server."),
        (Status(422, {"error": {"message": "no such option"}}), "no such option", "See the log of the server."),
    ],
)  # fmt: skip
async def test_what_is_no_such_server_or_a_broken_one_is_told_by_its_cause(
    fault: Fault, problem: str, fix: str
) -> None:
    async with fake_model() as server:
        server.faults.extend([fault] * 3)
        said = await told(ModelServer(f"{server.url}/v1", "any", KEY))
    assert problem in said
    assert fix in said
    assert KEY not in said


async def test_a_refused_key_names_its_variable() -> None:
    async with fake_model() as server:
        said = await told(ModelServer(f"{server.url}/v1", "any", "sk-another-key"))
    assert "the key is refused" in said
    assert "Set OPENAI_API_KEY." in said
    assert "sk-another-key" not in said


@pytest.mark.parametrize(
    ("url", "problem", "fix"),
    [
        ("localhost:11434", "which is no address of a server", "It looks like http://localhost:11434/v1."),
        ("http:///v1", "which is no address of a server", "It looks like"),
        ("http://h:1/v1/chat/completions", "ends with /chat/completions", "Give it http://h:1/v1."),
    ],
)
async def test_an_address_that_cannot_be_one_is_told_without_asking(url: str, problem: str, fix: str) -> None:
    said = await told(ModelServer(url, "any"))
    assert problem in said
    assert fix in said


def test_in_the_world_of_the_demo_this_model_alone_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_KEY", "k")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "gpt-4o")
    monkeypatch.setenv("GANGGPT_AI", "off")
    for name, value in ModelServer("http://h:1/v1", "qwen3", "its-key", wait_s=45).variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    plan = model_plan(settings)
    assert plan is not None
    (spec,) = plan.deployments.values()
    assert (spec.endpoint.url, spec.entry.model, spec.endpoint.key) == ("http://h:1/v1", "qwen3", "its-key")
    assert spec.entry.timeout_s == settings.ai_wait_s == 45
    assert list(plan.slots) == ["dialogue"], "what nobody hears in the demo would only keep the server busy"
    assert "its-key" not in (tmp_path / "models.yaml").read_text()
