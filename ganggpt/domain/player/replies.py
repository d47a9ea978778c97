"""What a player replies, and what a read of one shows."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.mind.replies import StandingLabel
from ganggpt.domain.scene import Weather


class JoinReply(TypedDict):
    """The player is online, and pushes for them go to this game server."""

    player: Annotated[str, Doc("the id, as it was sent")]
    new: Annotated[bool, Doc("true for a player this world has never seen")]
    cash: Annotated[int, Doc("dollars from missions")]
    missions: Annotated[list[str], Doc("ids of missions they have taken")]
    playtime_s: float


class QuitReply(TypedDict):
    """The player is offline."""

    playtime_s: Annotated[float, Doc("in all sessions")]


class ReportReply(TypedDict):
    """Which missions the deeds may count for."""

    counts_for: Annotated[list[str], Doc("ids of missions; what counted comes as `mission.progress`")]


class ActiveShown(TypedDict):
    """A mission the player has taken."""

    mission: str
    title: str
    since_s: float


class FactionStandingShown(TypedDict):
    """The standing with one faction."""

    value: Annotated[float, Doc("−100 to 100")]
    label: StandingLabel
    cause: Annotated[str, Doc("why it last changed")]


class SceneShown(TypedDict):
    """What was reported to be around a player."""

    place: str
    minute: Annotated[int | None, Doc("game time, since midnight")]
    weather: Weather | None
    near: Annotated[list[str], Doc("names of others who stand there")]


class PlayerView(TypedDict):
    """A player as they are now."""

    username: str
    email: str | None
    tier: str
    online: bool
    server: str | None
    online_since_s: float | None
    last_login_s: float
    playtime_s: float
    position: Annotated[list[float] | None, Doc("x, y, z in metres")]
    district: str | None
    scene: Annotated[SceneShown | None, Doc("what is around them, as reported in the last minute")]
    cash: Annotated[int, Doc("dollars from missions")]
    missions: list[ActiveShown]
    standing: Annotated[dict[str, FactionStandingShown], Doc("by faction")]
    completed: int
    failed: int
    deeds: int
    skill: Annotated[float, Doc("0 to 100: how hard the jobs are that go well")]
    joined_s: float
