"""The router: from a command to the host that holds its actor, with adaptive coalescing.

Each host has a lane with a fair queue and a few calls in flight; commands that arrive while a call runs go with the
next one. Commands that a host cannot serve soon are refused (``admission``). A failed or redirected call is repeated
with the same command ids, which is safe because of the dedupe windows of the actors.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, decode_replies, encode_batch, error_of, reply_error
from ganggpt.actors.overload import OverloadReply, Shed
from ganggpt.actors.ports import CLUSTER_SOURCE, Gate, ReplySink
from ganggpt.actors.routing.admission import Admission, AdmissionOptions, FrameGate
from ganggpt.actors.routing.lane import Lane, Pending
from ganggpt.actors.routing.shards import RemoteCluster, Routes
from ganggpt.domain.ids import ACTOR_ID_LENGTH_MAX
from ganggpt.errors import GangGPTError, Moved, Unavailable, WrongCluster
from ganggpt.observability.metrics import COMMAND_SECONDS

log = logging.getLogger(__name__)

HostCall = Callable[[str, bytes], Awaitable[bytes]]
"""Sends an encoded batch to a host by name and returns its encoded replies; raises GangGPTError where that fails."""
LoadRoutes = Callable[[], Awaitable[Routes]]
Forward = Callable[[RemoteCluster, bytes], Awaitable[bytes]]
"""Sends an encoded batch to the bridge of another cluster; otherwise as a HostCall."""

LANES_CACHED: Final = 65_536
"""The number of actors whose lane is cached until the routing table is read again."""
HOPS_MAX: Final = 3
"""Redirections a command follows at once, before it waits for the routing table to be read."""


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """Bounds of a router. ``queue_max`` only bounds memory: lanes refuse commands long before (``admission``).
    ``batch_bytes_max`` keeps a call below the size that Ray passes inline (100 KB). After ``doubt_s`` without an answer
    the routing table is read to see whether the host still holds a shard."""

    calls_max: int = 3
    batch_bytes_max: int = 80_000
    queue_max: int = 16_384
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    deadline_s: float = 20.0
    call_s: float = 18.0
    doubt_s: float = 0.5
    retry_s: float = 0.05
    retry_max_s: float = 0.5


@dataclass(slots=True)
class WaitTimes:
    """How long commands waited to be sent: the number of calls by the wait of their first command (buckets of
    ``COMMAND_SECONDS``, the last one unbounded), and the sum in seconds."""

    calls: list[int] = field(default_factory=lambda: [0] * (len(COMMAND_SECONDS) + 1))
    seconds: float = 0.0

    def add(self, waited_s: float) -> None:
        """Count one more call."""
        self.calls[bisect_left(COMMAND_SECONDS, waited_s)] += 1
        self.seconds += waited_s


class Router:
    """The real CommandPort. Owns the lanes, the routing table and every call in flight; ``close`` ends them."""

    def __init__(
        self,
        call: HostCall,
        load_routes: LoadRoutes,
        options: RouterOptions | None = None,
        forward: Forward | None = None,
    ) -> None:
        self.options = options or RouterOptions()
        self._call = call
        self._forward = forward
        self._load_routes = load_routes
        self._routes: Routes | None = None
        self._loading: asyncio.Task[None] | None = None
        self._lanes: dict[str | RemoteCluster | None, Lane] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._out: dict[asyncio.Timeout, tuple[str, float]] = {}
        self._doubting: asyncio.Task[None] | None = None
        self._lane_by_actor: dict[str, Lane] = {}
        self._waiting = 0
        self._total = OverloadReply(Shed.TOTAL, self.options.queue_max, 500)
        self.waits = WaitTimes()
        self.retries = 0
        self.redirects = 0

    @property
    def waiting(self) -> int:
        """The number of commands without a reply."""
        return self._waiting

    @property
    def lanes(self) -> Iterable[Lane]:
        """All lanes."""
        return self._lanes.values()

    @property
    def shed(self) -> Counter[Shed]:
        """The number of commands refused so far, by reason."""
        total = Counter({Shed.TOTAL: self._total.count})
        for lane in self._lanes.values():
            total += lane.admission.shed
        return total

    async def start(self) -> None:
        """Read the routing table once, so that the first command does not wait for it."""
        await self._refresh()

    def submit(
        self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "", gate: Gate | None = None
    ) -> None:
        """See CommandPort. Commands of the runtime itself (``inner``) are never refused in an overload."""
        now_s = loop_s()
        deadline = now_s + self.options.deadline_s
        for envelope in envelopes:
            lane = self._lane_to(envelope.to)
            refusal, admitted = None, False
            if self._waiting >= self.options.queue_max:
                refusal = self._total
            elif gate is not None and gate.use(envelope.to):
                admitted = True
            elif not envelope.inner:
                refusal = lane.admission.refusal(source, envelope.to, now_s)
            if refusal is not None:
                sink(envelope.id, refusal.reply(envelope.id))
                continue
            self._waiting += 1
            lane.put(Pending(envelope, sink, source, now_s, deadline, lane), admitted=admitted)

    def gate(self, source: str) -> Gate | None:
        """See CommandPort."""
        if not any(lane.admission.shedding for lane in self._lanes.values()):
            return None
        return FrameGate(source, loop_s(), self._lane_to)

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """See CommandPort."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def sink(_: bytes, reply: bytes) -> None:
            if not future.done():
                future.set_result(reply)

        self.submit([envelope], sink, source)
        return await future

    async def close(self) -> None:
        """End every call; waiting commands are answered ``unavailable``."""
        for task in (*self._tasks, self._loading, self._doubting):
            if task is not None:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes.values():
            self._cancel(lane.drain())

    def spawn(self, work: Awaitable[None]) -> None:
        """Run a call as a task this router owns."""
        task = asyncio.ensure_future(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def call(self, lane: Lane, batch: list[Pending]) -> None:
        """See LaneUser."""
        self.waits.add(loop_s() - batch[0].since_s)
        self.spawn(self._send_on(lane, batch))

    def turn_away(self, pending: Pending, refusal: OverloadReply) -> None:
        """See LaneUser."""
        self._answer(pending, refusal.reply(pending.envelope.id))

    def expire(self, pending: Pending) -> None:
        """See LaneUser."""
        self._answer(pending, reply_error(pending.envelope.id, Unavailable("the host of this actor")))

    async def _send_on(self, lane: Lane, batch: list[Pending]) -> None:
        try:
            await self.send(lane.way, batch)
        finally:
            lane.returned()

    async def take_forwarded(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """Run commands that another cluster forwarded; returns finished replies in their order. A command for an actor
        that no host of this cluster holds, also after reading the table again, is answered ``moved``: none is sent
        back."""
        routes = self._routes
        if routes is None or any(routes.host_of(e.to) is None for e in envelopes):
            await self._refresh()
        return await asyncio.gather(*(self._take_here(envelope) for envelope in envelopes))

    async def _take_here(self, envelope: Envelope) -> bytes:
        if self._routes is None or self._routes.host_of(envelope.to) is None:
            return reply_error(envelope.id, Moved(envelope.to))
        return await self.ask(envelope, CLUSTER_SOURCE)

    async def send(self, way: str | RemoteCluster | None, batch: list[Pending]) -> None:
        """Make one call with a batch; settle the commands that got a final reply, and send the others again."""
        if way is None:
            await self._again(batch, Unavailable("the routing table"))
            return
        if isinstance(way, RemoteCluster) and (self._forward is None or way.bridge is None):
            for pending in batch:
                wrong = WrongCluster(pending.envelope.to, way.cluster, way.bridge)
                self._answer(pending, reply_error(pending.envelope.id, wrong))
            await self._refresh()
            return
        try:
            began_s = loop_s()
            async with asyncio.timeout_at(min(began_s + self.options.call_s, _first_deadline(batch))) as limit:
                answer = await self._deliver(limit, way, encode_batch([p.envelope for p in batch]))
            replies = decode_replies(answer)
            self._lanes[way].served(len(replies), began_s)
        except asyncio.CancelledError:
            self._cancel(batch)
            raise
        except (GangGPTError, TimeoutError, msgspec.MsgspecError) as failed:
            log.info("the call to %s failed; %d commands are sent again: %s", way, len(batch), failed)
            await self._again(batch, Unavailable(f"host {way}" if isinstance(way, str) else f"cluster {way.cluster}"))
            return
        lost = [p for p, r in zip(batch, replies, strict=True) if not self._settled(p, r)]
        if lost:
            # In a task of its own: the calls of the lane are for actors whose shards did not move.
            self.spawn(self._again(lost, Unavailable("the actor's shard")))

    async def _deliver(self, limit: asyncio.Timeout, way: str | RemoteCluster, batch: bytes) -> bytes:
        if isinstance(way, RemoteCluster):
            assert self._forward is not None
            return await self._forward(way, batch)
        self._out[limit] = (way, loop_s())
        if self._doubting is None or self._doubting.done():
            self._doubting = asyncio.ensure_future(self._doubt())
        try:
            return await self._call(way, batch)
        finally:
            del self._out[limit]

    async def _doubt(self) -> None:
        """While calls are under way: end those to a host that does not answer and holds no shard any more. It may be
        paused or cut off, and the calls would fail only when it ends."""
        while self._out:
            await asyncio.sleep(self.options.doubt_s)
            long_ago_s = loop_s() - self.options.doubt_s
            if not any(since_s <= long_ago_s for _, since_s in self._out.values()):
                continue
            await self._refresh()
            held = set() if self._routes is None else set(self._routes.holders.values())
            for limit, (host, since_s) in self._out.items():
                if since_s <= long_ago_s and host not in held:
                    limit.reschedule(loop_s())
            for way, lane in list(self._lanes.items()):
                if isinstance(way, str) and way not in held:
                    for pending in lane.drain():
                        self._put_again(pending, pending.hops, sent=pending.sent)

    def _settled(self, pending: Pending, reply: bytes) -> bool:
        """Answer a command, or send it to the host that now has the actor; False where that host is not known."""
        error = error_of(reply)
        if error is None or error["code"] != "moved":
            self._answer(pending, reply)
            return True
        heir = error.get("to")
        if heir is None or self._routes is None or pending.hops >= HOPS_MAX:
            return False
        self.redirects += 1
        self._routes.redirect(pending.envelope.to, heir)
        self._lane_by_actor.clear()
        self._put_again(pending, pending.hops + 1)
        return True

    async def _again(self, batch: list[Pending], why: GangGPTError) -> None:
        """Read the routing table and send commands again, until their deadline."""
        self.retries += len(batch)
        alive = self._not_late(batch, why)
        if not alive:
            return
        age_s = self.options.deadline_s - (alive[0].deadline - loop_s())
        try:
            async with asyncio.timeout_at(_first_deadline(alive)):
                await asyncio.sleep(min(self.options.retry_max_s, self.options.retry_s + age_s / 10))
                await self._refresh()
        except TimeoutError:
            log.info("the routing table was not read before the first deadline of %d commands", len(alive))
        except asyncio.CancelledError:
            self._cancel(alive)
            raise
        for pending in self._not_late(alive, why):
            self._put_again(pending, 0)

    def _put_again(self, pending: Pending, hops: int, *, sent: bool = True) -> None:
        pending.lane.left(pending)
        pending.hops, pending.sent, pending.lane = hops, sent, self._lane_to(pending.envelope.to)
        pending.lane.put(pending)

    def _not_late(self, batch: list[Pending], why: GangGPTError) -> list[Pending]:
        """Answer the commands whose deadline has passed; returns the others."""
        now = loop_s()
        for pending in batch:
            if pending.deadline <= now:
                self._answer(pending, reply_error(pending.envelope.id, why))
        return [p for p in batch if p.deadline > now]

    async def _refresh(self) -> None:
        """Read the routing table, once for all who ask at the same time."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.ensure_future(self._read_routes())
        await asyncio.shield(self._loading)

    async def _read_routes(self) -> None:
        try:
            self._routes = await self._load_routes()
            self._lane_by_actor.clear()
        except Unavailable as failed:
            log.warning("the routing table was not read: %s", failed)

    def _lane_to(self, actor: str) -> Lane:
        lane = self._lane_by_actor.get(actor)
        if lane is not None:
            return lane
        way = None if self._routes is None else self._routes.way_to(actor)
        lane = self._lanes.get(way)
        if lane is None:
            options = self.options
            admission = Admission(options.admission)
            lane = self._lanes[way] = Lane(way, self, admission, options.calls_max, options.batch_bytes_max)
        if len(actor) <= ACTOR_ID_LENGTH_MAX:  # a gate is asked before the id is checked
            if len(self._lane_by_actor) >= LANES_CACHED:
                self._lane_by_actor.clear()
            self._lane_by_actor[actor] = lane
        return lane

    def _cancel(self, batch: Iterable[Pending]) -> None:
        for pending in batch:
            self._answer(pending, reply_error(pending.envelope.id, Unavailable("the bridge")))

    def _answer(self, pending: Pending, reply: bytes) -> None:
        self._waiting -= 1
        pending.lane.left(pending)
        pending.sink(pending.envelope.id, reply)


def _first_deadline(batch: list[Pending]) -> float:
    return min(pending.deadline for pending in batch)
