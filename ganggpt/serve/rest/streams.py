"""Answers as server-sent events: the reply, then sentence by sentence what an actor says to one player, to its end.

Everything comes out of the journal: sentences are letters of the actor's turns, so they are there whether or not the
player is on a game server, and a stream can be gone on from anywhere. All streams of a replica share one reader, which
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
from ganggpt.serve.rest.utterance_events import Ear, Heard
from ganggpt.serve.rest.views import ViewCache, Views, answered

log = logging.getLogger(__name__)

RETRY_MS: Final = 1000
"""How long a client waits before it connects again, as the stream tells it."""
_BEAT: Final = b":\n\n"
_RECORD_TTL_S: Final = 600
_MEDIA: Final = "text/event-stream; charset=utf-8"


class TurnSource(Protocol):
    """Where turns are read. Every method raises Unavailable where the store is away."""

    async def after(self, places: Sequence[Place]) -> list[list[tuple[int, bytes]]]:
        """For each place number and body of the next turns, a bounded number, in order."""
        ...

    async def since(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Turn ``seq`` and those after it."""
        ...

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The last turns up to ``seq``, in order."""
        ...

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        """What was packed up of an actor, and after which turn."""
        ...


class Listener:
    """One listener: where they are (``ear``), and the turns that were read for them and not yet heard.

    ``player``: whether they listen as the player spoken to, or only watch.
    """

    def __init__(self, ear: Ear, *, player: bool) -> None:
        self.ear, self.player = ear, player
        self.token = secrets.token_hex(8)
        self.read_upto = ear.seen
        self._turns: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether turns wait for them: then nothing more is read for them."""
        return bool(self._turns)

    def give(self, turns: Iterable[tuple[int, bytes]]) -> None:
        """Turns that follow those before."""
        for turn in turns:
            self._turns.append(turn)
            self.read_upto = turn[0]
        if self._turns:
            self._news.set()

    def nudge(self) -> None:
        """Look up, also where there is nothing to hear."""
        self._news.set()

    async def heard(self, within_s: float) -> list[Heard] | None:
        """What is new, as soon as turns come or at a nudge; None where neither did within ``within_s``."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return None
        self._news.clear()
        kind = kind_for(self.ear.actor)
        heard: list[Heard] = []
        while self._turns:
            seq, body = self._turns.popleft()
            heard += self.ear.hears(seq, decode_turn(kind, body))
        return heard


class Streams:
    """Owns the streams of one replica, the reader they share, and the wait for listeners that went away."""

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
        """Take a place, which ``leave`` gives back. Raises Overloaded or Unavailable."""
        if self.is_leaving:
            raise Unavailable("this bridge replica (it is being replaced)", RETRY_MS)
        if self._places >= self.limits.streams_max:
            raise Overloaded("the number of streams", self.limits.streams_max, RETRY_MS)
        self._places += 1
        self._empty.clear()
        self._live.set(self._places)

    def leave(self) -> None:
        """A place is free again."""
        self._places -= 1
        self._live.set(self._places)
        if not self._places:
            self._empty.set()

    def join(self, listener: Listener) -> None:
        """From now on turns are read for them."""
        self._listeners[listener] = None
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())

    async def claim(self, listener: Listener) -> None:
        """Tell older streams of this player that they are not missed."""
        if listener.player:
            await self._cache.put(_key(listener.ear), listener.token.encode(), _RECORD_TTL_S)

    def part(self, listener: Listener, *, went_away: bool) -> None:
        """A stream ended. A player who went away before the end may come back for a moment; then they are gone."""
        if not went_away or not listener.player or listener.ear.ended or self.is_leaving:
            self._listeners.pop(listener, None)
            self.leave()
            return
        task = asyncio.create_task(self._wait_for(listener))
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    async def drain(self) -> None:
        """Take no new streams and end those there are: their clients go on at another replica. Nobody is hushed."""
        self.is_leaving = True
        for task in self._waits:
            task.cancel()
        for listener in self._listeners:
            listener.nudge()
        try:
            async with asyncio.timeout(self.limits.leave_grace_s):
                if self._places:
                    await self._empty.wait()
        except TimeoutError:
            log.warning("%d streams did not end in time", self._places)
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        """Look for new turns of everybody who is listened to, as long as there is somebody."""
        while self._listeners:
            hungry = [listener for listener in self._listeners if not listener.is_behind]
            try:
                found = await self.turns.after([Place(one.ear.actor, one.read_upto) for one in hungry])
            except GangGPTError as away:
                self._errors.inc()
                log.warning("streams wait: %s", away)
                await asyncio.sleep(self.limits.push_poll_s)
                continue
            for listener, turns in zip(hungry, found, strict=True):
                listener.give(turns)
            await asyncio.sleep(self.limits.stream_look_s)

    async def _wait_for(self, listener: Listener) -> None:
        """A player's stream was cut. Unless they come back, or hear the actor in the game, they are a player who went:
        nothing more is said to them, and what did not come across is not remembered as said."""
        ear, limits = listener.ear, self.limits
        try:
            try:
                async with asyncio.timeout(limits.stream_resume_s):
                    while not ear.ended:
                        await listener.heard(limits.stream_resume_s)
            except TimeoutError:
                if not await self._is_heard(listener):
                    hush = wrap(new_command_id(), ear.actor, ear.player, Hush(ear.across, ear.utterance))
                    await answered(self._port, hush, limits.answer_timeout_s)
        except GangGPTError as away:
            log.info("%s may go on talking to nobody for a moment: %s", ear.actor, away)
        finally:
            self._listeners.pop(listener, None)
            self.leave()

    async def _is_heard(self, listener: Listener) -> bool:
        """Whether the player listens again, or their game server shows what is said. Raises Unavailable."""
        record = await self._cache.get(_key(listener.ear))
        if record is not None and record != listener.token.encode():
            return True
        seen = await self._views.read(listener.ear.player, listener.ear.player)
        return bool(seen.answer["ok"] and seen.answer["reply"].get("online"))


class EventStream(Response):
    """One answer as a stream; gives its place back at the end. ``first``: what is known already."""

    def __init__(
        self, streams: Streams, listener: Listener, first: Sequence[Heard], headers: dict[str, str] | None = None
    ) -> None:
        utterance = listener.ear.utterance
        more = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        if utterance is not None:
            more["Content-Location"] = f"/v1/utterances/{quote(utterance, safe=':')}/events"
        self.status_code, self.media_type, self.background, self.body = 200, _MEDIA, None, b""
        self.init_headers(more)
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._streams, self._listener, self._first = streams, listener, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Write until the end of the utterance, of the time, or until the client is gone."""
        streams, listener = self._streams, self._listener
        if not listener.ear.ended:
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
            log.debug("%s: the client went away while something was sent", listener.ear.actor)
        finally:
            streams.ended.labels(how).inc()
            streams.part(listener, went_away=how == "gone")
            for task in (writing, leaving):
                task.cancel()
            await asyncio.wait((writing, leaving))

    async def _write(self, send: Send) -> str:
        streams, listener, limits = self._streams, self._listener, self._streams.limits
        ear = listener.ear
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _body(send, f"retry: {RETRY_MS}\n\n".encode())
        until_s = asyncio.get_running_loop().time() + limits.stream_age_max_s
        heard, is_new = list(self._first), not ear.ended
        while True:
            for one in heard:
                await _body(send, _told(one))
                ear.took(one)
            if is_new:
                await streams.claim(listener)
                is_new = False
            left_s = until_s - asyncio.get_running_loop().time()
            if ear.ended or streams.is_leaving or left_s <= 0:
                break
            news = await listener.heard(min(limits.stream_beat_s, left_s))
            if news is None:
                await _body(send, _BEAT)
            heard = news or []
        how = ear.ended or ("leaving" if streams.is_leaving else "late")
        if how == "late":
            await _body(send, _told(ear.end(ear.at, how)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return how


async def _gone_away(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _told(one: Heard) -> bytes:
    """An event as it stands in a stream; JSON text has no line breaks."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(one.at).encode(), one.name.encode(), write_json(one.data))


def _key(ear: Ear) -> str:
    """Who listened last to what this actor says to this player."""
    return f"ganggpt:stream:{ear.actor}:{ear.player}:data"
