"""What a verification reads of a world, on one connection that looks at one state of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.journal import StoredTurn
from ganggpt.persistence.sql import load_sql

_TIMEOUT_S: Final = 600.0

SQL: Final = load_sql(Path(__file__).with_name("verify.sql"))


class WorldFacts(Struct, frozen=True):
    """The world in the database. ``flushed_s``: the tables show every turn up to here; None: nobody ever flushed."""

    name: str
    shards: int
    now_s: float
    flushed_s: float | None
    own: tuple[str, ...]
    all_shards: tuple[str, ...]


class Kept(Struct, frozen=True):
    """All that is kept of an actor: its snapshot row, every turn in the journal, and when the last one was."""

    snapshot_seq: int
    snapshot: bytes | None
    turns: tuple[StoredTurn, ...]
    last_s: float


class VerifyReads:
    """Reads for a verification. All raise Unavailable."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def prepare(self) -> None:
        """Let this transaction join whole tables in memory."""
        with database_may_be_away():
            await self.connection.execute("SET LOCAL work_mem = '128MB'", timeout=60)

    async def world(self) -> WorldFacts | None:
        """The world, or None where there is none."""
        with database_may_be_away():
            if await self.connection.fetchval("SELECT to_regclass('world')", timeout=60) is None:
                return None
            row = await self.connection.fetchrow(SQL["world"], timeout=60)
        if row is None:
            return None
        own, every = tuple(row["own"]), tuple(row["all_shards"])
        return WorldFacts(row["name"], row["shards"], row["now_s"], row["flushed_s"], own, every)

    async def actors(self) -> Sequence[str]:
        """Everybody who ever had a turn that is still kept."""
        with database_may_be_away():
            found = {
                row["actor"] for row in await self.connection.fetch(SQL["actors_with_snapshots"], timeout=_TIMEOUT_S)
            }
            for part in await self.connection.fetch(SQL["journal_parts"], timeout=60):
                lived = await self.connection.fetch(SQL["actors_of_part"].format(part=part["name"]), timeout=_TIMEOUT_S)
                found.update(row["actor"] for row in lived)
        return sorted(found)

    async def kept(self, actors: Sequence[str]) -> Mapping[str, Kept]:
        """Everything about these actors."""
        with database_may_be_away():
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

    async def doubled(self) -> Sequence[tuple[str, str, str]]:
        """Command ids that stand in the journal more than once (the first hundred), with two of their actors."""
        with database_may_be_away():
            rows = await self.connection.fetch(SQL["doubled"], timeout=_TIMEOUT_S)
        return [(str(row["command_id"]), row["one"], row["other"]) for row in rows]

    async def filed(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """By table, whose letters and reminders are kept under which shard."""
        with database_may_be_away():
            return {
                table: [(row["actor"], row["shard"]) for row in await self.connection.fetch(query, timeout=_TIMEOUT_S)]
                for table, query in (("outbox", SQL["outbox"]), ("reminders", SQL["reminders"]))
            }
