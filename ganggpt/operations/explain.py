"""Explains why something was said: an utterance is found in the journal, explained, and said again by the same rules.

An utterance's id is the actor and the turn it began in, ``npc:mara#17``. What a model was asked, said and cost stands
in the journal. What the scripted mind said follows from the state before that turn, the line and the dice, so it is
computed again here, and whether it comes out the same is part of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import SnapshotBody
from ganggpt.actors.host.turn_runner import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.state import Companion, CompanionSpoke
from ganggpt.domain.ids import ActorId, actor_id
from ganggpt.domain.kinds import decode_state, decode_turn, kind_for
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.mind import memory
from ganggpt.domain.mind.utterance import Began, Provenance, ProvenanceRecorded
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import Talk
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.turn import Turn
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, InvalidInput, UnknownUtterance

TURNS_AFTER_MAX: Final = 64
"""Turns after the first in which an utterance is looked for: its sentences are turns of their own."""
TURNS_MAX: Final = 50_000
"""The most turns of one actor that are read to rebuild its state."""
RECALLED_MAX: Final = 8

_snapshot: Final = msgspec.msgpack.Decoder(SnapshotBody).decode

Turns = Sequence[tuple[int, bytes]]
"""Number and body of turns of one actor, in order."""


class RecalledMemory(Struct, frozen=True):
    """A memory the speaker could recall, with the parts of its score. ``replaced_by``: the memory that says how it is
    now, where this one is past."""

    no: int
    text: str
    score: float
    relevance: float
    recency: float
    weight: float
    person: float
    replaced_by: int | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything known about one utterance. ``recalled``: memories in the state before it, if the journal still reaches
    back so far; ``heard_as``: the acts of the line with their confidences, as it is heard today; ``because``: the lines
    the answer of the rules was put into, and what it was taken from; ``again``: what the
    scripted mind says now with the same dice, None if a model spoke."""

    utterance: str
    player: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float
    provenance: Provenance
    recalled: tuple[RecalledMemory, ...] = ()
    heard_as: tuple[tuple[str, float], ...] = ()
    because: str = ""
    again: str | None = None

    @property
    def same(self) -> bool | None:
        """Whether the same words came out again; None if that is unknown."""
        return None if self.again is None else self.again == self.said

    def to_reply(self) -> dict[str, Any]:
        """For programs, by the names of the fields; ``provenance`` is published as ``made``."""
        made = {name: msgspec.to_builtins(getattr(self.provenance, name)) for name in self.provenance.__struct_fields__}
        shown = {"made" if name == "provenance" else name: one for name, one in msgspec.to_builtins(self).items()}
        return {**shown, "made": made, "same": self.same}


def place_of(utterance: str) -> tuple[ActorId, int]:
    """The actor and the turn in an utterance's id. Raises InvalidInput."""
    actor, mark, seq = utterance.rpartition("#")
    if not mark or not seq.isascii() or not seq.isdigit() or not 0 < len(seq) < 19:
        raise InvalidInput("utterance", f"{utterance[:80]!r} is not an utterance; an utterance looks like npc:mara#17")
    return actor_id(actor), int(seq)


def explain(utterance: str, turns: Turns, world: World, snapshot: tuple[int, bytes] | None = None) -> Explanation:
    """Explain an utterance by the turns of its actor: as far back as the journal reaches, and up to TURNS_AFTER_MAX
    after it. ``snapshot``: of the actor, after the turn of that number.

    Raises InvalidInput, and UnknownUtterance if there is none of that id.
    """
    actor, seq = place_of(utterance)
    spoke, provenance = _found(actor, utterance, seq, turns)
    if spoke is None:
        raise UnknownUtterance(utterance)
    before = _state_before(actor, seq, turns, snapshot)
    facts: dict[str, Any] = {
        "utterance": utterance, "player": spoke.player, "act": spoke.act, "heard": spoke.heard, "said": spoke.said,
        "cites": spoke.cites, "at_s": spoke.at_s, "provenance": provenance or Provenance(),
        "because": spoke.because,
        "heard_as": tuple((one.act, round(one.confidence, 2)) for one in hear(spoke.heard).acts) if spoke.heard else (),
    }  # fmt: skip
    if not isinstance(before, Npc | Companion):
        return Explanation(**facts)
    ranked = memory.recall(
        before.mind.memories, spoke.heard, spoke.at_s, RECALLED_MAX, spoke.player, listener=spoke.player
    )
    recalled = tuple(map(_shown, ranked))
    again = None if provenance is not None else _again(before, spoke, actor, seq, world)
    return Explanation(**facts, recalled=recalled, again=again)


class TurnReader(Protocol):
    """Reads the journal of an actor. Raises Unavailable."""

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The last turns up to ``seq``, in order."""
        ...

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        """The snapshot of an actor, and after which turn it was taken."""
        ...


async def read_turns(
    journal: TurnReader, actor: ActorId, seq: int, most: int = TURNS_MAX
) -> tuple[list[tuple[int, bytes]], tuple[int, bytes] | None]:
    """What is needed to explain turn ``seq`` of an actor: its turns since the snapshot before it, at most ``most``, and
    that snapshot."""
    snapshot = await journal.snapshot(actor)
    if snapshot is not None and snapshot[0] >= seq:
        snapshot = None
    since = 0 if snapshot is None else snapshot[0]
    return await journal.upto(actor, seq + TURNS_AFTER_MAX, min(most, seq + TURNS_AFTER_MAX - since)), snapshot


def _shown(one: memory.Recalled) -> RecalledMemory:
    parts = (one.score, one.relevance, one.recency, one.weight, one.person)
    score, relevance, recency, weight, person = (round(part, 4) for part in parts)
    memory = one.memory
    return RecalledMemory(memory.no, memory.text, score, relevance, recency, weight, person, memory.replaced or None)


def _found(actor: ActorId, utterance: str, seq: int, turns: Turns) -> tuple[Spoke | None, Provenance | None]:
    """What was said, and its provenance from the journal (None if it was said in one turn)."""
    spoke: Spoke | None = None
    provenance: Provenance | None = None
    for number, body in turns:
        if number < seq:
            continue
        for event in map(as_spoke, decode_turn(kind_for(actor), body).events):
            if isinstance(event, Spoke) and (event.utterance == utterance or (number == seq and not event.utterance)):
                spoke = event
            elif isinstance(event, ProvenanceRecorded) and event.id == utterance:
                provenance = event.provenance
            elif isinstance(event, Began) and event.utterance.id == utterance and spoke is None:
                now = event.utterance
                spoke = Spoke(now.player, now.act, now.heard, "", now.cites, now.at_s, now.id, now.because)
    return spoke, provenance


def as_spoke(event: Any) -> Any:
    """Convert a companion's words to an NPC's; any other event is returned as it is."""
    if not isinstance(event, CompanionSpoke):
        return event
    return Spoke(event.to, event.act, event.heard, event.said, event.cites, event.at_s, event.utterance, event.because)


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
