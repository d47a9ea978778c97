"""Game servers of a simulated world, and their own record of what they were told: the outside view that is compared
with the journal in the end.

A client sends a command under one id until it has an answer that is final: over another bridge when one is gone, again
when the answer says that trying again makes sense. Now and then it sends an answered one once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from ganggpt.actors.clock import loop_s
from ganggpt.actors.envelope import Envelope, wrap, wrap_view
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.ids import CommandId
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.player import rules as player
from ganggpt.domain.turn import Command
from ganggpt.errors import Unavailable
from ganggpt.simulation.cluster import Bridge, Cluster
from ganggpt.simulation.network import Network, Process

ANSWER_S = 12.0
"""How long a client waits for one answer before it sends again."""
LATE_S = 1.0
"""An answer that comes this long after the router's deadline is late."""


@dataclass(slots=True)
class SentCommand:
    """One command as its client remembers it. ``after``: what the same client had heard of before it sent this one."""

    id: bytes
    to: str
    name: str
    durable: bool
    sent_s: float
    after: bytes | None
    answers: list[bytes] = field(default_factory=list)
    answered_s: float | None = None
    tries: int = 0

    @property
    def ok(self) -> dict[str, Any] | None:
        """The first answer, where it says that the command was applied."""
        if not self.answers:
            return None
        first: dict[str, Any] = msgspec.msgpack.decode(self.answers[0])
        return first if first["ok"] else None


class Client:
    """One game server with its players. ``record``: every command it ever sent, in order. ``stale_reads``: reads that
    showed less than what the same client had been told before; counted, for reads promise no order. ``ahead_s``: how
    far the clock it makes its ids by is ahead."""

    def __init__(
        self, process: Process, clusters: Mapping[str, Cluster], name: str, clock_s: Any, dice: Random
    ) -> None:
        self.name = name
        self.ahead_s = 0.0
        self.record: list[SentCommand] = []
        self.late: list[tuple[float, str]] = []
        self.reads = 0
        self.stale_reads = 0
        self.open = 0
        self.on_answer: Callable[[SentCommand, bytes], None] = _ignore
        self._process = process
        self._clusters = clusters
        self._network: Network = next(iter(clusters.values())).network
        self._clock_s = clock_s
        self._dice = dice
        self._bridge: Bridge | None = None
        self._last: dict[str, bytes] = {}
        self._seqs: dict[str, int] = {}

    async def do(self, to: str, by: str, command: Command) -> dict[str, Any]:
        """Send a command until it is answered for good."""
        sent = SentCommand(self._new_id(), to, command.tag, command.is_durable(), self._clock_s(), self._last.get(to))
        self.record.append(sent)
        reply = await self._until_final(wrap(sent.id, to, by, command), sent)
        if reply["ok"] and sent.durable:
            self._last[to] = sent.id
            self._seqs[to] = max(self._seqs.get(to, 0), reply["seq"])
        if self._dice.random() < 0.1:
            await self._until_final(wrap(sent.id, to, by, command), sent)
        return reply

    async def view(self, actor: str, by: str) -> dict[str, Any]:
        """Read an actor."""
        self.reads += 1
        known = self._seqs.get(actor, 0)
        reply = await self._until_final(wrap_view(self._new_id(), actor, by), None)
        if reply["ok"] and reply["seq"] < known:
            self.stale_reads += 1
        return reply

    async def _until_final(self, envelope: Envelope, sent: SentCommand | None) -> dict[str, Any]:
        self.open += 1
        while True:
            wait_s = 0.05
            if sent is not None:
                sent.tries += 1
            try:
                answer = await self._try(envelope)
            except Unavailable:
                self._bridge = None
            else:
                reply: dict[str, Any] = msgspec.msgpack.decode(answer)
                if reply["ok"] or not reply["error"]["retryable"]:
                    self.open -= 1
                    if sent is not None:
                        sent.answers.append(answer)
                        sent.answered_s = sent.answered_s or self._clock_s()
                        self.on_answer(sent, answer)
                    return reply
                wait_s = reply["error"]["retry_after_ms"] / 1000
                if reply["error"]["code"] == "wrong_cluster":
                    self._bridge = None
            await asyncio.sleep(wait_s * (1 + self._dice.random()))

    async def _try(self, envelope: Envelope) -> bytes:
        bridge = self._bridge
        if bridge is None:
            bridge = self._dice.choice([b for cluster in self._clusters.values() for b in cluster.bridges])
            self._bridge = bridge
        answer: bytes = await self._network.ask(
            self._process, bridge.process, partial(self._at_bridge, bridge, envelope), _no_answer, ANSWER_S
        )
        return answer

    async def _at_bridge(self, bridge: Bridge, envelope: Envelope) -> bytes:
        """In the process of the bridge: ask its router and check that the answer comes by the deadline."""
        began_s = loop_s()
        answer = await bridge.router.ask(envelope)
        elapsed_s = loop_s() - began_s
        if elapsed_s > bridge.router.options.deadline_s + LATE_S:
            self.late.append((elapsed_s, f"{envelope.name} to {envelope.to}"))
        return answer

    def _new_id(self) -> CommandId:
        raw = bytearray(int((self._clock_s() + self.ahead_s) * 1000).to_bytes(6, "big") + self._dice.randbytes(10))
        raw[6] = 0x70 | raw[6] & 0x0F
        raw[8] = 0x80 | raw[8] & 0x3F
        return CommandId(bytes(raw))


def _ignore(_: SentCommand, __: bytes) -> None:
    return None


def _no_answer(why: str) -> Unavailable:
    return Unavailable("the bridge", why)


async def play(client: Client, server: str, players: Sequence[str], steps: int, dice: Random) -> None:
    """Play the players of a game server: one command after the other, each after the answer to the last."""
    for name in players:
        await client.do(f"player:{name}", f"server:{server}", player.Join(name, server))
    deeds = _Deeds(client, server, players, dice)
    for _ in range(steps):
        await deeds.one()
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.6)


_GIFTS: Final = ("watch", "radio", "rope", "lamp", "hat", "boat", "ring", "cake")
_LINES: Final = (
    "hello",
    "I like the docks",
    "you are a liar",
    "I will pay you tomorrow",
    "do you remember the emerald?",
)
_SEEN: Final = ("fires a gun", "burns a van", "sinks a boat", "robs the bakery", "breaks a window")


class _Deeds:
    """Draw the next step."""

    def __init__(self, client: Client, server: str, players: Sequence[str], dice: Random) -> None:
        self._client = client
        self._server = f"server:{server}"
        self._players = players
        self._dice = dice
        self._offers: list[tuple[str, str]] = []
        self._taken: list[str] = []
        self._companions: list[tuple[str, str]] = []
        self._named = _names(server)

    async def one(self) -> None:
        """Take one step."""
        name = self._dice.choice(self._players)
        me, npc_ = f"player:{name}", self._dice.choice(("npc:mara", "npc:otis", "npc:ines"))
        chance = self._dice.random()
        do = self._client.do
        if chance < 0.2:
            await do(npc_, me, npc.Give(self._dice.choice(_GIFTS), self._dice.randrange(5, 400)))
        elif chance < 0.3:
            await do(npc_, me, npc.Talk(self._dice.choice(_LINES)))
        elif chance < 0.36:
            await do(npc_, self._server, npc.Observe(self._dice.choice(_SEEN), self._dice.randrange(5, 90), me))
        elif chance < 0.46:
            reply = await do("npc:mara", me, npc.AskForWork())
            if reply["ok"] and "mission" in reply["reply"]:
                self._offers.append((me, reply["reply"]["mission"]))
        elif chance < 0.58 and self._offers:
            await self._answer_offer(*self._offers.pop())
        elif chance < 0.66:
            deed = Deed("deliver", "parcel", None, 1)
            await do(me, self._server, player.Report((1.0, 2.0, 3.0), None, (deed,)))
        elif chance < 0.78:
            await do(me, self._server, player.Report((self._dice.random() * 100, 2.0, 3.0), "docks"))
        elif chance < 0.84:
            ours, theirs = self._dice.sample(("harbour", "vipers", "council"), 2)
            shift = faction.ShiftRelation(theirs, self._dice.choice((-9, -4, 5, 8)), "a rumour")
            await do(f"faction:{ours}", self._server, shift)
        elif chance < 0.92:
            await self._with_companion(me)
        elif chance < 0.96:
            await do(me, self._server, player.Quit())
            await do(me, self._server, player.Join(name, self._server.removeprefix("server:")))
        else:
            await self._client.view(self._dice.choice((npc_, me, "faction:vipers")), self._server)

    async def _answer_offer(self, me: str, offered: str) -> None:
        answer = mission.Accept() if self._dice.random() < 0.8 else mission.Abandon()
        await self._client.do(offered, me, answer)

    async def _with_companion(self, me: str) -> None:
        if not self._companions:
            name = next(self._named)
            recruit = companion.Recruit(me, "Rex", "bodyguard", {"courage": 60})
            await self._client.do(f"companion:{name}", me, recruit)
            self._companions.append((me, f"companion:{name}"))
            return
        owner, actor = self._dice.choice(self._companions)
        if self._dice.random() < 0.5:
            await self._client.do(actor, owner, companion.Order("scout"))
        else:
            await self._client.do(actor, owner, companion.GainExperience(20, "a walk"))


def _names(server: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"{server}-rex-{number}"
