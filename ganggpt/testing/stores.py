"""Stores in memory that keep the promises of the real ones, for tests of the runtime and for simulations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganggpt.domain.kinds import encode_state
from ganggpt.errors import Fenced
from ganggpt.persistence.hosts import Registration, RouteRow
from ganggpt.persistence.journal import Batch, DueReminder, Letter, PushRow, StoredActor, StoredTurn


class MemoryDatabase:
    """The tables of one world in memory. ``clock`` is the database's clock in Unix seconds."""

    def __init__(self, clock: Callable[[], float], shards: Mapping[str, str]) -> None:
        self.clock = clock
        self.turns: dict[str, list[tuple[int, bytes, bytes, int]]] = {}
        self.snapshots: dict[str, tuple[int, bytes]] = {}
        self.outbox: dict[tuple[str, int, int], tuple[str, Letter]] = {}
        self.reminders: dict[tuple[str, str], tuple[str, DueReminder]] = {}
        self.pushes: list[PushRow] = []
        self.servers: set[str] = set()
        self.hosts: dict[int, tuple[str, str]] = {}
        self.dead: set[int] = set()
        self.shards: dict[str, tuple[str, int | None]] = {name: (kind, None) for name, kind in shards.items()}
        self.epochs = itertools.count(1)

    def journaled(self, actor: str) -> list[bytes]:
        """Command ids of an actor in journal order."""
        return [command_id for _, command_id, _, _ in self.turns.get(actor, [])]


class MemoryJournal:
    """The Journal port over a MemoryDatabase; fenced exactly as the real one."""

    def __init__(self, database: MemoryDatabase, host: str = "memory") -> None:
        self._db = database
        self._host = host

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        db = self._db
        if epoch in db.dead or epoch not in db.hosts:
            raise Fenced(self._host, epoch)
        actors, seqs, _, ids, _, _, bodies = batch.turns
        for actor, seq, command_id, body in zip(actors, seqs, ids, bodies, strict=True):
            rows = db.turns.setdefault(actor, [])
            assert seq == (rows[-1][0] if rows else 0) + 1, f"{actor}: seq {seq} after {rows[-1][0] if rows else 0}"
            rows.append((seq, command_id.bytes, body, epoch))
        for letter, shard in zip(batch.posted, batch.letters[3], strict=True):
            db.outbox[letter.sender, letter.seq, letter.n] = (shard, letter)
        for (actor, name), wish in batch.reminders.items():
            if wish is None:
                db.reminders.pop((actor, name), None)
            else:
                shard, due_s, command, body = wish
                db.reminders[actor, name] = (shard, DueReminder(actor, name, due_s, command, body))
        return self._push(epoch, batch)

    def _push(self, epoch: int, batch: Batch) -> list[PushRow]:
        made = []
        for server, actor, seq, _, type_, body, _ in zip(*batch.pushes, strict=True):
            for name in sorted(self._db.servers if server == "*" else self._db.servers & {server}):
                made.append(PushRow(len(self._db.pushes) + 1, name, epoch, actor, seq, type_, body))
                self._db.pushes.append(made[-1])
        return made

    async def load(self, actors: Sequence[str]) -> Mapping[str, StoredActor]:
        """See Journal."""
        found = {}
        for actor in actors:
            if actor in self._db.turns or actor in self._db.snapshots:
                seq, body = self._db.snapshots.get(actor, (0, None))
                turns = [StoredTurn(s, i, b) for s, i, b, _ in self._db.turns.get(actor, []) if s > seq]
                found[actor] = StoredActor(seq, body, tuple(turns))
        return found

    async def turn(self, actor: str, seq: int) -> bytes | None:
        """See Journal."""
        return next((b for s, _, b, _ in self._db.turns.get(actor, []) if s == seq), None)

    async def turn_by_command(self, actor: str, command_id: bytes) -> bytes | None:
        """See Journal."""
        return next((b for _, i, b, _ in self._db.turns.get(actor, []) if i == command_id), None)

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """See Journal."""
        if epoch in self._db.dead:
            return
        for actor, seq, body in rows:
            if seq >= self._db.snapshots.get(actor, (0, b""))[0]:
                self._db.snapshots[actor] = (seq, body)

    async def letters(self, shards: Sequence[str], older_than_s: float, limit: int) -> Sequence[Letter]:
        """See Journal."""
        wanted = set(shards)
        rows = [letter for _, (shard, letter) in sorted(self._db.outbox.items()) if shard in wanted]
        return rows[:limit]

    async def settle(self, letters: Sequence[Letter]) -> None:
        """See Journal."""
        for letter in letters:
            self._db.outbox.pop((letter.sender, letter.seq, letter.n), None)

    async def due(self, shards: Sequence[str], now_s: float, limit: int) -> Sequence[DueReminder]:
        """See Journal."""
        wanted = set(shards)
        rows = [r for shard, r in self._db.reminders.values() if shard in wanted and r.due_s <= now_s]
        return sorted(rows, key=lambda r: r.due_s)[:limit]

    async def drop_reminder(self, reminder: DueReminder) -> None:
        """See Journal."""
        kept = self._db.reminders.get((reminder.actor, reminder.name))
        if kept is not None and kept[1].due_s <= reminder.due_s:
            del self._db.reminders[reminder.actor, reminder.name]


class MemoryHosts:
    """The HostTable port over a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def register(self, name: str, kind: str, address: str = "") -> Registration:
        """See HostTable."""
        db = self._db
        fenced = tuple(e for e, (n, _) in db.hosts.items() if n == name and e not in db.dead)
        db.dead.update(fenced)
        epoch = next(db.epochs)
        db.hosts[epoch] = (name, kind)
        for shard, (residence, holder) in db.shards.items():
            if holder in fenced or (shard == name and (holder is None or holder in db.dead)):
                db.shards[shard] = (residence, epoch)
        return Registration(epoch, db.clock(), fenced)

    def assign(self, name: str, shards: Sequence[str]) -> None:
        """Give orphaned shards to a live host."""
        epoch = max(e for e, (n, _) in self._db.hosts.items() if n == name and e not in self._db.dead)
        for shard in shards:
            residence, holder = self._db.shards[shard]
            if holder is None or holder in self._db.dead:
                self._db.shards[shard] = (residence, epoch)

    async def held(self, epoch: int) -> frozenset[str]:
        """See HostTable."""
        return frozenset(shard for shard, (_, holder) in self._db.shards.items() if holder == epoch)

    async def beat(self, epoch: int) -> float:
        """See HostTable."""
        if epoch in self._db.dead:
            raise Fenced(self._db.hosts[epoch][0], epoch)
        return self._db.clock()

    async def retire(self, epoch: int) -> None:
        """See HostTable."""
        self._db.dead.add(epoch)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        db = self._db
        return [
            RouteRow(shard, residence, db.hosts[holder][0] if holder is not None and holder not in db.dead else None)
            for shard, (residence, holder) in db.shards.items()
        ]

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """See HostTable."""
        return sorted(self._db.turns)

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """See HostTable."""
        db = self._db
        if epoch in db.dead:
            raise Fenced(actor, epoch)
        if own:
            db.shards.setdefault(actor, ("own", None))
        else:
            db.shards.pop(actor, None)
        home = actor if own else shard
        for key, (_, letter) in db.outbox.items():
            if letter.sender == actor:
                db.outbox[key] = (home, letter)
        for name, (_, reminder) in db.reminders.items():
            if name[0] == actor:
                db.reminders[name] = (home, reminder)


class MemoryFlush:
    """The flush port: keeps the last flushed state of every actor, encoded."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.states: dict[str, bytes] = {}

    async def flush(self, epoch: int, changes: Sequence[tuple[str, Any, Any]], through_s: float) -> int:
        """See FlushStore."""
        if epoch in self._db.dead:
            raise Fenced("memory", epoch)
        for actor, _, new in changes:
            self.states[actor] = encode_state(new)
        return len(changes)
