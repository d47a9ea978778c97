"""The NPC of the Python peers: the least that does the same job (a mood that moves, memories that are bounded)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MEMORIES_MAX = 64


@dataclass(slots=True)
class PeerNpc:
    """Mood 0..100, the last memories, and the number of the last event."""

    mood: float = 50.0
    seq: int = 0
    memories: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=MEMORIES_MAX))

    def observe(self, what: str, weight: int) -> int:
        """Something happened before the NPC's eyes; returns the number of the event."""
        self.mood = max(0.0, min(100.0, self.mood - weight / 100))
        self.memories.append((what, weight))
        self.seq += 1
        return self.seq


CREATE_TABLE = """
DROP TABLE IF EXISTS {table};
CREATE TABLE {table} (
  npc text NOT NULL, seq bigint NOT NULL, id uuid NOT NULL, what text NOT NULL, weight int NOT NULL,
  mood float8 NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (npc, seq)
)
"""
INSERT = "INSERT INTO {table} (npc, seq, id, what, weight, mood) VALUES ($1, $2, $3, $4, $5, $6)"
INSERT_MANY = """
INSERT INTO {table} (npc, seq, id, what, weight, mood)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::float8[])
"""
