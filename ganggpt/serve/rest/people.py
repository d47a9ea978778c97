"""``GET /v1/districts/{id}/people``: who of the world's people is in a district now, and where their bodies stand.

For game servers, which spawn bodies near players. It is computed from the days of their lives (``domain.daily_life``);
only who has retired is asked of the tables. People a game server spawned itself stand where it put them, and are not
listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from ganggpt.domain.daily_life import Whereabouts, clock_at, people_in
from ganggpt.domain.lore import Posture
from ganggpt.domain.world import World
from ganggpt.errors import InvalidInput
from ganggpt.persistence.ports.listed import WorldLists
from ganggpt.protocol.codec import write_json
from ganggpt.protocol.frames import printable

RETIRED_MAX: Final = 1000
"""How many retired people are looked up."""

Minute = Annotated[
    int | None,
    Query(
        ge=0, le=1439, description="What the game's clock shows, in minutes since midnight; else the world's own clock"
    ),
]


class Position(BaseModel):
    """A place, in game metres."""

    x: float
    y: float
    z: float


class PersonThere(BaseModel):
    """Somebody who is in a district."""

    npc: Annotated[str, Field(description="Their id")]
    name: str
    role: str
    faction: str | None
    spot: Annotated[str, Field(description="Where in the district, to follow 'at'")]
    doing: Annotated[str, Field(description="What they do there, to follow 'is'")]
    posture: Posture
    until: Annotated[int, Field(description="The minute of the day at which they leave")]
    company: Annotated[list[str], Field(description="The ids of those who are meant to be with them")]
    position: Position
    heading: Annotated[float, Field(description="Degrees, 0 to 360")]


class PeopleOfDistrict(BaseModel):
    """Who is in a district at a minute of the day."""

    district: str
    name: str
    minute: Annotated[int, Field(description="The minute of the day this is true for")]
    people: list[PersonThere]


@dataclass(frozen=True, slots=True)
class People:
    """Answers who is where. ``now_s``: the time, in Unix seconds."""

    world: Callable[[], World]
    source: WorldLists
    now_s: Callable[[], float]

    async def there(self, district: str, minute: int | None) -> PeopleOfDistrict:
        """Who is in a district. Raises InvalidInput for one the world does not have, and Unavailable."""
        world, now_s = self.world(), self.now_s()
        known = world.districts.get(district)
        if known is None:
            some = ", ".join(sorted(world.districts)[:5])
            raise InvalidInput("name", f"there is no district {printable(district, 80)!r}; there are {some} and others")
        gone = await self.source.rows("npcs", {"retired": True}, None, RETIRED_MAX)
        away = {row.id for row in gone}
        found = people_in(world, district, now_s, minute)
        shown = [_shown(world, one) for one in found if f"npc:{one.npc}" not in away]
        at = clock_at(world, now_s)[1] if minute is None else minute
        return PeopleOfDistrict(district=district, name=known.name, minute=at, people=shown)


def _shown(world: World, one: Whereabouts) -> PersonThere:
    sheet = world.npcs[one.npc]
    return PersonThere(
        npc=f"npc:{one.npc}",
        name=sheet.name,
        role=sheet.role,
        faction=sheet.faction,
        spot=one.spot,
        doing=one.doing,
        posture=one.posture,
        until=one.until,
        company=[f"npc:{other}" for other in one.company],
        position=Position(x=one.x, y=one.y, z=one.z),
        heading=one.heading,
    )


def add_people(app: FastAPI, people: People) -> None:
    """Add the route."""

    async def read(
        name: Annotated[str, Path(description="The id of the district, such as `figtree`")], minute: Minute = None
    ) -> Any:
        there = await people.there(name, minute)
        return Response(write_json(there.model_dump()), 200, {"Age": "0"}, "application/json")

    app.add_api_route(
        "/v1/districts/{name}/people",
        read,
        response_model=PeopleOfDistrict,
        operation_id="list_people",
        summary="Who is in a district now, and where their bodies stand",
        tags=["lists"],
    )
