"""Stores in memory that keep the promises of the real ones, for tests of the runtime and for simulations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganggpt.domain.ids import command_id_time_s
from ganggpt.domain.kinds import encode_state
from ganggpt.domain.mind.memory_index import MemoryIndex, Question
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.ports.clusters import ClusterStanding
from ganggpt.persistence.ports.hosts import LOCAL, FencedHost, LiveHost, Pulse, Registration, RouteRow
from ganggpt.persistence.ports.journal import Batch, DueReminder, OutboxMessage, PushRow, StoredActor, StoredTurn
from ganggpt.persistence.ports.projections import FOUND_MAX, ArchiveQuestion, Found


@dataclass
class MemoryHost:
    """A row of ``hosts``."""

    cluster: str
    name: str
    kind: str
    node: str | None
    seen_s: float
    flushed_s: float


@dataclass(frozen=True)
class MemoryShard:
    """A row of ``shards``."""

    residence: str
    epoch: int | None
    since_s: float
    flushed: bool = False


class MemoryDatabase:
    """The tables of one world in memory. ``clock`` is the database's clock in Unix seconds."""

    def __init__(self, clock: Callable[[], float], shards: Mapping[str, str]) -> None:
        self.clock = clock
        self.turns: dict[str, list[tuple[int, bytes, bytes, int]]] = {}
        self.last_s: dict[str, float] = {}
        self.snapshots: dict[str, tuple[int, bytes]] = {}
        self.outbox: dict[tuple[str, int, int], tuple[str, OutboxMessage]] = {}
        self.reminders: dict[tuple[str, str], tuple[str, DueReminder]] = {}
        self.pushes: list[PushRow] = []
        self.servers: set[str] = set()
        self.hosts: dict[int, MemoryHost] = {}
        self.dead: set[int] = set()
        self.shards = {name: MemoryShard(kind, None, 0.0) for name, kind in shards.items()}
        self.companions_at_play: list[str] = []
        self.clusters: dict[str, float] = {}
        self.bridges: dict[str, str] = {}
        self.owner: tuple[str | None, float] = (None, 0.0)
        self.epochs = itertools.count(1)

    def is_live(self, epoch: int | None) -> bool:
        """Whether an incarnation may write."""
        return epoch in self.hosts and epoch not in self.dead

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
        if not db.is_live(epoch):
            raise Fenced(self._host, epoch)
        actors, seqs, ats, ids, _, _, bodies = batch.turns
        if any(actor in db.turns and db.turns[actor][-1][0] >= seq for actor, seq in zip(actors, seqs, strict=True)):
            # The primary key.
            raise Fenced(self._host, epoch)
        for actor, seq, command_id, body in zip(actors, seqs, ids, bodies, strict=True):
            db.turns.setdefault(actor, []).append((seq, command_id, body, epoch))
        db.last_s.update(zip(actors, ats, strict=True))
        for message, (shard, _) in zip(batch.messages, batch.filed, strict=True):
            db.outbox[message.sender, message.seq, message.n] = (shard, message)
        for (actor, name), reminder in batch.reminders.items():
            if reminder is None:
                db.reminders.pop((actor, name), None)
            else:
                shard, due_s, command, body = reminder
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

    async def is_owed(self, by: str, actor: str, command_id: bytes) -> bool:
        """See Journal."""
        messages = (message for _, message in self._db.outbox.values())
        if any((x.sender, x.target, x.id) == (by, actor, command_id) for x in messages):
            return True
        at_s = command_id_time_s(command_id)
        return by == actor and any(
            r.actor == actor and -0.001 <= r.due_s - at_s <= 0.002 for _, r in self._db.reminders.values()
        )

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """See Journal."""
        if epoch in self._db.dead:
            return
        for actor, seq, body in rows:
            if seq >= self._db.snapshots.get(actor, (0, b""))[0]:
                self._db.snapshots[actor] = (seq, body)

    async def messages(self, shards: Sequence[str], older_than_s: float, limit: int) -> Sequence[OutboxMessage]:
        """See Journal."""
        db, wanted, before_s = self._db, set(shards), self._db.clock() - older_than_s
        rows = [message for _, (shard, message) in sorted(db.outbox.items()) if shard in wanted]
        return [message for message in rows if command_id_time_s(message.id) < before_s][:limit]

    async def settle(self, messages: Sequence[OutboxMessage]) -> None:
        """See Journal."""
        for message in messages:
            self._db.outbox.pop((message.sender, message.seq, message.n), None)

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
    """Both sides of ownership over a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase, cluster: str = LOCAL) -> None:
        self._db = database
        self.cluster = cluster

    async def register(self, name: str, kind: str, address: str = "", node: str | None = None) -> Registration:
        """See HostTable."""
        db = self._db
        fenced = tuple(
            e for e, h in db.hosts.items() if h.name == name and h.cluster == self.cluster and e not in db.dead
        )
        db.dead.update(fenced)
        epoch = next(db.epochs)
        buried = [*fenced, db.shards[name].epoch] if kind == "own" and name in db.shards else fenced
        flushed_s = min((db.hosts[e].flushed_s for e in buried if e in db.dead), default=db.clock())
        db.hosts[epoch] = MemoryHost(self.cluster, name, kind, node, db.clock(), flushed_s)
        for shard, row in db.shards.items():
            if row.epoch in fenced or (kind == "own" and shard == name and not db.is_live(row.epoch)):
                db.shards[shard] = MemoryShard(row.residence, epoch, db.clock())
        return Registration(epoch, db.clock(), fenced)

    async def beat(self, epoch: int) -> Pulse:
        """See HostTable."""
        db = self._db
        self._must_live(epoch)
        db.hosts[epoch].seen_s = db.clock()
        return Pulse(db.clock(), max((r.since_s for r in db.shards.values() if r.epoch == epoch), default=0.0))

    async def retire(self, epoch: int) -> None:
        """See HostTable."""
        self._db.dead.add(epoch)

    async def routes(self) -> Sequence[RouteRow]:
        """See HostTable."""
        db = self._db
        rows = []
        for shard, row in db.shards.items():
            if row.epoch is not None and db.is_live(row.epoch):
                host = db.hosts[row.epoch]
                bridge = db.bridges.get(host.cluster)
                rows.append(RouteRow(shard, row.residence, host.name, row.epoch, host.cluster, bridge, row.flushed))
            else:
                rows.append(RouteRow(shard, row.residence, None))
        return rows

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """See HostTable."""
        since_s = self._db.hosts[epoch].flushed_s - 1.0
        return [actor for actor, at_s in self._db.last_s.items() if at_s >= since_s]

    async def hand_over(self, epoch: int, shards: Sequence[str], cluster: str, heir: str) -> None:
        """See HostTable."""
        db = self._db
        self._must_live(epoch)
        to = self._live_epoch(cluster, heir)
        if to is None:
            raise Unavailable(f"host {heir}")
        for shard in shards:
            assert db.shards[shard].epoch == epoch, f"{shard} is not held by {epoch}"
            db.shards[shard] = MemoryShard(db.shards[shard].residence, to, db.clock(), flushed=True)

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """See HostTable."""
        db = self._db
        self._must_live(epoch)
        if own:
            assert actor not in db.shards
            db.shards[actor] = MemoryShard("own", epoch, db.clock(), flushed=True)
        else:
            del db.shards[actor]
        self._move_home(actor, actor if own else shard)

    async def alive(self) -> Sequence[LiveHost]:
        """See Ownership."""
        db = self._db
        return [
            LiveHost(h.name, h.kind, epoch, db.clock() - h.seen_s, h.cluster, h.node)
            for epoch, h in db.hosts.items()
            if epoch not in db.dead
        ]

    async def fence(self, epoch: int) -> bool:
        """See Ownership."""
        lived = self._db.is_live(epoch)
        self._db.dead.add(epoch)
        return lived

    async def fence_stale(self, silent_s: float) -> Sequence[FencedHost]:
        """See Ownership."""
        db = self._db
        stale = [(e, h) for e, h in db.hosts.items() if e not in db.dead and db.clock() - h.seen_s > silent_s]
        db.dead.update(epoch for epoch, _ in stale)
        return [FencedHost(h.cluster, h.name, h.kind) for _, h in stale]

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """See Ownership."""
        db = self._db
        for shard, name in wanted.items():
            epoch, last = self._live_epoch(self.cluster, name), db.shards[shard].epoch
            if epoch is not None and last in db.dead:
                db.hosts[epoch].flushed_s = min(db.hosts[epoch].flushed_s, db.hosts[last].flushed_s)
            if epoch is not None and not db.is_live(db.shards[shard].epoch):
                db.shards[shard] = MemoryShard(db.shards[shard].residence, epoch, db.clock())

    async def plan_own(self, actors: Sequence[str], back: Mapping[str, str]) -> bool:
        """See Ownership."""
        db = self._db
        if any(epoch not in db.dead for epoch in db.hosts):
            return False
        for shard in [s for s, row in db.shards.items() if row.residence == "own" and s not in actors]:
            del db.shards[shard]
        for actor in actors:
            db.shards.setdefault(actor, MemoryShard("own", None, db.clock()))
        for actor, home in [*((actor, actor) for actor in actors), *back.items()]:
            self._move_home(actor, home)
        return True

    async def companions_at_play(self, limit: int) -> Sequence[str]:
        """See Ownership."""
        return self._db.companions_at_play[:limit]

    def _must_live(self, epoch: int) -> None:
        if not self._db.is_live(epoch):
            raise Fenced(str(epoch), epoch)

    def _live_epoch(self, cluster: str, name: str) -> int | None:
        db = self._db
        live = [e for e, h in db.hosts.items() if (h.cluster, h.name) == (cluster, name) and e not in db.dead]
        return live[-1] if live else None

    def _move_home(self, actor: str, home: str) -> None:
        db = self._db
        for key, (_, message) in db.outbox.items():
            if message.sender == actor:
                db.outbox[key] = (home, message)
        for name, (_, reminder) in db.reminders.items():
            if name[0] == actor:
                db.reminders[name] = (home, reminder)


class MemoryClusters:
    """The port of takeover over a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase, cluster: str = LOCAL) -> None:
        self._db = database
        self.cluster = cluster

    async def enter(self, bridge: str | None) -> bool:
        """See Clusters."""
        fresh = self.cluster not in self._db.clusters
        self._db.clusters[self.cluster] = self._db.clock()
        return fresh

    async def beat(self) -> None:
        """See Clusters."""
        self._db.clusters[self.cluster] = self._db.clock()

    async def standing(self) -> ClusterStanding:
        """See Clusters."""
        db = self._db
        owner, since_s = db.owner
        seen_s = db.clusters.get(owner) if owner is not None else None
        silent_s = None if seen_s is None else db.clock() - seen_s
        lives = any(h.cluster == owner for epoch, h in db.hosts.items() if epoch not in db.dead)
        return ClusterStanding(owner, db.clock() - since_s, silent_s, lives)

    async def claim(self, cluster: str | None = None) -> bool:
        """See Clusters."""
        changed = self._db.owner[0] != (cluster or self.cluster)
        if changed:
            self._db.owner = (cluster or self.cluster, self._db.clock())
        return changed


class InMemoryArchive:
    """The archive port, searched by the index of minds. ``ever``: numbers that were kept at some time."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.kept: dict[str, dict[int, Memory]] = {}
        self.ever: set[tuple[str, int]] = set()

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        """See MemoryArchive."""
        if not self._db.is_live(epoch):
            raise Fenced("memory", epoch)
        rows = self.kept.setdefault(npc, {})
        for memory in memories:
            rows.pop(memory.was, None)
            rows[memory.no] = memory
            self.ever.add((npc, memory.no))

    async def search(self, question: ArchiveQuestion) -> Sequence[Found]:
        """See MemoryArchive."""
        asked = Question(
            text=question.query,
            now_s=question.now_s,
            k=FOUND_MAX,
            about=question.listener,
            listener=question.listener,
            embedding=question.embedding,
        )
        found = MemoryIndex(self.kept.get(question.npc, {}).values()).recall(asked)
        return [(one.memory, one.relevance) for one in found if one.relevance]


class MemoryFlush:
    """The flush port: keeps the last flushed state of every actor, encoded."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.states: dict[str, bytes] = {}

    async def flush(
        self,
        epoch: int,
        changes: Sequence[tuple[str, Any, Any]],
        through_s: float | None,
        held: Collection[str] = (),
    ) -> int:
        """See FlushStore."""
        if epoch in self._db.dead:
            raise Fenced("memory", epoch)
        for actor, _, new in changes:
            self.states[actor] = encode_state(new)
        unheard = any(row.epoch == epoch and shard not in held for shard, row in self._db.shards.items())
        if through_s is not None and not unheard:
            host = self._db.hosts[epoch]
            host.flushed_s = max(host.flushed_s, through_s)
        return len(changes)
