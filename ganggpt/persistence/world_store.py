"""The world in a database: its sheet, its first cast, and its shards."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from ganggpt.domain.ids import WORLD, derived_command_id, kind_of
from ganggpt.domain.world import World, decode_world, encode_world
from ganggpt.errors import StartFailed, Unavailable
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.projections.rows import cast_columns
from ganggpt.persistence.sql import load_sql

log = logging.getLogger(__name__)

Told = Sequence[tuple[str, str, str, bytes]]
"""Commands to actors: the shard whose host delivers it, the actor, name and encoded body of the command."""
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
            await connection.execute(SQL["show_cast"], *cast_columns(world), timeout=timeout_s)
            return count


async def loaded_s(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> float:
    """When world files were last loaded into the database, in Unix seconds; 0 where it holds no world."""
    with database_outages():
        at_s: float | None = await pool.fetchval(SQL["loaded_at"], timeout=timeout_s)
        return at_s or 0.0


async def change_world(
    pool: asyncpg.Pool[Any], before: World, after: World, cast: Cast, told: Told, timeout_s: float = 30.0
) -> bool:
    """Put changed world files into the database with the commands that tell actors of it, all or nothing.

    The commands go into the outbox, from where a running world delivers them and a stopped one when it runs again; each
    is applied once. False where the database does not hold ``before`` any more: somebody else changed it meanwhile.
    Raises StartFailed where the database holds another world, and Unavailable.
    """
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
            await connection.execute(SQL["one_at_a_time"], timeout=timeout_s)
            sheet: bytes | None = await connection.fetchval(SQL["load_world"], timeout=timeout_s)
            if sheet is None or decode_world(sheet) != before:
                return False
            encoded = encode_world(after)
            await connection.fetchval(
                SQL["save_world"], after.name, after.title, after.seed, 1, encoded, timeout=timeout_s
            )
            at_ms: int = await connection.fetchval(SQL["loaded_ms"], timeout=timeout_s)
            columns = [(actor, kind_of(actor), command, body) for actor, (command, body) in cast.items()]
            await connection.execute(SQL["save_cast"], *(zip(*columns, strict=True) if columns else ((),) * 4))
            await connection.execute(SQL["forget_cast"], list(cast), timeout=timeout_s)
            content = hashlib.blake2b(encoded, digest_size=16).hexdigest()
            ids = [UUID(bytes=derived_command_id(at_ms / 1000, content, *part)) for part in told]
            rows = list(zip(*told, strict=True)) if told else [()] * 4
            await connection.execute(SQL["tell"], WORLD, at_ms, ids, *rows, timeout=timeout_s)
            await _show_only(connection, after, timeout_s)
            return True


async def show_people(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
    """Let lists show those who never lived as the world in the database says. Raises Unavailable."""
    with database_outages():
        async with pool.acquire(timeout=timeout_s) as connection, connection.transaction():
            await connection.execute(SQL["one_at_a_time"], timeout=timeout_s)
            sheet: bytes | None = await connection.fetchval(SQL["load_world"], timeout=timeout_s)
            if sheet is not None:
                await _show_only(connection, decode_world(sheet), timeout_s)


async def _show_only(connection: Any, world: World, timeout_s: float) -> None:
    """Last in a transaction, for flushes wait until its end. The rows of the living are their hosts' to write."""
    await connection.execute(SQL["hold_npcs"], timeout=timeout_s)
    await connection.execute(SQL["show_cast"], *cast_columns(world), timeout=timeout_s)
    await connection.execute(SQL["hide_cast"], list(world.npcs), timeout=timeout_s)


async def untold(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> int:
    """How many commands that follow from loaded world files are not delivered yet."""
    with database_outages():
        count: int = await pool.fetchval(SQL["untold"], WORLD, timeout=timeout_s)
        return count


class LiveWorld:
    """The world of a database, read again when other files are loaded. ``world``: as it was read last."""

    def __init__(self, pool: asyncpg.Pool[Any], every_s: float = 2.0) -> None:
        self._pool = pool
        self._every_s = every_s
        self._at_s = 0.0
        self.world: World

    async def read(self) -> tuple[World, Cast]:
        """Read it. Raises StartFailed where there is none, and Unavailable."""
        at_s = await loaded_s(self._pool)
        self.world, cast = await load_world(self._pool)
        self._at_s = at_s
        return self.world, cast

    async def follow(self) -> None:
        """Read it again whenever it was changed, until cancelled; an outage is waited out."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                if await loaded_s(self._pool) > self._at_s:
                    await self.read()
            except (Unavailable, StartFailed) as away:
                log.warning("the world cannot be read again: %s", away)


async def shards_of(pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> int:
    """How many hash shards the world in the database has. Raises StartFailed where there is no world, Unavailable."""
    with database_outages():
        count: int | None = await pool.fetchval(SQL["shards"], timeout=timeout_s)
    if count is None:
        raise StartFailed("This database holds no world.", "Run `ganggpt world load`.")
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
