"""The state of a mission, its events, and what a read shows.

offered → accepted → in_progress → completed, failed or expired. The template is copied when the mission is offered, so
that a change of the world file does not change missions that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import Ceased, PlayerForgotten
from ganggpt.domain.mission_design import progress
from ganggpt.domain.mission_design.objectives import EVIDENCE
from ganggpt.domain.turn import Event
from ganggpt.domain.world import MissionTemplate

Status = Literal["offered", "accepted", "in_progress", "completed", "failed", "expired"]

OPEN: Final = frozenset({"offered", "accepted", "in_progress"})
TAKEN: Final = frozenset({"accepted", "in_progress"})


class Mission(Struct, frozen=True, gc=False, array_like=True):
    """A mission offered by ``giver`` (an NPC) to ``player``. ``due_s``: when it expires as things stand.

    ``done``: how often each objective of the template was met so far, never more than it asks for. ``payer``: the
    faction that pays (None: the giver); ``funded``: the dollars it reserved for the reward, None until it has answered.
    ``why``: lines that explain the mission.
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
    origin: str = "template"
    payer: str | None = None
    why: tuple[str, ...] = ()
    funded: int | None = None


class MissionOffered(Event, frozen=True, tag="MissionOffered"):
    """A mission was offered; the offer stands until ``due_s``."""

    template: MissionTemplate
    giver: str
    player: str
    at_s: float
    due_s: float
    origin: str = "template"
    payer: str | None = None
    why: tuple[str, ...] = ()


class MissionAccepted(Event, frozen=True, tag="MissionAccepted"):
    """The player accepted the mission; it has to be done by ``due_s``."""

    at_s: float
    due_s: float


class MissionFunded(Event, frozen=True, tag="MissionFunded"):
    """The payer reserved so many dollars for the reward: what the mission pays from now on."""

    dollars: int
    at_s: float


class MissionProgressed(Event, frozen=True, tag="MissionProgressed"):
    """Deeds of the player counted; the first one starts the mission. ``done``: by objective, after them."""

    done: tuple[int, ...]
    at_s: float


class MissionCompleted(Event, frozen=True, tag="MissionCompleted"):
    """Every objective was done."""

    at_s: float


class MissionFailed(Event, frozen=True, tag="MissionFailed"):
    """The mission ended early: the player gave up or declined, or it could not be paid; ``reason`` is a stable word."""

    reason: str
    at_s: float


class MissionExpired(Event, frozen=True, tag="MissionExpired"):
    """The time of the mission or of its offer was over."""

    reason: str
    at_s: float


MissionEvent = (
    MissionOffered
    | MissionAccepted
    | MissionFunded
    | MissionProgressed
    | MissionCompleted
    | MissionFailed
    | MissionExpired
    | PlayerForgotten
    | Ceased
)


def reward_of(mission: Mission) -> int:
    """What the mission pays, in dollars."""
    return mission.template.reward if mission.funded is None else mission.funded


def deadline_s(mission: Mission) -> float:
    """When the mission expires as things stand: when its offer or its time ends, or when an objective is due sooner."""
    if mission.accepted_s is None:
        return mission.due_s
    return progress.deadline_s(mission.template, mission.done, mission.accepted_s, mission.due_s)


def _offered(_: Mission | None, event: MissionOffered) -> Mission:
    nothing = (0,) * len(event.template.objectives)
    return Mission(
        event.template,
        event.giver,
        event.player,
        event.at_s,
        event.due_s,
        nothing,
        origin=event.origin,
        payer=event.payer,
        why=event.why,
    )


def _accepted(state: Mission, event: MissionAccepted) -> Mission:
    return replace(state, status="accepted", accepted_s=event.at_s, due_s=event.due_s)


def _funded(state: Mission, event: MissionFunded) -> Mission:
    return replace(state, funded=event.dollars)


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
    MissionFunded: _funded,
    MissionProgressed: _progressed,
    MissionCompleted: _completed,
    MissionFailed: _failed,
    MissionExpired: _expired,
    PlayerForgotten: erasure.fold,
    Ceased: erasure.ceased,
}


def evolve(state: Mission | None, event: MissionEvent) -> Mission:
    """The state after an event. (After Ceased there is none; only the runtime folds that.)"""
    return _FOLDS[type(event)](state, event)


def objectives(state: Mission) -> list[dict[str, Any]]:
    """The objectives, and how much of each is done."""
    return [
        {"verb": o.verb, "target": o.target, "district": o.district, "count": o.count, "done": done}
        for o, done in zip(state.template.objectives, state.done, strict=True)
    ]


def view(state: Mission, now_s: float) -> dict[str, Any]:
    """What a read shows. ``left_s``: seconds until it expires, None once it is over. ``next``: the objective that
    counts now, None where any of them does. ``explanation``: where the mission came from, why it is as it is, who pays.
    """
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
        "reward": reward_of(state),
        "impact": dict(template.impact),
        "frictions": dict(template.frictions),
        "objectives": [
            {**shown, "within_minutes": o.within_minutes, "completed_by": EVIDENCE.get(o.verb, "")}
            for o, shown in zip(template.objectives, objectives(state), strict=True)
        ],
        "in_order": template.in_order,
        "next": _next(state),
        "progress": round(sum(state.done) / sum(o.count for o in template.objectives), 3),
        "offered_s": state.offered_s,
        "accepted_s": state.accepted_s,
        "due_s": state.due_s,
        "ended_s": state.ended_s,
        "left_s": round(max(0.0, deadline_s(state) - now_s), 1) if state.status in OPEN else None,
        "explanation": {
            "origin": state.origin,
            "why": list(state.why),
            "payer": state.payer,
            "promised": template.reward,
            "kept_for_it": state.funded,
        },
    }


def _next(state: Mission) -> int | None:
    if not state.template.in_order or state.status not in OPEN:
        return None
    pairs = zip(state.done, state.template.objectives, strict=True)
    return next((place for place, (done, o) in enumerate(pairs) if done < o.count), None)
