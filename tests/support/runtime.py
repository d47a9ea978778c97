"""A runtime without Ray: hosts as tasks, stores in memory, the real rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ganggpt.actors.envelope import Envelope, wrap, wrap_view
from ganggpt.actors.host.host import Host, HostOptions
from ganggpt.actors.routing.router import Router
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.npc.commands import Spawn
from ganggpt.domain.turn import MODEL_WAIT_S, Command, ModelRequest
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.testing.faulty_stores import FaultyHosts, FaultyJournal
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import InMemoryArchive, MemoryDatabase, MemoryFlush

SHARDS = 4


FAST = HostOptions(
    flush_s=0.01, relaxed_s=0.05, beat_s=0.02, sweep_s=0.02, reminder_s=0.01, delivery_s=5.0, mailbox_max=8
)


MARA = Spawn(
    "Mara Voss",
    "fixer",
    "docks",
    "harbour",
    {"friendliness": 60, "temper": 50, "greed": 50, "courage": 60},
    "street",
    missions=("parcel",),
)


class Prompter:
    """A model on whose lips a test hangs: what it says next is put into ``lines``, an error ends the answer, None is
    its end. ``asked``: all that was asked; ``closed``: answers that were taken back or over."""

    def __init__(self) -> None:
        self.is_on = False
        self.embeds = False
        self.wait_s = MODEL_WAIT_S
        self.embedding_requests: asyncio.Queue[Sequence[str]] = asyncio.Queue()
        self.vector: Embedding | GangGPTError = Embedding("m", b"\x7f\x01")
        self.lines: asyncio.Queue[Command | GangGPTError | None] = asyncio.Queue()
        self.asked: asyncio.Queue[ModelRequest] = asyncio.Queue()
        self.closed = 0

    async def answer(self, actor: ActorId, request: ModelRequest) -> AsyncGenerator[Command, None]:
        self.asked.put_nowait(request)
        try:
            while (line := await self.lines.get()) is not None:
                if isinstance(line, GangGPTError):
                    raise line
                yield line
        finally:
            self.closed += 1

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> list[Embedding]:
        assert len(texts) == len(owners)
        self.embedding_requests.put_nowait(texts)
        if isinstance(self.vector, GangGPTError):
            raise self.vector
        return [self.vector] * len(texts)

    async def embedding(self, text: str, player: str, actor: str) -> Embedding | None:
        self.embedding_requests.put_nowait((text, player, actor))
        return self.vector if isinstance(self.vector, Embedding) else None

    def use_world(self, world: World) -> None:
        """See ModelPort."""


@dataclass
class Runtime:
    """One running world and what a test wants to look at."""

    database: MemoryDatabase
    journal: FaultyJournal
    flush: MemoryFlush
    hosts: FaultyHosts
    fleet: LocalFleet
    router: Router
    archive: InMemoryArchive
    heard: list[PushRow] = field(default_factory=list)
    model: Prompter = field(default_factory=Prompter)

    async def ask(self, to: str, command: Command, by: str = "player:ava", id: bytes | None = None) -> dict[str, Any]:  # noqa: A002
        return msgspec.msgpack.decode(await self.router.ask(wrap(id or new_command_id(), to, by, command)))

    async def ask_all(self, envelopes: Sequence[Envelope]) -> list[dict[str, Any]]:
        """Deliver one batch straight to the first host, in one call."""
        replies = await self.host("host:0").deliver(envelopes)
        return [msgspec.msgpack.decode(reply) for reply in replies]

    async def view(self, actor: str) -> dict[str, Any]:
        return msgspec.msgpack.decode(await self.router.ask(wrap_view(new_command_id(), actor, "server:test")))

    def host(self, name: str) -> Host:
        host = self.fleet.host(name)._host
        assert host is not None
        return host

    async def restart(self, name: str = "host:0") -> None:
        """SIGKILL and a fresh process, as Ray would."""
        await self.fleet.kill(name)
        await self.fleet.start(name, "shared")


async def nothing() -> None:
    """No house to keep."""


async def nowhere(_: str) -> bool:
    """No bridge answers."""
    return False
