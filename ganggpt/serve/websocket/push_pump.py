"""Delivers pushes to one game server: each at most once per connection, unacked ones again after a reconnect.

The push table of the journal is the truth; it is read when a session starts and every few seconds. The live feed only
makes delivery fast: a push that the feed loses is late, but not lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from ganggpt.errors import GangGPTError
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.limits import Limits

REGISTER_EVERY_S: Final = 3600.0
"""How often a connected server is recorded as seen; retention deletes one that was not seen for days."""
FEED_START: Final = "$"
"""The position of the feed that means "from now on"."""
_encode: Final = msgspec.msgpack.Encoder().encode


class StoredPush(Protocol):
    """One push as stored. ``body`` is a msgpack map."""

    @property
    def no(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class PushStore(Protocol):
    """Where pushes wait for their game server. Every method raises Unavailable while the store is."""

    async def register_server(self, name: str) -> None:
        """Keep pushes to ``*`` for this server too, from now on."""
        ...

    async def unacked(self, server: str, after: int, limit: int) -> Sequence[StoredPush]:
        """The oldest pushes with a number over ``after`` that the server did not ack."""
        ...

    async def ack(self, server: str, nos: Sequence[int]) -> None:
        """Record that these were shown; they are not offered again."""
        ...

    async def wait(self, server: str, last_seen_id: str, timeout_s: float) -> tuple[str, Sequence[StoredPush]]:
        """Live pushes after that feed position, as soon as there are any, or none after ``timeout_s``; and the new
        position."""
        ...


class PushPump:
    """The pushes of one session. ``deliver`` gets finished msgpack push maps."""

    def __init__(
        self,
        store: PushStore,
        server: str,
        deliver: Callable[[Sequence[bytes]], None],
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._server = server
        self._deliver = deliver
        self._limits = limits
        self._sent: dict[int, None] = {}
        self._unacked: set[int] = set()
        self._to_ack: set[int] = set()
        self._acked = asyncio.Event()
        counts = metrics.counter("ganggpt_bridge_pushes_total")
        self._count_sent, self._count_acked = counts.labels("sent"), counts.labels("acked")
        self._count_errors = metrics.counter("ganggpt_bridge_push_errors_total")

    def ack(self, nos: Iterable[int]) -> None:
        """Note that the client showed these. Numbers this connection never sent are ignored."""
        known = self._unacked.intersection(nos)
        self._unacked -= known
        self._to_ack |= known
        if known:
            self._acked.set()

    async def run(self) -> None:
        """Deliver and ack until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver_forever())
            tasks.create_task(self._ack_forever())

    async def _deliver_forever(self) -> None:
        loop = asyncio.get_running_loop()
        position, poll_at_s, register_at_s = FEED_START, loop.time(), loop.time()
        while True:
            try:
                if loop.time() >= register_at_s:
                    await self._store.register_server(self._server)
                    register_at_s = loop.time() + REGISTER_EVERY_S
                if loop.time() >= poll_at_s:
                    poll_at_s = loop.time() + self._limits.push_poll_s
                    self._offer(await self._store.unacked(self._server, 0, self._limits.pushes_unacked_max))
                position, rows = await self._store.wait(self._server, position, max(0.0, poll_at_s - loop.time()))
                self._offer(rows)
            except GangGPTError:
                self._count_errors.inc()
                await asyncio.sleep(self._limits.push_poll_s)

    async def _ack_forever(self) -> None:
        while True:
            await self._acked.wait()
            self._acked.clear()
            nos = sorted(self._to_ack)
            try:
                await self._store.ack(self._server, nos)
            except GangGPTError:
                self._count_errors.inc()
                await asyncio.sleep(self._limits.push_poll_s)
                self._acked.set()
            else:
                self._to_ack.difference_update(nos)
                self._count_acked.inc(len(nos))

    def _offer(self, rows: Iterable[StoredPush]) -> None:
        """Send what was not sent yet, up to the limit of unacked pushes; the next poll finds the rest."""
        fresh = []
        for row in rows:
            if len(self._unacked) + len(self._to_ack) >= self._limits.pushes_unacked_max:
                break
            if row.no in self._sent or row.no in self._unacked or row.no in self._to_ack:
                continue
            self._sent[row.no] = None
            self._unacked.add(row.no)
            fresh.append(finished_push(row))
        while len(self._sent) > 16 * self._limits.pushes_unacked_max:
            oldest = next(iter(self._sent))
            del self._sent[oldest]
        if fresh:
            self._count_sent.inc(len(fresh))
            self._deliver(fresh)


def finished_push(row: StoredPush) -> bytes:
    """A push as the msgpack map of a frame."""
    return _encode(
        {
            "no": row.no,
            "epoch": row.epoch,
            "seq": row.seq,
            "actor": row.actor,
            "type": row.type,
            "body": msgspec.Raw(row.body),
        }
    )
