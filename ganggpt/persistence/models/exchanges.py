"""Recorded exchanges with models: written behind, found by hash, swept when old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.ai.gateway.recording import ModelExchange
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.models.write_behind import WriteBehind
from ganggpt.persistence.sql import load_sql

WAITING_MAX: Final = 2000
"""The most exchanges that wait for the database. Each may have some dozens of kilobytes."""
_SWEEP_BATCH: Final = 5000
SQL: Final = load_sql(Path(__file__).with_name("exchanges.sql"))


class PostgresExchanges:
    """Implements ``ai.replay.ExchangeLog``. ``lost`` counts exchanges that could not be kept."""

    def __init__(self, pool: asyncpg.Pool[Any], lost: Callable[[int], None], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._write_behind: WriteBehind[ModelExchange] = WriteBehind(self._save, lost, most=WAITING_MAX, batch=100)

    def keep(self, exchange: ModelExchange) -> None:
        """See ExchangeLog."""
        self._write_behind.add(exchange)

    async def find(self, key: str) -> ModelExchange | None:
        """The last exchange with a call's key. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, SQL["find"], key)
        return _exchange(rows[0]) if rows else None

    async def of_request(self, request_key: str, most: int = 20) -> list[ModelExchange]:
        """The exchanges a request made, the newest first. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, SQL["of_request"], request_key, most)
        return [_exchange(row) for row in rows]

    async def sweep(self, days: int) -> int:
        """Delete older exchanges, some at a time; returns how many. Raises Unavailable."""
        gone = 0
        while some := await tell(self._pool, self._timeout_s, SQL["sweep"], days, _SWEEP_BATCH):
            gone += some
        return gone

    async def flush(self) -> None:
        """Write every exchange now. Raises Unavailable."""
        await self._write_behind.flush()

    async def close(self) -> None:
        """Write the rest and stop."""
        await self._write_behind.close()

    async def _save(self, some: Sequence[ModelExchange]) -> None:
        rows = [
            (
                e.key, e.request_key, datetime.fromtimestamp(e.at_s, UTC), e.model, e.player, _storable(e.request),
                _storable(e.answer), e.finish, " ".join(e.categories), e.failure, e.tokens_in, e.tokens_out,
                e.tokens_cached, e.known, e.took_ms,
            )
            for e in some
        ]  # fmt: skip
        await tell(self._pool, self._timeout_s, SQL["save"], *map(list, zip(*rows, strict=True)))


def _exchange(row: Any) -> ModelExchange:
    fields = dict(row)
    fields["at_s"] = fields.pop("at").timestamp()
    return ModelExchange(**{**fields, "categories": tuple(fields["categories"])})


def _storable(text: str) -> str:
    """Text without zero bytes and lone surrogates, which Postgres does not store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
