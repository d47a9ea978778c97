"""The NPC: what it may be told, and how it decides.

Text from a player moves a mood and a standing by a few points a day and nothing else; gifts have diminishing returns.
``turn.by`` is who acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import log10
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.erasure import ForgetPlayer, forget
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.questions import menaces, tone_of
from ganggpt.domain.language.speech_acts import hear as understood
from ganggpt.domain.language.spoken_names import without_ids
from ganggpt.domain.language.words import tokens, valence, with_article
from ganggpt.domain.messages import NeedPerson, Notify
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.affect import (
    HOSTILE_AT,
    swayed,
)
from ganggpt.domain.mind.archive import ahead, from_tail, search_archive, to_archive
from ganggpt.domain.mind.brief import STRANGER, quoted
from ganggpt.domain.mind.commands import Conclude
from ganggpt.domain.mind.listening import THREAT_WEIGHT, answered, listen
from ganggpt.domain.mind.memory import SALIENCE_MIN
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.reflection import Planned, plan_after_talk, plan_reflection
from ganggpt.domain.mind.rules import rules
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.npc import life
from ganggpt.domain.npc.commands import (
    AskForWork,
    Give,
    Hear,
    Observe,
    Revise,
    Spawn,
    Talk,
    Threaten,
)
from ganggpt.domain.npc.events import ItemReceived, Noticed, NpcEvent, Swayed
from ganggpt.domain.npc.evolution import evolve
from ganggpt.domain.npc.memory import (
    PONDER_AT,
    hear,
    rumour_by,
    writer_of,
)
from ganggpt.domain.npc.replies import NpcView
from ganggpt.domain.npc.rumour import TELL_FROM, has_neighbours
from ganggpt.domain.npc.sides import asking_side
from ganggpt.domain.npc.state import Item, Npc, Standing, gift_gain, mood_now, one_too_many, standing_now
from ganggpt.domain.npc.talk import TALKER, conclude, place_of
from ganggpt.domain.npc.view import view
from ganggpt.domain.npc.work import (
    WORK_RULES,
    work_for,
)
from ganggpt.domain.numbers import clamped
from ganggpt.domain.retirement import Retire
from ganggpt.domain.turn import (
    Command,
    Decision,
    Event,
    Kind,
    Message,
    Turn,
)
from ganggpt.errors import (
    Refused,
    UnknownActor,
    UnknownCommand,
)

__all__ = [
    "KIND",
    "AskForWork",
    "Give",
    "Npc",
    "Observe",
    "Revise",
    "Spawn",
    "Talk",
    "Threaten",
    "decide",
    "evolve",
    "view",
]

TALK_REACH: Final = 40.0
"""Words alone bring a standing no further than this from 0, either way."""
_THREAT_FLOOR: Final = -70.0


def decide(state: Npc | None, command: Command, turn: Turn) -> Decision:
    """What an NPC does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, InvalidInput, Refused."""
    if isinstance(command, Spawn):
        return life.spawn(state, command, turn)
    rule = _RULES.get(type(command))
    if rule is None:
        raise UnknownCommand("npc", command.tag)
    if state is None:
        absent = life.never_there(command, turn)
        if absent is None:
            raise UnknownActor(turn.actor)
        return absent
    away = life.while_away(state, command, turn)
    return rule(state, command, turn) if away is None else away


_NOTICED: Final[Mapping[str, Any]] = {"noticed": True, "memory": None}


def _observe(state: Npc, command: Observe, turn: Turn) -> Decision:
    now_s, weight = turn.now_s, command.weight
    tone = valence(command.what)
    mood = mood_now(state, now_s)
    if weight < SALIENCE_MIN:
        return Decision((Noticed(now_s, clamped(mood + 0.5 * tone)),), _NOTICED)
    by = turn.by if turn.by.startswith("player:") else None
    about = command.about if command.about is not None else by
    mood = clamped(mood + tone * weight / 20)
    events: list[Event] = [Noticed(now_s, mood)]
    what = without_ids(command.what, turn.world, {player: s.name for player, s in state.standings.items()})
    if about is not None and what[0].islower():
        what = f"{_who(standing_now(state, about, now_s).name)} {what}"
    if by is not None and about != by:
        trace, dies_s = rumour_by(by, state.mind.next_no, turn, weight)
        fresh = Memory(0, "rumour", what, weight, about, "rumour", now_s, dies_s, trace=trace)
    else:
        fresh = Memory(0, "seen", what, weight, about, "witnessed", now_s)
        if about is not None and tone:
            before = standing_now(state, about, now_s)
            moved = swayed(before.sway, tone * weight / 25)
            after = replace(before, value=clamped(before.value + moved), sway=before.sway + moved)
            events.append(Swayed(about, after, mood, "seen", one_too_many(state, about, now_s)))
    writer = writer_of(state, turn)
    no = writer.keep(fresh)
    planned, reminders = _gossip(state, turn, weight)
    reply = {"noticed": True, "memory": no}
    return Decision((*events, *writer.events, *planned), reply, to_archive(state.mind, writer, turn), (), reminders)


def _gossip(state: Npc, turn: Turn, weight: int) -> Planned:
    """Plan a reflection that tells this memory to another NPC, if it is news and there is a listener."""
    if weight < TELL_FROM or not has_neighbours(turn.world, turn.actor, state.sheet.home, state.sheet.faction):
        return (), ()
    return plan_reflection(state.mind, turn)


def _talk(state: Npc, command: Talk, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    absent_s = now_s - state.standings[player].at_s if player in state.standings else 0.0
    understanding = understood(command.text)
    is_menace = menaces(command.text)
    moved = swayed(before.sway, tone_of(command.text))
    value = before.value + _within_reach(before.value, moved)
    name = command.name or before.name
    after = replace(before, value=value, sway=before.sway + moved, name=name, talks=before.talks + 1)
    met = _swayed(state, turn, after, clamped(mood_now(state, now_s) + 2 * moved), "threat" if is_menace else "talk")
    felt = evolve(state, met)
    line = Line(player, command.text, absent_s, scene=command.scene)
    found = TALKER.answer(felt, turn, line)
    first = None
    if before.talks == 0:
        fact = f"{_who(name)} first spoke to me in {place_of(state, turn)}"
        first = Memory(0, "met", fact, 20, player, "witnessed", now_s)
    heard = listen(TALKER, state, line, _who(name), turn, slight=first)
    found = from_tail(found, heard.writer, turn)
    asked = search_archive(state.mind, found, turn)
    work = None
    if found.act == "hint_work" and not turn.has_model:
        work = work_for(state, player, 1, heard.writer, turn)
        found = work.found
    is_ripe = state.gathered >= PONDER_AT
    if is_menace:
        planned = _gossip(state, turn, THREAT_WEIGHT)
    else:
        planned = plan_reflection(state.mind, turn) if is_ripe else plan_after_talk(state.mind, player, turn)
    learned = heard.writer.events
    if (turn.has_model and not understanding.is_courtesy) or state.mind.speaking.utterance is not None:
        begun = turn_taking.begin(TALKER, felt, turn, heard.line, found)
        said = replace(begun, events=(met, *begun.events, *learned))
    else:
        said = turn_taking.said(TALKER, felt, turn, line, found, (met,), learned)
    more = (*to_archive(state.mind, heard.writer, turn), *asking_side(state, turn))
    said = replace(said, messages=(*said.messages, *more))
    if work is not None:
        events, messages = (*said.events, *work.events), (*work.messages, *said.messages)
        said = replace(said, events=events, messages=messages, reply={**said.reply, **work.shown})
    return answered(said, heard, asked, planned)


def _conclude(state: Npc, command: Conclude, turn: Turn) -> Decision:
    """The end of a model's answer, and what it was allowed to do."""
    done, after, verdicts, as_player = conclude(state, command, turn)
    for one in verdicts.allowed:
        if one.command is None:
            continue
        more = decide(after, one.command, as_player)
        told = Notify("npc.said", {"npc": turn.actor, "name": state.sheet.name, **more.reply})
        done = replace(
            done,
            events=(*done.events, *more.events),
            messages=(*done.messages, *more.messages, Message(ActorId(as_player.by), told)),
        )
        for event in more.events:
            after = evolve(after, event)  # type: ignore[arg-type]
    return done


def _give(state: Npc, command: Give, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    liked = any(not tokens(command.item).isdisjoint(tokens(like)) for like in state.sheet.likes)
    worth = max(20.0, command.value * 2.0) if liked else float(command.value)
    gain = gift_gain(worth, before.given, state.sheet.traits.get("greed", 50))
    if before.value <= HOSTILE_AT:
        gain /= 2
    name = command.name or before.name
    value = clamped(before.value + gain)
    after = replace(before, value=value, given=before.given + worth, name=name)
    mood = clamped(mood_now(state, now_s) + 1.5 * gain)
    writer = writer_of(state, turn)
    weight = min(90, 25 + int(10 * log10(1 + command.value)) + (10 if liked else 0))
    item = with_article(without_ids(command.item, turn.world))
    fact = f"{_who(name)} gave me {item}"
    writer.keep(Memory(0, "gift", fact, weight, player, "witnessed", now_s))
    found = Answer("delight" if liked or gain >= 8 else "thank", facts={"item": item})
    met = _swayed(state, turn, after, mood, f"gift: {command.item} ({command.value})")
    said = _said(state, turn, found, met, writer=writer)
    received = ItemReceived(Item(command.item, command.value, player, now_s))
    return replace(said, events=(received, *said.events))


def _threaten(state: Npc, command: Threaten, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    courage = state.sheet.traits.get("courage", 50)
    temper = state.sheet.traits.get("temper", 50)
    afraid = courage + turn.dice.between(-15, 15) < (65 if command.armed else 45)
    loss = (14 if command.armed else 8) * (0.75 + temper / 200)
    name = command.name or before.name
    after = replace(before, value=clamped(before.value - loss), name=name)
    mood = mood_now(state, now_s)
    sinks = (0.2 if command.armed else 0.12) * (1.5 - courage / 100 if afraid else 0.5 + temper / 100)
    if mood > _THREAT_FLOOR:
        mood += (_THREAT_FLOOR - mood) * sinks
    fact = f"{_who(name)} threatened me" + (" with a weapon in hand" if command.armed else "")
    if command.text.strip():
        fact += f": {quoted(command.text)}"
    weight = 80 if command.armed else 60
    writer = writer_of(state, turn)
    writer.keep(Memory(0, "threat", fact, weight, player, "witnessed", now_s))
    found = Answer("afraid" if afraid else "defiant")
    said = _said(state, turn, found, _swayed(state, turn, after, mood, "threat"), heard=command.text, writer=writer)
    planned, reminders = _gossip(state, turn, weight)
    return Decision((*said.events, *planned), said.reply, said.messages, (), reminders)


def _ask_for_work(state: Npc, command: AskForWork, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    after = replace(before, name=command.name or before.name)
    met = _swayed(state, turn, after, mood_now(state, now_s), "work")
    writer = writer_of(state, turn)
    asked = work_for(state, player, command.party, writer, turn)
    decision = _said(state, turn, asked.found, met, writer=writer)
    return Decision(
        (*decision.events, *asked.events),
        {**decision.reply, **asked.shown},
        (*asked.messages, *decision.messages),
        model_requests=asked.requests,
    )


def _swayed(state: Npc, turn: Turn, standing: Standing, mood: float, cause: str) -> Swayed:
    return Swayed(turn.by, standing, mood, cause, one_too_many(state, turn.by, turn.now_s))


def _said(
    state: Npc, turn: Turn, found: Answer, met: Swayed, *, heard: str = "", writer: MemoryWriter | None = None
) -> Decision:
    """Put an answer into words, and everything that follows from the encounter into one decision."""
    learned = () if writer is None else writer.events
    said = turn_taking.said(TALKER, evolve(state, met), turn, Line(turn.by, heard, 0.0), found, (met,), learned)
    return said if writer is None else replace(said, messages=to_archive(state.mind, writer, turn))


def _player(turn: Turn) -> str:
    if not turn.by.startswith("player:"):
        raise Refused("not_a_player", f"only a player can do this to an NPC, not {turn.by!r}")
    return turn.by


def _within_reach(value: float, moved: float) -> float:
    """How much of a move by words still counts: it never carries a standing beyond TALK_REACH."""
    if moved > 0:
        return min(moved, max(0.0, TALK_REACH - value))
    return max(moved, min(0.0, -TALK_REACH - value))


def _who(name: str) -> str:
    return name or STRANGER


_RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    ForgetPlayer: forget,
    Observe: _observe,
    Talk: _talk,
    Give: _give,
    Threaten: _threaten,
    AskForWork: _ask_for_work,
    Conclude: _conclude,
    Revise: life.revise,
    Retire: life.retire,
    NeedPerson: life.need_person,
    **WORK_RULES,
    Hear: hear,
    **rules(TALKER),
}

_COMMANDS: Final[tuple[type[Command], ...]] = (Spawn, *_RULES)

KIND: Final = Kind(
    name="npc",
    state=Npc,
    events=NpcEvent,
    commands={command.tag: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
    shows=NpcView,
    ahead=partial(ahead, TALKER),
)
