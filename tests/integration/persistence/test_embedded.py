"""The embedded servers keep what they were given, whoever is killed, and end with their owner."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from ganggpt.errors import StartFailed
from ganggpt.persistence.embedded import stores
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis

pytestmark = pytest.mark.integration

_OWNER = """
import sys, signal
from pathlib import Path
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
home = Path(sys.argv[1])
postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
postgres.start(), redis.start()
print(postgres.pid, redis.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    yield server
    server.stop()


@pytest.fixture
def redis(data_dir: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(data_dir)
    yield server
    server.stop()


async def _value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _write_one(dsn: str) -> None:
    await _value(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")


def _kill(pid: int | None) -> None:
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    _wait_gone(process)


def _wait_gone(process: psutil.Process) -> None:
    """Until it is gone or a zombie: a killed child of a guard is only reaped when the guard ends."""
    _until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def _until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if fact():
                return
        except psutil.NoSuchProcess:
            return
        assert time.monotonic() < deadline, "it did not happen in 20 s"


async def test_postgres_starts_durable_and_private(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    dsn = postgres.start()
    assert (data_dir / "postgres.run").stat().st_mode & 0o077 == 0
    for setting, wanted in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "max_connections": "100",
        "server_version_num": "18",
    }.items():
        assert str(await _value(dsn, f"SELECT current_setting('{setting}')")).startswith(wanted), setting


async def test_postgres_keeps_a_commit_when_it_is_killed(postgres: EmbeddedPostgres) -> None:
    await _write_one(postgres.start())
    _kill(postgres.pid)
    assert not postgres.is_running()
    assert await _value(postgres.start(), "SELECT answer FROM kept") == 42


async def test_a_stop_is_clean_and_a_start_finds_everything(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    await _write_one(postgres.start())
    pid = postgres.pid
    postgres.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    postgres.stop()
    assert await _value(postgres.start(), "SELECT answer FROM kept") == 42


async def test_a_server_whose_guard_was_killed_still_stops(postgres: EmbeddedPostgres) -> None:
    await _write_one(postgres.start())
    server = psutil.Process(postgres.pid)
    guard = server.parent()
    assert guard is not None
    _kill(guard.pid)
    postgres.stop()
    await asyncio.to_thread(_wait_gone, server)
    assert await _value(postgres.start(), "SELECT answer FROM kept") == 42


async def test_starting_twice_is_one_server(postgres: EmbeddedPostgres) -> None:
    assert postgres.start() == postgres.start()


async def test_two_worlds_run_side_by_side_and_stop_apart(data_dir: Path) -> None:
    one, two = EmbeddedPostgres(data_dir / "one"), EmbeddedPostgres(data_dir / "two")
    try:
        await _write_one(one.start())
        two.start()
        one.stop()
        assert await _value(two.dsn, "SELECT to_regclass('kept')") is None
        assert two.is_running()
    finally:
        one.stop()
        two.stop()


def test_a_world_in_use_is_refused(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    with pytest.raises(StartFailed, match=str(os.getpid())):
        EmbeddedPostgres(data_dir).start()
    assert postgres.is_running()


@pytest.mark.parametrize("name", ["long" * 30, "a world, at 100 % 'of' size"])
async def test_a_path_no_socket_can_have_is_no_trouble(data_dir: Path, name: str) -> None:
    postgres, redis = EmbeddedPostgres(data_dir / name), EmbeddedRedis(data_dir / name)
    try:
        assert await _value(postgres.start(), "SELECT 1") == 1
        async with Redis.from_url(str(redis.start())) as client:
            assert await client.ping()
        sockets = {Path(unquote(postgres.dsn.split("host=")[1])), Path(str(redis.url)[7:].split("?")[0]).parent}
    finally:
        postgres.stop()
        redis.stop()
    assert not any(map(os.path.exists, sockets)), "nothing is left in the temporary directory"


async def test_a_pid_file_that_names_a_stranger_is_no_trouble(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    await _write_one(postgres.start())
    file = data_dir / "postgres" / "postmaster.pid"
    lines = file.read_text().splitlines()
    postgres.stop()
    file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert await _value(postgres.start(), "SELECT answer FROM kept") == 42


async def test_a_half_made_cluster_is_made_again(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18")
    assert await _value(postgres.start(), "SELECT 1") == 1


@pytest.mark.parametrize("guards_too", [False, True])
async def test_servers_end_with_a_killed_owner_and_the_next_one_recovers(
    data_dir: Path, postgres: EmbeddedPostgres, redis: EmbeddedRedis, guards_too: bool
) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    pids = [int(pid) for pid in (await asyncio.wait_for(owner.stdout.readline(), 60)).split()]
    servers = [psutil.Process(pid) for pid in pids]
    await _write_one(f"postgresql://ganggpt@/ganggpt?host={data_dir}/postgres.run")
    if guards_too:
        for server in servers:
            guard = server.parent()
            assert guard is not None
            guard.kill()
    owner.kill()
    await asyncio.wait_for(owner.wait(), 10)
    if not guards_too:
        for server in servers:
            await asyncio.to_thread(_wait_gone, server)
    assert await _value(postgres.start(), "SELECT answer FROM kept") == 42
    assert redis.start() is not None
    assert postgres.pid not in pids
    assert redis.pid not in pids
    for server in servers:
        await asyncio.to_thread(_wait_gone, server)


async def test_redis_answers_is_bounded_and_keeps_its_file(redis: EmbeddedRedis) -> None:
    url = redis.start()
    assert url is not None
    async with Redis.from_url(url) as client:
        settings = await client.config_get("maxmemory*")
        assert settings == {**settings, "maxmemory": str(128 * 1024 * 1024), "maxmemory-policy": "allkeys-lru"}
        await client.set("kept", b"42")
    redis.stop()
    assert redis.url is None
    async with Redis.from_url(str(redis.start())) as client:
        assert await client.get("kept") == b"42"


async def test_redis_with_a_broken_file_starts_empty(redis: EmbeddedRedis, data_dir: Path) -> None:
    redis.start()
    redis.stop()
    (data_dir / "redis" / "appendonly.aof").write_bytes(b"this is no redis file\r\n" * 10)
    url = redis.start()
    assert url is not None
    async with Redis.from_url(url) as client:
        assert await client.dbsize() == 0


async def test_redis_killed_is_started_again(redis: EmbeddedRedis) -> None:
    redis.start()
    _kill(redis.pid)
    async with Redis.from_url(str(redis.start())) as client:
        assert await client.ping()


def test_without_a_redis_the_reason_is_told(redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "redis_binary", lambda: None)
    assert redis.start() is None
    assert "redis-server" in str(redis.absent_because)


def test_a_wheel_that_is_missing_names_the_way_out(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StartFailed, match="DATABASE_URL"):
        postgres.start()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert postgres.pid is not None
    assert os.getpgid(postgres.pid) != os.getpgrp()
