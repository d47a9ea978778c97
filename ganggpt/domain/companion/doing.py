"""What a companion does when it is told to: orders, also those a model makes of what was said, with risk and dice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.companion.commands import Order
from ganggpt.domain.companion.fate import fate_now, weightiest
from ganggpt.domain.companion.loyalty import after, fated, moved, there
from ganggpt.domain.companion.memory import notebook_of
from ganggpt.domain.companion.orders import RISKS, RISKY_FROM, refusal_chance, why_refused
from ganggpt.domain.companion.state import Companion, OrderObeyed, OrderRefused, loyalty_now
from ganggpt.domain.companion.talk import TALKER, said, to_owner
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.actions import LASTS_S, Refusal, Wish, actions_of, judged
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.commands import Conclude
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.response import Answer
from ganggpt.domain.mind.turn_taking import Outcome
from ganggpt.domain.npc.memory import to_tail
from ganggpt.domain.turn import Decision, Event, Message, Turn
from ganggpt.errors import Refused

_DOINGS: Final[Mapping[str, tuple[str, str]]] = {
    "follow": ("follow you", "follow {}"), "wait": ("wait here", "wait at {}"), "guard": ("stand guard", "guard {}"),
    "scout": ("scout ahead", "scout {}"), "drive": ("drive", "drive to {}"), "fetch": ("fetch it", "fetch {}"),
    "attack": ("attack", "attack {}"), "hide": ("hide", "hide at {}"), "heal": ("patch you up", "patch up {}"),
    "hack": ("hack it", "hack {}"), "pick_lock": ("pick the lock", "pick the lock of {}"),
}  # fmt: skip
"""An order in words, without and with a target."""
_RISKY_ORDER: Final = "risky order: "


class _Ordered(Struct, frozen=True, gc=False):
    """What an order comes to: what changes, what is said of it, what is told of it; ``gone``: it made the companion
    go, and that is all that happens."""

    events: tuple[Event, ...]
    found: Answer
    told: Mapping[str, Any]
    messages: tuple[Message, ...] = ()
    gone: Decision | None = None


def order(state: Companion, command: Order, turn: Turn) -> Decision:
    """The owner orders something. Raises Refused."""
    if turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} gives orders to {state.name}")
    there(state)
    ordered = _ordered(state, command, turn)
    if ordered.gone is not None:
        told = {**ordered.gone.reply, **ordered.told}
        return turn_taking.broken_off(TALKER, state, turn, replace(ordered.gone, reply=told))
    decision = said(after(state, ordered.events), turn, to_owner(state), ordered.found, ordered.events)
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
    bare, aimed = _DOINGS[command.order]
    what = bare if command.target is None else aimed.replace("{}", command.target)
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
    notes = notebook_of(state, turn)
    if risk >= RISKY_FROM:
        ending = ", and I refused" if refused else ""
        fact = f"{state.owner_name or STRANGER} ordered me to {what}{ending}"
        notes.keep(Memory(0, "order", fact, risk // 2, state.owner, "witnessed", now_s))
    found = Answer("refuse_order" if refused else "obey", facts=facts)
    told |= {"obeys": not refused, "reason": facts.get("reason")}
    return _Ordered((*events, *notes.events), found, told, to_tail(state, notes, turn))


def conclude(state: Companion, command: Conclude, turn: Turn) -> Decision:
    """The end of a model's answer: what it wants to do is an order like any other, with its risk and dice."""
    now = turn_taking.current(state, command.utterance)
    as_player = turn_taking.as_by(turn, now.player)
    told, refused = list[tuple[str, str]](), list[Answer]()
    acts, events, messages = list[Mapping[str, Any]](), list[Event](), list[Message]()
    state_now = state
    for judgement in judged(actions_of(command.actions), state, as_player).verdicts:
        # Over an order before this one it may have left.
        verdict = Refusal(judgement.action, "gone") if state_now.gone else judgement
        wanted = verdict.command if isinstance(verdict, Wish) else None
        if isinstance(verdict, Refusal):
            told.append((verdict.action, verdict.reason))
            refused.append(verdict.answer())
            continue
        if not isinstance(wanted, Order):
            told.append((verdict.action, "allowed"))
            continue
        ordered = _ordered(state_now, wanted, as_player)
        fresh = ordered if ordered.gone is None else ordered.gone
        events += fresh.events
        messages += fresh.messages
        state_now = after(state_now, fresh.events)
        told.append((verdict.action, "allowed" if ordered.told["obeys"] else str(ordered.told["reason"])))
        if ordered.told["obeys"]:
            target = state.owner if wanted.target is None else wanted.target
            acts.append({"verb": wanted.order, "target": target, "ttl_s": LASTS_S[verdict.action]})
        elif ordered.gone is None:
            refused.append(ordered.found)
    outcome = Outcome(tuple(told), refused[0] if refused else None, tuple(acts), tuple(events), tuple(messages))
    done = turn_taking.conclude(TALKER, state, command, turn, outcome)
    return turn_taking.say_silent(TALKER, state, command, turn) if done is None else done
