"""The outbox: messages between actors, delivered at least once and applied once.

Order is kept between one sender and one receiver: the next message of such a lane goes when the one before was
answered. What memory does not hold (after a crash, or over the bound) a rescan of the outbox table brings back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from msgspec import Raw

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.actors.host.archive_messages import ARCHIVE_MESSAGES, ArchiveMessages
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.actors.ports import CommandPort
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.journal import Journal, OutboxMessage

log = logging.getLogger(__name__)

MESSAGES_MAX: Final = 10_000
RESCAN_S: Final = 5.0
SETTLE_MAX: Final = 1000


class Outbox:
    """Owns the messages of this host's shards that are not answered yet. Without an ``archive``, messages to it
    are sent like all others."""

    def __init__(
        self,
        identity: Identity,
        journal: Journal,
        shards: Shards,
        peers: CommandPort,
        archive: ArchiveMessages | None,
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._shards = shards
        self._peers = peers
        self._archive = archive
        self._lanes: dict[tuple[str, str], deque[OutboxMessage]] = {}
        self._known: set[tuple[str, int, int]] = set()
        self._by_id: dict[bytes, OutboxMessage] = {}
        self._settled: list[OutboxMessage] = []
        self._work = asyncio.Event()
        self._scan_now = False
        self._unread = True
        self.delivered = 0

    def __len__(self) -> int:
        return len(self._known)

    def post(self, messages: Iterable[OutboxMessage]) -> None:
        """Send committed messages. Before the first read of the table they stay there: older messages go first."""
        if not self._unread:
            self._take(messages)

    def _take(self, messages: Iterable[OutboxMessage]) -> None:
        for message in messages:
            key = (message.sender, message.seq, message.n)
            if key in self._known:
                continue
            lane = self._lanes.get((message.sender, message.target))
            if lane is None:
                if len(self._known) >= MESSAGES_MAX:
                    continue
                lane = self._lanes[message.sender, message.target] = deque()
            self._known.add(key)
            lane.append(message)
            if len(lane) == 1:
                self._send(message)

    def cancel(self) -> None:
        """The incarnation ended: cancel what is on its way to the archive."""
        if self._archive is not None:
            self._archive.cancel()

    def forget(self, shards: Collection[str]) -> None:
        """Drop the messages of shards that were handed over; the new holder delivers them."""
        shard_of = self._shards.shard_of
        for key in [key for key in self._lanes if shard_of(key[0]) in shards]:
            for message in self._lanes.pop(key):
                self._known.discard((message.sender, message.seq, message.n))
                self._by_id.pop(message.id, None)

    def rescan(self) -> None:
        """Read the table at once, because this host has new shards."""
        self._scan_now = self._unread = True
        self._work.set()

    async def run(self, retry_s: float) -> None:
        """Settle answered messages and rescan now and then; during an outage of the database every ``retry_s``."""
        while True:
            try:
                async with asyncio.timeout(RESCAN_S):
                    await self._work.wait()
            except TimeoutError:
                self._scan_now = True
            self._work.clear()
            try:
                await self._settle()
                if self._scan_now:
                    self._scan_now = False
                    await self._scan()
            except Unavailable:
                log.warning("%s: the database cannot be reached; the outbox tries again", self._identity.name)
                await asyncio.sleep(retry_s)

    async def _scan(self) -> None:
        unread, self._unread = self._unread, False
        try:
            messages = await self._journal.messages(sorted(self._shards), 0.0 if unread else RESCAN_S, MESSAGES_MAX)
        except Unavailable:
            self._unread = unread
            self._scan_now = True
            raise
        self._take(messages)

    async def _settle(self) -> None:
        while self._settled:
            done, self._settled = self._settled[:SETTLE_MAX], self._settled[SETTLE_MAX:]
            try:
                await self._journal.settle(done)
            except Unavailable:
                self._settled += done
                raise
            self._known.difference_update((x.sender, x.seq, x.n) for x in done)

    def _send(self, message: OutboxMessage) -> None:
        self._by_id[message.id] = message
        if self._archive is not None and message.name in ARCHIVE_MESSAGES:
            self._archive.send(message, self._answered)
            return
        envelope = Envelope(message.id, message.target, message.sender, message.name, Raw(message.body), inner=True)
        self._peers.submit([envelope], self._answered)

    def _answered(self, command_id: bytes, reply: bytes) -> None:
        message = self._by_id.pop(command_id, None)
        if message is None:
            return  # its shard left meanwhile
        lane = self._lanes[message.sender, message.target]
        error = error_of(reply)
        if error is not None and error["retryable"]:
            # The whole lane is dropped. The rescan brings it back in order once the receiver can be reached.
            del self._lanes[message.sender, message.target]
            self._known.difference_update((x.sender, x.seq, x.n) for x in lane)
            return
        if error is not None:
            log.warning(
                "the message %s from %s to %s was refused: %s", message.name, message.sender, message.target, error
            )
        self.delivered += 1
        self._settled.append(message)
        self._work.set()
        lane.popleft()
        if lane:
            self._send(lane[0])
        else:
            del self._lanes[message.sender, message.target]
