"""Finds and deletes a player in the database: the SQL behind export and erasure.

A search has two steps: Postgres searches for bytes, which is quick and finds too much (``player:ava`` in
``player:avalon``), and the caller examines what was found.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import derived_command_id
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.journal.partitions import Connection, briefly
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.player_data import ErasureOrder, FoundRow, TurnRow, Words
from ganggpt.persistence.projections.rows import player_id
from ganggpt.persistence.sql import load_sql

SENDER: Final = "world"
"""The sender of the commands to forget a player."""
SEARCH_TIMEOUT_S: Final = 600.0
BATCH: Final = 500

SQL: Final = load_sql(Path(__file__).with_name("player_data.sql"))
SEARCH: Final = load_sql(Path(__file__).with_name("search.sql"))
DELETE: Final = load_sql(Path(__file__).with_name("delete.sql"))


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
"""The rows of an actor that ceased to exist with turn $2."""


def mark_of(salt: bytes, player: str) -> bytes:
    """What is kept of an erased player: SHA-256 of a salt and the actor's id."""
    return hashlib.sha256(salt + player.encode()).digest()


class PostgresPlayerData:
    """Uses the pool it is given and never closes it. Every method raises Unavailable."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 30.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    # ------------------------------------------------------------------------------------------------------- orders

    async def open_order(self, player: str) -> int:
        """Order the erasure of a player; returns the number of the order, or of the one that is already open."""
        salt = os.urandom(16)
        alias = f"player:forgotten-{os.urandom(4).hex()}"
        made = await self._ask(SQL["open_order"], player, alias, salt, mark_of(salt, player))
        rows = made or await self._ask(SQL["open_order_no"], player)
        no: int = rows[0]["no"]
        return no

    async def known_players(self) -> Mapping[str, float | None]:
        """Every player known to this database, with the Unix time they joined (None: only others mention them)."""
        return {row["actor"]: row["joined_s"] for row in await self._search(SQL["players"])}

    async def is_online(self, player: str) -> bool:
        """Whether the player is on a game server."""
        return bool(await self._ask(SQL["is_online"], player))

    async def open_orders(self) -> Sequence[ErasureOrder]:
        """Orders that are not fulfilled, oldest first."""
        return [_order(row) for row in await self._ask(SQL["open_orders"])]

    async def order(self, no: int) -> ErasureOrder:
        """One order."""
        return _order((await self._ask(SQL["order"], no))[0])

    async def note(self, no: int, step: str, rounds: int, names: Sequence[str], erased: Mapping[str, int]) -> None:
        """Store how far an order is."""
        told = msgspec.json.encode(dict(erased)).decode()
        await tell(self._pool, self._timeout_s, SQL["note"], no, step, rounds, list(names), told)

    async def fulfil(self, no: int) -> None:
        """Mark an order as fulfilled, and delete from it whom it was about."""
        await tell(self._pool, self._timeout_s, SQL["fulfil"], no)

    async def has_hosts(self) -> bool:
        """Whether any host is live at the moment."""
        return bool((await self._ask(SQL["count_live_hosts"]))[0][0])

    # ------------------------------------------------------------------------------------------------------- search

    async def names(self, player: str) -> Sequence[str]:
        """The name in the player's own row."""
        return [row["username"] for row in await self._ask(SQL["names"], player_id(player))]

    async def origins(self, player: str) -> Sequence[str]:
        """Memories about the player that rumours came from, ``npc:mara#7``."""
        return [row["origin"] for row in await self._search(SQL["origins"], player_id(player))]

    async def actors(self, words: Words) -> Sequence[str]:
        """Actors whose snapshot or turns may contain one of the words."""
        sought = [word.encode() for word in words.ids]
        found = await self._search(SQL["actors"], words.player, sought, list(words.origins), words.search)
        return [row["actor"] for row in found]

    async def forget_turns(self, actor: str) -> Sequence[tuple[int, bytes]]:
        """Numbers and bodies of the turns in which an actor forgot a player."""
        return [(row["seq"], row["body"]) for row in await self._ask(SQL["forget_turns"], actor)]

    async def turns(self, actor: str, words: Words | None = None) -> AsyncIterator[TurnRow]:
        """Turns of an actor in the journal, in order: all, or those that may contain one of the words."""
        after = 0
        player = None if words is None else words.player
        sought = [] if words is None else [word.encode() for word in words.ids]
        search = None if words is None else words.search
        while rows := await self._ask(SQL["turns"], actor, after, BATCH, player, sought, search):
            for row in rows:
                yield TurnRow(*row.values())
            after = rows[-1]["seq"]

    async def rows_about(self, table: str, words: Words) -> Sequence[FoundRow]:
        """Rows of one of TABLES that may be about the player."""
        sought = [word.encode() for word in words.ids]
        whom = (words.player, sought, player_id(words.player), words.patterns, words.search)
        rows = await self._search(_statement(SEARCH, table), *whom)
        return [FoundRow(row["key"], row["theirs"], row["text"] or "", row["body"]) for row in rows]

    # ------------------------------------------------------------------------------------------------------ change

    async def send(self, order: ErasureOrder, round_: int, body: bytes, targets: Mapping[str, str]) -> Sequence[bytes]:
        """Send messages to actors (by the shard that delivers them), once a round; returns the ids of the commands."""
        seq = order.no * 1000 + round_
        at_s = order.asked_at.timestamp()
        ids = [derived_command_id(at_s, SENDER, seq, target) for target in targets]
        uuids = [UUID(i) for i in ids]
        columns = (list(targets.values()), list(targets), uuids)
        await tell(self._pool, self._timeout_s, SQL["send_messages"], SENDER, seq, "ForgetPlayer", body, *columns)
        return ids

    async def undelivered(self, order: ErasureOrder, round_: int) -> Sequence[str]:
        """Actors that have not answered the messages of a round."""
        return [row["target"] for row in await self._ask(SQL["undelivered"], SENDER, order.no * 1000 + round_)]

    async def unshown(self, ids: Sequence[bytes]) -> int:
        """How many turns of these commands the user's tables do not show yet."""
        count: int = (await self._ask(SQL["unshown"], [UUID(i) for i in ids]))[0][0]
        return count

    async def rewrite(self, actor: str, part: str, rows: Sequence[tuple[int, Any, str, bytes]]) -> None:
        """Replace the bodies of turns: (seq, day, by, body), all of one part of the journal.

        The check of a sealed part, which refuses new turns, would refuse this update too, so it is dropped and made
        again in the same transaction.
        """

        async def change(connection: Connection) -> None:
            seal = await connection.fetchrow(SQL["check_constraint"], part, f"{part}_sealed", timeout=self._timeout_s)
            if seal is not None:
                await connection.execute(f"ALTER TABLE {part} DROP CONSTRAINT {seal['name']}", timeout=self._timeout_s)
            await connection.execute(
                SQL["rewrite"], actor, *map(list, zip(*rows, strict=True)), timeout=self._timeout_s
            )
            if seal is not None:
                again = f"ALTER TABLE {part} ADD CONSTRAINT {seal['name']} {seal['definition']}"
                await connection.execute(again, timeout=self._timeout_s)

        await briefly(self._pool, change, self._timeout_s)

    async def delete_actor(self, actor: str) -> bool:
        """Delete what is left of an actor that ceased to exist; False where it did not."""
        rows = await self._ask(SQL["ceased"], actor)
        if not rows:
            return False
        with database_outages():
            async with self._pool.acquire(timeout=self._timeout_s) as connection, connection.transaction():
                for statement in _DELETE_ACTOR:
                    await connection.execute(statement, actor, rows[0]["seq"], timeout=self._timeout_s)
        return True

    async def clean(self, table: str, keys: Sequence[str], player: str) -> int:
        """Delete the player from rows of one of TABLES; returns from how many."""
        whom = (list(keys), player, player_id(player))
        return await tell(self._pool, SEARCH_TIMEOUT_S, _statement(DELETE, table), *whom)

    async def reword(self, table: str, rows: Sequence[tuple[str, ...]]) -> int:
        """Replace the texts in rows of one of REWORDED: (key, texts in their order); returns how many."""
        columns = map(list, zip(*rows, strict=True))
        return await tell(self._pool, SEARCH_TIMEOUT_S, SQL[f"reword_{table}"], *columns)

    # ------------------------------------------------------------------------------------------------------ queries

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, self._timeout_s, query, *arguments)

    async def _search(self, query: str, *arguments: Any) -> Sequence[Any]:
        return await ask(self._pool, SEARCH_TIMEOUT_S, query, *arguments)


def _statement(statements: Mapping[str, str], table: str) -> str:
    return f"{statements['arguments']}\n{statements[table]}"


def _order(row: Any) -> ErasureOrder:
    known = dict(row.items())
    return ErasureOrder(**{**known, "names": tuple(row["names"]), "erased": msgspec.json.decode(row["erased"])})
