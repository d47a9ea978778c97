"""What an NPC does about work besides talking of it: offers, proposals, what it hears of purses and records, and deeds
it sees or hears of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.faction_letters import HELPING
from ganggpt.domain.feeling import clamped, swayed
from ganggpt.domain.memory import Memory
from ganggpt.domain.mission_draft import as_plain
from ganggpt.domain.npc_commands import HearOfPurse, HearOfRecord, OutlineWork, ProposeMission, Witness
from ganggpt.domain.npc_keeping import keep
from ganggpt.domain.npc_state import (
    WORK_COOLDOWN_S,
    Npc,
    PurseHeard,
    RecordHeard,
    Swayed,
    WorkOffer,
    WorkOffered,
    mood_now,
    one_too_many,
    standing_now,
)
from ganggpt.domain.npc_work import Work, offer_of, outline, payer_of, proposed
from ganggpt.domain.speech import STRANGER
from ganggpt.domain.turn import Command, Decision, Event, Message, Turn
from ganggpt.domain.witnesses import in_words, telling_on
from ganggpt.errors import Refused


def offered(events: list[Event], state: Npc, work: Work, player: str, turn: Turn) -> tuple[WorkOffer, Message]:
    """Offer a mission: add to the events that it was, and a memory of it; returns the offer and the letter for it."""
    offer, letter = offer_of(work, player, payer_of(state, turn), turn)
    events.append(WorkOffered(player, offer.mission, offer.template, offer.at_s, offer.title, offer.reward, offer.task))
    who = standing_now(state, player, turn.now_s).name or STRANGER
    fact = f'{who} asked me for work, and I offered "{offer.title}"'
    keep(events, state, Memory(state.next_no, "work", fact, 25, player, "witnessed", turn.now_s))
    return offer, letter


def open_offer(state: Npc, player: str, turn: Turn) -> WorkOffer | None:
    """The offer made a moment ago, if any."""
    last = state.work.get(player)
    if last is None or turn.now_s - last.at_s >= WORK_COOLDOWN_S:
        return None
    if last.title:
        return last
    template = turn.world.missions.get(last.template)
    if template is None:
        return None
    return replace(last, title=template.title, reward=template.reward, task=template.description)


def _outline_work(state: Npc, command: OutlineWork, turn: Turn) -> Decision:
    _not_by_players(turn)
    return Decision(reply=outline(state, command.player, command.party, turn))


def _propose_mission(state: Npc, command: ProposeMission, turn: Turn) -> Decision:
    _not_by_players(turn)
    if command.origin == "model" and open_offer(state, command.player, turn) is not None:
        raise Refused("stale", "the player was offered work meanwhile")
    work = proposed(state, command, turn)
    events: list[Event] = []
    offer, letter = offered(events, state, work, command.player, turn)
    reply = {
        "mission": offer.mission,
        "title": offer.title,
        "reward": offer.reward,
        "difficulty": work.mission.difficulty,
        "origin": work.origin,
        "problems": [as_plain(problem) for problem in work.problems],
    }
    return Decision(tuple(events), reply, (letter,))


def _hear_of_purse(_: Npc, command: HearOfPurse, turn: Turn) -> Decision:
    return Decision((PurseHeard(command.dollars, turn.now_s),), {"heard": command.dollars})


def _hear_of_record(state: Npc, command: HearOfRecord, turn: Turn) -> Decision:
    if command.player not in state.standings:
        return Decision(reply={"heard": False})
    return Decision((RecordHeard(command.player, command.skill, turn.now_s),), {"heard": True})


def _witness(state: Npc, command: Witness, turn: Turn) -> Decision:
    """A deed seen or heard of: kept, felt where it concerns one's own faction, and told on by letters."""
    now_s, player = turn.now_s, command.player
    events: list[Event] = []
    before = standing_now(state, player, now_s)
    if command.against == state.sheet.faction and command.hops == 0:
        tone = command.weight / 2 if command.what.verb in HELPING else -command.weight / 2
        moved = swayed(before.sway, tone)
        after = replace(before, value=clamped(before.value + moved), sway=before.sway + moved)
        events.append(Swayed(player, after, mood_now(state, now_s), "seen", one_too_many(state, player, now_s)))
    kind, source = ("seen", "witnessed") if command.hops == 0 else ("rumour", "rumour")
    fact = f"{(before.name or STRANGER)} {in_words(command.what, turn.world)}"
    memory = Memory(state.next_no, kind, fact, 10 * command.weight, player, source, now_s)  # type: ignore[arg-type]
    no = keep(events, state, memory)
    return Decision(tuple(events), {"memory": no}, tuple(telling_on(state.sheet, command, turn)))


def _not_by_players(turn: Turn) -> None:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", "players ask for work; they do not make it")


RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    OutlineWork: _outline_work,
    ProposeMission: _propose_mission,
    HearOfPurse: _hear_of_purse,
    HearOfRecord: _hear_of_record,
    Witness: _witness,
}
