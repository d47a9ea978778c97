"""The companion: what it may be told, and how it decides, sometimes against its owner.

Only the owner gives orders. Whether one is obeyed depends on loyalty, courage, level, skills, the risk of the order
and the dice; a companion that refuses says why. Every change of loyalty has a line in the ledger; words and deeds
together move it by a bounded amount a day. Under documented thresholds (``companion.fate``) a companion warns, leaves
or betrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import log10
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.companion.commands import (
    Dismiss,
    GainExperience,
    Order,
    Recruit,
    Suffer,
    Talk,
)
from ganggpt.domain.companion.fate import fate_now, grudge_left_s
from ganggpt.domain.companion.loyalty import (
    WENT,
    fated,
    moved,
    there,
)
from ganggpt.domain.companion.orders import (
    RISKS,
    conclude,
    order,
    refusal_chance,
    unlocked_between,
)
from ganggpt.domain.companion.replies import CompanionView
from ganggpt.domain.companion.state import (
    EXPERIENCE_DAY,
    EXPERIENCE_MAX,
    LOYALTY_START,
    Companion,
    CompanionEvent,
    Departed,
    ExperienceGained,
    Recruited,
    Rejoined,
    evolve,
    level_of,
    loyalty_at_rest,
    loyalty_now,
    mood_now,
    practice_now,
)
from ganggpt.domain.companion.talk import TALKER, said, to_owner
from ganggpt.domain.companion.view import view
from ganggpt.domain.erasure import ForgetPlayer, cease, forget
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.affect import mood_at_rest
from ganggpt.domain.mind.archive import ahead, from_tail, search_archive, to_archive
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.commands import Conclude, Hush
from ganggpt.domain.mind.listening import answered, listen
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.reflection import plan_after_talk
from ganggpt.domain.mind.rules import rules
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.talker import folded
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.turn import (
    Command,
    Decision,
    Event,
    Kind,
    Message,
    Turn,
)
from ganggpt.errors import (
    AlreadyExists,
    Refused,
    UnknownActor,
    UnknownCommand,
)

__all__ = [
    "KIND",
    "RISKS",
    "Companion",
    "Dismiss",
    "GainExperience",
    "Order",
    "Recruit",
    "Suffer",
    "Talk",
    "decide",
    "evolve",
    "refusal_chance",
    "view",
]

_START_AGAIN_AT: Final = 25.0
"""The least loyalty of a companion that returns to an owner it left."""


def decide(state: Companion | None, command: Command, turn: Turn) -> Decision:
    """What a companion does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    rule = _RULES.get(type(command))
    if rule is not None:
        if state is None:
            raise UnknownActor(turn.actor)
        return rule(state, command, turn)
    if not isinstance(command, Recruit):
        raise UnknownCommand("companion", command.tag)
    if state is not None and not state.gone:
        raise AlreadyExists(turn.actor)
    if turn.by.startswith("player:") and turn.by != command.owner:
        raise Refused("not_owner", "a player can recruit a companion only for themselves")
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
    """Recruit a companion that had left. It keeps its personality, whatever the command says."""
    wait_s = grudge_left_s(state, command.owner, turn.now_s)
    if wait_s > 0:
        raise Refused("grudge", f"{state.name} {WENT[state.gone]} you and will not hear of it for {wait_s:.0f} s more")
    loyalty = _at_first(state.personality)
    if command.owner == state.owner:
        loyalty = max(_START_AGAIN_AT, loyalty_now(state, turn.now_s))
    rejoined = Rejoined(command.owner, loyalty, mood_now(state, turn.now_s), turn.now_s)
    reply = {"recruited": turn.actor, "owner": command.owner, "loyalty": round(loyalty), "again": True}
    return Decision((rejoined,), reply)


def _talk(state: Companion, command: Talk, turn: Turn) -> Decision:
    if not turn.by.startswith("player:"):
        raise Refused("not_a_player", f"only a player can talk to a companion, not {turn.by!r}")
    now_s, owned = turn.now_s, turn.by == state.owner
    is_there = owned and not state.gone
    name = command.name or (state.owner_name if owned else "")
    line = Line(turn.by, command.text, now_s - state.spoke_s, None, name, command.scene)
    events: list[Event] = []
    tone = hear(command.text).tone
    if is_there and tone:
        events.append(moved(state, 0.7 * tone, "kind words" if tone > 0 else "harsh words", 3.0 * tone, turn))
    felt = folded(TALKER, state, events)
    heard = listen(TALKER, state, line, line.name or STRANGER, turn)
    line, learned = heard.line, heard.writer.events
    fate = fate_now(felt, loyalty_now(felt, now_s), now_s) if is_there else "stays"
    asked: tuple[tuple[Event, ...], tuple[Message, ...]] = ((), ())
    if fate != "stays":
        done = turn_taking.broken_off(TALKER, state, turn, fated(state, turn, fate, line, events, heard.writer))
    else:
        found = from_tail(TALKER.answer(felt, turn, line), heard.writer, turn)
        asked = search_archive(state.mind, found, turn)
        if turn.has_model or state.mind.speaking.utterance is not None:
            done = turn_taking.begin(TALKER, felt, turn, line, found)
            done = replace(done, events=(*events, *done.events, *learned))
        else:
            done = said(felt, turn, line, found, (*events, *learned))
        done = replace(done, messages=(*done.messages, *to_archive(state.mind, heard.writer, turn)))
    return answered(done, heard, asked, plan_after_talk(state.mind, turn.by, turn))


def _hush(state: Companion, command: Hush, turn: Turn) -> Decision:
    """The owner silences it, whoever it is talking to."""
    return turn_taking.hush(TALKER, state, command, turn, whoever=turn.by == state.owner)


def _gain_experience(state: Companion, command: GainExperience, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} can share deeds with {state.name}")
    there(state)
    before, now_s = level_of(state.experience), turn.now_s
    practice = practice_now(state, now_s)
    gained = min(command.amount, int(EXPERIENCE_DAY - practice))
    experience = min(EXPERIENCE_MAX, state.experience + gained)
    level = level_of(experience)
    unlocked = unlocked_between(state.companion_type, before, level)
    events: list[Event] = [ExperienceGained(command.amount, experience, level, command.cause, now_s, practice + gained)]
    move = moved(state, 0.5 + log10(command.amount) / 2, f"shared deed: {command.cause}", 2.0, turn)
    events.append(move)
    weight = min(80, 20 + int(15 * log10(command.amount)) + (10 if level > before else 0) + 10 * bool(unlocked))
    writer = MemoryWriter(state.mind, turn.now_s)
    writer.keep(Memory(0, "deed", command.cause, weight, state.owner, "witnessed", now_s))
    reply = {
        "experience": experience,
        "gained": gained,
        "more_today": int(EXPERIENCE_DAY - practice - gained),
        "level": level,
        "level_up": level > before,
        "unlocked": list(unlocked),
        "loyalty": round(move.cause.loyalty),
    }
    return Decision((*events, *writer.events), reply, to_archive(state.mind, writer, turn))


def _suffer(state: Companion, command: Suffer, turn: Turn) -> Decision:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", f"only the game server can report what {state.name} suffers")
    there(state)
    move = moved(state, -command.harm / 10, f"harm: {command.cause}", -command.harm / 4, turn)
    weight = min(90, 30 + command.harm // 2)
    writer = MemoryWriter(state.mind, turn.now_s)
    writer.keep(Memory(0, "threat", command.cause, weight, state.owner, "witnessed", turn.now_s))
    loyalty = move.cause.loyalty
    fate = fate_now(folded(TALKER, state, (move,)), loyalty, turn.now_s)
    if fate != "stays":
        over = fated(state, turn, fate, to_owner(state), (move,), writer)
        return turn_taking.broken_off(TALKER, state, turn, over)
    reply = {"suffered": command.harm, "loyalty": round(loyalty), "fate": fate}
    return Decision((move, *writer.events), reply, to_archive(state.mind, writer, turn))


def _dismiss(state: Companion, _: Dismiss, turn: Turn) -> Decision:
    if turn.by.startswith("player:") and turn.by != state.owner:
        raise Refused("not_owner", f"only {state.owner} can dismiss {state.name}")
    there(state)
    departed = Departed("dismissed", "", loyalty_now(state, turn.now_s), turn.now_s)
    bye = said(state, turn, to_owner(state), Answer("bye"), (departed,))
    return turn_taking.broken_off(TALKER, state, turn, bye)


def _forget_player(state: Companion, command: ForgetPlayer, turn: Turn) -> Decision:
    """A companion belongs to its owner, also after it left and before another player recruits it."""
    return cease(turn) if command.player == state.owner else forget(state, command, turn)


_RULES: Final[Mapping[type[Command], Callable[[Companion, Any, Turn], Decision]]] = {
    ForgetPlayer: _forget_player,
    Talk: _talk,
    Order: order,
    GainExperience: _gain_experience,
    Suffer: _suffer,
    Dismiss: _dismiss,
    **rules(TALKER),
    Conclude: conclude,
    Hush: _hush,
}
_COMMANDS: Final[tuple[type[Command], ...]] = (Recruit, *_RULES)

KIND: Final = Kind(
    name="companion",
    state=Companion,
    events=CompanionEvent,
    commands={command.tag: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
    shows=CompanionView,
    ahead=partial(ahead, TALKER),
)
