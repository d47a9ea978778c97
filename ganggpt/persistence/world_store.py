"""The world in a database: its sheet, its first cast, and its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.domain.ids import kind_of
from ganggpt.domain.world import World, decode_world, encode_world
from ganggpt.errors import StartFailed
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.sql import load_sql

Cast = Mapping[str, tuple[str, bytes]]
"""By actor id, the name and the encoded body of the command that creates the actor when it is first needed."""

SQL: Final = load_sql(Path(__file__).with_name("world_store.sql"))


async def create_world(
    pool: asyncpg.Pool[Any], world: World, cast: Cast, shards: Sequence[str], timeout_s: float = 30.0
) -> int:
    """Put a world into the database, all or nothing, and return how many shards it has.

    ``shards`` names the hash shards of a new world. Loading the same world again renews its sheet and adds new cast,
    but keeps the shards it was created with. Raises StartFailed where the database holds another world, and
    Unavailable.
    """
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
            await connection.execute(SQL["one_at_a_time"], timeout=timeout_s)
            there: str | None = await connection.fetchval(SQL["name"], timeout=timeout_s)
            if there is not None and there != world.name:
                raise StartFailed(
                    f"This database holds the world {there!r}, not {world.name!r}.",
                    "Use another database or data directory for the other world.",
                )
            count: int = await connection.fetchval(
                SQL["save_world"],
                world.name,
                world.title,
                world.seed,
                len(shards),
                encode_world(world),
                timeout=timeout_s,
            )
            if there is None:
                await connection.execute(SQL["save_shards"], shards, timeout=timeout_s)
            columns = [(actor, kind_of(actor), command, body) for actor, (command, body) in cast.items()]
            await connection.execute(SQL["save_cast"], *(zip(*columns, strict=True) if columns else ((),) * 4))
            people = sorted((n.id, f"npc:{n.id}", n.name, n.role, n.home, n.faction) for n in world.npcs.values())
            await connection.execute(SQL["show_cast"], *(zip(*people, strict=True) if people else ((),) * 6))
            return count


async def load_world(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> tuple[World, Cast]:
    """The world in the database and its cast. Raises StartFailed where there is none yet, and Unavailable."""
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection:
            sheet: bytes | None = await connection.fetchval(SQL["load_world"], timeout=timeout_s)
            rows = await connection.fetch(SQL["load_cast"], timeout=timeout_s)
    if sheet is None:
        raise StartFailed("This database holds no world.", "Run `ganggpt world load`.")
    return decode_world(sheet), {r["actor"]: (r["command"], r["body"]) for r in rows}
