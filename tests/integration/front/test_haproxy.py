"""The real HAProxy with the configuration that Serve writes for it, as we change it: what a client gets when there is
no bridge, when it fails, and from where the other ports are reached."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from ganggpt.runtime.haproxy import TemplateChanged, changed_configuration, haproxy_binary, start_script, write_errors
from ganggpt.runtime.network_ports import with_ipv6_loopback
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(haproxy_binary() is None, reason="Serve has HAProxy on Linux only"),
]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
"""What a bridge answers to the question whether it is well."""


@dataclass(frozen=True)
class Front:
    """A running HAProxy."""

    url: str
    process: psutil.Process
    ports: dict[str, int]


def _three_ports() -> dict[str, int]:
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        return dict(zip(("front", "stats", "metrics"), (each.getsockname()[1] for each in bound), strict=True))


def _written_by_serve(folder: Path, ports: dict[str, int], bridge_port: int | None) -> Path:
    """The configuration as Ray Serve writes it, with a bridge behind it or without one."""
    config = HAProxyConfig(
        socket_path=str(folder / "s"), server_state_base=str(folder), server_state_file=str(folder / "state"),
        stats_port=ports["stats"], metrics_port=ports["metrics"], metrics_socket_path=str(folder / "m"),
        http_options=HTTPOptions(host="127.0.0.1", port=ports["front"]), timeout_server_s=1, retries=0,
        health_check_rise=1, health_check_fall=1, is_head=True, nbthread=1,
    )  # fmt: skip
    backends = {}
    if bridge_port is not None:
        servers = [ServerConfig(name="bridge", host="127.0.0.1", port=bridge_port)]
        backends["app"] = BackendConfig(name="app", path_prefix="/", app_name="app", servers=servers)
    serve = HAProxyApi(config, backends, str(folder / "cfg"))
    serve._generate_config_file_internal()
    return folder / "cfg"


@contextmanager
def front(folder: Path, bridge_port: int | None = None, *, ipv6: bool = False) -> Iterator[Front]:
    """HAProxy, started as Serve starts it."""
    binary, ports = haproxy_binary(), _three_ports()
    assert binary is not None
    start = folder / "start"
    start.write_text(start_script(binary, with_ipv6_loopback("0.0.0.0", ports["front"]) if ipv6 else "0.0.0.0"))
    start.chmod(0o700)
    config = _written_by_serve(folder, ports, bridge_port)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([start, "-db", "-f", config], stdout=log, stderr=log)
    try:
        yield Front(f"http://127.0.0.1:{ports['front']}", psutil.Process(process.pid), ports)
    finally:
        process.kill()
        process.wait(10)


@asynccontextmanager
async def bridge(answer: bytes | None) -> AsyncIterator[int]:
    """Something in the place of a bridge, well by all appearances: it answers every request with these bytes, cuts the
    connection where they are empty, and says nothing where there are none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/-/healthz" in head:
                    writer.write(OK)
                elif answer:
                    writer.write(answer)
                elif answer is None:
                    await reader.read()
                else:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answered(running: Front, path: str = "/v1/npcs/mara") -> httpx.Response:
    async with httpx.AsyncClient(base_url=running.url, timeout=15) as http:

        async def reached() -> httpx.Response | None:
            with suppress(httpx.ConnectError):
                return await http.get(path)
            return None

        found: httpx.Response = await eventually(reached, "HAProxy listens", within_s=20)
        return found


def _plain(status: str, content_type: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body.encode()


def _is_unavailable(answer: httpx.Response, status: int) -> bool:
    error = answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "1"
    return answer.status_code == status and error["code"] == "unavailable" and error["retryable"] is True


async def test_while_there_is_no_bridge_every_path_is_503_with_the_body_of_all_errors(tmp_path: Path) -> None:
    with front(tmp_path) as running:
        for path in ("/v1/npcs/mara", "/", "/health"):
            assert _is_unavailable(await answered(running, path), 503)


async def test_a_bridge_that_is_gone_is_503(tmp_path: Path) -> None:
    async with bridge(OK) as gone:
        pass
    with front(tmp_path, gone) as running:
        assert _is_unavailable(await answered(running), 503)


async def test_a_bridge_that_ends_before_it_answers_is_502(tmp_path: Path) -> None:
    async with bridge(b"") as port:
        with front(tmp_path, port) as running:
            assert _is_unavailable(await answered(running), 502)


async def test_a_bridge_that_says_nothing_is_504(tmp_path: Path) -> None:
    async with bridge(None) as port:
        with front(tmp_path, port) as running:
            assert _is_unavailable(await answered(running), 504)


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("503 Service Unavailable", 503, "unavailable"),
        ("500 Internal Server Error", 500, "internal"),
        ("429 Too Many Requests", 429, "overloaded"),
    ],
)
async def test_a_text_of_serve_itself_becomes_an_error_with_the_same_status(
    tmp_path: Path, line: str, status: int, code: str
) -> None:
    async with bridge(_plain(line, "text/plain", "Request dropped due to backpressure")) as port:
        with front(tmp_path, port) as running:
            answer = await answered(running)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_the_bridge_itself_answers_passes_untouched(tmp_path: Path) -> None:
    said = json.dumps({"error": {"code": "moved", "message": "elsewhere", "retryable": True}})
    async with bridge(_plain("503 Service Unavailable", "application/json", said)) as port:
        with front(tmp_path, port) as running:
            answer = await answered(running)
    assert (answer.status_code, answer.text) == (503, said)


async def test_only_the_bridge_listens_for_other_machines(tmp_path: Path) -> None:
    with front(tmp_path) as running:
        await answered(running)
        listening = {
            each.laddr.port: each.laddr.ip
            for each in running.process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
    ports = running.ports
    assert listening == {ports["front"]: "0.0.0.0", ports["stats"]: "127.0.0.1", ports["metrics"]: "127.0.0.1"}


async def test_localhost_is_answered_at_its_ipv6_address_too_and_no_other_ipv6_address_is(tmp_path: Path) -> None:
    with front(tmp_path, ipv6=True) as running:
        await answered(running)
        port = running.ports["front"]
        found = {
            each.laddr.ip
            for each in running.process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port
        }
        if not _has_ipv6():
            assert found == {"0.0.0.0"}
            return
        assert found == {"0.0.0.0", "::1"}
        async with httpx.AsyncClient(timeout=15, trust_env=False) as http:
            assert _is_unavailable(await http.get(f"http://[::1]:{port}/v1/npcs"), 503)


async def test_both_addresses_of_localhost_are_answered_after_every_reload(tmp_path: Path) -> None:
    """Serve reloads HAProxy whenever a replica comes or goes; the new process gets the listeners of the old one."""
    if not _has_ipv6():
        return
    with front(tmp_path, ipv6=True) as running, ExitStack() as later:
        await answered(running)
        port, before = running.ports["front"], running.process
        for _ in range(3):
            process = _reloaded(tmp_path, before, later)
            await eventually(lambda old=before: old.status() == psutil.STATUS_ZOMBIE, "the old one ends", within_s=20)
            before = process
            async with httpx.AsyncClient(timeout=15, trust_env=False) as http:
                for host in ("127.0.0.1", "[::1]"):
                    assert _is_unavailable(await http.get(f"http://{host}:{port}/v1/npcs"), 503)


def _reloaded(folder: Path, before: psutil.Process, later: ExitStack) -> psutil.Process:
    """A new HAProxy that takes over from the one before, as Serve starts it."""
    again = [folder / "start", "-db", "-f", folder / "cfg", "-dR", "-x", folder / "s", "-sf", str(before.pid)]
    process = subprocess.Popen(again, stderr=subprocess.DEVNULL)
    later.callback(process.wait, 10)
    later.callback(process.kill)
    return psutil.Process(process.pid)


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def test_a_head_that_does_not_arrive_is_not_waited_for_an_hour(tmp_path: Path) -> None:
    with front(tmp_path) as running:
        await answered(running)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["front"])
        writer.write(b"GET /health HTTP/1.1\r\nHost: br")
        async with asyncio.timeout(30):
            assert b"408" in await reader.readline()
        writer.close()


def test_a_configuration_of_another_version_of_ray_is_refused_and_named(tmp_path: Path) -> None:
    config = _written_by_serve(tmp_path, _three_ports(), None).read_text()
    with pytest.raises(TemplateChanged, match="listen stats"):
        changed_configuration(config.replace("listen stats", "frontend stats"), write_errors(tmp_path), None)


def test_a_changed_configuration_stays_as_it_is(tmp_path: Path) -> None:
    config, errors = _written_by_serve(tmp_path, _three_ports(), None).read_text(), write_errors(tmp_path)
    changed = changed_configuration(config, errors, None)
    assert changed != config
    assert changed_configuration(changed, errors, None) == changed


def test_on_a_cluster_the_command_starts_haproxy_and_leaves_the_address_of_the_bridge(tmp_path: Path) -> None:
    ports = _three_ports()
    config = _written_by_serve(tmp_path, ports, None)
    command = [sys.executable, "-m", "ganggpt.runtime.haproxy", "-c", "-f", str(config)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert checked.returncode == 0, checked.stderr
    written = config.read_text()
    assert f"bind 127.0.0.1:{ports['front']}" in written, "as Serve was told"
    assert f"bind 127.0.0.1:{ports['stats']}" in written
