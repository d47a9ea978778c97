"""Worlds of a given age, made fast: real turns of real rules, laid over the days as a host would have written them.

Every NPC lives one day of TURNS_A_DAY turns through ``decide`` and ``evolve``; that is the last day of every world. An
older world has the same day before it as often as its retention keeps it (copied inside the database, with other dates,
numbers and command ids), a snapshot that covers all but the last turns, memories spread over its age, and what an age
leaves behind besides: players who joined, missions that ended, pushes nobody acked, incarnations that died.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from bench.memory import SEEN
from ganggpt.actors.envelope import reply_ok
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.routing.shards import shared_shard, shared_shards
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, derived_command_id
from ganggpt.domain.kinds import KINDS, VERSION, TurnRecord, encode_turn
from ganggpt.domain.mission.state import Mission
from ganggpt.domain.npc.commands import Observe, Spawn, Talk
from ganggpt.domain.player.state import Player
from ganggpt.domain.sheets import NpcTraits
from ganggpt.domain.turn import Command, Dice, Turn
from ganggpt.domain.world import World
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.partitions import briefly, ensure_partitions, journal_part, make_part, memory_part
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.ports.retention import RetentionPolicy, month_after
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.world_store import create_world
from ganggpt.worldfiles.files import load_world

SHARDS: Final = 256
TRAITS: Final[NpcTraits] = {"friendliness": 55, "temper": 50, "greed": 50, "courage": 50}
SUFFIX: Final = 5
"""Turns of each NPC after its snapshot."""
_DAY_S: Final = 86_400.0
_JOINED_A_DAY, _ENDED_A_DAY, _DIED_A_DAY = 10, 200, 5
_COPY: Final = """
INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
SELECT actor, seq - $1::bigint * $2::bigint, ((at - $1 * interval '1 day') AT TIME ZONE 'UTC')::date,
  at - $1 * interval '1 day', epoch, gen_random_uuid(), by, name, body
FROM journal WHERE seq > $3
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens: NPCs, and turns of each NPC a day (at most 64 of them memorable)."""

    npcs: int = 1500
    turns_a_day: int = 80


@dataclass(slots=True)
class LastDay:
    """The last day of one NPC: its rows with numbers from 1, and its states before the suffix and after it."""

    actor: ActorId
    rows: list[tuple[int, float, bytes, str, bytes]]
    covered: Any
    final: Any


class AgedWorld:
    """One world in a database of its own."""

    def __init__(self, name: str, days: int, size: Size, kept: RetentionPolicy) -> None:
        self.name = name
        self.days = days
        self.size = size
        self.kept = kept
        self.actors: list[str] = []
        self.states: dict[str, Any] = {}
        self.turns = 0

    @asynccontextmanager
    async def made(self, server: EmbeddedPostgres, folder: Path) -> AsyncIterator[asyncpg.Pool[Any]]:
        """The world, filled; a pool on it while it is in use."""
        administer = await asyncpg.connect(server.dsn_of("postgres"))
        await administer.execute(f"CREATE DATABASE {self.name}")
        await administer.close()
        dsn = server.dsn_of(self.name)
        await migrate(dsn)
        async with asyncpg.create_pool(dsn, min_size=1, max_size=8, command_timeout=600) as pool:
            await self._fill(pool, load_world(folder))
            yield pool

    async def _fill(self, pool: asyncpg.Pool[Any], world: World) -> None:
        now_s = time.time()
        await create_world(pool, world, {}, list(shared_shards(SHARDS)))
        await self._make_parts(pool)
        hosts = PostgresHosts(pool)
        epoch = (await hosts.register("past", "shared")).epoch
        before = (self.days - 1) * self.size.turns_a_day
        await self._write_lives(pool, world, epoch, before, now_s)
        kept_days = min(self.days - 1, self.kept.journal_days + 1)
        for days_ago in range(1, kept_days + 1):
            await pool.execute(_COPY, days_ago, self.size.turns_a_day, before)
        await self._leave_behind(pool, world, epoch, now_s)
        await hosts.retire(epoch)
        self.turns = await pool.fetchval("SELECT count(*) FROM journal")
        await pool.execute("VACUUM (ANALYZE)")

    async def _make_parts(self, pool: asyncpg.Pool[Any]) -> None:
        await ensure_partitions(pool)
        today = datetime.now(UTC).date()
        days = range(1, min(self.days, self.kept.journal_days + 1) + 1)
        months = range(1, min(self.days // 30, self.kept.memory_months) + 1)
        parts = [journal_part(today - timedelta(days=n)) for n in days]
        parts += [memory_part(month_after(today, -n)) for n in months]

        async def make(connection: Any) -> None:
            for part in parts:
                await make_part(connection, part)

        await briefly(pool, make)

    async def _write_lives(self, pool: asyncpg.Pool[Any], world: World, epoch: int, before: int, now_s: float) -> None:
        """The last day by COPY, the snapshots, and the tables through the flush."""
        turns, snapshots = [], []
        for life in lives(world, self.size, now_s):
            for no, at_s, command_id, name, body in life.rows:
                at = datetime.fromtimestamp(at_s, UTC)
                row = (
                    life.actor,
                    before + no,
                    at.date(),
                    at,
                    epoch,
                    UUID(bytes=command_id),
                    "server:bench",
                    name,
                    body,
                )
                turns.append(row)
            activation = Activation(life.actor, shared_shard(life.actor, SHARDS))
            activation.state = self._aged(life.covered, now_s)
            snapshots.append((life.actor, before + len(life.rows) - SUFFIX, VERSION, activation.snapshot()))
            self.actors.append(life.actor)
            self.states[life.actor] = self._aged(life.final, now_s)
        columns = ["actor", "seq", "day", "at", "epoch", "command_id", "by", "name", "body"]
        async with pool.acquire() as connection:
            await connection.copy_records_to_table("journal", records=turns, columns=columns, timeout=600)
            await connection.copy_records_to_table(
                "snapshots", records=snapshots, columns=["actor", "seq", "schema", "body"], timeout=600
            )
        flush = PostgresFlush(pool, 120)
        changes = [(actor, None, self.states[actor]) for actor in self.actors]
        for start in range(0, len(changes), 100):
            await flush.flush(epoch, changes[start : start + 100], now_s)

    def _aged(self, npc: Any, now_s: float) -> Any:
        """The NPC with its memories spread evenly over the age of the world."""
        held = npc.mind.memories
        step_s = self.days * _DAY_S / (len(held) + 1)
        memories = tuple(
            replace(memory, created_s=now_s - (len(held) - n) * step_s, expires_s=None) for n, memory in enumerate(held)
        )
        return replace(npc, mind=replace(npc.mind, memories=memories))

    async def _leave_behind(self, pool: asyncpg.Pool[Any], world: World, epoch: int, now_s: float) -> None:
        players = [
            (f"player:p{n}", None, Player(f"p{n}", None, now_s - n * 60.0))
            for n in range(100 + _JOINED_A_DAY * self.days)
        ]
        await PostgresFlush(pool, 120).flush(epoch, players, now_s)
        ended = Activation(ActorId("mission:m"), "s:0")
        ended.state = _ended_mission(world, now_s)
        kept = min(self.days, self.kept.mission_days + 1)
        await pool.execute(_MISSIONS, kept * _ENDED_A_DAY, _ENDED_A_DAY, ended.snapshot())
        await pool.execute(_REMINDERS, SHARDS)
        await pool.execute(_OUTBOX, SHARDS)
        await pool.execute(_SERVERS)
        await pool.execute(_PUSHES, min(self.days * 500, 20_000))
        await pool.execute(_DEAD, min(self.days, 2) * _DIED_A_DAY)


_MISSIONS: Final = """
WITH made AS (
  SELECT 'mission:ended-' || n AS actor, clock_timestamp() - (n / $2) * interval '1 day' AS at
  FROM generate_series(0, $1::int - 1) n
), shown AS (
  INSERT INTO missions (title, actor, status, created_at, updated_at)
  SELECT 'A run', actor, 'completed', at, at FROM made
)
INSERT INTO snapshots (actor, seq, at, schema, body) SELECT actor, 4, at, 1, $3 FROM made
"""
_REMINDERS: Final = """
INSERT INTO reminders (actor, name, shard, due, command, body)
SELECT 'mission:open-' || n, 'due', 's:' || n % $1::int, clock_timestamp() + interval '1 day', 'Expire', ''
FROM generate_series(1, 300) n
"""
_OUTBOX: Final = """
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT 'npc:under-way-' || n, 1, 0, 's:' || n % $1::int, 'npc:nobody', gen_random_uuid(), 'Observe', '',
  clock_timestamp() FROM generate_series(1, 100) n
"""
_SERVERS: Final = "INSERT INTO game_servers (name) SELECT 'server-' || n FROM generate_series(0, 3) n"
_PUSHES: Final = """
INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at)
SELECT 'server-' || n % 4, 1, 'npc:a', n, 0, 'said', decode(repeat('00', 80), 'hex'), clock_timestamp()
FROM generate_series(1, $1::int) n
"""
_DEAD: Final = """
INSERT INTO hosts (name, kind, state, seen_at)
SELECT 'past-' || n, 'shared', 'dead', clock_timestamp() - n * interval '5 hours' FROM generate_series(1, $1::int) n
"""


def lives(world: World, size: Size, now_s: float) -> Iterator[LastDay]:
    """The last day of each NPC: what it saw and what it was told, spread over the day."""
    kind, mind = KINDS["npc"], ScriptedMind()
    for n in range(size.npcs):
        actor = ActorId(f"npc:aged-{n:05d}")
        state: Any = None
        covered: Any = None
        rows = []
        for no in range(1, size.turns_a_day + 1):
            at_s = now_s - _DAY_S + 60 + (no + n / size.npcs) * (_DAY_S - 120) / (size.turns_a_day + 1)
            command = _command(no, world)
            by = "server:bench" if isinstance(command, Observe | Spawn) else f"player:p{n % 100}"
            decision = kind.decide(state, command, Turn(actor, no, at_s, by, Dice(no * 31 + n), world, mind))
            assert decision.events, f"{command} made no turn"
            for event in decision.events:
                state = kind.evolve(state, event)
            command_id = derived_command_id(at_s, actor, no)
            body = encode_turn(TurnRecord(VERSION, at_s, decision.events, reply_ok(command_id, no, decision.reply)))
            rows.append((no, at_s, command_id, command.tag, body))
            if no == size.turns_a_day - SUFFIX:
                covered = state
        yield LastDay(actor, rows, covered, state)


def _command(no: int, world: World) -> Command:
    if no == 1:
        return Spawn("An old hand", "docker", next(iter(world.districts)), None, TRAITS, "street")
    if no % 5 == 0:
        return Talk("what happened at the harbour?")
    seen = SEEN[no % len(SEEN)]
    return Observe(str(seen["what"]), 40, seen["about"])


def _ended_mission(world: World, now_s: float) -> Mission:
    template = next(iter(world.missions.values()))
    done = tuple(objective.count for objective in template.objectives)
    return Mission(template, "npc:a", "player:p1", now_s, now_s + 600, done, "completed", now_s, now_s)
