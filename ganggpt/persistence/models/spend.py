"""The record of what models cost, and the switch: Postgres behind the counters of ``ledger``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
from msgspec import Struct

from ganggpt.ai.gateway.budget import EVERYBODY, WINDOW_S, BudgetCounter
from ganggpt.ai.gateway.spending import Spend
from ganggpt.persistence.ask import ask, tell
from ganggpt.persistence.models.write_behind import WriteBehind
from ganggpt.persistence.sql import load_sql

HOUR_S: Final = 3600
SQL: Final = load_sql(Path(__file__).with_name("spend.sql"))

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
        rows = await ask(self._pool, self._timeout_s, SQL["sum"], counter.kind, counter.name, start, end)
        spent: int = rows[0][counter.unit]
        return spent

    async def report(self, by: By, hours: int, most: int = 50) -> list[SpendRow]:
        """What the last hours cost, the most first. Raises Unavailable."""
        kind, column = _COLUMNS[by]
        rows = await ask(self._pool, self._timeout_s, SQL["report"].format(by=column), kind, hours, most)
        return [SpendRow(*row.values()) for row in rows]

    async def sweep(self, days: int) -> int:
        """Forget what is older; how many rows went. Raises Unavailable."""
        return await tell(self._pool, self._timeout_s, SQL["sweep"], days)

    async def switch(self) -> Switch:
        """The switch. Raises Unavailable."""
        rows = await ask(self._pool, self._timeout_s, SQL["read_switch"])
        return Switch(*rows[0].values()) if rows else Switch()

    async def is_on(self) -> bool:
        """Whether calls may leave. Raises Unavailable."""
        return (await self.switch()).is_on

    async def set_switch(self, why: str, *, on: bool) -> None:
        """Set the switch. Raises Unavailable."""
        await tell(self._pool, self._timeout_s, SQL["set_switch"], on, why)

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
        await tell(self._pool, self._timeout_s, SQL["add"], *map(list, zip(*rows, strict=True)))
