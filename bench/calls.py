"""How often a world asks a model: an hour of game life of 100 active NPCs, in virtual time.

    python -m bench.calls                       # 16 players as in the demo without a budget, then 16, 48 and 100 with
    python -m bench.calls --players 48 --npc-calls 10 --json

Real: the rules, a host with its model requests, reminders and messages, the model mind with prompts and guards, the
gateway with budgets, ledger, cache and breakers. Not real: the model (``demo.fake_parts`` in the place of the
provider, 0.8 s an answer), its tokens (a quarter of the characters), Ray, Postgres, and the clock, which jumps.

The players do what they do in ``ganggpt demo``, again and again: they walk up to somebody, talk, ask what is
remembered, give something, threaten, or ask for work and do it. A line takes them 8 to 20 seconds, the way to the next
person one to three minutes, a job 5 to 12. Everybody is visited equally often, so all 100 NPCs are active; those beyond
the cast are doubles of it. Calls are counted where they are paid. ``per NPC-hour``: calls of all purposes (talks,
missions, politics, summaries, vectors) divided by the NPCs and the hours.

The peer in the same run asks a model for every line an NPC says and for nothing else, without any limit; its calls
are counted, their tokens are those of our talks.

``no budget``: nothing is limited, so what is seen is what the rules ask for. ``budgets``: those a world has where
nobody sets any (``GANGGPT_BUDGET_*``), at the list prices of gpt-4o.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from ganggpt.actors.envelope import wrap, wrap_view
from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.actors.routing.table import load_routes
from ganggpt.ai.gateway.budget import PAYER_KINDS, BudgetCounter, Limit
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.ai.gateway.gateway_config import (
    DeploymentSpec,
    GatewayConfig,
    ModelEntry,
    SlotEntry,
    read_prices,
)
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.gateway.provider import (
    Completion,
    Counted,
    Delta,
    ProviderCall,
    Vectors,
)
from ganggpt.ai.gateway.response_cache import ResponseCache
from ganggpt.ai.gateway.spending import Accounting, Spend
from ganggpt.ai.minds.model import MindSpec, ModelMind
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.ai.port import SLOTS
from ganggpt.config import Settings
from ganggpt.demo.fake_parts import every_part, vector_of
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc.commands import (
    AskForWork,
    Give,
    Talk,
    Threaten,
)
from ganggpt.domain.player.rules import Join, Report
from ganggpt.domain.turn import Command
from ganggpt.domain.world import World
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.models.responses import MemoryResponses
from ganggpt.simulation.loop import ProcessLoop, Scheduler
from ganggpt.testing.fleet import LocalFleet
from ganggpt.testing.memory_stores import (
    InMemoryArchive,
    MemoryDatabase,
    MemoryFlush,
    MemoryHosts,
    MemoryJournal,
)
from ganggpt.worldfiles.files import cast_of, load_world

NPCS: Final = 100
HOUR_S: Final = 3600.0
START_S: Final = 1_800_000_000.0
THINKS_S: Final = 0.8
GOAL: Final = 10.0
SERVER: Final = "bench"
MODEL, VECTORS = "gpt-4o", "text-embedding-3-small"
_ANSWER_S: Final = 20.0
_OPENERS: Final = ("Hello.", "Hey, how is business?", "Nice evening, friend.", "You look tired. Long day?")
_LINES: Final = (
    "Who runs these streets?", "Any news around here?", "Do you remember the pocket watch I gave you?",
    "What did I tell you last time?", "I saw a grey van outside the pier tonight, twice.", "Who do you work for?",
    "I owe you one, I will pay you back tomorrow.", "My brother got shot last night near the market.",
    "What do you know about the docks?", "Can I trust you with a secret? I hid the money under the church.",
)  # fmt: skip
_ENDS: Final = ("Thanks, see you.", "Bye.", "Take care.", "I have to go, but I will be back with my crew.")
_GIFTS: Final = (("a silver pocket watch", 400), ("coffee", 4), ("an old radio", 90))


async def _at_once(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Nothing runs beside this loop: its time is virtual."""
    return call(*arguments, **named)


class Stand:
    """Implements ``ai.gateway.provider.Provider`` with the fake model, on whatever clock the loop has."""

    async def complete(self, call: ProviderCall) -> Completion:
        """See Provider."""
        await asyncio.sleep(THINKS_S)
        text = every_part(_body(call))
        return Completion(text, "stop", _counted(call, text))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """See Provider."""
        await asyncio.sleep(THINKS_S)
        text = every_part(_body(call))
        yield Delta(text)
        yield Delta(finish="stop", counted=_counted(call, text))

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:  # noqa: ARG002 - see Provider
        """See Provider."""
        await asyncio.sleep(THINKS_S / 8)
        return Vectors(tuple(tuple(vector_of(text)) for text in texts), sum(len(text) // 4 + 1 for text in texts))

    async def close(self) -> None:
        """Nothing is open."""


def _body(call: ProviderCall) -> dict[str, Any]:
    named = {} if call.shape is None else {"response_format": {"json_schema": {"name": call.shape.name}}}
    return {"messages": [{"role": said.role, "content": said.text} for said in call.messages], **named}


def _counted(call: ProviderCall, text: str) -> Counted:
    schema = 0 if call.shape is None else len(json.dumps(call.shape.schema)) // 4
    return Counted(schema + sum(len(said.text) // 4 + 4 for said in call.messages), len(text) // 4 + 1)


@dataclass(slots=True)
class PlayersHeard:
    """What the players saw. ``lines``: said to NPCs, with gifts, threats and requests for work; ``late``: seconds until
    the last word of an answer by a model."""

    lines: int = 0
    talks: int = 0
    at_once: int = 0
    by_model: int = 0
    waited: int = 0
    unanswered: int = 0
    missions: int = 0
    by_origin: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Hour:
    """One measured hour."""

    players: int
    budgets: str
    heard: PlayersHeard
    spends: list[Spend]
    over_budget: int
    seconds: float

    def by_purpose(self) -> dict[str, tuple[int, int, float]]:
        """Calls, tokens and US dollars by ``slot/purpose``."""
        found: dict[str, tuple[int, int, float]] = {}
        for spend in self.spends:
            calls, tokens, usd = found.get(f"{spend.slot}/{spend.purpose}", (0, 0, 0.0))
            more = spend.usage.tokens, spend.usage.nano_usd / 1e9
            found[f"{spend.slot}/{spend.purpose}"] = (calls + 1, tokens + more[0], usd + more[1])
        return dict(sorted(found.items()))

    def as_stats(self) -> dict[str, Any]:
        """By name."""
        rows = self.by_purpose()
        calls, usd = sum(row[0] for row in rows.values()), sum(row[2] for row in rows.values())
        talks = rows.get("dialogue/talk", (0, 0, 0.0))
        npcs = Counter(spend.payers.npc for spend in self.spends if spend.payers.npc is not None)
        chat = sum(row[0] for name, row in rows.items() if not name.startswith("embedding/"))
        per_talk = talks[2] / talks[0] if talks[0] else 0.0
        return {
            "players": self.players, "budgets": self.budgets, "lines": self.heard.lines,
            "calls_per_npc_hour": round(calls / NPCS, 2), "chat_calls_per_npc_hour": round(chat / NPCS, 2),
            "most_of_one_npc": max(npcs.values(), default=0), "usd_per_npc_hour": round(usd / NPCS, 5),
            "peer_calls_per_npc_hour": round(self.heard.lines / NPCS, 2),
            "peer_usd_per_npc_hour": round(self.heard.lines * per_talk / NPCS, 5),
            "talks": self.heard.talks, "answered_at_once": self.heard.at_once, "by_model": self.heard.by_model,
            "waited_their_turn": self.heard.waited, "unanswered": self.heard.unanswered,
            "missions": self.heard.missions, "missions_by_origin": dict(sorted(self.heard.by_origin.items())),
            "refused_by_budget": self.over_budget, "seconds_to_compute": round(self.seconds, 1),
            "by_purpose": {name: {"calls": c, "tokens": t, "usd": round(u, 5)} for name, (c, t, u) in rows.items()},
        }  # fmt: skip


def peopled(world: World) -> World:
    """The world with as many people as are measured: those of its cast, and doubles of them."""
    names, people = sorted(world.npcs), dict(world.npcs)
    for name in names[: max(0, NPCS - len(names))]:
        double = world.npcs[name]
        people[f"{name}-junior"] = msgspec.structs.replace(double, id=f"{name}-junior", name=f"{double.name} Junior")
    return msgspec.structs.replace(world, npcs=people)


class Hours:
    """Plays an hour on a loop of its own. ``budgets``: their name and themselves.
    ``span_s``: for tests, less than an hour."""

    def __init__(
        self, world: World, players: int, budgets: tuple[str, Sequence[Limit]], seed: int = 7, span_s: float = HOUR_S
    ) -> None:
        self._world, self._players, self._budgets, self._seed = peopled(world), players, budgets, seed
        self._span_s = span_s
        self._scheduler = Scheduler(Random(seed))
        self._loop = ProcessLoop(self._scheduler, "hour", 0.0, self._mistake)
        self._spends: list[Spend] = []
        self._metrics = Metrics()
        self._heard = PlayersHeard()
        self._database = MemoryDatabase(self.now_s, dict.fromkeys(shared_shards(4), "shared"))
        self._finals: set[str] = set()
        self._pushes_read = 0
        self._deck: list[str] = []
        self._dice = Random(f"{seed} deck")

    def now_s(self) -> float:
        """Virtual Unix time."""
        return START_S + self._scheduler.now_s

    def write(self, spend: Spend) -> None:
        """See SpendLog."""
        self._spends.append(spend)

    def play(self) -> Hour:
        """The hour."""
        began_s = time.perf_counter()
        task = self._loop.start(self._hour())
        task.add_done_callback(lambda _: setattr(self._scheduler, "stop", True))
        self._scheduler.run(self._span_s + HOUR_S)  # a visit that began goes on to its end
        task.result()
        counted = self._metrics.counter("ganggpt_ai_over_budget_total")
        over = sum(counted.labels(kind)._value.get() for kind in PAYER_KINDS)  # noqa: SLF001
        took_s = time.perf_counter() - began_s
        return Hour(self._players, self._budgets[0], self._heard, self._spends, int(over), took_s)

    def _mistake(self, text: str) -> None:
        raise AssertionError(text)

    async def _hour(self) -> None:
        cast = {actor: (name, encode_command(command)) for actor, name, command in cast_of(self._world)}
        hosts, journal = MemoryHosts(self._database), MemoryJournal(self._database)
        gateway = self._gateway()
        spec = MindSpec(read_prompts(), "mature", b"bench", embeds=True)
        mind = ModelMind(spec, gateway, self._world, self._loop.time, aside=_at_once)
        peers: list[Router] = []

        def router() -> Router:
            return Router(fleet.call, lambda: load_routes(hosts), RouterOptions())

        def ports(_: str) -> HostPorts:
            flush, archive = MemoryFlush(self._database), InMemoryArchive(self._database)
            peers.append(router())
            return HostPorts(
                journal, hosts, flush, peers[-1], self._world, cast, ScriptedMind(), _nothing, _nothing, archive, mind
            )

        fleet = LocalFleet(ports, HostOptions())
        self._database.servers.add(SERVER)
        await fleet.start("host:0", "shared")
        await hosts.assign(dict.fromkeys(shared_shards(4), "host:0"))
        await fleet.refresh("host:0")
        front = router()
        await front.start()
        try:
            await self._everybody(front)
        finally:
            await front.close()
            await fleet.close()
            await gateway.close()

    def _gateway(self) -> ModelGateway:
        endpoint = Endpoint("azure", "fake-model", "http://localhost", "key", "v1")
        prices, specs = read_prices(None), {}
        for model in (MODEL, VECTORS):
            entry = ModelEntry(provider="fake-model", model=model)
            specs[model] = DeploymentSpec(model, endpoint, entry, prices[model])
        limits = self._budgets[1]
        config = GatewayConfig(specs, dict.fromkeys(SLOTS, SlotEntry(large=(MODEL,))), (VECTORS,), tuple(limits))
        deployments = {name: Deployment(spec, Stand(), self._metrics) for name, spec in specs.items()}
        accounting = Accounting(LocalLedger(_yes, _none_spent), limits, self, self._metrics, self.now_s)
        cache = ResponseCache(MemoryResponses(), self._metrics)
        return ModelGateway(config, deployments, accounting, cache, read_prompts(), self._metrics)

    # --------------------------------------------------------------------------------------------------- players

    async def _everybody(self, front: Router) -> None:
        self._npcs = [f"npc:{name}" for name in sorted(self._world.npcs)[:NPCS]]
        players = [f"player:p{n:03d}" for n in range(self._players)]
        for player in players:
            await self._send(front, player, Join(player.partition(":")[2], SERVER), player)
        await asyncio.gather(*(self._player(front, player) for player in players))

    async def _player(self, front: Router, player: str) -> None:
        dice, name = Random(f"{self._seed} {player}"), player[-4:].title()
        await asyncio.sleep(dice.uniform(0, 120))
        while self._loop.time() < self._span_s:
            await self._visit(front, player, name, dice)
            await asyncio.sleep(dice.uniform(60, 180))

    async def _visit(self, front: Router, player: str, name: str, dice: Random) -> None:
        npc = self._next()
        lines = [dice.choice(_OPENERS), *dice.sample(_LINES, dice.randint(1, 4)), dice.choice(_ENDS)]
        scene = dice.random()
        for place, text in enumerate(lines):
            await self._talk(front, npc, player, Talk(text, name))
            await asyncio.sleep(dice.uniform(8, 20))
            if place == 1 and scene < 0.15:
                await self._act(front, npc, player, Give(*dice.choice(_GIFTS), name))
            elif place == 1 and scene < 0.2:
                await self._act(front, npc, player, Threaten("Pay up or else.", armed=True, name=name))
            elif place == 1 and scene < 0.5:
                await self._job(front, npc, player, name, dice)

    def _next(self) -> str:
        if not self._deck:
            self._deck = [*self._npcs]
            self._dice.shuffle(self._deck)
        return self._deck.pop()

    async def _talk(self, front: Router, npc: str, player: str, talk: Talk) -> None:
        heard = self._heard
        heard.talks += 1
        reply = await self._act(front, npc, player, talk)
        if not reply.get("more"):
            heard.at_once += 1
        elif reply["utterance"] is None:
            heard.waited += 1
        elif await self._said(reply["utterance"]):
            heard.by_model += 1
        else:
            heard.unanswered += 1

    async def _said(self, utterance: str) -> bool:
        """Whether all of an answer came."""
        until_s = self._loop.time() + _ANSWER_S
        while self._loop.time() < until_s:
            for push in self._database.pushes[self._pushes_read :]:
                body: Mapping[str, Any] = msgspec.msgpack.decode(push.body)
                if push.type == "npc.hush" or (push.type == "npc.says" and body["final"]):
                    self._finals.add(body["utterance"])
            self._pushes_read = len(self._database.pushes)
            if utterance in self._finals:
                return True
            await asyncio.sleep(0.25)
        return False

    async def _job(self, front: Router, npc: str, player: str, name: str, dice: Random) -> None:
        """Ask for work, take it and do it, as Ava does in the demo."""
        mission = (await self._act(front, npc, player, AskForWork(name))).get("mission")
        if mission is None:
            return
        await asyncio.sleep(2.0)
        shown = await self._ask(front, wrap_view(new_command_id(self.now_s()), mission, player))
        self._heard.missions += 1
        self._heard.by_origin[shown["reply"]["explanation"]["origin"]] += 1
        if (await self._ask(front, self._wrapped(mission, Accept(), player)))["ok"]:
            for objective in shown["reply"]["objectives"]:
                deed = {key: objective[key] for key in ("verb", "target", "district") if objective.get(key)}
                for _ in range(objective["count"]):
                    report = msgspec.convert({"deeds": [deed]}, Report)
                    await self._ask(front, self._wrapped(player, report, player))
            await asyncio.sleep(dice.uniform(300, 720))

    async def _act(self, front: Router, npc: str, player: str, command: Command) -> Mapping[str, Any]:
        self._heard.lines += 1
        return await self._send(front, npc, command, player)

    async def _send(self, front: Router, to: str, command: Command, by: str) -> Mapping[str, Any]:
        answer = await self._ask(front, self._wrapped(to, command, by))
        assert answer["ok"], (to, command, answer)
        reply: Mapping[str, Any] = answer["reply"]
        return reply

    def _wrapped(self, to: str, command: Command, by: str) -> Any:
        return wrap(new_command_id(self.now_s()), to, by, command)

    async def _ask(self, front: Router, envelope: Any) -> Any:
        return msgspec.msgpack.decode(await front.ask(envelope))


def default_budgets() -> tuple[Limit, ...]:
    """What a world may spend where nobody says anything."""
    fields = {"server": "budget_hour", "player": "budget_player_hour", "npc": "budget_npc_hour"}
    rows = [(kind, Settings.model_fields[name].default) for kind, name in fields.items()]
    rows.append(("faction", Settings.model_fields["budget_faction_hour"].default))
    return tuple(Limit(kind, "hour", "nano_usd", int(usd * 1e9)) for kind, usd in rows)  # type: ignore[arg-type]


async def _yes() -> bool:
    return True


async def _none_spent(_: BudgetCounter) -> int:
    return 0


async def _nothing(_: Any) -> None:
    return None


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description="Model calls per NPC-hour at 100 active NPCs.")
    parser.add_argument("--players", type=int, action="append", help="players online; default 16, 48 and 100")
    parser.add_argument("--npc-calls", type=int, default=None, help="budget of calls of one NPC in an hour")
    parser.add_argument("--world", type=Path, default=Path(__file__).parents[1] / "worlds" / "los-santos")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    options = parser.parse_args()
    world, console = load_world(options.world), Console(stderr=options.json)
    budgets = ("budgets", default_budgets())
    if options.npc_calls is not None:
        budgets = (f"{options.npc_calls} calls a NPC", (Limit("npc", "hour", "calls", options.npc_calls),))
    cases = [(n, budgets) for n in options.players or (16, 48, 100)]
    hours = [Hours(world, *case).play() for case in [((options.players or [16])[0], ("no budget", ())), *cases]]
    table = Table(title=f"An hour of {NPCS} active NPCs: model calls per NPC-hour (goal {GOAL:g})")
    rows = [hour.as_stats() for hour in hours]
    table.add_column("number")
    for hour in hours:
        table.add_column(f"{hour.players} players, {hour.budgets}", justify="right")
    for name in rows[0]:
        if name not in ("players", "budgets", "by_purpose"):
            table.add_row(name, *(str(row[name]) for row in rows))
    for name in sorted({purpose for row in rows for purpose in row["by_purpose"]}):
        found = [row["by_purpose"].get(name, {"calls": 0, "tokens": 0, "usd": 0.0}) for row in rows]
        table.add_row(name, *(f"{one['calls']} calls, {one['tokens']:,} tokens, ${one['usd']:.3f}" for one in found))
    console.print(table)
    if options.json:
        print(json.dumps({f"{row['players']}/{row['budgets']}": row for row in rows}))


if __name__ == "__main__":
    main()
