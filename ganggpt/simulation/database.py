"""The database of a simulated world: the tables of ``testing.stores`` behind row locks, slow statements and a network.

What the fence rests on is kept as Postgres keeps it: a commit holds the row of its host ``FOR SHARE`` from the moment
it looks at it until it is done, whoever wants to change that row waits, and a statement that waited looks again. A
statement whose caller gave up is executed all the same.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from ganggpt.errors import CommitUnknown, GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import Batch, OutboxMessage, PushRow
from ganggpt.persistence.projections.rows import Rows
from ganggpt.simulation.network import Network, PendingCall, Process
from ganggpt.testing.memory_stores import (
    InMemoryArchive,
    MemoryClusters,
    MemoryDatabase,
    MemoryFlush,
    MemoryHosts,
    MemoryJournal,
)

SHARE: Final = False
EXCLUSIVE: Final = True
STATEMENT_S: Final = 2.0
"""How long a process waits for a statement."""
Lock = tuple[int, bool]
"""The row of a host's epoch, and how it is locked."""


@dataclass(slots=True)
class StatementLuck:
    """How the database works: ``slow`` is the probability of a statement that takes up to ``slow_s`` seconds,
    ``refuse`` of one that is refused."""

    slow: float = 0.0
    slow_s: float = 1.0
    refuse: float = 0.0


class RowLocks:
    """Owns the locks on host rows: shared locks are held together, an exclusive lock waits for all others."""

    def __init__(self) -> None:
        self._sharers: Counter[int] = Counter()
        self._exclusive: set[int] = set()
        self._waiters: list[asyncio.Future[None]] = []

    def are_free(self, locks: Sequence[Lock]) -> bool:
        """Whether all of these rows can be locked at once."""
        return not any(epoch in self._exclusive or (exclusive and self._sharers[epoch]) for epoch, exclusive in locks)

    async def take(self, lock: Lock) -> None:
        """Wait for the lock of a row."""
        epoch, exclusive = lock
        while epoch in self._exclusive or (exclusive and self._sharers[epoch]):
            future = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
            await future
        if exclusive:
            self._exclusive.add(epoch)
        else:
            self._sharers[epoch] += 1

    def free(self, lock: Lock) -> None:
        """Release the lock of a row."""
        epoch, exclusive = lock
        if exclusive:
            self._exclusive.discard(epoch)
        else:
            self._sharers[epoch] -= 1
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)


class SimJournal(MemoryJournal):
    """Executes the statements of the journal as Postgres does and tells ``on_commit`` and ``on_settle`` of them."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database, "simulated")
        self.on_commit: Callable[[int, Batch], None] = lambda _epoch, _batch: None
        self.on_settle: Callable[[OutboxMessage], None] = lambda _message: None

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        pushes = await super().append(epoch, batch)
        self.on_commit(epoch, batch)
        return pushes

    async def settle(self, messages: Sequence[OutboxMessage]) -> None:
        """See Journal."""
        for message in messages:
            self.on_settle(message)
        await super().settle(messages)


class SimFlush(MemoryFlush):
    """The user's tables, made by the runtime's own projections."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.players: dict[Any, Any] = {}
        self.memories: dict[Any, Any] = {}
        self.tables: dict[str, dict[Any, Any]] = {"relations": {}, "factions": {}, "missions": {}, "companions": {}}

    def dump(self) -> dict[str, dict[Any, Any]]:
        """All tables."""
        return {"players": self.players, "memories": self.memories, **self.tables}

    def load(self, dumped: dict[str, dict[Any, Any]]) -> None:
        """The reverse of ``dump``."""
        self.players, self.memories = dict(dumped["players"]), dict(dumped["memories"])
        self.tables = {name: dict(dumped[name]) for name in self.tables}

    async def flush(
        self,
        epoch: int,
        changes: Sequence[tuple[str, Any, Any]],
        through_s: float | None,
        held: Collection[str] = (),
    ) -> int:
        """See FlushStore."""
        await super().flush(epoch, [], through_s, held)
        rows = Rows()
        for actor, old, new in changes:
            rows.add(actor, old, new)
        self.apply(rows)
        self._db.companions_at_play = self._at_play()
        return len(rows)

    def apply(self, rows: Rows) -> None:
        """Write rows as the statements of PostgresFlush do."""
        self.players.update(rows.players)
        for key, row in list(self.memories.items()) if rows.renewed else ():
            if row.npc_id in rows.renewed and key not in rows.memories:
                del self.memories[key]
        for key in rows.forgotten:
            self.memories.pop(key, None)
        self.memories.update(rows.memories)
        for name, table in self.tables.items():
            table.update(getattr(rows, name))

    def _at_play(self) -> list[str]:
        rows = [
            r
            for r in self.tables["companions"].values()
            if self._is_online(r.player_id) and "gone" not in json.loads(r.memory_data)
        ]
        return [r.actor for r in sorted(rows, key=lambda r: (r.created_s, r.actor))]

    def _is_online(self, player: Any) -> bool:
        row = self.players.get(player)
        return row is not None and row.online


@dataclass(slots=True)
class Statement:
    """What a process asks of the database; ``wanted`` until it gives up."""

    process: Process
    cluster: str
    op: str
    run: Callable[..., Coroutine[Any, Any, Any]]
    args: tuple[Any, ...]
    named: dict[str, Any]
    wanted: bool = True

    def lost(self, why: str) -> GangGPTError:
        """The error for a caller that receives no answer."""
        if self.op in _UNKNOWN:
            return CommitUnknown(self.process.name, self.args[0], why)
        return Unavailable("the database")


class SimDatabase:
    """Owns the tables, which outlive it, and the process that serves them, which does not."""

    def __init__(self, network: Network, tables: MemoryDatabase, dice: Random) -> None:
        self.network = network
        self.tables = tables
        self.journal = SimJournal(tables)
        self.flush = SimFlush(tables)
        self.archive = InMemoryArchive(tables)
        self.work = StatementLuck()
        self.asked: Counter[str] = Counter()
        self.process: Process | None = None
        self._draw = dice.random
        self._locks = RowLocks()

    def start(self) -> None:
        """Start to serve. After a crash there are no locks and no open transactions."""
        self._locks = RowLocks()
        self.process = self.network.spawn("db")
        self.process.place = "db"
        self.process.direct = True

    def crash(self) -> None:
        """Stop as an immediate shutdown does: all open transactions are lost."""
        if self.process is not None:
            self.network.kill(self.process)
            self.process = None

    def serve(self, asked: Statement, call: PendingCall) -> None:
        """A statement or transaction arrived: execute it, at once where nothing makes it wait.

        A statement is executed whatever became of its caller. A transaction of several goes on only while its client
        sends more: it waits with its locks for one that is paused, and is rolled back when its client gave up.
        """
        work, draw = self.work, self._draw
        self.asked[asked.op] += 1
        if work.refuse and draw() < work.refuse:
            self.network.reply(call, None, call.lost("refused"))
            return
        slow_s = work.slow_s * draw() if work.slow and draw() < work.slow else 0.0
        locks = _LOCKS[asked.op](self.tables, asked) if asked.op in _LOCKS else ()
        paused = asked.process.loop.paused and asked.op in _TRANSACTIONS
        if slow_s or paused or not self._locks.are_free(locks):
            call.dst.loop.create_task(self._serve_slowly(asked, call, locks, slow_s))
            return
        try:
            asked.run(*asked.args, **asked.named).send(None)
        except StopIteration as done:
            self.network.reply(call, done.value, None)
        except GangGPTError as failed:
            self.network.reply(call, None, failed)

    async def _serve_slowly(self, asked: Statement, call: PendingCall, locks: Sequence[Lock], slow_s: float) -> None:
        taken: list[Lock] = []
        value, error = None, None
        try:
            for lock in locks:
                await self._locks.take(lock)
                taken.append(lock)
            await asyncio.sleep(slow_s)
            if asked.op in _TRANSACTIONS and not await self._goes_on(asked):
                return
            value = await asked.run(*asked.args, **asked.named)
        except GangGPTError as failed:
            error = failed
        finally:
            for lock in taken:
                self._locks.free(lock)
        self.network.reply(call, value, error)

    async def _goes_on(self, asked: Statement) -> bool:
        for _ in range(_IDLE_LOOKS):
            if not asked.process.loop.paused:
                break
            await asyncio.sleep(_LOOK_S)
        return asked.wanted and not asked.process.loop.paused


def _of_name(tables: MemoryDatabase, asked: Statement) -> list[Lock]:
    key = (asked.cluster, asked.args[0])
    return [(e, EXCLUSIVE) for e, h in tables.hosts.items() if (h.cluster, h.name) == key and e not in tables.dead]


def _all_live(tables: MemoryDatabase, _: Statement) -> list[Lock]:
    return [(e, EXCLUSIVE) for e in tables.hosts if e not in tables.dead]


def _stale(tables: MemoryDatabase, asked: Statement) -> list[Lock]:
    before_s = tables.clock() - asked.args[0]
    return [(e, EXCLUSIVE) for e, h in tables.hosts.items() if e not in tables.dead and h.seen_s < before_s]


def _giver_and_heir(tables: MemoryDatabase, asked: Statement) -> list[Lock]:
    epoch, _, cluster, heir = asked.args
    heirs = [e for e, h in tables.hosts.items() if (h.cluster, h.name) == (cluster, heir) and e not in tables.dead]
    return [(epoch, SHARE), *((e, SHARE) for e in heirs)]


def _shared(_: MemoryDatabase, asked: Statement) -> list[Lock]:
    return [(asked.args[0], SHARE)]


def _exclusive(_: MemoryDatabase, asked: Statement) -> list[Lock]:
    return [(asked.args[0], EXCLUSIVE)]


_LOCKS: Final[Mapping[str, Callable[[MemoryDatabase, Statement], Sequence[Lock]]]] = {
    "journal.append": _shared,
    "journal.save_snapshots": _shared,
    "flush.flush": _shared,
    "archive.keep": _shared,
    "hosts.change_residence": _shared,
    "hosts.hand_over": _giver_and_heir,
    "hosts.beat": _exclusive,
    "hosts.retire": _exclusive,
    "hosts.fence": _exclusive,
    "hosts.fence_stale": _stale,
    "hosts.register": _of_name,
    "hosts.plan_own": _all_live,
}
"""Which host rows a statement locks, as the SQL of ``persistence`` does."""

_TRANSACTIONS: Final = frozenset(
    ("flush.flush", "hosts.register", "hosts.assign", "hosts.change_residence", "hosts.plan_own")
)
"""Operations of several statements, each of which the client sends by itself."""
_LOOK_S: Final = 0.1
_IDLE_LOOKS: Final = 50
"""How often a transaction is looked at whose client is silent, before it is rolled back."""

_UNKNOWN: Final = frozenset(("journal.append", "hosts.hand_over", "hosts.change_residence"))
"""Operations that must not be repeated: when the answer is lost, the outcome is unknown."""


class Store:
    """A port of the stores as a process sees it: every method is a statement sent over the network."""

    def __init__(self, database: SimDatabase, process: Process, name: str, port: Any, cluster: str) -> None:
        self.cluster = cluster
        self._name = name
        self._database = database
        self._process = process
        self._port = port

    def __getattr__(self, op: str) -> Any:
        ask = partial(self._ask, f"{self._name}.{op}", getattr(self._port, op))
        setattr(self, op, ask)
        return ask

    async def _ask(self, op: str, run: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **named: Any) -> Any:
        database = self._database
        asked = Statement(self._process, self.cluster, op, run, args, named)
        serve = partial(database.serve, asked)
        try:
            return await database.network.request(self._process, database.process, serve, asked.lost, STATEMENT_S)
        finally:
            asked.wanted = False


@dataclass(frozen=True, slots=True)
class ProcessStores:
    """The ports of one process."""

    journal: Any
    hosts: Any
    flush: Any
    clusters: Any
    archive: Any


def stores_of(database: SimDatabase, process: Process, cluster: str) -> ProcessStores:
    """Connect a process of a cluster to the database."""
    ports = {
        "journal": database.journal,
        "hosts": MemoryHosts(database.tables, cluster),
        "flush": database.flush,
        "archive": database.archive,
        "clusters": MemoryClusters(database.tables, cluster),
    }
    return ProcessStores(**{name: Store(database, process, name, port, cluster) for name, port in ports.items()})
