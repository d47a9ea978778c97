"""One actor's life held against itself: turns folded anew, against what its snapshot says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import SnapshotBody
from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.kinds import decode_state, decode_turn, kind_for
from ganggpt.errors import GangGPTError
from ganggpt.persistence.ports.journal import StoredTurn
from ganggpt.persistence.projections.verify import Kept

_decode_body: Final = msgspec.msgpack.Decoder(SnapshotBody).decode


class Finding(Struct, frozen=True):
    """Something that disagrees: which check, whose, and what."""

    check: str
    actor: str
    problem: str


class Replayed(Struct, frozen=True):
    """What became of an actor: its state after its last turn (None: unknown), whether that was proved from its birth
    or an older base, and what disagrees."""

    seq: int
    state: Any
    proved: bool
    findings: tuple[Finding, ...]


class Base(Struct, frozen=True):
    """A state an older snapshot of the world has of an actor, and the turns it has after it."""

    seq: int
    snapshot: bytes | None
    turns: tuple[StoredTurn, ...]


def replay_actor(actor: str, kept: Kept, base: Base | None = None) -> Replayed:
    """Fold what is kept of an actor, from the oldest complete base on, and compare where a snapshot says something."""
    try:
        return _replay(actor, kept, base)
    except (GangGPTError, msgspec.MsgspecError, KeyError, ValueError, TypeError, AttributeError) as broken:
        problem = f"cannot be read: {type(broken).__name__}: {str(broken)[:200]}"
        return Replayed(0, None, False, (Finding("readable", actor, problem),))


def _replay(actor: str, kept: Kept, base: Base | None) -> Replayed:
    kind = kind_for(actor)
    findings = list(_order(actor, kept.turns))
    stored: Any = None
    window: Sequence[tuple[bytes, int]] = ()
    if kept.snapshot is not None:
        body = _decode_body(kept.snapshot)
        stored, window = decode_state(kind, body.state), body.window
    seq, state, proved = _start(kept, base, kind)
    if not proved:
        seq, state = kept.snapshot_seq, stored
    for turn in kept.turns:
        if turn.seq <= seq:
            continue
        record = decode_turn(kind, turn.body)
        if record.first:
            state = None
        elif turn.seq != seq + 1:
            findings.append(Finding("journal", actor, f"turn {seq + 1} is missing before turn {turn.seq}"))
            return Replayed(seq, None, False, tuple(findings))
        for event in record.events:
            state = kind.evolve(state, event)
            if isinstance(event, PlayerForgotten):
                proved = False  # what was said before it is not in the journal any more
        seq = turn.seq
        if seq == kept.snapshot_seq:
            if proved and state != stored:
                findings.append(Finding("snapshot", actor, f"the snapshot at turn {seq} is not what the journal makes"))
            state = stored
    if kept.snapshot is not None and seq < kept.snapshot_seq:
        findings.append(Finding("journal", actor, f"it ends at turn {seq}, before the snapshot at {kept.snapshot_seq}"))
        seq, state = kept.snapshot_seq, stored
    findings += _window(actor, window, kept.turns)
    return Replayed(seq, state, proved, tuple(findings))


def _start(kept: Kept, base: Base | None, kind: Any) -> tuple[int, Any, bool]:
    """Where to fold from: nothing at all where the journal begins at turn 1, else an older base the journal follows."""
    first = kept.turns[0].seq if kept.turns else None
    if first == 1:
        return 0, None, True
    if base is not None and base.snapshot is not None and first is not None and first <= base.seq + 1:
        return base.seq, decode_state(kind, _decode_body(base.snapshot).state), True
    return 0, None, False


def _order(actor: str, turns: Sequence[StoredTurn]) -> Iterator[Finding]:
    seen: dict[bytes, int] = {}
    before: int | None = None
    for turn in turns:
        if before is not None and turn.seq <= before:
            yield Finding("journal", actor, f"turn {turn.seq} stands there twice")
        before = turn.seq
        if turn.command_id in seen:
            yield Finding("commands", actor, f"turns {seen[turn.command_id]} and {turn.seq} applied the same command")
        seen[turn.command_id] = turn.seq


def _window(actor: str, window: Sequence[tuple[bytes, int]], turns: Sequence[StoredTurn]) -> Iterator[Finding]:
    ids = {turn.seq: turn.command_id for turn in turns}
    for command_id, seq in window:
        if ids.get(seq, command_id) != command_id:
            yield Finding("snapshot", actor, f"its dedupe window has another command for turn {seq} than the journal")


def same_turns(actor: str, base: Base, kept: Kept) -> Iterator[Finding]:
    """Turns of an older snapshot that the journal has differently."""
    ours = {turn.seq: turn for turn in kept.turns}
    for turn in base.turns:
        there = ours.get(turn.seq)
        if there is not None and there != turn:
            yield Finding("snapshot file", actor, f"turn {turn.seq} is another one in the database")
    known = max(kept.snapshot_seq, kept.turns[-1].seq if kept.turns else 0)
    reached = base.turns[-1].seq if base.turns else base.seq
    if reached > known:
        yield Finding("snapshot file", actor, f"it knows turn {reached}, the database only {known}")
