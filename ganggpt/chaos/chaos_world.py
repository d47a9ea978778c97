"""The world that a fault run breaks: a real one of its own, with access to its processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil

from ganggpt.actors.routing.shards import Routes
from ganggpt.actors.routing.table import residences_of
from ganggpt.client.game_server import GameServer
from ganggpt.errors import GangGPTError, StartFailed, Unavailable
from ganggpt.persistence.audit import HostProcess, host_processes
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of

_POLL_S: Final = 0.05


class ChaosWorld:
    """Owns one ``ganggpt up`` in a directory of its own. Reads its state anew each time, because processes die."""

    def __init__(self, data_dir: Path, *, hosts: int, own: int, options: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self._hosts_wanted = hosts
        self._own_wanted = own
        environment = {"GANGGPT_HOSTS": str(hosts), "GANGGPT_OWN_ACTORS_MAX": str(own)}
        self._process = WorldProcess(
            data_dir, "--port", "0", "--dashboard-port", "0", *options, environment=environment
        )
        self._run: Run | None = None
        self._pool: Any = None
        self.own: tuple[str, ...] = ()

    @property
    def run(self) -> Run:
        """Where it is. Raises StartFailed before ``start``."""
        if self._run is None:
            raise StartFailed("The world was not started.", "Call start() first.")
        return self._run

    @property
    def pool(self) -> Any:
        """A connection pool of its database that no fault hits."""
        return self._pool

    @property
    def postgres_socket(self) -> Path:
        """Where its embedded Postgres listens."""
        return Path(parse_qs(urlsplit(self.run.database).query)["host"][0]) / ".s.PGSQL.5432"

    async def start(self) -> None:
        """Start it and wait until every host lives. Raises StartFailed, Unavailable."""
        self._run = await self._process.start()
        self._pool = await open_pool(self._run.database, PoolOptions(min_size=0, max_size=2))
        await self.whole(120.0)
        self.own = tuple(host.name for host in await self.hosts() if host.kind == "own")

    async def stop(self) -> None:
        """Stop the world."""
        if self._pool is not None:
            self._pool.terminate()
        await self._process.stop()

    def game_server(self, name: str, **options: Any) -> GameServer:
        """A client of its bridge."""
        return GameServer(self.run.bridge, token_of(self.run), name, **options)

    # Access.

    async def hosts(self, kind: str | None = None) -> list[HostProcess]:
        """Live hosts. Raises Unavailable."""
        return [host for host in await host_processes(self._pool) if kind in (None, host.kind)]

    async def actors_on(self, host: str, actors: Iterable[str]) -> list[str]:
        """The actors among these that a host holds. Raises Unavailable."""
        routes = await self.routes()
        return [actor for actor in actors if routes.host_of(actor) == host]

    async def routes(self) -> Routes:
        """The routing table. Raises Unavailable."""
        rows = await PostgresHosts(self._pool).routes()
        return Routes(residences_of(rows), {row.shard: row.host for row in rows if row.host is not None})

    def processes(self, word: str) -> list[psutil.Process]:
        """Processes of the world with this name or title. Raises Unavailable where there is none."""
        found = []
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                if process.name() == word or "".join(process.cmdline()[:1]).startswith(word):
                    found.append(process)
        if not found:
            raise Unavailable(f"the process {word} of the world")
        return found

    def server_process(self, pid_file: str) -> psutil.Process:
        """An embedded server by its pid file, relative to the data directory. Raises Unavailable."""
        try:
            return psutil.Process(int((self.data_dir / pid_file).read_text().split()[0]))
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess) as gone:
            raise Unavailable(f"the server with the pid file {pid_file}") from gone

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.run.pid).children(recursive=True)
        except psutil.NoSuchProcess as gone:
            raise StartFailed("The process of the world ended.", f"See {self.data_dir / 'up.log'}.") from gone

    # State.

    async def whole(self, within_s: float) -> None:
        """Wait until every planned host lives in a running process and holds shards, every shard is held, the own ones
        by their own processes, and the bridge is ready.

        Raises Unavailable with what was missing.
        """
        await until(self._flaw, within_s, "a whole world")

    async def _flaw(self) -> str | None:
        hosts = await self.hosts()
        shared, own = (sum(host.kind == kind for host in hosts) for kind in ("shared", "own"))
        if shared < self._hosts_wanted or own < self._own_wanted:
            return f"{shared} shared and {own} own hosts live"
        dead = [host.name for host in hosts if not psutil.pid_exists(host.pid)]
        if dead:
            return f"{', '.join(dead)} ended"
        rows = await PostgresHosts(self._pool).routes()
        lost = [row.shard for row in rows if row.host is None or (row.residence == "own" and row.host != row.shard)]
        idle = {host.name for host in hosts} - {row.host for row in rows}
        if lost or idle:
            return f"{len(lost)} shards are not where they belong, and {', '.join(sorted(idle)) or 'no host'} has none"
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            try:
                answer = await client.get(f"{self.run.health}/ready")
            except httpx.TransportError as outage:
                return f"the bridge does not answer: {outage!r}"
        return None if answer.is_success else f"the bridge said {answer.status_code}"


async def until(flaw: Callable[[], Awaitable[str | None]], within_s: float, what: str) -> None:
    """Check again and again until there is no flaw. Raises Unavailable with the last one."""
    seen: str | None = "nothing was seen"
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    seen = await flaw()
                except GangGPTError as error:
                    seen = str(error)
                if seen is None:
                    return
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise Unavailable(what, f"after {within_s:g} s: {seen}") from None
