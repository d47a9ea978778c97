"""How long the first sentence of a model is on its way: from its last byte at the model's server to the player.

``python -m bench.first_sentence [--quick] [--json]`` starts a world of its own with a server that streams an answer as
a model writes it, token by token, and notes when it sent the end of the first sentence. A game server talks to one NPC
after the other and notes when the sentence arrives as a push. Two kinds of answers: ``of two`` (the next word follows
at once, as it takes one to see that a sentence has ended, and the rest half a second later) and ``alone`` (the string
ends with the sentence, the actions come half a second later). Exit status 1 where the median is over the goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench.processes import ROOT
from bench.systems import Address, GangGPT
from bench.talk import quantile
from ganggpt.client.game_server import GameServer
from ganggpt.errors import GangGPTError

GOAL_MS: Final = 20.0
"""The most that the median may be."""
PAUSE_S: Final = 0.5
"""How long the model writes nothing after its first sentence."""
TOKEN_S: Final = 0.02
"""Between two tokens, as of a model that writes 50 a second."""
KINDS: Final[dict[str, tuple[Sequence[str], Sequence[str]]]] = {
    "of two": (
        ('{"', "say", '":', ' "', "Nobody", " walks", " here", " at", " night", "."),
        (" They", " know", " better", '.",', ' "actions', '":', " []", "}"),
    ),
    "alone": (
        ('{"', "say", '":', ' "', "Nobody", " walks", " here", " at", " night", '.",'),
        (' "actions', '":', " []", "}"),
    ),
}
"""The tokens up to the end of the first sentence, and those after it. The first of the latter follows at once."""
SENTENCE: Final = "Nobody walks here at night."
PEOPLE: Final = ("npc:mara", "npc:tobias", "npc:detective-abara", "npc:sgt-ogden")
_WORLD: Final = ROOT / "worlds" / "los-santos"
_ANSWER_S: Final = 30.0


class PacedModel:
    """A model server that writes one kind of answer. ``sent_s``: when the end of the last first sentence was sent."""

    def __init__(self) -> None:
        self.kind = next(iter(KINDS))
        self.sent_s = 0.0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, by a stream where one is asked for."""
        asked = await request.json()
        first, rest = KINDS[self.kind]
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "".join((*first, *rest))}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response({**_head("chat.completion"), "choices": [choice]})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for token in first:
            await asyncio.sleep(TOKEN_S)
            sent_s = time.perf_counter()
            await response.write(_event(token))
        self.sent_s = sent_s
        await response.write(_event(rest[0]))
        await asyncio.sleep(PAUSE_S)
        for token in rest[1:]:
            await response.write(_event(token))
        await response.write(_event("", "stop") + b"data: [DONE]\n\n")
        return response

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Listen on localhost; gives the base URL."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-bench", "object": kind, "created": 1_700_000_000, "model": "paced"}


def _event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + json.dumps({**_head("chat.completion.chunk"), "choices": [choice]}).encode() + b"\n\n"


async def measure(home: Path, talks: int) -> dict[str, list[float]]:
    """Milliseconds by kind of answer. Raises GangGPTError."""
    model = PacedModel()
    async with model.served() as url:
        world = GangGPT(_WORLD, home / "world", home, {"OPENAI_BASE_URL": url, "OPENAI_MODEL": "paced"})
        try:
            address = await world.start()
            return {kind: await on_the_way(address, model, kind, talks) for kind in KINDS}
        finally:
            await world.stop()


async def on_the_way(address: Address, model: PacedModel, kind: str, talks: int) -> list[float]:
    """How long the first sentence was on its way in each of so many talks, in milliseconds. The first talk to each
    person warms it up and does not count."""
    model.kind = kind
    found: list[float] = []
    async with GameServer(address.url, address.token, "bench-sentence") as game:
        for no in range(len(PEOPLE)):
            await game.send(f"player:p{no}", "Join", {"username": f"Player {no}", "server": "bench-sentence"})
        for no in range(-len(PEOPLE), talks):
            person, player = PEOPLE[no % len(PEOPLE)], f"player:p{no % len(PEOPLE)}"
            line = f"What happened at pier {no + 100} in the night of the storm, and {kind} of whom saw it?"
            answer = await game.send(person, "Talk", {"text": line}, by=player)
            assert answer.ok, answer
            assert answer.reply.get("more"), answer
            arrived_s, said = await _told(game, str(answer.reply["utterance"]))
            assert said == SENTENCE, said
            if no >= 0:
                found.append((arrived_s - model.sent_s) * 1000)
    return found


async def _told(game: GameServer, utterance: str) -> tuple[float, str]:
    """When the first sentence arrived, and its text; waits for the end of the utterance."""
    first: tuple[float, str] | None = None
    while True:
        push = await game.next_push(_ANSWER_S)
        if push.type == "npc.says" and push.body["utterance"] == utterance:
            first = first or (time.perf_counter(), push.body["say"])
            if push.body["final"]:
                return first


def stats_of(found: dict[str, list[float]]) -> dict[str, float]:
    """By name, in milliseconds."""
    stats: dict[str, float] = {}
    for kind, times in found.items():
        name = kind.replace(" ", "_")
        stats |= {f"{name}_p50_ms": quantile(times, 0.5), f"{name}_p99_ms": quantile(times, 0.99)}
    return stats


def reached(stats: dict[str, float]) -> bool:
    """Whether the medians are within the goal."""
    return all(value <= GOAL_MS for name, value in stats.items() if name.endswith("p50_ms"))


def main() -> int:
    """Measure and print. Exit status 1 where the goal was missed, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a few talks: shows that it runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganggpt-sentence-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # Postgres does not run as root, so another user has to get in
        try:
            stats = stats_of(asyncio.run(measure(Path(home), 8 if options.quick else 60)))
        except GangGPTError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    if options.json:
        sys.stdout.write(json.dumps({**stats, "reached": reached(stats)}) + "\n")
    else:
        table = Table("first sentence", "p50 ms", "p99 ms", f"goal: p50 ≤ {GOAL_MS:.0f}", title_justify="left")
        for kind in KINDS:
            name = kind.replace(" ", "_")
            table.add_row(kind, *(f"{stats[f'{name}_{share}_ms']:.1f}" for share in ("p50", "p99")))
        Console().print(table)
    return 0 if reached(stats) else 1


if __name__ == "__main__":
    sys.exit(main())
