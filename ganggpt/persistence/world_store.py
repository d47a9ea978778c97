"""The world a database holds: its sheet, the cast that lives in it from the start, and its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from ganggpt.domain.ids import kind_of
from ganggpt.domain.world import World, decode_world, encode_world
from ganggpt.errors import StartFailed
from ganggpt.persistence.outages import database_may_be_away

Cast = Mapping[str, tuple[str, bytes]]
"""By actor id: name and encoded body of the command that creates the actor when it is first needed."""

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(7022007)"
_NAME: Final = "SELECT name FROM world"
_SAVE: Final = """
INSERT INTO world (name, title, seed, shards, sheet) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (one) DO UPDATE SET title = excluded.title, seed = excluded.seed, sheet = excluded.sheet,
  loaded_at = clock_timestamp()
RETURNING shards
"""
_SAVE_CAST: Final = """
INSERT INTO cast_members (actor, kind, command, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT (actor) DO UPDATE SET command = excluded.command, body = excluded.body
"""
_SAVE_SHARDS: Final = """
INSERT INTO shards (shard, residence) SELECT s, 'shared' FROM unnest($1::text[]) s ON CONFLICT (shard) DO NOTHING
"""
_LOAD: Final = "SELECT sheet FROM world"
_CAST: Final = "SELECT actor, command, body FROM cast_members ORDER BY actor"


async def create_world(
    pool: asyncpg.Pool[Any], world: World, cast: Cast, shards: Sequence[str], timeout_s: float = 30.0
) -> int:
    """Put a world into the database, all or nothing, and return how many shards it has.

    ``shards`` names the hash shards of a new world. Loading the same world again renews its sheet and adds new cast; it
    keeps the shards of its birth. Raises StartFailed where the database holds another world, and Unavailable.
    """
    with database_may_be_away():
        async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
            await connection.execute(_ONE_AT_A_TIME, timeout=timeout_s)
            there: str | None = await connection.fetchval(_NAME, timeout=timeout_s)
            if there is not None and there != world.name:
                raise StartFailed(
                    f"This database holds the world {there!r}, not {world.name!r}.",
                    "Use another database or data directory for the other world.",
                )
            count: int = await connection.fetchval(
                _SAVE, world.name, world.title, world.seed, len(shards), encode_world(world), timeout=timeout_s
            )
            if there is None:
                await connection.execute(_SAVE_SHARDS, shards, timeout=timeout_s)
            columns = [(actor, kind_of(actor), command, body) for actor, (command, body) in cast.items()]
            await connection.execute(_SAVE_CAST, *(zip(*columns, strict=True) if columns else ((),) * 4))
            return count


async def load_world(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> tuple[World, Cast]:
    """The world of the database and its cast. Raises StartFailed where none was loaded yet, and Unavailable."""
    with database_may_be_away():
        async with pool.acquire(timeout=timeout_s) as connection:
            sheet: bytes | None = await connection.fetchval(_LOAD, timeout=timeout_s)
            rows = await connection.fetch(_CAST, timeout=timeout_s)
    if sheet is None:
        raise StartFailed("This database holds no world.", "Run `ganggpt world load`.")
    return decode_world(sheet), {r["actor"]: (r["command"], r["body"]) for r in rows}
