"""A world whose secrets can be told from everything else, and the search for them."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

from ganggpt.persistence.embedded.stores import EmbeddedPostgres, redis_binary
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess
from tests.support.eventually import eventually

SECRETS: Final = {
    "token": "planted-token/of+the-bridge",
    "database password": "planted-db/pass+word",
    "redis password": "planted-redis/pass+word",
    "openai key": "sk-planted/openai+key",
}


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it may be written somewhere: plain, in a URL, in base64 at any place, as hexadecimal digits."""
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield plain.hex().encode()
    for before in range(3):
        # Only whole groups of three bytes: those at the ends depend on what is beside the secret.
        whole = plain[-before % 3 :]
        yield base64.b64encode(whole[: len(whole) // 3 * 3])


def found_in(content: bytes) -> set[str]:
    """The names of the secrets in some content."""
    return {name for name, secret in SECRETS.items() if any(form in content for form in forms(secret))}


@dataclass(frozen=True)
class PlantedWorld:
    """A running world, where it lives, and the environment it was started with."""

    run: Run
    process: WorldProcess
    home: Path

    @property
    def data_dir(self) -> Path:
        return Path(self.run.data_dir)

    def processes(self) -> list[psutil.Process]:
        """The process of ``ganggpt up`` and everything it started."""
        root = psutil.Process(self.run.pid)
        return [root, *root.children(recursive=True)]


@asynccontextmanager
async def planted_world() -> AsyncIterator[PlantedWorld]:
    """A world with an own database and Redis that are reached with passwords, in a directory everybody may enter, and
    with files in its data directory that an older version left open."""
    with tempfile.TemporaryDirectory(prefix="ganggpt-planted-", ignore_cleanup_errors=True) as folder:
        home = _open_to_all(Path(folder))
        postgres = EmbeddedPostgres(home / "database")
        dsn = postgres.start()
        password = quote(SECRETS["database password"], safe="")
        redis, socket = _redis(home), home / "redis.sock"
        process = WorldProcess(
            home / "data", "--port", "0", "--dashboard-port", "0",
            environment={
                "DATABASE_URL": dsn.replace("ganggpt@", f"ganggpt:{password}@"),
                "REDIS_URL": f"unix://{socket}?db=0",
                "REDIS_PASSWORD": SECRETS["redis password"],
                "GANGGPT_TOKEN": SECRETS["token"],
                "OPENAI_API_KEY": SECRETS["openai key"],
                "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
                "OPENAI_MODEL": "nobody-answers",
                "GANGGPT_OWN_ACTORS_MAX": "1",
            },
        )  # fmt: skip
        _leave_open_files(home / "data")
        try:
            await eventually(socket.exists)
            yield PlantedWorld(await process.start(), process, home)
        finally:
            await process.stop()
            redis.terminate()
            redis.wait(20)
            postgres.stop()


def _open_to_all(home: Path) -> Path:
    home.chmod(0o755)
    return home


def _redis(home: Path) -> subprocess.Popen[bytes]:
    binary = redis_binary()
    assert binary is not None
    settings = f'port 0\nunixsocket {home}/redis.sock\nsave ""\nrequirepass "{SECRETS["redis password"]}"\n'
    redis = subprocess.Popen([binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=home)
    assert redis.stdin is not None
    redis.stdin.write(settings.encode())
    redis.stdin.close()
    return redis


def _leave_open_files(data_dir: Path) -> None:
    old = data_dir / "exports" / "ava"
    old.mkdir(parents=True)
    for path in (data_dir, old.parent, old):
        path.chmod(0o777)
    (old / "memories.json").write_text("{}")
    (old / "memories.json").chmod(0o644)


def said_by_ray(world: PlantedWorld) -> bytes:
    """Everything that Ray's tables and its dashboard tell who has the token."""
    asked = subprocess.run(
        [sys.executable, "-m", "tests.support.ray_tables", world.run.ray_address, world.run.dashboard],
        env={
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(world.data_dir / "ray-token"),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_ADDRESS": world.run.ray_address,
        },
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr.decode()[-2000:]
    return asked.stdout
