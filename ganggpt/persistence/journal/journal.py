"""The journal: every turn of every actor, appended by fenced group commit; and what leaves with a turn.

One statement commits a batch: it locks the host's own row ``FOR SHARE`` and inserts only if that row is still live at
the host's epoch. A take-over marks the row dead first, so it waits for a commit in flight and nothing commits after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import command_id_time_s
from ganggpt.errors import CommitUnknown, Fenced
from ganggpt.persistence.outages import LOST, database_may_be_away
from ganggpt.persistence.ports.journal import Batch, DueReminder, Letter, PushRow, StoredActor, StoredTurn

APPEND: Final = """
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), turns AS (
  INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
  SELECT t.actor, t.seq, (to_timestamp(t.at) AT TIME ZONE 'UTC')::date, to_timestamp(t.at), $1,
    t.id, t.by, t.name, t.body
  FROM unnest($2::text[], $3::bigint[], $4::float8[], $5::uuid[], $6::text[], $7::text[], $8::bytea[])
    AS t (actor, seq, at, id, by, name, body), live
  RETURNING 1
)
SELECT count(*) FROM turns
"""
"""The hot statement: turns only. Index: the primary key (actor, seq, day)."""

APPEND_WITH_EFFECTS: Final = (
    APPEND.rsplit("SELECT count(*)", 1)[0].rstrip()  # noqa: S608 - two constants of this file
    + """, letters AS (
  INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
  SELECT o.sender, o.seq, o.n, o.shard, o.target, o.id, o.name, o.body, to_timestamp(o.at)
  FROM unnest($9::text[], $10::bigint[], $11::int[], $12::text[], $13::text[], $14::uuid[], $15::text[], $16::bytea[],
    $17::float8[]) AS o (sender, seq, n, shard, target, id, name, body, at), live
), armed AS (
  INSERT INTO reminders (actor, name, shard, due, command, body)
  SELECT r.actor, r.name, r.shard, to_timestamp(r.due), r.command, r.body
  FROM unnest($18::text[], $19::text[], $20::text[], $21::float8[], $22::text[], $23::bytea[])
    AS r (actor, name, shard, due, command, body), live
  ON CONFLICT (actor, name) DO UPDATE
    SET shard = excluded.shard, due = excluded.due, command = excluded.command, body = excluded.body
), forgotten AS (
  DELETE FROM reminders USING unnest($24::text[], $25::text[]) AS f (actor, name), live
  WHERE reminders.actor = f.actor AND reminders.name = f.name
), news AS (
  INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at)
  SELECT s.name, $1, p.actor, p.seq, p.n, p.type, p.body, to_timestamp(p.at)
  FROM unnest($26::text[], $27::text[], $28::bigint[], $29::int[], $30::text[], $31::bytea[], $32::float8[])
    WITH ORDINALITY AS p (server, actor, seq, n, type, body, at, o)
    JOIN game_servers s ON p.server IN (s.name, '*'), live
  ORDER BY p.o
  RETURNING no, server, actor, seq, type, body
)
SELECT (SELECT count(*) FROM turns) AS turns, news.* FROM (VALUES (1)) one LEFT JOIN news ON true
"""
)
"""Turns with everything that leaves with them: letters, reminders, pushes; one commit for all."""

# One statement, so that one moment is read: between two, a snapshot could come and the turns it covers go. Sealed days
# are left out by their bounds (see retention), so a wake costs the same however many days are kept.
_STORED_OF: Final = """
WITH kept AS MATERIALIZED (SELECT actor, seq, body FROM snapshots WHERE actor = ANY($1::text[]))
SELECT actor, seq, NULL::uuid AS command_id, body FROM kept
UNION ALL
SELECT j.actor, j.seq, j.command_id, j.body
FROM unnest($1::text[]) AS w (actor) LEFT JOIN kept ON kept.actor = w.actor
  CROSS JOIN LATERAL (
    SELECT actor, seq, command_id, body FROM journal
    WHERE actor = w.actor AND seq > coalesce(kept.seq, 0) AND day >= (SELECT before FROM journal_seal)
    ORDER BY seq
  ) j
"""
_TURN: Final = "SELECT body FROM journal WHERE actor = $1 AND seq = $2"
_TURN_BY_COMMAND: Final = "SELECT body FROM journal WHERE actor = $1 AND command_id = $2 LIMIT 1"
_OWED: Final = """
SELECT EXISTS (SELECT 1 FROM outbox WHERE sender = $1 AND target = $2 AND command_id = $3)
  OR EXISTS (
    SELECT 1 FROM reminders WHERE actor = $2 AND $1 = $2
      AND due BETWEEN to_timestamp($4) - interval '1 ms' AND to_timestamp($4) + interval '2 ms')
"""
_SNAPSHOT: Final = """
WITH live AS MATERIALIZED (SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE)
INSERT INTO snapshots (actor, seq, at, schema, body)
SELECT s.actor, s.seq, clock_timestamp(), $5, s.body
FROM unnest($2::text[], $3::bigint[], $4::bytea[]) AS s (actor, seq, body), live
ON CONFLICT (actor) DO UPDATE SET seq = excluded.seq, at = excluded.at, schema = excluded.schema, body = excluded.body
  WHERE excluded.seq >= snapshots.seq
"""
_LETTERS_OF: Final = """
SELECT sender, seq, n, target, command_id, name, body FROM outbox
WHERE shard = ANY($1::text[]) AND at < clock_timestamp() - make_interval(secs => $2)
ORDER BY sender, seq, n LIMIT $3
"""
_SETTLE: Final = """
DELETE FROM outbox USING unnest($1::text[], $2::bigint[], $3::int[]) AS d (sender, seq, n)
WHERE outbox.sender = d.sender AND outbox.seq = d.seq AND outbox.n = d.n
"""
_DUE: Final = """
SELECT actor, name, extract(epoch FROM due)::float8 AS due, command, body FROM reminders
WHERE shard = ANY($1::text[]) AND due <= to_timestamp($2) ORDER BY due LIMIT $3
"""
_FORGET: Final = "DELETE FROM reminders WHERE actor = $1 AND name = $2 AND due <= to_timestamp($3) + interval '1 ms'"


class PostgresJournal:
    """The journal in Postgres. Owns nothing but a pool it was given; every call has a timeout in seconds."""

    def __init__(self, pool: asyncpg.Pool[Any], host: str, timeout_s: float = 10.0) -> None:
        self._pool = pool
        self._host = host
        self._timeout_s = timeout_s

    async def warm(self) -> None:
        """Prepare the hot statements on every connection that is open, so that no command of a fresh host waits for
        that. Writes nothing: no host has the epoch 0. Raises Unavailable."""
        nothing = Batch()
        with database_may_be_away():
            async with AsyncExitStack() as held:
                for _ in range(self._pool.get_size()):
                    connection = await held.enter_async_context(self._pool.acquire(timeout=self._timeout_s))
                    await connection.fetch(_STORED_OF, [], timeout=self._timeout_s)
                    turns, effects = _turn_columns(nothing), _effect_columns(nothing)
                    await connection.fetch(APPEND, 0, *turns, timeout=self._timeout_s)
                    await connection.fetch(APPEND_WITH_EFFECTS, 0, *turns, *effects, timeout=self._timeout_s)

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        wide = batch.has_effects
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                if wide:
                    rows = await connection.fetch(
                        APPEND_WITH_EFFECTS,
                        epoch,
                        *_turn_columns(batch),
                        *_effect_columns(batch),
                        timeout=self._timeout_s,
                    )
                    committed = rows[0]["turns"]
                else:
                    rows = []
                    committed = await connection.fetchval(APPEND, epoch, *_turn_columns(batch), timeout=self._timeout_s)
        except asyncpg.UniqueViolationError as doubled:
            raise Fenced(self._host, epoch) from doubled
        except (*LOST, asyncpg.PostgresError) as lost:
            raise CommitUnknown(self._host, epoch, repr(lost)) from lost
        if committed != len(batch):
            raise Fenced(self._host, epoch)
        return [
            PushRow(r["no"], r["server"], epoch, r["actor"], r["seq"], r["type"], r["body"])
            for r in rows
            if r["no"] is not None
        ]

    async def load(self, actors: Sequence[str]) -> Mapping[str, StoredActor]:
        """See Journal."""
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                rows = await connection.fetch(_STORED_OF, actors, timeout=self._timeout_s)
        snapshots: dict[str, tuple[int, bytes | None]] = {}
        suffixes: dict[str, list[StoredTurn]] = {}
        for r in rows:
            if r["command_id"] is None:
                snapshots[r["actor"]] = (r["seq"], r["body"])
            else:
                suffixes.setdefault(r["actor"], []).append(StoredTurn(r["seq"], r["command_id"].bytes, r["body"]))
        nothing: tuple[int, bytes | None] = (0, None)
        return {
            actor: StoredActor(*snapshots.get(actor, nothing), tuple(suffixes.get(actor, ())))
            for actor in {*snapshots, *suffixes}
        }

    async def turn(self, actor: str, seq: int) -> bytes | None:
        """See Journal."""
        with database_may_be_away():
            body: bytes | None = await self._pool.fetchval(_TURN, actor, seq, timeout=self._timeout_s)
            return body

    async def turn_by_command(self, actor: str, command_id: bytes) -> bytes | None:
        """See Journal."""
        with database_may_be_away():
            body: bytes | None = await self._pool.fetchval(
                _TURN_BY_COMMAND, actor, UUID(command_id), timeout=self._timeout_s
            )
            return body

    async def is_owed(self, by: str, actor: str, command_id: bytes) -> bool:
        """See Journal."""
        with database_may_be_away():
            at_s = command_id_time_s(command_id)
            owed: bool = await self._pool.fetchval(_OWED, by, actor, UUID(command_id), at_s, timeout=self._timeout_s)
            return owed

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """See Journal."""
        with database_may_be_away():
            actors, seqs, bodies = zip(*rows, strict=True) if rows else ((), (), ())
            await self._pool.execute(_SNAPSHOT, epoch, actors, seqs, bodies, schema, timeout=self._timeout_s)

    async def letters(self, shards: Sequence[str], older_than_s: float, limit: int) -> Sequence[Letter]:
        """See Journal."""
        with database_may_be_away():
            rows = await self._pool.fetch(_LETTERS_OF, shards, older_than_s, limit, timeout=self._timeout_s)
            return [
                Letter(r["sender"], r["seq"], r["n"], r["target"], r["command_id"].bytes, r["name"], r["body"])
                for r in rows
            ]

    async def settle(self, letters: Sequence[Letter]) -> None:
        """See Journal."""
        with database_may_be_away():
            await self._pool.execute(
                _SETTLE,
                [x.sender for x in letters],
                [x.seq for x in letters],
                [x.n for x in letters],
                timeout=self._timeout_s,
            )

    async def due(self, shards: Sequence[str], now_s: float, limit: int) -> Sequence[DueReminder]:
        """See Journal."""
        with database_may_be_away():
            rows = await self._pool.fetch(_DUE, shards, now_s, limit, timeout=self._timeout_s)
            return [DueReminder(*r.values()) for r in rows]

    async def drop_reminder(self, reminder: DueReminder) -> None:
        """See Journal."""
        with database_may_be_away():
            await self._pool.execute(_FORGET, reminder.actor, reminder.name, reminder.due_s, timeout=self._timeout_s)


def _turn_columns(batch: Batch) -> list[list[Any]]:
    """Parameters 2 to 8 of both statements."""
    actors, seqs, ats, ids, bys, names, bodies = batch.turns
    return [actors, seqs, ats, list(map(UUID, ids)), bys, names, bodies]


def _effect_columns(batch: Batch) -> list[list[Any]]:
    """Parameters 9 to 32 of the wide statement."""
    letters = [
        (x.sender, x.seq, x.n, shard, x.target, UUID(x.id), x.name, x.body, at_s)
        for x, (shard, at_s) in zip(batch.letters, batch.filed, strict=True)
    ]
    armed = [(actor, name, *row) for (actor, name), row in batch.reminders.items() if row is not None]
    gone = [key for key, row in batch.reminders.items() if row is None]
    return [*_columns(letters, 9), *_columns(armed, 6), *_columns(gone, 2), *batch.pushes]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
