"""What a companion is: owner, personality, experience, loyalty with its causes, memories; and how events change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import Ceased, PlayerForgotten
from ganggpt.domain.mind.affect import (
    LOYALTY_HALF_LIFE_S,
    MOOD_HALF_LIFE_S,
    drained,
    faded,
    mood_at_rest,
)
from ganggpt.domain.mind.events import ArchiveSearched, ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import (
    Embedded,
    Reinforced,
    Remembered,
    Replaced,
    Reworded,
    Unlearned,
)
from ganggpt.domain.mind.mind import (
    FOLDS,
    Mind,
    fold,
    spoke,
)
from ganggpt.domain.mind.utterance import ProvenanceRecorded, SpeakingEvent
from ganggpt.domain.turn import Event

LEDGER_MAX: Final = 32
LEVEL_MAX: Final = 50
EXPERIENCE_MAX: Final = 10_000_000
EXPERIENCE_DAY: Final = 5_000
"""Experience one gains at once at most; what was gained makes room for more linearly within a day."""
LOYALTY_START: Final = 50.0
NOES_MAX: Final = 16
ORDER_OPEN_S: Final = 1_800.0
"""How long an order that was obeyed is what a companion says that it does."""
_DAY_S: Final = 86_400.0
RECOVERED_AT: Final = 20.0
"""From this loyalty on an earlier warning is forgotten."""

Going = Literal["left", "betrayed", "dismissed"]


class Cause(Struct, frozen=True, gc=False, array_like=True):
    """One line of the ledger: what moved the loyalty, by how much, and where it stood then (0..100)."""

    at_s: float
    what: str
    change: float
    loyalty: float


class No(Struct, frozen=True, gc=False, array_like=True):
    """A refusal that was said: when, why, and at which loyalty."""

    at_s: float
    reason: str
    loyalty: float


class OrderDone(Struct, frozen=True, gc=False, array_like=True):
    """The last order it obeyed, and when."""

    order: str
    target: str | None
    at_s: float


class Companion(Struct, frozen=True, gc=False, array_like=True):
    """One companion. ``loyalty`` 0..100 and ``sway`` (the day's allowance of words and deeds used) as of ``loyalty_s``,
    ``mood`` −100..100 as of ``mood_s``; the ledger keeps the last LEDGER_MAX causes.

    ``gone``: how it went away from ``owner``, at ``gone_s``; "" while it is there. ``warned_s``: when it last said that
    it is about to. ``noes``: the last refusal of each order. ``deeds``: how many were shared.
    ``practice``: experience of the last day that still stands against more of it, as of ``practice_s``. ``doing``: the
    last order it obeyed.
    """

    owner: str
    name: str
    companion_type: str
    personality: Mapping[str, int]
    style: str
    born_s: float
    loyalty: float
    loyalty_s: float
    mood: float
    mood_s: float
    sway: float = 0.0
    experience: int = 0
    ledger: tuple[Cause, ...] = ()
    mind: Mind = Mind()
    owner_name: str = ""
    orders: int = 0
    refusals: int = 0
    spoke_s: float = 0.0
    gone: str = ""
    gone_s: float = 0.0
    warned_s: float | None = None
    noes: Mapping[str, No] = {}
    deeds: int = 0
    practice: float = 0.0
    practice_s: float = 0.0
    doing: OrderDone | None = None


class Recruited(Event, frozen=True, tag="Recruited"):
    """A player took a companion on."""

    owner: str
    name: str
    companion_type: str
    personality: Mapping[str, int]
    style: str
    loyalty: float
    mood: float
    at_s: float


class LoyaltyMoved(Event, frozen=True, tag="LoyaltyMoved"):
    """Something moved the loyalty; it, the sway used and the mood are these now."""

    cause: Cause
    sway: float
    mood: float


class CompanionSpoke(Event, frozen=True, tag="CompanionSpoke"):
    """The companion said something. ``cites``: the memory it brought up. ``utterance``: the utterance that ends with
    this event, if it was said sentence by sentence; ``said`` is then the part that was heard."""

    to: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float
    owner_name: str = ""
    utterance: str = ""
    because: str = ""


class OrderObeyed(Event, frozen=True, tag="OrderObeyed"):
    """An order is being carried out."""

    order: str
    target: str | None
    at_s: float


class OrderRefused(Event, frozen=True, tag="OrderRefused"):
    """An order was refused; ``chance`` 0..1 was how likely that was, at the loyalty of then."""

    order: str
    target: str | None
    chance: float
    at_s: float
    reason: str = ""
    loyalty: float = 0.0


class ExperienceGained(Event, frozen=True, tag="ExperienceGained"):
    """Experience after a deed, and the level it makes. ``amount``: what the deed was worth;
    ``practice``: how much of the day's allowance is used with it."""

    amount: int
    experience: int
    level: int
    cause: str
    at_s: float
    practice: float = 0.0


class Warned(Event, frozen=True, tag="Warned"):
    """The companion said that it is about to go."""

    loyalty: float
    at_s: float


class Departed(Event, frozen=True, tag="Departed"):
    """The companion is gone from its owner. ``because``: the cause that weighed most, or ""."""

    how: Going
    because: str
    loyalty: float
    at_s: float


class Rejoined(Event, frozen=True, tag="Rejoined"):
    """A companion that was gone is with this owner now; what it learned and remembers stays."""

    owner: str
    loyalty: float
    mood: float
    at_s: float


CompanionEvent = (
    Recruited
    | LoyaltyMoved
    | CompanionSpoke
    | OrderObeyed
    | OrderRefused
    | ExperienceGained
    | Remembered
    | Reworded
    | Embedded
    | Replaced
    | Reinforced
    | Unlearned
    | SpeakingEvent
    | ProvenanceRecorded
    | ReflectionPlanned
    | TalkEnded
    | ArchiveSearched
    | Warned
    | Departed
    | Rejoined
    | PlayerForgotten
    | Ceased
)


def level_of(experience: int) -> int:
    """The level an experience makes, 1..LEVEL_MAX: ``1 + ⌊√(experience / 100)⌋``."""
    return min(LEVEL_MAX, 1 + isqrt(experience // 100))


def loyalty_at_rest(personality: Mapping[str, int]) -> float:
    """The loyalty one returns to when nothing happens, 30..70: the trait ``loyalty`` (0..100) decides."""
    return 30 + 0.4 * personality.get("loyalty", 50)


def loyalty_now(state: Companion, now_s: float) -> float:
    """The loyalty on its way back to rest."""
    rest = loyalty_at_rest(state.personality)
    return faded(state.loyalty, rest, now_s - state.loyalty_s, LOYALTY_HALF_LIFE_S)


def sway_now(state: Companion, now_s: float) -> float:
    """What of the day's allowance is used up now."""
    return drained(state.sway, now_s - state.loyalty_s)


def practice_now(state: Companion, now_s: float) -> float:
    """What of the day's allowance of experience is used up now: it comes back linearly within a day."""
    rested_s = max(0.0, now_s - state.practice_s)
    return max(0.0, state.practice - rested_s * EXPERIENCE_DAY / _DAY_S)


def mood_now(state: Companion, now_s: float) -> float:
    """The mood on its way back to rest."""
    return faded(state.mood, mood_at_rest(state.personality), now_s - state.mood_s, MOOD_HALF_LIFE_S)


def _recruited(_: Companion | None, event: Recruited) -> Companion:
    return Companion(
        owner=event.owner,
        name=event.name,
        companion_type=event.companion_type,
        personality=event.personality,
        style=event.style,
        born_s=event.at_s,
        loyalty=event.loyalty,
        loyalty_s=event.at_s,
        mood=event.mood,
        mood_s=event.at_s,
        spoke_s=event.at_s,
    )


def _loyalty_moved(state: Companion, event: LoyaltyMoved) -> Companion:
    cause = event.cause
    return replace(
        state,
        loyalty=cause.loyalty,
        loyalty_s=cause.at_s,
        sway=event.sway,
        mood=event.mood,
        mood_s=cause.at_s,
        ledger=(*state.ledger, cause)[-LEDGER_MAX:],
        warned_s=None if cause.loyalty >= RECOVERED_AT else state.warned_s,
    )


def _in_mind(state: Companion, event: Any) -> Companion:
    return replace(state, mind=fold(state.mind, event))


def _spoke(state: Companion, event: CompanionSpoke) -> Companion:
    player = event.to if event.to.startswith("player:") else None
    mind = spoke(state.mind, event, player)
    return replace(state, mind=mind, owner_name=event.owner_name or state.owner_name, spoke_s=event.at_s)


def _order_obeyed(state: Companion, event: OrderObeyed) -> Companion:
    doing = OrderDone(event.order, event.target, event.at_s)
    return replace(state, orders=state.orders + 1, doing=doing)


def _order_refused(state: Companion, event: OrderRefused) -> Companion:
    noes = dict(state.noes)
    if event.reason != "said_no":
        noes.pop(event.order, None)
        noes[event.order] = No(event.at_s, event.reason, event.loyalty)
    noes = dict(list(noes.items())[-NOES_MAX:])
    return replace(state, orders=state.orders + 1, refusals=state.refusals + 1, noes=noes)


def _experience_gained(state: Companion, event: ExperienceGained) -> Companion:
    return replace(
        state,
        experience=event.experience,
        deeds=state.deeds + 1,
        practice=event.practice,
        practice_s=event.at_s,
    )


def _warned(state: Companion, event: Warned) -> Companion:
    return replace(state, warned_s=event.at_s)


def _departed(state: Companion, event: Departed) -> Companion:
    return replace(state, gone=event.how, gone_s=event.at_s, warned_s=None, noes={})


def _rejoined(state: Companion, event: Rejoined) -> Companion:
    """With another owner it is a new start, with the same one it is not; the memories stay either way."""
    again = event.owner == state.owner
    return replace(
        state,
        owner=event.owner,
        owner_name=state.owner_name if again else "",
        loyalty=event.loyalty,
        loyalty_s=event.at_s,
        mood=event.mood,
        mood_s=event.at_s,
        sway=sway_now(state, event.at_s) if again else 0.0,
        ledger=state.ledger if again else (),
        gone="",
        gone_s=0.0,
    )


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Companion]]] = {
    **dict.fromkeys(FOLDS, _in_mind),
    Recruited: _recruited,
    LoyaltyMoved: _loyalty_moved,
    CompanionSpoke: _spoke,
    OrderObeyed: _order_obeyed,
    OrderRefused: _order_refused,
    ExperienceGained: _experience_gained,
    ProvenanceRecorded: lambda state, _: state,
    Warned: _warned,
    Departed: _departed,
    Rejoined: _rejoined,
    PlayerForgotten: erasure.fold,
    Ceased: erasure.ceased,
}


def evolve(state: Companion | None, event: CompanionEvent) -> Companion:
    """The state after an event. (After Ceased there is none; only the runtime folds that.)"""
    return _FOLDS[type(event)](state, event)
