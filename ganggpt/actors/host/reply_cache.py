"""Repeated commands get their first reply again, from memory or from the journal.

A quick retry is answered from the replies kept here. An older one costs a look into the journal, and so does a message
that is older than the window of its actor; both wait in tasks of their own, at most LATE_MAX at a time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, Final

from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.activations import Activations
from ganggpt.actors.host.committer import Committer
from ganggpt.actors.host.delivery import Delivery
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.host.turn_runner import TurnRunner
from ganggpt.domain.ids import command_id_text, command_id_time_s
from ganggpt.domain.kinds import decode_turn
from ganggpt.errors import Expired, GangGPTError, Moved, Overloaded, Unavailable
from ganggpt.persistence.ports.journal import Journal

RECENT_MAX: Final = 8192
"""Newest replies that are kept, so that a quick retry does not read the journal."""
LATE_MAX: Final = 1024
"""Lookups in the journal at a time."""


class ReplyCache:
    """Owns the newest replies of a host, and the lookups of older ones. ``repeated`` counts repeated commands."""

    def __init__(
        self, clock: DatabaseClock, journal: Journal, activations: Activations, committer: Committer, runner: TurnRunner
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._activations = activations
        self._committer = committer
        self._runner = runner
        self._recent: OrderedDict[bytes, bytes] = OrderedDict()
        self._late: set[asyncio.Task[None]] = set()
        self._looking: dict[bytes, asyncio.Event] = {}
        self.repeated = 0

    def __len__(self) -> int:
        """Lookups that are running."""
        return len(self._late)

    def remember(self, command_id: bytes, reply: bytes) -> None:
        """Keep a finished reply."""
        self._recent[command_id] = reply
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def answer(self, activation: Activation, seq: int, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Answer a command again that was applied as turn ``seq`` of an awake actor."""
        self.repeated += 1
        reply = self._recent.get(envelope.id)
        if reply is not None:
            delivery.settle(slot, reply, activation.written)
            return
        self._later(self._answer_from_journal(activation, seq, envelope, delivery, slot), envelope, delivery, slot)

    def take_late_message(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        """Take a message that is older than the dedupe window, if the journal does not contain it yet."""
        self._later(self._take_late_message(activation, envelope, delivery, slot), envelope, delivery, slot)

    def cancel(self) -> None:
        """The incarnation ended: cancel the lookups; their commands are sent back to their router."""
        for task in self._late:
            task.cancel()

    async def _answer_from_journal(
        self, activation: Activation, seq: int, envelope: Envelope, delivery: Delivery, slot: int
    ) -> None:
        await self._committer.drain()
        body = await self._journal.turn(activation.actor, seq)
        if body is None:
            age_s = self._clock.now_s() - command_id_time_s(envelope.id)
            reply = reply_error(envelope.id, Expired(command_id_text(envelope.id), age_s))
        else:
            reply = decode_turn(activation.kind, body).reply
        delivery.settle(slot, reply)

    async def _take_late_message(
        self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int
    ) -> None:
        # The window does not keep so old an id. Of two copies at once, the second looks after the first has run.
        while (other := self._looking.get(envelope.id)) is not None:
            await other.wait()
        done = self._looking[envelope.id] = asyncio.Event()
        try:
            await self._look_up(activation, envelope, delivery, slot)
        finally:
            del self._looking[envelope.id]
            done.set()

    async def _look_up(self, activation: Activation, envelope: Envelope, delivery: Delivery, slot: int) -> None:
        await self._committer.drain()
        body = await self._journal.turn_by_command(activation.actor, envelope.id)
        owed = body is not None or await self._journal.is_owed(envelope.by, activation.actor, envelope.id)
        current = self._activations.get(activation.actor)
        if body is not None:
            delivery.settle(slot, decode_turn(activation.kind, body).reply)
        elif not owed:
            # Its sender does not wait for it any more: it was answered long ago, and its turn may have been dropped.
            raise Expired(command_id_text(envelope.id), self._clock.now_s() - command_id_time_s(envelope.id))
        elif current is None or current.window.seq_of(envelope.id) is not None:
            self._runner.accept(envelope, delivery, slot)
        else:
            try:
                reply = self._runner.turn(current, envelope, self._clock.now_s())
            except GangGPTError as error:
                reply = reply_error(envelope.id, error)
            delivery.settle(slot, reply, current.ticket)

    def _later(self, work: Coroutine[Any, Any, None], envelope: Envelope, delivery: Delivery, slot: int) -> None:
        if len(self._late) >= LATE_MAX:
            work.close()
            delivery.settle(slot, reply_error(envelope.id, Overloaded("the queue of late retries", LATE_MAX)))
            return

        async def answer() -> None:
            try:
                await work
            except (Unavailable, Expired) as refused:
                delivery.settle(slot, reply_error(envelope.id, refused))
            except (GangGPTError, asyncio.CancelledError):
                # The incarnation ended. The delivery must not wait for this reply; the router sends the command again.
                delivery.settle(slot, reply_error(envelope.id, Moved(envelope.to)))

        task = asyncio.get_running_loop().create_task(answer())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
