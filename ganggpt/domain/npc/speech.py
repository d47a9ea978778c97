"""An NPC's answer put into words."""

from __future__ import annotations

from typing import Any

from ganggpt.domain.mind.affect import mood_label, standing_label
from ganggpt.domain.mind.brief import Brief, cited
from ganggpt.domain.mind.response import Answer
from ganggpt.domain.npc.state import Npc, Spoke, Standing
from ganggpt.domain.turn import Turn


def uttered(
    state: Npc, turn: Turn, player: str, found: Answer, standing: Standing, mood: float, heard: str = ""
) -> tuple[Spoke, dict[str, Any]]:
    """What the NPC says to a player, as an event and as a reply."""
    brief = brief_of(state, turn, player, found, standing, mood, heard)
    said = turn.mind.say(brief, turn.dice)
    no = None if found.memory is None else found.memory.no
    reply = {**told(brief, standing, said, no), "utterance": f"{turn.actor}#{turn.seq}"}
    return Spoke(player, found.act, heard, said, no, turn.now_s), reply


def told(brief: Brief, standing: Standing, said: str, cites: int | None) -> dict[str, Any]:
    """The reply a game server gets."""
    return {
        "say": said,
        "act": brief.act,
        "mood": brief.mood,
        "standing": round(standing.value),
        "standing_label": brief.standing,
        "cites": cites,
    }


def brief_of(
    state: Npc, turn: Turn, player: str, found: Answer, standing: Standing, mood: float, heard: str = ""
) -> Brief:
    """Everything a mind may know for an answer of the NPC."""
    memory = found.memory
    return Brief(
        speaker=state.sheet.name,
        role=state.sheet.role,
        style=state.sheet.style,
        act=found.act,
        mood=mood_label(mood),
        standing=standing_label(standing.value),
        listener=standing.name,
        heard=heard,
        memory=None if memory is None else cited(memory, turn.now_s, player),
        politics=found.politics,
        place=place_of(state, turn),
        backstory=state.sheet.backstory,
        facts=found.facts,
        avoid=state.openers,
        stale=state.phrases,
    )


def place_of(state: Npc, turn: Turn) -> str:
    """The name of the district an NPC lives in."""
    district = turn.world.districts.get(state.sheet.home)
    return district.name if district is not None else state.sheet.home
