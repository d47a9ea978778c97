"""Lists under /v1: pages of typed rows, filtered, with an opaque cursor that stays good while rows come and go."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from fastapi import FastAPI, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from ganggpt.domain.fields import is_clean, is_npc, is_player
from ganggpt.errors import InvalidInput
from ganggpt.persistence.ports.cache import list_key
from ganggpt.persistence.ports.listed import (
    CompanionState,
    ListedCompanion,
    ListedDistrict,
    ListedMission,
    ListedNpc,
    ListedPlayer,
    PageStart,
    WorldLists,
    page_after,
)
from ganggpt.serve.rest.views import ViewCache

ROWS: Final = 50
ROWS_MAX: Final = 200
_CURSOR_LENGTH_MAX: Final = 512
_encode: Final = msgspec.json.Encoder().encode
_decode_cursor: Final = msgspec.json.Decoder(tuple[str, float, str]).decode

Row = TypeVar("Row")


def _checked(is_one: Callable[[str], bool], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not is_one(text):
            raise PydanticCustomError("no_such_id", "it is not {what}", {"what": what})
        return text

    return AfterValidator(check)


Word = Annotated[str, Field(min_length=1, max_length=100), _checked(is_clean, "a text without control characters")]
PlayerId = Annotated[str, _checked(is_player, "the id of a player, such as player:ava")]
NpcId = Annotated[str, _checked(is_npc, "the id of an NPC, such as npc:mara")]


StatusFilter = Literal["open", "over", "offered", "accepted", "in_progress", "completed", "failed", "expired"]


class Page(BaseModel, Generic[Row]):
    """A page of a list. ``next``: the cursor of the page after it, null where this is the last one."""

    items: list[Row]
    next: str | None


class PageQuery(BaseModel):
    """What every list takes. A parameter that a list does not have is refused, so that none is ignored unnoticed."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=ROWS_MAX, description="Rows of this page")] = ROWS
    cursor: Annotated[str | None, Field(max_length=_CURSOR_LENGTH_MAX, description="`next` of the page before")] = None


class NpcQuery(PageQuery):
    """NPCs at home in a district, or of a faction."""

    district: Word | None = None
    faction: Word | None = None
    retired: Annotated[bool, Field(description="`true`: those who have left the world instead of those in it")] = False


class PlayerQuery(PageQuery):
    """Players who are online or not, online on a game server, or last reported in a district."""

    online: bool | None = None
    server: Word | None = None
    district: Word | None = None


class MissionQuery(PageQuery):
    """Missions by status (``open``: offered, accepted, in_progress; ``over``: the others), player, giver (an NPC) or
    the faction that pays."""

    status: StatusFilter | None = None
    player: PlayerId | None = None
    giver: NpcId | None = None
    faction: Word | None = None


class CompanionQuery(PageQuery):
    """Companions of a player, with their owner (``present``) or gone from it."""

    owner: PlayerId | None = None
    state: CompanionState | None = None


class DistrictQuery(PageQuery):
    """Districts that a faction holds, or of a kind."""

    faction: Word | None = None
    kind: Word | None = None


class _Read(NamedTuple):
    body: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class Lists:
    """Answers requests for pages. A page is kept for ``ttl_s``; requests for the same one share one query of the
    tables."""

    source: WorldLists
    cache: ViewCache
    ttl_s: int
    _asking: dict[str, asyncio.Task[_Read]]

    async def page(self, name: str, query: PageQuery, fresh: bool) -> Response:
        """The page of the list ``name``. Raises InvalidInput for a cursor that is not one of this list, Unavailable."""
        after = None if query.cursor is None else _start_of(name, query.cursor)
        filters = query.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
        asked = _encode([name, sorted(filters.items()), after, query.limit])
        key = list_key(name, blake2b(asked, digest_size=16).hexdigest())
        read = None if fresh else await self._cached(key)
        if read is None:
            task = self._asking.get(key) or self._start(key, name, filters, after, query.limit)
            read = await asyncio.shield(task)
        age_s = max(0, int(time.time() - read.at_s))
        return Response(read.body, 200, {"Age": str(age_s)}, "application/json")

    def _start(
        self, key: str, name: str, filters: Mapping[str, Any], after: PageStart | None, limit: int
    ) -> asyncio.Task[_Read]:
        task = self._asking[key] = asyncio.create_task(self._read(key, name, filters, after, limit))
        task.add_done_callback(lambda done: self._end(key, done))
        return task

    def _end(self, key: str, done: asyncio.Task[_Read]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # retrieved, also where everybody who asked has gone

    async def _read(
        self, key: str, name: str, filters: Mapping[str, Any], after: PageStart | None, limit: int
    ) -> _Read:
        rows = await self.source.rows(name, filters, after, limit + 1)
        shown = rows[:limit]
        more = _cursor_of(name, page_after(shown[-1])) if len(rows) > limit else None
        read = _Read(_encode({"items": shown, "next": more}), time.time())
        await self.cache.put(key, msgspec.msgpack.encode(read), self.ttl_s)
        return read

    async def _cached(self, key: str) -> _Read | None:
        value = await self.cache.get(key)
        return None if value is None else msgspec.msgpack.decode(value, type=_Read)


def lists(source: WorldLists, cache: ViewCache, ttl_s: int) -> Lists:
    """The lists of one replica."""
    return Lists(source, cache, ttl_s, {})


def add_lists(app: FastAPI, pages: Lists, wants_fresh: Callable[[str | None], bool], cache_control: Any) -> None:
    """Add ``/v1/npcs``, ``/v1/players``, ``/v1/missions``, ``/v1/companions`` and ``/v1/districts``."""

    def add(name: str, query: Any, row: Any, what: str) -> None:
        async def read(query: Any, cache_control: str | None = None) -> Response:
            return await pages.page(name, query, wants_fresh(cache_control))

        read.__annotations__.update(
            {"query": Annotated[query, Query()], "cache_control": cache_control, "return": Response}
        )
        app.add_api_route(
            f"/v1/{name}",
            read,
            response_model=Page[row],
            operation_id=f"list_{name}",
            summary=what,
            tags=["lists"],
        )

    add("npcs", NpcQuery, ListedNpc, "NPCs, by id")
    add("players", PlayerQuery, ListedPlayer, "Players who have joined, by id")
    add("missions", MissionQuery, ListedMission, "Missions, the newest first")
    add("companions", CompanionQuery, ListedCompanion, "Companions, by id")
    add("districts", DistrictQuery, ListedDistrict, "Districts and who holds them, by id")


def _cursor_of(name: str, start: PageStart) -> str:
    return base64.urlsafe_b64encode(_encode([name, *start])).rstrip(b"=").decode()


def _start_of(name: str, cursor: str) -> PageStart:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        of, at_s, id_ = _decode_cursor(raw)
    except (ValueError, UnicodeError, msgspec.DecodeError):
        raise InvalidInput("query.cursor", "it is not one that a page of this list named as `next`") from None
    if of != name or not is_clean(id_) or not abs(at_s) < 1e11:
        raise InvalidInput("query.cursor", "it is not one that a page of this list named as `next`")
    return at_s, id_
