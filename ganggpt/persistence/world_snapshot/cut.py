"""A consistent cut of a live world: one exported MVCC snapshot that several readers share, while everybody goes on.

The cut sees exactly the commits that were done when it was taken. A letter is delivered after the commit that wrote it,
so whoever received it in the cut finds its sender there too. All reading happens in read-only transactions that lock
nothing; a few readers with one ``COPY`` each at a time keep it from taking the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import asyncpg
import psutil
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct

from ganggpt.domain.ids import derived_command_id
from ganggpt.errors import GangGPTError, StartFailed, Unavailable
from ganggpt.persistence.outages import database_may_be_away

READ_TIMEOUT_S: Final = 600.0
NICE: Final = 10
"""How far a reader steps back for everybody else, as a Unix niceness."""
_CONNECT_TIMEOUT_S: Final = 30.0
WINDOW_S: Final = 720.0
"""Turns this young are always in a snapshot: repeated commands are answered from them (the window is 600 s)."""
ACTORS_PER_GROUP: Final = 4000
PIECE_BLOCKS: Final = 8192
"""Pages (of 8 KiB) of one file of a table that is not divided by shard."""

NOT_COPIED: Final = {"world": {"owner", "owner_since"}, "shards": {"epoch", "since", "flushed"}}
"""Columns that say who holds a world at the moment, which is over in a snapshot."""
PLAIN: Final = ("world", "cast_members", "shards")
DIVIDED: Final = ("snapshots", "journal", "outbox", "reminders")
WHOLE: Final = ("game_servers", "pushes", "players", "factions", "faction_relationships", "missions", "companions")
MEMORIES: Final = "npc_memories"

_WORLD: Final = """
SELECT w.name, w.title, w.shards, extract(epoch FROM clock_timestamp())::float8 AS now_s,
  (SELECT version_num FROM alembic_version) AS schema, pg_is_in_recovery() AS standby,
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM host_epoch) AS epoch,
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM pushes_no_seq) AS push_no,
  (SELECT extract(epoch FROM min(flushed_at))::float8 FROM hosts h
     WHERE state <> 'dead' OR EXISTS (SELECT FROM shards s WHERE s.epoch = h.epoch)) AS flushed_s
FROM world w
"""
_PARTS: Final = """
SELECT c.relname AS name, pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass ORDER BY c.relname
"""
_STAY: Final = "LOCK TABLE journal, npc_memories IN ACCESS SHARE MODE"
_DAYS: Final = f"""
SELECT p.* FROM ({_PARTS}) p, journal_seal
WHERE p.name >= 'journal_' || coalesce(to_char(nullif(before, '-infinity'), 'YYYYMMDD'), '') ORDER BY p.name
"""  # noqa: S608 - a constant of this file
"""Without the sealed days: every turn in those is covered, and too old to be asked for (see ``retention``)."""
_SESSION: Final = """
SELECT pid, extract(epoch FROM backend_start)::float8 AS began_s FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
_BLOCKS: Final = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int"
_COLUMNS_OF: Final = """
SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
_ASLEEP: Final = "SELECT actor FROM snapshots"
_OWN: Final = "SELECT shard FROM shards WHERE residence = 'own'"
# The last turn of each actor by skipping through the index from actor to actor: the cost is that of the actors of a
# day, not of its turns. What a snapshot row covers is left out, but for turns a repeated command may still ask for.
_TO_READ: Final = """
WITH RECURSIVE last AS (
  (SELECT actor, seq FROM {part} ORDER BY actor DESC, seq DESC LIMIT 1)
  UNION ALL
  SELECT n.actor, n.seq FROM last
    CROSS JOIN LATERAL (SELECT actor, seq FROM {part} WHERE actor < last.actor ORDER BY actor DESC, seq DESC LIMIT 1) n
), young AS (
  SELECT actor, min(seq) - 1 AS after FROM {part} WHERE at >= to_timestamp($1) GROUP BY actor
)
SELECT l.actor, least(coalesce(s.seq, 0), y.after) AS after
FROM last l LEFT JOIN snapshots s USING (actor) LEFT JOIN young y USING (actor)
WHERE l.seq > least(coalesce(s.seq, 0), y.after)
"""
_SNAPSHOTS: Final = "SELECT {columns} FROM unnest($1::text[]) w (id) JOIN snapshots t ON t.actor = w.id"
_TURNS: Final = """
SELECT {columns} FROM unnest($1::text[], $2::bigint[]) w (id, after)
  CROSS JOIN LATERAL (SELECT * FROM {part} j WHERE j.actor = w.id AND j.seq > w.after) t
"""
# A letter its receiver has applied only waits to be settled: the cut takes it as settled.
_LETTERS: Final = """
SELECT {columns} FROM outbox t WHERE t.shard = ANY($1::text[]) AND NOT EXISTS (
  SELECT FROM journal j WHERE j.actor = t.target AND j.command_id = t.command_id
    AND j.day >= (t.at AT TIME ZONE 'UTC')::date - 1)
"""
_REMINDERS: Final = """
SELECT {columns} FROM reminders t WHERE t.shard = ANY($1::text[])
  AND (t.actor, t.name) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""
_DUE: Final = """
SELECT actor, name, extract(epoch FROM due)::float8 AS due_s FROM reminders WHERE due <= clock_timestamp()
"""
_FIRED: Final = """
SELECT f.actor, f.name FROM unnest($1::text[], $2::text[], $3::uuid[], $4::float8[]) f (actor, name, id, due_s)
WHERE EXISTS (SELECT FROM journal j WHERE j.actor = f.actor AND j.command_id = f.id
  AND j.day >= (to_timestamp(f.due_s) AT TIME ZONE 'UTC')::date - 1)
"""


Columns = Mapping[str, tuple[str, ...]]


class Piece(Struct, frozen=True):
    """One file to be: its name, the rows' table and columns, and the query that reads them."""

    name: str
    table: str
    columns: tuple[str, ...]
    query: str
    args: tuple[Any, ...] = ()


class Cut(Struct, frozen=True, kw_only=True):
    """What is at the cut, and the pieces it is read in. See Manifest for the fields."""

    world: str
    title: str
    cut_s: float
    schema: str
    shards: int
    groups: int
    actors: int
    epoch: int
    push_no: int
    flushed_s: float | None
    days: tuple[str, ...]
    pieces: tuple[Piece, ...]


class Reader:
    """One connection that looks at the cut. Owns its transaction while ``readers`` holds it open."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def step_back(self) -> None:
        """Let the database's other sessions go first, where this reader's server process is one of this machine. Only
        for a connection of its own, which ends afterwards: a pooler would give the slow session to others."""
        row = await self.connection.fetchrow(_SESSION, timeout=30)
        with suppress(psutil.Error, OSError, AttributeError):
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["began_s"]) < 2.0 and "postgres" in "".join(process.cmdline()):
                process.nice(NICE)

    async def copy(self, piece: Piece, sink: Callable[[bytes], Any]) -> int:
        """Send the rows of a piece to ``sink``; returns how many. Raises Unavailable."""
        with database_may_be_away():
            status: str = await self.connection.copy_from_query(
                piece.query, *piece.args, output=sink, format="binary", timeout=READ_TIMEOUT_S
            )
        return int(status.rsplit(" ", 1)[1])


@asynccontextmanager
async def readers(pool: asyncpg.Pool[Any], count: int) -> AsyncIterator[list[Reader]]:
    """Connections that all see one and the same state of the database, from now on until the end.

    Each is one transaction from its first statement to its last, so a pooler in transaction mode gives each of them
    one session; it needs ``count`` of them. Raises Unavailable where fewer can be had.
    """
    async with AsyncExitStack() as stack:
        with database_may_be_away():
            opened = [await stack.enter_async_context(pool.acquire(timeout=_CONNECT_TIMEOUT_S)) for _ in range(count)]
            holds_world = await opened[0].fetchval("SELECT to_regclass('journal') IS NOT NULL", timeout=30)
            await stack.enter_async_context(opened[0].transaction(isolation="repeatable_read", readonly=True))
            if holds_world:
                # Before the state is fixed: a part that is dropped goes for every transaction, also for older ones.
                await opened[0].execute(_STAY, timeout=_CONNECT_TIMEOUT_S)
            shared = await opened[0].fetchval("SELECT pg_export_snapshot()", timeout=30)
            for connection in opened[1:]:
                await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
                await _join(connection, shared)
        yield [Reader(connection) for connection in opened]


async def _join(connection: Any, shared: str) -> None:
    try:
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{shared}'", timeout=30)
    except asyncpg.PostgresError as refused:
        # A pooler in front of several servers: the snapshot is known to one of them only.
        raise Unavailable(
            "one Postgres server for all readers of the cut", f"{refused}. --parallel 1 needs only one reader"
        ) from refused


async def plan_cut(reader: Reader, group_of: Callable[[str, int, int], int]) -> Cut:
    """Look at the cut and divide it into pieces. ``group_of(actor, shards, groups)`` says which group of shards an
    actor belongs to. Raises StartFailed where the database holds no world, and Unavailable."""
    connection = reader.connection
    with database_may_be_away():
        try:
            found = await connection.fetchrow(_WORLD, timeout=60)
        except asyncpg.UndefinedTableError:
            found = None
        if found is None:
            raise StartFailed("This database holds no world.", "Name the one that does in DATABASE_URL.")
        parts = [row["name"] for row in await connection.fetch(_DAYS, "journal", timeout=60)]
        to_read = {
            part: await connection.fetch(_TO_READ.format(part=part), found["now_s"] - WINDOW_S, timeout=READ_TIMEOUT_S)
            for part in parts
        }
        actors = {row["actor"] for row in await connection.fetch(_ASLEEP, timeout=READ_TIMEOUT_S)}
        asleep = sorted(actors)
        actors.update(row["actor"] for rows in to_read.values() for row in rows)
        own = [row["shard"] for row in await connection.fetch(_OWN, timeout=60)]
        groups = min(found["shards"], max(1, -(-len(actors) // ACTORS_PER_GROUP)))
        columns = await _columns(connection)
        divided = _Division(found["shards"], groups, group_of, columns)
        pieces = [
            *[_piece(table, columns, f"SELECT {{columns}} FROM {table} t") for table in PLAIN],  # noqa: S608
            *[piece async for piece in _tables(connection, columns)],
            *divided.states(asleep),
            *[piece for part in parts for piece in divided.turns(part, to_read[part])],
            *divided.wishes(own, await _fired(connection)),
        ]
    return Cut(
        world=found["name"],
        title=found["title"],
        cut_s=found["now_s"],
        schema=found["schema"],
        shards=found["shards"],
        groups=groups,
        actors=len(actors),
        epoch=found["epoch"],
        push_no=found["push_no"],
        flushed_s=found["flushed_s"],
        days=tuple(part.removeprefix("journal_") for part in parts if to_read[part] and part[-1].isdigit()),
        pieces=tuple(pieces),
    )


class _Division:
    """Divides actors and their rows into groups of shards."""

    def __init__(self, shards: int, groups: int, group_of: Callable[[str, int, int], int], columns: Columns) -> None:
        self._shards, self._groups, self._group_of, self._columns = shards, groups, group_of, columns

    def states(self, actors: Sequence[str]) -> Iterator[Piece]:
        """The snapshot rows of these actors."""
        by_group: list[list[str]] = [[] for _ in range(self._groups)]
        for actor in actors:
            by_group[self._group(actor)].append(actor)
        for n, members in enumerate(by_group):
            if members:
                yield _piece("snapshots", self._columns, _SNAPSHOTS, members, name=f"snapshots-{n:03}")

    def turns(self, part: str, rows: Sequence[Any]) -> Iterator[Piece]:
        """Turns of one part of the journal: (actor, after)."""
        by_group: list[tuple[list[str], list[int]]] = [([], []) for _ in range(self._groups)]
        for actor, after in rows:
            actors, afters = by_group[self._group(actor)]
            actors.append(actor)
            afters.append(after)
        for n, (actors, afters) in enumerate(by_group):
            if actors:
                yield _piece(
                    "journal", self._columns, _TURNS.replace("{part}", part), actors, afters, name=f"{part}-{n:03}"
                )

    def wishes(self, own: Sequence[str], fired: Sequence[Any]) -> Iterator[Piece]:
        """Letters and reminders, by the shards of a group; without reminders that have fired already."""
        by_group = [[f"s:{n}" for n in range(g, self._shards, self._groups)] for g in range(self._groups)]
        for actor in own:
            by_group[self._group(actor)].append(actor)
        gone = ([row["actor"] for row in fired], [row["name"] for row in fired])
        for n, shards in enumerate(by_group):
            yield _piece("outbox", self._columns, _LETTERS, shards, name=f"outbox-{n:03}")
            yield _piece("reminders", self._columns, _REMINDERS, shards, *gone, name=f"reminders-{n:03}")

    def _group(self, actor: str) -> int:
        return self._group_of(actor, self._shards, self._groups)


def _piece(table: str, columns: Columns, query: str, *args: Any, name: str = "") -> Piece:
    listed = ", ".join(f"t.{column}" for column in columns[table])
    return Piece(name or table, table, columns[table], query.replace("{columns}", listed), args)


async def _columns(connection: Any) -> Columns:
    """The columns of every table that are copied."""
    found = {}
    for table in (*PLAIN, *DIVIDED, *WHOLE, MEMORIES):
        columns: Sequence[str] = await connection.fetchval(_COLUMNS_OF, table, timeout=60)
        found[table] = tuple(column for column in columns if column not in NOT_COPIED.get(table, ()))
    return found


async def _tables(connection: Any, columns: Columns) -> AsyncIterator[Piece]:
    """The user's tables and the sessions, whole, by ranges of pages: they also hold what no actor stands for."""
    parts = [(row["name"], row["blocks"]) for row in await connection.fetch(_PARTS, MEMORIES, timeout=60)]
    named = [(MEMORIES, name, blocks) for name, blocks in parts]
    named += [(table, table, await connection.fetchval(_BLOCKS, table, timeout=60)) for table in WHOLE]
    for table, part, blocks in named:
        listed = ", ".join(columns[table])
        for n, start in enumerate(range(0, max(blocks, 1), PIECE_BLOCKS)):
            pages = f"ctid >= '({start},0)' AND ctid < '({start + PIECE_BLOCKS},0)'"
            yield Piece(f"{part}-{n:03}", table, columns[table], f"SELECT {listed} FROM {part} WHERE {pages}")  # noqa: S608


async def _fired(connection: Any) -> Sequence[Any]:
    """Reminders whose command stands in the journal already and that only wait to be dropped."""
    due = await connection.fetch(_DUE, timeout=READ_TIMEOUT_S)
    ids = [UUID(derived_command_id(r["due_s"], r["actor"], r["name"], r["due_s"])) for r in due]
    columns = [r["actor"] for r in due], [r["name"] for r in due], ids, [r["due_s"] for r in due]
    fired: Sequence[Any] = await connection.fetch(_FIRED, *columns, timeout=READ_TIMEOUT_S)
    return fired


async def copy_all(readers_: Sequence[Reader], pieces: Sequence[Piece], take: Callable[[Reader, Piece], Any]) -> None:
    """Let every reader take piece after piece until none is left; the first error ends all."""
    waiting = iter(pieces)

    async def work(reader: Reader) -> None:
        for piece in waiting:
            await take(reader, piece)

    try:
        async with asyncio.TaskGroup() as tasks:
            for reader in readers_:
                tasks.create_task(work(reader))
    except* GangGPTError as failed:
        raise failed.exceptions[0] from None
