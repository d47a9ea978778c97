"""Time parts are there before they are needed and gone when they are told to."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from ganggpt.errors import Unavailable
from ganggpt.persistence.journal import partitions
from ganggpt.persistence.journal.partitions import (
    JOURNAL_DAYS_AHEAD,
    MEMORY_MONTHS_AHEAD,
    ensure_partitions,
    journal_part,
    memory_part,
)
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.ports.retention import month_after

pytestmark = pytest.mark.integration

_TURN = """
INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
VALUES ($1, $2, $3, $4, 1, gen_random_uuid(), 'server:s', 'Talk', '')
"""


async def _turn(pool: asyncpg.Pool, actor: str, seq: int, at: datetime) -> None:
    await pool.execute(_TURN, actor, seq, at.date(), at)


async def _part_of(pool: asyncpg.Pool, table: str, where: str) -> str:
    name: str = await pool.fetchval(f"SELECT tableoid::regclass::text FROM {table} WHERE {where}")
    return name


async def test_many_callers_at_once_make_each_part_once(empty_database: str) -> None:
    await migrate(empty_database)
    async with asyncpg.create_pool(empty_database, min_size=0, max_size=4) as pool:
        made = await asyncio.gather(*(ensure_partitions(pool) for _ in range(4)))
        assert sorted(len(m) for m in made) == [0, 0, 0, JOURNAL_DAYS_AHEAD + 1 + MEMORY_MONTHS_AHEAD + 1]
        assert await ensure_partitions(pool) == []


async def test_a_turn_that_came_before_its_day_was_made_is_kept_and_moved(empty_database: str) -> None:
    await migrate(empty_database)
    now = datetime.now(UTC)
    async with asyncpg.create_pool(empty_database, min_size=0, max_size=2) as pool:
        await _turn(pool, "npc:early", 1, now)
        await pool.execute(
            "INSERT INTO npc_memories (npc_id, memory_type, content, created_at) VALUES ('mara', 'fact', '{}', $1)", now
        )
        assert await _part_of(pool, "journal", "actor = 'npc:early'") == "journal_other"
        await ensure_partitions(pool)
        assert await _part_of(pool, "journal", "actor = 'npc:early'") == journal_part(now.date()).name
        assert await _part_of(pool, "npc_memories", "npc_id = 'mara'") == memory_part(now.date()).name


def test_a_month_ends_where_the_next_begins() -> None:
    december = memory_part(date(2026, 12, 31))
    assert (december.start, december.end) == (date(2026, 12, 1), date(2027, 1, 1))
    assert journal_part(date(2028, 2, 29)).end == date(2028, 3, 1)


def test_months_are_counted_forwards_and_backwards() -> None:
    assert month_after(date(2026, 11, 25), 2) == date(2027, 1, 1)
    assert month_after(date(2026, 1, 31), -1) == date(2025, 12, 1)
    assert month_after(date(2026, 3, 5), -14) == date(2025, 1, 1)


async def test_parts_are_made_although_a_long_query_is_in_the_way_at_first(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TRIES", 2)
    name = journal_part(datetime.now(UTC).date() + timedelta(days=2)).name
    await pool.execute(f"DROP TABLE {name}")
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT count(*) FROM journal")
        with pytest.raises(Unavailable):
            await ensure_partitions(pool)
    assert await ensure_partitions(pool) == [name]
