"""What an NPC does about work: it offers one of its own jobs, one by grammar or a proposed one, and hears of deeds.

An NPC knows what it was told: how good a player is (it asks the player by message), and what its faction can spend on a
mission (the faction tells when that is less than was promised). Until then it goes by the world's sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.ids import ActorId, command_id_text, derived_command_id
from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import (
    HearOfMissionFunds,
    HearOfRecord,
    HearOfSides,
    Offer,
    Origin,
    ShowRecord,
    Witness,
)
from ganggpt.domain.mind.affect import HOSTILE_AT, swayed
from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.dialogue.speaker import JobTold
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mission_design.compiler import compile_mission
from ganggpt.domain.mission_design.deeds import HELPING
from ganggpt.domain.mission_design.difficulty import (
    SKILL_START,
    impact_max,
    mission_funds_of,
    reward_bounds,
    wanted_difficulty,
)
from ganggpt.domain.mission_design.draft import (
    OBJECTIVES_MAX,
    Problem,
    Setting,
    WorkBrief,
    as_plain,
)
from ganggpt.domain.mission_design.grammar import grown
from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.mission_design.repair import is_legal
from ganggpt.domain.mission_design.roads import distances_m
from ganggpt.domain.mission_design.things import is_found, things_of
from ganggpt.domain.npc.commands import OutlineWork, ProposeMission
from ganggpt.domain.npc.events import MissionFundsHeard, RecordHeard, SceneSeen, Swayed, WorkOffered, WorkPrepared
from ganggpt.domain.npc.memory import rumour_by, writer_of
from ganggpt.domain.npc.sides import hear_of_sides
from ganggpt.domain.npc.state import WORK_COOLDOWN_S, Npc, Standing, WorkOffer, mood_now, one_too_many, standing_now
from ganggpt.domain.npc.witness import in_words, telling_on
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import (
    Command,
    Decision,
    Event,
    Message,
    ModelRequest,
    Turn,
)
from ganggpt.domain.world import MissionTemplate, ObjectiveSheet, World
from ganggpt.errors import Refused

TEMPLATE_CHANCE: Final = 0.5
"""How often an NPC offers one of its own jobs where one of them fits."""
FITS: Final = 2
"""An NPC's own mission fits if its difficulty differs from the wanted one by at most this."""
RECORD_FRESH_S: Final = 1_800.0
FUNDS_FRESH_S: Final = 86_400.0
PROPOSAL_FRESH_S: Final = 60.0
PREPARED_FRESH_S: Final = 3_600.0
MODEL_WITHIN_S: Final = 20.0
WORK: Final = "work"
"""Name of the model request for a mission."""
PLACES_TOLD: Final = 12
LINES_MAX: Final = 16
"""Lines that explain a mission."""


class Work(Struct, frozen=True, gc=False):
    """A mission to offer: where it came from, what explains it, and what was wrong with a proposal it stands for."""

    mission: MissionTemplate
    origin: Origin
    why: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def setting_for(state: Npc, player: str, party: int, turn: Turn) -> Setting:
    """What fits this player and their party now, and who pays."""
    sheet, standing = state.sheet, standing_now(state, player, turn.now_s)
    skill = SKILL_START if standing.skill < 0 else float(standing.skill)
    payer = sheet.faction if sheet.faction in turn.world.factions else None
    funds = None
    if payer is not None:
        told = state.mission_funds >= 0 and turn.now_s - state.mission_funds_s < FUNDS_FRESH_S
        funds = state.mission_funds if told else mission_funds_of(turn.world.factions[payer].treasury)
    wanted = wanted_difficulty(skill, party, standing.value)
    return Setting(world=turn.world, giver=sheet, wanted=wanted, payer=payer, mission_funds=funds)


def find_work(state: Npc, player: str, party: int, turn: Turn) -> Work | None:
    """One of the NPC's own jobs or one by grammar, as hard as it should be; None where there is nothing to do."""
    setting = setting_for(state, player, party, turn)
    ready = _prepared(state, player, setting, turn)
    if ready is not None:
        return ready
    own = [turn.world.missions[name] for name in state.sheet.missions if name in turn.world.missions]
    payable = [job for job in own if setting.mission_funds is None or job.reward <= setting.mission_funds]
    fitting = [job for job in payable if abs(job.difficulty - setting.wanted) <= FITS]
    reasons = _reasons(state, player, party, setting, turn)
    if not fitting or not turn.dice.chance(TEMPLATE_CHANCE):
        found = grown(setting, turn.dice)
        if found is not None and found[1].mission is not None:
            frame, verdict = found
            minutes = round(verdict.estimate_s / 60)
            why = (*reasons, f"by grammar: {frame}; about {minutes} min of work and way")
            return Work(found[1].mission, "grammar", why)
    # Where the grammar finds nothing, a job of one's own has to do, the one that fits best.
    if not payable:
        return None
    nearest = min(abs(job.difficulty - setting.wanted) for job in payable)
    jobs = fitting or [job for job in payable if abs(job.difficulty - setting.wanted) == nearest]
    job = turn.dice.pick(jobs)
    return Work(job, "template", (*reasons, f"one of the jobs of {state.sheet.name}"))


def _prepared(state: Npc, player: str, setting: Setting, turn: Turn) -> Work | None:
    """What a model thought up for this player, or what stands for it, while it is fresh and still fits."""
    job = state.prepared.get(player)
    if job is None or turn.now_s - job.at_s > PREPARED_FRESH_S:
        return None
    if job.origin == "template":
        fits = setting.mission_funds is None or job.mission.reward <= setting.mission_funds
    else:
        fits = is_legal(job.mission, setting)
    return Work(job.mission, job.origin, job.why) if fits else None


def thinking_ahead(state: Npc, player: str, party: int, turn: Turn) -> tuple[ModelRequest, ...]:
    """With a model, request the player's next mission while they play this one; no reply waits for it."""
    if not turn.has_model:
        return ()
    brief = WorkBrief(player, party, outline(state, player, party, turn))
    return (
        ModelRequest(WORK, brief, OutlineWork(player, party), max(MODEL_WITHIN_S, turn.model_wait_s), waited_for=False),
    )


def _reasons(state: Npc, player: str, party: int, setting: Setting, turn: Turn) -> tuple[str, ...]:
    standing = standing_now(state, player, turn.now_s)
    skill = "unknown" if standing.skill < 0 else str(standing.skill)
    pays = "the giver" if setting.payer is None else f"{setting.payer}, up to {setting.mission_funds}"
    wanted = f"difficulty {setting.wanted} fits: skill {skill}, party of {party}, standing {standing.value:.0f}"
    return wanted, f"paid by {pays}"


def judged(state: Npc, command: ProposeMission, turn: Turn) -> Work | tuple[Problem, ...]:
    """The proposed mission as the compiler lets it through, or everything that is wrong with it. Raises Refused."""
    if command.asked_s is not None and turn.now_s - command.asked_s > PROPOSAL_FRESH_S:
        raise Refused("stale", f"the proposal was requested too long ago, {turn.now_s - command.asked_s:.0f} s")
    setting = setting_for(state, command.player, command.party, turn)
    verdict = compile_mission(draft_of(command), setting)
    if verdict.mission is None:
        return verdict.problems
    reasons = _reasons(state, command.player, command.party, setting, turn)
    repaired = tuple(f"repaired: {problem}" for problem in (*command.notes, *verdict.problems))
    return Work(verdict.mission, command.origin, (*reasons, *repaired), verdict.problems)


def instead_of(problems: tuple[Problem, ...], state: Npc, command: ProposeMission, turn: Turn) -> Work:
    """Other work in the place of a proposal that cannot be used. Raises Refused."""
    fatal = [str(problem) for problem in problems if problem.fixed is None] or ["it would need too many repairs"]
    if not command.or_template:
        raise Refused("mission_rejected", "; ".join(fatal)[:900])
    work = find_work(state, command.player, command.party, turn)
    if work is None:
        raise Refused("no_work", f"{state.sheet.name} has nothing to offer; the proposal: {fatal[0]}")
    why = (*work.why, *(f"instead of a proposal: {text}" for text in fatal))
    return Work(work.mission, work.origin, why, problems)


def draft_of(command: ProposeMission) -> MissionTemplate:
    """A proposal as the compiler takes it."""
    return MissionTemplate(
        id="proposed",
        title=command.title,
        description=command.description,
        difficulty=command.difficulty,
        minutes=command.minutes,
        reward=command.reward,
        objectives=tuple(
            ObjectiveSheet(
                verb=o.verb, target=o.target, count=o.count, district=o.district, within_minutes=o.within_minutes
            )
            for o in command.objectives
        ),
        impact=dict(command.impact),
        frictions=dict(command.frictions),
        in_order=True,
    )


def offer_of(work: Work, player: str, payer: str | None, turn: Turn) -> tuple[WorkOffer, Message]:
    """The offer as the NPC remembers it, and the message that brings the mission to life."""
    ref = f"mission:{command_id_text(derived_command_id(turn.now_s, turn.actor, turn.seq, 'mission'))}"
    job = work.mission
    places = tuple(dict.fromkeys(place for one in job.objectives if (place := place_of_work(one, turn.world))))
    told = (job.title, job.reward, job.description, places, job.minutes, job.difficulty)
    offer = WorkOffer(ref, job.id, turn.now_s, *told)
    sheet = None if work.origin == "template" else job
    why = tuple(clipped(line, 200) for line in work.why[:LINES_MAX])
    return offer, Message(ActorId(ref), Offer(job.id, turn.actor, player, sheet, work.origin, payer, why))


def payer_of(state: Npc, turn: Turn) -> str | None:
    """The faction that pays for this NPC's missions."""
    return state.sheet.faction if state.sheet.faction in turn.world.factions else None


def asking_around(standing: Standing, player: str, turn: Turn) -> Iterable[Message]:
    """A message to the player where the NPC does not know how good they are, or heard of it long ago."""
    if standing.skill < 0 or turn.now_s - standing.skill_s > RECORD_FRESH_S:
        yield Message(ActorId(player), ShowRecord())


def outline(state: Npc, player: str, party: int, turn: Turn) -> dict[str, Any]:
    """What a mind needs to propose a mission: who gives it, what fits, places within reach, people, things, bounds."""
    setting, world = setting_for(state, player, party, turn), turn.world
    ways = distances_m(world, state.sheet.home)
    near = sorted(ways, key=lambda id_: (ways[id_], id_))[:PLACES_TOLD]
    bounds = reward_bounds(setting.wanted, setting.mission_funds)
    ours = world.factions.get(setting.payer or "")
    return {
        "giver": {"id": f"npc:{state.sheet.id}", "name": state.sheet.name, "role": state.sheet.role},
        "faction": None if ours is None else {"id": ours.id, "name": ours.name, "relations": dict(ours.relations)},
        "player": player,
        "party": party,
        "difficulty": {
            "least": max(1, setting.wanted - 2),
            "best": setting.wanted,
            "most": min(10, setting.wanted + 2),
        },
        "reward": None if bounds is None else {"least": bounds[0], "most": bounds[1]},
        "impact_max": impact_max(setting.wanted),
        "objectives_max": OBJECTIVES_MAX,
        "places": [
            {
                "id": id_,
                "name": world.districts[id_].name,
                "kind": world.districts[id_].kind,
                "metres": round(ways[id_]),
                "held_by": next((s.id for s in world.factions.values() if id_ in s.territories), None),
                "people": sorted(f"npc:{s.id}" for s in world.npcs.values() if s.home == id_),
                "things": sorted(
                    i for i, t in things_of(world).items() if t.found and is_found(t, world.districts[id_])
                ),
            }
            for id_ in near
        ],
        "things_anywhere": sorted(i for i, thing in things_of(world).items() if not thing.found),
        "verbs": {verb: {"targets": list(t.targets), "most": t.count_max} for verb, t in OBJECTIVES.items()},
        "asked_s": turn.now_s,
    }


def offered_work(
    writer: MemoryWriter, state: Npc, work: Work, player: str, turn: Turn
) -> tuple[WorkOffer, WorkOffered, Message]:
    """Offer a mission and note it; returns the offer, the event of it, and the message that brings it to life."""
    offer, message = offer_of(work, player, payer_of(state, turn), turn)
    offered = WorkOffered(player, *msgspec.structs.astuple(offer))
    who = standing_now(state, player, turn.now_s).name or STRANGER
    fact = f'{who} asked me for work, and I offered "{offer.title}"'
    writer.keep(Memory(0, "work", fact, 25, player, "witnessed", turn.now_s))
    return offer, offered, message


def place_of_work(objective: ObjectiveSheet, world: World) -> str | None:
    """The district an objective leads to: its own, else where the person lives it is about."""
    if objective.district is not None or objective.target in world.districts:
        return objective.district or objective.target
    kind, _, name = objective.target.partition(":")
    return world.npcs[name].home if kind == "npc" and name in world.npcs else None


def offer_in_words(offer: WorkOffer, world: World) -> str:
    """Title, task, places and pay of an offer."""
    names = [world.districts[place].name for place in offer.places if place in world.districts]
    where = f" Where: {', '.join(names)}." if names else ""
    return f'"{offer.title}": {offer.task}{where} It pays ${offer.reward:,}.'


def job_told(state: Npc, player: str, world: World) -> JobTold | None:
    """The job this player was offered last, whenever that was, as it is told again."""
    last = state.work.get(player)
    if last is None or not last.title:
        return None
    template = world.missions.get(last.template)
    names = tuple(world.districts[place].name for place in last.places if place in world.districts)
    payer = world.factions.get(state.sheet.faction or "")
    return JobTold(
        last.title,
        _told_by(state, last.task),
        last.reward,
        names,
        last.minutes or (template.minutes if template is not None else 0),
        last.difficulty or (template.difficulty if template is not None else 0),
        payer.name if payer is not None else "",
    )


def _told_by(state: Npc, task: str) -> str:
    """A task as the NPC says it: of itself as "me"."""
    return task.replace(state.sheet.name, "me")


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


class WorkAnswer(Struct, frozen=True, gc=False):
    """What somebody who asks for work is told, and everything that comes with it. ``shown``: the mission, for the reply
    a game server gets."""

    found: Answer
    events: tuple[Event, ...] = ()
    messages: tuple[Message, ...] = ()
    shown: Mapping[str, Any] = {}
    requests: tuple[ModelRequest, ...] = ()


def work_for(state: Npc, player: str, party: int, writer: MemoryWriter, turn: Turn) -> WorkAnswer:
    """Offer a mission to a player who asks for work: a new one, the one that is still open, or a refusal."""
    standing = standing_now(state, player, turn.now_s)
    templates = [name for name in state.sheet.missions if name in turn.world.missions]
    if standing.value <= HOSTILE_AT or not templates:
        return WorkAnswer(Answer("no_work" if not templates else "refuse_work"))
    offer = open_offer(state, player, turn)
    events: tuple[Event, ...] = ()
    messages: tuple[Message, ...] = ()
    is_new = offer is None
    if offer is None:
        work = find_work(state, player, party, turn)
        if work is None:
            return WorkAnswer(Answer("no_work"))
        offer, offered, message = offered_work(writer, state, work, player, turn)
        events, messages = (offered,), (message, *asking_around(standing, player, turn))
    facts = {"title": offer.title, "reward": f"${offer.reward:,}", "task": _told_by(state, offer.task)}
    found = Answer("offer_work" if is_new else "repeat_work", facts=facts, because="a mission was offered")
    shown = {"mission": offer.mission, "template": offer.template, "title": offer.title, "reward": offer.reward}
    requests = thinking_ahead(state, player, party, turn) if is_new else ()
    return WorkAnswer(found, events, messages, shown, requests)


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
    writer = writer_of(state, turn)
    offer, offered, message = offered_work(writer, state, work, command.player, turn)
    reply = {
        "mission": offer.mission,
        "title": offer.title,
        "reward": offer.reward,
        "difficulty": work.mission.difficulty,
        "origin": work.origin,
        "problems": [as_plain(problem) for problem in work.problems],
    }
    return Decision((offered, *writer.events), reply, (message, *to_archive(state.mind, writer, turn)))


def _prepare(state: Npc, found: Work | tuple[Problem, ...], command: ProposeMission, turn: Turn) -> Decision:
    """Keep a model's mission for when the player asks next, or other work that says what it stands for."""
    work = found if isinstance(found, Work) else instead_of(found, state, command, turn)
    why = tuple(clipped(line, 200) for line in work.why[:LINES_MAX])
    prepared = WorkPrepared(command.player, work.mission, why, turn.now_s, work.origin)
    problems = [as_plain(problem) for problem in work.problems]
    return Decision((prepared,), {"prepared": work.mission.title, "origin": work.origin, "problems": problems})


def _hear_of_mission_funds(_: Npc, command: HearOfMissionFunds, turn: Turn) -> Decision:
    return Decision((MissionFundsHeard(command.dollars, turn.now_s),), {"heard": command.dollars})


def _hear_of_record(state: Npc, command: HearOfRecord, turn: Turn) -> Decision:
    if command.player not in state.standings:
        return Decision(reply={"heard": False})
    return Decision((RecordHeard(command.player, command.skill, turn.now_s),), {"heard": True})


def _witness(state: Npc, command: Witness, turn: Turn) -> Decision:
    """A deed that the NPC saw or heard of: it is remembered and told on, and one that was seen moves the standing if
    it concerns the NPC's faction."""
    now_s, player = turn.now_s, command.player
    events: list[Event] = []
    before = standing_now(state, player, now_s)
    if command.against == state.sheet.faction and command.hops == 0:
        tone = command.weight / 2 if command.what.verb in HELPING else -command.weight / 2
        moved = swayed(before.sway, tone)
        after = replace(before, value=clamped(before.value + moved), sway=before.sway + moved)
        events.append(Swayed(player, after, mood_now(state, now_s), "seen", one_too_many(state, player, now_s)))
    fact = f"{before.name or STRANGER} {in_words(command.what, turn.world, command.scene)}"
    weight = 10 * command.weight
    if command.hops:
        trace, dies_s = rumour_by(turn.by, state.mind.next_no, turn, weight)
        fresh = Memory(0, "rumour", fact, weight, player, "rumour", now_s, dies_s, trace=trace)
    else:
        fresh = Memory(0, "seen", fact, weight, player, "witnessed", now_s)
    if command.scene is not None and command.hops == 0:
        events.append(SceneSeen(command.scene, now_s))
    writer = writer_of(state, turn)
    no = writer.keep(fresh)
    messages = (*telling_on(state.sheet, command, turn), *to_archive(state.mind, writer, turn))
    return Decision((*events, *writer.events), {"memory": no}, messages)


def _not_by_players(turn: Turn) -> None:
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", "a player cannot propose work")


WORK_RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = {
    OutlineWork: _outline_work,
    ProposeMission: _propose_mission,
    HearOfMissionFunds: _hear_of_mission_funds,
    HearOfRecord: _hear_of_record,
    HearOfSides: hear_of_sides,
    Witness: _witness,
}
