"""One utterance in its actor's journal: the turns it took, and the actor's state before each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.kinds import TurnRecord, decode_turn, kind_for
from ganggpt.domain.mind.utterance import Began, Provenance, ProvenanceRecorded, Utterance, Uttered
from ganggpt.domain.npc.events import Spoke
from ganggpt.errors import InvalidInput, UnknownUtterance
from ganggpt.operations.explain import as_spoke, place_of, states


class Story(Struct, frozen=True, kw_only=True):
    """``turns``: those in which something of it happened, by number, ``first`` and ``last`` among them; ``before``: the
    states before them, empty where neither journal nor snapshot reaches back so far.

    ``spoke``: what was said in the end; ``began``: where it came sentence by sentence; ``provenance``: its
    explanation.
    """

    utterance: str
    actor: ActorId
    first: int
    last: int
    turns: dict[int, TurnRecord[Any]]
    before: dict[int, Any]
    spoke: Spoke | None
    began: Utterance | None
    provenance: Provenance | None
    sentences: tuple[str, ...]

    @property
    def player(self) -> str:
        """Whom it was said to."""
        return self.spoke.player if self.spoke is not None else self.began.player if self.began is not None else ""

    @property
    def heard(self) -> str:
        """What it answers. A line that is nothing to talk about is not kept as heard, but it began the utterance."""
        return self.began.heard if self.began is not None else self.spoke.heard if self.spoke is not None else ""


def story_of(utterance: str, turns: Sequence[tuple[int, bytes]], snapshot: tuple[int, bytes] | None = None) -> Story:
    """Find an utterance in the turns of its actor. ``snapshot``: a state before it, from which on to fold.

    Raises InvalidInput, and UnknownUtterance where there is none, or it is still being said.
    """
    actor, first = place_of(utterance)
    if kind_of(actor) not in ("npc", "companion"):
        raise InvalidInput("utterance", f"{actor} never speaks; only what npc:… and companion:… said can be replayed")
    kind = kind_for(actor)
    found: dict[int, TurnRecord[Any]] = {}
    spoke, began, provenance = None, None, None
    sentences: list[str] = []
    last = 0
    for seq, body in turns:
        if seq < first or last:
            continue
        record = decode_turn(kind, body)
        for event in map(as_spoke, record.events):
            if isinstance(event, Spoke) and (event.utterance or f"{actor}#{seq}") == utterance:
                spoke, found[seq] = event, record
                last = last or (seq if not event.utterance else 0)
            elif isinstance(event, Began) and event.utterance.id == utterance:
                began, found[seq] = event.utterance, record
            elif isinstance(event, Uttered) and event.id == utterance:
                found[seq] = record
                sentences.append(event.text)
            elif isinstance(event, ProvenanceRecorded) and event.id == utterance:
                provenance, found[seq], last = event.provenance, record, seq
    if not last:
        raise UnknownUtterance(utterance)
    before = {seq: state for seq, state in states(actor, turns, snapshot, last) if seq in found}
    return Story(
        utterance=utterance, actor=actor, first=first, last=last, turns=found, before=before, spoke=spoke, began=began,
        provenance=provenance, sentences=tuple(sentences),
    )  # fmt: skip
