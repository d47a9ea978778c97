"""The record of what models cost, and the switch: Postgres behind the counters of ``ledger``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import asyncpg
from msgspec import Struct

from ganggpt.ai.gateway.budget import EVERYBODY, WINDOW_S, BudgetCounter
from ganggpt.ai.gateway.spending import Spend
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.models.write_behind import WriteBehind

HOUR_S: Final = 3600
_ADD: Final = """
INSERT INTO ai_spend AS s
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
ON CONFLICT (kind, name, hour, slot, purpose, model) DO UPDATE SET
  calls = s.calls + excluded.calls, tokens_in = s.tokens_in + excluded.tokens_in,
  tokens_cached = s.tokens_cached + excluded.tokens_cached, tokens_out = s.tokens_out + excluded.tokens_out,
  nano_usd = s.nano_usd + excluded.nano_usd, estimated = s.estimated + excluded.estimated
"""
_SUM: Final = """
SELECT coalesce(sum(nano_usd), 0)::bigint AS nano_usd, coalesce(sum(tokens_in + tokens_out), 0)::bigint AS tokens,
  coalesce(sum(calls), 0)::bigint AS calls
FROM ai_spend WHERE kind = $1 AND name = $2 AND hour >= $3 AND hour < $4
"""
_REPORT: Final = """
SELECT {by} AS name, sum(calls)::bigint AS calls, sum(tokens_in)::bigint AS tokens_in,
  sum(tokens_cached)::bigint AS tokens_cached, sum(tokens_out)::bigint AS tokens_out, sum(nano_usd)::bigint AS nano_usd,
  sum(estimated)::bigint AS estimated
FROM ai_spend WHERE kind = $1 AND hour >= clock_timestamp() - make_interval(hours => $2)
GROUP BY 1 ORDER BY nano_usd DESC, tokens_out DESC, name LIMIT $3
"""
_SWEEP: Final = "DELETE FROM ai_spend WHERE hour < clock_timestamp() - make_interval(days => $1)"
_READ_SWITCH: Final = "SELECT is_on, why, changed_at FROM ai_switch"
_SET_SWITCH: Final = """
INSERT INTO ai_switch (is_on, why) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET is_on = excluded.is_on, why = excluded.why, changed_at = clock_timestamp()
"""

By = Literal["player", "npc", "faction", "purpose", "slot", "model", "hour"]
_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "player": ("player", "name"),
    "npc": ("npc", "name"),
    "faction": ("faction", "name"),
    "purpose": ("server", "purpose"),
    "slot": ("server", "slot"),
    "model": ("server", "model"),
    "hour": ("server", "to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00')"),
}


class SpendRow(Struct, frozen=True):
    """What was spent by one name. ``estimated``: of the calls, those whose tokens nobody counted."""

    name: str
    calls: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    nano_usd: int
    estimated: int


class Switch(Struct, frozen=True):
    """Whether calls may leave, why, and since when (UTC)."""

    is_on: bool = True
    why: str = ""
    changed_at: datetime | None = None


class PostgresSpend:
    """Implements ``ai.gateway.spending.SpendLog``; also sums for counters, reports and the switch. ``lost`` counts lost
    notes."""

    def __init__(self, pool: asyncpg.Pool[Any], lost: Callable[[int], None], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._notes: WriteBehind[Spend] = WriteBehind(self._save, lost)

    def write(self, spend: Spend) -> None:
        """See SpendLog."""
        self._notes.add(spend)

    async def flush(self) -> None:
        """Write all notes now. Raises Unavailable."""
        await self._notes.flush()

    async def close(self) -> None:
        """Write the rest."""
        await self._notes.close()

    async def sum_of(self, counter: BudgetCounter) -> int:
        """What a counter should say: everything recorded, with what waits here. Raises Unavailable."""
        await self._notes.flush()
        start = datetime.fromtimestamp(counter.start_s, UTC)
        end = datetime.fromtimestamp(counter.start_s + WINDOW_S[counter.window], UTC)
        rows = await ask(self._pool, self._timeout_s, _SUM, counter.kind, counter.name, start, end)
        spent: int = rows[0][counter.unit]
        return spent

    async def report(self, by: By, hours: int, most: int = 50) -> list[SpendRow]:
        """What the last hours cost, the most first. Raises Unavailable."""
        kind, column = _COLUMNS[by]
        rows = await ask(self._pool, self._timeout_s, _REPORT.format(by=column), kind, hours, most)
        return [SpendRow(*row.values()) for row in rows]

    async def sweep(self, days: int) -> int:
        """Forget what is older; how many rows went. Raises Unavailable."""
        return await tell(self._pool, self._timeout_s, _SWEEP, days)

    async def switch(self) -> Switch:
        """The switch. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, _READ_SWITCH)
        return Switch(*rows[0].values()) if rows else Switch()

    async def is_on(self) -> bool:
        """Whether calls may leave. Raises Unavailable."""
        return (await self.switch()).is_on

    async def set_switch(self, why: str, *, on: bool) -> None:
        """Set the switch. Raises Unavailable."""
        await tell(self._pool, self._timeout_s, _SET_SWITCH, on, why)

    async def _save(self, some: Sequence[Spend]) -> None:
        sums: dict[tuple[Any, ...], list[int]] = {}
        for spend in some:
            hour = datetime.fromtimestamp(int(spend.at_s) // HOUR_S * HOUR_S, UTC)
            usage = spend.usage
            numbers = (1, usage.tokens_in, usage.tokens_cached, usage.tokens_out, usage.nano_usd, int(not usage.known))
            for kind, name in (("server", EVERYBODY), *spend.payers.named()):
                key = (hour, kind, name, spend.slot, spend.purpose, spend.model)
                so_far = sums.setdefault(key, [0] * len(numbers))
                for n, number in enumerate(numbers):
                    so_far[n] += number
        # In one order, so that two replicas never wait for each other.
        rows = sorted((*key, *numbers) for key, numbers in sums.items())
        # Not safe to repeat, and not repeated: a lost connection may count a batch twice, never too little.
        await tell(self._pool, self._timeout_s, _ADD, *map(list, zip(*rows, strict=True)))
