"""The companion: what it may be told, and how it decides, sometimes against its owner.

Only the owner gives orders. Whether one is obeyed hangs on loyalty, courage, level, skills, the risk of the order and
the dice; who refuses says why. Every change of loyalty has a line in the ledger; words and deeds together move it by a
bounded amount a day. Under documented thresholds (``companion_fate``) a companion warns, leaves or betrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.companion_commands import Dismiss, GainExperience, Order, Recruit, Remember, Suffer, Talk
from ganggpt.domain.companion_fate import (
    Fate,
    fate_now,
    grudge_left_s,
    weightiest,
)
from ganggpt.domain.companion_orders import (
    RISKS,
    RISKY_FROM,
    refusal_chance,
    unlocked_between,
    why_refused,
)
from ganggpt.domain.companion_state import (
    EXPERIENCE_DAY,
    EXPERIENCE_MAX,
    LOYALTY_START,
    Cause,
    Companion,
    CompanionEvent,
    CompanionSpoke,
    Departed,
    ExperienceGained,
    Going,
    LoyaltyMoved,
    OrderObeyed,
    OrderRefused,
    Recruited,
    Rejoined,
    Warned,
    evolve,
    level_of,
    loyalty_at_rest,
    loyalty_now,
    mood_now,
    practice_now,
    sway_now,
)
from ganggpt.domain.companion_view import view
from ganggpt.domain.dialogue import Answer, Speaker, answer
from ganggpt.domain.feeling import clamped, loyalty_label, mood_at_rest, mood_label, standing_label, swayed
from ganggpt.domain.ids import ActorId
from ganggpt.domain.intent import salience
from ganggpt.domain.letters import Notify
from ganggpt.domain.memory import SALIENCE_MIN, Memory, Remembered, learn
from ganggpt.domain.rights import ForgetPlayer, cease, forget
from ganggpt.domain.speech import STRANGER, Act, Brief, cited, quoted
from ganggpt.domain.turn import Command, Decision, Event, Kind, Message, Turn
from ganggpt.domain.words import valence, words_of
from ganggpt.errors import AlreadyExists, Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "RISKS",
    "Companion",
    "Dismiss",
    "GainExperience",
    "Order",
    "Recruit",
    "Remember",
    "Suffer",
    "Talk",
    "decide",
    "evolve",
    "refusal_chance",
    "view",
]

_DOINGS: Final[Mapping[str, tuple[str, str]]] = {
    "follow": ("follow you", "follow {}"), "wait": ("wait here", "wait at {}"), "guard": ("stand guard", "guard {}"),
    "scout": ("scout ahead", "scout {}"), "drive": ("drive", "drive to {}"), "fetch": ("fetch it", "fetch {}"),
    "attack": ("attack", "attack {}"), "hide": ("hide", "hide at {}"), "heal": ("patch you up", "patch up {}"),
    "hack": ("hack it", "hack {}"), "pick_lock": ("pick the lock", "pick the lock of {}"),
}  # fmt: skip
"""An order in words, without and with a target."""
_RISKY_ORDER: Final = "risky order: "
_START_AGAIN_AT: Final = 25.0
"""Whoever comes back to the owner it left is at least this loyal."""
_ASKS_WHY: Final = re.compile(
    r"\b(are|do|did|would|will|can) you (still )?(loyal|trust|with me|betray|leave me|on my side|follow me)\b"
    r"|\bwhy (do|don't|won't|did|didn't) you (trust|follow|like|obey|stay|refuse|listen)\b"
    r"|\bwhat do you (think|hold) (of|against) me\b|\bhow loyal\b|\bcan i (trust|count on) you\b"
)


_WENT: Final[Mapping[str, str]] = {"left": "left", "betrayed": "betrayed", "dismissed": "was let go by"}
_FATED_ACTS: Final[Mapping[Fate, Act]] = {"warns": "warn_owner", "leaves": "leave_owner", "betrays": "betray_owner"}


class _Heard(Struct, frozen=True, gc=False):
    """What a companion answers to: the words, who said them, and how it feels now."""

    text: str
    name: str
    loyalty: float
    mood: float


def decide(state: Companion | None, command: Command, turn: Turn) -> Decision:
    """What a companion does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    rule = _RULES.get(type(command))
    if rule is not None:
        if state is None:
            raise UnknownActor(turn.actor)
        return rule(state, command, turn)
    if not isinstance(command, Recruit):
        raise UnknownCommand("companion", type(command).__name__)
    if state is not None and not state.gone:
        raise AlreadyExists(turn.actor)
    if turn.by.startswith("player:") and turn.by != command.owner:
        raise Refused("not_owner", "a player recruits for themselves only")
    return _recruit(command, turn) if state is None else _take_back(state, command, turn)


def _recruit(command: Recruit, turn: Turn) -> Decision:
    personality = dict(command.personality)
    loyalty = _at_first(personality)
    mood = mood_at_rest(personality)
    kind = command.companion_type.strip().lower()
    style = command.style.strip().lower()
    recruited = Recruited(command.owner, command.name, kind, personality, style, loyalty, mood, turn.now_s)
    return Decision((recruited,), {"recruited": turn.actor, "owner": command.owner, "loyalty": round(loyalty)})


def _at_first(personality: Mapping[str, int]) -> float:
    """The loyalty to a new owner: half-way between undecided and the rest of the personality."""
    return (LOYALTY_START + loyalty_at_rest(personality)) / 2


def _take_back(state: Companion, command: Recruit, turn: Turn) -> Decision:
    """One that went away is taken on again; it stays who it is, whatever the command says of it."""
    wait_s = grudge_left_s(state, command.owner, turn.now_s)
    if wait_s > 0:
        raise Refused("grudge", f"{state.name} {_WENT[state.gone]} you and will not hear of it for {wait_s:.0f} s more")
    loyalty = _at_first(state.personality)
    if command.owner == state.owner:
        loyalty = max(_START_AGAIN_AT, loyalty_now(state, turn.now_s))
    rejoined = Rejoined(command.owner, loyalty, mood_now(state, turn.now_s), turn.now_s)
    reply = {"recruited": turn.actor, "owner": command.owner, "loyalty": round(loyalty), "again": True}
    return Decision((rejoined,), reply)


def _talk(state: Companion, command: Talk, turn: Turn) -> Decision:
    if not turn.by.startswith("player:"):
        raise Refused("not_a_player", f"only a player talks to a companion, not {turn.by!r}")
    now_s, owned = turn.now_s, turn.by == state.owner
    there = owned and not state.gone
    name = command.name or (state.owner_name if owned else "")
    events: list[Event] = []
    loyalty, mood = loyalty_now(state, now_s), mood_now(state, now_s)
    tone = valence(command.text)
    if there and tone:
        moved = _moved(state, 0.7 * tone, "kind words" if tone > 0 else "harsh words", 3.0 * tone, turn)
        events.append(moved)
        loyalty, mood = moved.cause.loyalty, moved.mood
    weight = salience(command.text)
    if weight >= SALIENCE_MIN:
        fact = f"{name or STRANGER} told me: {quoted(command.text)}"
        _keep(events, state, Memory(state.next_no, "talk", fact, weight, turn.by, "told", now_s))
    heard = _Heard(command.text, name, loyalty, mood)
    fate = fate_now(_with(state, events), loyalty, now_s) if there else "stays"
    if fate != "stays":
        return _fated(state, turn, fate, heard, events)
    if owned and _ASKS_WHY.search(" ".join(words_of(command.text))):
        found = Answer("account", facts=_account_in_words(_with(state, events), now_s))
    else:
        speaker = Speaker(state.memories, state.cited, _standing(loyalty) if owned else 0.0, None, False)
        found = answer(speaker, command.text, now_s - state.spoke_s, turn)
    return _said(state, turn, found, heard, events)


def _order(state: Companion, command: Order, turn: Turn) -> Decision:
    if turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} gives orders to {state.name}")
    _there(state)
    now_s, order, risk = turn.now_s, command.order, RISKS[command.order]
    loyalty, mood = loyalty_now(state, now_s), mood_now(state, now_s)
    chance = refusal_chance(state, order, now_s)
    told = {"order": order, "target": command.target, "refusal_chance": round(chance, 3)}
    fate = fate_now(state, loyalty, now_s)
    if fate in ("leaves", "betrays"):
        decision = _fated(state, turn, fate, _Heard("", state.owner_name, loyalty, mood), [])
        return replace(decision, reply={**decision.reply, **told, "obeys": False, "reason": "gone"})
    refused = turn.dice.chance(chance)
    bare, aimed = _DOINGS[order]
    what = bare if command.target is None else aimed.replace("{}", command.target)
    events: list[Event] = []
    facts = {"order": what}
    if refused:
        reason = why_refused(state, order, now_s)
        events.append(OrderRefused(order, command.target, chance, now_s, reason, loyalty))
        facts["reason"] = reason
        if reason == "distrust":
            facts["cause"] = (weightiest(state, now_s, against=True) or "").replace(": ", ", ")
    else:
        events.append(OrderObeyed(order, command.target, now_s))
        if risk >= RISKY_FROM:
            moved = _moved(state, -risk / 40, f"{_RISKY_ORDER}{what}", -risk / 10, turn)
            events.append(moved)
            loyalty, mood = moved.cause.loyalty, moved.mood
    if risk >= RISKY_FROM:
        ending = ", and I refused" if refused else ""
        fact = f"{state.owner_name or STRANGER} ordered me to {what}{ending}"
        _keep(events, state, Memory(state.next_no, "order", fact, risk // 2, turn.by, "witnessed", now_s))
    found = Answer("refuse_order" if refused else "obey", facts=facts)
    decision = _said(state, turn, found, _Heard("", state.owner_name, loyalty, mood), events)
    told |= {"obeys": not refused, "reason": facts.get("reason")}
    return replace(decision, reply={**decision.reply, **told})


def _gain_experience(state: Companion, command: GainExperience, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} shares deeds with {state.name}")
    _there(state)
    before, now_s = level_of(state.experience), turn.now_s
    practice = practice_now(state, now_s)
    gained = min(command.amount, int(EXPERIENCE_DAY - practice))
    experience = min(EXPERIENCE_MAX, state.experience + gained)
    level = level_of(experience)
    unlocked = unlocked_between(state.companion_type, before, level)
    events: list[Event] = [ExperienceGained(command.amount, experience, level, command.cause, now_s, practice + gained)]
    moved = _moved(state, 0.5 + log10(command.amount) / 2, f"shared deed: {command.cause}", 2.0, turn)
    events.append(moved)
    weight = min(80, 20 + int(15 * log10(command.amount)) + (10 if level > before else 0) + 10 * bool(unlocked))
    _keep(events, state, Memory(state.next_no, "deed", command.cause, weight, state.owner, "witnessed", now_s))
    reply = {
        "experience": experience,
        "gained": gained,
        "more_today": int(EXPERIENCE_DAY - practice - gained),
        "level": level,
        "level_up": level > before,
        "unlocked": list(unlocked),
        "loyalty": round(moved.cause.loyalty),
    }
    return Decision(tuple(events), reply)


def _suffer(state: Companion, command: Suffer, turn: Turn) -> Decision:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", f"a player does not report what {state.name} suffers; the game server does")
    _there(state)
    events: list[Event] = []
    moved = _moved(state, -command.harm / 10, f"harm: {command.cause}", -command.harm / 4, turn)
    events.append(moved)
    weight = min(90, 30 + command.harm // 2)
    _keep(events, state, Memory(state.next_no, "threat", command.cause, weight, state.owner, "witnessed", turn.now_s))
    heard = _Heard("", state.owner_name, moved.cause.loyalty, moved.mood)
    fate = fate_now(_with(state, events), heard.loyalty, turn.now_s)
    if fate != "stays":
        return _fated(state, turn, fate, heard, events)
    return Decision(tuple(events), {"suffered": command.harm, "loyalty": round(heard.loyalty), "fate": fate})


def _dismiss(state: Companion, _: Dismiss, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} lets {state.name} go")
    _there(state)
    loyalty, mood = loyalty_now(state, turn.now_s), mood_now(state, turn.now_s)
    events: list[Event] = [Departed("dismissed", "", loyalty, turn.now_s)]
    return _said(state, turn, Answer("bye"), _Heard("", state.owner_name, loyalty, mood), events)


def _there(state: Companion) -> None:
    if state.gone:
        raise Refused("gone", f"{state.name} {_WENT[state.gone]} {state.owner} and takes no orders")


def _with(state: Companion, events: Sequence[Event]) -> Companion:
    """The state as it is after events that were decided but not yet folded."""
    for event in events:
        state = evolve(state, event)  # type: ignore[arg-type]
    return state


def _fated(state: Companion, turn: Turn, fate: Fate, heard: _Heard, events: list[Event]) -> Decision:
    """What a loyalty under a threshold comes to: a warning, or the end. It is said, remembered, and told the owner."""
    now_s = turn.now_s
    because = (weightiest(_with(state, events), now_s, against=True) or "").replace(": ", ", ")
    if fate == "warns":
        events.append(Warned(heard.loyalty, now_s))
    else:
        how: Going = "betrayed" if fate == "betrays" else "left"
        fact = f"I {_WENT[how]} {heard.name or state.owner_name or STRANGER}" + (f" over {because}" if because else "")
        no = max((e.memory.no for e in events if isinstance(e, Remembered)), default=state.next_no - 1) + 1
        _keep(events, _with(state, events), Memory(no, "identity", fact, 90, state.owner, "witnessed", now_s))
        events.append(Departed(how, because, heard.loyalty, now_s))
    decision = _said(state, turn, Answer(_FATED_ACTS[fate], facts={"cause": because}), heard, events)
    body = {"companion": turn.actor, "name": state.name, "fate": fate, "because": because, "say": decision.reply["say"]}
    letter = Message(ActorId(state.owner), Notify(f"companion.{fate}", body))
    return replace(decision, reply={**decision.reply, "fate": fate, "because": because}, messages=(letter,))


def _account_in_words(state: Companion, now_s: float) -> dict[str, str]:
    """What speaks for the owner and what against them, to be said."""
    good, bad = weightiest(state, now_s, against=False), weightiest(state, now_s, against=True)
    return {"for": (good or "").replace(": ", ", "), "against": (bad or "").replace(": ", ", ")}


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
        stale=state.phrases,
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


def _forget_player(state: Companion, command: ForgetPlayer, turn: Turn) -> Decision:
    """A player's own companion is a thing of theirs, also when it is gone and nobody took it on since."""
    return cease(turn) if command.player == state.owner else forget(state, command, turn)


_RULES: Final[Mapping[type[Command], Callable[[Companion, Any, Turn], Decision]]] = {
    ForgetPlayer: _forget_player,
    Talk: _talk,
    Order: _order,
    GainExperience: _gain_experience,
    Suffer: _suffer,
    Dismiss: _dismiss,
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
