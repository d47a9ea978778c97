"""How an NPC finds work for a player: one of its own jobs, one by grammar, or one that a mind proposed.

An NPC knows what it was told: how good a player is (the player's own record, asked for by message), and what its
faction can spend on a mission (told by the faction when that is less than was promised). Until then it goes by the
world's sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.ids import ActorId, command_id_text, derived_command_id
from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import Offer, Origin, ShowRecord
from ganggpt.domain.mission_design.compiler import compile_mission
from ganggpt.domain.mission_design.difficulty import (
    SKILL_START,
    impact_max,
    mission_funds_of,
    reward_bounds,
    wanted_difficulty,
)
from ganggpt.domain.mission_design.draft import OBJECTIVES_MAX, Problem, Setting, WorkBrief
from ganggpt.domain.mission_design.grammar import grown
from ganggpt.domain.mission_design.objectives import OBJECTIVES
from ganggpt.domain.mission_design.repair import is_legal
from ganggpt.domain.mission_design.roads import distances_m
from ganggpt.domain.mission_design.things import is_found, things_of
from ganggpt.domain.npc.commands import OutlineWork, ProposeMission
from ganggpt.domain.npc.state import Npc, Standing, WorkOffer, standing_now
from ganggpt.domain.turn import Ask, Message, Turn
from ganggpt.domain.world import MissionTemplate, ObjectiveSheet
from ganggpt.errors import Refused

TEMPLATE_CHANCE: Final = 0.5
"""How often an NPC offers one of its own jobs where one of them fits."""
FITS: Final = 2
"""A job of one's own fits where its difficulty is so near to what is wanted."""
RECORD_FRESH_S: Final = 1_800.0
PURSE_FRESH_S: Final = 86_400.0
PROPOSAL_FRESH_S: Final = 60.0
PREPARED_FRESH_S: Final = 3_600.0
MODEL_WITHIN_S: Final = 20.0
WORK: Final = "work"
"""Name of the ask for a mission."""
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
        told = state.purse >= 0 and turn.now_s - state.purse_s < PURSE_FRESH_S
        funds = state.purse if told else mission_funds_of(turn.world.factions[payer].treasury)
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


def thinking_ahead(state: Npc, player: str, party: int, turn: Turn) -> tuple[Ask, ...]:
    """Where there is a model, it is asked for the player's next mission while they do this one; nobody waits for it."""
    if not turn.has_model:
        return ()
    brief = WorkBrief(player, party, outline(state, player, party, turn))
    return (Ask(WORK, brief, OutlineWork(player, party), MODEL_WITHIN_S, waited_for=False),)


def _reasons(state: Npc, player: str, party: int, setting: Setting, turn: Turn) -> tuple[str, ...]:
    standing = standing_now(state, player, turn.now_s)
    skill = "unknown" if standing.skill < 0 else str(standing.skill)
    pays = "the giver" if setting.payer is None else f"{setting.payer}, up to {setting.mission_funds}"
    wanted = f"difficulty {setting.wanted} fits: skill {skill}, party of {party}, standing {standing.value:.0f}"
    return wanted, f"paid by {pays}"


def judged(state: Npc, command: ProposeMission, turn: Turn) -> Work | tuple[Problem, ...]:
    """The proposed mission as the compiler lets it through, or everything that is wrong with it. Raises Refused."""
    if command.asked_s is not None and turn.now_s - command.asked_s > PROPOSAL_FRESH_S:
        raise Refused("stale", f"that was asked for {turn.now_s - command.asked_s:.0f} s ago")
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
    """The offer as the NPC remembers it, and the letter that brings the mission to life."""
    ref = f"mission:{command_id_text(derived_command_id(turn.now_s, turn.actor, turn.seq, 'mission'))}"
    job = work.mission
    offer = WorkOffer(ref, job.id, turn.now_s, job.title, job.reward, job.description)
    sheet = None if work.origin == "template" else job
    why = tuple(clipped(line, 200) for line in work.why[:LINES_MAX])
    return offer, Message(ActorId(ref), Offer(job.id, turn.actor, player, sheet, work.origin, payer, why))


def payer_of(state: Npc, turn: Turn) -> str | None:
    """The faction that pays for this NPC's missions."""
    return state.sheet.faction if state.sheet.faction in turn.world.factions else None


def asking_around(standing: Standing, player: str, turn: Turn) -> Iterable[Message]:
    """A letter to the player where the NPC does not know how good they are, or heard of it long ago."""
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
