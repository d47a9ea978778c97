"""A whole world as its owner runs it: real Ray, real stores, the real bridge, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from ganggpt.runtime.world_process import WorldProcess, token_of
from tests.support.live_world import ORIGIN, OWN_ACTORS, LiveWorld


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveWorld]:
    process = WorldProcess(
        tmp_path_factory.mktemp("world"),
        "--port", "0", "--dashboard-port", "0",
        environment={"GANGGPT_OWN_ACTORS_MAX": str(OWN_ACTORS), "CORS_ORIGINS": ORIGIN},
    )  # fmt: skip
    run = await process.start()
    headers = {"Authorization": f"Bearer {token_of(run)}"}
    async with (
        asyncpg.create_pool(run.database, min_size=1, max_size=4) as pool,
        httpx.AsyncClient(base_url=run.health.removesuffix("/health"), headers=headers, timeout=30) as rest,
    ):
        yield LiveWorld(process, run, pool, rest)
    await process.stop()
