"""The types of objectives: what each verb is done to, which game event completes it, how long and how risky it is.

An objective is completed by a deed of the same verb, target and district that a game server reports, never by words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.world import DeedVerb, ThingKind

TargetKind = ThingKind | Literal["npc", "faction", "district"]


class ObjectiveType(Struct, frozen=True, kw_only=True):
    """One type of objective. ``targets``: what it can be done to, the usual one first. ``event``: what has to happen in
    the game. ``minutes``: how long one takes. ``risk``: what one adds to the difficulty. ``count_max``: how often a
    generated mission asks for it. ``hostile``: it hurts whoever the target or the ground belongs to."""

    targets: tuple[TargetKind, ...]
    event: str
    minutes: float
    risk: float
    count_max: int
    hostile: bool = False


OBJECTIVES: Final[Mapping[DeedVerb, ObjectiveType]] = {
    "deliver": ObjectiveType(
        targets=("item", "vehicle"),
        event="the thing leaves the player's hands, trunk or seat at its place in the district",
        minutes=1.5,
        risk=0.4,
        count_max=6,
    ),
    "collect": ObjectiveType(
        targets=("item",),
        event="the thing comes into the player's inventory or trunk in the district",
        minutes=2.0,
        risk=0.5,
        count_max=6,
    ),
    "talk_to": ObjectiveType(
        targets=("npc",),
        event="a Talk of the player to this person was answered, face to face",
        minutes=1.0,
        risk=0.2,
        count_max=1,
    ),
    "threaten": ObjectiveType(
        targets=("npc", "crew"),
        event="a Threaten of the player to this person was answered, or the player aimed at one of the crew for 3 s",
        minutes=2.0,
        risk=1.0,
        count_max=3,
        hostile=True,
    ),
    "defend": ObjectiveType(
        targets=("spot", "npc"),
        event="a wave of attackers ended while the player stood within 60 m and the spot or person still stands",
        minutes=5.0,
        risk=1.4,
        count_max=4,
    ),
    "steal_vehicle": ObjectiveType(
        targets=("vehicle",),
        event="the player drives a vehicle of this kind that is not theirs and has left where it stood by 200 m",
        minutes=3.0,
        risk=1.6,
        count_max=3,
        hostile=True,
    ),
    "race": ObjectiveType(
        targets=("course",),
        event="the player passed the last checkpoint of the course in the time of the course",
        minutes=6.0,
        risk=1.2,
        count_max=2,
    ),
    "sabotage": ObjectiveType(
        targets=("device", "vehicle", "spot", "item"),
        event="the thing's health is gone, or it was set to broken by the player's tool",
        minutes=2.0,
        risk=1.3,
        count_max=6,
        hostile=True,
    ),
    "escort": ObjectiveType(
        targets=("npc", "vehicle"),
        event="the person or vehicle reached the district alive with the player within 80 m",
        minutes=5.0,
        risk=1.8,
        count_max=1,
    ),
    "eliminate": ObjectiveType(
        targets=("crew", "faction"),
        event="one of the crew, or of the faction's unnamed people, died or gave up by the player's hand",
        minutes=2.0,
        risk=1.5,
        count_max=12,
        hostile=True,
    ),
    "pay": ObjectiveType(
        targets=("npc", "crew"),
        event="the agreed money went from the player to this person",
        minutes=1.0,
        risk=0.2,
        count_max=1,
    ),
    "scout": ObjectiveType(
        targets=("spot", "vehicle", "crew"),
        event="the player was within 50 m and in sight of it for 20 s without being attacked",
        minutes=3.0,
        risk=0.8,
        count_max=5,
    ),
    "photograph": ObjectiveType(
        targets=("npc", "spot", "vehicle"),
        event="the phone's camera took a picture with the target in frame within 60 m",
        minutes=2.0,
        risk=0.7,
        count_max=4,
    ),
    "hack": ObjectiveType(
        targets=("device",),
        event="the hacking game on the device was won",
        minutes=4.0,
        risk=1.7,
        count_max=3,
        hostile=True,
    ),
    "reach": ObjectiveType(
        targets=("district",),
        event="the player entered the district's circle (the middle and radius of the world file)",
        minutes=0.5,
        risk=0.3,
        count_max=1,
    ),
}
"""All types by verb."""

TAKES: Final[frozenset[str]] = frozenset(("collect", "steal_vehicle"))
"""Verbs after which the player holds what they were done to."""
EVIDENCE: Final[Mapping[str, str]] = {verb: kind.event for verb, kind in OBJECTIVES.items()}
"""By verb: the game event that completes it."""
