"""Where a player is found in the database, and how that goes: the SQL behind export and erasure.

A search is made twice: Postgres looks for the bytes, which is quick and finds too much (``player:ava`` in
``player:avalon``), and whoever asked looks at what was found.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import derived_command_id
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.journal.partitions import Connection, briefly
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.player_data.tables import CLEAN, GOING, SEARCH, SOUGHT
from ganggpt.persistence.ports.player_data import FoundRow, Order, TurnRow, Words
from ganggpt.persistence.projections.rows import player_id

SENDER: Final = "world"
"""Who tells an actor to forget."""
SEARCH_TIMEOUT_S: Final = 600.0
BATCH: Final = 500

_OPEN: Final = """
INSERT INTO erasures (player, alias, salt, mark, asked_at)
VALUES ($1, $2, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING no
"""
_OPEN_NO: Final = "SELECT no FROM erasures WHERE player = $1 AND done_at IS NULL"
_ORDER: Final = """
SELECT no, player, names, alias, salt, mark, asked_at, step, rounds, erased, done_at FROM erasures
"""
_WAITING: Final = _ORDER + "WHERE done_at IS NULL ORDER BY no"
_ONE: Final = _ORDER + "WHERE no = $1"
_STEP: Final = """
UPDATE erasures SET step = $2, rounds = $3, names = $4::text[], erased = $5::jsonb WHERE no = $1 AND done_at IS NULL
"""
_DONE: Final = """
UPDATE erasures SET done_at = clock_timestamp(), player = NULL, names = '{}', step = '' WHERE no = $1
"""

# Every word of $2 as bytes. A name is searched for as it is written in several ways; both lists are short.
_ACTORS: Final = """
SELECT actor FROM snapshots s WHERE EXISTS (SELECT FROM unnest($2::bytea[]) w WHERE position(w IN s.body) > 0)
UNION
SELECT actor FROM journal j
WHERE j.by = $1 OR EXISTS (SELECT FROM unnest($2::bytea[]) w WHERE position(w IN j.body) > 0)
UNION
SELECT CASE WHEN npc_id LIKE '%:%' THEN npc_id ELSE 'npc:' || npc_id END FROM npc_memories
WHERE content #>> '{trace,origin}' = ANY($3::text[])
UNION
SELECT $1 WHERE EXISTS (SELECT FROM journal WHERE actor = $1) OR EXISTS (SELECT FROM snapshots WHERE actor = $1)
ORDER BY 1
"""
# Memories of the player that were told on: their numbers are where rumours came from.
_ORIGINS: Final = """
WITH theirs AS (
  SELECT 'npc:' || npc_id || '#' || (content ->> 'no') AS origin FROM npc_memories
  WHERE player_id = $1 AND npc_id NOT LIKE '%:%' AND content ->> 'no' IS NOT NULL
)
SELECT DISTINCT content #>> '{trace,origin}' AS origin FROM npc_memories
WHERE content #>> '{trace,origin}' IN (SELECT origin FROM theirs)
   OR (player_id = $1 AND content #>> '{trace,origin}' IS NOT NULL)
LIMIT 1000
"""
_PLAYERS: Final = """
SELECT actor, max(joined_s) AS joined_s FROM (
  SELECT actor,
    CASE WHEN username <> 'player-' || id THEN extract(epoch FROM created_at)::float8 END AS joined_s
  FROM players WHERE actor IS NOT NULL
  UNION ALL
  SELECT DISTINCT content ->> 'about', NULL::float8 FROM npc_memories WHERE content ->> 'about' LIKE 'player:%'
  UNION ALL SELECT DISTINCT by, NULL::float8 FROM journal WHERE by LIKE 'player:%'
) p GROUP BY actor
"""
_ONLINE: Final = "SELECT FROM players WHERE actor = $1 AND online"
_NAMES: Final = "SELECT username FROM players WHERE id = $1 AND username <> 'player-' || id"
_TURNS: Final = """
SELECT tableoid::regclass::text AS part, seq, day, command_id, by, name, body, extract(epoch FROM at)::float8 AS at_s
FROM journal
WHERE actor = $1 AND seq > $2
  AND ($4::text IS NULL OR by = $4 OR EXISTS (SELECT FROM unnest($5::bytea[]) w WHERE position(w IN body) > 0))
ORDER BY seq LIMIT $3
"""
_TOLD: Final = "SELECT body FROM journal WHERE actor = $1 AND name = 'ForgetPlayer' ORDER BY seq"
_REWRITE: Final = """
UPDATE journal j SET by = r.by, body = r.body
FROM unnest($2::bigint[], $3::date[], $4::text[], $5::bytea[]) AS r (seq, day, by, body)
WHERE j.actor = $1 AND j.seq = r.seq AND j.day = r.day
"""
_CHECKS: Final = """
SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE conrelid = $1::text::regclass AND conname = $2
"""
_LETTERS: Final = """
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT $1, $2, n - 1, shard, target, id, $3, $4, clock_timestamp() - interval '1 minute'
FROM unnest($5::text[], $6::text[], $7::uuid[]) WITH ORDINALITY AS o (shard, target, id, n)
ON CONFLICT DO NOTHING
"""
_SENT: Final = "SELECT target FROM outbox WHERE sender = $1 AND seq = $2"
# What a host committed by these letters, and the tables do not show yet.
_UNSHOWN: Final = """
SELECT count(*) FROM journal j JOIN hosts h ON h.epoch = j.epoch
WHERE j.command_id = ANY($1::uuid[]) AND h.state <> 'dead' AND h.flushed_at < j.at
"""
_CEASED: Final = """
SELECT seq FROM journal WHERE actor = $1 AND name = 'ForgetPlayer' ORDER BY seq DESC LIMIT 1
"""
_LIVE: Final = "SELECT count(*) FROM hosts WHERE state <> 'dead' AND seen_at > clock_timestamp() - interval '30 s'"

_DELETE_ACTOR: Final = (
    "DELETE FROM journal WHERE actor = $1 AND seq <= $2",
    "DELETE FROM snapshots WHERE actor = $1 AND seq <= $2",
    "DELETE FROM outbox WHERE sender = $1 AND seq <= $2",
    "DELETE FROM reminders WHERE actor = $1 AND $2::bigint IS NOT NULL",
    "DELETE FROM pushes WHERE actor = $1 AND seq <= $2",
    "DELETE FROM npc_memories WHERE npc_id = $1 AND $2::bigint IS NOT NULL",
    "DELETE FROM ai_spend WHERE name = $1 AND $2::bigint IS NOT NULL",
    "DELETE FROM missions WHERE actor = $1 AND $2::bigint IS NOT NULL",
    "DELETE FROM companions WHERE actor = $1 AND $2::bigint IS NOT NULL",
)
"""What is left of an actor that ceased to exist with turn $2."""


def mark_of(salt: bytes, player: str) -> bytes:
    """What is kept of who was forgotten: SHA-256 of a salt and the actor's id."""
    return hashlib.sha256(salt + player.encode()).digest()


class PostgresPlayerData:
    """Owns nothing but the pool it was given. Every method raises Unavailable."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    # ------------------------------------------------------------------------------------------------------- orders

    async def order(self, player: str) -> int:
        """Ask for a player to be forgotten; the number of the order, or of the one that is open already."""
        salt = os.urandom(16)
        alias = f"player:forgotten-{os.urandom(4).hex()}"
        made = await self._ask(_OPEN, player, alias, salt, mark_of(salt, player))
        rows = made or await self._ask(_OPEN_NO, player)
        no: int = rows[0]["no"]
        return no

    async def known_players(self) -> Mapping[str, float | None]:
        """Every player this database knows of, with the Unix time they joined at (None: only others speak of them)."""
        return {row["actor"]: row["joined_s"] for row in await self._search(_PLAYERS)}

    async def is_online(self, player: str) -> bool:
        """Whether the player is on a game server."""
        return bool(await self._ask(_ONLINE, player))

    async def open_orders(self) -> Sequence[Order]:
        """Orders that are not fulfilled, oldest first."""
        return [_order(row) for row in await self._ask(_WAITING)]

    async def look(self, no: int) -> Order:
        """One order."""
        return _order((await self._ask(_ONE, no))[0])

    async def note(self, no: int, step: str, rounds: int, names: Sequence[str], erased: Mapping[str, int]) -> None:
        """How far an order is."""
        told = msgspec.json.encode(dict(erased)).decode()
        await tell(self._pool, self._timeout_s, _STEP, no, step, rounds, list(names), told)

    async def fulfil(self, no: int) -> None:
        """An order is fulfilled; who it was about is forgotten here too."""
        await tell(self._pool, self._timeout_s, _DONE, no)

    async def has_hosts(self) -> bool:
        """Whether anybody carries actors at the moment."""
        return bool((await self._ask(_LIVE))[0][0])

    # ------------------------------------------------------------------------------------------------------- search

    async def names(self, player: str) -> Sequence[str]:
        """The name in the player's own row."""
        return [row["username"] for row in await self._ask(_NAMES, player_id(player))]

    async def origins(self, player: str) -> Sequence[str]:
        """Memories about the player that rumours came from, ``npc:mara#7``."""
        return [row["origin"] for row in await self._search(_ORIGINS, player_id(player))]

    async def actors(self, words: Words) -> Sequence[str]:
        """Actors whose snapshot or turns may have one of the words in them."""
        sought = [word.encode() for word in words.all]
        return [r["actor"] for r in await self._search(_ACTORS, words.player, sought, list(words.origins))]

    async def told(self, actor: str) -> Sequence[bytes]:
        """Bodies of the turns in which an actor was told to forget somebody."""
        return [row["body"] for row in await self._ask(_TOLD, actor)]

    async def turns(self, actor: str, words: Words | None = None) -> AsyncIterator[TurnRow]:
        """Turns of an actor that the journal holds, in order: all, or those that may have one of the words in them."""
        after = 0
        player = None if words is None else words.player
        sought = [] if words is None else [word.encode() for word in words.all]
        while rows := await self._ask(_TURNS, actor, after, BATCH, player, sought):
            for row in rows:
                yield TurnRow(*row.values())
            after = rows[-1]["seq"]

    async def elsewhere(self, table: str, words: Words) -> Sequence[FoundRow]:
        """Rows of one of TABLES that may be about the player."""
        sought = (words.player, [word.encode() for word in words.all], player_id(words.player), words.patterns)
        rows = await self._search(SOUGHT + SEARCH[table], *sought)
        return [FoundRow(row["key"], row["theirs"], row["text"] or "", row["body"]) for row in rows]

    # ------------------------------------------------------------------------------------------------------ change

    async def send(self, order: Order, round_: int, body: bytes, targets: Mapping[str, str]) -> Sequence[bytes]:
        """Letters to actors (by the shard that delivers them), once a round; the ids of the commands."""
        seq = order.no * 1000 + round_
        at_s = order.asked_at.timestamp()
        ids = [derived_command_id(at_s, SENDER, seq, target) for target in targets]
        uuids = [UUID(i) for i in ids]
        columns = (list(targets.values()), list(targets), uuids)
        await tell(self._pool, self._timeout_s, _LETTERS, SENDER, seq, "ForgetPlayer", body, *columns)
        return ids

    async def undelivered(self, order: Order, round_: int) -> Sequence[str]:
        """Actors that have not answered the letters of a round."""
        return [row["target"] for row in await self._ask(_SENT, SENDER, order.no * 1000 + round_)]

    async def unshown(self, ids: Sequence[bytes]) -> int:
        """How many turns of these commands the user's tables do not show yet."""
        count: int = (await self._ask(_UNSHOWN, [UUID(i) for i in ids]))[0][0]
        return count

    async def rewrite(self, actor: str, part: str, rows: Sequence[tuple[int, Any, str, bytes]]) -> None:
        """Put other bodies in the place of turns: (seq, day, by, body), all of one part of the journal.

        A sealed part refuses new turns by a check that an update would fail too; it is off for these rows only.
        """

        async def change(connection: Connection) -> None:
            seal = await connection.fetchrow(_CHECKS, part, f"{part}_sealed", timeout=self._timeout_s)
            if seal is not None:
                await connection.execute(f"ALTER TABLE {part} DROP CONSTRAINT {seal['name']}", timeout=self._timeout_s)
            await connection.execute(_REWRITE, actor, *map(list, zip(*rows, strict=True)), timeout=self._timeout_s)
            if seal is not None:
                again = f"ALTER TABLE {part} ADD CONSTRAINT {seal['name']} {seal['definition']}"
                await connection.execute(again, timeout=self._timeout_s)

        await briefly(self._pool, change, self._timeout_s)

    async def delete_actor(self, actor: str) -> bool:
        """Delete what is left of an actor that ceased to exist; False where it did not."""
        rows = await self._ask(_CEASED, actor)
        if not rows:
            return False
        with database_may_be_away():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                for statement in _DELETE_ACTOR:
                    await connection.execute(statement, actor, rows[0]["seq"], timeout=self._timeout_s)
        return True

    async def clean(self, table: str, keys: Sequence[str], words: Words, somebody: str) -> int:
        """Let rows of one of TABLES go, or be about ``somebody``; how many."""
        whom = (words.player, player_id(words.player), words.regex, somebody)
        return await tell(self._pool, SEARCH_TIMEOUT_S, GOING + CLEAN[table], list(keys), *whom)

    # ------------------------------------------------------------------------------------------------------ queries

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, self._timeout_s, query, *arguments)

    async def _search(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, SEARCH_TIMEOUT_S, query, *arguments)


def _order(row: Any) -> Order:
    known = dict(row.items())
    return Order(**{**known, "names": tuple(row["names"]), "erased": msgspec.json.decode(row["erased"])})
