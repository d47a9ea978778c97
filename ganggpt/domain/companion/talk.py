"""A companion's answers put into words, at once by the scripted mind or sentence by sentence by a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ganggpt.domain.companion.actions import open_actions
from ganggpt.domain.companion.commands import order_in_words
from ganggpt.domain.companion.fate import weightiest
from ganggpt.domain.companion.state import (
    LEVEL_MAX,
    ORDER_OPEN_S,
    Companion,
    CompanionSpoke,
    evolve,
    level_of,
    loyalty_now,
    mood_now,
)
from ganggpt.domain.daily_life import clock_at
from ganggpt.domain.ids import name_of
from ganggpt.domain.language.words import words_of
from ganggpt.domain.language.world_knowledge import known_of
from ganggpt.domain.lore import Life
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.affect import loyalty_label, mood_label, standing_label
from ganggpt.domain.mind.background import Background, causes_of, traits_in_words
from ganggpt.domain.mind.brief import Brief, age_label, cited
from ganggpt.domain.mind.dialogue.small_lives import life_of
from ganggpt.domain.mind.dialogue.speaker import Speaker
from ganggpt.domain.mind.dialogue.tongue import language_of
from ganggpt.domain.mind.memory import MEMORIES_MAX
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.response import answer
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.transcript import is_over
from ganggpt.domain.mind.turn_taking import as_by
from ganggpt.domain.mind.utterance import Line, Utterance
from ganggpt.domain.turn import Decision, Event, Turn

_ASKS_WHY: Final = re.compile(
    r"\b(are|do|did|would|will|can) you (still )?(loyal|trust|with me|betray|leave me|on my side|follow me)\b"
    r"|\bwhy (do|don't|won't|did|didn't) you (trust|follow|like|obey|stay|refuse|listen)\b"
    r"|\bwhat do you (think|hold) (of|against) me\b|\bhow loyal\b|\bcan i (trust|count on) you\b"
)


class CompanionTalker:
    """Implements ``mind.talker.Talker``."""

    kind = "companion"

    def evolve(self, state: Companion, event: Any) -> Companion:
        """See Talker."""
        return evolve(state, event)

    def name(self, state: Companion) -> str:
        """See Talker."""
        return state.name

    def room(self, _: Companion) -> int:
        """See Talker."""
        return MEMORIES_MAX

    def calls(self, state: Companion, player: str) -> str:
        """See Talker."""
        return state.owner_name if player == state.owner else ""

    def at_once(self, state: Companion, _: Turn, line: Line) -> bool:
        """Its owner: a talk of another player never makes the owner wait."""
        return line.player == state.owner

    def answer(self, state: Companion, turn: Turn, line: Line) -> Answer:
        """See Talker."""
        owned = line.player == state.owner
        if owned and _ASKS_WHY.search(" ".join(words_of(line.heard))):
            return Answer("account", facts=_account_in_words(state, turn.now_s))
        return answer(_speaker(state, turn, line), line.heard, line.absent_s, as_by(turn, line.player))

    def brief(self, state: Companion, turn: Turn, line: Line, found: Answer) -> Brief:
        """See Talker."""
        memory, owned = found.memory, line.player == state.owner
        standing = _standing(loyalty_now(state, turn.now_s)) if owned else 0.0
        return Brief(
            speaker=state.name,
            role=state.companion_type,
            style=state.style,
            act=found.act,
            mood=mood_label(mood_now(state, turn.now_s)),
            standing=standing_label(standing),
            listener=line.name,
            heard=line.heard,
            memory=None if memory is None else cited(memory, turn.now_s, line.player),
            politics=found.politics,
            facts=found.facts,
            avoid=state.mind.openers,
            stale=state.mind.phrases,
            line=found.line,
            then=tuple((part.line, part.facts) for part in found.then),
            language=language_of(turn.world, state.mind.talks.get(line.player), line.heard, turn.now_s),
            own=_life(state, turn).lines,
        )

    def background(self, state: Companion, turn: Turn, line: Line) -> Background:
        """See Talker."""
        talk = state.mind.talks.get(line.player)
        owned = line.player == state.owner
        return Background(
            exchanges=() if talk is None or is_over(talk, turn.now_s) else talk.exchanges,
            scene=line.scene,
            traits=traits_in_words(state.personality),
            about_self=_about_self(state, turn) if owned else ("the one who talks is not your owner",),
            causes=_causes(state, turn.now_s) if owned else causes_of(state.mind.memories, line.player, turn),
            named=known_of(turn.world, line.heard),
            open_actions=open_actions(state, as_by(turn, line.player), line.heard),
        )

    def reply(self, state: Companion, turn: Turn, _: Line, brief: Brief, said: str) -> dict[str, Any]:
        """See Talker."""
        loyalty = loyalty_now(state, turn.now_s)
        return {
            "say": said,
            "act": brief.act,
            "mood": brief.mood,
            "loyalty": round(loyalty),
            "loyalty_label": loyalty_label(loyalty),
            "cites": None,
        }

    def spoke(self, state: Companion, now: Utterance, said: str, at_s: float) -> Event:
        """See Talker."""
        name = now.name if now.player == state.owner else ""
        return CompanionSpoke(now.player, now.act, now.heard, said, now.cites, at_s, name, now.id, now.because)

    def reflects(self, _state: Companion, _writer: MemoryWriter, _turn: Turn) -> Decision:
        """It draws no conclusions and tells no rumours."""
        return Decision()


TALKER: Final = CompanionTalker()


def _life(state: Companion, turn: Turn) -> Life:
    """The small life it has: it follows from who it is."""
    return life_of(turn.world, name_of(turn.actor), state.companion_type, "")


def _speaker(state: Companion, turn: Turn, line: Line) -> Speaker:
    """The companion as its answers see it."""
    owned = line.player == state.owner
    talk = state.mind.talks.get(line.player)
    mood = mood_now(state, turn.now_s)
    minute = None if line.scene is None else line.scene.minute
    doing = state.doing
    is_open = doing is not None and turn.now_s - doing.at_s <= ORDER_OPEN_S
    return Speaker(
        memories=state.mind.memories,
        cited=state.mind.cited,
        phrases=state.mind.phrases,
        standing=_standing(loyalty_now(state, turn.now_s)) if owned else 0.0,
        traits=state.personality,
        name=state.name,
        role=state.companion_type,
        life=_life(state, turn),
        listener=state.owner_name if owned else "",
        talks=1 + state.deeds if owned else 0,
        exchanges=() if talk is None or is_over(talk, turn.now_s) else talk.exchanges,
        scene=line.scene,
        language=language_of(turn.world, talk, line.heard, turn.now_s),
        style=state.style,
        minute=clock_at(turn.world, turn.now_s)[1] if minute is None else minute,
        doing=order_in_words(doing.order, doing.target, "them") if doing is not None and is_open else "",
        mood=mood,
        mood_label=mood_label(mood),
        owner=owned,
    )


def _about_self(state: Companion, turn: Turn) -> tuple[str, ...]:
    """What a companion knows of itself and the owner it goes with."""
    level, doing = level_of(state.experience), state.doing
    order = ""
    if doing is not None and turn.now_s - doing.at_s <= ORDER_OPEN_S:
        what = order_in_words(doing.order, doing.target, "them")
        order = f"what they told you to do, and you do it: {what} ({age_label(turn.now_s - doing.at_s)})"
    together = f"; things done together: {state.deeds}" if state.deeds else ""
    return (
        "the one who talks is your owner, the one you go with",
        f"loyalty to them: {loyalty_label(loyalty_now(state, turn.now_s))}",
        f"skill: level {level} of {LEVEL_MAX}{together}",
        *((order,) if order else ()),
    )


def _causes(state: Companion, now_s: float) -> tuple[str, ...]:
    """What moved the loyalty most, for and against the owner."""
    for_them, against = weightiest(state, now_s, against=False), weightiest(state, now_s, against=True)
    return tuple(f"{side}: {what}" for side, what in (("for them", for_them), ("against them", against)) if what)


def said(state: Companion, turn: Turn, line: Line, found: Answer, events: Sequence[Event] = ()) -> Decision:
    """Put an answer into words at once. ``state``: as it is after ``events``, which go along."""
    return turn_taking.said(TALKER, state, turn, line, found, events)


def to_owner(state: Companion, heard: str = "") -> Line:
    """What the companion answers its owner to, where it is not told in a talk."""
    return Line(state.owner, heard, 0.0, None, state.owner_name)


def _account_in_words(state: Companion, now_s: float) -> dict[str, str]:
    """What speaks for the owner and what against them, to be said."""
    good, bad = weightiest(state, now_s, against=False), weightiest(state, now_s, against=True)
    return {"for": (good or "").replace(": ", ", "), "against": (bad or "").replace(": ", ", ")}


def _standing(loyalty: float) -> float:
    """Loyalty 0..100 as a standing: hostile under 25, friendly from 48, family from 81 on."""
    return (loyalty - 40) * 1.6
