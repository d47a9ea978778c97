"""Proxies of the environment are for far servers only."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest

from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import ModelFailure, ProviderCall
from ganggpt.ai.port import PromptMessage
from ganggpt.errors import ConfigInvalid
from ganggpt.runtime.proxies import check_proxies, spare_this_machine
from ganggpt.testing.fake_model import KEY, fake_model

DEAD = "http://127.0.0.1:1"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.mark.parametrize("name", NAMES[:6])
@pytest.mark.parametrize("spared", ["", "localhost", "10.0.0.0/8,.example", "*"])
def test_this_machine_is_added_to_what_is_spared(name: str, spared: str) -> None:
    environment = {name: DEAD, "no_proxy": spared}
    spare_this_machine(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"]
    hosts = environment["NO_PROXY"].split(",")
    assert {"localhost", "127.0.0.1", "127.0.0.2", "::1"} <= set(hosts)
    assert all(each in hosts for each in spared.split(",") if each)
    for host in ("localhost:22005", "127.0.0.1:22005", "127.0.0.2"):
        assert urllib.request.proxy_bypass_environment(host, {"no": environment["no_proxy"]})


def test_both_spellings_are_joined() -> None:
    environment = {"HTTP_PROXY": DEAD, "NO_PROXY": "a.example", "no_proxy": "b.example"}
    spare_this_machine(environment)
    assert {"a.example", "b.example"} <= set(environment["no_proxy"].split(","))


def test_without_a_proxy_nothing_is_changed() -> None:
    environment = {"PATH": "/bin", "HTTP_PROXY": ""}
    spare_this_machine(environment)
    assert environment == {"PATH": "/bin", "HTTP_PROXY": ""}


def test_a_proxy_that_models_cannot_be_asked_through_is_said() -> None:
    far = ["https://api.openai.com/v1"]
    with pytest.raises(ConfigInvalid, match="which is no HTTP proxy") as refused:
        check_proxies({"ALL_PROXY": "socks5://user:Zebra7Quagga@h:1"}, far)
    assert refused.value.variable == "ALL_PROXY"
    assert "Zebra" not in str(refused.value)
    check_proxies({"ALL_PROXY": "socks5://h:1", "https_proxy": "http://h:1"}, far)
    check_proxies({"ALL_PROXY": "socks5://h:1", "NO_PROXY": "api.openai.com"}, far)
    check_proxies({"ALL_PROXY": "socks5://h:1"}, ["http://localhost:11434/v1", "http://[::1]:1/v1"])
    check_proxies({"HTTPS_PROXY": "h:3128"}, far)


def asking(url: str) -> tuple[OpenAIProvider, ProviderCall]:
    provider = OpenAIProvider(Endpoint("compatible", "own", url, key=KEY, timeout_s=5))
    return provider, ProviderCall("m", (PromptMessage("user", "hello"),), 10)


async def test_a_model_on_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES[:6]:
        monkeypatch.setenv(name, DEAD)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    monkeypatch.delenv("no_proxy", raising=False)
    async with fake_model(lambda _: "hello yourself") as model:
        provider, call = asking(f"{model.url}/v1")
        assert (await provider.complete(call)).text == "hello yourself"
        await provider.close()


async def test_a_far_model_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        provider, call = asking("http://model.invalid/v1")
        with pytest.raises(ModelFailure):
            await provider.complete(call)
        await provider.close()
    assert asked == ["POST http://model.invalid/v1/chat/completions HTTP/1.1\r\n"]
