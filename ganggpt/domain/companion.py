"""The companion: what it may be told, and how it decides, sometimes against its owner.

Only the owner gives orders. Whether one is obeyed hangs on loyalty, courage, level, skills, the risk of the order and
the dice; who refuses says why. Every change of loyalty has a line in the ledger; words and deeds together move it by a
bounded amount a day. Under documented thresholds (``companion_fate``) a companion warns, leaves or betrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import companion_speech, talking
from ganggpt.domain.actions import LASTS_S, Refusal, Wish, actions_of, judged
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
from ganggpt.domain.companion_speech import TALKER, said, to_owner
from ganggpt.domain.companion_state import (
    EXPERIENCE_DAY,
    EXPERIENCE_MAX,
    LOYALTY_START,
    Cause,
    Companion,
    CompanionEvent,
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
from ganggpt.domain.dialogue import Answer
from ganggpt.domain.feeling import clamped, mood_at_rest, swayed
from ganggpt.domain.ids import ActorId
from ganggpt.domain.intent import salience
from ganggpt.domain.letters import Notify
from ganggpt.domain.memory import SALIENCE_MIN, Memory, Remembered, learn
from ganggpt.domain.npc_commands import Conclude, Hush
from ganggpt.domain.rights import ForgetPlayer, cease, forget
from ganggpt.domain.speech import STRANGER, Act, quoted
from ganggpt.domain.talking import Outcome
from ganggpt.domain.turn import Command, Decision, Event, Kind, Message, Turn
from ganggpt.domain.utterance import Line
from ganggpt.domain.words import valence
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
_WENT: Final[Mapping[str, str]] = {"left": "left", "betrayed": "betrayed", "dismissed": "was let go by"}
_FATED_ACTS: Final[Mapping[Fate, Act]] = {"warns": "warn_owner", "leaves": "leave_owner", "betrays": "betray_owner"}


class _Ordered(Struct, frozen=True, gc=False):
    """What an order comes to: what changes, what is said of it, what is told of it; ``fated``: it made the companion
    go, and that is all that happens."""

    events: tuple[Event, ...]
    found: Answer
    told: Mapping[str, Any]
    fated: Decision | None = None


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
    line = Line(turn.by, command.text, now_s - state.spoke_s, None, command.name or (state.owner_name if owned else ""))
    moved: list[Event] = []
    tone = valence(command.text)
    if there and tone:
        moved.append(_moved(state, 0.7 * tone, "kind words" if tone > 0 else "harsh words", 3.0 * tone, turn))
    felt = _with(state, moved)
    learned: list[Event] = []
    weight = salience(command.text)
    if weight >= SALIENCE_MIN:
        fact = f"{line.name or STRANGER} told me: {quoted(command.text)}"
        no = _keep(learned, state, Memory(state.next_no, "talk", fact, weight, turn.by, "told", now_s))
        line = replace(line, learned=no if no == state.next_no else None)
    fate = fate_now(felt, loyalty_now(felt, now_s), now_s) if there else "stays"
    if fate != "stays":
        decision = _fated(state, turn, fate, line, [*moved, *learned])
        return talking.broken_off(TALKER, state, turn, decision)
    found = TALKER.answer(felt, turn, line)
    if not turn.has_model and state.speaking.utterance is None:
        return said(felt, turn, line, found, (*moved, *learned))
    begun = talking.begin(TALKER, felt, turn, line, found)
    return replace(begun, events=(*moved, *begun.events, *learned))


def _order(state: Companion, command: Order, turn: Turn) -> Decision:
    if turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} gives orders to {state.name}")
    _there(state)
    ordered = _ordered(state, command, turn)
    if ordered.fated is not None:
        told = {**ordered.fated.reply, **ordered.told}
        return talking.broken_off(TALKER, state, turn, replace(ordered.fated, reply=told))
    decision = said(_with(state, ordered.events), turn, to_owner(state), ordered.found, ordered.events)
    return replace(decision, reply={**decision.reply, **ordered.told})


def _ordered(state: Companion, command: Order, turn: Turn) -> _Ordered:
    """What an order of the owner's comes to."""
    now_s, order, risk = turn.now_s, command.order, RISKS[command.order]
    loyalty = loyalty_now(state, now_s)
    chance = refusal_chance(state, order, now_s)
    told = {"order": order, "target": command.target, "refusal_chance": round(chance, 3)}
    fate = fate_now(state, loyalty, now_s)
    if fate in ("leaves", "betrays"):
        gone = _fated(state, turn, fate, to_owner(state), [])
        return _Ordered((), Answer("refuse_order"), {**told, "obeys": False, "reason": "gone"}, gone)
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
            events.append(_moved(state, -risk / 40, f"{_RISKY_ORDER}{what}", -risk / 10, turn))
    if risk >= RISKY_FROM:
        ending = ", and I refused" if refused else ""
        fact = f"{state.owner_name or STRANGER} ordered me to {what}{ending}"
        _keep(events, state, Memory(state.next_no, "order", fact, risk // 2, state.owner, "witnessed", now_s))
    found = Answer("refuse_order" if refused else "obey", facts=facts)
    return _Ordered(tuple(events), found, {**told, "obeys": not refused, "reason": facts.get("reason")})


def _conclude(state: Companion, command: Conclude, turn: Turn) -> Decision:
    """The end of a model's answer: what it wants to do is an order like any other, with its risk and dice."""
    now = talking.current(state, command.utterance)
    as_player = talking.as_by(turn, now.player)
    verdicts = judged(actions_of(command.actions), state, as_player).verdicts
    after, told, refused = state, list[tuple[str, str]](), list[Answer]()
    acts, events, messages = list[Mapping[str, Any]](), list[Event](), list[Message]()
    for verdict in verdicts:
        if isinstance(verdict, Wish) and after.gone:
            verdict = Refusal(verdict.action, "gone")  # noqa: PLW2901 - it left over an order before this one
        if isinstance(verdict, Refusal):
            told.append((verdict.action, verdict.reason))
            refused.append(verdict.answer())
            continue
        order = verdict.command
        if not isinstance(order, Order):
            told.append((verdict.action, "allowed"))
            continue
        ordered = _ordered(after, order, as_player)
        fresh = ordered.events if ordered.fated is None else ordered.fated.events
        events += fresh
        after = _with(after, fresh)
        told.append((verdict.action, "allowed" if ordered.told["obeys"] else str(ordered.told["reason"])))
        if ordered.fated is not None:
            messages += ordered.fated.messages
        elif ordered.told["obeys"]:
            target = state.owner if order.target is None else order.target
            acts.append({"verb": order.order, "target": target, "ttl_s": LASTS_S[verdict.action]})
        else:
            refused.append(ordered.found)
    outcome = Outcome(tuple(told), refused[0] if refused else None, tuple(acts), tuple(events), tuple(messages))
    done = talking.conclude(TALKER, state, command, turn, outcome)
    return talking.say_silent(TALKER, state, command, turn) if done is None else done


def _hush(state: Companion, command: Hush, turn: Turn) -> Decision:
    """The owner silences it whoever it talks to."""
    return talking.hush(TALKER, state, command, turn, whoever=turn.by == state.owner)


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
    loyalty = moved.cause.loyalty
    fate = fate_now(_with(state, events), loyalty, turn.now_s)
    if fate != "stays":
        return talking.broken_off(TALKER, state, turn, _fated(state, turn, fate, to_owner(state), events))
    return Decision(tuple(events), {"suffered": command.harm, "loyalty": round(loyalty), "fate": fate})


def _dismiss(state: Companion, _: Dismiss, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} lets {state.name} go")
    _there(state)
    departed = Departed("dismissed", "", loyalty_now(state, turn.now_s), turn.now_s)
    bye = said(state, turn, to_owner(state), Answer("bye"), (departed,))
    return talking.broken_off(TALKER, state, turn, bye)


def _there(state: Companion) -> None:
    if state.gone:
        raise Refused("gone", f"{state.name} {_WENT[state.gone]} {state.owner} and takes no orders")


def _with(state: Companion, events: Sequence[Event]) -> Companion:
    """The state as it is after events that were decided but not yet folded."""
    for event in events:
        state = evolve(state, event)  # type: ignore[arg-type]
    return state


def _fated(state: Companion, turn: Turn, fate: Fate, line: Line, events: list[Event]) -> Decision:
    """What a loyalty under a threshold comes to: a warning, or the end. It is said, remembered, and told the owner."""
    now_s, felt = turn.now_s, _with(state, events)
    loyalty = loyalty_now(felt, now_s)
    because = (weightiest(felt, now_s, against=True) or "").replace(": ", ", ")
    if fate == "warns":
        events.append(Warned(loyalty, now_s))
    else:
        how: Going = "betrayed" if fate == "betrays" else "left"
        fact = f"I {_WENT[how]} {line.name or state.owner_name or STRANGER}" + (f" over {because}" if because else "")
        no = max((e.memory.no for e in events if isinstance(e, Remembered)), default=state.next_no - 1) + 1
        _keep(events, _with(state, events), Memory(no, "identity", fact, 90, state.owner, "witnessed", now_s))
        events.append(Departed(how, because, loyalty, now_s))
    decision = said(felt, turn, line, Answer(_FATED_ACTS[fate], facts={"cause": because}), events)
    body = {"companion": turn.actor, "name": state.name, "fate": fate, "because": because, "say": decision.reply["say"]}
    letter = Message(ActorId(state.owner), Notify(f"companion.{fate}", body))
    return replace(decision, reply={**decision.reply, "fate": fate, "because": because}, messages=(letter,))


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


def _keep(events: list[Event], state: Companion, fresh: Memory) -> int | None:
    """Add what becomes of a fresh memory to the events; returns the number under which it is kept, if it is."""
    event = learn(state.memories, fresh, fresh.created_s)
    if event is None:
        return None
    events.append(event)
    return event.memory.no if isinstance(event, Remembered) else event.no


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
    **companion_speech.RULES,
    Conclude: _conclude,
    Hush: _hush,
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
