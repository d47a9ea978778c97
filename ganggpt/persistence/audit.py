"""Questions to a whole world in SQL: what was kept of what was promised, and how much there is of everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct

from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("audit.sql"))
_PROVE_AT_ONCE: Final = 50_000


class Promises(Struct, frozen=True):
    """Acked commands held against the journal."""

    acked: int
    lost: int
    doubled: int


async def promises_kept(pool: asyncpg.Pool[Any], acked: Iterable[bytes]) -> Promises:
    """Count acked command ids that the journal does not have, or has more than once."""
    ids = [UUID(command_id) for command_id in acked]
    row = await pool.fetchrow(SQL["kept"], ids, timeout=60)
    assert row is not None
    return Promises(len(ids), row["lost"], row["doubled"])


class HostProcess(Struct, frozen=True):
    """A live incarnation and the process that carries it. ``kind``: shared or own."""

    name: str
    kind: str
    epoch: int
    pid: int


class Verdict(Struct, frozen=True):
    """A whole journal held against a record of acks.

    ``lost``: acked commands that do not stand where their answer said. ``doubled``: command ids applied more than once,
    acked or not. ``double_writers``: actors with two turns of one number, or with a turn that was written before its
    predecessor. ``holes``: actors with a number missing.
    """

    turns: int
    acked: int
    lost: int
    doubled: int
    double_writers: int
    holes: int


async def verdict(pool: asyncpg.Pool[Any], acked: Iterable[tuple[bytes, str, int]], since_s: float = 0.0) -> Verdict:
    """Judge a journal that nobody dropped parts of, or its turns since a Unix second. ``acked``: id, actor and seq."""
    told = lost = 0
    rows = iter(acked)
    while part := list(islice(rows, _PROVE_AT_ONCE)):
        ids, actors, seqs = zip(*part, strict=True)
        lost += await pool.fetchval(SQL["unproven"], [UUID(i) for i in ids], actors, seqs, timeout=120)
        told += len(part)
    doubled = await pool.fetchval(SQL["doubled"], since_s, timeout=300)
    row = await pool.fetchrow(SQL["writers"], since_s, timeout=300)
    assert row is not None
    return Verdict(row["turns"], told, lost, doubled, row["double_writers"], row["holes"])


async def host_processes(pool: asyncpg.Pool[Any]) -> list[HostProcess]:
    """Every host that is not dead, by name. Raises Unavailable."""
    with database_may_be_away():
        rows = await pool.fetch(SQL["processes"], timeout=10)
        return [HostProcess(r["name"], r["kind"], r["epoch"], int(r["address"].rpartition("/")[2])) for r in rows]


async def turns_of_dead(pool: asyncpg.Pool[Any]) -> dict[int, int]:
    """How many turns each dead epoch has written; that number must never grow again. Raises Unavailable."""
    with database_may_be_away():
        return {r["epoch"]: r["turns"] for r in await pool.fetch(SQL["turns_of_dead"], timeout=60)}


async def world_counts(pool: asyncpg.Pool[Any]) -> dict[str, int]:
    """Rows of the tables people ask about."""
    row = await pool.fetchrow(SQL["counts"], timeout=60)
    assert row is not None
    return dict(row)


async def turns_by(pool: asyncpg.Pool[Any], senders: Sequence[str]) -> int:
    """How many turns the journal has of commands these sent."""
    count: int = await pool.fetchval(SQL["turns_by"], senders, timeout=60)
    return count


async def shard_count(pool: asyncpg.Pool[Any]) -> int:
    """How many hash shards the world has."""
    count: int = await pool.fetchval(SQL["shards"], timeout=10)
    return count


async def holder_of(pool: asyncpg.Pool[Any], shards: list[str]) -> tuple[str, str] | None:
    """Name and address (machine/pid) of the live host that holds the first of these shards that is held; a shard of
    an actor's own goes before the hash shard it would otherwise be in."""
    row = await pool.fetchrow(SQL["holder"], shards, timeout=10)
    return None if row is None else (row["name"], row["address"])


async def turns_upto(pool: asyncpg.Pool[Any], actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
    """Number and body of the last ``limit`` turns of an actor up to ``seq``, in order. Raises Unavailable."""
    with database_may_be_away():
        rows = await pool.fetch(SQL["turns_upto"], actor, seq, limit, timeout=60)
    return [(row["seq"], row["body"]) for row in reversed(rows)]
