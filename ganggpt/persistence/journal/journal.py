"""The journal: every turn of every actor, appended by fenced group commit; and what leaves with a turn.

One statement commits a batch: it locks the host's own row ``FOR SHARE`` and inserts only if that row is still live at
the host's epoch. A take-over marks the row dead first, so it waits for a commit in flight and nothing commits after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import command_id_time_s
from ganggpt.errors import CommitUnknown, Fenced
from ganggpt.persistence.outages import LOST, database_may_be_away
from ganggpt.persistence.ports.journal import Batch, DueReminder, Letter, PushRow, StoredActor, StoredTurn
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("journal.sql"))


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
                    await connection.fetch(SQL["load"], [], timeout=self._timeout_s)
                    turns, effects = _turn_columns(nothing), _effect_columns(nothing)
                    await connection.fetch(SQL["append"], 0, *turns, timeout=self._timeout_s)
                    await connection.fetch(SQL["append_with_effects"], 0, *turns, *effects, timeout=self._timeout_s)

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        wide = batch.has_effects
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                if wide:
                    rows = await connection.fetch(
                        SQL["append_with_effects"],
                        epoch,
                        *_turn_columns(batch),
                        *_effect_columns(batch),
                        timeout=self._timeout_s,
                    )
                    committed = rows[0]["turns"]
                else:
                    rows = []
                    committed = await connection.fetchval(
                        SQL["append"], epoch, *_turn_columns(batch), timeout=self._timeout_s
                    )
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
                rows = await connection.fetch(SQL["load"], actors, timeout=self._timeout_s)
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
            body: bytes | None = await self._pool.fetchval(SQL["turn"], actor, seq, timeout=self._timeout_s)
            return body

    async def turn_by_command(self, actor: str, command_id: bytes) -> bytes | None:
        """See Journal."""
        with database_may_be_away():
            body: bytes | None = await self._pool.fetchval(
                SQL["turn_by_command"], actor, UUID(command_id), timeout=self._timeout_s
            )
            return body

    async def is_owed(self, by: str, actor: str, command_id: bytes) -> bool:
        """See Journal."""
        with database_may_be_away():
            at_s = command_id_time_s(command_id)
            owed: bool = await self._pool.fetchval(
                SQL["is_owed"], by, actor, UUID(command_id), at_s, timeout=self._timeout_s
            )
            return owed

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """See Journal."""
        with database_may_be_away():
            actors, seqs, bodies = zip(*rows, strict=True) if rows else ((), (), ())
            await self._pool.execute(
                SQL["save_snapshots"], epoch, actors, seqs, bodies, schema, timeout=self._timeout_s
            )

    async def letters(self, shards: Sequence[str], older_than_s: float, limit: int) -> Sequence[Letter]:
        """See Journal."""
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["messages"], shards, older_than_s, limit, timeout=self._timeout_s)
            return [
                Letter(r["sender"], r["seq"], r["n"], r["target"], r["command_id"].bytes, r["name"], r["body"])
                for r in rows
            ]

    async def settle(self, letters: Sequence[Letter]) -> None:
        """See Journal."""
        with database_may_be_away():
            await self._pool.execute(
                SQL["settle"],
                [x.sender for x in letters],
                [x.seq for x in letters],
                [x.n for x in letters],
                timeout=self._timeout_s,
            )

    async def due(self, shards: Sequence[str], now_s: float, limit: int) -> Sequence[DueReminder]:
        """See Journal."""
        with database_may_be_away():
            rows = await self._pool.fetch(SQL["due"], shards, now_s, limit, timeout=self._timeout_s)
            return [DueReminder(*r.values()) for r in rows]

    async def drop_reminder(self, reminder: DueReminder) -> None:
        """See Journal."""
        with database_may_be_away():
            await self._pool.execute(
                SQL["drop_reminder"], reminder.actor, reminder.name, reminder.due_s, timeout=self._timeout_s
            )


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
