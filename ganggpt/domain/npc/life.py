"""How an NPC comes into the world, changes, leaves it and comes back; what it still answers while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain import retirement
from ganggpt.domain.ids import WORLD, ActorId, name_of
from ganggpt.domain.messages import HearOfMissionFunds, HearOfRecord, HearOfSides, LosePerson, NeedPerson, Witness
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.affect import mood_at_rest, mood_label
from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.commands import Reflect
from ganggpt.domain.mind.reflection import REFLECT, end_talks
from ganggpt.domain.npc.commands import (
    Hear,
    Revise,
    Spawn,
)
from ganggpt.domain.npc.events import Needed, Returned, Revised, Spawned
from ganggpt.domain.npc.memory import writer_of
from ganggpt.domain.npc.state import Npc, mood_now
from ganggpt.domain.npc.talk import TALKER
from ganggpt.domain.npc.work import WORK
from ganggpt.domain.retirement import Retire, Retired
from ganggpt.domain.sheets import as_numbers, known_in, person_problems, refuse_first
from ganggpt.domain.turn import CancelRequest, Command, Decision, Forget, Message, Push, Turn
from ganggpt.domain.world import NpcSheet
from ganggpt.errors import AlreadyExists

WANTED_OF_IT: Final = frozenset({"Talk", "Observe", "Give", "Threaten", "AskForWork", "OutlineWork", "ProposeMission"})
"""What people and game servers want of an NPC that is there."""
_UNHEARD: Final = (Hear, Witness, HearOfRecord, HearOfMissionFunds, HearOfSides, Reflect)
"""What others tell it, and its own reflection: nothing happens while it is away."""


def spawn(state: Npc | None, command: Spawn, turn: Turn) -> Decision:
    """Come into the world, or back to it. Raises AlreadyExists, InvalidInput, Refused."""
    retirement.for_servers(turn, "spawn an NPC")
    if state is not None and state.absence is None:
        if turn.by == WORLD:  # its cast brought it to life a moment ago, from the same files
            return Decision(reply={"spawned": turn.actor, "mood": mood_label(mood_now(state, turn.now_s))})
        raise AlreadyExists(turn.actor)
    sheet = NpcSheet(
        id=name_of(turn.actor),
        name=command.name,
        role=command.role,
        home=command.home,
        faction=command.faction,
        traits=as_numbers(command.traits),
        style=command.style,
        backstory=command.backstory,
        likes=tuple(command.likes),
        aims=tuple(command.aims),
        missions=tuple(command.missions),
        room=command.room,
    )
    _check(sheet, turn)
    mood = mood_at_rest(sheet.traits)
    reply: dict[str, Any] = {"spawned": turn.actor, "mood": mood_label(mood)}
    if state is None:
        return Decision((Spawned(sheet, mood, turn.now_s),), reply)
    body = {"npc": turn.actor, "name": sheet.name, "home": sheet.home}
    reply = {**reply, "returned": True}
    return Decision((Returned(sheet, mood, turn.now_s),), reply, pushes=(Push("*", "npc.returned", body),))


def revise(state: Npc, command: Revise, turn: Turn) -> Decision:
    """Change the sheet; what is said to be as it is already changes nothing. Raises InvalidInput, Refused."""
    retirement.for_servers(turn, "change an NPC")
    sheet = _revised(state.sheet, command)
    changed = [name for name in NpcSheet.__struct_fields__ if getattr(sheet, name) != getattr(state.sheet, name)]
    reply = {"npc": turn.actor, "changed": changed}
    if not changed:
        return Decision(reply=reply)
    _check(sheet, turn, changed)
    body = {"npc": turn.actor, "name": sheet.name, "home": sheet.home, "changed": changed}
    event = Revised(sheet, mood_now(state, turn.now_s), turn.now_s)
    return Decision((event,), reply, pushes=(Push("*", "npc.revised", body),))


def retire(state: Npc, command: Retire, turn: Turn) -> Decision:
    """Leave the world: fall silent, end all talks, and tell the missions that cannot do without. Raises Refused."""
    retirement.for_servers(turn, "retire an NPC")
    if state.absence is not None:
        return Decision(reply={"retired": turn.actor, "since_s": state.absence.since_s})
    silent = turn_taking.fall_silent(TALKER, state, turn)
    writer = writer_of(state, turn)
    ended = end_talks(TALKER, state, writer, list(state.mind.talks), turn)
    offered = (offer.mission for offer in state.work.values())
    lost = sorted({*offered, *(mission for mission, until_s in state.needed.items() if until_s > turn.now_s)})
    body = {"npc": turn.actor, "name": state.sheet.name, "reason": command.reason}
    return Decision(
        (*silent.events, *writer.events, *ended.events, Retired(command.reason, turn.now_s)),
        {"retired": turn.actor, "since_s": turn.now_s},
        (
            *silent.messages,
            *to_archive(state.mind, writer, turn),
            *(Message(ActorId(mission), LosePerson(state.sheet.name)) for mission in lost),
        ),
        (Push("*", "npc.retired", body),),
        (*silent.reminders, Forget(REFLECT)),
        (*silent.model_requests, CancelRequest(WORK), *ended.model_requests),
    )


def never_there(command: Command, turn: Turn) -> Decision | None:
    """The answer where an NPC that the world files no longer name never came to life; None for everybody else."""
    is_removal = isinstance(command, Retire) and turn.by == WORLD
    return Decision(reply={"retired": None, "since_s": None}) if is_removal else None


def while_away(state: Npc, command: Command, turn: Turn) -> Decision | None:
    """The answer of a retired NPC; None where it answers as always. Raises Refused where people want something."""
    if state.absence is None:
        return None
    if command.tag in WANTED_OF_IT:
        raise retirement.refusal(state.sheet.name, state.absence)
    if isinstance(command, NeedPerson):
        gone = Message(ActorId(turn.by), LosePerson(state.sheet.name))
        return Decision(reply={"here": False}, messages=(gone,))
    return Decision(reply={"retired": True}) if isinstance(command, _UNHEARD) else None


def need_person(_: Npc, command: NeedPerson, turn: Turn) -> Decision:
    """A mission was taken that cannot be done without this NPC."""
    return Decision((Needed(turn.by, command.until_s, turn.now_s),), {"here": True})


def _revised(sheet: NpcSheet, command: Revise) -> NpcSheet:
    given: dict[str, Any] = {
        name: value
        for name in NpcSheet.__struct_fields__
        if name != "id" and (value := getattr(command, name)) is not None
    }
    if "faction" in given:
        given["faction"] = given["faction"] or None
    if "traits" in given:
        given["traits"] = {**sheet.traits, **given["traits"]}
    for name in {"likes", "missions", "aims"} & given.keys():
        given[name] = tuple(given[name])
    return replace(sheet, **given)


def _check(sheet: NpcSheet, turn: Turn, fields: list[str] | None = None) -> None:
    """Check a sheet against the world. One of a world file was checked when it was loaded."""
    if turn.by != WORLD:
        refuse_first(_of_fields(sheet, turn, fields))


def _of_fields(sheet: NpcSheet, turn: Turn, fields: list[str] | None) -> Iterator[tuple[Any, str]]:
    for path, problem in person_problems(sheet, known_in(turn.world)):
        if fields is None or path[0] in fields:
            yield path, problem
