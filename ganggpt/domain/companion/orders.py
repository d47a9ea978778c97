"""What orders cost a companion: their risk, the skills that ease or open them, how likely and why one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.companion.state import Companion, level_of, loyalty_now
from ganggpt.domain.mind.affect import clamped

RefusalReason = Literal["no_skill", "said_no", "distrust", "fear", "green", "danger"]

RISKS: Final[Mapping[str, int]] = {
    "follow": 5, "wait": 0, "guard": 30, "scout": 40, "drive": 20, "fetch": 25, "attack": 80, "hide": 0,
    "heal": 15, "hack": 35, "pick_lock": 45,
}  # fmt: skip
"""How dangerous an order is, 0..100."""
RISKY_FROM: Final = 30
"""From this risk on an order is remembered, and obeying it costs loyalty."""
TRADES: Final[Mapping[str, tuple[str, ...]]] = {
    "bodyguard": ("guard", "attack"), "fighter": ("attack", "guard"), "driver": ("drive", "fetch"),
    "scout": ("scout", "hide"), "thief": ("fetch", "hide", "pick_lock"), "hacker": ("scout", "fetch", "hack"),
    "medic": ("follow", "fetch", "heal"),
}  # fmt: skip
"""Orders a type of companion is made for; they count as half as risky."""
STANDS_S: Final = 300.0
"""A refusal stands for so long: asking again rolls no new dice."""
_WON_OVER: Final = 3.0
"""Unless the loyalty has risen by this much since."""
DISLOYAL_UNDER: Final = 15.0


class Skill(Struct, frozen=True, gc=False):
    """What a companion can do from a level on. ``orders``: whose risk it multiplies by ``ease``; ``opens``: an order
    that nobody without the skill can carry out."""

    name: str
    level: int
    orders: tuple[str, ...]
    ease: float = 1.0
    opens: str | None = None


_COMMON: Final = (
    Skill("street sense", 3, ("scout", "hide", "fetch"), 0.85),
    Skill("steady nerves", 8, ("guard", "attack", "scout"), 0.85),
    Skill("first aid", 12, ("heal",), 1.0, "heal"),
    Skill("iron will", 20, ("attack", "guard", "pick_lock", "hack"), 0.8),
)
_OF_TRADE: Final[Mapping[str, tuple[Skill, ...]]] = {
    "bodyguard": (Skill("shield", 2, ("guard",), 0.8), Skill("disarm", 6, ("attack",), 0.8)),
    "fighter": (Skill("brawler", 2, ("attack",), 0.8), Skill("point man", 6, ("guard", "attack"), 0.8)),
    "driver": (Skill("getaway", 2, ("drive",), 0.7), Skill("night courier", 6, ("fetch", "drive"), 0.8)),
    "scout": (Skill("lookout", 2, ("scout",), 0.7), Skill("ghost", 6, ("hide", "scout"), 0.7)),
    "thief": (Skill("locks", 1, ("pick_lock",), 0.9, "pick_lock"), Skill("light fingers", 4, ("fetch",), 0.7)),
    "hacker": (Skill("intrusion", 1, ("hack",), 0.9, "hack"), Skill("cameras", 4, ("scout",), 0.7)),
    "medic": (Skill("field medicine", 1, ("heal",), 0.8, "heal"), Skill("stretcher run", 4, ("fetch", "follow"), 0.7)),
}
_OPENED: Final = frozenset(
    skill.opens for skills in (_COMMON, *_OF_TRADE.values()) for skill in skills if skill.opens is not None
)


def skills_of(companion_type: str) -> tuple[Skill, ...]:
    """Every skill companions of a type learn, by level."""
    return tuple(sorted((*_COMMON, *_OF_TRADE.get(companion_type, ())), key=lambda skill: (skill.level, skill.name)))


def skills_now(state: Companion) -> tuple[Skill, ...]:
    """The skills its experience has unlocked. They follow from type and level: nothing about them is stored."""
    level = level_of(state.experience)
    return tuple(skill for skill in skills_of(state.companion_type) if skill.level <= level)


def unlocked_between(companion_type: str, before: int, after: int) -> tuple[str, ...]:
    """Names of the skills that come with the levels after ``before`` up to ``after``."""
    return tuple(skill.name for skill in skills_of(companion_type) if before < skill.level <= after)


def can_do(state: Companion, order: str) -> bool:
    """Whether it has the skill an order needs, if it needs one."""
    return order not in _OPENED or any(skill.opens == order for skill in skills_now(state))


def refusal_chance(state: Companion, order: str, now_s: float) -> float:
    """How likely an order is refused: 1 without the skill for it or while a refusal stands, else 0..0.95.

    ``risk · ease · (1 − loyalty/100) · (1.5 − courage/100) · (1.25 − level/100)``: risk as a share of 1, halved in
    one's own trade; ease is the product over the unlocked skills. From a loyalty under 15 on, even a harmless order
    meets a third of refusals.
    """
    if not can_do(state, order) or still_refuses(state, order, now_s):
        return 1.0
    loyalty = loyalty_now(state, now_s)
    risk = RISKS[order] / 100 * (0.5 if order in TRADES.get(state.companion_type, ()) else 1.0)
    for skill in skills_now(state):
        risk *= skill.ease if order in skill.orders else 1.0
    chance = risk * (1 - loyalty / 100) * _courage_factor(state) * _level_factor(state)
    return clamped(max(chance, 0.33 if loyalty < DISLOYAL_UNDER else 0.0), 0.0, 0.95)


def still_refuses(state: Companion, order: str, now_s: float) -> bool:
    """Whether a refusal of this order stands: said at most STANDS_S ago, and not won over since."""
    said = state.noes.get(order)
    if said is None or now_s - said.at_s >= STANDS_S:
        return False
    return loyalty_now(state, now_s) < said.loyalty + _WON_OVER


def why_refused(state: Companion, order: str, now_s: float) -> RefusalReason:
    """Why an order is refused that is refused: what is missing, else what weighs most among the factors of the chance,
    each against its middle value."""
    if not can_do(state, order):
        return "no_skill"
    if still_refuses(state, order, now_s):
        return "said_no"
    loyalty = loyalty_now(state, now_s)
    if loyalty < DISLOYAL_UNDER:
        return "distrust"
    weights: tuple[tuple[float, RefusalReason], ...] = (
        ((1 - loyalty / 100) / 0.5, "distrust"),
        (_courage_factor(state), "fear"),
        (_level_factor(state) / 1.15, "green"),
        (1.1, "danger"),
    )
    return max(weights, key=lambda weight: weight[0])[1]


def _courage_factor(state: Companion) -> float:
    return 1.5 - state.personality.get("courage", 50) / 100


def _level_factor(state: Companion) -> float:
    return 1.25 - level_of(state.experience) / 100
