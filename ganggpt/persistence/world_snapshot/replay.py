"""Point-in-time restore: the journal of the source brings a loaded snapshot forward to a time after its cut.

Every turn keeps its effects, so outbox and reminders at a time follow from those of the cut: plus the effects of the
turns since then, minus those that their receivers' journals have by then. A turn counts when it was made at or before
that time. The clocks of two hosts may differ a little, so a receiver's turn can count while its sender's does not. Such
a turn, and the later ones of its actor, are left out too, until no turn depends on one that was left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import derived_command_id
from ganggpt.domain.kinds import Effects, decode_effects, keeps_effects
from ganggpt.errors import RestoreRefused
from ganggpt.persistence.connect import connect
from ganggpt.persistence.journal.partitions import ensure_days
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.sql import load_sql
from ganggpt.persistence.world_snapshot.manifest import Manifest

LATE_S: Final = 120.0
"""How long after it was made a turn may be committed."""
SKEW_S: Final = 5.0
"""The most that clocks of hosts differ from the database's."""
_BATCH: Final = 5000
_TIMEOUT_S: Final = 1800.0

SQL: Final = load_sql(Path(__file__).with_name("replay.sql"))
_TURN: Final = ("actor", "seq", "day", "at", "epoch", "command_id", "by", "name", "body")


class Replay:
    """Brings a loaded snapshot forward to ``until_s``. ``journal``: dsn of the database that has the later journal."""

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
        """Check whether the source has what is needed. Raises RestoreRefused (``time``, ``wrong_world``) and
        Unavailable."""
        if self._until_s < self._manifest.cut_s:
            problem = f"the time lies before the cut of {self._manifest.name}"
            raise RestoreRefused("time", problem, "Choose an earlier snapshot: `ganggpt snapshots` shows their times.")
        with database_outages():
            source = await connect(self._journal)
            try:
                found = await source.fetchrow(SQL["source"], timeout=60)
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
        actor, where those of ``own`` are shards of their own. Raises RestoreRefused, Unavailable."""
        last = {row["actor"]: row["seq"] for row in await target.fetch(SQL["last_turns"], timeout=_TIMEOUT_S)}
        source = await connect(self._journal)
        try:
            async with source.transaction(isolation="repeatable_read", readonly=True):
                await self._copy_turns(source, target, last)
                await self._check_whole(source, last)
        finally:
            await source.close(timeout=10)
        await self._delete_unsent(target)
        own = await target.fetch("SELECT shard FROM shards WHERE residence = 'own'", timeout=60)
        await self._apply_effects(target, frozenset(row["shard"] for row in own), shard_of)
        await self._settle(target)

    async def _copy_turns(self, source: Any, target: Any, last: dict[str, int]) -> None:
        ensured: set[Any] = set()
        async for rows in _batches(
            source.cursor(
                SQL["turns_since"],
                self._manifest.cut_s - LATE_S,
                self._until_s + SKEW_S,
                prefetch=_BATCH,
                timeout=_TIMEOUT_S,
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
        """Whether a turn counts. Rows of an actor come in order, and after one that does not count, no other does."""
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
        """Check that no needed turn has been dropped from the journal: where an actor went on, its next turn must be
        there, whether or not it still counts."""
        moved = {row["actor"]: row["seq"] for row in await source.fetch(SQL["snapshot_numbers"], timeout=_TIMEOUT_S)}
        wanted = []
        for actor, seq in moved.items():
            reached = self._kept.get(actor, last.get(actor, 0))
            if seq > reached:
                wanted.append((actor, reached + 1))
        if not wanted:
            return
        gone = await source.fetch(SQL["missing_turns"], *zip(*wanted, strict=True), timeout=_TIMEOUT_S)
        if gone:
            problem = (
                f"the journal of {self._manifest.world!r} no longer has all turns since the cut ({gone[0]['actor']})"
            )
            raise RestoreRefused("journal", problem, "Use a later snapshot, or restore without --at.")

    async def _delete_unsent(self, target: Any) -> None:
        unsent = self._unsent
        while unsent:
            hits = await target.fetch(
                SQL["turns_of_commands"], [UUID(i) for i in sorted(unsent)], self._until_s - LATE_S, timeout=600
            )
            unsent = set()
            for hit in hits:
                actor, seq = hit["actor"], hit["seq"]
                done = await target.execute(SQL["delete_turns"], actor, seq, timeout=600)
                self.turns -= int(done.rsplit(" ", 1)[1])
                self._kept[actor] = seq - 1
                for sender, sent, at_s, effects in self._effects:
                    if sender == actor and sent >= seq:
                        unsent.update(derived_command_id(at_s, actor, sent, n) for n in range(len(effects.messages)))

    async def _apply_effects(
        self, target: Any, own: frozenset[str], shard_of: Callable[[str, frozenset[str]], str]
    ) -> None:
        messages: list[tuple[Any, ...]] = []
        reminders: dict[tuple[str, str], tuple[Any, ...] | None] = {}
        for actor, seq, at_s, effects in self._effects:
            if seq > self._kept[actor]:
                continue
            shard = shard_of(actor, own)
            for n, (to, command, body) in enumerate(effects.messages):
                message_id = UUID(derived_command_id(at_s, actor, seq, n))
                messages.append((actor, seq, n, shard, to, message_id, command, body, at_s))
            for name, due_s, command, body in effects.reminders:
                reminders[actor, name] = None if due_s is None else (actor, name, shard, due_s, command, body)
        if messages:
            await target.execute(SQL["insert_messages"], *zip(*messages, strict=True), timeout=_TIMEOUT_S)
        if reminders:
            await target.execute(SQL["delete_reminders"], *zip(*reminders, strict=True), timeout=_TIMEOUT_S)
            armed = [row for row in reminders.values() if row is not None]
            if armed:
                await target.execute(SQL["insert_reminders"], *zip(*armed, strict=True), timeout=_TIMEOUT_S)

    async def _settle(self, target: Any) -> None:
        """Delete messages that were applied and reminders that have fired by the time."""
        await target.execute(SQL["delete_answered_messages"], timeout=_TIMEOUT_S)
        due = await target.fetch(SQL["due_reminders"], self._until_s + SKEW_S, timeout=_TIMEOUT_S)
        ids = [UUID(derived_command_id(r["due_s"], r["actor"], r["name"], r["due_s"])) for r in due]
        await target.execute(
            SQL["delete_fired_reminders"], [r["actor"] for r in due], [r["name"] for r in due], ids, timeout=_TIMEOUT_S
        )


async def _batches(rows: Any) -> AsyncIterator[Sequence[Any]]:
    batch: list[Any] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
