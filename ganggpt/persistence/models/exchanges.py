"""Recorded exchanges with models: written behind, found by hash, erased with their player, swept when old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from ganggpt.ai.gateway.recording import ModelExchange
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.models.write_behind import WriteBehind

WAITING_MAX: Final = 2000
"""Exchanges that wait for the database; each may have some dozens of kilobytes."""
_SWEEP_BATCH: Final = 5000
_COLUMNS: Final = (
    "key, request_key, at, model, player, request, answer, finish, categories, failure, "
    "tokens_in, tokens_out, tokens_cached, known, took_ms"
)
_SAVE: Final = f"""
INSERT INTO ai_exchanges ({_COLUMNS})
SELECT key, request_key, at, model, player, request, answer, finish, string_to_array(categories, ' '), failure,
  tokens_in, tokens_out, tokens_cached, known, took_ms
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[], $15::integer[])
  AS e (key, request_key, at, model, player, request, answer, finish, categories, failure,
    tokens_in, tokens_out, tokens_cached, known, took_ms)
"""  # noqa: S608 - names of columns
_FIND: Final = f"SELECT {_COLUMNS} FROM ai_exchanges WHERE key = $1 ORDER BY no DESC LIMIT 1"  # noqa: S608
_OF_REQUEST: Final = f"SELECT {_COLUMNS} FROM ai_exchanges WHERE request_key = $1 ORDER BY no DESC LIMIT $2"  # noqa: S608
_ERASE: Final = "DELETE FROM ai_exchanges WHERE player = $1"
_SWEEP: Final = """
DELETE FROM ai_exchanges WHERE no = ANY(ARRAY(
  SELECT no FROM ai_exchanges WHERE at < clock_timestamp() - make_interval(days => $1) ORDER BY at LIMIT $2))
"""


class PostgresExchanges:
    """Implements ``ai.replay.ExchangeLog``. ``lost`` counts exchanges that could not be kept."""

    def __init__(self, pool: asyncpg.Pool[Any], lost: Callable[[int], None], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._notes: WriteBehind[ModelExchange] = WriteBehind(self._save, lost, most=WAITING_MAX, batch=100)

    def keep(self, exchange: ModelExchange) -> None:
        """See ExchangeLog."""
        self._notes.add(exchange)

    async def find(self, key: str) -> ModelExchange | None:
        """The last exchange with a call's key. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, _FIND, key)
        return _exchange(rows[0]) if rows else None

    async def of_request(self, request_key: str, most: int = 20) -> list[ModelExchange]:
        """The exchanges a request made, the newest first. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, _OF_REQUEST, request_key, most)
        return [_exchange(row) for row in rows]

    async def erase(self, player: str) -> int:
        """Delete everything with a player's words; how many went. Raises Unavailable."""
        await self._notes.flush()
        return await tell(self._pool, self._timeout_s, _ERASE, player)

    async def sweep(self, days: int) -> int:
        """Delete what is older, some at a time; how many went. Raises Unavailable."""
        gone = 0
        while some := await tell(self._pool, self._timeout_s, _SWEEP, days, _SWEEP_BATCH):
            gone += some
        return gone

    async def flush(self) -> None:
        """Write all now. Raises Unavailable."""
        await self._notes.flush()

    async def close(self) -> None:
        """Write the rest."""
        await self._notes.close()

    async def _save(self, some: Sequence[ModelExchange]) -> None:
        rows = [
            (
                e.key, e.request_key, datetime.fromtimestamp(e.at_s, UTC), e.model, e.player, _storable(e.request),
                _storable(e.answer), e.finish, " ".join(e.categories), e.failure, e.tokens_in, e.tokens_out,
                e.tokens_cached, e.known, e.took_ms,
            )
            for e in some
        ]  # fmt: skip
        await tell(self._pool, self._timeout_s, _SAVE, *map(list, zip(*rows, strict=True)))


def _exchange(row: Any) -> ModelExchange:
    fields = dict(row)
    fields["at_s"] = fields.pop("at").timestamp()
    return ModelExchange(**{**fields, "categories": tuple(fields["categories"])})


def _storable(text: str) -> str:
    """Postgres text knows neither the zero byte nor half of a surrogate pair."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
