"""What is said about a database or a Redis that cannot be used: one sentence each, in seconds, and never a password."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.pool import PoolOptions
from ganggpt.persistence.store_checks import check_database, check_redis
from tests.support.debian import needs

pytestmark = pytest.mark.integration

PASSWORD = "Zebra7-Quagga"
"""Of roles and of Redis; the property at the end of each check looks for it."""
SOON_S = 15
STATEMENTS = (
    f"CREATE ROLE good LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE resting PASSWORD '{PASSWORD}'",
    "CREATE DATABASE gooddb OWNER good",
    "CREATE DATABASE closed OWNER ganggpt",
    "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
    "CREATE DATABASE foreigndb OWNER ganggpt",
    "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc TEMPLATE template0",
)


@dataclass(frozen=True)
class Server:
    """A Postgres that asks for passwords."""

    folder: str

    def url(self, account: str, database: str, more: str = "") -> str:
        return f"postgresql://{account}@/{database}?host={self.folder}&port=5432{more}"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="ganggpt-tests-") as home:
        postgres = EmbeddedPostgres(Path(home))
        await asyncio.to_thread(postgres.start)
        try:
            connection = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10)
            for statement in STATEMENTS:
                await connection.execute(statement)
            rules = Path(home) / "postgres" / "pg_hba.conf"
            rules.write_text("local all ganggpt trust\nlocal all all scram-sha-256\n")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.close()
            yield Server(parse_qs(urlsplit(postgres.dsn).query)["host"][0])
        finally:
            await asyncio.to_thread(postgres.stop)


async def said_about(url: str, options: PoolOptions | None = None) -> str:
    """What a start says about a database; empty where it may be used."""
    async with asyncio.timeout(SOON_S):
        found = await check_database(url, options or PoolOptions())
    text = "" if found is None else str(found)
    assert PASSWORD not in text
    return text


GOOD = f"good:{PASSWORD}"


async def test_a_good_database_is_let_through_with_whatever_libpq_knows(server: Server) -> None:
    more = (
        "&connect_timeout=5&channel_binding=prefer&gssencmode=disable&application_name=me&keepalives_idle=5&sslmode=require"
        "&target_session_attrs=read-write&options=-c%20statement_timeout%3D60000&client_encoding=UTF8&load_balance_hosts=disable"
    )
    assert await said_about(server.url(GOOD, "gooddb")) == ""
    assert await said_about(server.url(GOOD, "gooddb", more)) == ""


@pytest.mark.parametrize(
    ("account", "database", "more", "said"),
    [
        ("good:wrong", "gooddb", "", "refuses the password of the user good. Correct user and password"),
        ("good", "gooddb", "", "asks for a password, and the URL has none"),
        (f"stranger:{PASSWORD}", "gooddb", "", "refuses the password of the user stranger"),
        (f"resting:{PASSWORD}", "gooddb", "", "the role resting may not log in"),
        ("stranger", "gooddb", "&user=ganggpt2", "asks for a password"),
        (GOOD, "nowhere", "", "there is no database nowhere"),
        (GOOD, "closed", "", "GRANT ALL ON DATABASE closed TO good"),
        (GOOD, "foreigndb", "", "ALTER DATABASE foreigndb OWNER TO good"),
        (GOOD, "latin", "", "has the encoding LATIN1"),
        (GOOD, "gooddb", "&searchpath=x", "knows no setting searchpath"),
        (GOOD, "gooddb", "&search_path=nowhere", "leads to no schema"),
        (GOOD, "gooddb", "&statement_timeout=soon", "refuses the value of the setting statement_timeout"),
        (GOOD, "gooddb", "&options=-c%20nonsense%3D1", "knows no setting nonsense"),
        (GOOD, "gooddb", "&target_session_attrs=standby", "target_session_attrs"),
        (GOOD, "gooddb", "&sslrootcert=/nowhere.pem&sslmode=verify-ca", "parameter sslrootcert does not exist"),
    ],
)
async def test_what_postgres_refuses_is_a_sentence(
    server: Server, account: str, database: str, more: str, said: str
) -> None:
    assert said in await said_about(server.url(account, database, more))


async def test_a_role_that_does_not_exist_is_named_where_no_password_is_asked_for(database: str) -> None:
    assert "knows no role stranger" in await said_about(database.replace("ganggpt@", "stranger@"))


async def test_a_server_without_a_connection_left_says_so(server: Server) -> None:
    held = [await asyncpg.connect(server.url(GOOD, "gooddb")) for _ in range(2)]
    admin = await asyncpg.connect(server.url("ganggpt", "postgres"))
    try:
        await admin.execute("ALTER ROLE good CONNECTION LIMIT 2")
        assert "has no connection left" in await said_about(server.url(GOOD, "gooddb"))
    finally:
        await admin.execute("ALTER ROLE good CONNECTION LIMIT -1")
        for each in (*held, admin):
            await each.close()


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[int]:
    """A port where somebody reads a little, says ``answer`` and hangs up; None: stays silent instead."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        if answer is None:
            await reader.read()
        writer.write(answer or b"")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "more", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "", "is no Postgres"),
        (b"N", "?sslmode=require", "does not speak TLS as the URL asks for"),
        (b"Sgarbage" * 9, "?sslmode=require", "does not speak TLS"),
        (b"", "", "closed the connection at once"),
        (None, "?connect_timeout=1", "does not answer"),
    ],
)
async def test_what_is_no_postgres_is_said_to_be_none(answer: bytes | None, more: str, said: str) -> None:
    async with listening(answer) as port:
        text = await said_about(f"postgresql://{GOOD}@127.0.0.1:{port}/gooddb{more}")
    assert said in text
    assert f"127.0.0.1:{port}" in text


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("127.0.0.1:1", "nothing listens at 127.0.0.1:1"),
        ("nowhere.invalid", "the name of the host in nowhere.invalid:5432 is not known"),
        ("127.0.0.1:1,127.0.0.1:2", "nothing listens at 127.0.0.1:1,127.0.0.1:2"),
    ],
)
async def test_a_server_that_is_not_there_is_named(place: str, said: str) -> None:
    assert said in await said_about(f"postgresql://{GOOD}@{place}/gooddb")


async def test_a_socket_that_is_not_there_is_named() -> None:
    assert "there is no socket of Postgres at /nowhere" in await said_about(f"postgresql://{GOOD}@/db?host=/nowhere")


@asynccontextmanager
async def pooled(database: str, **settings: str) -> AsyncIterator[str]:
    """The dsn of a database behind a real PgBouncer with these settings."""
    binary = needs("pgbouncer")
    folder = parse_qs(urlsplit(database).query)["host"][0]
    options = {"pool_mode": "transaction", "default_pool_size": "4", "server_login_retry": "1"} | settings
    with tempfile.TemporaryDirectory(prefix="pgb-") as name:
        ini = _written(Path(name), folder, urlsplit(database).path[1:], options)
        user = ["-u", "postgres"] if os.geteuid() == 0 else []
        process = await asyncio.create_subprocess_exec(binary, *user, str(ini), stderr=asyncio.subprocess.PIPE)
        assert process.stderr is not None
        try:
            async with asyncio.timeout(20):
                while b"process up" not in (line := await process.stderr.readline()):
                    assert line, "pgbouncer ended at once"
            reading = asyncio.create_task(process.stderr.read())
            yield f"postgresql://ganggpt@/world?host={name}&port=6432"
            reading.cancel()
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


def _written(home: Path, folder: str, database: str, options: Mapping[str, str]) -> Path:
    home.chmod(0o777)
    (home / "users.txt").write_text('"ganggpt" ""\n')
    ini = home / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\nworld = host={folder} dbname={database} user=ganggpt\n"
        f"gone = host={home} dbname=gone user=ganggpt\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {home}\nauth_type = any\n"
        f"auth_file = {home}/users.txt\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
    )
    return ini


KNOWN = PoolOptions(pgbouncer=True)


async def test_a_pgbouncer_without_its_setting_is_seen_before_anything_hangs(database: str) -> None:
    async with pooled(database) as dsn:
        text = await said_about(dsn)
        assert "is a PgBouncer, and GANGGPT_PGBOUNCER is not set. Set GANGGPT_PGBOUNCER=true" in text
        assert await said_about(dsn, KNOWN) == ""


async def test_a_pgbouncer_that_hides_behind_its_settings_is_seen_by_its_shared_connections(database: str) -> None:
    async with pooled(database, ignore_startup_parameters="idle_in_transaction_session_timeout") as dsn:
        assert "PgBouncer in transaction mode, and GANGGPT_PGBOUNCER is not set" in await said_about(dsn)


async def test_a_pgbouncer_in_session_mode_that_lets_everything_through_is_as_good_as_postgres(database: str) -> None:
    ignored = "idle_in_transaction_session_timeout"
    async with pooled(database, pool_mode="session", ignore_startup_parameters=ignored) as dsn:
        assert await said_about(dsn) == ""


async def test_a_pgbouncer_in_statement_mode_is_refused(database: str) -> None:
    async with pooled(database, pool_mode="statement") as dsn:
        assert "statement mode" in await said_about(dsn, KNOWN)


async def test_a_pgbouncer_says_what_it_does_not_know_or_reach(database: str) -> None:
    async with pooled(database) as dsn:
        assert "knows no database other" in await said_about(dsn.replace("/world", "/other"), KNOWN)
        assert "refuses a parameter of the URL" in await said_about(f"{dsn}&search_path=x", KNOWN)
        gone = await said_about(f"{dsn.replace('/world', '/gone')}&connect_timeout=1", KNOWN)
        assert "does not answer" in gone or "does not reach its Postgres" in gone


@asynccontextmanager
async def redis_with(*options: str) -> AsyncIterator[int]:
    """The port of a real Redis with these options."""
    binary = needs("redis-server")
    with tempfile.TemporaryDirectory(prefix="redis-") as home:
        for port in free_ports():
            words = [binary, "--port", str(port), "--save", "", "--dir", home, *options]
            process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
            assert process.stdout is not None
            async with asyncio.timeout(20):
                while (line := await process.stdout.readline()) and b"eady to accept connections" not in line:
                    pass
            if line:
                break
        try:
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


def free_ports() -> Iterator[int]:
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield port


async def said_about_redis(url: str) -> str:
    async with asyncio.timeout(SOON_S):
        found = await check_redis(url)
    text = "" if found is None else str(found)
    assert PASSWORD not in text
    return text


async def test_what_redis_refuses_is_a_sentence() -> None:
    async with redis_with("--requirepass", PASSWORD) as port:
        place = f"127.0.0.1:{port}"
        assert await said_about_redis(f"redis://:{PASSWORD}@{place}") == ""
        assert "asks for a password" in await said_about_redis(f"redis://{place}")
        assert "refuses the user or password" in await said_about_redis(f"redis://:wrong@{place}")
        assert "refuses the user or password" in await said_about_redis(f"redis://me:{PASSWORD}@{place}")
        assert "no database of that number" in await said_about_redis(f"redis://:{PASSWORD}@{place}/99")
        assert "is no cluster" in await said_about_redis(f"redis+cluster://:{PASSWORD}@{place}")
        assert "only one with TLS has rediss://" in await said_about_redis(f"rediss://:{PASSWORD}@{place}")


async def test_a_redis_that_cannot_be_written_is_refused() -> None:
    async with redis_with() as first, redis_with("--replicaof", "127.0.0.1", str(first)) as port:
        assert "is a copy that cannot be written" in await said_about_redis(f"redis://127.0.0.1:{port}")
    async with redis_with("--maxmemory", "1000", "--maxmemory-policy", "noeviction") as port:
        assert "has no memory left" in await said_about_redis(f"redis://127.0.0.1:{port}")
    async with redis_with("--cluster-enabled", "yes") as port:
        assert "redis+cluster://" in await said_about_redis(f"redis://127.0.0.1:{port}")


async def test_a_password_that_redis_does_not_want_is_said() -> None:
    async with redis_with() as port:
        assert "has no password, but one is set" in await said_about_redis(f"redis://:{PASSWORD}@127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1", "nothing listens at 127.0.0.1:1"),
        ("redis+cluster://127.0.0.1:1", "nothing listens at 127.0.0.1:1"),
        ("redis://nowhere.invalid", "the name of the host in nowhere.invalid:6379 is not known"),
        ("unix:///nowhere/redis.sock", "there is no socket of Redis at /nowhere/redis.sock"),
    ],
)
async def test_a_redis_that_is_not_there_is_named(url: str, said: str) -> None:
    assert said in await said_about_redis(url)


@pytest.mark.parametrize(
    ("answer", "said"), [(b"HTTP/1.1 400\r\n\r\n", "is no Redis"), (b"", "closed the connection"), (None, "not answer")]
)
async def test_what_is_no_redis_is_said_to_be_none(answer: bytes | None, said: str) -> None:
    async with listening(answer) as port:
        assert said in await said_about_redis(f"redis://127.0.0.1:{port}")
