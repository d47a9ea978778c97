"""Letters between actors: taken from the commit that wrote them, delivered at least once, applied once.

Order is kept between one sender and one receiver: the next letter of such a lane goes when the one before was
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
from ganggpt.actors.host.archive_letters import TAIL_LETTERS, TailLetters
from ganggpt.actors.host.held_shards import Shards
from ganggpt.actors.host.identity import Identity
from ganggpt.actors.ports import CommandPort
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.journal import Journal, Letter

log = logging.getLogger(__name__)

LETTERS_MAX: Final = 10_000
RESCAN_S: Final = 5.0
SETTLE_MAX: Final = 1000


class Outbox:
    """Owns the letters of this host's shards that are on their way. Without an ``archive``, letters to it are sent
    like all others."""

    def __init__(
        self,
        identity: Identity,
        journal: Journal,
        shards: Shards,
        peers: CommandPort,
        archive: TailLetters | None,
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._shards = shards
        self._peers = peers
        self._archive = archive
        self._lanes: dict[tuple[str, str], deque[Letter]] = {}
        self._known: set[tuple[str, int, int]] = set()
        self._by_id: dict[bytes, Letter] = {}
        self._settled: list[Letter] = []
        self._work = asyncio.Event()
        self._scan_now = False
        self._unread = True
        self.delivered = 0

    def __len__(self) -> int:
        return len(self._known)

    def post(self, letters: Iterable[Letter]) -> None:
        """Letters whose commit held. Until the table was read once they stay there, because older ones go first."""
        if not self._unread:
            self._take(letters)

    def _take(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            key = (letter.sender, letter.seq, letter.n)
            if key in self._known:
                continue
            lane = self._lanes.get((letter.sender, letter.target))
            if lane is None:
                if len(self._known) >= LETTERS_MAX:
                    continue
                lane = self._lanes[letter.sender, letter.target] = deque()
            self._known.add(key)
            lane.append(letter)
            if len(lane) == 1:
                self._send(letter)

    def give_up(self) -> None:
        """The incarnation ended: nothing is on its way any more."""
        if self._archive is not None:
            self._archive.give_up()

    def forget(self, shards: Collection[str]) -> None:
        """These shards were handed over: their new holder delivers what is not settled."""
        shard_of = self._shards.shard_of
        for key in [key for key in self._lanes if shard_of(key[0]) in shards]:
            for letter in self._lanes.pop(key):
                self._known.discard((letter.sender, letter.seq, letter.n))
                self._by_id.pop(letter.id, None)

    def rescan(self) -> None:
        """Look into the table at once: this host has new shards."""
        self._scan_now = self._unread = True
        self._work.set()

    async def run(self, retry_s: float) -> None:
        """Settle what was answered, and rescan now and then; after an outage of the database again in ``retry_s``."""
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
                log.warning("%s: the outbox waits, the database is away", self._identity.name)
                await asyncio.sleep(retry_s)

    async def _scan(self) -> None:
        unread, self._unread = self._unread, False
        try:
            letters = await self._journal.letters(sorted(self._shards), 0.0 if unread else RESCAN_S, LETTERS_MAX)
        except Unavailable:
            self._unread = unread
            self._scan_now = True
            raise
        self._take(letters)

    async def _settle(self) -> None:
        while self._settled:
            done, self._settled = self._settled[:SETTLE_MAX], self._settled[SETTLE_MAX:]
            try:
                await self._journal.settle(done)
            except Unavailable:
                self._settled += done
                raise
            self._known.difference_update((x.sender, x.seq, x.n) for x in done)

    def _send(self, letter: Letter) -> None:
        self._by_id[letter.id] = letter
        if self._archive is not None and letter.name in TAIL_LETTERS:
            self._archive.send(letter, self._answered)
            return
        envelope = Envelope(letter.id, letter.target, letter.sender, letter.name, Raw(letter.body), inner=True)
        self._peers.submit([envelope], self._answered)

    def _answered(self, command_id: bytes, reply: bytes) -> None:
        letter = self._by_id.pop(command_id, None)
        if letter is None:
            return  # its shard left meanwhile
        lane = self._lanes[letter.sender, letter.target]
        error = error_of(reply)
        if error is not None and error["retryable"]:
            # The lane is dropped whole; the rescan brings it back in order once the receiver can be reached.
            del self._lanes[letter.sender, letter.target]
            self._known.difference_update((x.sender, x.seq, x.n) for x in lane)
            return
        if error is not None:
            log.warning("letter %s from %s to %s refused: %s", letter.name, letter.sender, letter.target, error)
        self.delivered += 1
        self._settled.append(letter)
        self._work.set()
        lane.popleft()
        if lane:
            self._send(lane[0])
        else:
            del self._lanes[letter.sender, letter.target]
