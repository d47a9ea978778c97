"""Point in time: the journal of the source carries a loaded snapshot on to a time after its cut.

Every turn keeps its effects, so outbox and reminders at a time follow from those of the cut: plus what the turns since
then wished for, minus what their receivers have in their journals by then. A turn counts when it was made at or before
that time. Clocks of two hosts may differ a little, so a receiver's turn can count while its sender's does not: such a
turn, and what its actor did after it, is left out too, until nobody holds what nobody sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.kinds import Effects, decode_effects, keeps_effects
from ganggpt.errors import RestoreRefused
from ganggpt.persistence.journal.partitions import ensure_days
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.world_snapshot.manifest import Manifest

LATE_S: Final = 120.0
"""A turn may be committed this long after it was made."""
SKEW_S: Final = 5.0
"""Clocks of hosts are closer than this to the database's."""
_BATCH: Final = 5000
_TIMEOUT_S: Final = 1800.0

_SOURCE: Final = "SELECT name, extract(epoch FROM clock_timestamp())::float8 AS now_s FROM world"
_TURN: Final = ("actor", "seq", "day", "at", "epoch", "command_id", "by", "name", "body")
_SINCE: Final = """
SELECT actor, seq, day, at, epoch, command_id, by, name, body FROM journal
WHERE at > to_timestamp($1) AND at <= to_timestamp($2) AND day >= (to_timestamp($1) AT TIME ZONE 'UTC')::date
ORDER BY actor, seq
"""
_REACHED: Final = "SELECT actor, seq FROM snapshots"
_IS_THERE: Final = """
SELECT w.actor FROM unnest($1::text[], $2::bigint[]) w (actor, seq)
WHERE NOT EXISTS (SELECT FROM journal j WHERE j.actor = w.actor AND j.seq = w.seq)
"""
_LAST: Final = """
SELECT actor, max(seq) AS seq FROM (SELECT actor, seq FROM snapshots UNION ALL SELECT actor, seq FROM journal) t
GROUP BY actor
"""
_HOLD: Final = """
SELECT actor, min(seq) AS seq FROM journal WHERE command_id = ANY($1::uuid[]) AND at >= to_timestamp($2) GROUP BY actor
"""
_TAKE_BACK: Final = "DELETE FROM journal WHERE actor = $1 AND seq >= $2"
_FORGET: Final = "DELETE FROM reminders WHERE (actor, name) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
_SETTLED: Final = """
DELETE FROM outbox o WHERE EXISTS (SELECT FROM journal j WHERE j.actor = o.target AND j.command_id = o.command_id)
"""
_DUE: Final = (
    "SELECT actor, name, extract(epoch FROM due)::float8 AS due_s FROM reminders WHERE due <= to_timestamp($1)"
)
_FIRED: Final = """
DELETE FROM reminders r USING unnest($1::text[], $2::text[], $3::uuid[]) f (actor, name, id)
WHERE r.actor = f.actor AND r.name = f.name
  AND EXISTS (SELECT FROM journal j WHERE j.actor = f.actor AND j.command_id = f.id)
"""
_LETTERS: Final = """
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT sender, seq, n, shard, target, id, name, body, to_timestamp(at) FROM unnest($1::text[], $2::bigint[], $3::int[],
  $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bytea[], $9::float8[])
  AS o (sender, seq, n, shard, target, id, name, body, at)
"""
_REMINDERS: Final = """
INSERT INTO reminders (actor, name, shard, due, command, body)
SELECT actor, name, shard, to_timestamp(due), command, body
FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::bytea[])
  AS r (actor, name, shard, due, command, body)
"""


class Replay:
    """Carries a loaded snapshot on to ``until_s``. ``journal``: dsn of the database whose journal goes on."""

    def __init__(self, journal: str, manifest: Manifest, until_s: float) -> None:
        self._journal = journal
        self._manifest = manifest
        self._until_ms = int(until_s * 1000)
        self._until_s = until_s
        self._effects: list[tuple[str, int, float, Effects]] = []
        self._kept: dict[str, int] = {}
        self._unsent: set[bytes] = set()
        self.turns = 0

    async def check(self) -> None:
        """Whether the source can do it. Raises RestoreRefused (``time``, ``wrong_world``) and Unavailable."""
        if self._until_s < self._manifest.cut_s:
            problem = f"the time lies before the cut of {self._manifest.name}"
            raise RestoreRefused("time", problem, "Choose an earlier snapshot: `ganggpt snapshots` shows their times.")
        with database_may_be_away():
            source = await asyncpg.connect(self._journal, timeout=10, statement_cache_size=0)
            try:
                found = await source.fetchrow(_SOURCE, timeout=60)
            except asyncpg.UndefinedTableError:
                found = None
            finally:
                await source.close(timeout=10)
        if found is None or found["name"] != self._manifest.world:
            there = "no world" if found is None else f"the world {found['name']!r}"
            problem = f"the journal's database holds {there}, the snapshot is of {self._manifest.world!r}"
            raise RestoreRefused("wrong_world", problem, "Name the database the snapshot came from: --journal.")
        if self._until_s > found["now_s"]:
            raise RestoreRefused("time", "the time lies in the future of the source", "Choose an earlier --at.")

    async def apply(self, target: Any, shard_of: Callable[[str, frozenset[str]], str]) -> None:
        """Add everything up to the time, in the transaction of ``target``. ``shard_of(actor, own)``: the shard of an
        actor where those of ``own`` are shards of their own. Raises RestoreRefused, Unavailable."""
        last = {row["actor"]: row["seq"] for row in await target.fetch(_LAST, timeout=_TIMEOUT_S)}
        source = await asyncpg.connect(self._journal, timeout=10, statement_cache_size=0)
        try:
            async with source.transaction(isolation="repeatable_read", readonly=True):
                await self._copy_turns(source, target, last)
                await self._check_whole(source, last)
        finally:
            await source.close(timeout=10)
        await self._take_back_what_nobody_sent(target)
        own = await target.fetch("SELECT shard FROM shards WHERE residence = 'own'", timeout=60)
        await self._apply_effects(target, frozenset(row["shard"] for row in own), shard_of)
        await self._settle(target)

    async def _copy_turns(self, source: Any, target: Any, last: dict[str, int]) -> None:
        ensured: set[Any] = set()
        async for rows in _batches(
            source.cursor(
                _SINCE, self._manifest.cut_s - LATE_S, self._until_s + SKEW_S, prefetch=_BATCH, timeout=_TIMEOUT_S
            )
        ):
            kept = [row for row in rows if self._take(row, last)]
            days = {row["day"] for row in kept} - ensured
            if days:
                await ensure_days(target, [row["at"].timestamp() for row in kept if row["day"] in days])
                ensured |= days
            await target.copy_records_to_table(
                "journal", records=[tuple(row) for row in kept], columns=_TURN, timeout=_TIMEOUT_S
            )
            self.turns += len(kept)

    def _take(self, row: Any, last: dict[str, int]) -> bool:
        """Whether a turn counts. Rows of an actor come in order; after one that does not count, none does."""
        actor, seq = row["actor"], row["seq"]
        if seq <= last.get(actor, 0):
            return False
        if not keeps_effects(row["body"]):
            problem = f"turn {seq} of {actor} was written by an older GangGPT, which kept no effects in the journal"
            raise RestoreRefused("journal", problem, "Use a snapshot that was taken after the update.")
        at_s, effects, first = decode_effects(row["body"])
        reached = self._kept.get(actor, last.get(actor, 0))
        if int(at_s * 1000) > self._until_ms or not (first or seq == reached + 1):
            self._leave_out(actor, seq, at_s, effects)
            return False
        self._kept[actor] = seq
        if effects is not None:
            self._effects.append((actor, seq, at_s, effects))
        return True

    def _leave_out(self, actor: str, seq: int, at_s: float, effects: Effects | None) -> None:
        for n in range(len(effects.messages) if effects is not None else 0):
            self._unsent.add(derived_command_id(at_s, actor, seq, n))

    async def _check_whole(self, source: Any, last: dict[str, int]) -> None:
        """Turns that happened but are not in the journal any more: where an actor moved on, its next turn must be
        there, whether or not it still counts."""
        moved = {row["actor"]: row["seq"] for row in await source.fetch(_REACHED, timeout=_TIMEOUT_S)}
        wanted = []
        for actor, seq in moved.items():
            reached = self._kept.get(actor, last.get(actor, 0))
            if seq > reached:
                wanted.append((actor, reached + 1))
        if not wanted:
            return
        gone = await source.fetch(_IS_THERE, *zip(*wanted, strict=True), timeout=_TIMEOUT_S)
        if gone:
            problem = (
                f"the journal of {self._manifest.world!r} no longer has all turns since the cut ({gone[0]['actor']})"
            )
            raise RestoreRefused("journal", problem, "Use a later snapshot, or restore without --at.")

    async def _take_back_what_nobody_sent(self, target: Any) -> None:
        unsent = self._unsent
        while unsent:
            hits = await target.fetch(_HOLD, [UUID(i) for i in sorted(unsent)], self._until_s - LATE_S, timeout=600)
            unsent = set()
            for hit in hits:
                actor, seq = hit["actor"], hit["seq"]
                done = await target.execute(_TAKE_BACK, actor, seq, timeout=600)
                self.turns -= int(done.rsplit(" ", 1)[1])
                self._kept[actor] = seq - 1
                for sender, sent, at_s, effects in self._effects:
                    if sender == actor and sent >= seq:
                        unsent.update(derived_command_id(at_s, actor, sent, n) for n in range(len(effects.messages)))

    async def _apply_effects(
        self, target: Any, own: frozenset[str], shard_of: Callable[[str, frozenset[str]], str]
    ) -> None:
        letters: list[tuple[Any, ...]] = []
        reminders: dict[tuple[str, str], tuple[Any, ...] | None] = {}
        for actor, seq, at_s, effects in self._effects:
            if seq > self._kept[actor]:
                continue
            shard = shard_of(actor, own)
            for n, (to, command, body) in enumerate(effects.messages):
                letter_id = UUID(derived_command_id(at_s, actor, seq, n))
                letters.append((actor, seq, n, shard, to, letter_id, command, body, at_s))
            for name, due_s, command, body in effects.reminders:
                reminders[actor, name] = None if due_s is None else (actor, name, shard, due_s, command, body)
        if letters:
            await target.execute(_LETTERS, *zip(*letters, strict=True), timeout=_TIMEOUT_S)
        if reminders:
            await target.execute(_FORGET, *zip(*reminders, strict=True), timeout=_TIMEOUT_S)
            armed = [row for row in reminders.values() if row is not None]
            if armed:
                await target.execute(_REMINDERS, *zip(*armed, strict=True), timeout=_TIMEOUT_S)

    async def _settle(self, target: Any) -> None:
        """Drop letters that were applied and reminders that have fired by the time."""
        await target.execute(_SETTLED, timeout=_TIMEOUT_S)
        due = await target.fetch(_DUE, self._until_s + SKEW_S, timeout=_TIMEOUT_S)
        ids = [UUID(derived_command_id(r["due_s"], r["actor"], r["name"], r["due_s"])) for r in due]
        await target.execute(_FIRED, [r["actor"] for r in due], [r["name"] for r in due], ids, timeout=_TIMEOUT_S)


async def _batches(rows: Any) -> AsyncIterator[Sequence[Any]]:
    batch: list[Any] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
