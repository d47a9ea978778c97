"""What another user of the machine, another machine, and Ray's own tables get to know of a running world."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from ganggpt.client.game_server import GameServer
from ganggpt.config import Settings
from ganggpt.operations.snapshot_job import SnapshotJob, run_as_job
from ganggpt.runtime.network_ports import RAY_FOLDER, ray_directory
from tests.support.eventually import eventually
from tests.support.other_user import done_by_a_stranger
from tests.support.planted import SECRETS, PlantedWorld, found_in, planted_world, said_by_ray

pytestmark = pytest.mark.integration

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.fixture(scope="module")
async def planted() -> AsyncIterator[PlantedWorld]:
    async with planted_world() as world:
        await eventually(lambda: _listens(world.run.dashboard), "the dashboard answers", within_s=60)
        async with GameServer(world.run.bridge, SECRETS["token"], "ls") as game:
            await game.send("player:ava", "Join", {"name": "Ava Reyes"})
            assert (await game.send("npc:mara", "Talk", {"text": "hello"}, by="player:ava")).ok
        yield world


def _listens(url: str) -> bool:
    where = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((str(where.hostname), int(where.port or 80))) == 0


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


def _ours(world: PlantedWorld) -> list[Path]:
    """Every path that belongs to a world."""
    return [*_below(ray_directory(world.data_dir)), *_below(world.data_dir)]


def test_another_user_reaches_nothing_of_a_running_world(planted: PlantedWorld) -> None:
    control = planted.home / "control"
    control.write_text("everybody may read this")
    control.chmod(0o644)
    assert ("read", str(control)) in done_by_a_stranger([control])
    paths = _ours(planted)
    assert len(paths) > 100
    assert any(path.is_socket() for path in paths)
    assert done_by_a_stranger(paths) == []
    secret = [Path(f"/proc/{process.pid}/{file}") for process in planted.processes() for file in ("environ", "mem")]
    assert done_by_a_stranger(secret) == []


def test_everything_ours_is_for_our_user_alone_after_ray_has_started_too(planted: PlantedWorld) -> None:
    directory = ray_directory(planted.data_dir)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / RAY_FOLDER).stat().st_mode & 0o777 == 0o777, "Ray no longer opens its own: one level can go"
    data = [path for path in _below(planted.data_dir) if not path.is_symlink()]
    assert (planted.data_dir / "exports" / "ava" / "memories.json") in data, "an old one is there"
    assert [path for path in data if path.stat().st_mode & 0o077] == []


def test_what_any_process_of_a_world_writes_is_for_our_user_alone(planted: PlantedWorld) -> None:
    masks = {}
    for process in planted.processes():
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        masks[f"{process.pid} {process.name()}"] = re.findall(r"^Umask:\t(\d+)$", status, re.MULTILINE)
    assert len(masks) > 10
    assert {name: mask for name, mask in masks.items() if mask != ["0077"]} == {}


def test_the_search_for_secrets_finds_each_of_them_in_every_form() -> None:
    for name, secret in SECRETS.items():
        for before in ("", "a", "ab", "abc"):
            assert found_in(base64.b64encode(f"{before}{secret} and more".encode())) == {name}
    assert found_in(b"x-" + SECRETS["token"].encode().hex().encode()) == {"token"}


def test_no_file_of_a_running_world_holds_a_secret_but_those_made_for_it(planted: PlantedWorld) -> None:
    found = {}
    for path in _ours(planted):
        if path.is_file():
            found[path] = found_in(path.read_bytes())
    holders = {path: names for path, names in found.items() if names}
    assert holders == {planted.data_dir / "secrets.json": set(SECRETS), planted.data_dir / "token": {"token"}}


def test_no_process_of_a_world_inherits_a_secret_or_shows_one_in_its_arguments(planted: PlantedWorld) -> None:
    started = planted.processes()[1:]
    assert len(started) > 10
    seen = {}
    for process in started:
        with_names = {"environment": "environ", "arguments": "cmdline"}
        for what, file in with_names.items():
            try:
                found = found_in(Path(f"/proc/{process.pid}/{file}").read_bytes())
            except OSError:
                continue  # it has ended
            if found:
                seen[f"{what} of {process.name()}"] = found
    assert seen == {}


async def test_a_job_finds_the_database_without_being_told_its_password(planted: PlantedWorld, tmp_path: Path) -> None:
    job = SnapshotJob(str(tmp_path), "by-job")
    taken = await asyncio.to_thread(run_as_job, Settings(data_dir=planted.data_dir), job, lambda _: None)
    assert taken["world"] == "los-santos"


def test_no_table_of_ray_and_no_page_of_its_dashboard_shows_a_secret(planted: PlantedWorld) -> None:
    said = said_by_ray(planted)
    for known in (b"SharedHost", b"ServeController", b"\nserve ServeStatus", b"/api/serve/applications/ 200"):
        assert known in said, known
    assert b"nobody-answers" in said, "the configuration of the gateway is among what is searched"
    assert found_in(said) == set()


def test_all_but_the_bridge_listens_on_loopback(planted: PlantedWorld) -> None:
    pids = {process.pid: process.name() for process in planted.processes()}
    listening = [each for each in psutil.net_connections("inet") if each.pid in pids and each.status == "LISTEN"]
    bridge = urlsplit(planted.run.bridge).port
    assert {each.laddr.ip for each in listening if each.laddr.port == bridge} <= {"0.0.0.0", "::", "::1"}
    assert len(listening) > 10
    others = {(pids[each.pid], each.laddr) for each in listening if each.laddr.port != bridge}
    assert {(name, *where) for name, where in others if where.ip not in LOOPBACK} == set()


async def test_a_local_user_without_the_token_gets_nothing_from_rays_ports(planted: PlantedWorld) -> None:
    pids = {process.pid for process in planted.processes()}
    ports = {each.laddr.port for each in psutil.net_connections("inet") if each.pid in pids and each.status == "LISTEN"}
    async with httpx.AsyncClient(timeout=2) as http:
        for port in ports:
            try:
                answer = await http.post(f"http://127.0.0.1:{port}/api/jobs/", json={"entrypoint": "id"})
            except httpx.TransportError:
                continue  # it speaks gRPC
            assert answer.status_code >= 400, (port, answer.text)
