"""Two real Ray clusters on one Postgres: the world goes from one to the other and back while a game server talks."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from ganggpt.client.game_server import GameServer
from ganggpt.persistence.audit import promises_kept
from ganggpt.runtime.world_process import WorldProcess, token_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280)]

PLAYERS = 24
FREEZE_S_MAX = 5.0
"""Far above what is seen; a player who waits for a deadline or a lease would wait longer."""


def cluster(home: Path, name: str, database: str, redis_url: str) -> WorldProcess:
    environment = {
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "GANGGPT_CLUSTER": name,
        "GANGGPT_TOKEN": "one-token-for-both",
        "GANGGPT_OWN_ACTORS_MAX": "1",
        "GANGGPT_HOSTS": "1",
    }
    return WorldProcess(home / name, "--port", "0", "--dashboard-port", "0", environment=environment)


@pytest.fixture
async def blue(tmp_path: Path, database: str, redis_url: str) -> AsyncIterator[WorldProcess]:
    process = cluster(tmp_path, "blue", database, redis_url)
    yield process
    await process.stop()


@pytest.fixture
async def green(tmp_path: Path, database: str, redis_url: str) -> AsyncIterator[WorldProcess]:
    process = cluster(tmp_path, "green", database, redis_url)
    yield process
    await process.stop()


async def ganggpt(database: str, *words: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.cli", *words, "--json",
        stdout=asyncio.subprocess.PIPE, env={"DATABASE_URL": database, "PATH": ""},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, out
    return [json.loads(line) for line in out.splitlines()]


class Talk:
    """A game server whose players give coins to the cast all the time; ``waits`` are the times to an answer."""

    def __init__(self, server: GameServer, cast: Sequence[str]) -> None:
        self._server = server
        self._cast = cast
        self._stop = asyncio.Event()
        self.waits: list[float] = []
        self._players = [f"player:{uuid.uuid4()}" for _ in range(PLAYERS)]
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for player in self._players:
                tasks.create_task(self._one(player))

    async def _one(self, player: str) -> None:
        for npc in itertools.cycle(self._cast):
            if self._stop.is_set():
                return
            began = time.monotonic()
            answer = await self._server.send(npc, "Give", {"item": "coin", "value": 1}, by=player)
            assert answer.ok, answer
            self.waits.append(time.monotonic() - began)

    async def stop(self) -> None:
        self._stop.set()
        await self._task


async def test_the_world_goes_to_a_new_cluster_and_back_while_a_game_server_talks(
    blue: WorldProcess, green: WorldProcess, database: str, pool: asyncpg.Pool
) -> None:
    at_blue = await blue.start()
    async with GameServer(at_blue.bridge, token_of(at_blue), "ls") as server:
        talk = Talk(server, [r["actor"] for r in await pool.fetch("SELECT actor FROM cast_members WHERE kind = 'npc'")])
        at_green = await green.start()  # a new cluster takes the world by itself
        (moved,) = await ganggpt(database, "takeover", "green")
        assert moved["shards"] > 256
        async with GameServer(at_green.bridge, token_of(at_green), "ls-2") as second:
            for n in range(10):
                given = await second.send("npc:mara", "Give", {"item": f"ring {n}", "value": 1}, by="player:green")
                assert given.ok, given
            (back,) = await ganggpt(database, "takeover", "blue")
            assert back == {**back, "owner": "blue", "changed": True}
            shown = {row["name"]: row for row in await ganggpt(database, "clusters")}
            assert (shown["blue"]["owner"], shown["green"]["owner"]) == (True, False)
            assert shown["green"]["shards"] == 0
            await talk.stop()
            acked = [*server.acked, *second.acked]
            assert not server.contradictions
            assert not second.contradictions
    promises = await promises_kept(pool, acked)
    assert (promises.lost, promises.doubled) == (0, 0)
    assert len(acked) > PLAYERS * 4
    assert max(talk.waits) < FREEZE_S_MAX, sorted(talk.waits)[-10:]
    logging.getLogger(__name__).info("%d answers, longest wait %.3f s", len(talk.waits), max(talk.waits))


async def test_only_a_reader_of_the_database_may_forward(blue: WorldProcess, database: str, pool: asyncpg.Pool) -> None:

    run = await blue.start()
    async with httpx.AsyncClient(base_url=run.health.removesuffix("/health"), timeout=20) as rest:
        for key in ("x", token_of(run), "0" * 64):
            refused = await rest.post("/v1/forward", content=b"\x90", headers={"Authorization": f"Bearer {key}"})
            assert refused.status_code == httpx.codes.UNAUTHORIZED
        key = await pool.fetchval("SELECT key FROM clusters WHERE name = 'blue'")
        broken = await rest.post("/v1/forward", content=b"\xff", headers={"Authorization": f"Bearer {key}"})
        assert broken.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        empty = await rest.post("/v1/forward", content=b"\x90", headers={"Authorization": f"Bearer {key}"})
        assert empty.content == b"\x90"
