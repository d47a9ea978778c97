"""How fast does a mind remember? Recall over 5,000 memories in the actor, and in an archive of a million rows.

    python -m bench.memory [--quick] [--json]

In the actor: ``recall`` by the index of an NPC's own mind, the whole ``Talk`` turn round it, and beside them a linear
BM25 (rank-bm25) over the same memories, and the making of a prompt for a model from texts it never saw and from known
ones. In Postgres (its own, filled by COPY): ``PostgresMemoryArchive.search`` among 200 NPCs of 5,000 memories each, and
beside it what plain full text search does: the rows of the NPC by their index, matched and ranked (``ts_rank``).
Questions are those of the corpus. The numbers mean something only on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg
from msgspec.structs import replace
from rank_bm25 import BM25Okapi
from rich.console import Console
from rich.table import Table

from bench.corpus import CorpusHistory, history
from ganggpt.ai.minds.model import MindSpec, talk_prompt
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.npc.commands import Spawn, Talk
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.sheets import NpcTraits
from ganggpt.domain.turn import Dice, Turn
from ganggpt.domain.world import World
from ganggpt.persistence.embedded.stores import EmbeddedPostgres
from ganggpt.persistence.journal.partitions import ensure_days, ensure_partitions
from ganggpt.persistence.migrate import migrate
from ganggpt.persistence.ports.projections import ArchiveQuestion
from ganggpt.persistence.projections.memory_archive import PostgresMemoryArchive, archive_row
from ganggpt.persistence.projections.rows import Rows
from ganggpt.worldfiles.files import load_world

ROOM: Final = 5000
TRAITS: Final[NpcTraits] = {"friendliness": 55, "temper": 50, "greed": 50, "courage": 50}
NPCS: Final = 200
ROUNDS: Final = 3
GOALS: Final = {
    "recall in the actor": (3.0, 10.0),
    "archive in Postgres": (50.0, 50.0),
    "a prompt of known texts": (3.0, 10.0),
}
"""p50 and p99 in milliseconds, as the issue asks."""
_STAGE: Final = """
CREATE UNLOGGED TABLE stage (id uuid, player_id uuid, memory_type text, content text, weight int, created_s float8,
  expires_s float8, words text)
"""
_SPREAD: Final = """
INSERT INTO npc_memories (id, npc_id, memory_type, content, emotional_weight, created_at, expires_at, terms)
SELECT gen_random_uuid(), 'n' || $1, memory_type, content::jsonb, weight, to_timestamp(created_s),
  to_timestamp(expires_s), array_to_tsvector(string_to_array(replace(words, '@n0 ', '@n' || $1 || ' '), ' '))
FROM stage
"""
_PEER: Final = """
SELECT content, ts_rank(to_tsvector('english', content ->> 'text'), query) AS rank
FROM npc_memories, to_tsquery('english', $2) query
WHERE npc_id = $1 AND to_tsvector('english', content ->> 'text') @@ query
  AND (expires_at IS NULL OR expires_at > to_timestamp($3::float8)) ORDER BY rank DESC LIMIT 8
"""
_WORD: Final = re.compile(r"\w+")


@dataclass
class Timings:
    """Milliseconds of one thing, many times."""

    name: str
    times_ms: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The time that this share of all stayed within."""
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an archive of 50,000 rows; shows that everything runs")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    console = Console(stderr=options.json)
    questions = 100 if options.quick else 400
    past = history(ROOM, questions // 5, 7, time.time())
    timed = [*_in_the_actor(past), *_in_the_archive(past, 10 if options.quick else NPCS, console)]
    _show(timed, console)
    if options.json:
        print(json.dumps({one.name: {"p50_ms": one.at(0.5), "p99_ms": one.at(0.99)} for one in timed}))
    missed = [
        n for n, (p50, p99) in GOALS.items() for t in timed if t.name == n and (t.at(0.5) > p50 or t.at(0.99) > p99)
    ]
    return 1 if missed else 0


def _in_the_actor(past: CorpusHistory) -> Iterator[Timings]:
    world = load_world(Path("worlds/los-santos"))
    state = _mind_of(past, world)
    recalled, turn, peer = Timings("recall in the actor"), Timings("a whole Talk turn"), Timings("  rank-bm25, linear")
    recall(state.mind.memories, past.asked[0].text, past.now_s)
    gc.collect()
    for asked in past.asked * ROUNDS:
        began = time.perf_counter()
        recall(state.mind.memories, asked.text, past.now_s, 6, "player:ava", listener="player:ava")
        recalled.times_ms.append((time.perf_counter() - began) * 1e3)
    meant = Timings("recall by words and meaning")
    vectors = [Random(n).choices(range(-99, 100), k=256) for n in range(ROOM)]
    embedded = tuple(
        replace(m, embedding=embedding_of("m", vector)) for m, vector in zip(past.memories, vectors, strict=True)
    )
    recall(embedded, "", past.now_s)
    for asked in past.asked:
        embedding = embedding_of("m", [side + n % 50 for n, side in enumerate(vectors[asked.answer - 1])])
        began = time.perf_counter()
        recall(embedded, asked.text, past.now_s, 6, "player:ava", listener="player:ava", embedding=embedding)
        meant.times_ms.append((time.perf_counter() - began) * 1e3)
    for n, asked in enumerate(past.asked):
        began = time.perf_counter()
        decision = KIND.decide(state, Talk(f"do you remember {asked.text}"[:500]), _turn(world, n, past.now_s + n))
        for event in decision.events:
            state = KIND.evolve(state, event)
        turn.times_ms.append((time.perf_counter() - began) * 1e3)
    linear = BM25Okapi([_WORD.findall(memory.text.lower()) for memory in past.memories])
    for asked in past.asked[:: max(1, len(past.asked) // 100)]:
        began = time.perf_counter()
        scores = linear.get_scores(_WORD.findall(asked.text.lower()))
        sorted(range(len(scores)), key=lambda place: -scores[place])[:6]
        peer.times_ms.append((time.perf_counter() - began) * 1e3)
    yield from (recalled, meant, turn, peer, *_prompts(past, world, state))


def _prompts(past: CorpusHistory, world: World, state: Any) -> tuple[Timings, Timings]:
    """The prompts that a model would get for the questions."""
    spec = MindSpec(read_prompts(), "mature", b"bench")
    new, known = Timings("a prompt of new texts"), Timings("a prompt of known texts")
    for n, asked in enumerate(past.asked):
        turn = _turn(world, n, past.now_s + n, has_model=True)
        for request in KIND.decide(state, Talk(f"do you remember {asked.text}"[:500]), turn).model_requests:
            for made in (new, known):
                began = time.perf_counter()
                talk_prompt(spec, world, turn.actor, request.brief).messages()
                made.times_ms.append((time.perf_counter() - began) * 1e3)
    return new, known


def _mind_of(past: CorpusHistory, world: World) -> Any:
    """An NPC with room for the whole history, and all of it in mind."""
    spawn = Spawn("An old hand", "docker", next(iter(world.districts)), None, TRAITS, "street", room=ROOM)
    decision = KIND.decide(None, spawn, _turn(world, 0, past.now_s, "server:bench"))
    spawned = KIND.evolve(None, decision.events[0])
    return replace(spawned, mind=replace(spawned.mind, memories=past.memories, next_no=ROOM + 1))


def _turn(world: World, seq: int, now_s: float, by: str = "player:ava", *, has_model: bool = False) -> Turn:
    return Turn(ActorId("npc:old-hand"), seq + 1, now_s, by, Dice(seq), world, ScriptedMind(), has_model)


def _in_the_archive(past: CorpusHistory, npcs: int, console: Console) -> list[Timings]:
    with tempfile.TemporaryDirectory(prefix="ganggpt-bench-") as home:
        Path(home).chmod(0o755)
        server = EmbeddedPostgres(Path(home) / "data")
        server.start()
        try:
            return asyncio.run(_in_postgres(server.dsn, past, npcs, console))
        finally:
            server.stop()


async def _in_postgres(dsn: str, past: CorpusHistory, npcs: int, console: Console) -> list[Timings]:
    await migrate(dsn)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, command_timeout=3600) as pool:
        await ensure_partitions(pool)
        async with pool.acquire() as connection, connection.transaction():
            await ensure_days(connection, [past.now_s - months * 30 * 86_400 for months in range(4)])
        rows = await _fill(pool, past, npcs, console)
        return await _search(pool, past, npcs, rows)


async def _fill(pool: asyncpg.Pool[Any], past: CorpusHistory, npcs: int, console: Console) -> int:
    """The same history for every NPC: COPY once, then copied inside the database under other names."""
    began = time.perf_counter()
    await pool.execute(_STAGE)
    staged = [archive_row(Rows(), "npc:n0", _kept(memory, past.now_s)) for memory in past.memories]
    columns = ("id", "player_id", "memory_type", "content", "weight", "created_s", "expires_s", "words")
    records = [(row[0], None, *row[3:8], row[8]) for row in staged]
    async with pool.acquire() as connection:
        await connection.copy_records_to_table("stage", records=records, columns=columns)
    for n in range(npcs):
        await pool.execute(_SPREAD, str(n))
    await pool.execute("DROP TABLE stage")
    await pool.execute("VACUUM ANALYZE npc_memories")
    count: int = await pool.fetchval("SELECT count(*) FROM npc_memories WHERE terms IS NOT NULL")
    size = await pool.fetchval(
        "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'npc_memories'::regclass"
    )
    console.print(f"{count:,} rows, {int(size) >> 20} MiB with indexes, filled in {time.perf_counter() - began:.0f} s")
    return count


def _kept(memory: Memory, now_s: float) -> Memory:
    """Grave enough that a year of it is still there, and about nobody: the players are not what is measured."""
    return replace(memory, about=None, weight=max(60, memory.weight), created_s=now_s - memory.no * 1500.0)


async def _search(pool: asyncpg.Pool[Any], past: CorpusHistory, npcs: int, rows: int) -> list[Timings]:
    archive = PostgresMemoryArchive(pool, 600)
    ours, peer = Timings("archive in Postgres"), Timings("  npc_id and ts_rank")
    for place, asked in enumerate([*past.asked[:20], *past.asked]):
        npc = f"n{place * 37 % npcs}"
        question = ArchiveQuestion(
            npc=f"npc:{npc}", query=asked.text, listener="player:ava", now_s=past.now_s, held=ROOM
        )
        began = time.perf_counter()
        found = await archive.search(question)
        assert found, asked
        took_ms = (time.perf_counter() - began) * 1e3
        if place >= 20:
            ours.times_ms.append(took_ms)
    for place, asked in enumerate(past.asked[:: max(1, len(past.asked) // 50)]):
        words = " | ".join(sorted(set(_WORD.findall(asked.text.lower()))))
        began = time.perf_counter()
        await pool.fetch(_PEER, f"n{place * 37 % npcs}", words, past.now_s)
        peer.times_ms.append((time.perf_counter() - began) * 1e3)
    ours.name, peer.name = "archive in Postgres", f"{peer.name} ({rows:,} rows)"
    return [ours, peer]


def _show(timed: Sequence[Timings], console: Console) -> None:
    table = Table(title=f"Remembering, {datetime.now(UTC):%Y-%m-%dT%H%MZ}", title_justify="left")
    for column in ("", "times", "p50 ms", "p99 ms", "goal"):
        table.add_column(column, justify="left" if not column else "right")
    for one in timed:
        goal = GOALS.get(one.name)
        wanted = "" if goal is None else f"{goal[0]:g} and {goal[1]:g}"
        table.add_row(one.name, str(len(one.times_ms)), f"{one.at(0.5):.2f}", f"{one.at(0.99):.2f}", wanted)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
