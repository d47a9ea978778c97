"""The state of a player, their events, and what a read shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import Ceased, PlayerForgotten
from ganggpt.domain.messages import MissionOutcome
from ganggpt.domain.mind.affect import STANDING_HALF_LIFE_S, faded, standing_label
from ganggpt.domain.mission_design.deeds import Deed, Want
from ganggpt.domain.mission_design.difficulty import SKILL_START, rated
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Event

ACTIVE_MAX: Final = 8
STANDINGS_MAX: Final = 64
SCENE_FRESH_S: Final = 60.0
"""How long what was reported of a player's surroundings holds for deeds that are reported without."""


class ActiveMission(Struct, frozen=True, gc=False, array_like=True):
    """A mission the player took, and the deeds that count for it."""

    title: str
    wants: tuple[Want, ...]
    since_s: float


class FactionStanding(Struct, frozen=True, gc=False, array_like=True):
    """The standing with a faction at ``at_s``, −100..100, fading towards 0."""

    value: float
    at_s: float
    cause: str = ""


class Player(Struct, frozen=True, gc=False, array_like=True):
    """A player. ``server``: where they are online, else None; ``playtime_s``: of the sessions that ended.

    Cash in dollars comes from rewards alone. ``active``: missions taken, by actor id. ``skill`` 0..100: how hard the
    jobs are that go well (``difficulty.rated``). ``scene``: what was around them when it was last reported.
    """

    username: str
    email: str | None
    joined_s: float
    tier: str = "free"
    server: str | None = None
    online_since_s: float = 0.0
    seen_s: float = 0.0
    playtime_s: float = 0.0
    last_login_s: float = 0.0
    position: tuple[float, float, float] | None = None
    district: str | None = None
    active: Mapping[str, ActiveMission] = {}
    cash: int = 0
    standings: Mapping[str, FactionStanding] = {}
    completed: int = 0
    failed: int = 0
    deeds: int = 0
    skill: float = SKILL_START
    scene: TalkScene | None = None
    scene_s: float = 0.0


class Joined(Event, frozen=True, tag="Joined"):
    """A session began. ``played_s``: the playtime of the session before, where that was never ended."""

    username: str
    email: str | None
    server: str
    played_s: float
    at_s: float


class Left(Event, frozen=True, tag="Left"):
    """The session ended after ``played_s``."""

    played_s: float
    at_s: float


class Reported(Event, frozen=True, tag="Reported"):
    """Position, district, deeds and surroundings of the player; None: unchanged."""

    position: tuple[float, float, float] | None
    district: str | None
    deeds: tuple[Deed, ...]
    at_s: float
    scene: TalkScene | None = None


class MissionTaken(Event, frozen=True, tag="MissionTaken"):
    """The player took a mission."""

    mission: str
    title: str
    wants: tuple[Want, ...]
    at_s: float


class MissionEnded(Event, frozen=True, tag="MissionEnded"):
    """A mission ended and paid ``reward`` dollars. ``difficulty``: 0 where the end says nothing about the player's
    skill."""

    mission: str
    outcome: MissionOutcome
    reward: int
    at_s: float
    difficulty: int = 0


class StandingShifted(Event, frozen=True, tag="StandingShifted"):
    """The standing with a faction moved by ``applied``."""

    faction: str
    applied: float
    cause: str
    at_s: float


PlayerEvent = Joined | Left | Reported | MissionTaken | MissionEnded | StandingShifted | PlayerForgotten | Ceased


def standing_now(state: Player, faction: str, now_s: float) -> float:
    """The standing with a faction now; 0 with one that does not know the player."""
    known = state.standings.get(faction)
    return 0.0 if known is None else faded(known.value, 0.0, now_s - known.at_s, STANDING_HALF_LIFE_S)


def scene_now(state: Player, now_s: float) -> TalkScene | None:
    """What is around the player, as far as that was reported a moment ago."""
    return state.scene if now_s - state.scene_s <= SCENE_FRESH_S else None


def playtime_now_s(state: Player, now_s: float) -> float:
    """Seconds played in all sessions, the open one included."""
    return state.playtime_s + (max(0.0, now_s - state.online_since_s) if state.server is not None else 0.0)


def _joined(state: Player | None, event: Joined) -> Player:
    before = Player(event.username, event.email, event.at_s) if state is None else state
    return replace(
        before,
        username=event.username,
        email=event.email if event.email is not None else before.email,
        server=event.server,
        online_since_s=event.at_s,
        seen_s=event.at_s,
        last_login_s=event.at_s,
        playtime_s=before.playtime_s + event.played_s,
    )


def _left(state: Player, event: Left) -> Player:
    return replace(state, server=None, seen_s=event.at_s, playtime_s=state.playtime_s + event.played_s)


def _reported(state: Player, event: Reported) -> Player:
    return replace(
        state,
        position=event.position if event.position is not None else state.position,
        district=event.district if event.district is not None else state.district,
        deeds=state.deeds + len(event.deeds),
        seen_s=event.at_s,
        scene=state.scene if event.scene is None else event.scene,
        scene_s=state.scene_s if event.scene is None else event.at_s,
    )


def _mission_taken(state: Player, event: MissionTaken) -> Player:
    active = {**state.active, event.mission: ActiveMission(event.title, event.wants, event.at_s)}
    return replace(state, active=active)


def _mission_ended(state: Player, event: MissionEnded) -> Player:
    completed = event.outcome == "completed"
    return replace(
        state,
        active={mission: active for mission, active in state.active.items() if mission != event.mission},
        cash=state.cash + event.reward,
        completed=state.completed + completed,
        failed=state.failed + (not completed),
        skill=rated(state.skill, event.difficulty, done=completed) if event.difficulty else state.skill,
    )


def _standing_shifted(state: Player, event: StandingShifted) -> Player:
    value = standing_now(state, event.faction, event.at_s) + event.applied
    return replace(state, standings={**state.standings, event.faction: FactionStanding(value, event.at_s, event.cause)})


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Player]]] = {
    Joined: _joined,
    Left: _left,
    Reported: _reported,
    MissionTaken: _mission_taken,
    MissionEnded: _mission_ended,
    StandingShifted: _standing_shifted,
    PlayerForgotten: erasure.fold,
    Ceased: erasure.ceased,
}


def evolve(state: Player | None, event: PlayerEvent) -> Player:
    """The state after an event. (After Ceased there is none; only the runtime folds that.)"""
    return _FOLDS[type(event)](state, event)


def _shown(scene: TalkScene | None) -> dict[str, Any] | None:
    return None if scene is None else {**to_builtins(scene), "near": list(scene.near)}


def view(state: Player, now_s: float) -> dict[str, Any]:
    """What a read shows: profile, session, missions taken, standing with each faction as it is now."""
    standings = {faction: standing_now(state, faction, now_s) for faction in sorted(state.standings)}
    return {
        "username": state.username,
        "email": state.email,
        "tier": state.tier,
        "online": state.server is not None,
        "server": state.server,
        "online_since_s": state.online_since_s if state.server is not None else None,
        "last_login_s": state.last_login_s,
        "playtime_s": round(playtime_now_s(state, now_s), 1),
        "position": list(state.position) if state.position is not None else None,
        "district": state.district,
        "scene": _shown(scene_now(state, now_s)),
        "cash": state.cash,
        "missions": [
            {"mission": mission, "title": active.title, "since_s": active.since_s}
            for mission, active in state.active.items()
        ],
        "standing": {
            faction: {"value": round(value, 1), "label": standing_label(value), "cause": state.standings[faction].cause}
            for faction, value in standings.items()
        },
        "completed": state.completed,
        "failed": state.failed,
        "deeds": state.deeds,
        "skill": round(state.skill, 1),
        "joined_s": state.joined_s,
    }
