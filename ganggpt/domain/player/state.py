"""What a player is, what can happen to them, and what a read shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import Ceased, PlayerForgotten
from ganggpt.domain.messages import MissionOutcome
from ganggpt.domain.mind.affect import STANDING_HALF_LIFE_S, faded, standing_label
from ganggpt.domain.mission_design.deeds import Deed, Want
from ganggpt.domain.mission_design.difficulty import SKILL_START, rated
from ganggpt.domain.turn import Event

ACTIVE_MAX: Final = 8
STANDINGS_MAX: Final = 64


class ActiveMission(Struct, frozen=True, gc=False, array_like=True):
    """A mission the player has taken, and the deeds it waits for."""

    title: str
    wants: tuple[Want, ...]
    since_s: float


class FactionStanding(Struct, frozen=True, gc=False, array_like=True):
    """Standing with a faction as it was at ``at_s``, −100..100, fading towards 0."""

    value: float
    at_s: float
    cause: str = ""


class Player(Struct, frozen=True, gc=False, array_like=True):
    """A player. ``server``: where they are online, else None; ``playtime_s``: of the sessions that ended.

    Cash in dollars comes from rewards alone. ``active``: missions taken, by actor id. ``skill`` 0..100: how hard the
    jobs are that go well (``difficulty.rated``).
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


class Joined(Event, frozen=True, tag="Joined"):
    """A session began. ``played_s``: what the one before added to the playtime, where it was never ended."""

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
    """Where the player is and what they did; None: unchanged."""

    position: tuple[float, float, float] | None
    district: str | None
    deeds: tuple[Deed, ...]
    at_s: float


class MissionTaken(Event, frozen=True, tag="MissionTaken"):
    """A mission is the player's now."""

    mission: str
    title: str
    wants: tuple[Want, ...]
    at_s: float


class MissionEnded(Event, frozen=True, tag="MissionEnded"):
    """A mission is over, and so many dollars were paid. ``difficulty``: 0 where the end says nothing about skill."""

    mission: str
    outcome: MissionOutcome
    reward: int
    at_s: float
    difficulty: int = 0


class StandingShifted(Event, frozen=True, tag="StandingShifted"):
    """A faction thinks better or worse of the player by ``applied``."""

    faction: str
    applied: float
    cause: str
    at_s: float


PlayerEvent = Joined | Left | Reported | MissionTaken | MissionEnded | StandingShifted | PlayerForgotten | Ceased


def standing_now(state: Player, faction: str, now_s: float) -> float:
    """Standing with a faction now; 0 with one that knows nothing of the player."""
    known = state.standings.get(faction)
    return 0.0 if known is None else faded(known.value, 0.0, now_s - known.at_s, STANDING_HALF_LIFE_S)


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
