"""What a companion replies, and what a read of one shows."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.mind.replies import Label, LoyaltyLabel, MemoryShown, Saying, Spoken

FateNow = Literal["stays", "warns", "leaves", "betrays"]
WhyNot = Literal["no_skill", "said_no", "distrust", "fear", "green", "danger", "gone"]


class RecruitReply(TypedDict):
    """The companion is there."""

    recruited: Annotated[str, Doc("its id")]
    owner: str
    loyalty: Annotated[int, Doc("0 to 100")]
    again: NotRequired[Annotated[bool, Doc("true where it had been with somebody before; it keeps its personality")]]


class CompanionSpoken(Spoken):
    """What the companion says, and its loyalty now."""

    loyalty: Annotated[int, Doc("0 to 100")]
    loyalty_label: LoyaltyLabel
    fate: NotRequired[Annotated[FateNow, Doc("there where it warns, leaves or betrays over this")]]
    because: NotRequired[Annotated[str, Doc("what weighs most against the owner")]]


class OrderReply(CompanionSpoken):
    """Whether it obeys, and what it says."""

    order: str
    target: str | None
    obeys: Annotated[bool, Doc("start the task of the ped if true")]
    reason: Annotated[WhyNot | None, Doc("why not")]
    refusal_chance: Annotated[float, Doc("0 to 1: how likely a no was")]


class ExperienceReply(TypedDict):
    """What it learned."""

    experience: int
    gained: Annotated[int, Doc("what of the amount counted: at most 5,000 a day")]
    more_today: int
    level: int
    level_up: bool
    unlocked: Annotated[list[str], Doc("skills that came with the level")]
    loyalty: Annotated[int, Doc("0 to 100")]


class SufferReply(TypedDict):
    """What it made of it. Where it warns, leaves or betrays over it, it speaks: then with the fields of `Talk`."""

    loyalty: Annotated[int, Doc("0 to 100")]
    fate: FateNow
    suffered: NotRequired[Annotated[int, Doc("the harm; there where it stays")]]
    say: NotRequired[str]
    act: NotRequired[str]
    mood: NotRequired[str]
    loyalty_label: NotRequired[LoyaltyLabel]
    cites: NotRequired[int | None]
    utterance: NotRequired[str | None]
    because: NotRequired[Annotated[str, Doc("what weighs most against the owner")]]


class LoyaltyShown(TypedDict):
    """The loyalty, and what it is made of."""

    value: Annotated[float, Doc("0 to 100")]
    label: LoyaltyLabel
    rest: Annotated[float, Doc("where it tends to by itself")]
    earlier: Annotated[float, Doc("what causes that left the ledger still do")]


class LedgerLine(TypedDict):
    """One cause of the loyalty."""

    at_s: float
    what: str
    change: float
    loyalty: Annotated[float, Doc("after it")]
    left: Annotated[float, Doc("what it still does")]


class FateShown(TypedDict):
    """Whether it is about to go."""

    now: FateNow
    warns_under: float
    leaves_under: float
    betrays_under: float
    warned_s: float | None
    gone: Literal["left", "betrayed", "dismissed"] | None
    gone_s: float | None


class CompanionView(TypedDict):
    """A companion as it is now."""

    owner: str
    owner_name: Annotated[str, Doc("what the owner calls themselves")]
    name: str
    companion_type: str
    personality: dict[str, int]
    style: str
    born_s: float
    experience: int
    level: int
    skills: list[str]
    skills_ahead: Annotated[dict[str, int], Doc("skills to come, with their level")]
    loyalty: LoyaltyShown
    mood: Label
    ledger: Annotated[list[LedgerLine], Doc("the last 32 causes")]
    fate: FateShown
    orders: Annotated[int, Doc("how many it obeyed")]
    refusals: int
    refusal_chances: Annotated[dict[str, float], Doc("by order, 0 to 1")]
    refuses_still: Annotated[dict[str, str], Doc("orders it said no to a moment ago, with why")]
    deeds: int
    saying: Saying | None
    memories: list[MemoryShown]
    let_go: Annotated[int, Doc("memories that went to the archive")]
