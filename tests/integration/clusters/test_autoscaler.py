"""Load makes a host, the host a node; a node that will be gone is left in time; calm gives host and node back. Through
the real bridge, with Ray's real autoscaler; what was acked is compared with the journal at the end."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest

from ganggpt.client.game_server import GameServer
from ganggpt.persistence.audit import promises_kept
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of
from tests.support.autoscaled_ray import AutoscaledRay
from tests.support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280), pytest.mark.full]

PLAYERS = 24
NODES_MAX = 3
DEADLINE_S = 20
SETTINGS = {
    "GANGGPT_HOSTS": "1",
    "GANGGPT_HOSTS_MAX": "2",
    "GANGGPT_HOST_CPUS": "0.9",
    "GANGGPT_HOST_TURNS": "40",
    "GANGGPT_HOSTS_IDLE": "4",
    "GANGGPT_RESIDENCE": "shared",
}
HOLDERS = """
SELECT h.name, h.node, count(*) FROM shards s JOIN hosts h ON h.epoch = s.epoch AND h.state <> 'dead' GROUP BY 1, 2
"""


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[AutoscaledRay]:
    ray = AutoscaledRay(tmp_path, NODES_MAX)
    await ray.start()
    yield ray
    await ray.stop()


@pytest.fixture
async def run(cluster: AutoscaledRay, data_dir: Path) -> AsyncIterator[Run]:
    world = WorldProcess(
        data_dir, "--port", "0", "--dashboard-port", "0",
        environment={**cluster.environment, **SETTINGS, "RAY_ADDRESS": cluster.address},
    )  # fmt: skip
    yield await world.start()
    await world.stop()


class Crowd:
    """Players who give coins as fast as they are thanked, until it is calm."""

    def __init__(self, server: GameServer) -> None:
        self._server = server
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._play())
        self.longest_s = 0.0

    async def _play(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(PLAYERS):
                tasks.create_task(self._one(n))

    async def _one(self, n: int) -> None:
        npc = f"npc:walker-{n}"
        sheet = {"name": f"Walker {n}", "role": "passer-by", "home": "crane-harbor", "faction": None,
                 "traits": {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50},
                 "style": "street", "backstory": "Walks up and down."}  # fmt: skip
        assert (await self._server.send(npc, "Spawn", sheet)).ok
        while not self._over.is_set():
            began_s = time.monotonic()
            answer = await self._server.send(npc, "Observe", {"what": "a coin fell", "weight": 5})
            assert answer.ok, answer
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.calm()

    async def calm(self) -> None:
        self._over.set()
        await self._task


async def holders(pool: asyncpg.Pool) -> dict[str, tuple[str, int]]:
    return {name: (node, count) for name, node, count in await pool.fetch(HOLDERS)}


async def until(pool: asyncpg.Pool, fact: Callable[[dict[str, tuple[str, int]]], bool], within_s: float = 60) -> float:
    """Seconds until the holders are as wanted."""
    began_s = time.monotonic()
    told: list[object] = []

    async def so() -> bool:
        held = await holders(pool)
        told[:] = [held, await pool.fetchval("SELECT load FROM clusters")]
        return fact(held)

    await eventually(so, None, within_s, every_s=0.05, seen=lambda: told)
    return time.monotonic() - began_s


async def ganggpt_scale(run: Run) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", "scale", "--json", "--data-dir", run.data_dir,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out
    shown: dict[str, Any] = json.loads(out)
    return shown


async def test_load_brings_a_node_a_drained_one_is_left_in_time_and_calm_gives_it_back(
    cluster: AutoscaledRay, run: Run, record_property: Callable[[str, object], None]
) -> None:
    async with asyncpg.create_pool(run.database, min_size=1, max_size=2) as pool:
        assert set(await holders(pool)) == {"host:0"}
        assert cluster.nodes() == 1
        async with GameServer(run.bridge, token_of(run), "ls-load") as server, Crowd(server) as crowd:
            up_s = await until(pool, lambda held: len(held) == 2 and min(n for _, n in held.values()) > 100)
            found = await holders(pool)
            assert found["host:1"][0] != found["host:0"][0]
            assert cluster.nodes() == 2
            shown = await ganggpt_scale(run)
            assert (shown["wanted"], shown["min"], shown["max"], shown["running"]) == (2, 1, 2, 2)
            assert all(host["turns_per_s"] > 0 for host in shown["hosts"])

            doomed = found["host:1"][0]
            await cluster.drain(doomed, DEADLINE_S)
            left_s = await until(pool, lambda held: all(node != doomed for node, _ in held.values()), DEADLINE_S)
            again_s = await until(pool, lambda held: len(held) == 2 and min(n for _, n in held.values()) > 100)
            assert set(await holders(pool)) == {"host:0", "host:2"}, "another host is there for the one that had to go"

            await crowd.calm()
            down_s = await until(pool, lambda held: set(held) == {"host:0"})
            await eventually(lambda: cluster.nodes() <= 1, "one node is left", 40, every_s=0.1)

            promises = await promises_kept(pool, server.acked)
            times = {"up_s": up_s, "left_s": left_s, "again_s": again_s, "down_s": down_s, "longest_s": crowd.longest_s}
            record_property("times", {name: round(value, 2) for name, value in times.items()})
            assert promises.acked > 1000
            assert (promises.lost, promises.doubled) == (0, 0)
            assert not server.contradictions
