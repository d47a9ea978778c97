"""A simulation of the factions of a world: their real rules in virtual time, without Ray, stores or a model.

Messages arrive at once, reminders when they are due. A run depends on its seed alone.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.faction import rules as faction
from ganggpt.domain.faction.events import PoliticalTurnTaken
from ganggpt.domain.faction.moves import TakePoliticalTurn
from ganggpt.domain.faction.rules import Found
from ganggpt.domain.faction.state import Faction, bond_now, influence_now, relation_now, strength_now
from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.turn import Decision, Dice, Message, Turn
from ganggpt.domain.world import FactionSheet, World

START_S: Final = 1_800_000_000.0
_MIX: Final = 0x9E3779B97F4A7C15


class MapSample(Struct, frozen=True):
    """The map at one moment. ``relations`` by ``a>b``, the rest by faction. ``moves``: what was done so far."""

    turn: int
    hours: float
    relations: dict[str, float]
    treasury: dict[str, int]
    strength: dict[str, float]
    influence: dict[str, float]
    territories: dict[str, list[str]]
    wars: list[str]
    pacts: list[str]
    moves: dict[str, int]


class Theatre:
    """Owns the factions of one run. ``events``: everything that happened, where it is kept."""

    def __init__(self, world: World, seed: int, *, keep_events: bool = False) -> None:
        self.world = world
        self.now_s = START_S
        self.states: dict[str, Faction] = {}
        self.turns = 0
        self.moves: Counter[str] = Counter()
        self.events: list[tuple[str, Any]] = []
        self._keep_events = keep_events
        self._seed = seed
        self._seqs: Counter[str] = Counter()
        self._due: list[tuple[float, str]] = []
        self._messages: deque[tuple[str, Message]] = deque()
        for sheet in world.factions.values():
            self.do(f"faction:{sheet.id}", found(sheet), "server:theatre")

    def play(self, turns: int) -> None:
        """Play this many more political turns, of all factions together."""
        until = self.turns + turns
        while self.turns < until:
            self.now_s, actor = heapq.heappop(self._due)
            self.do(actor, TakePoliticalTurn(), actor)
            self.turns += 1

    def do(self, actor: str, command: Any, by: str) -> Decision:
        """Run one command, and every message that follows from it."""
        decision = self._decide(actor, command, by)
        while self._messages:
            sender, message = self._messages.popleft()
            if message.to in self.states:
                self._decide(message.to, message.command, sender)
        return decision

    def _decide(self, actor: str, command: Any, by: str) -> Decision:
        self._seqs[actor] += 1
        dice = Dice(hash_of(self._seed, actor, self._seqs[actor]))
        turn = Turn(ActorId(actor), self._seqs[actor], self.now_s, by, dice, self.world, _Mute())
        decision = faction.decide(self.states.get(actor), command, turn)
        state = self.states.get(actor)
        for event in decision.events:
            state = faction.evolve(state, event)  # type: ignore[arg-type]
            self._note(actor, event)
        if state is not None:
            self.states[actor] = state
        self._messages.extend((actor, m) for m in decision.messages if kind_of(m.to) == "faction")
        for reminder in decision.reminders:
            heapq.heappush(self._due, (reminder.due_s, actor))  # type: ignore[union-attr]
        return decision

    def _note(self, actor: str, event: Any) -> None:
        if isinstance(event, PoliticalTurnTaken):
            self.moves[event.move] += 1
        if self._keep_events:
            self.events.append((actor, event))

    def relations(self) -> Iterator[tuple[str, str, float, float]]:
        """All relations: who, to whom, the value now, and the value it returns to."""
        for state in self.states.values():
            for other, known in state.relations.items():
                yield state.sheet.id, other, relation_now(state, other, self.now_s), known.rest

    def sample(self) -> MapSample:
        """The map as it is now."""
        now_s, states = self.now_s, {state.sheet.id: state for state in self.states.values()}
        bonds = [
            (bond_now(state, other, now_s), f"{name}>{other}")
            for name, state in states.items()
            for other in state.bonds
        ]
        return MapSample(
            self.turns,
            (now_s - START_S) / 3600,
            {f"{one}>{other}": round(value, 1) for one, other, value, _ in self.relations()},
            {name: state.treasury for name, state in states.items()},
            {name: round(strength_now(state, now_s), 1) for name, state in states.items()},
            {name: round(influence_now(state, now_s), 1) for name, state in states.items()},
            {name: sorted(state.territories) for name, state in states.items()},
            sorted(pair for kind, pair in bonds if kind == "war"),
            sorted(pair for kind, pair in bonds if kind == "pact"),
            dict(sorted(self.moves.items())),
        )


def found(sheet: FactionSheet) -> Found:
    """The command that creates a faction of the world."""
    return Found(**{name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"})


def hash_of(*parts: object) -> int:
    """64 bits that depend on all parts, the same in every process (FNV-1a over their text)."""
    value = 0xCBF29CE484222325
    for byte in "\x1f".join(map(str, parts)).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return (value * _MIX) & 0xFFFFFFFFFFFFFFFF


class _Mute:
    """A mind for factions, which do not speak."""

    def say(self, brief: Any, dice: Dice) -> str:  # noqa: ARG002 - the port's signature
        """See Wording."""
        return "…"
