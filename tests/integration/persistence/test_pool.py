"""The pool is bounded, keeps no session state and says plainly what is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ganggpt.errors import ConfigInvalid, Unavailable
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.persistence.world_store import create_world, load_world
from tests.support.stored_world import CAST, SHARDS, WORLD

pytestmark = pytest.mark.integration


async def test_an_idle_pool_of_minimum_zero_holds_no_connection(database: str) -> None:
    async with await open_pool(database, PoolOptions(min_size=0, max_size=2)) as pool:
        assert pool.get_size() == 0
        assert await pool.fetchval("SELECT current_setting('application_name')") == "ganggpt"
        assert pool.get_size() == 1


async def test_prepared_statements_are_kept_only_without_a_pooler(database: str) -> None:
    query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%pg_prepared_statements%'"
    for pgbouncer, kept in ((False, 1), (True, 0)):
        async with await open_pool(database, PoolOptions(max_size=1, pgbouncer=pgbouncer)) as pool:
            await pool.fetchval(query)
            seen = await pool.fetchval(query)
            assert seen == kept


async def test_a_transaction_left_open_does_not_reach_the_next_user(database: str) -> None:
    async with await open_pool(database, PoolOptions(max_size=1)) as pool:
        connection = await pool.acquire()
        await connection.execute("BEGIN; CREATE TABLE never (id int)")
        await pool.release(connection)
        assert await pool.fetchval("SELECT to_regclass('never')") is None


async def test_a_database_that_is_unreachable_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await open_pool(f"postgresql://x@/x?host={tmp_path}", PoolOptions(connect_timeout_s=2))


async def test_a_database_that_does_not_exist_names_the_variable(database: str) -> None:
    with pytest.raises(ConfigInvalid, match="DATABASE_URL"):
        await open_pool(database.replace("/test_", "/nothing_"))


async def test_everything_works_through_a_transaction_pooler(pgbouncer: str | None) -> None:
    if pgbouncer is None:
        pytest.skip("no pgbouncer on PATH (Debian package pgbouncer)")
    assert await migrate(pgbouncer)
    async with await open_pool(pgbouncer, PoolOptions(max_size=6, pgbouncer=True)) as pool:
        await create_world(pool, WORLD, CAST, SHARDS)
        found = await asyncio.gather(*(load_world(pool) for _ in range(30)))
        assert all(each == (WORLD, CAST) for each in found)
        epochs = await asyncio.gather(
            *(
                pool.fetchval("INSERT INTO hosts (name, kind) VALUES ($1, 'own') RETURNING epoch", f"h{n}")
                for n in range(20)
            )
        )
        assert len(set(epochs)) == 20


async def test_a_transaction_whose_client_fell_silent_is_rolled_back_and_tells_so(database: str) -> None:
    """A host that freezes inside a transaction must not keep others from taking over its row."""
    options = PoolOptions(max_size=1, idle_in_transaction_s=0.05)
    async with (
        await open_pool(database, options) as pool,
        await open_pool(database) as watch,
        pool.acquire() as frozen,
    ):
        await frozen.execute("BEGIN; LOCK TABLE hosts IN EXCLUSIVE MODE")
        async with asyncio.timeout(10):
            await watch.execute("LOCK TABLE hosts IN EXCLUSIVE MODE; COMMIT")
        with pytest.raises(Unavailable), database_outages():
            await frozen.execute("COMMIT")
