"""A database holds one world, from its birth on with the same shards."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest

from ganggpt.errors import StartFailed
from ganggpt.persistence.world_store import create_world, load_world
from tests.support.stored_world import CAST, SHARDS, WORLD

pytestmark = pytest.mark.integration


async def test_a_world_is_read_as_it_was_written(pool: asyncpg.Pool) -> None:
    assert await create_world(pool, WORLD, CAST, SHARDS) == 16
    assert await load_world(pool) == (WORLD, CAST)
    rows = await pool.fetch("SELECT shard, residence, epoch FROM shards")
    assert {tuple(r) for r in rows} == {(s, "shared", None) for s in SHARDS}
    kinds = await pool.fetch("SELECT actor, kind FROM cast_members")
    assert dict(map(tuple, kinds)) == {"npc:mara": "npc", "faction:ballas": "faction"}


async def test_the_same_world_again_renews_its_sheet_and_adds_cast_but_keeps_its_shards(pool: asyncpg.Pool) -> None:
    await create_world(pool, WORLD, CAST, SHARDS)
    renewed = msgspec.structs.replace(WORLD, title="Los Santos at night")
    more = {"npc:mara": ("Spawn", b"\x90"), "npc:new": ("Spawn", b"\x80")}
    assert await create_world(pool, renewed, more, [f"s:{n}" for n in range(64)]) == 16
    assert await load_world(pool) == (renewed, CAST | more)
    assert await pool.fetchval("SELECT count(*) FROM shards") == 16


async def test_another_world_is_refused_and_changes_nothing(pool: asyncpg.Pool) -> None:
    await create_world(pool, WORLD, CAST, SHARDS)
    other = msgspec.structs.replace(WORLD, name="liberty")
    with pytest.raises(StartFailed, match="los-santos"):
        await create_world(pool, other, {"npc:stranger": ("Spawn", b"")}, SHARDS)
    assert await load_world(pool) == (WORLD, CAST)


async def test_two_processes_that_load_at_once_make_one_world(pool: asyncpg.Pool) -> None:
    counts = await asyncio.gather(*(create_world(pool, WORLD, CAST, SHARDS) for _ in range(4)))
    assert set(counts) == {16}
    assert await load_world(pool) == (WORLD, CAST)


async def test_no_world_names_the_command_that_loads_one(pool: asyncpg.Pool) -> None:
    with pytest.raises(StartFailed, match="ganggpt world load"):
        await load_world(pool)


async def test_a_world_without_cast_is_a_world(pool: asyncpg.Pool) -> None:
    await create_world(pool, WORLD, {}, SHARDS)
    assert await load_world(pool) == (WORLD, {})
