"""Lists of rows in memory that answer as the tables do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.listed import OPEN, OVER, Filters, Listed, ListedMission, PageStart, page_after

_OPEN: Final = ("offered", "accepted", "in_progress")


class MemoryLists:
    """Rows by the name of their list, in any order. ``asked`` counts the pages; an ``outage`` fails them."""

    def __init__(self, **rows: Sequence[Listed]) -> None:
        self.of: dict[str, list[Listed]] = {name: list(some) for name, some in rows.items()}
        self.asked = 0
        self.outage = False

    async def rows(self, name: str, filters: Filters, after: PageStart | None, limit: int) -> Sequence[Listed]:
        """See WorldLists."""
        self.asked += 1
        if self.outage:
            raise Unavailable("the database")
        newest_first = name == "missions"
        found = [row for row in self.of.get(name, ()) if _passes(row, filters)]
        found.sort(key=page_after, reverse=newest_first)
        if after is not None:
            found = [row for row in found if (page_after(row) < after if newest_first else page_after(row) > after)]
        return found[:limit]


def _passes(row: Listed, filters: Mapping[str, str | bool]) -> bool:
    for name, value in filters.items():
        if isinstance(row, ListedMission) and name == "status" and value in (OPEN, OVER):
            if (row.status in _OPEN) != (value == OPEN):
                return False
        elif getattr(row, name) != value:
            return False
    return True
