"""The verdict sees what it is there for: each kind of broken promise, put into a journal by hand, is counted."""

from __future__ import annotations

import time

import asyncpg
import pytest
from asyncpg.pgproto.pgproto import UUID

from ganggpt.domain.ids import CommandId, new_command_id
from ganggpt.persistence.audit import Verdict, turns_of_dead, verdict

pytestmark = pytest.mark.integration

_TURN = """
INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
VALUES ($1, $2, current_date - $5::int, now(), $4, $3, 'server:test', 'Observe', '')
"""


async def turn(
    pool: asyncpg.Pool, actor: str, seq: int, command_id: bytes, epoch: int = 1, days_ago: int = 0
) -> tuple[CommandId, str, int]:
    await pool.execute(_TURN, actor, seq, UUID(command_id), epoch, days_ago)
    return CommandId(command_id), actor, seq


async def test_a_journal_that_kept_everything_is_clean(pool: asyncpg.Pool) -> None:
    acked = [await turn(pool, actor, seq, new_command_id()) for seq in (1, 2, 3) for actor in ("npc:a", "npc:b")]
    assert await verdict(pool, acked) == Verdict(6, 6, 0, 0, 0, 0)


async def test_an_ack_without_its_turn_is_lost(pool: asyncpg.Pool) -> None:
    there = await turn(pool, "npc:a", 1, new_command_id())
    never = (new_command_id(), "npc:a", 2)
    elsewhere = (there[0], "npc:a", 7)
    judged = await verdict(pool, [there, never, elsewhere])
    assert (judged.acked, judged.lost) == (3, 2)


async def test_an_id_with_two_turns_is_doubled_whether_it_was_acked_or_not(pool: asyncpg.Pool) -> None:
    twice = new_command_id()
    await turn(pool, "npc:a", 1, twice)
    await turn(pool, "npc:a", 2, twice)
    assert (await verdict(pool, [])).doubled == 1


async def test_two_turns_of_one_number_had_two_writers(pool: asyncpg.Pool) -> None:
    await turn(pool, "npc:a", 1, new_command_id(), days_ago=1)  # over midnight no unique key helps
    await turn(pool, "npc:a", 1, new_command_id(), epoch=2)
    assert (await verdict(pool, [])).double_writers == 1


async def test_a_turn_written_before_its_predecessor_had_another_writer(pool: asyncpg.Pool) -> None:
    await turn(pool, "npc:a", 2, new_command_id(), epoch=1)
    await turn(pool, "npc:a", 1, new_command_id(), epoch=2)
    await turn(pool, "npc:b", 1, new_command_id(), epoch=2)  # hosts give shards to older hosts: that is no sin
    await turn(pool, "npc:b", 2, new_command_id(), epoch=1)
    assert (await verdict(pool, [])).double_writers == 1


async def test_a_missing_number_is_a_hole(pool: asyncpg.Pool) -> None:
    await turn(pool, "npc:a", 1, new_command_id())
    await turn(pool, "npc:a", 3, new_command_id())
    await turn(pool, "npc:b", 2, new_command_id())
    assert (await verdict(pool, [])).holes == 2


async def test_a_part_of_a_journal_is_judged_by_itself(pool: asyncpg.Pool) -> None:
    await turn(pool, "npc:a", 1, new_command_id())
    await pool.execute("UPDATE journal SET at = now() - interval '1 hour'")
    await turn(pool, "npc:a", 2, new_command_id())
    judged = await verdict(pool, [], time.time() - 60)
    assert (judged.turns, judged.holes, judged.double_writers) == (1, 0, 0)


async def test_commits_of_the_dead_are_counted_by_epoch(pool: asyncpg.Pool) -> None:
    born = "INSERT INTO hosts (name, kind, state) VALUES ($1, 'shared', $2) RETURNING epoch"
    silent, busy, live = [
        await pool.fetchval(born, name, state) for name, state in (("a", "dead"), ("b", "dead"), ("c", "live"))
    ]
    for epoch in (busy, busy, live):
        await turn(pool, f"npc:{new_command_id().hex()}", 1, new_command_id(), epoch=epoch)
    assert await turns_of_dead(pool) == {silent: 0, busy: 2}
