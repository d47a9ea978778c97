"""Why did she say that: an utterance found in the journal, explained, and said again by the same rules.

An utterance's id is the actor and the turn it began in, ``npc:mara#17``. What a model was asked, said and cost stands
in the journal. What the scripted mind said follows from the state before that turn, the line and the dice, so it is
made again here, and whether it comes out the same is part of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import SnapshotBody
from ganggpt.actors.host.host import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.state import Companion, CompanionSpoke
from ganggpt.domain.ids import ActorId, actor_id
from ganggpt.domain.kinds import decode_state, decode_turn, kind_for
from ganggpt.domain.mind import memory
from ganggpt.domain.mind.utterance import Began, Provenance, ProvenanceRecorded
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.npc.state import Npc, Spoke
from ganggpt.domain.turn import Turn
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, InvalidInput, UnknownUtterance

LOOK_MAX: Final = 64
"""Turns after the first in which an utterance is looked for: its sentences are turns of their own."""
TURNS_MAX: Final = 50_000
"""Turns of one actor that are read to find out what it had in mind."""
RECALLED_MAX: Final = 8

_snapshot: Final = msgspec.msgpack.Decoder(SnapshotBody).decode

Turns = Sequence[tuple[int, bytes]]
"""Number and body of turns of one actor, in order."""


class Recalled(Struct, frozen=True):
    """A memory the speaker had in mind, with the parts of its score."""

    no: int
    text: str
    score: float
    relevance: float
    recency: float
    weight: float
    person: float


class Why(Struct, frozen=True, kw_only=True):
    """Everything known about one utterance. ``recalled``: by the state before it, where the journal still reaches back
    so far; ``again``: what the scripted mind says when asked again with the same dice, None where a model spoke."""

    utterance: str
    player: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float
    made: Provenance
    recalled: tuple[Recalled, ...] = ()
    again: str | None = None

    @property
    def same(self) -> bool | None:
        """Whether it came out the same again; None where that cannot be said."""
        return None if self.again is None else self.again == self.said


def place_of(utterance: str) -> tuple[ActorId, int]:
    """The actor and the turn of an utterance's id. Raises InvalidInput."""
    actor, mark, seq = utterance.rpartition("#")
    if not mark or not seq.isascii() or not seq.isdigit() or not 0 < len(seq) < 19:
        raise InvalidInput("utterance", f"{utterance[:80]!r} is no utterance; they look like npc:mara#17")
    return actor_id(actor), int(seq)


def why(utterance: str, turns: Turns, world: World, snapshot: tuple[int, bytes] | None = None) -> Why:
    """Explain an utterance by the turns of its actor up to LOOK_MAX after it, as far back as the journal reaches;
    ``snapshot``: what was packed up of the actor, and after which turn.

    Raises InvalidInput, and UnknownUtterance where there is none of that id.
    """
    actor, seq = place_of(utterance)
    spoke, made = _found(actor, utterance, seq, turns)
    if spoke is None:
        raise UnknownUtterance(utterance)
    before = _state_before(actor, seq, turns, snapshot)
    told: dict[str, Any] = {
        "utterance": utterance, "player": spoke.player, "act": spoke.act, "heard": spoke.heard, "said": spoke.said,
        "cites": spoke.cites, "at_s": spoke.at_s, "made": Provenance() if made is None else made,
    }  # fmt: skip
    if not isinstance(before, Npc | Companion):
        return Why(**told)
    ranked = memory.recall(
        before.mind.memories, spoke.heard, spoke.at_s, RECALLED_MAX, spoke.player, listener=spoke.player
    )
    recalled = tuple(map(_shown, ranked))
    return Why(**told, recalled=recalled, again=None if made is not None else _again(before, spoke, actor, seq, world))


class Lived(Protocol):
    """Where the life of an actor is read. Raises Unavailable."""

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The last turns up to ``seq``, in order."""
        ...

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        """What was packed up of it, and after which turn."""
        ...


async def lived(
    journal: Lived, actor: ActorId, seq: int, most: int = TURNS_MAX
) -> tuple[list[tuple[int, bytes]], tuple[int, bytes] | None]:
    """What is needed of an actor's life to explain turn ``seq``: its turns since the snapshot before it, or as many as
    allowed; and that snapshot."""
    snapshot = await journal.snapshot(actor)
    if snapshot is not None and snapshot[0] >= seq:
        snapshot = None
    since = 0 if snapshot is None else snapshot[0]
    return await journal.upto(actor, seq + LOOK_MAX, min(most, seq + LOOK_MAX - since)), snapshot


def as_plain(found: Why) -> dict[str, Any]:
    """An explanation for programs, by the names of its fields."""
    made = {name: msgspec.to_builtins(getattr(found.made, name)) for name in found.made.__struct_fields__}
    return {**msgspec.to_builtins(found), "made": made, "same": found.same}


def _shown(one: memory.Recalled) -> Recalled:
    parts = (one.score, one.relevance, one.recency, one.weight, one.person)
    return Recalled(one.memory.no, one.memory.text, *(round(part, 4) for part in parts))


def _found(actor: ActorId, utterance: str, seq: int, turns: Turns) -> tuple[Spoke | None, Provenance | None]:
    """What was said, and the explanation that stands in the journal (none where it was said in one turn)."""
    spoke: Spoke | None = None
    made: Provenance | None = None
    for number, body in turns:
        if number < seq:
            continue
        for event in map(as_spoke, decode_turn(kind_for(actor), body).events):
            if isinstance(event, Spoke) and (event.utterance == utterance or (number == seq and not event.utterance)):
                spoke = event
            elif isinstance(event, ProvenanceRecorded) and event.id == utterance:
                made = event.made
            elif isinstance(event, Began) and event.utterance.id == utterance and spoke is None:
                now = event.utterance
                spoke = Spoke(now.player, now.act, now.heard, "", now.cites, now.at_s, now.id)
    return spoke, made


def as_spoke(event: Any) -> Any:
    """A companion's words as an NPC's; any other event as it is."""
    if not isinstance(event, CompanionSpoke):
        return event
    return Spoke(event.to, event.act, event.heard, event.said, event.cites, event.at_s, event.utterance)


def states(actor: ActorId, turns: Turns, snapshot: tuple[int, bytes] | None, upto: int) -> Iterator[tuple[int, Any]]:
    """The number of each turn with the state before it, from a snapshot or the actor's birth on, as far as the turns go
    on from there without a gap."""
    kind, seq, state = kind_for(actor), 0, None
    if snapshot is not None and snapshot[0] < upto:
        seq, state = snapshot[0], decode_state(kind, _snapshot(snapshot[1]).state)
    for number, body in turns:
        if number <= seq:
            continue
        record = decode_turn(kind, body)
        if record.first:
            state = None
        elif number != seq + 1:
            return
        if number > upto:
            return
        yield number, state
        for event in record.events:
            state = kind.evolve(state, event)
        seq = number


def _state_before(actor: ActorId, seq: int, turns: Turns, snapshot: tuple[int, bytes] | None) -> Any:
    """The state before a turn, or None where neither journal nor snapshot reaches back."""
    return next((state for number, state in states(actor, turns, snapshot, seq) if number == seq), None)


def _again(before: Npc | Companion, spoke: Spoke, actor: ActorId, seq: int, world: World) -> str | None:
    """The same line said to the same state once more; None where it was not a line that was answered."""
    if not spoke.heard:
        return None
    turn = Turn(actor, seq, spoke.at_s, spoke.player, dice_of(actor, seq, world.seed), world, ScriptedMind())
    try:
        if isinstance(before, Npc):
            said: str = npc.decide(before, Talk(spoke.heard), turn).reply["say"]
        else:
            said = companion.decide(before, companion.Talk(spoke.heard), turn).reply["say"]
    except GangGPTError:
        return None
    return said
