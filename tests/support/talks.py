"""A player talks to one of the people of Los Santos, line by line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.world import World
from ganggpt.worldfiles.files import cast_of, load_world
from tests.support.builders import Played
from tests.support.paths import ROOT

LOS_SANTOS: Path = ROOT / "worlds" / "los-santos"
NOON = 12 * 60


@lru_cache(maxsize=1)
def los_santos() -> World:
    return load_world(LOS_SANTOS)


class TalkWith:
    """A talk with one of the cast. ``line``: the lines the last answer was put into; ``because``: what it was taken
    from."""

    def __init__(self, npc: str, player: str = "Ava", *, minute: int | None = NOON, weather: Any = "clear") -> None:
        self.played = Played(KIND, f"npc:{npc}", world=los_santos(), mind=ScriptedMind())
        commands = {actor: command for actor, _, command in cast_of(los_santos())}
        self.played.do(commands[f"npc:{npc}"], "server:test")
        self._player, self._scene = player, TalkScene(minute=minute, weather=weather)
        self.line, self.because, self.act = "", "", ""

    def say(self, text: str) -> str:
        """What is answered."""
        self.played.wait(8)
        done = self.played.do(Talk(text, self._player, self._scene), "player:ava")
        spoke = next(event for event in done.events if isinstance(event, Spoke))
        self.line, _, self.because = spoke.because.partition(": ")
        self.act = spoke.act
        return spoke.said
