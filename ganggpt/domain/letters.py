"""The commands that actors of different kinds send each other, in one place so that no kind has to import another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Len

from ganggpt.domain.deeds import Deeds16, Wants8
from ganggpt.domain.fields import (
    MissionRef,
    Money,
    Name50,
    Name100,
    NpcRef,
    PlayerRef,
    Signed100,
    Slug,
    Step20,
    Text200,
    UnixSeconds,
)
from ganggpt.domain.npc_commands import Remember
from ganggpt.domain.turn import Command

__all__ = [
    "Abandon",
    "ApplyMissionImpact",
    "EndMission",
    "LoseTerritory",
    "Notify",
    "Offer",
    "Outcome",
    "Progress",
    "Remember",
    "ShiftRelation",
    "ShiftStanding",
    "SufferRaid",
    "TakeMission",
    "TakePayment",
]

Outcome = Literal["completed", "failed", "expired"]
Frictions = Annotated[dict[Slug, Step20], Len(0, 16)]


@dataclass(frozen=True, slots=True)
class Offer(Command):
    """To a mission: come to life from a template of the world, offered by an NPC to a player."""

    template: Slug
    giver: NpcRef
    player: PlayerRef
    creates: ClassVar[bool] = True
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Progress(Command):
    """To a mission: its player did these things."""

    deeds: Deeds16
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Abandon(Command):
    """To a mission: its player gives it up, or says no to the offer."""


@dataclass(frozen=True, slots=True)
class TakeMission(Command):
    """To a player: this mission is yours now, and these are the deeds it waits for."""

    mission: MissionRef
    title: Name100
    wants: Wants8
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class EndMission(Command):
    """To a player: the mission is over. ``reward`` in dollars, 0 unless completed."""

    mission: MissionRef
    outcome: Outcome
    reward: Money = 0
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShiftStanding(Command):
    """To a player: a faction thinks better or worse of you."""

    faction: Slug
    delta: Step20
    cause: Text200
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """To a player: show this on the game server you are on, if you are on one."""

    type: Name50
    body: Mapping[str, Any]
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ShiftRelation(Command):
    """To a faction: you think better or worse of another one. ``cause`` is kept in the ledger."""

    other: Slug
    delta: Signed100
    cause: Text200


@dataclass(frozen=True, slots=True)
class ApplyMissionImpact(Command):
    """To a faction: a mission that concerns you was completed.

    ``standing``: what it did to the player's standing with you; ``frictions``: how it moves your relations.
    """

    mission: MissionRef
    player: PlayerRef
    standing: Step20
    frictions: Frictions
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class LoseTerritory(Command):
    """To a faction: the faction ``to`` claimed a district at ``at_s``; later claims win everywhere alike."""

    district: Slug
    to: Slug
    at_s: UnixSeconds
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SufferRaid(Command):
    """To a faction: another one raids you for at most this many dollars. What is lost goes to the raider."""

    raider: Slug
    dollars_max: Money
    internal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TakePayment(Command):
    """To a faction: these dollars left another faction's treasury for yours."""

    payer: Slug
    dollars: Money
    cause: Text200
    internal: ClassVar[bool] = True
