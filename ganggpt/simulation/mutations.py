"""The runtime broken on purpose, one promise at a time: a simulation that does not notice proves nothing."""

from __future__ import annotations

import contextlib
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Final

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.dedupe import DedupeWindow
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.flusher import Flusher
from ganggpt.actors.host.handover import HandOver
from ganggpt.actors.host.host import Host
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.host.passivation import Passivation
from ganggpt.actors.host.reply_cache import ReplyCache
from ganggpt.domain.ids import command_id_time_s
from ganggpt.domain.kinds import VERSION
from ganggpt.persistence.ports.journal import Batch, PushRow
from ganggpt.testing.memory_stores import MemoryJournal


async def _ack_before_commit(self: Host, envelopes: Sequence[Envelope]) -> list[bytes]:
    """Replies leave as soon as the turns have run."""
    delivery = Delivery(len(envelopes))
    for slot, envelope in enumerate(envelopes):
        self.runner.accept(envelope, delivery, slot)
    await delivery.all_in()
    return delivery.replies


_append = MemoryJournal.append


async def _append_unfenced(self: MemoryJournal, epoch: int, batch: Batch) -> Sequence[PushRow]:
    """The statement does not ask whether its host is still the owner."""
    database = self._db
    dead, database.dead = database.dead, set()
    try:
        return await _append(self, epoch, batch)
    finally:
        database.dead = dead


def _seq_of_nothing(_: DedupeWindow, __: bytes) -> int | None:
    """The window knows no id."""
    return None


def _prune_the_present(self: DedupeWindow, _: float) -> None:
    """For want of room, the id that was applied first is dropped, whatever time it carries."""
    while len(self) > 8:
        oldest = next(iter(self._seqs))
        del self._seqs[oldest]
        self._by_time.remove(oldest)
        self.floor_s = max(self.floor_s, command_id_time_s(oldest))


def _answered_for_good(self: Outbox, command_id: bytes, reply: bytes) -> None:
    """A receiver that could not be reached counts as one that was told."""
    message = self._by_id.pop(command_id)
    lane = self._lanes[message.sender, message.target]
    if error_of(reply) is None:
        self.delivered += 1
    self._settled.append(message)
    self._work.set()
    lane.popleft()
    if lane:
        self._send(lane[0])
    else:
        del self._lanes[message.sender, message.target]


async def _scan_nothing(self: Outbox) -> None:
    """What was not sent when its host died is never looked for."""
    self._unread = False


async def _give_and_go_on(self: HandOver, shards: Sequence[str], cluster: str, heir: str) -> float:
    """The shards are given away while their turns go on here."""
    await self._hosts.hand_over(self._identity.epoch, sorted(shards), cluster, heir)
    return 0.0


async def _snapshot_of_anything(self: Passivation, activations: Sequence[Activation]) -> None:
    """Snapshots are taken of turns that may never be committed."""
    if activations:
        rows = [(a.actor, a.seq, a.snapshot()) for a in activations]
        await self._journal.save_snapshots(self._identity.epoch, VERSION, rows)
        for activation, (_, seq, _) in zip(activations, rows, strict=True):
            activation.snapshot_seq = seq


async def _adopt_nothing(self: Flusher) -> None:
    """What a dead host did not flush stays out of the tables."""
    self._owed = {}


async def _answer_anew(
    self: ReplyCache, activation: Activation, _: int, envelope: Envelope, delivery: Delivery, slot: int
) -> None:
    """A repeated command gets another reply than the first time."""
    reply = self._runner._view(activation, envelope, self._clock.now_s())  # noqa: SLF001
    delivery.settle(slot, reply, activation.ticket)


class Mutation:
    """One broken promise: what replaces what while it is in force."""

    def __init__(self, tells: str, *patches: tuple[type, str, Callable[..., Any]]) -> None:
        self.tells = tells
        self._patches = patches

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Break the runtime for a while."""
        kept = [(owner, name, owner.__dict__[name]) for owner, name, _ in self._patches]
        for owner, name, broken in self._patches:
            setattr(owner, name, broken)
        try:
            yield
        finally:
            for owner, name, whole in kept:
                setattr(owner, name, whole)


MUTATIONS: Final[Mapping[str, Mutation]] = {
    "ack-before-commit": Mutation("answers leave before their commit", (Host, "deliver", _ack_before_commit)),
    "no-fence": Mutation("a fenced host commits", (MemoryJournal, "append", _append_unfenced)),
    "no-dedupe": Mutation("a repeated command is applied again", (DedupeWindow, "seq_of", _seq_of_nothing)),
    "fast-clock": Mutation("ids ahead expire those of others", (DedupeWindow, "prune", _prune_the_present)),
    "lost-outbox": Mutation("messages of a dead host stay where they are", (Outbox, "_scan", _scan_nothing)),
    "lost-messages": Mutation("a message is tried once", (Outbox, "_answered", _answered_for_good)),
    "double-hand-over": Mutation("a shard is given away and kept", (HandOver, "give", _give_and_go_on)),
    "early-snapshot": Mutation("snapshots run ahead of commits", (Passivation, "snapshot", _snapshot_of_anything)),
    "lost-flush": Mutation("nobody shows what a dead host did", (Flusher, "_adopt", _adopt_nothing)),
    "other-answer": Mutation("a repeated command is answered anew", (ReplyCache, "_answer_from_journal", _answer_anew)),
}
"""By name. The first five and ``double-hand-over`` are those the plan asks for."""
