"""A world that lives in this process over a real Postgres, and empty databases to restore into."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import msgspec
import pytest

from ganggpt.actors.routing.shards import shared_shards
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.world_store import create_world
from ganggpt.worldfiles.files import cast_of
from tests.support.live_town import LOS_SANTOS, SHARDS

_numbers = itertools.count(1)


@pytest.fixture
async def town(database: str) -> str:
    """The dsn of Los Santos: its cast waits to be brought to life."""
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        cast = {str(actor): (name, msgspec.msgpack.encode(command)) for actor, name, command in cast_of(LOS_SANTOS)}
        await create_world(pool, LOS_SANTOS, cast, list(shared_shards(SHARDS)))
    return database


@pytest.fixture
async def new_database(postgres_server: EmbeddedPostgres) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Makes databases that were never migrated; all are dropped in the end."""
    made: list[str] = []
    admin = await asyncpg.connect(postgres_server.dsn_of("postgres"), timeout=10)

    async def make() -> str:
        made.append(f"restored_{next(_numbers)}")
        await admin.execute(f"CREATE DATABASE {made[-1]}")
        return postgres_server.dsn_of(made[-1])

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
