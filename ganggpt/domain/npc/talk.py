"""How an NPC talks: whom it answers at once, what goes into its answers, and what it does about a model's actions."""

from __future__ import annotations

from typing import Any, Final

from ganggpt.domain.daily_life import Whereabouts, clock_at, day_of, whereabouts
from ganggpt.domain.language.words import tokens
from ganggpt.domain.language.world_knowledge import known_of
from ganggpt.domain.lore import Life
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.actions import Judged, Refusal, actions_of
from ganggpt.domain.mind.affect import HOSTILE_AT, mood_label, standing_label
from ganggpt.domain.mind.background import Background, causes_of, held_in_words, traits_in_words
from ganggpt.domain.mind.brief import Brief, cited
from ganggpt.domain.mind.commands import Conclude
from ganggpt.domain.mind.dialogue.small_lives import life_of
from ganggpt.domain.mind.dialogue.speaker import Speaker
from ganggpt.domain.mind.dialogue.tongue import language_of
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.response import answer
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.talker import folded
from ganggpt.domain.mind.transcript import is_over
from ganggpt.domain.mind.turn_taking import Outcome, as_by, current
from ganggpt.domain.mind.utterance import Line, Utterance
from ganggpt.domain.npc import memory
from ganggpt.domain.npc.actions import judged, open_actions
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.npc.evolution import evolve
from ganggpt.domain.npc.sides import side_in_words
from ganggpt.domain.npc.state import Npc, around_now, mood_now, standing_now
from ganggpt.domain.npc.work import job_told, offer_in_words, open_offer
from ganggpt.domain.turn import Decision, Event, Turn


class NpcTalker:
    """Implements ``mind.talker.Talker``."""

    kind = "npc"

    def evolve(self, state: Npc, event: Any) -> Npc:
        """See Talker."""
        return evolve(state, event)

    def name(self, state: Npc) -> str:
        """See Talker."""
        return state.sheet.name

    def room(self, state: Npc) -> int:
        """See Talker."""
        return state.sheet.room

    def calls(self, state: Npc, player: str) -> str:
        """See Talker."""
        known = state.standings.get(player)
        return "" if known is None else known.name

    def at_once(self, state: Npc, turn: Turn, line: Line) -> bool:
        """Who calls it by its name, and an enemy."""
        called = tokens(state.sheet.name) & tokens(line.heard)
        return bool(called) or standing_now(state, line.player, turn.now_s).value <= HOSTILE_AT

    def answer(self, state: Npc, turn: Turn, line: Line) -> Answer:
        """See Talker."""
        return answer(_speaker(state, turn, line), line.heard, line.absent_s, as_by(turn, line.player))

    def brief(self, state: Npc, turn: Turn, line: Line, found: Answer) -> Brief:
        """See Talker."""
        sheet, standing = state.sheet, standing_now(state, line.player, turn.now_s)
        return Brief(
            speaker=sheet.name,
            role=sheet.role,
            style=sheet.style,
            act=found.act,
            mood=mood_label(mood_now(state, turn.now_s)),
            standing=standing_label(standing.value),
            listener=standing.name,
            heard=line.heard,
            memory=None if found.memory is None else cited(found.memory, turn.now_s, line.player),
            politics=found.politics,
            place=place_of(state, turn),
            backstory=sheet.backstory,
            facts=found.facts,
            avoid=state.mind.openers,
            stale=state.mind.phrases,
            line=found.line,
            then=tuple((part.line, part.facts) for part in found.then),
            language=language_of(turn.world, state.mind.talks.get(line.player), line.heard, turn.now_s),
            own=_life(state, turn).lines,
        )

    def background(self, state: Npc, turn: Turn, line: Line) -> Background:
        """See Talker."""
        as_player = as_by(turn, line.player)
        offer = open_offer(state, line.player, turn)
        talk = state.mind.talks.get(line.player)
        return Background(
            exchanges=() if talk is None or is_over(talk, turn.now_s) else talk.exchanges,
            scene=line.scene if line.scene is not None else around_now(state, turn.now_s),
            traits=traits_in_words(state.sheet.traits),
            aims=state.sheet.aims,
            about_self=side_in_words(state, turn),
            holds=held_in_words([item.name for item in state.items]),
            offer="" if offer is None else offer_in_words(offer, turn.world),
            causes=causes_of(state.mind.memories, line.player, turn),
            named=known_of(turn.world, line.heard),
            open_actions=open_actions(state, as_player),
        )

    def reply(self, state: Npc, turn: Turn, line: Line, brief: Brief, said: str) -> dict[str, Any]:
        """See Talker."""
        return {
            "say": said,
            "act": brief.act,
            "mood": brief.mood,
            "standing": round(standing_now(state, line.player, turn.now_s).value),
            "standing_label": brief.standing,
            "cites": None,
        }

    def spoke(self, _: Npc, now: Utterance, said: str, at_s: float) -> Event:
        """See Talker."""
        return Spoke(now.player, now.act, now.heard, said, now.cites, at_s, now.id, now.because)

    def reflects(self, state: Npc, writer: MemoryWriter, turn: Turn) -> Decision:
        """See Talker."""
        return memory.reflects(state, writer, turn)


TALKER: Final = NpcTalker()


def place_of(state: Npc, turn: Turn) -> str:
    """The name of the district an NPC is in."""
    where = _where(state, turn, None)
    id_ = state.sheet.home if where is None else where.district
    district = turn.world.districts.get(id_)
    return district.name if district is not None else id_


def _where(state: Npc, turn: Turn, minute: int | None) -> Whereabouts | None:
    """Where the day of its life has brought an NPC; None where its game server put it where it lives."""
    known = turn.world.npcs.get(state.sheet.id)
    if known is None or known.home != state.sheet.home or not day_of(turn.world, known):
        return None
    return whereabouts(turn.world, state.sheet.id, turn.now_s, minute)


def _life(state: Npc, turn: Turn) -> Life:
    """Its life: of the world's files, else a small one that follows from who it is."""
    sheet = state.sheet
    return turn.world.lives.get(sheet.id) or life_of(turn.world, sheet.id, sheet.role, sheet.home)


def _speaker(state: Npc, turn: Turn, line: Line) -> Speaker:
    """The NPC as its answers see it."""
    sheet, mind = state.sheet, state.mind
    standing = standing_now(state, line.player, turn.now_s)
    scene = line.scene if line.scene is not None else around_now(state, turn.now_s)
    minute = scene.minute if scene is not None else None
    where = _where(state, turn, minute)
    talk = mind.talks.get(line.player)
    mood = mood_now(state, turn.now_s)
    sides = state.sides
    return Speaker(
        memories=mind.memories,
        cited=mind.cited,
        phrases=mind.phrases,
        standing=standing.value,
        faction=sheet.faction,
        offers_work=bool(sheet.missions),
        traits=sheet.traits,
        id=sheet.id,
        name=sheet.name,
        role=sheet.role,
        home=sheet.home,
        place=sheet.home if where is None else where.district,
        spot="" if where is None else where.spot,
        doing="" if where is None or where.posture == "sleep" else where.doing,
        backstory=sheet.backstory,
        likes=sheet.likes,
        aims=sheet.aims,
        life=_life(state, turn),
        listener=standing.name,
        talks=standing.talks,
        exchanges=() if talk is None or is_over(talk, turn.now_s) else talk.exchanges,
        scene=scene,
        language=language_of(turn.world, talk, line.heard, turn.now_s),
        style=state.sheet.style,
        minute=clock_at(turn.world, turn.now_s)[1] if minute is None else minute,
        job=job_told(state, line.player, turn.world),
        mood=mood,
        mood_label=mood_label(mood),
        wars=() if sides is None else tuple(one for one, until_s in sides.wars.items() if until_s > turn.now_s),
    )


def conclude(state: Npc, command: Conclude, turn: Turn) -> tuple[Decision, Npc, Judged, Turn]:
    """The end of a model's answer: what it wants to do is judged, and said no to where it may not. Returns also the
    state after it, the verdicts, and the turn as one of the player: what is allowed may be a command of theirs."""
    now = current(state, command.utterance)
    as_player = as_by(turn, now.player)
    verdicts = judged(actions_of(command.actions), state, as_player)
    outcome = Outcome(
        told=tuple((v.action, v.reason if isinstance(v, Refusal) else "allowed") for v in verdicts.verdicts),
        refused=next((one.answer() for one in verdicts.refusals if one.is_told(now.heard)), None),
        acts=tuple(one.act for one in verdicts.allowed if one.act is not None),
        events=verdicts.events,
    )
    done = turn_taking.conclude(TALKER, state, command, turn, outcome)
    if done is None:
        return turn_taking.say_silent(TALKER, state, command, turn), state, Judged((), state), as_player
    return done, folded(TALKER, state, done.events), verdicts, as_player
