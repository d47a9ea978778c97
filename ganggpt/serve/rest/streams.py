"""Answers as server-sent events: the reply, then each sentence that an actor says to one player, to the end.

All events come from the journal: sentences are messages of the actor's turns, so they are there whether or not the
player is on a game server, and a stream can be resumed from anywhere. The streams of a replica share one reader, which
asks for the next turns of all of them in one statement, and only while somebody listens; it costs no actor a turn.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ganggpt.actors.envelope import wrap
from ganggpt.actors.ports import CommandPort
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import decode_turn, kind_for
from ganggpt.domain.mind.commands import Hush
from ganggpt.errors import GangGPTError, Overloaded, Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.journal import Place
from ganggpt.protocol.codec import write_json
from ganggpt.protocol.limits import Limits
from ganggpt.serve.rest.utterance_events import Follower, StreamEvent
from ganggpt.serve.rest.views import ViewCache, Views, answered

log = logging.getLogger(__name__)

RETRY_MS: Final = 1000
"""How long a client should wait before it connects again; the stream says so to it."""
_KEEP_ALIVE: Final = b":\n\n"
_RECORD_TTL_S: Final = 600
_MEDIA: Final = "text/event-stream; charset=utf-8"


class TurnSource(Protocol):
    """Where turns are read. Every method raises Unavailable while the store is."""

    async def after(self, places: Sequence[Place]) -> list[list[tuple[int, bytes]]]:
        """Number and body of the next turns after each place, a bounded number of them, in order."""
        ...

    async def since(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Turn ``seq`` and the turns after it."""
        ...

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The last turns up to ``seq``, in order."""
        ...

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        """The snapshot of an actor, and the turn it was taken after."""
        ...


class Listener:
    """One listener: the place in the stream (``follower``), and the turns that were read but not yet handed out.

    ``player``: whether the listener is the player spoken to, or only watches.
    """

    def __init__(self, follower: Follower, *, player: bool) -> None:
        self.follower, self.player = follower, player
        self.token = secrets.token_hex(8)
        self.read_upto = follower.seen
        self._turns: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether turns wait to be handed out; nothing more is read until they are."""
        return bool(self._turns)

    def give(self, turns: Iterable[tuple[int, bytes]]) -> None:
        """Add turns that follow those before."""
        for turn in turns:
            self._turns.append(turn)
            self.read_upto = turn[0]
        if self._turns:
            self._news.set()

    def wake(self) -> None:
        """Make ``next_events`` return, also where there is nothing new."""
        self._news.set()

    async def next_events(self, within_s: float) -> list[StreamEvent] | None:
        """The new events, as soon as turns come or at ``wake``; None where neither happened within ``within_s``."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return None
        self._news.clear()
        kind = kind_for(self.follower.actor)
        events: list[StreamEvent] = []
        while self._turns:
            seq, body = self._turns.popleft()
            events += self.follower.events_of(seq, decode_turn(kind, body))
        return events


class Streams:
    """Owns the streams of one replica, the reader they share, and the waits for listeners who left."""

    def __init__(
        self, turns: TurnSource, port: CommandPort, views: Views, cache: ViewCache, limits: Limits, metrics: Metrics
    ) -> None:
        self.turns, self.limits = turns, limits
        self._port, self._views, self._cache = port, views, cache
        self._places = 0
        self._listeners: dict[Listener, None] = {}
        self._reader: asyncio.Task[None] | None = None
        self._waits: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self.is_leaving = False
        self._live = metrics.gauge("ganggpt_streams_open")
        self.ended = metrics.counter("ganggpt_streams_total")
        self._errors = metrics.counter("ganggpt_stream_read_errors_total")

    def admit(self) -> None:
        """Take a place; ``leave`` gives it back. Raises Overloaded or Unavailable."""
        if self.is_leaving:
            raise Unavailable("this bridge replica", "it is being replaced", RETRY_MS)
        if self._places >= self.limits.streams_max:
            raise Overloaded("the number of streams", self.limits.streams_max, RETRY_MS)
        self._places += 1
        self._empty.clear()
        self._live.set(self._places)

    def leave(self) -> None:
        """Give a place back."""
        self._places -= 1
        self._live.set(self._places)
        if not self._places:
            self._empty.set()

    def join(self, listener: Listener) -> None:
        """Read turns for this listener from now on."""
        self._listeners[listener] = None
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())

    async def claim(self, listener: Listener) -> None:
        """Record that this stream replaces older ones of the player, which then need not be waited for."""
        if listener.player:
            await self._cache.put(_key(listener.follower), listener.token.encode(), _RECORD_TTL_S)

    def end(self, listener: Listener, *, went_away: bool) -> None:
        """End a stream. A player who left before its end has ``stream_resume_s`` to come back."""
        if not went_away or not listener.player or listener.follower.ended or self.is_leaving:
            self._listeners.pop(listener, None)
            self.leave()
            return
        task = asyncio.create_task(self._wait_for(listener))
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    async def drain(self) -> None:
        """Take no new streams and end the open ones; their clients resume at another replica. No utterance is
        hushed."""
        self.is_leaving = True
        for task in self._waits:
            task.cancel()
        for listener in self._listeners:
            listener.wake()
        try:
            async with asyncio.timeout(self.limits.leave_grace_s):
                if self._places:
                    await self._empty.wait()
        except TimeoutError:
            log.warning("%d streams did not end in time", self._places)
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        """Read new turns for all listeners, as long as there is one."""
        while self._listeners:
            hungry = [listener for listener in self._listeners if not listener.is_behind]
            try:
                found = await self.turns.after([Place(one.follower.actor, one.read_upto) for one in hungry])
            except GangGPTError as failed:
                self._errors.inc()
                log.warning("new turns were not read for the streams, which wait: %s", failed)
                await asyncio.sleep(self.limits.push_poll_s)
                continue
            for listener, turns in zip(hungry, found, strict=True):
                listener.give(turns)
            await asyncio.sleep(self.limits.stream_poll_s)

    async def _wait_for(self, listener: Listener) -> None:
        """Wait for a player whose stream was cut. Unless they come back, or hear the actor in the game, the actor is
        hushed: it says nothing more to them, and does not remember what they did not hear as said."""
        follower, limits = listener.follower, self.limits
        try:
            try:
                async with asyncio.timeout(limits.stream_resume_s):
                    while not follower.ended:
                        await listener.next_events(limits.stream_resume_s)
            except TimeoutError:
                if not await self._is_heard(listener):
                    hush = wrap(
                        new_command_id(),
                        follower.actor,
                        follower.player,
                        Hush(follower.sentences_out, follower.utterance),
                    )
                    await answered(self._port, hush, limits.answer_timeout_s)
        except GangGPTError as failed:
            log.info("%s was not hushed and may talk to nobody for a moment: %s", follower.actor, failed)
        finally:
            self._listeners.pop(listener, None)
            self.leave()

    async def _is_heard(self, listener: Listener) -> bool:
        """Whether the player listens again, or is on a game server that shows what is said. Raises Unavailable."""
        record = await self._cache.get(_key(listener.follower))
        if record is not None and record != listener.token.encode():
            return True
        seen = await self._views.read(listener.follower.player, listener.follower.player)
        return bool(seen.answer["ok"] and seen.answer["reply"].get("online"))


class EventStream(Response):
    """One answer as a stream; gives its place back at the end. ``first``: the events that are known already."""

    def __init__(
        self, streams: Streams, listener: Listener, first: Sequence[StreamEvent], headers: dict[str, str] | None = None
    ) -> None:
        utterance = listener.follower.utterance
        more = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        if utterance is not None:
            more["Content-Location"] = f"/v1/utterances/{quote(utterance, safe=':')}/events"
        self.status_code, self.media_type, self.background, self.body = 200, _MEDIA, None, b""
        self.init_headers(more)
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._streams, self._listener, self._first = streams, listener, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Write until the utterance ends, the time is over, or the client is gone."""
        streams, listener = self._streams, self._listener
        if not listener.follower.ended:
            streams.join(listener)
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_gone_away(receive))
        longest_s = streams.limits.stream_age_max_s + streams.limits.close_timeout_s
        how = "gone"
        try:
            await asyncio.wait((writing, leaving), timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                how = writing.result()
        except OSError:
            log.debug("%s: the client left while something was sent to it", listener.follower.actor)
        finally:
            streams.ended.labels(how).inc()
            streams.end(listener, went_away=how == "gone")
            for task in (writing, leaving):
                task.cancel()
            await asyncio.wait((writing, leaving))

    async def _write(self, send: Send) -> str:
        streams, listener, limits = self._streams, self._listener, self._streams.limits
        follower = listener.follower
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _body(send, f"retry: {RETRY_MS}\n\n".encode())
        until_s = asyncio.get_running_loop().time() + limits.stream_age_max_s
        events, is_new = list(self._first), not follower.ended
        while True:
            for event in events:
                await _body(send, _encoded(event))
                follower.delivered(event)
            if is_new:
                await streams.claim(listener)
                is_new = False
            left_s = until_s - asyncio.get_running_loop().time()
            if follower.ended or streams.is_leaving or left_s <= 0:
                break
            news = await listener.next_events(min(limits.stream_beat_s, left_s))
            if news is None:
                await _body(send, _KEEP_ALIVE)
            events = news or []
        how = follower.ended or ("leaving" if streams.is_leaving else "late")
        if how == "late":
            await _body(send, _encoded(follower.end(follower.at, how)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return how


async def _gone_away(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _encoded(event: StreamEvent) -> bytes:
    """An event in the form of the stream; JSON text has no line breaks."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(event.id).encode(), event.name.encode(), write_json(event.data))


def _key(follower: Follower) -> str:
    """The cache key of the newest stream of what this actor says to this player."""
    return f"ganggpt:stream:{follower.actor}:{follower.player}:data"
