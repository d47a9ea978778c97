"""What minds let go of is found again in Postgres: by words, by meaning, for whom it is, and until it is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from bench.corpus import history
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.memory_record import Memory, Trace, forgotten_s
from ganggpt.errors import Fenced
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.ports.projections import FOUND_MAX, ArchiveQuestion
from ganggpt.persistence.projections import memory_archive as archive_module
from ganggpt.persistence.projections.memory_archive import PostgresMemoryArchive
from ganggpt.persistence.projections.rows import row_id
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.recall import measure
from tests.support.states import NOW_S, memory, npc

pytestmark = pytest.mark.integration

MARA = "npc:mara"


@pytest.fixture
def archive(pool: asyncpg.Pool) -> PostgresMemoryArchive:
    return PostgresMemoryArchive(pool)


@pytest.fixture
async def epoch(pool: asyncpg.Pool) -> int:
    return (await PostgresHosts(pool).register("host-1", "shared")).epoch


def a_memory(no: int, text: str, **fields: Any) -> Memory:
    return replace(Memory(no, "seen", text, 60, None, "witnessed", NOW_S), **fields)


async def found(archive: PostgresMemoryArchive, query: str, **fields: Any) -> list[str]:
    known: dict[str, Any] = {"npc": MARA, "query": query, "listener": "player:anna", "now_s": NOW_S + 60, "held": 100}
    return [memory.text for memory, _ in await archive.search(ArchiveQuestion(**{**known, **fields}))]


async def test_what_goes_into_the_archive_comes_back_as_it_was(archive: PostgresMemoryArchive, epoch: int) -> None:
    whole = Memory(
        7,
        "rumour",
        "Anna robbed the chandlery's safe of 40 crates",
        70,
        "player:anna",
        "rumour",
        NOW_S,
        NOW_S + 9e6,
        3,
        NOW_S + 5,
        "*",
        NOW_S + 99,
        Trace("npc:otis#4", ("npc:otis", "npc:kip"), NOW_S - 5),
        embedding_of("m1", [0.5, -0.25, 1.0]),
    )
    await archive.keep(epoch, MARA, [whole, a_memory(8, "a tram stood still")], 2)
    question = ArchiveQuestion(npc=MARA, query="who robbed the safe?", listener="player:bob", now_s=NOW_S + 60, held=2)
    ((back, fit),) = await archive.search(question)
    assert replace(back, created_s=NOW_S) == whole
    assert 0 < fit <= 1


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("stealing watches", "Bob stole a watch at the pier"),
        ("did Maara come by", "Mara came by with two friends"),
        ("the Balas corner", "The Ballas fought over a street"),
        ("Balthasar?", "Balthazar waited in the car"),
        ("was it a pistol", "somebody waved a gun about"),
        ("東京駅で", "彼は東京駅にいた"),
        ("it's Anna's 'quote\\", "a quote of O'Brien"),
    ],
)
async def test_it_is_found_by_what_the_mind_itself_would_find(
    archive: PostgresMemoryArchive, epoch: int, asked: str, text: str
) -> None:
    others = [a_memory(n, f"nothing of the kind, {n}") for n in range(2, 40)]
    await archive.keep(epoch, MARA, [a_memory(1, text), *others], 40)
    assert (await found(archive, asked))[:1] == [text]


async def test_a_question_brings_back_few(archive: PostgresMemoryArchive, epoch: int) -> None:
    await archive.keep(epoch, MARA, [a_memory(n, f"fish number {n} was sold") for n in range(1, 60)], 59)
    assert len(await found(archive, "who sold the fish")) == FOUND_MAX


async def test_only_its_own_mind_finds_it_and_only_for_whom_it_is(archive: PostgresMemoryArchive, epoch: int) -> None:
    secret = a_memory(1, "the ruby is in the well", source="told", about="player:anna", kind="talk")
    await archive.keep(epoch, MARA, [secret, a_memory(2, "rubies are red")], 2)
    await archive.keep(epoch, "npc:otis", [a_memory(1, "a ruby is a stone")], 1)
    assert await found(archive, "ruby") == ["the ruby is in the well", "rubies are red"]
    assert await found(archive, "ruby", listener="player:bob") == ["rubies are red"]
    assert await found(archive, "ruby", npc="npc:otis") == ["a ruby is a stone"]
    assert await found(archive, "ruby", npc="npc:nobody") == []
    assert await found(archive, "the of and") == []


async def test_what_has_expired_or_faded_is_not_found_although_its_row_is_there(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int
) -> None:
    dated = a_memory(1, "the sale of the boat", expires_s=NOW_S + 100)
    fading = a_memory(2, "a boat went by", weight=10)
    name = a_memory(3, "I was born on a boat", kind="identity", weight=10)
    await archive.keep(epoch, MARA, [dated, fading, name], 3)
    faded_s = forgotten_s(fading)
    assert faded_s is not None
    assert len(await found(archive, "boat", now_s=NOW_S + 99)) == 3
    assert "the sale of the boat" not in await found(archive, "boat", now_s=NOW_S + 100)
    assert sorted(await found(archive, "boat", now_s=faded_s - 1)) == ["I was born on a boat", "a boat went by"]
    assert await found(archive, "boat", now_s=faded_s + 1) == ["I was born on a boat"]
    assert await found(archive, "boat", now_s=NOW_S + 1e10) == ["I was born on a boat"]
    assert await pool.fetchval("SELECT count(*) FROM npc_memories") == 3


async def test_keeping_twice_is_keeping_once_and_a_fenced_host_keeps_nothing(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int
) -> None:
    some = [a_memory(n, f"thing {n}", about="player:anna") for n in range(1, 5)]
    await archive.keep(epoch, MARA, some, 4)
    await archive.keep(epoch, MARA, some, 4)
    assert await pool.fetchval("SELECT count(*) FROM npc_memories WHERE terms IS NOT NULL") == 4
    await PostgresHosts(pool).register("host-1", "shared")
    with pytest.raises(Fenced):
        await archive.keep(epoch, MARA, [a_memory(9, "too late")], 5)
    assert await pool.fetchval("SELECT count(*) FROM npc_memories") == 4


async def test_a_late_flush_does_not_take_out_of_the_archive_what_the_mind_let_go(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int
) -> None:
    flush = PostgresFlush(pool)
    held = npc(memory(1, about="player:anna"), memory(2))
    await flush.flush(epoch, [(MARA, None, held)], NOW_S)
    let_go = held.mind.memories[0]
    await archive.keep(epoch, MARA, [let_go], 1)
    after = replace(held, mind=replace(held.mind, memories=held.mind.memories[1:]))
    await flush.flush(epoch, [(MARA, None, held)], NOW_S)  # one that was on its way shows it once more
    await flush.flush(epoch, [(MARA, held, after)], NOW_S)
    await flush.flush(epoch, [(MARA, None, after)], NOW_S)
    rows = await pool.fetch("SELECT id, terms IS NOT NULL AS tail FROM npc_memories")
    assert {row["id"]: row["tail"] for row in rows} == {row_id(MARA, 1): True, row_id(MARA, 2): False}


async def test_what_came_back_and_is_let_go_again_is_in_the_archive_once(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int
) -> None:
    await archive.keep(epoch, MARA, [a_memory(3, "the emerald necklace")], 1)
    await archive.keep(epoch, MARA, [a_memory(90, "the emerald necklace", was=3, rehearsed=1)], 2)
    assert await found(archive, "emerald") == ["the emerald necklace"]
    assert [r["id"] for r in await pool.fetch("SELECT id FROM npc_memories")] == [row_id(MARA, 90)]


async def test_the_archive_of_one_npc_is_bounded_and_those_go_that_would_be_lost_next(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "ARCHIVE_MAX", 20)
    for n in range(1, 61):
        await archive.keep(epoch, MARA, [a_memory(n, f"thing{n} fish", weight=n)], n)
    await archive.keep(epoch, "npc:otis", [a_memory(1, "fish", weight=1)], 1)
    rows = await pool.fetch("SELECT emotional_weight AS w FROM npc_memories WHERE npc_id = 'mara' ORDER BY 1")
    assert [row["w"] for row in rows] == list(range(41, 61))
    assert await found(archive, "fish", npc="npc:otis") == ["fish"]


async def test_it_is_found_by_meaning_where_the_database_can_compare_vectors(
    pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int
) -> None:
    can = await pool.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')")
    kept = [
        a_memory(1, "the vessel left at dawn", embedding=embedding_of("m1", [0.9, 0.1, 0.0])),
        a_memory(2, "bread got dearer", embedding=embedding_of("m1", [0.0, 0.1, 0.9])),
        a_memory(3, "nobody came", embedding=embedding_of("m2", [0.9, 0.1, 0.0])),
        a_memory(4, "a short vector", embedding=embedding_of("m1", [0.9, 0.1])),
        a_memory(5, "hidden", embedding=embedding_of("m1", [0.9, 0.1, 0.0]), source="told", about="player:bob"),
    ]
    await archive.keep(epoch, MARA, kept, 5)
    asked = embedding_of("m1", [0.8, 0.2, 0.0])
    by_embedding = await found(archive, "something else entirely", embedding=asked)
    assert by_embedding == (["the vessel left at dawn", "bread got dearer"] if can else [])
    await pool.execute("DROP EXTENSION IF EXISTS vector CASCADE")
    without = PostgresMemoryArchive(pool)
    assert await found(without, "something else entirely", embedding=asked) == []
    assert await found(without, "the vessel at dawn", embedding=asked) == ["the vessel left at dawn"]


async def test_a_long_history_is_found_in_the_archive_about_as_well_as_in_the_mind(
    archive: PostgresMemoryArchive, epoch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    past = history(2000, 25, 7, NOW_S)
    for start in range(0, 2000, 400):
        # About nobody: so many players are not needed for this.
        some = [replace(m, about=None, weight=max(60, m.weight), created_s=NOW_S - m.no) for m in past.memories]
        await archive.keep(epoch, MARA, some[start : start + 400], 2000)
    answers: dict[str, Sequence[int]] = {}
    for asked in past.asked:
        question = ArchiveQuestion(npc=MARA, query=asked.text, listener="player:x", now_s=NOW_S, held=2000)
        answers[asked.text] = [memory.no for memory, _ in await archive.search(question)]
    measured = measure(past.asked, lambda asked, k: answers[asked.text][:k])
    with capsys.disabled():
        print(f"\nthe archive, 2,000 memories: {measured}")  # noqa: T201 - what this test is for
    assert measured.by_style["plain"][1] >= 0.95
    assert measured.by_style["misspelt"][3] >= 0.7
    assert measured.all[5] >= 0.8


async def test_a_search_reads_by_its_indexes(pool: asyncpg.Pool, archive: PostgresMemoryArchive, epoch: int) -> None:
    """Among rows of many NPCs: the words by the one index that also says whose they are, the bound by the other."""
    await pool.execute(
        """
        INSERT INTO npc_memories (npc_id, memory_type, content, created_at, expires_at, terms, embedding,
          embedding_model)
        SELECT 'n' || n % 500, 'seen', '{}', now() - n * interval '1 s', now() + n * interval '1 h',
          array_to_tsvector(ARRAY['@n' || n % 500, 'money', 'word' || n % 700]), '{1,2,3}', 'm1'
        FROM generate_series(1, 20000) n;
        """,
        timeout=60,
    )
    await pool.execute("ANALYZE npc_memories", timeout=60)
    search = (
        *("'@n7' & ('money' | 'word7')", NOW_S, "player:x", [0, 1], ["'money'", "'word7'"], [1.0, 1.0]),
        *(40.0, 1.0, 2, None, 32),
    )
    plans = {
        "npc_memories_terms": await _plan(pool, archive_module.SQL["search_by_words"], *search),
        "npc_memories_tail": await _plan(pool, archive_module.SQL["trim"], "n7", 20),
        "npc_memories_meaning": await _plan(
            pool, archive_module.SQL["search_by_embedding"], "n7", NOW_S, "player:x", [1.0, 2.0, 3.0], "m1", 8, 3
        ),
    }
    for index, plan in plans.items():
        names = [node["Index Name"] for node in _nodes(plan) if "Index Name" in node]
        part = index.removeprefix("npc_memories_")
        scanned = {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
        long = await pool.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1) AND reltuples > 500", scanned)
        assert not long, json.dumps(plan, indent=1)
        assert any(part in name or "npc_id_expires_at" in name or "npc_id_idx" in name for name in names), names


async def _plan(pool: asyncpg.Pool, query: str, *arguments: Any) -> dict[str, Any]:
    explained = await pool.fetchval("EXPLAIN (FORMAT JSON) " + query, *arguments)
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def test_a_companion_and_an_npc_of_one_name_have_tails_of_their_own(
    archive: PostgresMemoryArchive, epoch: int, pool: asyncpg.Pool
) -> None:
    await archive.keep(epoch, "npc:rex", [a_memory(1, "a tram stood still")], 1)
    await archive.keep(epoch, "companion:rex", [a_memory(1, "a tram fell over")], 1)
    assert await found(archive, "the tram", npc="npc:rex") == ["a tram stood still"]
    assert await found(archive, "the tram", npc="companion:rex") == ["a tram fell over"]
    owners = await pool.fetch("SELECT npc_id FROM npc_memories ORDER BY npc_id")
    assert [row["npc_id"] for row in owners] == ["companion:rex", "rex"]
