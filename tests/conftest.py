"""Real stores for tests: one embedded Postgres and Redis a session, a fresh migrated database a test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import migrate
from ganggpt.runtime.proxies import spare_this_machine

_numbers = itertools.count(1)
# Tests talk to this machine only; a proxy of whoever runs them is not for that.
spare_this_machine(os.environ)


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """A directory for the session's servers."""
    with _passable_directory() as home:
        yield home


@pytest.fixture(scope="session")
def postgres_server(session_home: Path) -> Iterator[EmbeddedPostgres]:
    """One real Postgres for the whole session."""
    server = EmbeddedPostgres(session_home)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def template_database(postgres_server: EmbeddedPostgres) -> str:
    """A migrated database that every test's own is copied from; nobody may be connected to it."""
    await _administer(postgres_server, "CREATE DATABASE template_world")
    dsn = postgres_server.dsn_of("template_world")
    await migrate(dsn)
    async with asyncpg.create_pool(dsn, min_size=0, max_size=1) as pool:
        await ensure_partitions(pool)
    return "template_world"


@pytest.fixture
async def database(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """The dsn of a fresh database with today's schema and parts, dropped after the test."""
    name = f"test_{next(_numbers)}"
    await _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield postgres_server.dsn_of(name)
    await _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The dsn of a database that was never migrated."""
    name = f"test_{next(_numbers)}"
    await _administer(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.dsn_of(name)
    await _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """A small pool on the test's own database."""
    async with asyncpg.create_pool(database, min_size=1, max_size=8, command_timeout=20) as opened:
        yield opened


@pytest.fixture(scope="session")
def redis_server(session_home: Path) -> Iterator[EmbeddedRedis]:
    """One real Redis for the whole session."""
    server = EmbeddedRedis(session_home)
    if server.start() is None:
        pytest.skip(str(server.absent_because))
    yield server
    server.stop()


@pytest.fixture
async def embedded_redis_url(redis_server: EmbeddedRedis) -> str:
    """The url of the session's embedded Redis, emptied."""
    assert redis_server.url is not None
    path = redis_server.url.removeprefix("unix://").split("?")[0]
    reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 5)
    writer.write(b"FLUSHALL\r\n")
    assert await asyncio.wait_for(reader.readline(), 5) == b"+OK\r\n"
    writer.close()
    return redis_server.url


@pytest.fixture
def redis_url(embedded_redis_url: str) -> str:
    """The url of a Redis, emptied."""
    return embedded_redis_url


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory for a world of one's own."""
    with _passable_directory() as home:
        yield home / "world"


@contextmanager
def _passable_directory() -> Iterator[Path]:
    """A directory outside of pytest's own: every pytest that starts closes those of its user to everybody else, and
    with root as that user, Postgres (which does not run as root) would be cut off from its data in the middle."""
    with tempfile.TemporaryDirectory(prefix="ganggpt-tests-") as home:
        yield Path(home)


def _pgbouncer_settings(database: str, home: Path) -> Path:
    """Settings of a PgBouncer in transaction mode with two connections behind it, on a socket in ``home``."""
    parts = urlsplit(database)
    home.chmod(0o777)
    (home / "users.txt").write_text('"ganggpt" ""\n')
    settings = home / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\nworld = host={parse_qs(parts.query)['host'][0]} dbname={parts.path[1:]} user=ganggpt\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {home}\nauth_type = any\n"
        f"auth_file = {home}/users.txt\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    return settings


@pytest.fixture
async def pgbouncer(database: str) -> AsyncIterator[str | None]:
    """The dsn of the test's database behind a real PgBouncer, or None where there is none on PATH."""
    binary = shutil.which("pgbouncer")
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pgb-") as home:
        settings = _pgbouncer_settings(database, Path(home))
        # It refuses to run as root, and only the server's own user may use the server's socket.
        user = ["-u", "postgres"] if os.geteuid() == 0 else []
        process = await asyncio.create_subprocess_exec(binary, *user, str(settings), stderr=asyncio.subprocess.PIPE)
        assert process.stderr is not None
        async with asyncio.timeout(20):
            while b"process up" not in (line := await process.stderr.readline()):
                assert line, "pgbouncer ended at once"
        yield f"postgresql://ganggpt@/world?host={home}&port=6432"
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


async def _administer(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn_of("postgres"), timeout=10)
    try:
        await connection.execute(statement, timeout=30)
    finally:
        await connection.close()
