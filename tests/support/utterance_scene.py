"""A bridge over an NPC in the middle of a talk, for those who listen to what is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from ganggpt.actors.envelope import VIEW, Envelope, reply_error, reply_ok
from ganggpt.actors.host.turn_runner import dice_of
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.kinds import KINDS, VERSION, TurnRecord, decode_command, effects_of, encode_turn
from ganggpt.domain.mind.commands import Conclude, Hush, Utter
from ganggpt.domain.mind.utterance import Provenance
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.turn import Command, Turn
from ganggpt.errors import GangGPTError, UnknownActor
from ganggpt.protocol.limits import Limits
from tests.support.bridge_rig import HEADERS, MemoryPort, MemoryTurns, Rig, served
from tests.support.builders import NOW_S, WORLD
from tests.support.played import a_spawn

MARA = ActorId("npc:mara")


TALK = "/v1/actors/npc:mara/commands/Talk"


AVA = {"Accept": "text/event-stream", "X-Acting-As": "player:ava"}


LIMITS = Limits(stream_poll_s=0.005, stream_beat_s=0.05, stream_resume_s=0.2)


@dataclass
class MaraPort(MemoryPort):
    """Runs one NPC by its real rules and keeps its turns in the journal of the rig."""

    turns: MemoryTurns
    has_model: bool = True
    online: bool = False
    state: Any = None
    done: dict[bytes, bytes] = field(default_factory=dict)
    hushes: list[Hush] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.do(a_spawn(), "server:test")

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        if envelope.name == VIEW:
            if envelope.to.startswith("player:") and not self.online:
                return reply_error(envelope.id, UnknownActor(envelope.to))
            return reply_ok(envelope.id, 1, {"online": self.online})
        if envelope.id in self.done:
            return self.done[envelope.id]
        command = decode_command("npc", envelope.name, envelope.body)
        if isinstance(command, Hush):
            self.hushes.append(command)
        try:
            self.do(command, envelope.by, envelope.id)
        except GangGPTError as error:
            return reply_error(envelope.id, error)
        return self.done[envelope.id]

    def do(self, command: Command, by: str, command_id: bytes | None = None) -> dict[str, Any]:
        journal = self.turns.of.setdefault(MARA, [])
        seq, key = len(journal) + 1, command_id or new_command_id()
        now_s = NOW_S + seq
        turn = Turn(MARA, seq, now_s, by, dice_of(MARA, seq, WORLD.seed), WORLD, ScriptedMind(), self.has_model)
        decision = KIND.decide(self.state, command, turn)
        for event in decision.events:
            self.state = KIND.evolve(self.state, event)
        self.done[key] = reply_ok(key, seq, decision.reply)
        record = TurnRecord(VERSION, now_s, decision.events, self.done[key], effects_of(decision))
        journal.append((seq, encode_turn(record)))
        return dict(decision.reply)

    @property
    def utterance(self) -> str:
        now = self.state.mind.speaking.utterance
        assert now is not None
        return str(now.id)

    def says(self, *sentences: str) -> None:
        """The model's next sentences."""
        for text in sentences:
            said = len(self.state.mind.speaking.utterance.said)
            self.do(Utter(self.utterance, said, text), "model:gateway")

    def ends(self, *actions: tuple[str, str]) -> None:
        self.do(Conclude(self.utterance, actions, Provenance("gpt-x")), "model:gateway")


@dataclass
class Scene:
    """A bridge with Mara behind it, served by a real server."""

    rig: Rig
    mara: MaraPort
    http: httpx.AsyncClient

    @asynccontextmanager
    async def listening(self, method: str, path: str, **request: Any) -> AsyncIterator[Client]:
        async with self.http.stream(method, path, **request) as answer:
            yield Client(answer)

    def talks(self, text: str = "What is going on?", **headers: str) -> Any:
        return self.listening("POST", TALK, json={"text": text}, headers={**AVA, **headers})

    def ended(self, how: str) -> float:
        return float(self.rig.metrics.counter("ganggpt_streams_total").labels(how)._value.get())

    @property
    def live(self) -> float:
        return float(self.rig.metrics.gauge("ganggpt_streams_open")._value.get())


class Client:
    """Reads the events of one stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.beats = 0
        self.last = ""
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        """Name and data of the next event, None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line == ":":
                    self.beats += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    self.last = fields["id"]
                    return fields["event"], json.loads(fields["data"])
                else:
                    fields = {}
        return None

    async def rest(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        while (one := await self.next()) is not None:
            found.append(one)
        return found


@asynccontextmanager
async def a_scene(limits: Limits = LIMITS, **mara: Any) -> AsyncIterator[Scene]:
    turns = MemoryTurns()
    port = MaraPort(turns, **mara)
    rig = Rig(limits=limits, kinds=KINDS, port=port, turns=turns)
    async with served(rig.app) as where, httpx.AsyncClient(base_url=f"http://{where}", headers=HEADERS) as http:
        yield Scene(rig, port, http)
