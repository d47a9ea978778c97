"""The totals of metrics in Postgres: one row that several bridges write, and what the tables hold."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import SEPARATOR, Metrics
from ganggpt.persistence.metric_totals import PostgresMetricTotals, WorldCounts
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.serve.metrics.totals import decode_totals
from ganggpt.serve.metrics.world_metrics import WorldMetrics

pytestmark = pytest.mark.integration
FRAMES = "ganggpt_bridge_frames_total"


async def nobody(*, everything: bool = False) -> tuple[()]:
    return ()


async def test_who_read_an_older_version_writes_nothing(database: str) -> None:
    await migrate(database)
    async with await open_pool(database, PoolOptions(max_size=2)) as pool:
        store = PostgresMetricTotals(pool)
        fresh = await store.read(count=False)
        assert (fresh.version, fresh.body, fresh.counts) == (None, None, None)
        assert fresh.now_s > 1e9
        assert await store.write(None, b"one")
        assert not await store.write(None, b"two")
        first = await store.read(count=False)
        assert (first.version, first.body) == (1, b"one")
        assert await store.write(1, b"three")
        assert not await store.write(1, b"four")
        assert (await store.read(count=False)).body == b"three"


async def test_the_tables_are_counted(database: str) -> None:
    await migrate(database)
    async with await open_pool(database, PoolOptions(max_size=2)) as pool:
        store = PostgresMetricTotals(pool)
        assert (await store.read(count=True)).counts == WorldCounts(0, 0, {})
        await pool.execute(
            "INSERT INTO players (username, email, online) SELECT n, n, n <> 'c' FROM unnest(ARRAY['a', 'b', 'c']) n"
        )
        await pool.execute(
            "INSERT INTO missions (title, status) SELECT 'x', s FROM unnest($1::text[]) s", ["failed"] * 3
        )
        await pool.execute(
            "INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at) "
            "SELECT 's', 1, 'npc:a', n, 0, 't', '', now() FROM generate_series(1, 4) n"
        )
        assert (await store.read(count=True)).counts == WorldCounts(2, 4, {"failed": 3})


async def test_bridges_that_are_asked_at_once_show_the_sum_of_all(database: str) -> None:
    await migrate(database)
    async with await open_pool(database, PoolOptions(max_size=8)) as pool:
        bridges = []
        for _ in range(4):
            metrics = Metrics("bridge")
            metrics.counter(FRAMES).labels("ack").inc(5)
            bridges.append(WorldMetrics(metrics, [], nobody, PostgresMetricTotals(pool)))
        await asyncio.gather(*(bridge.exposition() for bridge in bridges))
        shown = await asyncio.gather(*(bridge.exposition() for bridge in bridges))
        assert all(f'{FRAMES}{{type="ack"}} 20.0'.encode() in text for text in shown)
        stored = await PostgresMetricTotals(pool).read(count=False)
        assert stored.body is not None
        assert len(decode_totals(stored.body).sources) == 5  # four bridges, and what the tables hold


async def test_a_database_that_refuses_to_write_is_an_outage_of_the_totals_alone(database: str) -> None:
    await migrate(database)
    async with await open_pool(database, PoolOptions(max_size=2)) as pool:
        await pool.execute("ALTER TABLE metric_totals ADD CHECK (version > 1)")
        metrics = Metrics("bridge")
        bridge = WorldMetrics(metrics, [], nobody, PostgresMetricTotals(pool))
        metrics.counter(FRAMES).labels("ack").inc(5)
        assert f'{FRAMES}{{type="ack"}} 5.0'.encode() in await bridge.exposition()
        with pytest.raises(Unavailable):
            await PostgresMetricTotals(pool).write(None, b"")


async def test_statements_and_failures_of_the_database_are_counted(database: str) -> None:
    metrics = Metrics("host")
    async with await open_pool(database, PoolOptions(min_size=0, max_size=2), metrics) as pool:
        for _ in range(3):
            await pool.fetchval("SELECT 1")
        with pytest.raises(Exception, match="division"):
            await pool.fetchval("SELECT 1 / 0")
        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT pg_sleep(5)", timeout=0.05)
        await asyncio.sleep(0)  # asyncpg tells of a statement after its caller has gone on
        counters = metrics.report().counters
        assert _of(counters, "ganggpt_database_query_seconds", "_count", process="host") == 5
        assert _of(counters, "ganggpt_database_errors_total", kind="other", process="host") == 1
        assert _of(counters, "ganggpt_database_errors_total", kind="timeout", process="host") == 1


async def test_a_database_that_cannot_be_reached_is_counted(database: str, tmp_path: object) -> None:
    metrics = Metrics("bridge")
    with pytest.raises(Unavailable):
        await open_pool(f"postgresql://x@/x?host={tmp_path}", PoolOptions(connect_timeout_s=2), metrics)
    assert _of(metrics.report().counters, "ganggpt_database_errors_total", kind="connection", process="bridge") >= 1


def _of(values: dict[str, float], name: str, ending: str = "", **labels: str) -> float:
    pairs = (part for pair in sorted(labels.items()) for part in pair)
    return values[SEPARATOR.join((name, name + ending, *pairs))]
