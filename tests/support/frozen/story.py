"""A long life of a small world in memory: the real rules behind the real host, a model on cue, and time that jumps.

It reaches what an evening in a real world does not: quiet moments, what a mind lets go, hours of politics, loyalty that
runs out, players that are forgotten. What the host journals is kept as the host encoded it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal

import msgspec

from ganggpt.actors.envelope import VIEW, decode_batch, wrap
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.routing.table import load_routes
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.faction.moves import MakeMove, MoveBrief
from ganggpt.domain.ids import ActorId, CommandId
from ganggpt.domain.mind.commands import (
    Conclude,
    Condense,
    SayScripted,
    ThinkAgain,
    Utter,
)
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.mind.transcript import SummaryBrief
from ganggpt.domain.mind.utterance import Provenance, TalkBrief
from ganggpt.domain.mission_design.draft import WorkBrief
from ganggpt.domain.npc.commands import ProposedObjective, ProposeMission
from ganggpt.domain.turn import MODEL_WAIT_S, Command, ModelRequest
from ganggpt.domain.world import World
from ganggpt.errors import Unavailable
from ganggpt.persistence.ports.journal import Batch, PushRow
from ganggpt.simulation.sheet import WORLD, cast_of
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import (
    InMemoryArchive,
    MemoryDatabase,
    MemoryFlush,
    MemoryHosts,
    MemoryJournal,
)
from tests.support.frozen.harvest import Harvest

BEGAN_S: Final = 1_800_000_000.0
SERVER: Final = "server:ls"
_OPTIONS: Final = HostOptions(
    idle_s=900.0, snapshot_every=12, relaxed_s=0.05, beat_s=30.0, sweep_s=60.0, reminder_s=2.0, poll_s=30.0
)
_SHARDS: Final = 4
_MESSAGES_S: Final = 0.5


class KeepingJournal(MemoryJournal):
    """A journal in memory that also gathers what was written, as the tables would show it."""

    def __init__(self, database: MemoryDatabase, kept: Harvest) -> None:
        super().__init__(database)
        self._kept = kept

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """See Journal."""
        pushes = await super().append(epoch, batch)
        actors, seqs, _, ids, bys, names, bodies = batch.turns
        for actor, seq, command_id, by, name, body in zip(actors, seqs, ids, bys, names, bodies, strict=True):
            self._kept.turns.setdefault(actor, []).append((seq, command_id, by, name, body))
        self._kept.messages += [(message.target, message.name, message.body) for message in batch.messages]
        for (actor, _), reminder in batch.reminders.items():
            if reminder is not None:
                self._kept.reminders.append((actor, reminder[2], reminder[3]))
        return pushes

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """See Journal."""
        await super().save_snapshots(epoch, schema, rows)
        for actor, seq, body in rows:
            self._kept.snapshots.setdefault(actor, []).append((seq, body))


class Prompter:
    """A model that says what it is told to. ``says``: its sentences for the next talks; ``wants``: what it wants to do
    after them; ``silent``: it never answers; ``deflects``: it says that this is nothing to talk about."""

    def __init__(self) -> None:
        self.wait_s = MODEL_WAIT_S
        self.is_on = self.embeds = self.silent = self.deflects = False
        self.says: tuple[str, ...] = ("Let me think.", "That is how it is around here.")
        self.wants: tuple[tuple[str, str], ...] = ()

    async def answer(self, actor: ActorId, request: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """See ModelPort."""
        brief = request.brief
        if self.silent:
            await asyncio.sleep(3600)
        if isinstance(brief, TalkBrief):
            async for part in self._talk(brief):
                yield part
        elif isinstance(brief, SummaryBrief):
            yield Condense(brief.no, f"{brief.name} and I went through a few things, and I made up my mind.")
        elif isinstance(brief, WorkBrief):
            yield a_proposal(brief.player, "model")
        elif isinstance(brief, MoveBrief):
            chosen = brief.outlook["moves"][0]
            named = {name: chosen[name] for name in ("move", "other", "district")}
            yield MakeMove(**named, words="So be it.", for_turn=brief.outlook["for_turn"])
        else:
            raise Unavailable(f"a model ({request.name} of {actor})")

    async def _talk(self, brief: TalkBrief) -> AsyncGenerator[Command, None]:
        made = Provenance(
            "gpt-4o", "large", ((1, 0.5),), "You are somebody.", "0123", "4567", 120, 20, 5_000, ("pass",)
        )
        if brief.by_embedding:
            yield ThinkAgain(brief.utterance, _embedding("what was heard"))
        if self.deflects:
            yield SayScripted(brief.utterance, "deflected", deflect=True, made=made)
            return
        for no, text in enumerate(self.says):
            yield Utter(brief.utterance, no, text)
        yield Conclude(brief.utterance, self.wants, made)

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:
        """See ModelPort."""
        return [_embedding(text) for text in texts]

    async def embedding(self, text: str, player: str, actor: str) -> Embedding | None:
        """See ModelPort."""
        return _embedding(text) if self.embeds else None

    def use_world(self, world: World) -> None:
        """See ModelPort."""


class Story:
    """Owns the world while it is told. ``kept``: what it journaled, and every command that went to its host."""

    def __init__(self) -> None:
        self.kept = Harvest()
        self.model = Prompter()
        loop = asyncio.get_running_loop()
        self._clock = lambda: BEGAN_S + loop.time()
        database = MemoryDatabase(self._clock, dict.fromkeys(shared_shards(_SHARDS), "shared"))
        database.servers.add("ls")
        self._hosts, flush, archive = MemoryHosts(database), MemoryFlush(database), InMemoryArchive(database)
        journal, cast = KeepingJournal(database, self.kept), cast_of(WORLD)

        def open_ports(_: str) -> HostPorts:
            peers = Router(self._call, lambda: load_routes(self._hosts), RouterOptions())
            return HostPorts(
                journal, self._hosts, flush, peers, WORLD, cast, ScriptedMind(), _ring, _forget, archive, self.model
            )

        self._fleet = LocalFleet(open_ports, _OPTIONS)
        self._router = Router(self._call, lambda: load_routes(self._hosts), RouterOptions())

    async def begin(self) -> None:
        """Start the one host."""
        await self._fleet.start("host:0", "shared")
        await self._hosts.assign(dict.fromkeys(shared_shards(_SHARDS), "host:0"))
        await self._fleet.refresh("host:0")
        await self._router.start()

    async def end(self) -> None:
        """Let the host drain and end."""
        await asyncio.sleep(2 * _OPTIONS.idle_s)
        await self._router.close()
        await self._fleet.close()

    async def do(self, to: str, command: Command, by: str = SERVER) -> Mapping[str, Any]:
        """Send a command and let its messages arrive; its reply, empty where the rules refuse it."""
        answer = await self._router.ask(wrap(CommandId(self._new_id()), to, by, command))
        await asyncio.sleep(_MESSAGES_S)
        reply: Mapping[str, Any] = msgspec.msgpack.decode(answer).get("reply", {})
        return reply

    async def wait(self, seconds: float) -> None:
        """Let time pass, with whatever it brings."""
        await asyncio.sleep(seconds)

    async def _call(self, host: str, batch: bytes) -> bytes:
        for envelope in decode_batch(batch):
            if envelope.name != VIEW:
                self.kept.commands.append((envelope.to, envelope.name, bytes(envelope.body)))
        return await self._fleet.call(host, batch)

    def _new_id(self) -> bytes:
        raw = bytearray(int(self._clock() * 1000).to_bytes(6, "big") + next(_NUMBERS).to_bytes(10, "big"))
        raw[6] = 0x70 | raw[6] & 0x0F
        raw[8] = 0x80 | raw[8] & 0x3F
        return bytes(raw)


_NUMBERS: Final = count(1)


def a_proposal(who: str, origin: Literal["model", "server"], **more: Any) -> ProposeMission:
    """A mission that a model or a game server thought up."""
    errands = tuple(ProposedObjective("talk_to", person, 1, "docks") for person in ("npc:otis", "npc:ines"))
    fields = {"difficulty": 2, "minutes": 30, "reward": 700, "impact": {"harbour": 2}, **more}
    return ProposeMission(
        who, "A Word for Eve Stone", "Tell Otis and Ines what Eve Stone did.", errands, origin=origin, **fields
    )


def _embedding(text: str) -> Embedding:
    return Embedding("fake-embedding", bytes((ord(character) * 7) % 251 for character in f"{text:16.16}"))


async def _ring(_: Sequence[PushRow]) -> None:
    return None


async def _forget(_: Sequence[str]) -> None:
    return None
