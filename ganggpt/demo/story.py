"""The demo: an evening in the city, seen from a game server, and then the faults that could make it forget.

A simulated game server plays sixteen players over a real WebSocket. The host that carries Mara is killed with SIGKILL,
then the whole world is stopped and started again; both times she is asked what she remembers. At the end every command
that was acknowledged on the way is looked up in the journal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from ganggpt.actors.routing.shards import shared_shard
from ganggpt.client.game_server import GameServer
from ganggpt.client.waiting import CommandReply
from ganggpt.client.wire import WireCommand
from ganggpt.demo.hearing import SLACK_S, HeardWords, Hearing
from ganggpt.demo.model_server import ModelServer
from ganggpt.errors import StartFailed, Unavailable
from ganggpt.persistence.audit import holder_of, promises_kept, shard_count, world_counts
from ganggpt.persistence.pool import PoolOptions, open_pool
from ganggpt.runtime.run_file import Run
from ganggpt.runtime.world_process import WorldProcess, token_of

SERVER: Final = "ls-demo"
MARA: Final = "npc:mara"
NAMES: Final = (
    "Ava", "Bruno", "Celia", "Dante", "Edda", "Farid", "Greta", "Hugo",
    "Ines", "Jonah", "Kira", "Leon", "Mina", "Nico", "Olga", "Pavel",
)  # fmt: skip
GIFT: Final = "a silver pocket watch"
QUESTION: Final = "Do you remember the pocket watch I gave you?"
_WATCH: Final = "pocket watch"
_WORDS_S: Final = 30.0
DOG: Final = "companion:rex-of-ava"
PAWNBROKER: Final = "npc:deke"
TALK: Final = (
    "What do you sell?",
    "How much is the radio?",
    "Too much. I'll give you 20.",
    "25, last offer.",
    "Who is Jonelle Pryce?",
    "What are you hiding?",
)
"""What Ava asks the pawnbroker."""


@dataclass
class StoryLine:
    """One line of the story: ``who`` speaks or acts; an empty ``who`` is the narrator. ``note`` says what it proves."""

    who: str
    text: str
    note: str = ""


@dataclass
class DemoResult:
    """The result of the demo; the last line of ``ganggpt demo --json``."""

    acked: int = 0
    lost: int = 0
    doubled: int = 0
    remembered_after_kill: bool = False
    remembered_after_restart: bool = False
    missions_completed: int = 0
    memories_in_postgres: int = 0
    relation_moved: float = 0.0
    loyalty_gained: int = 0
    players: int = 0
    ready_s: float = 0.0
    back_after_kill_s: float = 0.0
    restart_s: float = 0.0
    model_asked: int = 0
    model_answered: int = 0
    model_answer_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or forgotten."""
        return not self.lost and not self.doubled and self.remembered_after_kill and self.remembered_after_restart


Tell = Callable[[StoryLine], None]


class Demo:
    """Owns one run of the demo in a data directory of its own. ``model``: the real one that speaks; it is slower than
    one that is none, so fewer people talk at once."""

    def __init__(
        self,
        data_dir: Path,
        tell: Tell,
        *options: str,
        environment: Mapping[str, str] | None = None,
        model: ModelServer | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._tell = tell
        self._world = WorldProcess(data_dir, *options, environment=environment)
        self._model = model
        self._hearing = Hearing(_WORDS_S if model is None else model.wait_s + SLACK_S)
        self._acked: set[bytes] = set()
        self.result = DemoResult()

    async def play(self) -> DemoResult:
        """Play the whole evening. Raises GangGPTError where a part of it fails."""
        try:
            if self._model is not None:
                seconds = await self._model.check()
                self._say("", f"{self._model.model} answers at {self._model.url}.", f"{seconds:.1f} s")
            self._say("", "The city wakes up.")
            run = await self._world.start()
            self.result.ready_s = round(self._world.ready_s, 1)
            self._say("", f"{self._world.ready_s:.1f} s later the bridge is open.", run.bridge)
            async with self._game_server(run) as server:
                await self._evening(server, run)
                await self._kill_her_host(server, run)
                self._acked.update(server.acked)
            self._say("", "Then the lights go out: the whole world is stopped.")
            loop = asyncio.get_running_loop()
            began = loop.time()
            await self._world.stop()
            self._say("", "And started again.")
            run = await self._world.start()
            self.result.restart_s = round(loop.time() - began, 1)
            async with self._game_server(run) as server:
                await self._join(server, NAMES[:1])
                reply = await self._ask_her(server)
                self.result.remembered_after_restart = await self._remembers(server, run, reply)
                self._acked.update(server.acked)
                await self._count(run)
                await self._judge_the_model(run)
            return self.result
        finally:
            await self._world.stop()

    def _game_server(self, run: Run) -> GameServer:
        return GameServer(run.bridge, token_of(run), SERVER)

    async def _evening(self, server: GameServer, run: Run) -> None:
        await self._join(server, NAMES)
        self._say("", f"{len(NAMES)} players come online.")
        await self._street_talk(server, run)
        await self._a_talk(server)
        await self._ava_and_mara(server)
        await self._a_job(server, run)
        await self._a_companion(server, run)

    async def _join(self, server: GameServer, names: tuple[str, ...]) -> None:
        joins = [WireCommand(_player(n), "Join", {"username": n, "server": SERVER}) for n in names]
        for answer in await server.send_all(joins):
            _must(answer)
        self.result.players = max(self.result.players, len(names))

    async def _street_talk(self, server: GameServer, run: Run) -> None:
        """Every player talks to an NPC; with a real model, one to each of them."""
        people = ("npc:tobias", "npc:sgt-ogden", "npc:detective-abara", MARA)
        lines = (
            "Hey, how is business?",
            "Nice evening, friend.",
            "Who runs these streets?",
            "You look tired. Long day?",
        )
        talks = [
            WireCommand(people[i % len(people)], "Talk", {"text": lines[i % len(lines)], "name": name}, _player(name))
            for i, name in enumerate(NAMES[1:] if self._model is None else NAMES[1 : 1 + len(people)])
        ]
        answers = [_must(answer) for answer in await server.send_all(talks)]
        words = await self._words(server, run, answers)
        for i in (0, 1, 2):
            self._say(NAMES[1 + i], str(talks[i].arguments["text"]))
            notes = (f"mood {answers[i]['mood']}", words[i].note(self._speaker))
            self._say(_name(people[i]), words[i].text, "; ".join(filter(None, notes)))
        threat = await self._do(server, "npc:tobias", "Threaten", {"text": "Pay up or else.", "armed": True}, "Dante")
        self._say("Dante", "Pay up or else.", "a weapon in hand")
        self._say(_name("npc:tobias"), threat["say"], f"standing {threat['standing']}")
        seen = {"what": "Dante pulled a gun on Tobias on the corner", "weight": 70, "about": _player("Dante")}
        await self._do(server, MARA, "Observe", seen, None)

    async def _a_talk(self, server: GameServer) -> None:
        """Ava asks a pawnbroker what he sells, knows and hides, and haggles. With a model there is talk enough."""
        if self._model is not None:
            return
        for text in TALK:
            said = await self._do(server, PAWNBROKER, "Talk", {"text": text, "name": "Ava"}, "Ava")
            self._say("Ava", text)
            self._say(_name(PAWNBROKER), said["say"], f"standing {said['standing']}")

    async def _ava_and_mara(self, server: GameServer) -> None:
        given = await self._do(server, MARA, "Give", {"item": GIFT, "value": 400, "name": "Ava"}, "Ava")
        self._say("Ava", f"(gives Mara {GIFT})")
        self._say("Mara", given["say"], f"standing {given['standing']}, mood {given['mood']}")

    async def _a_job(self, server: GameServer, run: Run) -> None:
        """Ask for work, take it, do it, get paid; a relation between two factions moves."""
        work = await self._do(server, MARA, "AskForWork", {"name": "Ava"}, "Ava")
        self._say("Ava", "Got work for me?")
        self._say("Mara", work["say"], f"{work['title']}, ${work['reward']:,}")
        mission = work["mission"]
        async with _rest(run) as rest:
            offered = await _until(rest, f"/v1/missions/{mission.removeprefix('mission:')}", lambda _: True)
            sides = sorted({side for pair in offered.get("frictions", {}) for side in pair.split(">")})
            before = {side: await _get(rest, f"/v1/factions/{side}") for side in sides}
            _must(await server.send(mission, "Accept", by=_player("Ava")))
            await _until(rest, f"/v1/players/{_player('Ava').removeprefix('player:')}", lambda p: bool(p["missions"]))
            for objective in offered["objectives"]:
                deed = {key: objective[key] for key in ("verb", "target", "district") if objective.get(key)}
                for _ in range(objective["count"]):
                    await self._do(server, _player("Ava"), "Report", {"deeds": [deed]}, "Ava")
                place = f" in {objective['district']}" if objective.get("district") else ""
                self._say("Ava", f"({objective['verb'].replace('_', ' ')} {objective['target']}{place})")
            done = await _until(
                rest, f"/v1/missions/{mission.removeprefix('mission:')}", lambda m: m["status"] == "completed"
            )
            self._say("", f"“{done['title']}” is done, and paid once.", f"+${work['reward']:,}")
            await self._relation(rest, before, offered.get("frictions", {}))
        push = await self._push_of(server, "mission.completed")
        self._say("", "The game server hears of it by itself.", f"push {push.no}: {push.type}")

    async def _relation(self, rest: httpx.AsyncClient, before: Mapping[str, Any], frictions: Mapping[str, int]) -> None:
        for pair in frictions:
            a, b = pair.split(">")
            was = _strength(before[a], b)
            after = await _until(rest, f"/v1/factions/{a}", partial(_moved, other=b, was=was))
            moved = _strength(after, b) - was
            self.result.relation_moved = max(self.result.relation_moved, round(abs(moved), 1))
            other = before.get(b, {}).get("name", b)
            how = "drift apart" if moved < 0 else "come closer"
            self._say("", f"{after['name']} and {other} {how}.", f"{was:.0f} → {was + moved:.0f}")

    async def _a_companion(self, server: GameServer, run: Run) -> None:
        recruit = {
            "owner": _player("Ava"), "name": "Rex", "companion_type": "bodyguard",
            "personality": {"loyalty": 60, "courage": 70},
        }  # fmt: skip
        await self._do(server, DOG, "Recruit", recruit, "Ava")
        before = (await self._do(server, DOG, "GainExperience", {"amount": 5, "cause": "first night"}, None))["loyalty"]
        said = await self._do(server, DOG, "Talk", {"text": "Well done, Rex. I trust you, my friend."}, "Ava")
        (words,) = await self._words(server, run, [said])
        after = await self._do(server, DOG, "GainExperience", {"amount": 200, "cause": "held the door"}, None)
        self.result.loyalty_gained = after["loyalty"] - before
        self._say("Ava", "Well done, Rex. I trust you, my friend.")
        notes = (f"loyalty {before} → {after['loyalty']}", words.note(self._speaker))
        self._say("Rex", words.text, "; ".join(filter(None, notes)))

    async def _kill_her_host(self, server: GameServer, run: Run) -> None:
        pool = await open_pool(run.database, PoolOptions(min_size=0, max_size=2))
        try:
            found = await holder_of(pool, [MARA, shared_shard(MARA, await shard_count(pool))])
        finally:
            await pool.close()
        if found is None:
            raise Unavailable("the host of Mara")
        host, address = found
        pid = int(address.rpartition("/")[2])
        self._say("", f"The process that carries Mara ({host}, pid {pid}) is killed: SIGKILL.")
        loop = asyncio.get_running_loop()
        began = loop.time()
        os.kill(pid, signal.SIGKILL)
        reply = await self._ask_her(server)
        self.result.back_after_kill_s = round(loop.time() - began, 1)
        self.result.remembered_after_kill = await self._remembers(server, run, reply)
        self._say("", f"She was back after {self.result.back_after_kill_s:.1f} s.")

    async def _ask_her(self, server: GameServer) -> Mapping[str, Any]:
        """Ask for the gift; the reply."""
        return await self._do(server, MARA, "Talk", {"text": QUESTION, "name": "Ava"}, "Ava")

    async def _remembers(self, server: GameServer, run: Run, reply: Mapping[str, Any]) -> bool:
        """Whether the answer is of the gift. What a model says is its own: there it is enough that it was told of the
        gift as something to remember."""
        (words,) = await self._words(server, run, [reply])
        told, is_said = words.told_of(_WATCH), _WATCH in words.text.replace(QUESTION, "").lower()
        by = words.note(self._speaker) if words.asked else f"cites memory {reply['cites']}"
        self._say("Ava", QUESTION)
        self._say("Mara", words.text, by if is_said or not told else f"{by}; it was told {told}")
        return is_said or bool(told)

    async def _words(self, server: GameServer, run: Run, replies: Sequence[Mapping[str, Any]]) -> list[HeardWords]:
        async with _rest(run) as rest:
            return await self._hearing.words(server, rest, replies)

    @property
    def _speaker(self) -> str:
        return "a model" if self._model is None else self._model.model

    async def _judge_the_model(self, run: Run) -> None:
        """Say how often and how fast a real model spoke, and what is wrong with it where it did not."""
        heard, result = self._hearing, self.result
        result.model_asked, result.model_answered = heard.asked, len(heard.times_s)
        result.model_answer_s = heard.answer_s
        if self._model is None:
            return
        told = f"{result.model_answered} of {result.model_asked} answers are by {self._speaker}"
        self._say("", f"{told}.", f"half of them within {result.model_answer_s:.1f} s" if heard.times_s else "")
        if heard.why_not:
            async with _rest(run) as rest:
                checks = (await rest.get("/health")).json()["checks"]
            message = next((check.get("message") for check in checks if check["name"] == "ai"), None)
            reasons = ", ".join(f"{why} ({count})" for why, count in heard.why_not.items())
            self._say("", f"The script spoke for the rest: {reasons}.", message or "")

    async def _count(self, run: Run) -> None:
        pool = await open_pool(run.database, PoolOptions(min_size=0, max_size=2))
        try:
            promises = await promises_kept(pool, self._acked)
            self.result.counts = await world_counts(pool)
        finally:
            await pool.close()
        self.result.acked, self.result.lost, self.result.doubled = promises.acked, promises.lost, promises.doubled
        self.result.memories_in_postgres = self.result.counts["memories"]
        self.result.missions_completed = self.result.counts["missions_completed"]

    async def _do(
        self, server: GameServer, to: str, do: str, arguments: Mapping[str, Any], player: str | None
    ) -> Mapping[str, Any]:
        return _must(await server.send(to, do, arguments, by=None if player is None else _player(player)))

    async def _push_of(self, server: GameServer, wanted: str) -> Any:
        async with asyncio.timeout(20):
            while True:
                push = await server.next_push(20)
                if push.type == wanted:
                    return push

    def _say(self, who: str, text: str, note: str = "") -> None:
        self._tell(StoryLine(who, text, note))


def _player(name: str) -> str:
    """The actor of a demo player: always the same UUID for a name."""
    return f"player:{uuid.uuid5(uuid.NAMESPACE_DNS, f'{name.lower()}.demo')}"


def _name(actor: str) -> str:
    return actor.partition(":")[2].replace("-", " ").title()


def _must(answer: CommandReply) -> Mapping[str, Any]:
    if not answer.ok:
        problem = "" if answer.error is None else f"{answer.error.code}: {answer.error.message}"
        raise StartFailed(
            f"The scene with {answer.to} failed ({problem}).", "This is a mistake of ours; please report it."
        )
    return answer.reply


def _strength(faction: Mapping[str, Any], other: str) -> float:
    return float(faction["relations"][other]["value"])


def _moved(faction: Mapping[str, Any], other: str, was: float) -> bool:
    return abs(_strength(faction, other) - was) >= 0.5


def _rest(run: Run) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token_of(run)}"}
    return httpx.AsyncClient(base_url=run.health.removesuffix("/health"), headers=headers, timeout=10, trust_env=False)


async def _get(rest: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await rest.get(path)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


async def _until(
    rest: httpx.AsyncClient, path: str, fact: Callable[[dict[str, Any]], bool], within_s: float = 20.0
) -> dict[str, Any]:
    """Read until a fact that messages bring about is there."""
    async with asyncio.timeout(within_s):
        while True:
            answer = await rest.get(path)
            if answer.status_code == httpx.codes.OK and fact(answer.json()):
                body: dict[str, Any] = answer.json()
                return body
            await asyncio.sleep(0.1)
