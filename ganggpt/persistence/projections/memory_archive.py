"""The archive of minds: memories they had no room for, kept in ``npc_memories`` and found by words and by embedding.

A row is in the archive when it has ``terms``. Those are the words as ``domain.language.words`` sees them, so a question
finds in the archive what it would have found in the mind. The terms also hold the owner (``@npc``), so that one index
answers both, and each name with one letter dropped (``~``), so that a misspelt name is found without any extension.

Writing is fenced like a flush, and may be done twice. A row of the archive never becomes a held memory again: a memory
that comes back to its mind gets a new number, and its old row is deleted when the mind lets it go once more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from ganggpt.domain.language.thesaurus import SYNONYM, groups_of, near
from ganggpt.domain.language.words import NAME_LENGTH_MIN, terms, terms_and_names
from ganggpt.domain.mind.embedding import sides, similarity
from ganggpt.domain.mind.memory_index import QUERY_TERMS_MAX, UNKNOWN, blended, rarity
from ganggpt.domain.mind.memory_record import EVERYBODY, Embedding, Memory, Trace, heard_by
from ganggpt.errors import Fenced
from ganggpt.persistence.ask import ask
from ganggpt.persistence.outages import database_outages
from ganggpt.persistence.ports.projections import FOUND_MAX, ArchiveQuestion, Found
from ganggpt.persistence.projections.rows import Rows, memory_row, mind_id, player_id, row_id
from ganggpt.persistence.projections.writer import SQL as FLUSH
from ganggpt.persistence.sql import load_sql

_log = logging.getLogger(__name__)

ARCHIVE_MAX: Final = 10_000
"""Memories in the archive of one NPC. Over this number, those that would expire first are deleted."""
ALIKE: Final = 0.8
"""The weight of a misspelt name, where the name itself has 1."""
_CANDIDATES: Final = 32
_OWNER, _NAME = "@", "~"

SQL: Final = load_sql(Path(__file__).with_name("memory_archive.sql"))


class PostgresMemoryArchive:
    """The memory archive in Postgres. Uses the pool it is given and never closes it."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._has_vectors: bool | None = None

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        """See MemoryArchive."""
        rows = Rows()
        columns = sorted(archive_row(rows, npc, memory) for memory in memories)
        came_back = [row_id(npc, memory.was) for memory in memories if memory.was]
        players = sorted(rows.placeholders.items())
        statements: list[tuple[str, tuple[Any, ...]]] = [(SQL["keep"], tuple(zip(*columns, strict=True)))]
        if came_back:
            statements.insert(0, (SQL["delete_returned"], (came_back,)))
        if held > ARCHIVE_MAX:
            statements.append((SQL["trim"], (mind_id(npc), ARCHIVE_MAX)))
        try:
            with database_outages():
                await self._write(epoch, players, statements)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as refused:
            # It would be refused every time, and would hold up everything this NPC writes later.
            _log.error("memories of %s cannot be stored in its archive: %s", npc, refused)

    async def _write(
        self, epoch: int, players: Sequence[tuple[Any, str]], statements: Sequence[tuple[str, tuple[Any, ...]]]
    ) -> None:
        async with self._pool.acquire(timeout=self._timeout_s) as connection:
            if players:
                await connection.execute(
                    FLUSH["placeholders"], epoch, *zip(*players, strict=True), timeout=self._timeout_s
                )
            async with connection.transaction():
                if await connection.fetchval(SQL["lock_live_host"], epoch, timeout=self._timeout_s) is None:
                    raise Fenced(str(epoch), epoch)
                for statement, arguments in statements:
                    await connection.execute(statement, *arguments, timeout=self._timeout_s)

    async def search(self, question: ArchiveQuestion) -> Sequence[Found]:
        """See MemoryArchive."""
        found = {memory.no: (memory, fit) for memory, fit in await self._by_words(question)}
        for memory in await self._by_similarity(question):
            found.setdefault(memory.no, (memory, 0.0))
        now_s, listener, asked = question.now_s, question.listener, question.embedding
        scored = [
            blended(memory, fit, now_s, listener, similarity(asked, memory.embedding)) for memory, fit in found.values()
        ]
        scored.sort(key=lambda one: (-one.score, -one.memory.no))
        return [(one.memory, one.relevance) for one in scored[:FOUND_MAX]]

    async def _by_words(self, question: ArchiveQuestion) -> Sequence[Found]:
        asked = terms(question.query)[:QUERY_TERMS_MAX]
        if not asked:
            return []
        forms = [(place, form, share) for place, term in enumerate(asked) for form, share in _forms(term)]
        anything = " | ".join(form for _, form, _ in forms)
        whose = _quoted(_OWNER + mind_id(question.npc))
        held = min(question.held, ARCHIVE_MAX)
        about = player_id(question.listener) if question.listener.startswith("player:") else None
        records = await ask(
            self._pool,
            self._timeout_s,
            SQL["search_by_words"],
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

    async def _by_similarity(self, question: ArchiveQuestion) -> Sequence[Memory]:
        asked = question.embedding
        if asked is None:
            return []
        if self._has_vectors is None:
            self._has_vectors = (await ask(self._pool, self._timeout_s, SQL["has_vectors"]))[0][0]
        if not self._has_vectors:
            return []
        vector = sides(asked)
        records = await ask(
            self._pool,
            self._timeout_s,
            SQL["search_by_embedding"],
            mind_id(question.npc),
            question.now_s,
            question.listener,
            vector,
            asked.model,
            _CANDIDATES,
            len(vector),
        )
        return [_memory_of(record) for record in records]


def archive_row(rows: Rows, npc: str, memory: Memory) -> tuple[Any, ...]:
    """The columns of SQL["keep"] for one memory."""
    found, names = terms_and_names(memory.text)
    words = [_OWNER + mind_id(npc), *found, *(_NAME + form for name in names for form in near(name))]
    audience, embedding = heard_by(memory), memory.embedding
    return (
        *memory_row(rows, npc, memory, archived=True),
        " ".join(dict.fromkeys(words)).replace("\x00", ""),
        None if audience == EVERYBODY else audience,
        None if embedding is None else " ".join(map(str, sides(embedding))),
        None if embedding is None else embedding.model,
    )


def _forms(term: str) -> list[tuple[str, float]]:
    """The forms that may stand for a word of the question, as tsqueries, with their weights."""
    forms = [(_quoted(term), 1.0)]
    # What is only a thing of the kind that is asked for would be found in half of an archive.
    for group in groups_of(term):
        if group.share == SYNONYM:
            others = [*map(_quoted, sorted(group.stems - {term})), *(f"{_quoted(one)}:*" for one in group.beginnings)]
            forms.append((" | ".join(others), SYNONYM))
    if len(term) >= NAME_LENGTH_MIN:
        forms.append((" | ".join(_quoted(_NAME + form) for form in near(term)), ALIKE))
    return forms


def _quoted(lexeme: str) -> str:
    """A lexeme quoted for a tsquery."""
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
        replaced=content.get("replaced", 0),
        frame=content.get("frame", ""),
    )
