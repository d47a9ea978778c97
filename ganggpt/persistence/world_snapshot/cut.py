"""A consistent cut of a live world: one exported MVCC snapshot that several readers share, while everybody goes on.

The cut contains exactly the commits that were done when it was taken. A message is delivered after the commit that
wrote it, so where the cut has its receiver's turn, it also has its sender's. All reading happens in read-only
transactions that lock nothing. A few readers run one ``COPY`` each at a time, which keeps the load on the machine low.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct

from ganggpt.domain.ids import derived_command_id
from ganggpt.errors import StartFailed, Unavailable, first_error
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.sql import load_sql

READ_TIMEOUT_S: Final = 600.0
NICE: Final = 10
"""The Unix niceness of a reader, so that other sessions of the database go first."""
_CONNECT_TIMEOUT_S: Final = 30.0
WINDOW_S: Final = 720.0
"""Turns this young are always in a snapshot, because repeated commands are answered from them for 600 s."""
ACTORS_PER_GROUP: Final = 4000
PIECE_BLOCKS: Final = 8192
"""Pages (of 8 KiB) in one file of a table that is not divided by shard."""

NOT_COPIED: Final = {"world": {"owner", "owner_since"}, "shards": {"epoch", "since", "flushed"}}
"""Columns that say who holds a world at the moment, which a snapshot does not keep."""
PLAIN: Final = ("world", "cast_members", "shards")
DIVIDED: Final = ("snapshots", "journal", "outbox", "reminders")
WHOLE: Final = (
    "game_servers",
    "pushes",
    "players",
    "npcs",
    "factions",
    "faction_relationships",
    "missions",
    "companions",
)
MEMORIES: Final = "npc_memories"

SQL: Final = load_sql(Path(__file__).with_name("cut.sql"))


Columns = Mapping[str, tuple[str, ...]]


class Piece(Struct, frozen=True):
    """One file to write: its name, the table and columns of its rows, and the query that reads them."""

    name: str
    table: str
    columns: tuple[str, ...]
    query: str
    args: tuple[Any, ...] = ()


class Cut(Struct, frozen=True, kw_only=True):
    """What the cut contains, and the pieces in which it is read. See Manifest for the fields."""

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
    """One connection that sees the cut. Its transaction is open as long as ``readers``."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def lower_priority(self) -> None:
        """Lower the priority of this reader's server process, where that runs on this machine. Only for a connection of
        its own that ends afterwards: a pooler would give the slow session to others."""
        row = await self.connection.fetchrow(SQL["session"], timeout=30)
        with suppress(psutil.Error, OSError, AttributeError):
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["began_s"]) < 2.0 and "postgres" in "".join(process.cmdline()):
                process.nice(NICE)

    async def copy(self, piece: Piece, sink: Callable[[bytes], Any]) -> int:
        """Send the rows of a piece to ``sink``; returns how many. Raises Unavailable."""
        with database_outages():
            status: str = await self.connection.copy_from_query(
                piece.query, *piece.args, output=sink, format="binary", timeout=READ_TIMEOUT_S
            )
        return int(status.rsplit(" ", 1)[1])


@asynccontextmanager
async def readers(pool: asyncpg.Pool[Any], count: int) -> AsyncIterator[list[Reader]]:
    """Connections that all see the same state of the database until they are closed.

    Each is one transaction from its first statement to its last, so a pooler in transaction mode gives each of them one
    session; it needs ``count`` sessions. Raises Unavailable where fewer can be had.
    """
    async with AsyncExitStack() as stack:
        with database_outages():
            opened = [await stack.enter_async_context(pool.acquire(timeout=_CONNECT_TIMEOUT_S)) for _ in range(count)]
            holds_world = await opened[0].fetchval("SELECT to_regclass('journal') IS NOT NULL", timeout=30)
            await stack.enter_async_context(opened[0].transaction(isolation="repeatable_read", readonly=True))
            if holds_world:
                # Before the state is fixed: a dropped part disappears for every transaction, even for older ones.
                await opened[0].execute(SQL["keep_parts"], timeout=_CONNECT_TIMEOUT_S)
            shared = await opened[0].fetchval("SELECT pg_export_snapshot()", timeout=30)
            for connection in opened[1:]:
                await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
                await _join(connection, shared)
        yield [Reader(connection) for connection in opened]


async def _join(connection: Any, shared: str) -> None:
    try:
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{shared}'", timeout=30)
    except asyncpg.PostgresError as refused:
        # A pooler in front of several servers: only one of them knows the snapshot.
        raise Unavailable(
            "one Postgres server for all readers of the cut", f"{refused}. --parallel 1 needs only one reader"
        ) from refused


async def plan_cut(reader: Reader, group_of: Callable[[str, int, int], int]) -> Cut:
    """Read what the cut contains and divide it into pieces. ``group_of(actor, shards, groups)`` returns the group of
    shards an actor belongs to. Raises StartFailed where the database holds no world, and Unavailable."""
    connection = reader.connection
    with database_outages():
        try:
            found = await connection.fetchrow(SQL["world"], timeout=60)
        except asyncpg.UndefinedTableError:
            found = None
        if found is None:
            raise StartFailed("This database holds no world.", "Name the one that does in DATABASE_URL.")
        parts = [row["name"] for row in await connection.fetch(SQL["days"], "journal", timeout=60)]
        to_read = {
            part: await connection.fetch(
                SQL["to_read"].format(part=part), found["now_s"] - WINDOW_S, timeout=READ_TIMEOUT_S
            )
            for part in parts
        }
        actors = {row["actor"] for row in await connection.fetch(SQL["actors_with_snapshots"], timeout=READ_TIMEOUT_S)}
        asleep = sorted(actors)
        actors.update(row["actor"] for rows in to_read.values() for row in rows)
        own = [row["shard"] for row in await connection.fetch(SQL["own_shards"], timeout=60)]
        groups = min(found["shards"], max(1, -(-len(actors) // ACTORS_PER_GROUP)))
        columns = await _columns(connection)
        divided = _Division(found["shards"], groups, group_of, columns)
        pieces = [
            *[_piece(table, columns, f"SELECT {{columns}} FROM {table} t") for table in PLAIN],  # noqa: S608
            *[piece async for piece in _tables(connection, columns)],
            *divided.states(asleep),
            *[piece for part in parts for piece in divided.turns(part, to_read[part])],
            *divided.effects(own, await _fired(connection)),
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
                yield _piece("snapshots", self._columns, SQL["snapshots"], members, name=f"snapshots-{n:03}")

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
                    "journal",
                    self._columns,
                    SQL["turns"].replace("{part}", part),
                    actors,
                    afters,
                    name=f"{part}-{n:03}",
                )

    def effects(self, own: Sequence[str], fired: Sequence[Any]) -> Iterator[Piece]:
        """Messages and reminders, by the shards of a group; without reminders that have fired already."""
        by_group = [[f"s:{n}" for n in range(g, self._shards, self._groups)] for g in range(self._groups)]
        for actor in own:
            by_group[self._group(actor)].append(actor)
        gone = ([row["actor"] for row in fired], [row["name"] for row in fired])
        for n, shards in enumerate(by_group):
            yield _piece("outbox", self._columns, SQL["messages"], shards, name=f"outbox-{n:03}")
            yield _piece("reminders", self._columns, SQL["reminders"], shards, *gone, name=f"reminders-{n:03}")

    def _group(self, actor: str) -> int:
        return self._group_of(actor, self._shards, self._groups)


def _piece(table: str, columns: Columns, query: str, *args: Any, name: str = "") -> Piece:
    listed = ", ".join(f"t.{column}" for column in columns[table])
    return Piece(name or table, table, columns[table], query.replace("{columns}", listed), args)


async def _columns(connection: Any) -> Columns:
    """The columns of every table that are copied."""
    found = {}
    for table in (*PLAIN, *DIVIDED, *WHOLE, MEMORIES):
        columns: Sequence[str] = await connection.fetchval(SQL["columns_of"], table, timeout=60)
        found[table] = tuple(column for column in columns if column not in NOT_COPIED.get(table, ()))
    return found


async def _tables(connection: Any, columns: Columns) -> AsyncIterator[Piece]:
    """The user's tables and the sessions, by ranges of pages: they also hold rows that belong to no actor."""
    parts = [(row["name"], row["blocks"]) for row in await connection.fetch(SQL["parts"], MEMORIES, timeout=60)]
    named = [(MEMORIES, name, blocks) for name, blocks in parts]
    named += [(table, table, await connection.fetchval(SQL["blocks"], table, timeout=60)) for table in WHOLE]
    for table, part, blocks in named:
        listed = ", ".join(columns[table])
        for n, start in enumerate(range(0, max(blocks, 1), PIECE_BLOCKS)):
            pages = f"ctid >= '({start},0)' AND ctid < '({start + PIECE_BLOCKS},0)'"
            yield Piece(f"{part}-{n:03}", table, columns[table], f"SELECT {listed} FROM {part} WHERE {pages}")  # noqa: S608


async def _fired(connection: Any) -> Sequence[Any]:
    """Reminders whose command is already in the journal and that only wait to be deleted."""
    due = await connection.fetch(SQL["due_reminders"], timeout=READ_TIMEOUT_S)
    ids = [UUID(derived_command_id(r["due_s"], r["actor"], r["name"], r["due_s"])) for r in due]
    columns = [r["actor"] for r in due], [r["name"] for r in due], ids, [r["due_s"] for r in due]
    fired: Sequence[Any] = await connection.fetch(SQL["fired_reminders"], *columns, timeout=READ_TIMEOUT_S)
    return fired


async def copy_all(readers_: Sequence[Reader], pieces: Sequence[Piece], take: Callable[[Reader, Piece], Any]) -> None:
    """Let every reader copy piece after piece until none is left. The first error cancels all."""
    waiting = iter(pieces)

    async def work(reader: Reader) -> None:
        for piece in waiting:
            await take(reader, piece)

    try:
        async with asyncio.TaskGroup() as tasks:
            for reader in readers_:
                tasks.create_task(work(reader))
    except BaseExceptionGroup as group:
        raise first_error(group) from None
