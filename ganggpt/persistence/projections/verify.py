"""Reads for a verification of a world, on one connection that sees one state of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.world import decode_world
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.journal import StoredTurn
from ganggpt.persistence.projections.rows import cast_columns
from ganggpt.persistence.sql import load_sql

_TIMEOUT_S: Final = 600.0

SQL: Final = load_sql(Path(__file__).with_name("verify.sql"))


class WorldFacts(Struct, frozen=True):
    """The world in the database. ``flushed_s``: Unix time up to which the tables show every turn; None: never
    flushed."""

    name: str
    shards: int
    now_s: float
    flushed_s: float | None
    own: tuple[str, ...]
    all_shards: tuple[str, ...]


class Kept(Struct, frozen=True):
    """Everything stored of an actor: its snapshot, its turns in the journal, and when the last one was."""

    snapshot_seq: int
    snapshot: bytes | None
    turns: tuple[StoredTurn, ...]
    last_s: float


class VerifyReads:
    """Reads for a verification. Every method raises Unavailable."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def prepare(self) -> None:
        """Let this transaction join whole tables in memory."""
        with database_outages():
            await self.connection.execute("SET LOCAL work_mem = '128MB'", timeout=60)

    async def world(self) -> WorldFacts | None:
        """The world, or None where there is none."""
        with database_outages():
            if await self.connection.fetchval("SELECT to_regclass('world')", timeout=60) is None:
                return None
            row = await self.connection.fetchrow(SQL["world"], timeout=60)
        if row is None:
            return None
        own, every = tuple(row["own"]), tuple(row["all_shards"])
        return WorldFacts(row["name"], row["shards"], row["now_s"], row["flushed_s"], own, every)

    async def actors(self) -> Sequence[str]:
        """Every actor with a snapshot or a turn."""
        with database_outages():
            found = {
                row["actor"] for row in await self.connection.fetch(SQL["actors_with_snapshots"], timeout=_TIMEOUT_S)
            }
            for part in await self.connection.fetch(SQL["journal_parts"], timeout=60):
                lived = await self.connection.fetch(SQL["actors_of_part"].format(part=part["name"]), timeout=_TIMEOUT_S)
                found.update(row["actor"] for row in lived)
        return sorted(found)

    async def kept(self, actors: Sequence[str]) -> Mapping[str, Kept]:
        """Everything stored of these actors."""
        with database_outages():
            asleep = await self.connection.fetch(SQL["snapshots"], actors, timeout=_TIMEOUT_S)
            rows = await self.connection.fetch(SQL["turns"], actors, timeout=_TIMEOUT_S)
        snapshots = {row["actor"]: (row["seq"], row["body"]) for row in asleep}
        turns: dict[str, list[StoredTurn]] = {}
        last_s: dict[str, float] = {}
        for row in rows:
            turns.setdefault(row["actor"], []).append(StoredTurn(row["seq"], row["command_id"].bytes, row["body"]))
            last_s[row["actor"]] = row["at_s"]
        return {
            actor: Kept(*snapshots.get(actor, (0, None)), tuple(turns.get(actor, ())), last_s.get(actor, 0.0))
            for actor in actors
        }

    async def wrong_cast(self) -> Sequence[str]:
        """People without the row in ``npcs`` that the world files call for, or with one that they do not; it says
        nothing of those who lived."""
        with database_outages():
            world = decode_world(await self.connection.fetchval(SQL["sheet"], timeout=60))
            rows = await self.connection.fetch(SQL["wrong_cast"], *cast_columns(world), timeout=_TIMEOUT_S)
        return [row["actor"] for row in rows]

    async def doubled(self) -> Sequence[tuple[str, str, str]]:
        """Command ids that are in the journal more than once (the first hundred), with two of their actors."""
        with database_outages():
            rows = await self.connection.fetch(SQL["doubled"], timeout=_TIMEOUT_S)
        return [(str(row["command_id"]), row["one"], row["other"]) for row in rows]

    async def filed(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """By table, the actors of messages and reminders with the shards they are kept under."""
        with database_outages():
            return {
                table: [(row["actor"], row["shard"]) for row in await self.connection.fetch(query, timeout=_TIMEOUT_S)]
                for table, query in (("outbox", SQL["outbox"]), ("reminders", SQL["reminders"]))
            }
