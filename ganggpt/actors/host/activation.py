"""One actor in memory: how it is rebuilt from the store and packed into a snapshot."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ganggpt.actors.host.dedupe import LIMITS, DedupeWindow, WindowLimits
from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.kinds import (
    KINDS,
    decode_state,
    decode_turn,
    encode_state,
)
from ganggpt.domain.turn import Kind
from ganggpt.errors import GangGPTError, sentence
from ganggpt.persistence.ports.journal import StoredActor


class Unreadable(GangGPTError):
    """The stored data of an actor cannot be read. That actor stays asleep; all others go on."""

    code = "unreadable"

    def __init__(self, actor: str, problem: str) -> None:
        super().__init__(actor, problem)
        self.actor, self.problem = actor, problem

    def __str__(self) -> str:
        return sentence(f"The stored data of {self.actor!r} cannot be read: {self.problem}")


class SnapshotBody(msgspec.Struct, frozen=True, array_like=True):
    """The content of a snapshot besides its seq: the encoded state and the dedupe window."""

    state: bytes
    window: list[tuple[bytes, int]]
    floor_s: float


_encoder: Final = msgspec.msgpack.Encoder()
_BROKEN: Final = (LookupError, TypeError, AttributeError, ValueError)
"""Errors of decoding damaged bytes, and of folding events whose predecessors are missing."""
_decoder: Final = msgspec.msgpack.Decoder(SnapshotBody)


class Activation:
    """An actor in memory.

    ``seq``: number of its last turn (committed or not). ``written``: the commit that turn belongs to. ``ticket``: the
    commit that a reply about this actor has to wait for; relaxed turns do not raise it. ``state`` is None for an actor
    that does not exist (yet, or any more). ``flushed``: the state that the user's tables show.
    """

    __slots__ = (
        "actor",
        "flushed",
        "kind",
        "seq",
        "shard",
        "snapshot_seq",
        "state",
        "ticket",
        "touched_s",
        "window",
        "written",
    )

    def __init__(self, actor: ActorId, shard: str, limits: WindowLimits = LIMITS) -> None:
        self.actor = actor
        self.shard = shard
        self.kind: Kind = KINDS[kind_of(actor)]
        self.state: Any = None
        self.flushed: Any = None
        self.seq = 0
        self.snapshot_seq = 0
        self.ticket = 0
        self.written = 0
        self.touched_s = 0.0
        self.window = DedupeWindow(limits=limits)

    def snapshot(self) -> bytes:
        """The body of a snapshot at ``seq``."""
        body = SnapshotBody(encode_state(self.state), self.window.entries(), self.window.floor_s)
        return _encoder.encode(body)


def wake(
    actor: ActorId, shard: str, stored: StoredActor | None, now_s: float, limits: WindowLimits = LIMITS
) -> Activation:
    """Rebuild an actor from its snapshot and the turns after it. Raises Unreadable, NewerLayout."""
    activation = Activation(actor, shard, limits)
    activation.touched_s = now_s
    if stored is not None:
        try:
            _recall(activation, stored, now_s)
        except (msgspec.MsgspecError, *_BROKEN) as broken:
            raise Unreadable(actor, repr(broken)) from broken
    return activation


def _recall(activation: Activation, stored: StoredActor, now_s: float) -> None:
    if stored.snapshot is not None:
        body = _decoder.decode(stored.snapshot)
        activation.state = decode_state(activation.kind, body.state)
        activation.window = DedupeWindow(body.window, body.floor_s, activation.window.limits)
        activation.seq = activation.snapshot_seq = stored.snapshot_seq
    evolve = activation.kind.evolve
    for turn in stored.turns:
        record = decode_turn(activation.kind, turn.body)
        if record.first:
            activation.state = None
        elif turn.seq != activation.seq + 1:
            raise Unreadable(activation.actor, f"turn {activation.seq + 1} is missing")
        for event in record.events:
            activation.state = evolve(activation.state, event)
        activation.seq = turn.seq
        activation.window.add(turn.command_id, turn.seq, now_s)
    activation.window.prune(now_s)
