"""A bridge without a runtime behind it: all of ganggpt/serve is real, the ports are kept in memory by the test."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import msgspec
import uvicorn
from pydantic import SecretStr

from ganggpt.actors.envelope import (
    VIEW,
    Envelope,
    reply_error,
    reply_ok,
)
from ganggpt.actors.ports import Gate, ReplySink
from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.npc.commands import (
    Give,
    Observe,
    Talk,
    Threaten,
)
from ganggpt.domain.turn import (
    Command,
    Decision,
    Kind,
    Turn,
)
from ganggpt.errors import GangGPTError, Unavailable, UnknownActor
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.journal import Place
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.limits import Limits
from ganggpt.serve.asgi import BridgeApp
from ganggpt.serve.composition import BridgePorts, bridge_app
from ganggpt.serve.present_names import PresentNames
from ganggpt.testing.memory_lists import MemoryLists
from tests.support.builders import WORLD

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Nothing(msgspec.Struct, frozen=True):
    """A state without fields."""


def _decide(state: object, command: object, turn: Turn) -> Decision:
    raise AssertionError("the bridge never decides")


def kind(name: str, *commands: type[Command]) -> Kind:
    """A kind that only has command names."""
    return Kind(
        name=name,
        state=Nothing,
        events=Nothing,
        commands={command.tag: command for command in commands},
        decide=_decide,
        evolve=lambda state, event: state,
        view=lambda state, now_s: {},
    )


KINDS: Mapping[str, Kind] = {
    "npc": kind("npc", Talk, Observe, Give, Threaten, Remember),
    "faction": kind("faction", Observe),
    "companion": kind("companion", Talk),
    "player": kind("player"),
    "mission": kind("mission"),
}


class MemoryPort:
    """Answers commands from memory: every actor exists but those in ``missing``, and says what it was told.

    With ``held`` set, commands wait until ``release``.
    """

    def __init__(self) -> None:
        self.seen: list[Envelope] = []
        self.missing: set[str] = set()
        self.held = False
        self.reply: Mapping[str, Any] = {"said": "hello"}
        self.refusal: GangGPTError | None = None
        self._waiting: list[tuple[Envelope, ReplySink]] = []

    def gate(self, source: str) -> Gate | None:
        return None

    def submit(
        self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "", gate: Gate | None = None
    ) -> None:
        self.seen.extend(envelopes)
        if self.held:
            self._waiting.extend((envelope, sink) for envelope in envelopes)
            return
        asyncio.get_running_loop().call_soon(self._answer, envelopes, sink)

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        self.seen.append(envelope)
        return self._finished(envelope)

    def release(self) -> None:
        """Answer everything held, last come first answered."""
        waiting, self._waiting = self._waiting, []
        for envelope, sink in reversed(waiting):
            sink(envelope.id, self._finished(envelope))

    def _answer(self, envelopes: Sequence[Envelope], sink: ReplySink) -> None:
        for envelope in envelopes:
            sink(envelope.id, self._finished(envelope))

    def _finished(self, envelope: Envelope) -> bytes:
        if self.refusal is not None:
            return reply_error(envelope.id, self.refusal)
        if envelope.to in self.missing:
            return reply_error(envelope.id, UnknownActor(envelope.to))
        reply = {"id": envelope.to, "memories": []} if envelope.name == VIEW else self.reply
        return reply_ok(envelope.id, len(self.seen), reply)


class Row(NamedTuple):
    """A stored push."""

    no: int
    epoch: int
    seq: int
    actor: str
    type: str
    body: bytes


class MemoryPushes:
    """Pushes of one world in memory, with a live feed that can be cut."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, Row]] = {}
        self.servers: set[str] = set()
        self.outage = False
        self.feed_lost = False
        self.polls = 0
        self.waits = 0
        self._feed: list[tuple[str, Row]] = []
        self._news = asyncio.Event()

    def add(self, server: str, no: int, type_: str = "said") -> None:
        row = Row(no, 7, no, "npc:mara", type_, msgspec.msgpack.encode({"n": no}))
        self.rows[no] = (server, row)
        if not self.feed_lost:
            self._feed.append((server, row))
            self._news.set()

    async def register_server(self, name: str) -> None:
        self._check()
        self.servers.add(name)

    async def unacked(self, server: str, after: int, limit: int) -> Sequence[Row]:
        self._check()
        self.polls += 1
        return [row for no, (to, row) in sorted(self.rows.items()) if to == server and no > after][:limit]

    async def ack(self, server: str, nos: Sequence[int]) -> None:
        self._check()
        for no in nos:
            self.rows.pop(no, None)

    async def wait(self, server: str, last_seen_id: str, timeout_s: float) -> tuple[str, Sequence[Row]]:
        self._check()
        self.waits += 1
        start = len(self._feed) if last_seen_id == "$" else int(last_seen_id)
        if len(self._feed) == start:
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                pass
        return str(len(self._feed)), [row for to, row in self._feed[start:] if to == server]

    def _check(self) -> None:
        if self.outage:
            raise Unavailable("the push store")


class MemoryTurns:
    """The journal of a few actors, in memory."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[int, bytes]]] = {}
        self.outage = False
        self.looks = 0

    async def after(self, places: Sequence[Place]) -> list[list[tuple[int, bytes]]]:
        self._check()
        self.looks += 1
        return [[turn for turn in self.of.get(place.actor, ()) if turn[0] > place.seq][:2] for place in places]

    async def since(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        self._check()
        return [turn for turn in self.of.get(actor, ()) if turn[0] >= seq][:limit]

    async def upto(self, actor: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        self._check()
        return [turn for turn in self.of.get(actor, ()) if turn[0] <= seq][-limit:]

    async def snapshot(self, actor: str) -> tuple[int, bytes] | None:
        self._check()
        return None

    def _check(self) -> None:
        if self.outage:
            raise Unavailable("the journal")


class MemoryCache:
    """A cache that forgets nothing."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        assert ttl_s > 0
        self.values[key] = value


async def _well() -> Mapping[str, Any]:
    return {"latency_ms": 1}


@dataclass
class Rig:
    """A whole bridge and what stands behind it."""

    _bare: ClassVar[Rig | None] = None

    limits: Limits = field(default_factory=Limits)
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    port: MemoryPort = field(default_factory=MemoryPort)
    pushes: MemoryPushes = field(default_factory=MemoryPushes)
    turns: MemoryTurns = field(default_factory=MemoryTurns)
    cache: MemoryCache = field(default_factory=MemoryCache)
    lists: MemoryLists = field(default_factory=MemoryLists)
    metrics: Metrics = field(default_factory=Metrics)
    names: PresentNames | None = None
    closed: int = 0
    probes: dict[str, Callable[[], Any]] = field(
        default_factory=lambda: dict.fromkeys(("database", "redis", "ai", "memory", "disk"), _well)
    )

    def __post_init__(self) -> None:
        self.ports = BridgePorts(
            port=self.port,
            pushes=self.pushes,
            cache=self.cache,
            book=CommandBook(self.kinds),
            token=SecretStr(TOKEN),
            probes=self.probes,
            turns=self.turns,
            lists=self.lists,
            world=WORLD,
            metrics=self.metrics,
            limits=self.limits,
            names=self.names,
        )
        self.app: BridgeApp = bridge_app(self.ports, self._close)

    async def _close(self) -> None:
        self.closed += 1

    @classmethod
    def bare(cls) -> Rig:
        """The same rig for every example of a property test (building the OpenAPI routes takes a while)."""
        if cls._bare is None:
            cls._bare = cls()
        return cls._bare


@asynccontextmanager
async def served(app: Any, **more: Any) -> AsyncIterator[str]:
    """Serve an ASGI app by uvicorn on a free port of this loop; gives ``127.0.0.1:port``."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False, ws_max_queue=32, **more)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
    started = asyncio.Event()
    startup = server.startup

    async def startup_then_tell(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = startup_then_tell  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            await started.wait()
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
