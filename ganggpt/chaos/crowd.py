"""The actors of a fault run and the load on them: a steady stream of durable commands over a real WebSocket."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ganggpt.chaos.ack_record import AckRecord
from ganggpt.client.game_server import GameServer
from ganggpt.client.waiting import CommandReply, Patience
from ganggpt.client.wire import WireCommand
from ganggpt.domain.ids import CommandId, kind_of, new_command_id
from ganggpt.errors import StartFailed, Unavailable

log = logging.getLogger(__name__)

ANSWER_S: Final = 120.0
"""A command without a reply for this long counts as hung."""
PATIENCE: Final = Patience(
    open_s=5.0, answer_s=ANSWER_S, reconnect_s=ANSWER_S, backoff_first_s=0.02, backoff_max_s=0.25, retry_s=0.1
)
"""A game server that reconnects quickly, so that the recovery of the world is measured."""
_TICK_S: Final = 0.02
_PROBE_EVERY_S: Final = 0.5
_SPAWNED_AT_ONCE: Final = 1000
_IN_FLIGHT_MAX: Final = 3000
_SHEET: Final[dict[str, Any]] = {
    "name": "Chaos Walker",
    "role": "passer-by",
    "home": "ferris-pier",
    "faction": None,
    "traits": {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50},
    "style": "street",
}


@dataclass(frozen=True, slots=True)
class LatencySample:
    """One acked command of the load: its number, when it was sent (loop seconds) and how long its ack took."""

    n: int
    sent_s: float
    took_s: float
    answer: CommandReply


@dataclass(slots=True)
class Tally:
    """What became of the commands of a stretch. ``refused``: final answers that were no, by code (``hung``: none came);
    ``skipped``: commands the load had no room for."""

    samples: list[LatencySample] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    skipped: int = 0


class Crowd:
    """Owns the load. ``load`` streams commands, ``probe`` asks many actors at once; every ack is recorded."""

    def __init__(self, load: GameServer, probes: GameServer, record: AckRecord, actors: Sequence[str]) -> None:
        self.actors = actors
        self.tally = Tally()
        self._load = load
        self._probes = probes
        self._record = record
        self._numbers = itertools.count(1)
        self._in_flight: set[asyncio.Task[None]] = set()

    async def spawn(self) -> None:
        """Create the NPCs. Raises StartFailed."""
        npcs = [actor for actor in self.actors if kind_of(actor) == "npc"]
        for start in range(0, len(npcs), _SPAWNED_AT_ONCE):
            part = npcs[start : start + _SPAWNED_AT_ONCE]
            for answer in await self._load.send_all([WireCommand(actor, "Spawn", _SHEET) for actor in part]):
                if not answer.ok:
                    raise StartFailed(f"{answer.to} was not spawned: {answer.error}", "See up.log of the world.")
                self._record.take(answer)

    @asynccontextmanager
    async def load(self, per_s: float) -> AsyncIterator[None]:
        """Send ``per_s`` commands a second, to all actors in turn. A command for which there is no room is skipped and
        counted, because the memory of a game server is bounded too."""
        streaming = asyncio.create_task(self._stream(per_s))
        try:
            yield
        finally:
            tasks = [streaming, *self._in_flight]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not streaming.cancelled():
            streaming.result()

    async def quiet(self, within_s: float) -> None:
        """Wait until all commands in flight have their replies. Raises Unavailable."""
        if self._in_flight:
            _, late = await asyncio.wait(set(self._in_flight), timeout=within_s)
            if late:
                raise Unavailable(f"the answer to {len(late)} commands of the load", f"none came in {within_s:g} s")

    async def probe(self, actors: Sequence[str], over: asyncio.Event) -> list[float]:
        """Ask each of these actors again and again until ``over``; the longest time to an ack of each, in seconds. An
        actor that does not answer at all is left out and counted as refused."""
        worst = await asyncio.gather(*(self._probe(actor, over) for actor in actors))
        return [took_s for took_s in worst if took_s is not None]

    async def ask_again(self, samples: Sequence[LatencySample]) -> None:
        """Send acked commands once more with the same ids; the record compares the replies."""
        await asyncio.gather(*(self._ask(self._probes, s.answer.to, s.n, s.answer.id) for s in samples))

    async def _stream(self, per_s: float) -> None:
        loop = asyncio.get_running_loop()
        turn = itertools.cycle(self.actors)
        began_s, sent = loop.time(), 0
        while True:
            due = int((loop.time() - began_s) * per_s) - sent
            for _ in range(due):
                if len(self._in_flight) >= _IN_FLIGHT_MAX:
                    self.tally.skipped += 1
                    continue
                task = loop.create_task(self._send(next(turn)))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
            sent += due
            await asyncio.sleep(_TICK_S)

    async def _send(self, actor: str) -> None:
        loop, n = asyncio.get_running_loop(), next(self._numbers)
        sent_s = loop.time()
        answer = await self._ask(self._load, actor, n)
        if answer is not None:
            self.tally.samples.append(LatencySample(n, sent_s, loop.time() - sent_s, answer))

    async def _probe(self, actor: str, over: asyncio.Event) -> float | None:
        loop = asyncio.get_running_loop()
        worst_s = 0.0
        while True:
            sent_s = loop.time()
            if await self._ask(self._probes, actor, next(self._numbers)) is None:
                return None
            worst_s = max(worst_s, loop.time() - sent_s)
            try:
                async with asyncio.timeout(_PROBE_EVERY_S):
                    await over.wait()
            except TimeoutError:
                continue
            return worst_s

    async def _ask(
        self, server: GameServer, actor: str, n: int, command_id: CommandId | None = None
    ) -> CommandReply | None:
        """Send command ``n``; returns its recorded ack, or None where it got none, which is counted."""
        do, arguments = _wish(actor, n)
        try:
            answer = await server.send(actor, do, arguments, command_id=command_id or new_command_id(server.now_s))
        except Unavailable as hung:
            log.warning("%s", hung)
            self.tally.refused["hung"] += 1
            return None
        if answer.error is not None:
            log.warning("%s answered with an error: %s", answer.to, answer.error)
            self.tally.refused[answer.error.code] += 1
            return None
        if answer.reply.get("applied") != 0:  # a command that changed nothing is not in the journal
            self._record.take(answer)
            server.acked.pop(answer.id, None)  # the record keeps it
        return answer


def crowd_of(npcs: int, own: Sequence[str]) -> list[str]:
    """So many NPCs, and the actors with a process of their own."""
    return [*own, *(f"npc:chaos-{n:05d}" for n in range(npcs))]


def _wish(actor: str, n: int) -> tuple[str, dict[str, Any]]:
    """A durable command that changes the actor, and whose reply says how often."""
    if kind_of(actor) == "faction":
        other = "ballas" if actor != "faction:ballas" else "corvino"
        return "ShiftRelation", {"other": other, "delta": (1, -1)[n.bit_count() % 2], "cause": f"chaos {n}"}
    return "Observe", {"what": f"somebody ran past, number {n}", "weight": 40, "about": None}
