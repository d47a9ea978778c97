"""How an NPC talks with a model's words (``talking``): whom it answers at once, and what it does about actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ganggpt.domain.language.words import tokens
from ganggpt.domain.mind import turn_taking
from ganggpt.domain.mind.actions import Judged, Refusal, actions_of, judged
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import Brief
from ganggpt.domain.mind.commands import Conclude
from ganggpt.domain.mind.response import Answer, Speaker, answer
from ganggpt.domain.mind.turn_taking import Outcome, as_by, current
from ganggpt.domain.mind.utterance import Line, Utterance
from ganggpt.domain.npc.speech import brief_of, told
from ganggpt.domain.npc.state import Npc, Spoke, evolve, mood_now, standing_now
from ganggpt.domain.turn import Command, Decision, Event, Turn


class NpcTalker:
    """Implements ``talking.Talker``."""

    kind = "npc"

    def evolve(self, state: Npc, event: Any) -> Npc:
        """See Talker."""
        return evolve(state, event)

    def name(self, state: Npc) -> str:
        """See Talker."""
        return state.sheet.name

    def at_once(self, state: Npc, turn: Turn, line: Line) -> bool:
        """Who calls it by its name, and an enemy."""
        called = tokens(state.sheet.name) & tokens(line.heard)
        return bool(called) or standing_now(state, line.player, turn.now_s).value <= HOSTILE_AT

    def answer(self, state: Npc, turn: Turn, line: Line) -> Answer:
        """See Talker."""
        sheet = state.sheet
        value = standing_now(state, line.player, turn.now_s).value
        speaker = Speaker(state.memories, state.cited, value, sheet.faction, bool(sheet.missions))
        return answer(speaker, line.heard, line.absent_s, as_by(turn, line.player))

    def brief(self, state: Npc, turn: Turn, line: Line, found: Answer) -> Brief:
        """See Talker."""
        standing, mood = standing_now(state, line.player, turn.now_s), mood_now(state, turn.now_s)
        return brief_of(state, turn, line.player, found, standing, mood, line.heard)

    def reply(self, state: Npc, turn: Turn, line: Line, brief: Brief, said: str) -> dict[str, Any]:
        """See Talker."""
        return told(brief, standing_now(state, line.player, turn.now_s), said, None)

    def spoke(self, _: Npc, now: Utterance, said: str, at_s: float) -> Event:
        """See Talker."""
        return Spoke(now.player, now.act, now.heard, said, now.cites, at_s, now.id)


TALKER: Final = NpcTalker()


def conclude(state: Npc, command: Conclude, turn: Turn) -> tuple[Decision, Npc, Judged, Turn]:
    """The end of a model's answer: what it wants to do is judged, and said no to where it may not. Returns also the
    state after it, the verdicts, and the turn as one of the player: what is allowed may be a command of theirs."""
    now = current(state, command.utterance)
    as_player = as_by(turn, now.player)
    verdicts = judged(actions_of(command.actions), state, as_player)
    outcome = Outcome(
        told=tuple((v.action, v.reason if isinstance(v, Refusal) else "allowed") for v in verdicts.verdicts),
        refused=next((refusal.answer() for refusal in verdicts.refusals), None),
        acts=tuple(wish.act for wish in verdicts.wishes if wish.act is not None),
        events=verdicts.events,
    )
    done = turn_taking.conclude(TALKER, state, command, turn, outcome)
    if done is None:
        return turn_taking.say_silent(TALKER, state, command, turn), state, Judged((), state), as_player
    after = state
    for event in done.events:
        after = evolve(after, event)  # type: ignore[arg-type]
    return done, after, verdicts, as_player


RULES: Final[Mapping[type[Command], Callable[[Npc, Any, Turn], Decision]]] = turn_taking.rules(TALKER)
"""The rules of talking by their commands."""
