"""What happened in a world before a run begins: the same for every seed, made once by the runtime without faults.

It leaves factions with political turns to come and missions on offer, so that every run has reminders that come due.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.player import rules as player
from ganggpt.persistence.ports.journal import DueReminder
from ganggpt.simulation.clients import Client
from ganggpt.simulation.database import SimDatabase
from ganggpt.testing.stores import MemoryDatabase

PAST_S_MAX = 600.0


@dataclass(frozen=True)
class History:
    """The tables at the end of an earlier life, and when that was."""

    turns: dict[str, list[Any]]
    snapshots: dict[str, tuple[int, bytes]]
    reminders: dict[tuple[str, str], tuple[str, DueReminder]]
    flushed: dict[str, dict[Any, Any]]
    last_s: dict[str, float]
    ended_s: float

    def begin_s(self, dice: Random) -> float:
        """When a run may begin: shortly before, or after, some reminder is due."""
        due_s = dice.choice(sorted(reminder.due_s for _, reminder in self.reminders.values()))
        return max(self.ended_s + 1.0, due_s - dice.uniform(-1.0, 8.0))

    def restore(self, database: SimDatabase) -> None:
        """Put it into an empty database."""
        tables = database.tables
        tables.turns = {actor: list(turns) for actor, turns in self.turns.items()}
        tables.snapshots = dict(self.snapshots)
        shards = len(tables.shards)
        for key, (_, reminder) in self.reminders.items():
            tables.reminders[key] = (shared_shard(reminder.actor, shards), reminder)
        tables.last_s = dict(self.last_s)
        database.flush.load(self.flushed)


def take(database: SimDatabase) -> History:
    """What a world at rest leaves behind."""
    tables: MemoryDatabase = database.tables
    return History(
        tables.turns,
        tables.snapshots,
        tables.reminders,
        database.flush.dump(),
        tables.last_s,
        tables.clock(),
    )


async def earlier(client: Client) -> None:
    """What happened."""
    for name in ("ada", "ben"):
        await client.do(f"player:{name}", "server:ls-0", player.Join(name, "ls-0"))
        await client.do("npc:mara", f"player:{name}", npc.AskForWork())
        await asyncio.sleep(20)
    await client.do("companion:rex", "player:ada", companion.Recruit("player:ada", "Rex", "scout", {"courage": 50}))
    for name in ("harbour", "vipers", "council"):
        await client.do(f"faction:{name}", "server:ls-0", faction.ShiftRelation("harbour", 3, "old times"))
        await asyncio.sleep(20)


@cache
def history() -> History:
    """The one earlier life, the same in every process."""
    from ganggpt.simulation.run import Trial  # a trial begins with a history, and the first history is a trial
    from ganggpt.simulation.scenario import CALM

    trial = Trial(0, CALM, None)
    trial.start(earlier(trial.clients[0]))
    if not trial.scheduler.run(PAST_S_MAX) or not trial.rest() or trial.mistakes or trial.checks.violations:
        raise AssertionError(f"no history: {trial.checks.unrest()} {trial.mistakes} {trial.checks.violations}")
    found = take(trial.database)
    trial.end()
    return found
