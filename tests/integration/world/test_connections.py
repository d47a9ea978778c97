"""The connections of a whole world under load: never more than DATABASE_POOL_SIZE, whoever comes and goes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from bench.systems import Address, spawn
from ganggpt.client.game_server import GameServer
from ganggpt.runtime.connections import CONNECTIONS, Processes, connections_min
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.sizing import this_machine
from ganggpt.runtime.world_process import WorldProcess, token_of
from ganggpt.testing.fake_model import FakeModel, variables_for
from tests.support.spoken import spoken

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

log = logging.getLogger(__name__)

HOSTS = 2
OWN = 4
LOAD_S = 15.0
CROWD = tuple(f"npc:counted-{n:03d}" for n in range(200))
OPEN = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1
"""
OWN_LIVE = "SELECT count(*) = $1 FROM hosts WHERE kind = 'own' AND state = 'live'"


class Count:
    """The most connections that were open at the same time, in all and by the name of the application."""

    def __init__(self) -> None:
        self.most = 0
        self.by_name: Counter[str] = Counter()

    @asynccontextmanager
    async def counting(self, dsn: str) -> AsyncIterator[asyncpg.Connection]:
        watch = await asyncpg.connect(dsn)
        task = asyncio.create_task(self._count(watch))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await watch.close()
        assert task.cancelled()

    async def _count(self, watch: asyncpg.Connection) -> None:
        while True:
            found = {row["application_name"]: row["count"] for row in await watch.fetch(OPEN)}
            self.most = max(self.most, sum(found.values()))
            for name, count in found.items():
                self.by_name[name] = max(self.by_name[name], count)
            await asyncio.sleep(0.02)


async def until_own_live(dsn: str) -> None:
    look = await asyncpg.connect(dsn)
    async with asyncio.timeout(90):
        while not await look.fetchval(OWN_LIVE, OWN):
            await asyncio.sleep(0.1)
    await look.close()


async def play(run: Run, actors: list[str], name: str) -> int:
    """Keep a crowd talking for a while; how many commands were answered."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + LOAD_S
    player = f"player:{name}"
    done = 0

    async def talk(part: list[str]) -> None:
        nonlocal done
        for actor in itertools.cycle(part):
            if loop.time() > until_s:
                return
            gift = {"item": "a shell", "value": 1, "name": name}
            done += (await server.send(actor, "Give", gift, by=player)).ok
            if actor == "npc:mara":
                done += (await server.send(actor, "Talk", {"text": "What is new on the pier?"}, by=player)).ok

    async with GameServer(run.bridge, token_of(run), name) as server:
        assert (await server.send(player, "Join", {"username": name, "server": name})).ok
        async with asyncio.TaskGroup() as tasks:
            for n in range(32):
                tasks.create_task(talk(actors[n::32]))
    return done


async def ganggpt(*words: str) -> None:
    """A command beside the running world."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ganggpt.cli", *words)
    assert await asyncio.wait_for(process.wait(), 120) == 0


async def test_a_world_under_load_keeps_to_its_connections(tmp_path: Path) -> None:
    bridges = max(1, this_machine().cpus // 2)
    allowed = max(CONNECTIONS, connections_min(Processes(HOSTS, OWN, bridges, gateway=1)))
    model = FakeModel(spoken, piece_s=0.002)
    await model.start()
    environment = {
        **variables_for(model),
        "DATABASE_POOL_SIZE": str(allowed),
        "GANGGPT_HOSTS": str(HOSTS),
        "GANGGPT_HOSTS_MAX": str(HOSTS),
        "GANGGPT_OWN_ACTORS_MAX": str(OWN),
    }
    process = WorldProcess(tmp_path, "--port", "0", "--dashboard-port", "0", environment=environment)
    count = Count()
    try:
        run = await process.start()
        await until_own_live(run.database)
        async with count.counting(run.database):
            await spawn(Address(run.bridge, token=token_of(run)), CROWD)
            talkers = [*CROWD, "npc:mara"]
            answered = await asyncio.gather(
                play(run, talkers, "counted-1"),
                play(run, talkers[::-1], "counted-2"),
                ganggpt("snapshot", "--as-job", "--data-dir", str(tmp_path)),
                ganggpt("verify", "--data-dir", str(tmp_path)),
            )
    finally:
        await process.stop()
        await model.stop()
    log.info("%d answered, at most %d connections: %s", sum(answered[:2]), count.most, dict(count.by_name))
    assert all(answered[:2])
    assert count.by_name.keys() >= {f"ganggpt {kind}" for kind in ("host", "own", "bridge", "gateway", "supervisor")}
    assert count.most <= allowed, dict(count.by_name)
