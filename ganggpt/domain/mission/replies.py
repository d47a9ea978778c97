"""What a mission replies, and what a read of one shows."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.messages import Origin
from ganggpt.domain.world import DeedVerb

StatusNow = Literal["offered", "accepted", "in_progress", "completed", "failed", "expired"]


class ObjectiveDone(TypedDict):
    """One objective, and how much of it is done."""

    verb: DeedVerb
    target: str
    district: Annotated[str | None, Doc("null: anywhere")]
    count: int
    done: int


class AcceptReply(TypedDict):
    """The mission is the player's."""

    status: StatusNow
    due_s: Annotated[float, Doc("Unix seconds: until then it has to be done")]
    objectives: list[ObjectiveDone]
    reward: Annotated[int, Doc("dollars; the push `mission.reward` says if the payer can pay less")]


class ObjectiveShown(ObjectiveDone):
    """One objective, with what completes it."""

    within_minutes: Annotated[int | None, Doc("later than this the mission fails")]
    completed_by: Annotated[str, Doc("the event of the game to report")]


class MissionExplained(TypedDict):
    """Why the mission is as it is."""

    origin: Origin
    why: list[str]
    payer: Annotated[str | None, Doc("a faction; null: the giver")]
    promised: Annotated[int, Doc("dollars")]
    kept_for_it: Annotated[int | None, Doc("dollars the payer set aside; null until it has answered")]


class MissionView(TypedDict):
    """A mission as it is now."""

    template: str
    title: str
    description: str
    status: StatusNow
    reason: Annotated[str, Doc("why it failed or expired")]
    giver: str
    player: str
    difficulty: int
    minutes: int
    reward: int
    impact: Annotated[dict[str, int], Doc("on the player's standing, by faction")]
    frictions: Annotated[dict[str, int], Doc("on relations, by `one>other`")]
    objectives: list[ObjectiveShown]
    in_order: bool
    next: Annotated[int | None, Doc("the objective that counts now; null: any")]
    progress: Annotated[float, Doc("0 to 1")]
    offered_s: float
    accepted_s: float | None
    due_s: float
    ended_s: float | None
    left_s: Annotated[float | None, Doc("seconds until it expires; null once it is over")]
    explanation: MissionExplained
