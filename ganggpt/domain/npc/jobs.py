"""What an NPC does about work besides talking of it: offers, proposals, what it hears of purses and records, and deeds
it sees or hears of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import HearOfPurse, HearOfRecord, Witness
from ganggpt.domain.mind.affect import clamped, swayed
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import Notebook
from ganggpt.domain.mission_design.deeds import HELPING
from ganggpt.domain.mission_design.draft import Problem, as_plain
from ganggpt.domain.npc.commands import OutlineWork, ProposeMission
from ganggpt.domain.npc.memory import notebook_of, rumour_by, to_tail
from ganggpt.domain.npc.state import (
    WORK_COOLDOWN_S,
    Npc,
    PurseHeard,
    RecordHeard,
    Swayed,
    WorkOffer,
    WorkOffered,
    WorkPrepared,
    mood_now,
    one_too_many,
    standing_now,
)
from ganggpt.domain.npc.witness import in_words, telling_on
from ganggpt.domain.npc.work import (
    LINES_MAX,
    Work,
    instead_of,
    judged,
    offer_of,
    outline,
    payer_of,
)
from ganggpt.domain.turn import (
    Command,
    Decision,
    Event,
    Message,
    Turn,
)
from ganggpt.errors import Refused


def offered_work(
    notes: Notebook, state: Npc, work: Work, player: str, turn: Turn
) -> tuple[WorkOffer, WorkOffered, Message]:
    """Offer a mission and note it; returns the offer, the event of it, and the letter that brings it to life."""
    offer, letter = offer_of(work, player, payer_of(state, turn), turn)
    made = WorkOffered(player, offer.mission, offer.template, offer.at_s, offer.title, offer.reward, offer.task)
    who = standing_now(state, player, turn.now_s).name or STRANGER
    fact = f'{who} asked me for work, and I offered "{offer.title}"'
    notes.keep(Memory(0, "work", fact, 25, player, "witnessed", turn.now_s))
    return offer, made, letter


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
    """A game server's proposal is offered at once, a model's when the player asks next."""
    _not_by_players(turn)
    found = judged(state, command, turn)
    if command.origin == "model":
        return _prepare(state, found, command, turn)
    work = found if isinstance(found, Work) else instead_of(found, state, command, turn)
    notes = notebook_of(state, turn)
    offer, made, letter = offered_work(notes, state, work, command.player, turn)
    reply = {
        "mission": offer.mission,
        "title": offer.title,
        "reward": offer.reward,
        "difficulty": work.mission.difficulty,
        "origin": work.origin,
        "problems": [as_plain(problem) for problem in work.problems],
    }
    return Decision((made, *notes.events), reply, (letter, *to_tail(state, notes, turn)))


def _prepare(state: Npc, found: Work | tuple[Problem, ...], command: ProposeMission, turn: Turn) -> Decision:
    """Keep a model's mission for when the player asks next, or other work that says what it stands for."""
    work = found if isinstance(found, Work) else instead_of(found, state, command, turn)
    why = tuple(clipped(line, 200) for line in work.why[:LINES_MAX])
    prepared = WorkPrepared(command.player, work.mission, why, turn.now_s, work.origin)
    problems = [as_plain(problem) for problem in work.problems]
    return Decision((prepared,), {"prepared": work.mission.title, "origin": work.origin, "problems": problems})


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
    fact = f"{before.name or STRANGER} {in_words(command.what, turn.world)}"
    weight = 10 * command.weight
    if command.hops:
        trace, dies_s = rumour_by(turn.by, state.next_no, turn, weight)
        fresh = Memory(0, "rumour", fact, weight, player, "rumour", now_s, dies_s, trace=trace)
    else:
        fresh = Memory(0, "seen", fact, weight, player, "witnessed", now_s)
    notes = notebook_of(state, turn)
    no = notes.keep(fresh)
    messages = (*telling_on(state.sheet, command, turn), *to_tail(state, notes, turn))
    return Decision((*events, *notes.events), {"memory": no}, messages)


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
