"""What a mission is, what can happen to it, and what a read shows.

offered → accepted → in_progress → completed, failed or expired. The template is copied when the mission is offered, so
that a changed world file changes no mission that somebody already has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.deeds import Want
from ganggpt.domain.turn import Event
from ganggpt.domain.world import MissionTemplate

Status = Literal["offered", "accepted", "in_progress", "completed", "failed", "expired"]

OPEN: Final = frozenset({"offered", "accepted", "in_progress"})
TAKEN: Final = frozenset({"accepted", "in_progress"})


class Mission(Struct, frozen=True, gc=False, array_like=True):
    """A mission offered by ``giver`` (an NPC) to ``player``. ``due_s``: when it expires as things stand.

    ``done``: how often each objective of the template was met so far, never more than it asks for.
    """

    template: MissionTemplate
    giver: str
    player: str
    offered_s: float
    due_s: float
    done: tuple[int, ...]
    status: Status = "offered"
    accepted_s: float | None = None
    ended_s: float | None = None
    reason: str = ""


class MissionOffered(Event, frozen=True):
    """A mission was offered; the offer stands until ``due_s``."""

    template: MissionTemplate
    giver: str
    player: str
    at_s: float
    due_s: float


class MissionAccepted(Event, frozen=True):
    """The player took it on; it has to be done by ``due_s``."""

    at_s: float
    due_s: float


class MissionProgressed(Event, frozen=True):
    """Deeds of the player counted; the first of them starts the mission. ``done``: by objective, as it is now."""

    done: tuple[int, ...]
    at_s: float


class MissionCompleted(Event, frozen=True):
    """Everything was done."""

    at_s: float


class MissionFailed(Event, frozen=True):
    """The player gave it up or said no to the offer; ``reason`` is a stable word."""

    reason: str
    at_s: float


class MissionExpired(Event, frozen=True):
    """Its time was over."""

    reason: str
    at_s: float


MissionEvent = MissionOffered | MissionAccepted | MissionProgressed | MissionCompleted | MissionFailed | MissionExpired


def wants_of(template: MissionTemplate) -> tuple[Want, ...]:
    """The deeds a template asks for. Its verbs were checked when the world was loaded."""
    return tuple(Want(o.verb, o.target, o.district) for o in template.objectives)  # type: ignore[arg-type]


def is_done(mission: Mission) -> bool:
    """Whether every objective was met as often as it asks for."""
    return all(
        done >= objective.count for done, objective in zip(mission.done, mission.template.objectives, strict=True)
    )


def _offered(_: Mission | None, event: MissionOffered) -> Mission:
    nothing = (0,) * len(event.template.objectives)
    return Mission(event.template, event.giver, event.player, event.at_s, event.due_s, nothing)


def _accepted(state: Mission, event: MissionAccepted) -> Mission:
    return replace(state, status="accepted", accepted_s=event.at_s, due_s=event.due_s)


def _progressed(state: Mission, event: MissionProgressed) -> Mission:
    return replace(state, status="in_progress", done=event.done)


def _completed(state: Mission, event: MissionCompleted) -> Mission:
    return replace(state, status="completed", ended_s=event.at_s)


def _failed(state: Mission, event: MissionFailed) -> Mission:
    return replace(state, status="failed", ended_s=event.at_s, reason=event.reason)


def _expired(state: Mission, event: MissionExpired) -> Mission:
    return replace(state, status="expired", ended_s=event.at_s, reason=event.reason)


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Mission]]] = {
    MissionOffered: _offered,
    MissionAccepted: _accepted,
    MissionProgressed: _progressed,
    MissionCompleted: _completed,
    MissionFailed: _failed,
    MissionExpired: _expired,
}


def evolve(state: Mission | None, event: MissionEvent) -> Mission:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)


def objectives(state: Mission) -> list[dict[str, Any]]:
    """What there is to do and how much of it is done."""
    return [
        {"verb": o.verb, "target": o.target, "district": o.district, "count": o.count, "done": done}
        for o, done in zip(state.template.objectives, state.done, strict=True)
    ]


def view(state: Mission, now_s: float) -> dict[str, Any]:
    """What a read shows. ``left_s``: seconds until it expires, None once it is over."""
    template = state.template
    return {
        "template": template.id,
        "title": template.title,
        "description": template.description,
        "status": state.status,
        "reason": state.reason,
        "giver": state.giver,
        "player": state.player,
        "difficulty": template.difficulty,
        "minutes": template.minutes,
        "reward": template.reward,
        "impact": dict(template.impact),
        "frictions": dict(template.frictions),
        "objectives": objectives(state),
        "offered_s": state.offered_s,
        "accepted_s": state.accepted_s,
        "due_s": state.due_s,
        "ended_s": state.ended_s,
        "left_s": round(max(0.0, state.due_s - now_s), 1) if state.status in OPEN else None,
    }
