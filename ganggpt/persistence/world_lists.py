"""Lists of what is in a world, read from the user's tables page by page, each page by an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from ganggpt.domain.world import decode_world
from ganggpt.persistence.ask import ask
from ganggpt.persistence.ports.listed import (
    OPEN,
    OVER,
    CompanionState,
    Filters,
    Listed,
    ListedCompanion,
    ListedDistrict,
    ListedMission,
    ListedNpc,
    ListedPlayer,
    PageStart,
)
from ganggpt.persistence.projections.rows import player_id
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("world_lists.sql"))

_ALL_OPEN: Final = "m.status IN ('offered', 'accepted', 'in_progress')"
_BY_TIME: Final = "(m.created_at, m.actor) < (to_timestamp({}::float8), {})"

Condition = tuple[str, tuple[Any, ...]]
"""A condition with ``{}`` for each of its arguments, and these."""


class _Table(NamedTuple):
    """How a list is read: its statement, the condition of each filter, that of the start of a page, and what becomes of
    a row."""

    query: str
    conditions: Mapping[str, Callable[[Any], Condition]]
    after: Callable[[PageStart], Condition]
    listed: Callable[[Any], Listed]


class PostgresLists:
    """The lists in Postgres. Uses the pool it is given and never closes it."""

    def __init__(self, pool: asyncpg.Pool[Any], timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def rows(self, name: str, filters: Filters, after: PageStart | None, limit: int) -> Sequence[Listed]:
        """See WorldLists."""
        if name == "districts":
            return await self._districts(filters, after, limit)
        query, arguments = page_query(name, filters, after, limit)
        return [_TABLES[name].listed(row) for row in await ask(self._pool, self._timeout_s, query, *arguments)]

    async def _districts(self, filters: Filters, after: PageStart | None, limit: int) -> Sequence[ListedDistrict]:
        """From the sheet in the database, because a world may be loaded anew while it runs; there are few. A faction
        that was not needed yet has no row, and holds what its sheet says and nobody took."""
        found = await ask(self._pool, self._timeout_s, SQL["world"])
        if not found:
            return []
        world = decode_world(found[0]["sheet"])
        living = {r["id"]: r["territories"] for r in await ask(self._pool, self._timeout_s, SQL["territories"])}
        asleep = {name: sheet.territories for name, sheet in world.factions.items() if name not in living}
        holders = {district: name for part in (asleep, living) for name, held in part.items() for district in held}
        districts = world.districts
        rows = [
            ListedDistrict(d.id, d.name, d.kind, d.x, d.y, d.z, d.radius_m, d.neighbours, holders.get(d.id))
            for d in sorted(districts.values(), key=lambda district: district.id)
        ]
        return [
            row
            for row in rows
            if (after is None or row.id > after[1])
            and all(getattr(row, key) == value for key, value in filters.items())
        ][:limit]


def page_query(name: str, filters: Filters, after: PageStart | None, limit: int) -> tuple[str, Sequence[Any]]:
    """The statement that reads a page, and its arguments. Only conditions that are asked for stand in it, so that its
    plan uses their index."""
    table = _TABLES[name]
    wanted = [table.conditions[key](value) for key, value in filters.items()]
    wanted += [] if after is None else [table.after(after)]
    arguments = [value for _, values in wanted for value in values]
    numbers = iter(range(1, len(arguments) + 2))
    parts = [text.format(*(f"${next(numbers)}" for _ in values)) for text, values in wanted]
    query = table.query.format(conditions=" AND ".join(parts) or "true", limit=f"${next(numbers)}")
    return query, [*arguments, limit]


def _is(column: str, and_also: str = "") -> Callable[[Any], Condition]:
    return lambda value: (f"{column} = {{}}{and_also}", (value,))


def _is_player(column: str) -> Callable[[Any], Condition]:
    return lambda player: (f"{column} = {{}}", (player_id(player),))


def _has_status(status: str) -> Condition:
    if status == OPEN:
        return _ALL_OPEN, ()
    return (f"NOT {_ALL_OPEN}", ()) if status == OVER else ("m.status = {}", (status,))


def _has_state(state: str) -> Condition:
    gone = "c.memory_data ->> 'gone'"
    return (f"{gone} IS NULL", ()) if state == "present" else (f"{gone} = {{}}", (state,))


def _by_id(column: str) -> Callable[[PageStart], Condition]:
    return lambda place: (f"{column} > {{}}", (place[1],))


def _mission(r: Any) -> ListedMission:
    return ListedMission(
        r["actor"],
        r["title"],
        r["status"],
        r["giver"],
        r["player"],
        r["payer"],
        r["difficulty"],
        r["reward_pool"],
        r["offered_s"],
        r["due_s"],
    )


def _player(r: Any) -> ListedPlayer:
    return ListedPlayer(
        r["actor"],
        r["username"],
        r["online"],
        r["server"],
        r["district"],
        r["cash"],
        r["playtime_s"],
        r["last_login_s"],
    )


def _companion(r: Any) -> ListedCompanion:
    state: CompanionState = r["gone"] or "present"
    type_, loyalty, experience = r["companion_type"], r["loyalty_level"], r["experience_points"]
    return ListedCompanion(r["actor"], r["name"], type_, r["owner"], state, loyalty, experience)


_TABLES: Final[Mapping[str, _Table]] = {
    "npcs": _Table(
        SQL["npcs"],
        {
            "district": _is("district"),
            "faction": _is("faction"),
            "retired": lambda retired: ("retired" if retired else "NOT retired", ()),
        },
        _by_id("actor"),
        lambda r: ListedNpc(r["actor"], r["name"], r["role"], r["district"], r["faction"], r["retired"]),
    ),
    "players": _Table(
        SQL["players"],
        {
            "online": lambda online: ("online" if online else "NOT online", ()),
            "server": _is("server", " AND online"),
            "district": _is("district"),
        },
        _by_id("actor"),
        _player,
    ),
    "missions": _Table(
        SQL["missions"],
        {
            "status": _has_status,
            "player": _is_player("m.player_id"),
            "giver": _is("m.giver"),
            "faction": _is("m.payer"),
        },
        lambda place: (_BY_TIME, place),
        _mission,
    ),
    "companions": _Table(
        SQL["companions"],
        {"owner": _is_player("c.player_id"), "state": _has_state},
        _by_id("c.actor"),
        _companion,
    ),
}
