"""A push waits in the table until it is acked; the stream only makes it quick."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ganggpt.persistence import pushes as pushes_module
from ganggpt.persistence.embedded.stores import EmbeddedRedis
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.persistence.pushes import FROM_NOW, PostgresPushes

pytestmark = pytest.mark.integration

_INSERT = """
INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at)
SELECT $1, 7, 'npc:mara', s, 0, 'said', '\\x80', clock_timestamp() FROM generate_series(1, $2) s
RETURNING no, server, epoch, actor, seq, type, body
"""


@pytest.fixture
async def pushes(pool: asyncpg.Pool, redis_url: str) -> AsyncIterator[PostgresPushes]:
    opened = PostgresPushes(pool, redis_url)
    yield opened
    await opened.close()


async def _made(pool: asyncpg.Pool, server: str, count: int) -> list[PushRow]:
    return [PushRow(*row.values()) for row in await pool.fetch(_INSERT, server, count)]


async def test_unacked_pushes_come_oldest_first_until_they_are_acked(
    pool: asyncpg.Pool, pushes: PostgresPushes
) -> None:
    rows = await _made(pool, "one", 5)
    await _made(pool, "two", 1)
    assert await pushes.unacked("one", 0, 3) == rows[:3]
    assert await pushes.unacked("one", rows[2].no, 10) == rows[3:]
    await pushes.ack("one", [rows[0].no, rows[3].no])
    await pushes.ack("two", [rows[1].no])
    assert await pushes.unacked("one", 0, 10) == [rows[1], rows[2], rows[4]]


async def test_a_server_registers_as_often_as_it_likes(pool: asyncpg.Pool, pushes: PostgresPushes) -> None:
    await asyncio.gather(*(pushes.register_server("one") for _ in range(5)))
    assert await pool.fetchval("SELECT count(*) FROM game_servers") == 1


async def test_who_waits_gets_the_committed_rows_at_once(pool: asyncpg.Pool, pushes: PostgresPushes) -> None:
    position, rows = await pushes.wait("one", FROM_NOW, 0.05)
    assert rows == ()
    waiting = asyncio.create_task(pushes.wait("one", position, 30))
    made = await _made(pool, "one", 2)
    await pushes.notify_pushes(made[:1])
    position, rows = await asyncio.wait_for(waiting, 10)
    assert list(rows) == made[:1]
    await pushes.notify_pushes(made[1:])
    position, rows = await asyncio.wait_for(pushes.wait("one", position, 30), 10)
    assert list(rows) == made[1:]


async def test_nothing_falls_between_two_waits_of_a_newcomer(pool: asyncpg.Pool, pushes: PostgresPushes) -> None:
    before, made = await _made(pool, "one", 1), await _made(pool, "one", 1)
    await pushes.notify_pushes(before)
    position, rows = await pushes.wait("one", FROM_NOW, 0.05)
    assert rows == (), "a newcomer starts from now"
    await pushes.notify_pushes(made)
    assert list((await pushes.wait("one", position, 30))[1]) == made


async def test_without_redis_a_wait_takes_its_time_and_the_table_has_all(pool: asyncpg.Pool) -> None:
    pushes = PostgresPushes(pool, None)
    made = await _made(pool, "one", 1)
    await pushes.notify_pushes(made)
    started_s = time.monotonic()
    assert await pushes.wait("one", FROM_NOW, 0.2) == (FROM_NOW, ())
    assert time.monotonic() - started_s >= 0.19
    assert await pushes.unacked("one", 0, 10) == made
    await pushes.close()


async def test_a_redis_that_dies_hurts_nobody(
    pool: asyncpg.Pool, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedRedis(data_dir)
    url = server.start()
    if url is None:
        pytest.skip(str(server.absent_because))
    pushes = PostgresPushes(pool, url)
    try:
        position, _ = await pushes.wait("one", FROM_NOW, 0.05)
        waiting = asyncio.create_task(pushes.wait("one", position, 1))
        server.stop()
        assert (await asyncio.wait_for(waiting, 10))[1] == ()
        made = await _made(pool, "one", 1)
        with caplog.at_level(logging.DEBUG, "ganggpt.persistence.pushes"):
            await pushes.notify_pushes(made)
        assert "1 pushes were not announced" in caplog.text
        assert await pushes.unacked("one", 0, 10) == made
        server.start()
        waiting = asyncio.create_task(pushes.wait("one", position, 30))
        await pushes.notify_pushes(made)
        assert list((await asyncio.wait_for(waiting, 10))[1]) == made
    finally:
        await pushes.close()
        server.stop()


async def test_a_server_that_never_acks_keeps_the_newest_only(
    pool: asyncpg.Pool, pushes: PostgresPushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes_module, "KEPT_PER_SERVER", 300)
    made = await _made(pool, "one", 1000)
    await _made(pool, "two", 400)
    for start in range(0, 1000, 100):
        await pushes.notify_pushes(made[start : start + 100])
    assert await pushes.unacked("one", 0, 2000) == made[-300:]
    assert pushes.dropped == 700
    assert await pool.fetchval("SELECT count(*) FROM pushes WHERE server = 'two'") == 400
    stream = await pushes._redis.xlen("ganggpt:pushes:one")  # type: ignore[union-attr]
    assert stream <= 1100
