"""Reminders: the holder of a shard reads its due rows and sends each as a command with a derived id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Raw

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.domain.ids import derived_command_id
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.journal import DueReminder, Journal

log = logging.getLogger(__name__)

FIRE_MAX: Final = 500
"""Reminders per read."""


class Reminders:
    """Owns the reading of due reminders of this host's shards. ``fired`` counts those that were answered for good.

    A reminder is dropped after its command was answered for good. After a crash in between it fires again under the
    same id, which the dedupe window answers without a second turn.
    """

    def __init__(
        self,
        identity: Identity,
        journal: Journal,
        shards: Shards,
        deliver: Callable[[Sequence[Envelope]], Awaitable[list[bytes]]],
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._shards = shards
        self._deliver = deliver
        self.fired = 0

    async def run(self, every_s: float) -> None:
        """Fire due reminders every ``every_s`` seconds until cancelled."""
        while True:
            try:
                full = await self._fire_due()
            except Unavailable:
                full = False
                log.warning("%s: the database cannot be reached; reminders are tried again", self._identity.name)
            await asyncio.sleep(0 if full else every_s)

    async def _fire_due(self) -> bool:
        if not self._shards:
            return False
        due = await self._journal.due(sorted(self._shards), self._identity.clock.now_s(), FIRE_MAX)
        if not due:
            return False
        replies = await self._deliver([_envelope(reminder) for reminder in due])
        for reminder, reply in zip(due, replies, strict=True):
            error = error_of(reply)
            if error is None or not error["retryable"]:
                await self._journal.drop_reminder(reminder)
                self.fired += 1
            if error is not None:
                log.warning("the reminder %s of %s failed: %s", reminder.name, reminder.actor, error)
        return len(due) == FIRE_MAX


def _envelope(reminder: DueReminder) -> Envelope:
    command_id = derived_command_id(reminder.due_s, reminder.actor, reminder.name, reminder.due_s)
    return Envelope(command_id, reminder.actor, reminder.actor, reminder.command, Raw(reminder.body), inner=True)
