"""Questions to a whole world in SQL: what was kept of what was promised, and how much there is of everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct

_KEPT: Final = """
SELECT count(*) FILTER (WHERE j.n IS NULL) AS lost, count(*) FILTER (WHERE j.n > 1) AS doubled
FROM unnest($1::uuid[]) AS a (id)
  LEFT JOIN (SELECT command_id, count(*) AS n FROM journal GROUP BY command_id) j ON j.command_id = a.id
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM journal) AS turns,
  (SELECT count(*) FROM players) AS players,
  (SELECT count(*) FROM npc_memories) AS memories,
  (SELECT count(*) FROM faction_relationships) AS relationships,
  (SELECT count(*) FROM missions) AS missions,
  (SELECT count(*) FROM companions) AS companions,
  (SELECT count(*) FROM missions WHERE status = 'completed') AS missions_completed,
  (SELECT count(*) FROM outbox) AS letters_waiting
"""
_HOLDER: Final = """
SELECT h.name, h.address FROM shards s JOIN hosts h ON h.epoch = s.epoch
WHERE s.shard = ANY($1::text[]) AND h.state <> 'dead' ORDER BY s.residence LIMIT 1
"""
_TURNS_BY: Final = "SELECT count(*) FROM journal WHERE by = ANY($1::text[])"
_SHARDS: Final = "SELECT shards FROM world"


class Promises(Struct, frozen=True):
    """Acked commands held against the journal."""

    acked: int
    lost: int
    doubled: int


async def promises_kept(pool: asyncpg.Pool[Any], acked: Iterable[bytes]) -> Promises:
    """Count acked command ids that the journal does not have, or has more than once."""
    ids = [UUID(command_id) for command_id in acked]
    row = await pool.fetchrow(_KEPT, ids, timeout=60)
    assert row is not None
    return Promises(len(ids), row["lost"], row["doubled"])


async def world_counts(pool: asyncpg.Pool[Any]) -> dict[str, int]:
    """Rows of the tables people ask about."""
    row = await pool.fetchrow(_COUNTS, timeout=60)
    assert row is not None
    return dict(row)


async def turns_by(pool: asyncpg.Pool[Any], senders: Sequence[str]) -> int:
    """How many turns the journal has of commands these sent."""
    count: int = await pool.fetchval(_TURNS_BY, senders, timeout=60)
    return count


async def shard_count(pool: asyncpg.Pool[Any]) -> int:
    """How many hash shards the world has."""
    count: int = await pool.fetchval(_SHARDS, timeout=10)
    return count


async def holder_of(pool: asyncpg.Pool[Any], shards: list[str]) -> tuple[str, str] | None:
    """Name and address (machine/pid) of the live host that holds the first of these shards that is held; a shard of
    an actor's own goes before the hash shard it would otherwise be in."""
    row = await pool.fetchrow(_HOLDER, shards, timeout=10)
    return None if row is None else (row["name"], row["address"])
