"""Orders: their risk, the skills that allow or ease them, the chance and reason of a refusal, and their result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.companion.actions import is_attack_ordered, judged
from ganggpt.domain.companion.commands import Order, order_in_words
from ganggpt.domain.companion.fate import fate_now, weightiest
from ganggpt.domain.companion.loyalty import fated, moved, there
from ganggpt.domain.companion.state import Companion, OrderObeyed, OrderRefused, level_of, loyalty_now
from ganggpt.domain.companion.talk import TALKER, said, to_owner
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.actions import LASTS_S, AllowedAction, Refusal, actions_of
from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.commands import Conclude
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.talker import folded
from ganggpt.domain.mind.turn_taking import Outcome
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import Decision, Event, Message, Turn
from ganggpt.errors import Refused

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


_RISKY_ORDER: Final = "risky order: "


class _Ordered(Struct, frozen=True, gc=False):
    """The result of an order: events, what is said, and what the reply contains. ``gone``: the order made the
    companion leave, and nothing else happens."""

    events: tuple[Event, ...]
    found: Answer
    told: Mapping[str, Any]
    messages: tuple[Message, ...] = ()
    gone: Decision | None = None


def order(state: Companion, command: Order, turn: Turn) -> Decision:
    """The owner orders something. Raises Refused."""
    if turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} can give orders to {state.name}")
    there(state)
    ordered = _ordered(state, command, turn)
    if ordered.gone is not None:
        told = {**ordered.gone.reply, **ordered.told}
        return turn_taking.broken_off(TALKER, state, turn, replace(ordered.gone, reply=told))
    decision = said(folded(TALKER, state, ordered.events), turn, to_owner(state), ordered.found, ordered.events)
    return replace(decision, reply={**decision.reply, **ordered.told}, messages=ordered.messages)


def _ordered(state: Companion, command: Order, turn: Turn) -> _Ordered:
    """What an order of the owner's comes to."""
    now_s, risk = turn.now_s, RISKS[command.order]
    loyalty = loyalty_now(state, now_s)
    chance = refusal_chance(state, command.order, now_s)
    told = {"order": command.order, "target": command.target, "refusal_chance": round(chance, 3)}
    fate = fate_now(state, loyalty, now_s)
    if fate in ("leaves", "betrays"):
        gone = fated(state, turn, fate, to_owner(state))
        return _Ordered((), Answer("refuse_order"), {**told, "obeys": False, "reason": "gone"}, gone=gone)
    refused = turn.dice.chance(chance)
    what = order_in_words(command.order, command.target)
    events: list[Event] = []
    facts = {"order": what}
    if refused:
        reason = why_refused(state, command.order, now_s)
        events.append(OrderRefused(command.order, command.target, chance, now_s, reason, loyalty))
        facts["reason"] = reason
        if reason == "distrust":
            facts["cause"] = (weightiest(state, now_s, against=True) or "").replace(": ", ", ")
    else:
        events.append(OrderObeyed(command.order, command.target, now_s))
        if risk >= RISKY_FROM:
            events.append(moved(state, -risk / 40, f"{_RISKY_ORDER}{what}", -risk / 10, turn))
    writer = MemoryWriter(state.mind, turn.now_s)
    if risk >= RISKY_FROM:
        ending = ", and I refused" if refused else ""
        fact = f"{state.owner_name or STRANGER} ordered me to {what}{ending}"
        writer.keep(Memory(0, "order", fact, risk // 2, state.owner, "witnessed", now_s))
    found = Answer("refuse_order" if refused else "obey", facts=facts)
    told |= {"obeys": not refused, "reason": facts.get("reason")}
    return _Ordered((*events, *writer.events), found, told, to_archive(state.mind, writer, turn))


def _on_its_owners_word(verdict: AllowedAction | Refusal, heard: str) -> AllowedAction | Refusal:
    """A companion attacks nobody because a model feels like it: its owner has to say so."""
    if verdict.action == "attack" and not is_attack_ordered(heard):
        return Refusal("attack", "not_asked")
    return verdict


def conclude(state: Companion, command: Conclude, turn: Turn) -> Decision:
    """The end of a model's answer: what it wants to do is an order like any other, with its risk and dice."""
    now = turn_taking.current(state, command.utterance)
    as_player = turn_taking.as_by(turn, now.player)
    told, refused = list[tuple[str, str]](), list[Answer]()
    acts, events, messages = list[Mapping[str, Any]](), list[Event](), list[Message]()
    state_now = state
    for judgement in judged(actions_of(command.actions), state, as_player).verdicts:
        # Over an order before this one it may have left.
        verdict = Refusal(judgement.action, "gone") if state_now.gone else _on_its_owners_word(judgement, now.heard)
        wanted = verdict.command if isinstance(verdict, AllowedAction) else None
        if isinstance(verdict, Refusal):
            told.append((verdict.action, verdict.reason))
            if verdict.is_told(now.heard):
                refused.append(verdict.answer())
            continue
        if not isinstance(wanted, Order):
            told.append((verdict.action, "allowed"))
            continue
        ordered = _ordered(state_now, wanted, as_player)
        fresh = ordered if ordered.gone is None else ordered.gone
        events += fresh.events
        messages += fresh.messages
        state_now = folded(TALKER, state_now, fresh.events)
        told.append((verdict.action, "allowed" if ordered.told["obeys"] else str(ordered.told["reason"])))
        if ordered.told["obeys"]:
            target = state.owner if wanted.target is None else wanted.target
            acts.append({"verb": wanted.order, "target": target, "ttl_s": LASTS_S[verdict.action]})
        elif ordered.gone is None:
            refused.append(ordered.found)
    outcome = Outcome(tuple(told), refused[0] if refused else None, tuple(acts), tuple(events), tuple(messages))
    done = turn_taking.conclude(TALKER, state, command, turn, outcome)
    return turn_taking.say_silent(TALKER, state, command, turn) if done is None else done
