"""Turns read back out of a real journal: what comes next for many listeners at once, and a life up to a turn."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from ganggpt.domain.ids import new_command_id
from ganggpt.persistence.journal.reader import AFTER_MAX, PostgresTurns
from ganggpt.persistence.ports.journal import Place

pytestmark = pytest.mark.integration

_TURNS = """
INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
SELECT 'npc:n' || a, s, (now() AT TIME ZONE 'UTC')::date, now(), 1, gen_random_uuid(), 'player:ava', 'Talk', 'x'::bytea
FROM generate_series(1, $1::int) a, generate_series(1, $2::int) s
"""


async def test_each_listener_gets_what_comes_after_their_place(pool: asyncpg.Pool) -> None:
    turns = PostgresTurns(pool)
    await pool.execute(_TURNS, 3, AFTER_MAX + 5)
    first, same, over, none = await turns.after(
        [Place("npc:n1", 0), Place("npc:n1", AFTER_MAX), Place("npc:n2", AFTER_MAX + 5), Place("npc:nobody", 0)]
    )
    assert [seq for seq, _ in first] == list(range(1, AFTER_MAX + 1))
    assert [seq for seq, _ in same] == list(range(AFTER_MAX + 1, AFTER_MAX + 6))
    assert (over, none) == ([], [])
    assert await turns.after([]) == []


async def test_a_life_is_read_up_to_a_turn_and_from_one(pool: asyncpg.Pool) -> None:
    turns = PostgresTurns(pool)
    await pool.execute(_TURNS, 1, 9)
    assert [seq for seq, _ in await turns.upto("npc:n1", 7, 3)] == [5, 6, 7]
    assert [seq for seq, _ in await turns.since("npc:n1", 7, 2)] == [7, 8]
    assert await turns.causes("npc:n1", [7, 99]) == {7: ("player:ava", "Talk")}
    assert await turns.snapshot("npc:n1") is None
    await pool.execute("INSERT INTO snapshots (actor, seq, schema, body) VALUES ('npc:n1', 4, 1, 'packed')")
    assert await turns.snapshot("npc:n1") == (4, b"packed")


async def test_a_journal_without_a_player_is_known_as_one(pool: asyncpg.Pool) -> None:
    turns = PostgresTurns(pool)
    await pool.execute(_TURNS, 1, 3)
    assert not await turns.is_rewritten("npc:n1", 0)
    await pool.execute(
        "INSERT INTO journal SELECT actor, 4, day, at, epoch, $1, by, 'ForgetPlayer', body FROM journal WHERE seq = 3",
        UUID(bytes=new_command_id()),
    )
    assert await turns.is_rewritten("npc:n1", 0)
    assert not await turns.is_rewritten("npc:n1", 4)
