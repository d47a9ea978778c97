"""The tail of minds: memories they had no room for, kept in ``npc_memories`` and found by words and by meaning.

A row is in the tail when it has ``terms``. Those are the words as ``domain.words`` sees them, so a question finds in
the tail what it would have found in the mind; with them stands whose memory it is (``@npc``), so that one index answers
both, and each name with a letter less (``~``), so that a misspelt one is found without any extension.

Writing is fenced like a flush, and may be done twice. A row in the tail is never shown as held by a mind again: what
comes back gets a new number, and takes the old row with it when it is let go once more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from ganggpt.domain.language.thesaurus import SAME_MEANING, near, same_meaning
from ganggpt.domain.language.words import NAME_LENGTH_MIN, terms, terms_and_names
from ganggpt.domain.mind.embedding import meaning, sides
from ganggpt.domain.mind.memory_index import QUERY_TERMS_MAX, UNKNOWN, blended, rarity
from ganggpt.domain.mind.memory_record import EVERYBODY, Embedding, Memory, Trace, heard_by
from ganggpt.errors import Fenced
from ganggpt.persistence.ask import ask
from ganggpt.persistence.outages import database_may_be_away
from ganggpt.persistence.ports.projections import FOUND_MAX, Found, TailQuestion
from ganggpt.persistence.projections.rows import Rows, memory_row, mind_id, player_id, row_id
from ganggpt.persistence.projections.writer import PLACEHOLDERS

_log = logging.getLogger(__name__)

TAIL_MAX: Final = 10_000
"""Memories in the tail of one NPC; over it those go that would be lost next."""
ALIKE: Final = 0.8
"""What a misspelt name counts, where the name itself counts 1."""
_CANDIDATES: Final = 32
_OWNER, _NAME = "@", "~"

_LIVE: Final = "SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE"
KEEP: Final = """
INSERT INTO npc_memories (id, npc_id, player_id, memory_type, content, emotional_weight, created_at, expires_at, terms,
  audience, embedding, embedding_model)
SELECT id, npc_id, player_id, memory_type, content::jsonb, weight, to_timestamp(created_s), to_timestamp(expires_s),
  array_to_tsvector(string_to_array(words, ' ')), audience, string_to_array(sides, ' ')::real[], model
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[],
  $9::text[], $10::text[], $11::text[], $12::text[])
  AS g (id, npc_id, player_id, memory_type, content, weight, created_s, expires_s, words, audience, sides, model)
ON CONFLICT (id, created_at) DO UPDATE SET player_id = excluded.player_id, memory_type = excluded.memory_type,
  content = excluded.content, emotional_weight = excluded.emotional_weight, expires_at = excluded.expires_at,
  terms = excluded.terms, audience = excluded.audience, embedding = excluded.embedding,
  embedding_model = excluded.embedding_model
"""
CAME_BACK: Final = "DELETE FROM npc_memories WHERE id = ANY($1::uuid[]) AND terms IS NOT NULL"
TRIM: Final = """
DELETE FROM npc_memories m USING (
  SELECT id, created_at FROM npc_memories WHERE npc_id = $1 AND terms IS NOT NULL
  ORDER BY expires_at DESC NULLS FIRST OFFSET $2) d
WHERE m.id = d.id AND m.created_at = d.created_at
"""
# Every word of the question is a concept with forms that may stand for it. What a memory counts is the rarity of the
# concepts it has, by how many memories of this NPC have them: the same relevance as in the mind, but for the length.
SEARCH: Final = """
WITH hits AS MATERIALIZED (
  SELECT id, created_at, terms, emotional_weight AS weight, player_id FROM npc_memories
  WHERE terms @@ $1::tsquery AND (expires_at IS NULL OR expires_at > to_timestamp($2::float8))
    AND (audience IS NULL OR audience = $3)
), forms AS MATERIALIZED (
  SELECT concept, form::tsquery AS form, share FROM unnest($4::int[], $5::text[], $6::float8[]) f (concept, form, share)
), fits AS MATERIALIZED (
  SELECT h.id, f.concept, max(f.share) AS share FROM hits h JOIN forms f ON h.terms @@ f.form GROUP BY h.id, f.concept
), rare AS (
  SELECT concept, ln(1 + (greatest($7::float8, count(*)) - count(*) + 0.5) / (count(*) + 0.5)) AS worth FROM fits
  GROUP BY concept
), known AS (
  SELECT sum(worth) + $8::float8 * ($9::int - count(*)) AS top FROM rare
), fitting AS (
  SELECT id, sum(share * worth) / (SELECT top FROM known) AS relevance FROM fits JOIN rare USING (concept) GROUP BY id
), best AS (
  SELECT h.id, h.created_at, f.relevance FROM hits h JOIN fitting f USING (id)
  ORDER BY 0.7 * f.relevance + 0.1 * h.weight / 100.0
    + 0.1 * 259200 / (259200 + greatest(0, $2::float8 - extract(epoch FROM h.created_at)::float8))
    + CASE WHEN h.player_id = $10::uuid THEN 0.07 ELSE 0 END DESC, h.id
  LIMIT $11
)
SELECT m.memory_type, m.content, m.emotional_weight, extract(epoch FROM m.created_at)::float8 AS created_s,
  best.relevance::float8 AS relevance, m.embedding, m.embedding_model
FROM best JOIN npc_memories m ON m.id = best.id AND m.created_at = best.created_at
"""
# The meaning is compared with that of every memory of this one NPC: at most TAIL_MAX, found by its own index.
MEANING: Final = """
SELECT memory_type, content, emotional_weight, extract(epoch FROM created_at)::float8 AS created_s,
  embedding, embedding_model
FROM npc_memories
WHERE npc_id = $1 AND embedding IS NOT NULL AND embedding_model = $5 AND terms IS NOT NULL
  AND (expires_at IS NULL OR expires_at > to_timestamp($2::float8)) AND (audience IS NULL OR audience = $3)
  AND array_length(embedding, 1) = $7
ORDER BY embedding::vector <=> $4::real[]::vector, id LIMIT $6
"""
_HAS_VECTORS: Final = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')"


class PostgresTail:
    """The tail in Postgres. Owns nothing but the pool it was given."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._has_vectors: bool | None = None

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        """See TailStore."""
        rows = Rows()
        columns = sorted(row_in_tail(rows, npc, memory) for memory in memories)
        came_back = [row_id(npc, memory.was) for memory in memories if memory.was]
        players = sorted(rows.placeholders.items())
        statements: list[tuple[str, tuple[Any, ...]]] = [(KEEP, tuple(zip(*columns, strict=True)))]
        if came_back:
            statements.insert(0, (CAME_BACK, (came_back,)))
        if held > TAIL_MAX:
            statements.append((TRIM, (mind_id(npc), TAIL_MAX)))
        try:
            with database_may_be_away():
                await self._write(epoch, players, statements)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as refused:
            # It would be refused for ever, and hold up whatever this NPC writes after it.
            _log.error("memories of %s are not kept in its tail: %s", npc, refused)

    async def _write(
        self, epoch: int, players: Sequence[tuple[Any, str]], statements: Sequence[tuple[str, tuple[Any, ...]]]
    ) -> None:
        async with self._pool.acquire(timeout=self._timeout_s) as connection:
            if players:
                await connection.execute(PLACEHOLDERS, epoch, *zip(*players, strict=True), timeout=self._timeout_s)
            async with connection.transaction():
                if await connection.fetchval(_LIVE, epoch, timeout=self._timeout_s) is None:
                    raise Fenced(str(epoch), epoch)
                for statement, arguments in statements:
                    await connection.execute(statement, *arguments, timeout=self._timeout_s)

    async def search(self, question: TailQuestion) -> Sequence[Found]:
        """See TailStore."""
        found = {memory.no: (memory, fit) for memory, fit in await self._by_words(question)}
        for memory in await self._by_meaning(question):
            found.setdefault(memory.no, (memory, 0.0))
        now_s, listener, asked = question.now_s, question.listener, question.embedding
        scored = [
            blended(memory, fit, now_s, listener, meaning(asked, memory.embedding)) for memory, fit in found.values()
        ]
        scored.sort(key=lambda one: (-one.score, -one.memory.no))
        return [(one.memory, one.relevance) for one in scored[:FOUND_MAX]]

    async def _by_words(self, question: TailQuestion) -> Sequence[Found]:
        asked = terms(question.query)[:QUERY_TERMS_MAX]
        if not asked:
            return []
        forms = [(place, form, share) for place, term in enumerate(asked) for form, share in _forms(term)]
        anything = " | ".join(form for _, form, _ in forms)
        whose = _quoted(_OWNER + mind_id(question.npc))
        held = min(question.held, TAIL_MAX)
        about = player_id(question.listener) if question.listener.startswith("player:") else None
        records = await ask(
            self._pool,
            self._timeout_s,
            SEARCH,
            f"{whose} & ({anything})",
            question.now_s,
            question.listener,
            *map(list, zip(*forms, strict=True)),
            held,
            UNKNOWN * rarity(0, held),
            len(asked),
            about,
            _CANDIDATES,
        )
        return [(_memory_of(record), min(1.0, record["relevance"])) for record in records]

    async def _by_meaning(self, question: TailQuestion) -> Sequence[Memory]:
        asked = question.embedding
        if asked is None:
            return []
        if self._has_vectors is None:
            self._has_vectors = (await ask(self._pool, self._timeout_s, _HAS_VECTORS))[0][0]
        if not self._has_vectors:
            return []
        vector = sides(asked)
        records = await ask(
            self._pool,
            self._timeout_s,
            MEANING,
            mind_id(question.npc),
            question.now_s,
            question.listener,
            vector,
            asked.model,
            _CANDIDATES,
            len(vector),
        )
        return [_memory_of(record) for record in records]


def row_in_tail(rows: Rows, npc: str, memory: Memory) -> tuple[Any, ...]:
    """The columns of KEEP for one memory."""
    found, names = terms_and_names(memory.text)
    words = [_OWNER + mind_id(npc), *found, *(_NAME + form for name in names for form in near(name))]
    audience, embedding = heard_by(memory), memory.embedding
    return (
        *memory_row(rows, npc, memory, in_tail=True),
        " ".join(dict.fromkeys(words)).replace("\x00", ""),
        None if audience == EVERYBODY else audience,
        None if embedding is None else " ".join(map(str, sides(embedding))),
        None if embedding is None else embedding.model,
    )


def _forms(term: str) -> list[tuple[str, float]]:
    """What may stand for a word of the question, as tsqueries, and what each counts."""
    forms = [(_quoted(term), 1.0)]
    if others := same_meaning(term):
        forms.append((" | ".join(map(_quoted, others)), SAME_MEANING))
    if len(term) >= NAME_LENGTH_MIN:
        forms.append((" | ".join(_quoted(_NAME + form) for form in near(term)), ALIKE))
    return forms


def _quoted(lexeme: str) -> str:
    """A lexeme as it stands in a tsquery."""
    inner = lexeme.replace("\x00", "").replace("\\", "\\\\").replace("'", "''")
    return f"'{inner}'"


def _memory_of(record: Any) -> Memory:
    content = msgspec.json.decode(record["content"])
    trace = content.get("trace")
    vector = record["embedding"]
    return Memory(
        content["no"],
        record["memory_type"],
        content["text"],
        record["emotional_weight"],
        content["about"],
        content["source"],
        record["created_s"],
        content.get("expires_s"),
        content["rehearsed"],
        content["again_s"],
        content.get("audience", ""),
        content.get("due_s"),
        None if trace is None else Trace(trace["origin"], tuple(trace["chain"]), trace["born_s"]),
        None if vector is None else Embedding(record["embedding_model"], bytes(round(side) & 0xFF for side in vector)),
    )
