"""A decision of a faction while it is made, and steps that many rules share, such as a change of relations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ganggpt.domain.faction.events import FactionEvent, RelationShifted, StrengthChanged
from ganggpt.domain.faction.relation import ripples
from ganggpt.domain.faction.state import RELATIONS_MAX, Faction, evolve, relation_now, strength_after
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import clipped
from ganggpt.domain.mind.affect import stepped
from ganggpt.domain.turn import Command, Decision, Forget, Message, Push, Remind, Turn
from ganggpt.errors import Refused

NEWS_MIN: Final = 1.0
"""Game servers are told of changes of a relation of at least this much."""
_CAUSE_MAX: Final = 200


class Draft:
    """Collects events, messages and pushes. Every event is folded at once, so that later steps see its effect."""

    def __init__(self, state: Faction, turn: Turn) -> None:
        self.state = state
        self.turn = turn
        self.events: list[FactionEvent] = []
        self.messages: list[Message] = []
        self.pushes: list[Push] = []

    @property
    def me(self) -> str:
        """The name of the faction whose turn it is."""
        return self.state.sheet.id

    def add(self, event: FactionEvent) -> None:
        """Add an event and fold it."""
        self.events.append(event)
        self.state = evolve(self.state, event)

    def tell(self, other: str, command: Command) -> None:
        """Send a message to another faction."""
        self.send(f"faction:{other}", command)

    def send(self, actor: str, command: Command) -> None:
        """Send a message to any actor."""
        self.messages.append(Message(ActorId(actor), command))

    def news(self, type: str, body: Mapping[str, Any]) -> None:  # noqa: A002
        """Push news to every game server."""
        self.pushes.append(Push("*", type, body))

    def done(self, reply: Mapping[str, Any], *reminders: Remind | Forget) -> Decision:
        """The decision made so far."""
        return Decision(tuple(self.events), reply, tuple(self.messages), tuple(self.pushes), reminders)


def shift(draft: Draft, other: str, delta: float, cause: str) -> float:
    """Move a relation by up to ``delta``, and with it those to the friends and enemies of the other side. Returns how
    far the relation itself moved."""
    applied = _shift_one(draft, other, delta, cause)
    them = draft.turn.world.factions.get(other)
    if them is not None:
        theirs = {third: tie for third, tie in them.relations.items() if third in draft.state.relations}
        for third, moved in ripples(applied, theirs):
            side = "friends" if them.relations[third] > 0 else "enemies"
            _shift_one(draft, third, moved, f"{side} of {them.name}: {cause}")
    return applied


def _shift_one(draft: Draft, other: str, delta: float, cause: str) -> float:
    turn = draft.turn
    before = relation_now(draft.state, other, turn.now_s)
    applied = stepped(before, delta) - before
    if applied == 0.0:
        return 0.0
    cause = clipped(cause, _CAUSE_MAX)
    draft.add(RelationShifted(other, applied, cause, turn.by, turn.now_s))
    if abs(applied) >= NEWS_MIN:
        after = before + applied
        body = {"a": draft.me, "b": other, "from": round(before, 1), "to": round(after, 1), "cause": cause}
        draft.news("faction.relation", body)
    return applied


def strengthen(draft: Draft, change: float, cause: str) -> None:
    """Change the faction's own strength."""
    now_s = draft.turn.now_s
    draft.add(StrengthChanged(strength_after(draft.state, change, now_s), cause, now_s))


def is_known(state: Faction, other: str, turn: Turn) -> bool:
    """Whether another faction exists and there is room for a relation to it."""
    if other in state.relations:
        return True
    return other != state.sheet.id and other in turn.world.factions and len(state.relations) < RELATIONS_MAX


def not_for_players(turn: Turn) -> None:
    """Raises Refused where a player gives the command."""
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", "players move factions by what they do, not by commands")
