"""Days gone by: real turns of real rules, written through the real journal under dates of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import (
    UTC,
    date,
    datetime,
    time,
    timedelta,
)
from typing import Any

import asyncpg

from ganggpt.actors.envelope import reply_ok
from ganggpt.actors.host.activation import wake
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.kinds import (
    KINDS,
    VERSION,
    TurnRecord,
    encode_state,
    encode_turn,
)
from ganggpt.domain.npc.commands import Observe, Spawn
from ganggpt.domain.turn import Command, Dice, Turn
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.journal.partitions import briefly, journal_part, make_part
from ganggpt.persistence.ports.journal import Batch
from tests.support.builders import PlainMind, a_world

_SPAWN = Spawn(
    "Mara Voss", "fixer", "docks", "harbour", {"friendliness": 60, "temper": 50, "greed": 50, "courage": 50}, "street"
)
_SEEN = ("a red van burned", "two men swapped suitcases", "the baker shouted at a nurse", "somebody sank a boat")


@dataclass
class Npc:
    """An NPC whose life the test writes: its state as the rules made it."""

    actor: ActorId
    seq: int = 0
    state: Any = None
    ids: list[bytes] = field(default_factory=list)

    @property
    def encoded(self) -> bytes:
        return encode_state(self.state)


class Past:
    """Writes turns of days gone by into a world's journal, as the host that held it then."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.journal = PostgresJournal(pool, "host:0")
        self.today: date = datetime.now(UTC).date()
        self.epoch = 0

    async def begin(self) -> Past:
        self.epoch = (await PostgresHosts(self.pool).register("host:0", "shared")).epoch
        return self

    def at(self, days_ago: int, hour: float = 12.0) -> datetime:
        midnight = datetime.combine(self.today - timedelta(days=days_ago), time(), UTC)
        return midnight + timedelta(hours=hour)

    async def make_days(self, *days_ago: int) -> None:
        """Parts that were made when those days were ahead."""

        async def make(connection: Any) -> None:
            for days in days_ago:
                await make_part(connection, journal_part(self.today - timedelta(days=days)))

        await briefly(self.pool, make)

    async def live(self, npc: Npc, days_ago: int, turns: int = 3) -> None:
        """Some turns of an NPC on that day; the first of all brings it to life."""
        # Noon of today may be hours ago or hours ahead, and it matters whether a turn is young.
        began = self.at(days_ago) if days_ago else max(self.at(0, 0), datetime.now(UTC) - timedelta(seconds=60))
        batch = Batch()
        for n in range(turns):
            self.add(batch, npc, began.timestamp() + n)
        await self.journal.append(self.epoch, batch)

    def add(self, batch: Batch, npc: Npc, now_s: float, command: Command | None = None, by: str = "server:s") -> None:
        npc.seq += 1
        what: Command = command or Observe(f"{_SEEN[npc.seq % 4]} at pier {npc.seq}", 60)
        if npc.seq == 1:
            what = replace(_SPAWN, name=f"Mara {npc.actor}")
        kind = KINDS["npc"]
        turn = Turn(npc.actor, npc.seq, now_s, by, Dice(npc.seq), a_world(), PlainMind())
        decision = kind.decide(npc.state, what, turn)
        assert decision.events
        for event in decision.events:
            npc.state = kind.evolve(npc.state, event)
        command_id = new_command_id(now_s)
        npc.ids.append(command_id)
        reply = reply_ok(command_id, npc.seq, decision.reply)
        body = encode_turn(TurnRecord(VERSION, now_s, decision.events, reply))
        batch.add_turn(npc.actor, npc.seq, now_s, command_id, by, what.tag, body)

    async def woken(self, npc: Npc) -> tuple[int, bytes]:
        """Where the NPC is when it wakes now, and its state."""
        stored = await self.journal.load([npc.actor])
        woken = wake(npc.actor, "s:0", stored.get(npc.actor), datetime.now(UTC).timestamp())
        return woken.seq, encode_state(woken.state)

    async def cover(self, npc: Npc) -> None:
        """A snapshot as the NPC's host would make it now."""
        stored = await self.journal.load([npc.actor])
        woken = wake(npc.actor, "s:0", stored[npc.actor], datetime.now(UTC).timestamp())
        await self.journal.save_snapshots(self.epoch, VERSION, [(npc.actor, woken.seq, woken.snapshot())])

    async def days(self) -> Sequence[str]:
        """Names of the journal's parts up to today."""
        rows = await self.pool.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'journal'::regclass AND c.relname <= $1 ORDER BY 1",
            self.name(0),
        )
        return [r["relname"] for r in rows]

    def name(self, days_ago: int) -> str:
        return journal_part(self.today - timedelta(days=days_ago)).name


def npc(name: str) -> Npc:
    return Npc(ActorId(f"npc:{name}"))
