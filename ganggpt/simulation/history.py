"""The tables that an earlier life of a world left behind, from which a run begins."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from ganggpt.actors.routing.shards import shared_shard
from ganggpt.persistence.ports.journal import DueReminder
from ganggpt.simulation.database import SimDatabase
from ganggpt.testing.stores import MemoryDatabase


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
