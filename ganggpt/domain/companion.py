"""The companion: what it may be told, and how it decides, sometimes against its owner.

Only the owner gives orders. Whether one is obeyed hangs on loyalty, courage, level, the risk of the order and the dice.
Every change of loyalty has a line in the ledger; words and deeds together move it by a bounded amount a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.companion_commands import GainExperience, Order, Recruit, Remember, Talk
from ganggpt.domain.companion_state import (
    EXPERIENCE_MAX,
    LOYALTY_START,
    Cause,
    Companion,
    CompanionEvent,
    CompanionSpoke,
    ExperienceGained,
    LoyaltyMoved,
    OrderObeyed,
    OrderRefused,
    Recruited,
    evolve,
    level_of,
    loyalty_at_rest,
    loyalty_now,
    mood_now,
    sway_now,
)
from ganggpt.domain.dialogue import Answer, Speaker, answer
from ganggpt.domain.feeling import clamped, loyalty_label, mood_at_rest, mood_label, standing_label, swayed
from ganggpt.domain.intent import salience
from ganggpt.domain.memory import SALIENCE_MIN, Memory, Remembered, learn, shown
from ganggpt.domain.speech import STRANGER, Brief, cited, quoted
from ganggpt.domain.turn import Command, Decision, Event, Kind, Turn
from ganggpt.domain.words import valence
from ganggpt.errors import AlreadyExists, Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "Companion",
    "GainExperience",
    "Order",
    "Recruit",
    "Remember",
    "Talk",
    "decide",
    "evolve",
    "refusal_chance",
    "view",
]

RISKS: Final[Mapping[str, int]] = {
    "follow": 5, "wait": 0, "guard": 30, "scout": 40, "drive": 20, "fetch": 25, "attack": 80, "hide": 0,
}  # fmt: skip
"""How dangerous an order is, 0..100."""
TRADES: Final[Mapping[str, tuple[str, ...]]] = {
    "bodyguard": ("guard", "attack"), "fighter": ("attack", "guard"), "driver": ("drive", "fetch"),
    "scout": ("scout", "hide"), "thief": ("fetch", "hide"), "hacker": ("scout", "fetch"), "medic": ("follow", "fetch"),
}  # fmt: skip
"""Orders a type of companion is made for; they count as half as risky."""
_DOINGS: Final[Mapping[str, tuple[str, str]]] = {
    "follow": ("follow you", "follow {}"), "wait": ("wait here", "wait at {}"), "guard": ("stand guard", "guard {}"),
    "scout": ("scout ahead", "scout {}"), "drive": ("drive", "drive to {}"), "fetch": ("fetch it", "fetch {}"),
    "attack": ("attack", "attack {}"), "hide": ("hide", "hide at {}"),
}  # fmt: skip
"""An order in words, without and with a target."""


class _Heard(Struct, frozen=True, gc=False):
    """What a companion answers to: the words, who said them, and how it feels now."""

    text: str
    name: str
    loyalty: float
    mood: float


def refusal_chance(state: Companion, order: str, now_s: float) -> float:
    """How likely an order is refused, 0..0.95.

    ``risk · (1 − loyalty/100) · (1.5 − courage/100) · (1.25 − level/100)``, risk as a share of 1, halved in one's own
    trade; from a loyalty under 15 on, even a harmless order meets a third of refusals.
    """
    loyalty = loyalty_now(state, now_s)
    risk = RISKS[order] / 100 * (0.5 if order in TRADES.get(state.companion_type, ()) else 1.0)
    courage = state.personality.get("courage", 50)
    level = level_of(state.experience)
    chance = risk * (1 - loyalty / 100) * (1.5 - courage / 100) * (1.25 - level / 100)
    return clamped(max(chance, 0.33 if loyalty < 15 else 0.0), 0.0, 0.95)


def decide(state: Companion | None, command: Command, turn: Turn) -> Decision:
    """What a companion does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    rule = _RULES.get(type(command))
    if rule is not None:
        if state is None:
            raise UnknownActor(turn.actor)
        return rule(state, command, turn)
    if not isinstance(command, Recruit):
        raise UnknownCommand("companion", type(command).__name__)
    if state is not None:
        raise AlreadyExists(turn.actor)
    return _recruit(command, turn)


def _recruit(command: Recruit, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != command.owner:
        raise Refused("not_owner", "a player recruits for themselves only")
    personality = dict(command.personality)
    loyalty = (LOYALTY_START + loyalty_at_rest(personality)) / 2
    mood = mood_at_rest(personality)
    kind = command.companion_type.strip().lower()
    style = command.style.strip().lower()
    recruited = Recruited(command.owner, command.name, kind, personality, style, loyalty, mood, turn.now_s)
    return Decision((recruited,), {"recruited": turn.actor, "owner": command.owner, "loyalty": round(loyalty)})


def _talk(state: Companion, command: Talk, turn: Turn) -> Decision:
    if not turn.by.startswith("player:"):
        raise Refused("not_a_player", f"only a player talks to a companion, not {turn.by!r}")
    now_s, owned = turn.now_s, turn.by == state.owner
    name = command.name or (state.owner_name if owned else "")
    events: list[Event] = []
    loyalty, mood = loyalty_now(state, now_s), mood_now(state, now_s)
    tone = valence(command.text)
    if owned and tone:
        moved = _moved(state, 0.7 * tone, "kind words" if tone > 0 else "harsh words", 3.0 * tone, turn)
        events.append(moved)
        loyalty, mood = moved.cause.loyalty, moved.mood
    weight = salience(command.text)
    if weight >= SALIENCE_MIN:
        fact = f"{name or STRANGER} told me: {quoted(command.text)}"
        _keep(events, state, Memory(state.next_no, "talk", fact, weight, turn.by, "told", now_s))
    speaker = Speaker(state.memories, state.cited, _standing(loyalty) if owned else 0.0, None, False)
    found = answer(speaker, command.text, now_s - state.spoke_s, turn)
    return _said(state, turn, found, _Heard(command.text, name, loyalty, mood), events)


def _order(state: Companion, command: Order, turn: Turn) -> Decision:
    if turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} gives orders to {state.name}")
    now_s, order, risk = turn.now_s, command.order, RISKS[command.order]
    chance = refusal_chance(state, order, now_s)
    refused = turn.dice.chance(chance)
    bare, aimed = _DOINGS[order]
    what = bare if command.target is None else aimed.replace("{}", command.target)
    events: list[Event] = []
    if refused:
        events.append(OrderRefused(order, command.target, chance, now_s))
        loyalty, mood = loyalty_now(state, now_s), mood_now(state, now_s)
    else:
        events.append(OrderObeyed(order, command.target, now_s))
        moved = _moved(state, -risk / 40, f"risky order: {what}", -risk / 10, turn) if risk >= 30 else None
        loyalty = moved.cause.loyalty if moved else loyalty_now(state, now_s)
        mood = moved.mood if moved else mood_now(state, now_s)
        events += [moved] if moved else []
    if risk >= 30:
        ending = ", and I refused" if refused else ""
        fact = f"{state.owner_name or STRANGER} ordered me to {what}{ending}"
        _keep(events, state, Memory(state.next_no, "order", fact, risk // 2, turn.by, "witnessed", now_s))
    found = Answer("refuse_order" if refused else "obey", facts={"order": what})
    decision = _said(state, turn, found, _Heard("", state.owner_name, loyalty, mood), events)
    told = {"obeys": not refused, "order": order, "target": command.target, "refusal_chance": round(chance, 3)}
    return Decision(decision.events, {**decision.reply, **told})


def _gain_experience(state: Companion, command: GainExperience, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} shares deeds with {state.name}")
    before, now_s = level_of(state.experience), turn.now_s
    experience = min(EXPERIENCE_MAX, state.experience + command.amount)
    level = level_of(experience)
    events: list[Event] = [ExperienceGained(command.amount, experience, level, command.cause, now_s)]
    moved = _moved(state, 0.5 + log10(command.amount) / 2, f"shared deed: {command.cause}", 2.0, turn)
    events.append(moved)
    weight = min(80, 20 + int(15 * log10(command.amount)) + (10 if level > before else 0))
    _keep(events, state, Memory(state.next_no, "deed", command.cause, weight, state.owner, "witnessed", now_s))
    reply = {
        "experience": experience,
        "level": level,
        "level_up": level > before,
        "loyalty": round(moved.cause.loyalty),
    }
    return Decision(tuple(events), reply)


def _remember(state: Companion, command: Remember, turn: Turn) -> Decision:
    events: list[Event] = []
    no = _keep(
        events,
        state,
        Memory(
            state.next_no,
            command.kind,
            command.text,
            command.weight,
            command.about,
            command.source,
            turn.now_s,
            command.expires_s,
        ),
    )
    return Decision(tuple(events), {"memory": no})


def _moved(state: Companion, wanted: float, what: str, mood_change: float, turn: Turn) -> LoyaltyMoved:
    """A change of loyalty within what the day still allows; the mood goes along in the same measure."""
    sway = sway_now(state, turn.now_s)
    moved = swayed(sway, wanted)
    before = loyalty_now(state, turn.now_s)
    loyalty = clamped(before + moved, 0.0)
    mood = clamped(mood_now(state, turn.now_s) + mood_change * moved / wanted)
    return LoyaltyMoved(Cause(turn.now_s, what, loyalty - before, loyalty), sway + moved, mood)


def _said(state: Companion, turn: Turn, found: Answer, heard: _Heard, events: Sequence[Event]) -> Decision:
    """Put an answer into words, and everything that follows into one decision."""
    memory, owned = found.memory, turn.by == state.owner
    brief = Brief(
        speaker=state.name,
        role=state.companion_type,
        style=state.style,
        act=found.act,
        mood=mood_label(heard.mood),
        standing=standing_label(_standing(heard.loyalty) if owned else 0.0),
        listener=heard.name,
        heard=heard.text,
        memory=None if memory is None else cited(memory, turn.now_s, turn.by),
        politics=found.politics,
        facts=found.facts,
        avoid=state.openers,
    )
    said = turn.mind.say(brief, turn.dice)
    no = None if memory is None else memory.no
    spoke = CompanionSpoke(turn.by, found.act, heard.text, said, no, turn.now_s, heard.name if owned else "")
    reply = {
        "say": said,
        "act": found.act,
        "mood": brief.mood,
        "loyalty": round(heard.loyalty),
        "loyalty_label": loyalty_label(heard.loyalty),
        "cites": no,
    }
    return Decision((*events, spoke), reply)


def _keep(events: list[Event], state: Companion, fresh: Memory) -> int | None:
    """Add what becomes of a fresh memory to the events; returns the number under which it is kept, if it is."""
    event = learn(state.memories, fresh, fresh.created_s)
    if event is None:
        return None
    events.append(event)
    return event.memory.no if isinstance(event, Remembered) else event.no


def _standing(loyalty: float) -> float:
    """Loyalty 0..100 as a standing: hostile under 25, friendly from 48, family from 81 on."""
    return (loyalty - 40) * 1.6


def view(state: Companion, now_s: float) -> dict[str, Any]:
    """The companion as a read shows it."""
    loyalty, mood = loyalty_now(state, now_s), mood_now(state, now_s)
    return {
        "owner": state.owner,
        "owner_name": state.owner_name,
        "name": state.name,
        "companion_type": state.companion_type,
        "personality": dict(state.personality),
        "style": state.style,
        "born_s": state.born_s,
        "experience": state.experience,
        "level": level_of(state.experience),
        "loyalty": {"value": round(loyalty, 2), "label": loyalty_label(loyalty)},
        "mood": {"value": round(mood, 2), "label": mood_label(mood)},
        "ledger": [
            {"at_s": line.at_s, "what": line.what, "change": round(line.change, 3), "loyalty": round(line.loyalty, 2)}
            for line in state.ledger
        ],
        "orders": state.orders,
        "refusals": state.refusals,
        "refusal_chances": {order: round(refusal_chance(state, order, now_s), 3) for order in RISKS},
        "memories": [shown(memory, now_s) for memory in state.memories],
    }


_RULES: Final[Mapping[type[Command], Callable[[Companion, Any, Turn], Decision]]] = {
    Talk: _talk,
    Order: _order,
    GainExperience: _gain_experience,
    Remember: _remember,
}
_COMMANDS: Final[tuple[type[Command], ...]] = (Recruit, *_RULES)

KIND: Final = Kind(
    name="companion",
    state=Companion,
    events=CompanionEvent,
    commands={command.__name__: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
)
