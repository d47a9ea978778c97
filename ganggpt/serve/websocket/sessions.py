"""All sessions of one bridge replica: admission, replacement by newer sessions, and draining.

A game server has one session. Within a replica a newer session ends the older one at once; across replicas the session
record in the cache (``ganggpt:session:{server}:data``) ends it within seconds. Correctness does not depend on it: with
two sessions of one server, commands are still applied once and pushes still acked once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ganggpt.errors import Overloaded, Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.cache import session_key
from ganggpt.protocol.limits import Limits
from ganggpt.serve.rest.views import ViewCache
from ganggpt.serve.websocket.session import CloseCode, Session
from ganggpt.serve.websocket.traffic_totals import TrafficTotals

_RECORD_TTL_S = 3600
RECONNECT_MS = 1000
"""The hint in a bye: how long a client should wait before it connects again."""


class SessionRecord(msgspec.Struct, frozen=True):
    """The record of a game server in the cache: its latest session."""

    session: str


class Sessions:
    """The registry of live sessions."""

    def __init__(self, cache: ViewCache, limits: Limits, metrics: Metrics) -> None:
        self.traffic = TrafficTotals(limits, metrics)
        self._cache = cache
        self._limits = limits
        self._live: dict[str, Session] = {}
        self.connections = 0
        self._draining = False
        self._closed = metrics.counter("ganggpt_bridge_closed_total")

    @property
    def draining(self) -> bool:
        """True once this replica takes no new connections."""
        return self._draining

    def of(self, server: str) -> Session | None:
        """The live session of a game server on this replica."""
        return self._live.get(server)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place for one connection, with or without a session. Raises Unavailable or Overloaded."""
        if self._draining:
            raise Unavailable("this bridge replica", "it is being replaced", RECONNECT_MS)
        if self.connections >= self._limits.sessions_max:
            raise Overloaded("the number of connections", self._limits.sessions_max, RECONNECT_MS)
        self.connections += 1
        try:
            yield
        finally:
            self.connections -= 1

    async def register(self, session: Session, previous_id: str | None) -> bool:
        """Make this the session of its server; returns whether ``previous_id`` is the session before it."""
        older = self._live.get(session.server)
        if older is not None:
            older.end(CloseCode.SUPERSEDED, "a newer connection of this game server took over")
        self._live[session.server] = session
        self.traffic.sessions = len(self._live)
        before = await self._cache.get(session_key(session.server))
        await self._record(session)
        return before is not None and previous_id is not None and _session_in(before) == previous_id

    def remove(self, session: Session) -> None:
        """End and forget a session whose connection is over."""
        session.end(CloseCode.GONE, "the connection was cut")
        session.forget_in_flight()
        if self._live.get(session.server) is session:
            del self._live[session.server]
        self.traffic.sessions = len(self._live)
        self._closed.labels(session.ended.result().code.name.lower()).inc()

    async def keep(self, session: Session) -> None:
        """End the session when it is idle, too old, or replaced on another replica. Runs as long as the session."""
        loop = asyncio.get_running_loop()
        age_end_s = loop.time() + self._limits.age_max_s * _spread(session.id)
        record_end_s = loop.time() + _RECORD_TTL_S / 3
        while not session.ended.done():
            await asyncio.sleep(self._limits.push_poll_s)
            now_s = loop.time()
            if now_s - session.last_heard_s > self._limits.idle_timeout_s:
                session.end(CloseCode.TOO_SLOW, f"nothing heard for {self._limits.idle_timeout_s:.0f} s")
            elif now_s > age_end_s:
                await session.leave("max_age", RECONNECT_MS)
            elif await self._replaced_elsewhere(session):
                session.end(CloseCode.SUPERSEDED, "a newer connection of this game server took over")
            elif now_s > record_end_s:
                record_end_s = now_s + _RECORD_TTL_S / 3
                await self._record(session)

    async def drain(self, reason: str = "draining") -> None:
        """Accept no new connections, say bye to all, and wait for their replies, with a timeout."""
        self._draining = True
        async with asyncio.TaskGroup() as leaving:
            for session in tuple(self._live.values()):
                leaving.create_task(session.leave(reason, RECONNECT_MS))

    async def _record(self, session: Session) -> None:
        await self._cache.put(
            session_key(session.server), msgspec.json.encode(SessionRecord(session=session.id)), _RECORD_TTL_S
        )

    async def _replaced_elsewhere(self, session: Session) -> bool:
        record = await self._cache.get(session_key(session.server))
        return record is not None and _session_in(record) != session.id


def new_session_id() -> str:
    """A session id that cannot be guessed."""
    return secrets.token_hex(16)


def _session_in(record: bytes) -> str | None:
    try:
        return msgspec.json.decode(record, type=SessionRecord).session
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _spread(session_id: str) -> float:
    """A factor from 0.8 to 1 by session, so that connections made at once do not all end at once."""
    return 0.8 + 0.2 * int(session_id[:4], 16) / 0xFFFF
