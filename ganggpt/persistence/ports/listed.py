"""Lists of what is in a world, page by page, as the user's tables show it: at most a second behind the actors.

A page is asked for by the place after which it begins, so that rows that come or go meanwhile neither repeat nor hide
another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MissionStatus = Literal["offered", "accepted", "in_progress", "completed", "failed", "expired"]
CompanionState = Literal["present", "left", "betrayed", "dismissed"]

OPEN: Final = "open"
"""As the status of missions: all that are offered, accepted or in progress."""
OVER: Final = "over"
"""As the status of missions: all others."""

Filters = Mapping[str, str | bool]
"""What rows have to be like, by the name of a filter; see WorldLists."""

PageStart = tuple[float, str]
"""Where a page begins: after the row of this time (0 where the list is not ordered by time) and id."""


@dataclass(frozen=True, slots=True)
class ListedNpc:
    """An NPC. ``district``: where they are at home; ``retired``: whether they have left the world."""

    id: str
    name: str
    role: str
    district: str
    faction: str | None
    retired: bool


@dataclass(frozen=True, slots=True)
class ListedPlayer:
    """A player who has joined. ``server``: the game server they are on; ``district``: where they were last reported;
    ``playtime_s``: of the sessions that ended."""

    id: str
    name: str
    online: bool
    server: str | None
    district: str | None
    cash: int
    playtime_s: float
    last_login_s: float | None


@dataclass(frozen=True, slots=True)
class ListedMission:
    """A mission. ``faction``: who pays, None where the giver does; times in Unix seconds."""

    id: str
    title: str
    status: MissionStatus
    giver: str
    player: str
    faction: str | None
    difficulty: int
    reward: int
    offered_s: float
    due_s: float


@dataclass(frozen=True, slots=True)
class ListedCompanion:
    """A companion. ``state``: whether it is with its owner, or how it went; ``loyalty`` 0 to 100."""

    id: str
    name: str
    type: str
    owner: str
    state: CompanionState
    loyalty: int
    experience: int


@dataclass(frozen=True, slots=True)
class ListedDistrict:
    """A district. ``x, y, z``: its middle in game metres; ``radius_m``: its reach; ``faction``: who holds it."""

    id: str
    name: str
    kind: str
    x: float
    y: float
    z: float
    radius_m: float
    neighbours: tuple[str, ...]
    faction: str | None


Listed = ListedNpc | ListedPlayer | ListedMission | ListedCompanion | ListedDistrict


class WorldLists(Protocol):
    """The lists of a world, with their filters; ``PostgresLists`` is the real adapter.

    npcs: district, faction, retired. players: online, server (online there), district. missions: status, player, giver,
    faction. companions: owner, state. districts: faction, kind.
    """

    async def rows(self, name: str, filters: Filters, after: PageStart | None, limit: int) -> Sequence[Listed]:
        """At most ``limit`` rows of the list ``name`` that pass all ``filters``, in its order: missions from the newest
        to the oldest, all others by id. Raises Unavailable."""
        ...


def page_after(row: Listed) -> PageStart:
    """Where the page after this last row begins."""
    return (row.offered_s if isinstance(row, ListedMission) else 0.0), row.id
