"""The NPC: what it may be told, and how it decides.

Text from a player moves a mood and a standing by a few points a day and nothing else; gifts have diminishing returns;
missions come from the world's templates only. Whoever acts is ``turn.by``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain import npc_jobs
from ganggpt.domain.dialogue import Answer, Speaker, answer
from ganggpt.domain.feeling import (
    HOSTILE_AT,
    clamped,
    mood_at_rest,
    mood_label,
    standing_label,
    swayed,
)
from ganggpt.domain.ids import name_of
from ganggpt.domain.intent import salience
from ganggpt.domain.memory import SALIENCE_MIN, Memory, MemoryKind, Source, shown
from ganggpt.domain.npc_commands import AskForWork, Give, Observe, Remember, Spawn, Talk, Threaten
from ganggpt.domain.npc_jobs import offered, open_offer
from ganggpt.domain.npc_keeping import keep
from ganggpt.domain.npc_state import (
    Noticed,
    Npc,
    NpcEvent,
    Spawned,
    Spoke,
    Standing,
    Swayed,
    evolve,
    gift_gain,
    mood_now,
    one_too_many,
    standing_now,
)
from ganggpt.domain.npc_work import asking_around, find_work
from ganggpt.domain.speech import STRANGER, Brief, cited, quoted
from ganggpt.domain.turn import Command, Decision, Event, Kind, Message, Turn
from ganggpt.domain.words import tokens, valence, with_article
from ganggpt.domain.world import NpcSheet
from ganggpt.errors import AlreadyExists, Refused, UnknownActor, UnknownCommand

__all__ = [
    "KIND",
    "AskForWork",
    "Give",
    "Npc",
    "Observe",
    "Remember",
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
    """What an NPC does about a command. Raises UnknownActor, UnknownCommand, AlreadyExists, Refused."""
    rule = _RULES.get(type(command))
    if rule is not None:
        if state is None:
            raise UnknownActor(turn.actor)
        return rule(state, command, turn)
    if not isinstance(command, Spawn):
        raise UnknownCommand("npc", type(command).__name__)
    if state is not None:
        raise AlreadyExists(turn.actor)
    return _spawn(command, turn)


def _spawn(command: Spawn, turn: Turn) -> Decision:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", "a player cannot spawn an NPC")
    sheet = NpcSheet(
        id=name_of(turn.actor),
        name=command.name,
        role=command.role,
        home=command.home,
        faction=command.faction,
        traits=dict(command.traits),
        style=command.style,
        backstory=command.backstory,
        likes=tuple(command.likes),
        missions=tuple(command.missions),
    )
    mood = mood_at_rest(sheet.traits)
    return Decision((Spawned(sheet, mood, turn.now_s),), {"spawned": turn.actor, "mood": mood_label(mood)})


_NOTICED: Final[Mapping[str, Any]] = {"noticed": True, "memory": None}


def _observe(state: Npc, command: Observe, turn: Turn) -> Decision:
    now_s, weight = turn.now_s, command.weight
    tone = valence(command.what)
    mood = mood_now(state, now_s)
    if weight < SALIENCE_MIN:
        return Decision((Noticed(now_s, clamped(mood + 0.5 * tone)),), _NOTICED)
    by = turn.by if turn.by.startswith("player:") else None
    about = command.about if command.about is not None else by
    hearsay = by is not None and about != by
    mood = clamped(mood + tone * weight / 20)
    events: list[Event] = [Noticed(now_s, mood)]
    if about is not None and tone and not hearsay:
        before = standing_now(state, about, now_s)
        moved = swayed(before.sway, tone * weight / 25)
        after = replace(before, value=clamped(before.value + moved), sway=before.sway + moved)
        events.append(Swayed(about, after, mood, "seen", one_too_many(state, about, now_s)))
    kind: MemoryKind = "rumour" if hearsay else "seen"
    source: Source = "rumour" if hearsay else "witnessed"
    what = command.what
    if about is not None and what[0].islower():
        what = f"{_who(standing_now(state, about, now_s).name)} {what}"
    no = keep(events, state, Memory(state.next_no, kind, what, weight, about, source, now_s))
    return Decision(tuple(events), {"noticed": True, "memory": no})


def _talk(state: Npc, command: Talk, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    absent_s = now_s - state.standings[player].at_s if player in state.standings else 0.0
    moved = swayed(before.sway, valence(command.text))
    value = before.value + _within_reach(before.value, moved)
    name = command.name or before.name
    after = replace(before, value=value, sway=before.sway + moved, name=name, talks=before.talks + 1)
    mood = clamped(mood_now(state, now_s) + 2 * moved)
    sheet = state.sheet
    speaker = Speaker(state.memories, state.cited, value, sheet.faction, bool(sheet.missions))
    found = answer(speaker, command.text, absent_s, turn)
    events: list[Event] = []
    weight = salience(command.text)
    if weight >= SALIENCE_MIN:
        fact = f"{_who(name)} told me: {quoted(command.text)}"
        keep(events, state, Memory(state.next_no, "talk", fact, weight, player, "told", now_s))
    elif before.talks == 0:
        fact = f"{_who(name)} first spoke to me in {_place(state, turn)}"
        keep(events, state, Memory(state.next_no, "met", fact, 20, player, "witnessed", now_s))
    return _said(state, turn, found, _swayed(state, turn, after, mood, "talk"), heard=command.text, events=events)


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
    events: list[Event] = []
    weight = min(90, 25 + int(10 * log10(1 + command.value)) + (10 if liked else 0))
    item = with_article(command.item)
    fact = f"{_who(name)} gave me {item}"
    keep(events, state, Memory(state.next_no, "gift", fact, weight, player, "witnessed", now_s))
    found = Answer("delight" if liked or gain >= 8 else "thank", facts={"item": item})
    return _said(
        state, turn, found, _swayed(state, turn, after, mood, f"gift: {command.item} ({command.value})"), events=events
    )


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
    events: list[Event] = []
    fact = f"{_who(name)} threatened me" + (" with a weapon in hand" if command.armed else "")
    if command.text.strip():
        fact += f": {quoted(command.text)}"
    weight = 80 if command.armed else 60
    keep(events, state, Memory(state.next_no, "threat", fact, weight, player, "witnessed", now_s))
    found = Answer("afraid" if afraid else "defiant")
    return _said(state, turn, found, _swayed(state, turn, after, mood, "threat"), heard=command.text, events=events)


def _ask_for_work(state: Npc, command: AskForWork, turn: Turn) -> Decision:
    player, now_s = _player(turn), turn.now_s
    before = standing_now(state, player, now_s)
    after = replace(before, name=command.name or before.name)
    mood = mood_now(state, now_s)
    templates = [name for name in state.sheet.missions if name in turn.world.missions]
    if before.value <= HOSTILE_AT or not templates:
        found = Answer("no_work" if not templates else "refuse_work")
        return _said(state, turn, found, _swayed(state, turn, after, mood, "work"))
    offer = open_offer(state, player, turn)
    events: list[Event] = []
    messages: list[Message] = []
    if offer is None:
        work = find_work(state, player, command.party, turn)
        if work is None:
            return _said(state, turn, Answer("no_work"), _swayed(state, turn, after, mood, "work"))
        offer, letter = offered(events, state, work, player, turn)
        messages = [letter, *asking_around(before, player, turn)]
    facts = {"title": offer.title, "reward": f"${offer.reward:,}", "task": offer.task}
    found = Answer("offer_work" if messages else "repeat_work", facts=facts)
    decision = _said(state, turn, found, _swayed(state, turn, after, mood, "work"), events=events)
    shown = {"mission": offer.mission, "template": offer.template, "title": offer.title, "reward": offer.reward}
    return Decision(decision.events, {**decision.reply, **shown}, tuple(messages))


def _remember(state: Npc, command: Remember, turn: Turn) -> Decision:
    events: list[Event] = []
    no = keep(
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


def _swayed(state: Npc, turn: Turn, standing: Standing, mood: float, cause: str) -> Swayed:
    return Swayed(turn.by, standing, mood, cause, one_too_many(state, turn.by, turn.now_s))


def _said(
    state: Npc, turn: Turn, found: Answer, met: Swayed, *, heard: str = "", events: Sequence[Event] = ()
) -> Decision:
    """Put an answer into words, and everything that follows from the encounter into one decision."""
    memory, label = found.memory, standing_label(met.standing.value)
    brief = Brief(
        speaker=state.sheet.name,
        role=state.sheet.role,
        style=state.sheet.style,
        act=found.act,
        mood=mood_label(met.mood),
        standing=label,
        listener=met.standing.name,
        heard=heard,
        memory=None if memory is None else cited(memory, turn.now_s, turn.by),
        politics=found.politics,
        place=_place(state, turn),
        backstory=state.sheet.backstory,
        facts=found.facts,
        avoid=state.openers,
    )
    said = turn.mind.say(brief, turn.dice)
    no = None if memory is None else memory.no
    reply = {
        "say": said,
        "act": found.act,
        "mood": brief.mood,
        "standing": round(met.standing.value),
        "standing_label": label,
        "cites": no,
    }
    return Decision((met, Spoke(turn.by, found.act, heard, said, no, turn.now_s), *events), reply)


def _player(turn: Turn) -> str:
    if not turn.by.startswith("player:"):
        raise Refused("not_a_player", f"only a player can do that to an NPC, not {turn.by!r}")
    return turn.by


def _within_reach(value: float, moved: float) -> float:
    """How much of a move by words still counts: it never carries a standing beyond TALK_REACH."""
    if moved > 0:
        return min(moved, max(0.0, TALK_REACH - value))
    return max(moved, min(0.0, -TALK_REACH - value))


def _who(name: str) -> str:
    return name or STRANGER


def _place(state: Npc, turn: Turn) -> str:
    district = turn.world.districts.get(state.sheet.home)
    return district.name if district is not None else state.sheet.home


def view(state: Npc, now_s: float) -> dict[str, Any]:
    """The NPC as a read shows it."""
    sheet, mood = state.sheet, mood_now(state, now_s)
    standings = [(player, standing_now(state, player, now_s)) for player in state.standings]
    standings.sort(key=lambda item: (-item[1].value, item[0]))
    return {
        "name": sheet.name,
        "role": sheet.role,
        "home": sheet.home,
        "faction": sheet.faction,
        "traits": dict(sheet.traits),
        "style": sheet.style,
        "backstory": sheet.backstory,
        "likes": list(sheet.likes),
        "missions": list(sheet.missions),
        "born_s": state.born_s,
        "mood": {"value": round(mood, 2), "label": mood_label(mood)},
        "standing": [
            {
                "player": player,
                "name": now.name,
                "value": round(now.value, 2),
                "label": standing_label(now.value),
                "talks": now.talks,
            }
            for player, now in standings
        ],
        "memories": [shown(memory, now_s) for memory in state.memories],
        "noticed": state.noticed,
        "work": [{"player": player, "mission": o.mission, "template": o.template} for player, o in state.work.items()],
    }


_RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    Observe: _observe,
    Talk: _talk,
    Give: _give,
    Threaten: _threaten,
    AskForWork: _ask_for_work,
    Remember: _remember,
    **npc_jobs.RULES,
}

_COMMANDS: Final[tuple[type[Command], ...]] = (Spawn, *_RULES)

KIND: Final = Kind(
    name="npc",
    state=Npc,
    events=NpcEvent,
    commands={command.__name__: command for command in _COMMANDS},
    decide=decide,
    evolve=evolve,
    view=view,
)
