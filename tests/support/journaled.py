"""An NPC whose turns are journaled, for tests that look back on them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ganggpt.actors.host.turn_runner import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId
from ganggpt.domain.kinds import VERSION, TurnRecord, encode_turn, kind_for
from ganggpt.domain.turn import Command, Turn
from tests.support.builders import NOW_S, WORLD
from tests.support.played import a_spawn

MARA = ActorId("npc:mara")


class Journaled:
    """Somebody whose turns are kept as a host keeps them."""

    def __init__(self, actor: ActorId = MARA) -> None:
        self.actor, self.kind = actor, kind_for(actor)
        self.state: Any = None
        self.turns: list[tuple[int, bytes]] = []
        self.model_requests: tuple[Any, ...] = ()
        if actor == MARA:
            self.do(a_spawn(), by="server:test")

    def do(self, command: Command, by: str = "player:ava", *, has_model: bool = False) -> Any:
        seq = len(self.turns) + 1
        now_s = NOW_S + 60 * seq
        turn = Turn(self.actor, seq, now_s, by, dice_of(self.actor, seq, WORLD.seed), WORLD, ScriptedMind(), has_model)
        decision = self.kind.decide(self.state, command, turn)
        for event in decision.events:
            self.state = self.kind.evolve(self.state, event)
        self.model_requests = decision.model_requests or self.model_requests
        self.turns.append((seq, encode_turn(TurnRecord(VERSION, now_s, decision.events, b""))))
        return decision.reply


def with_dice(seed: int) -> Any:
    """The same world with other dice."""
    return replace(WORLD, seed=seed)
