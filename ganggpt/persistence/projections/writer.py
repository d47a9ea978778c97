"""Writes what actors became into the user's tables: coalesced, fenced, and the same when done twice.

Every transaction begins by holding the host's own row ``FOR SHARE``, as a commit of the journal does: a host that was
taken over writes nothing any more, and the one that took over only starts when a write in flight is done.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from cachetools import LRUCache

from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.projections import Change
from ganggpt.persistence.projections.rows import Rows

_log = logging.getLogger(__name__)


ROWS_MAX: Final = 2000
"""Rows of one transaction; more go in several, so that none holds locks for long."""
_TRIES_MAX: Final = 5
_KNOWN_MAX: Final = 50_000

_LIVE: Final = "SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE"
# A transaction of its own after the rows: one that holds its host's row shared must not also want to change it, since
# a heartbeat or a take-over may wait in between. The row is locked first, so that the next statement sees every shard
# that was given to the host until then: what the last owner of a shard left out of the tables counts from that owner's
# mark, and a host that has not heard of the shard yet must not raise it.
_OWN_ROW: Final = "SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR NO KEY UPDATE"
_FLUSHED: Final = """
UPDATE hosts SET flushed_at = greatest(flushed_at, to_timestamp($2))
WHERE epoch = $1 AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = $1 AND NOT shards.shard = ANY($3::text[]))
"""
# Players go in statements of their own before all else, in the order of ids: rows of other tables point at them
# from many hosts, and a transaction that held some of them while it waited for others would meet its like halfway.
PLACEHOLDERS: Final = """
WITH live AS MATERIALIZED (SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE)
INSERT INTO players (id, username, email, actor)
SELECT p.id, 'player-' || p.id, p.id || '@players.invalid', p.actor
FROM unnest($2::uuid[], $3::text[]) AS p (id, actor), live ORDER BY p.id
ON CONFLICT DO NOTHING
"""
# A name or an address somebody else holds gets a form of its own, always the same; in a batch the smallest id is first.
_PLAYERS: Final = """
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), given AS (
  SELECT *, row_number() OVER (PARTITION BY username ORDER BY id) > 1 AS name_twice,
    row_number() OVER (PARTITION BY email ORDER BY id) > 1 AS email_twice
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::text[], $8::float8[], $9::text[],
    $10::bool[], $11::text[], $12::bigint[], $13::text[], $14::text[])
    AS g (id, username, email, created_s, login_s, tier, played_s, actor, online, server, cash, standing, missions)
)
INSERT INTO players AS p (id, username, email, created_at, last_login, subscription_tier, total_playtime, actor, online,
  server, cash, standing, active_missions)
SELECT g.id,
  CASE WHEN n.holder <> g.id OR (n.holder IS NULL AND name_twice)
    THEN left(g.username, 41) || '~' || left(g.id::text, 8) ELSE g.username END,
  CASE WHEN g.email IS NULL OR e.holder <> g.id OR (e.holder IS NULL AND email_twice)
    THEN g.id || '@players.invalid' ELSE g.email END,
  to_timestamp(created_s), to_timestamp(login_s), tier, make_interval(secs => played_s), actor, online, server, cash,
  standing::jsonb, ARRAY(SELECT jsonb_array_elements_text(missions::jsonb))
FROM live, given g
  LEFT JOIN LATERAL (SELECT id AS holder FROM players WHERE username = g.username) n ON true
  LEFT JOIN LATERAL (SELECT id AS holder FROM players WHERE email = g.email) e ON true
ORDER BY g.id
ON CONFLICT (id) DO UPDATE SET username = excluded.username,
  email = CASE WHEN excluded.email LIKE '%@players.invalid' THEN p.email ELSE excluded.email END,
  created_at = excluded.created_at, last_login = excluded.last_login, subscription_tier = excluded.subscription_tier,
  total_playtime = excluded.total_playtime, actor = excluded.actor, online = excluded.online, server = excluded.server,
  cash = excluded.cash, standing = excluded.standing, active_missions = excluded.active_missions,
  updated_at = clock_timestamp()
"""
# What has terms is in the tail (see ``tail``): the mind let it go for want of room, and no flush touches it any more.
_RENEWED: Final = """
DELETE FROM npc_memories WHERE npc_id = ANY($1::text[]) AND NOT id = ANY($2::uuid[]) AND terms IS NULL
"""
_FORGOTTEN: Final = """
DELETE FROM npc_memories m USING unnest($1::uuid[], $2::float8[]) AS d (id, created_s)
WHERE m.id = d.id AND m.created_at = to_timestamp(d.created_s) AND m.terms IS NULL
"""
MEMORIES: Final = """
INSERT INTO npc_memories (id, npc_id, player_id, memory_type, content, emotional_weight, created_at, expires_at)
SELECT id, npc_id, player_id, memory_type, content::jsonb, weight, to_timestamp(created_s), to_timestamp(expires_s)
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[])
  AS g (id, npc_id, player_id, memory_type, content, weight, created_s, expires_s)
ON CONFLICT (id, created_at) DO UPDATE SET player_id = excluded.player_id, memory_type = excluded.memory_type,
  content = excluded.content, emotional_weight = excluded.emotional_weight, expires_at = excluded.expires_at
WHERE npc_memories.terms IS NULL
"""
RELATIONS: Final = """
INSERT INTO faction_relationships (faction_a, faction_b, relationship_type, strength, last_updated, cause)
SELECT a, b, type, strength, to_timestamp(updated_s), cause
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::float8[], $6::text[])
  AS g (a, b, type, strength, updated_s, cause)
ON CONFLICT (faction_a, faction_b) DO UPDATE SET relationship_type = excluded.relationship_type,
  strength = excluded.strength, last_updated = excluded.last_updated, cause = excluded.cause
"""
FACTIONS: Final = """
INSERT INTO factions (id, name, influence, treasury, territories)
SELECT id, name, influence, treasury, ARRAY(SELECT jsonb_array_elements_text(territories::jsonb))
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[])
  AS g (id, name, influence, treasury, territories)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, influence = excluded.influence, treasury = excluded.treasury,
  territories = excluded.territories, updated_at = clock_timestamp()
"""
MISSIONS: Final = """
INSERT INTO missions (id, title, description, generated_by, difficulty, estimated_duration, reward_pool, faction_impact,
  created_at, expires_at, actor, status, giver, player_id, objectives)
SELECT id, title, description, generated_by, difficulty, make_interval(secs => duration_s), reward, impact::jsonb,
  to_timestamp(created_s), to_timestamp(expires_s), actor, status, giver, player_id, objectives::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::float8[], $7::int[], $8::text[],
  $9::float8[], $10::float8[], $11::text[], $12::text[], $13::text[], $14::uuid[], $15::text[])
  AS g (id, title, description, generated_by, difficulty, duration_s, reward, impact, created_s, expires_s, actor,
    status, giver, player_id, objectives)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status,
  player_id = excluded.player_id, objectives = excluded.objectives, updated_at = clock_timestamp()
"""
COMPANIONS: Final = """
INSERT INTO companions (id, player_id, name, companion_type, personality, experience_points, loyalty_level, memory_data,
  created_at, actor)
SELECT id, player_id, name, type, personality::jsonb, experience, loyalty, memory::jsonb, to_timestamp(created_s), actor
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[], $9::float8[],
  $10::text[])
  AS g (id, player_id, name, type, personality, experience, loyalty, memory, created_s, actor)
ON CONFLICT (id) DO UPDATE SET player_id = excluded.player_id, name = excluded.name,
  companion_type = excluded.companion_type, personality = excluded.personality,
  experience_points = excluded.experience_points, loyalty_level = excluded.loyalty_level,
  memory_data = excluded.memory_data, updated_at = clock_timestamp()
"""


class PostgresFlush:
    """Write-behind into Postgres. Owns nothing but the pool it was given.

    ``skipped`` counts actors whose rows the tables refused by themselves; each is logged, and holds up no other.
    """

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._known: LRUCache[UUID, None] = LRUCache(_KNOWN_MAX)
        self.skipped = 0

    async def flush(
        self, epoch: int, changes: Sequence[Change], through_s: float | None, held: Collection[str] = ()
    ) -> int:
        """See FlushStore."""
        written = 0
        with database_may_be_away():
            for part, rows in _parts(changes):
                written += await self._write_part(epoch, part, rows)
            if through_s is not None:
                await self._mark(epoch, through_s, held)
        return written

    async def _mark(self, epoch: int, through_s: float, held: Collection[str]) -> None:
        async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
            if await connection.fetchval(_OWN_ROW, epoch, timeout=self._timeout_s) is None:
                raise Fenced(str(epoch), epoch)
            await connection.execute(_FLUSHED, epoch, through_s, list(held), timeout=self._timeout_s)

    async def _write_part(self, epoch: int, part: Sequence[Change], rows: Rows) -> int:
        try:
            return await self._write(epoch, rows)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as refused:
            self._known.clear()
            if len(part) == 1:
                self.skipped += 1
                _log.error("%s is not shown in the tables: %s", part[0][0], refused)
                return 0
        # One of them does not fit: find it, so that the others are not held up.
        half = len(part) // 2
        halves = (part[:half], part[half:])
        return sum([await self._write_part(epoch, each, _rows_of(each)) for each in halves])

    async def _write(self, epoch: int, rows: Rows) -> int:
        """Players, then everything else in one transaction. Tried again where it met another host: in a deadlock, or
        over a name that both wanted."""
        tries = 0
        while True:
            tries += 1
            try:
                await self._write_players(epoch, rows)
                async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                    if await connection.fetchval(_LIVE, epoch, timeout=self._timeout_s) is None:
                        raise Fenced(str(epoch), epoch)
                    for statement, columns in _statements(rows):
                        await connection.execute(statement, *columns, timeout=self._timeout_s)
            except asyncpg.DeadlockDetectedError as met:
                if tries == _TRIES_MAX:
                    raise Unavailable("the database") from met
            except asyncpg.UniqueViolationError:
                if tries == _TRIES_MAX:
                    raise
            else:
                return len(rows)

    async def _write_players(self, epoch: int, rows: Rows) -> None:
        new = sorted((known, actor) for known, actor in rows.placeholders.items() if known not in self._known)
        if new:
            await self._pool.execute(PLACEHOLDERS, epoch, *zip(*new, strict=True), timeout=self._timeout_s)
        if rows.players:
            # A transaction although it is one statement: should it arrive after its caller gave up and flushed again,
            # nobody commits it, and the newer rows stand.
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                await connection.execute(_PLAYERS, epoch, *columns_of(rows.players), timeout=self._timeout_s)
        self._known.update(dict.fromkeys([*rows.placeholders, *rows.players]))


def _parts(changes: Sequence[Change]) -> Iterator[tuple[Sequence[Change], Rows]]:
    """Changes in parts of about ROWS_MAX rows, with their rows."""
    start, rows = 0, Rows()
    for end, (actor, old, new) in enumerate(changes, 1):
        rows.add(actor, old, new)
        if len(rows) >= ROWS_MAX:
            yield changes[start:end], rows
            start, rows = end, Rows()
    if len(rows) or rows.renewed:
        yield changes[start:], rows


def _rows_of(changes: Iterable[Change]) -> Rows:
    rows = Rows()
    for actor, old, new in changes:
        rows.add(actor, old, new)
    return rows


def _statements(rows: Rows) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """The statements for all rows but players, each in the order of its keys, so that two hosts lock in one order."""
    if rows.renewed:
        yield _RENEWED, (sorted(rows.renewed), list(rows.memories))
    if rows.forgotten:
        yield _FORGOTTEN, list(zip(*sorted(rows.forgotten.items()), strict=True))
    tables: Sequence[tuple[str, dict[Any, Any]]] = (
        (MEMORIES, rows.memories),
        (RELATIONS, rows.relations),
        (FACTIONS, rows.factions),
        (MISSIONS, rows.missions),
        (COMPANIONS, rows.companions),
    )
    for statement, table in tables:
        if table:
            yield statement, columns_of(table)


def columns_of(table: dict[Any, Any]) -> list[tuple[Any, ...]]:
    """The rows of a table as the columns its statement takes, in the order of their keys."""
    return list(zip(*(table[key] for key in sorted(table)), strict=True))
