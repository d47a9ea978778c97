"""The events of a faction."""

from __future__ import annotations

from typing import Literal

from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.retirement import Retired
from ganggpt.domain.turn import Event
from ganggpt.domain.world import FactionSheet

BondKind = Literal["pact", "war"]


class Founded(Event, frozen=True, tag="Founded"):
    """A faction came into the world."""

    sheet: FactionSheet
    at_s: float


class Returned(Event, frozen=True, tag="Returned"):
    """A retired faction came back, with this sheet: it holds the ground of it, and has the money that it had left."""

    sheet: FactionSheet
    at_s: float


class Revised(Event, frozen=True, tag="Revised"):
    """The sheet of the faction is this now. A relation moves with its rest."""

    sheet: FactionSheet
    at_s: float


class RelationShifted(Event, frozen=True, tag="RelationShifted"):
    """The relation to ``other`` moved by ``applied``. ``by``: the sender of the command."""

    other: str
    applied: float
    cause: str
    by: str
    at_s: float


class TerritoryClaimed(Event, frozen=True, tag="TerritoryClaimed"):
    """A district is ours for so many dollars."""

    district: str
    dollars: int
    influence: float
    at_s: float


class TerritoryLost(Event, frozen=True, tag="TerritoryLost"):
    """A district went to another faction."""

    district: str
    to: str
    influence: float
    at_s: float


class MissionImpactApplied(Event, frozen=True, tag="MissionImpactApplied"):
    """A player completed a mission that concerns us."""

    mission: str
    player: str
    standing: int
    influence: float
    at_s: float


class RaidSuffered(Event, frozen=True, tag="RaidSuffered"):
    """Another faction raided or betrayed us and took so many dollars. ``strength``: what is left of ours."""

    raider: str
    dollars: int
    influence: float
    at_s: float
    strength: float | None = None


class PaymentTaken(Event, frozen=True, tag="PaymentTaken"):
    """Dollars from another faction came into the treasury."""

    payer: str
    dollars: int
    cause: str
    at_s: float


class PoliticalTurnTaken(Event, frozen=True, tag="PoliticalTurnTaken"):
    """A political turn: what was done, on whom or where, what came in since the last one and what was spent.

    ``spent`` includes ``upkeep``. ``words``: what it sounds like; ``by``: who chose it, "" for the rules themselves.
    """

    move: str
    other: str | None
    district: str | None
    income: int
    spent: int
    at_s: float
    upkeep: int = 0
    words: str = ""
    by: str = ""


class StrengthChanged(Event, frozen=True, tag="StrengthChanged"):
    """The fighting strength is this now."""

    strength: float
    cause: str
    at_s: float


class BondMade(Event, frozen=True, tag="BondMade"):
    """A pact or a war with another faction began, and ends by itself at ``until_s``."""

    other: str
    kind: BondKind
    until_s: float
    at_s: float


class BondEnded(Event, frozen=True, tag="BondEnded"):
    """A pact or a war ended before its time."""

    other: str
    kind: BondKind
    cause: str
    at_s: float


class TradeMade(Event, frozen=True, tag="TradeMade"):
    """A deal with another faction brought so many dollars to us."""

    other: str
    dollars: int
    at_s: float


class RewardReserved(Event, frozen=True, tag="RewardReserved"):
    """Dollars left the treasury for the reward of a mission and are reserved until it ends, at the latest
    ``until_s``."""

    mission: str
    player: str
    dollars: int
    until_s: float
    at_s: float


class RewardPaid(Event, frozen=True, tag="RewardPaid"):
    """A player was paid for a mission. ``reserved``: what was reserved for it; the difference came from the treasury or
    went back there."""

    mission: str
    player: str
    dollars: int
    reserved: int
    at_s: float


class RewardReleased(Event, frozen=True, tag="RewardReleased"):
    """What was reserved for a mission came back into the treasury."""

    mission: str
    dollars: int
    reason: str
    at_s: float


class DeedHeard(Event, frozen=True, tag="DeedHeard"):
    """Word of a player's deed came in. ``delta``: what it does to the player's standing; ``sway``: how much of the
    day's allowance such words have used up now; ``told_by``: the NPC it came from."""

    deed: str
    player: str
    verb: str
    delta: int
    sway: float
    told_by: str
    at_s: float


FactionEvent = (
    Founded
    | RelationShifted
    | TerritoryClaimed
    | TerritoryLost
    | MissionImpactApplied
    | RaidSuffered
    | PaymentTaken
    | PoliticalTurnTaken
    | StrengthChanged
    | BondMade
    | BondEnded
    | TradeMade
    | RewardReserved
    | RewardPaid
    | RewardReleased
    | DeedHeard
    | PlayerForgotten
    | Returned
    | Revised
    | Retired
)
