"""What a verification reads of a world, on one connection that looks at one state of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.journal import StoredTurn

_TIMEOUT_S: Final = 600.0

# From actor to actor through the index of a part, so that it costs what a day's actors cost and not its turns.
_LIVED: Final = """
WITH RECURSIVE next AS (
  (SELECT actor FROM {part} ORDER BY actor LIMIT 1)
  UNION ALL
  SELECT n.actor FROM next
    CROSS JOIN LATERAL (SELECT actor FROM {part} WHERE actor > next.actor ORDER BY actor LIMIT 1) n
)
SELECT actor FROM next
"""
_PARTS: Final = """
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'journal'::regclass ORDER BY c.relname
"""
_ASLEEP: Final = "SELECT actor FROM snapshots"
_SNAPSHOTS: Final = "SELECT actor, seq, body FROM snapshots WHERE actor = ANY($1::text[])"
_TURNS: Final = """
SELECT actor, seq, command_id, extract(epoch FROM at)::float8 AS at_s, body FROM journal WHERE actor = ANY($1::text[])
ORDER BY actor, seq
"""
_DOUBLED: Final = """
SELECT command_id, min(actor) AS one, max(actor) AS other FROM journal GROUP BY command_id HAVING count(*) > 1 LIMIT 100
"""
_OUTBOX: Final = "SELECT sender AS actor, shard FROM outbox"
_REMINDERS: Final = "SELECT actor, shard FROM reminders"
_WORLD: Final = """
SELECT w.name, w.shards, extract(epoch FROM clock_timestamp())::float8 AS now_s,
  (SELECT extract(epoch FROM min(flushed_at))::float8 FROM hosts h
     WHERE state <> 'dead' OR EXISTS (SELECT FROM shards s WHERE s.epoch = h.epoch)) AS flushed_s,
  ARRAY(SELECT shard FROM shards WHERE residence = 'own') AS own, ARRAY(SELECT shard FROM shards) AS all_shards
FROM world w
"""


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
            row = await self.connection.fetchrow(_WORLD, timeout=60)
        if row is None:
            return None
        own, every = tuple(row["own"]), tuple(row["all_shards"])
        return WorldFacts(row["name"], row["shards"], row["now_s"], row["flushed_s"], own, every)

    async def actors(self) -> Sequence[str]:
        """Everybody who ever had a turn that is still kept."""
        with database_may_be_away():
            found = {row["actor"] for row in await self.connection.fetch(_ASLEEP, timeout=_TIMEOUT_S)}
            for part in await self.connection.fetch(_PARTS, timeout=60):
                lived = await self.connection.fetch(_LIVED.format(part=part["name"]), timeout=_TIMEOUT_S)
                found.update(row["actor"] for row in lived)
        return sorted(found)

    async def kept(self, actors: Sequence[str]) -> Mapping[str, Kept]:
        """Everything about these actors."""
        with database_may_be_away():
            asleep = await self.connection.fetch(_SNAPSHOTS, actors, timeout=_TIMEOUT_S)
            rows = await self.connection.fetch(_TURNS, actors, timeout=_TIMEOUT_S)
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
            rows = await self.connection.fetch(_DOUBLED, timeout=_TIMEOUT_S)
        return [(str(row["command_id"]), row["one"], row["other"]) for row in rows]

    async def filed(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """By table, whose letters and reminders are kept under which shard."""
        with database_may_be_away():
            return {
                table: [(row["actor"], row["shard"]) for row in await self.connection.fetch(query, timeout=_TIMEOUT_S)]
                for table, query in (("outbox", _OUTBOX), ("reminders", _REMINDERS))
            }
